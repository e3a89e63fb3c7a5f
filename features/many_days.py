"""Day facts of many lines: the engine sorts the lines by customer, and some customers at a time are summed up.

The lines leave the engine as a stream in the order of customers, so that no more of them are held than a block and
what the engine sorts: a share of the customers at a time, and on its disk where that is still more than its limit of
memory. Nothing is summed up across customers, so that blocks of any size give the same rows.
"""

# ruff: noqa: S608  (identifiers in the statements are names of our own)
from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import ibis
import ibis.expr.types as ir
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.day_gaps import MOVES, settle
from features.day_sums import BEFORE, BOUGHT, KEYS, THINGS, DaySums
from features.days import day_facts, money_of_lines, nlogn_step, settled_days
from features.engine import memory_limit
from features.sorted_numbers import Ints

__all__ = ["BLOCK_LINES", "MOVING", "SETTLED", "as_wanted", "in_blocks", "many_day_facts"]

SETTLED, MOVING = "settled_days", "moving_facts"
"""Kinds of rows."""

BLOCK_LINES = 250_000
"""Lines summed up at a time, or all of a customer who has more."""

BATCH_LINES = 60_000
"""Lines taken from the engine at a time."""

LINE_BYTES = 150
"""Memory that a line takes while it is sorted."""

MOST_SHARES = 8
"""Shares of customers that are sorted one after the other; each may read all lines again."""

SAMPLE = 20_000
"""Lines by which the shares are made of about equal size."""

_RAW = ("amount", "quantity", "discount", "cost")
_FLAGS = ("lines", "returns", "discounted_lines", "costed_lines")


def many_day_facts(con: Any, orders: ir.Table) -> Iterator[dict[str, pa.Table]]:
    """The rows of `features.days.day_facts` and `settled_days`, some at a time, by rising id and day.

    Parameters
    ----------
    con : ibis DuckDB backend
        Busy until the last rows are taken.
    orders : ir.Table
        Contract table ``orders`` with ``day`` and ``known_day``.

    Yields
    ------
    dict
        `SETTLED`: rows of `settled_days` and `features.day_gaps.MOVES`; `MOVING`: facts of the customers that it marks.
        The facts of all others are their settled days.

    Raises
    ------
    InputError
        A sum does not fit into 64 bits.
    """
    facts = day_facts(orders)
    columns = facts.schema().to_pyarrow()
    of_settled = settled_days(facts).schema().to_pyarrow().append(pa.field(MOVES, pa.bool_()))

    def rows(sums: DaySums) -> dict[str, pa.Table]:
        settled, moving = settle(as_wanted(sums.facts(), columns))
        return {SETTLED: as_wanted(settled, of_settled), MOVING: moving}

    yield from in_blocks(con, orders, rows)


def in_blocks(
    con: Any, orders: ir.Table, rows: Callable[[DaySums], dict[str, pa.Table]]
) -> Iterator[dict[str, pa.Table]]:
    """What `rows` makes of the lines of some customers at a time, by rising id.

    Parameters
    ----------
    con : ibis DuckDB backend
        Busy until the last rows are taken.
    orders : ir.Table
        Contract table ``orders`` with ``day`` and ``known_day``, and `features.day_sums.BEFORE` where lines go on.
    rows : callable
        Called in another thread: the engine sorts and reads while what it gave before is summed up.
    """
    steps = _Steps()
    with ThreadPoolExecutor(1) as other:
        under_way: Future[dict[str, pa.Table]] | None = None
        for lines in _blocks(_by_customer(con, orders)):
            following = other.submit(lambda block: rows(DaySums(block, steps)), lines)
            if under_way is not None:
                yield under_way.result()
            under_way = following
        if under_way is not None:
            yield under_way.result()


def _by_customer(con: Any, orders: ir.Table) -> Iterator[pa.RecordBatch]:
    """The lines with what each adds to the sums, by rising id of the customer."""
    has = set(orders.columns)
    told = [name for name in (*KEYS, "order_id", *THINGS) if name in has]
    told += [name for name in orders.columns if name.startswith(BEFORE)]
    plain = orders.select(*told, *(name for name in _RAW if name in has))
    for share in _shares(con, plain):
        lines = con.sql(f"SELECT * FROM ({con.compile(share)}) ORDER BY customer_id", schema=plain.schema())
        money = money_of_lines(lines) | {BOUGHT: lines.amount > 0}
        small = {name: money[name].cast("int8") for name in (*_FLAGS, BOUGHT)}
        late = {"known_at": ibis.literal(value=True)} if "known_at" in has else {}
        found = lines.select(*told, **money | small | late)
        yield from con.con.execute(con.compile(found)).to_arrow_reader(BATCH_LINES)


def _shares(con: Any, lines: ir.Table) -> list[ir.Table]:
    """The lines of stretches of customers by rising id, each few enough to be sorted in memory."""
    count = con.to_pyarrow(lines.count()).as_py()
    parts = min(MOST_SHARES, -(-count * LINE_BYTES // max(1, memory_limit(con.con) // 3)))
    if parts <= 1:
        return [lines]
    ends = [k / parts for k in range(1, parts)]
    ids = con.compile(lines.select("customer_id"))
    (found,) = con.con.execute(
        f"SELECT quantile_disc(customer_id, {ends}) FROM "
        f"(SELECT * FROM ({ids}) USING SAMPLE reservoir({SAMPLE} ROWS) REPEATABLE (1))"
    ).fetchone()
    bounds = sorted(set(found))
    shares = [lines.filter(lines.customer_id < bounds[0])]
    for low, high in pairwise(bounds):
        shares.append(lines.filter(lines.customer_id >= low, lines.customer_id < high))
    return [*shares, lines.filter(lines.customer_id >= bounds[-1])]


def _blocks(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.Table]:
    """Lines of whole customers."""
    held, count, last = list[pa.RecordBatch](), 0, ""
    for batch in batches:
        if not batch.num_rows:
            continue
        ids = batch.column("customer_id")
        # where the last customer begins, of whom more lines may come
        cut = pc.index(ids, ids[-1]).as_py()
        if ids[0].as_py() < last:
            raise RuntimeError("the engine gave lines out of order")
        if count + cut >= BLOCK_LINES and (cut or ids[0].as_py() != last):
            yield pa.Table.from_batches([*held, batch.slice(0, cut)])
            held, count, batch = [], 0, batch.slice(cut)
        held.append(batch)
        count, last = count + batch.num_rows, ids[-1].as_py()
    if held:
        yield pa.Table.from_batches(held)


def as_wanted(found: dict[str, Any], wanted: pa.Schema) -> pa.Table:
    """Rows with the columns that are wanted; sums that these lines do not have are 0."""
    nothing = np.zeros(len(found["customer_id"]), np.int64)
    columns = [found.get(name, nothing) for name in wanted.names]
    arrays = [pa.array(values) if isinstance(values, np.ndarray) else values for values in columns]
    return pa.table([a.cast(f.type) for a, f in zip(arrays, wanted, strict=True)], schema=wanted)


class _Steps:
    """What the n-th line of a thing adds to n·ln n, worked out by an engine as `features.days` says."""

    def __init__(self) -> None:
        self.known: Ints = np.zeros(0, np.int64)

    def __call__(self, count: int) -> Ints:
        if count > len(self.known):
            # Not at import time: `features.engine` tells why.
            from duckdb import connect

            places = ibis.range(2 * count).unnest().name("nth").as_table()
            wanted = places.select(step=nlogn_step(places.nth))
            with connect() as engine:
                found = engine.execute(str(ibis.to_sql(wanted, dialect="duckdb"))).fetchnumpy()
            self.known = found["step"]
        return self.known[:count]
