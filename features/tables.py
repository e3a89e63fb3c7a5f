"""The loaded tables: lazy, typed, business-local, one handle for all rooms."""

# ruff: noqa: S608  (identifiers in the statements are names of our own)
from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Any

import ibis
import ibis.expr.types as ir
from ibis.util import gen_name

from features.day_gaps import MOVES
from features.days import day_facts, settled_days
from features.dialect import kept, portable
from features.engine import compact, left_room, memory_limit, told_limits, written
from features.many_days import MOVING, SETTLED, many_day_facts

__all__ = ["Share", "Tables", "within"]

MANY_LINES = 100_000
"""Order lines from which each kind of sum is made on its own (`features.many_days`)."""

SHARE_ROWS = 4_000_000
"""Days put together at a time; each share reads them once more."""

SHARE_GROUPS = 200_000
"""Rows of features made at a time: an engine holds all sums of all of them until the last day is read."""

ROW_BYTES, GROUP_BYTES = 1_000, 8_000
"""Memory that a day, and a row of features, takes at most while it is made."""

Share = tuple[str | None, str | None]
"""Customers from the first id on and before the second; None where there is no end."""

_PLAIN = 2**48
# Spend of a day is multiplied by its age in days, which for less takes no more than 64 bits.


def _nothing() -> None:
    """Tables that Retain holds itself change for nobody."""


@dataclass(frozen=True)
class Tables:
    """Lazy tables that follow the contract, and the engine they live in.

    Each table holds the contract's columns that the source had (others are absent), ids as string, times as
    naive timestamps in the business zone, money and numbers as float64, flags as boolean. Tables with a time
    column carry two dates besides: ``day`` (of the event) and ``known_day``, the later of the event's day and
    the day the row arrived. A row may be used at ``as_of`` only when ``known_day < as_of``. ``calendar`` is there
    where the country is known: each day's place between its public holidays (`features.public_holidays`).
    ``still()`` refuses files that are read in place and changed since they were checked.
    """

    con: Any
    orders: ir.Table
    customers: ir.Table | None = None
    contracts: ir.Table | None = None
    interactions: ir.Table | None = None
    surveys: ir.Table | None = None
    campaigns: ir.Table | None = None
    referrals: ir.Table | None = None
    timezone: str = "UTC"
    currency: str = ""
    calendar: ir.Table | None = None
    still: Callable[[], None] = _nothing

    @property
    def present(self) -> tuple[str, ...]:
        """Names of the tables that are there, in the contract's order."""
        names = ("orders", "customers", "contracts", "interactions", "surveys", "campaigns", "referrals")
        return tuple(n for n in names if getattr(self, n) is not None)

    def with_facts(self, rows: str, schema: ibis.Schema) -> Tables:
        """These tables with day facts from elsewhere, which a statement of the engine gives; tables made from them by
        `replace` sum up their own.
        """
        kept = self._wide(f"({rows})", schema)
        found = replace(self)
        # where a cached property looks first
        found.__dict__["_in_blocks"] = None
        found.__dict__["facts"] = kept
        return found

    @cached_property
    def facts(self) -> ir.Table:
        """`features.days.day_facts` of the orders, summed up once and kept in the engine.

        Tables made from these by `dataclasses.replace` sum up their own.
        """
        found = day_facts(self.orders)
        if self.con.name != "duckdb":
            return kept(portable(found, self.con))
        if self._in_blocks is None:
            return self._kept("day_facts", [found], 1)
        settled, moving = (self._in_blocks[kind] for kind in (SETTLED, MOVING))
        still = settled.filter(~settled[MOVES]).mutate(known_day=settled.day)
        return still.select(*moving.columns).union(moving)

    @cached_property
    def settled(self) -> ir.Table | None:
        """`features.days.settled_days` of `facts`, kept beside them; None where the engine is not our own."""
        if self.con.name != "duckdb":
            return None
        if self._in_blocks is not None:
            return self._in_blocks[SETTLED].drop(MOVES)
        rows = self.con.to_pyarrow(self.facts.count()).as_py()
        shares = 1 + rows // min(SHARE_ROWS, _rows_within(self.con.con, ROW_BYTES))
        some = [within(self.facts, share) for share in self.shares(shares)]
        return self._kept("settled_days", (settled_days(facts) for facts in some), shares)

    @cached_property
    def moving(self) -> ir.Table:
        """`facts` of the customers of whom a line arrived after its day, kept where they are few."""
        if self._in_blocks is not None:
            return self._in_blocks[MOVING]
        if self.con.name != "duckdb" or "known_at" not in self.orders.columns:
            return self.facts
        late = self.facts.filter(self.facts.known_day > self.facts.day).select("customer_id").distinct()
        return self._kept("moving_facts", [self.facts.semi_join(late, "customer_id")], 1)

    @cached_property
    def _in_blocks(self) -> dict[str, ir.Table] | None:
        """What `features.many_days` makes of the orders; None where they are few, or in an engine not our own."""
        if self.con.name != "duckdb":
            return None
        lines = self.con.to_pyarrow(self.orders.count()).as_py()
        if lines < max(MANY_LINES, 1):
            return None
        with told_limits(self.con, "order lines were summed up by day"), left_room(self.con.con):
            names = written(self.con, many_day_facts(self.con, self.orders))
        facts = day_facts(self.orders)
        settled = dict(settled_days(facts).schema()) | {MOVES: "boolean"}
        schemas = {SETTLED: ibis.schema(settled), MOVING: facts.schema()}
        return {kind: self._wide(rows, schemas[kind]) for kind, rows in names.items()}

    def shares(self, parts: int) -> list[Share]:
        """Stretches of customers by rising id, about `parts` of equal size; together they hold everybody."""
        if parts <= 1:
            return [(None, None)]
        customers = self.con.compile(self._customers())
        ends = [k / parts for k in range(1, parts)]
        (found,) = self.con.con.execute(
            f"SELECT quantile_disc(customer_id, {ends}) FROM ({customers})"
        ).fetchone()
        bounds: list[str | None] = [None, *sorted(set(found or [])), None]
        return list(pairwise(bounds))

    def shares_of(self, as_of_days: int) -> list[Share]:
        """`shares` such that features at so many days are made within the engine's limit of memory."""
        if self.con.name != "duckdb":
            return [(None, None)]
        customers = self.con.to_pyarrow(self._customers().count()).as_py()
        most = min(SHARE_GROUPS, _rows_within(self.con.con, GROUP_BYTES))
        return self.shares(-(-customers * as_of_days // most))

    def _customers(self) -> ir.Table:
        days = self.facts if self._in_blocks is None else self._in_blocks[SETTLED]
        return days.select("customer_id").distinct()

    def _kept(self, kind: str, parts: Iterable[ir.Table], shares: int) -> ir.Table:
        """Parts one after the other in a table of the engine.

        Nothing is summed up across customers: a share of them at a time gives the same rows in less memory. What is
        kept has 64 bits as its schema says; sums as the engine makes them have more, which is slow to read again.
        """
        name, engine, schema = gen_name(kind), self.con.con, None
        with told_limits(self.con, "days were put together"):
            for part in parts:
                schema = part.schema()
                wanted = ", ".join(_as_told(column, of) for column, of in schema.items())
                rows = f"SELECT {wanted} FROM ({self.con.compile(part)})"
                there = engine.execute(
                    "SELECT 1 FROM duckdb_tables() WHERE table_name = ?", [name]
                ).fetchone()
                engine.execute(
                    f'INSERT INTO "{name}" {rows}' if there else f'CREATE TABLE "{name}" AS {rows}'
                )
                if shares > 1:
                    compact(engine)
        (most,) = engine.execute(f'SELECT max(spend_u) FROM "{name}"').fetchone()
        if (most or 0) > _PLAIN:
            engine.execute(f'ALTER TABLE "{name}" ALTER spend_u TYPE HUGEINT')
        kept: ir.Table = self.con.sql(f'SELECT * FROM "{name}"', schema=schema)
        return kept

    def _wide(self, rows: str, schema: ibis.Schema) -> ir.Table:
        """Days that a statement of the engine gives, their spend as wide as its products with ages may become."""
        name, engine = gen_name("kept_facts"), self.con.con
        (most,) = engine.execute(f"SELECT max(spend_u) FROM {rows}").fetchone()
        sort = "HUGEINT" if (most or 0) > _PLAIN else "BIGINT"
        kept = f"SELECT * REPLACE (CAST(spend_u AS {sort}) AS spend_u) FROM {rows}"
        engine.execute(f'CREATE TEMP VIEW "{name}" AS {kept}')
        found: ir.Table = self.con.sql(f'SELECT * FROM "{name}"', schema=schema)
        return found


def _as_told(column: str, kind: Any) -> str:
    return f'CAST("{column}" AS BIGINT) AS "{column}"' if kind.is_integer() else f'"{column}"'


def _rows_within(engine: Any, row_bytes: int) -> int:
    """Rows that the engine holds within its limit of memory, ≥ 1."""
    return max(1, memory_limit(engine) // row_bytes)


def within(table: ir.Table, share: Share) -> ir.Table:
    """Rows of the customers of a share."""
    low, high = share
    if low is not None:
        table = table.filter(table.customer_id >= low)
    return table if high is None else table.filter(table.customer_id < high)
