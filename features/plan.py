"""The features as a statement: compiled once for a shape of tables, run on any rows and any days.

Turning `customer_features` into a statement takes a second, running it on one customer a few hundredths. The
statement depends on nothing but which tables and columns there are, so it is kept by them. The days stand in
a small table of their own, `AS_OF`, and rows are read by the names of the tables: whoever asks for features
of the same columns runs, letter for letter, the same statement.

`fetch_features` runs it on loaded tables, for the list; it reads their day facts, which labels and later days
need too, from where they are kept. `FeatureEngine` holds it prepared, for the endpoint, which is asked thousands
of times for a few order lines; there the day facts are part of the statement. They are whole numbers, so both
give the same features bit for bit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Any

import ibis
import ibis.expr.operations as ops
import ibis.expr.types as ir
import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from features.asked import Asked, arrow, whole
from features.contract import TABLES
from features.days import day_facts, line_facts, settled_days
from features.engine import told_limits
from features.errors import ConfigError, InputError
from features.frames import connect, empty_table, typed_frames
from features.pipeline import EVENT_TABLES, FEATURES, features_at, with_calendar
from features.public_holidays import CALENDAR, calendar_rows
from features.snapshot import as_of_days, as_of_table
from features.tables import Share, Tables, within

__all__ = [
    "AS_OF",
    "FeatureEngine",
    "Plan",
    "Shape",
    "fetch_features",
    "live_plan",
    "prepared",
    "shape_of",
    "views_of",
]

AS_OF = "as_of_days"
"""Name of the table of cut-off days in the engine."""

CUTS = "known_days"
"""Name of the table of cut-off days with what is known of them beforehand."""

FACTS = "day_facts"
"""Name of the view of kept day facts in the engine."""

SETTLED = "settled_days"
"""Name of the view of days with the gaps between them."""

_IN_HAND = "in_hand_"
"""Before the name of a table of events: its rows of the customers in hand."""

Shape = tuple[tuple[str, ibis.Schema], ...]
# A shop has one shape and the endpoint another; more only come with tests and notebooks.
_KEPT = 32
# These read the values in the tables while planning; a plan that is kept must hold for any values.
_BY_VALUES = "statistics_propagation,compressed_materialization"


@dataclass(frozen=True)
class Plan:
    """A statement, the columns it must give (the engine widens sums beyond 64 bits by itself), and the statement of
    what is known beforehand of the cut-off days.

    ``alone`` gives the same where no table but the orders has rows, and reads no other.
    """

    statement: str
    schema: pa.Schema
    cuts: str
    alone: str = ""


def fetch_features(tables: Tables, as_of: Sequence[date]) -> pa.Table:
    """The rows of `features.pipeline.customer_features`, compiled at most once for each shape of tables.

    Parameters
    ----------
    tables : Tables
        Loaded tables. Only those that stand in a DuckDB engine under the contract's names have a kept
        statement; any others (filtered ones, say) are compiled for this one time.
    as_of : sequence of date
        Cut-off days in the business zone.

    Returns
    -------
    pyarrow.Table
        As `customer_features` has it, in no particular order.

    Raises
    ------
    ConfigError
        No day is given.

    Examples
    --------
    >>> from datetime import date, datetime
    >>> from features.frames import tables_from_frames
    >>> orders = pa.table({"customer_id": ["a"], "time": [datetime(2026, 1, 5)], "amount": [9.5]})
    >>> rows = fetch_features(tables_from_frames({"orders": orders}), [date(2026, 1, 15)])
    >>> rows.select(["customer_id", "T", "spend_total"]).to_pylist()
    [{'customer_id': 'a', 'T': 10, 'spend_total': 9.5}]
    """
    shape = shape_of(tables)
    if shape is None:
        cuts = with_calendar(as_of_table(as_of), tables)
        found: pa.Table = tables.con.to_pyarrow(
            features_at(tables, cuts, tables.facts, settled=tables.settled)
        )
        return found
    parts = []
    for share in tables.shares_of(len(set(as_of))):
        plan = prepared(tables, shape, as_of, share)
        with told_limits(tables.con, "features were made"):
            parts.append(tables.con.con.execute(plan.statement).to_arrow_table().cast(plan.schema))
    tables.still()
    return pa.concat_tables(parts)


def prepared(tables: Tables, shape: Shape, as_of: Sequence[date], share: Share) -> Plan:
    """The plan of these tables, with the days, and all that is known of some customers, before it."""
    plan, engine = _compiled(shape, kept_facts=True), tables.con.con
    for name, rows in views_of(tables).items():
        some = tables.con.compile(within(rows, share))
        engine.execute(f"CREATE OR REPLACE TEMP VIEW {name} AS {some}")
    engine.register(AS_OF, as_of_days(as_of))
    return plan


def views_of(tables: Tables) -> dict[str, ir.Table]:
    """What a `prepared` plan reads of the customers, by the name it reads it under."""
    events = {_IN_HAND + name: getattr(tables, name) for name in EVENT_TABLES if name in tables.present}
    return {FACTS: tables.moving, SETTLED: tables.settled, **events}


class FeatureEngine:
    """Features of a few customers at a time, from a statement that is planned once.

    One engine serves one thread. It holds no rows between two questions: the statement reads whatever rows lie
    before it when it runs.

    Parameters
    ----------
    timezone : str
        IANA name of the business zone; zoned times are turned into it.
    country : str
        ISO 3166 code of the country whose public holidays count; empty for none.
    tables : sequence of str
        Tables of the contract that the shop has; orders are always among them. Features of a table that the shop
        has not are missing, those of a table without rows are what they are for a customer without rows.

    Raises
    ------
    ConfigError
        A table or the country is unknown.

    Examples
    --------
    >>> from datetime import date, datetime
    >>> engine = FeatureEngine(tables=["orders", "interactions"])
    >>> orders = pa.table({"customer_id": ["a"], "time": [datetime(2026, 1, 5)], "amount": [9.5]})
    >>> engine.fetch(orders, date(2026, 1, 15)).select(["T", "spend_total", "contacts_90d"]).to_pylist()
    [{'T': 10, 'spend_total': 9.5, 'contacts_90d': 0.0}]
    """

    def __init__(self, timezone: str = "UTC", country: str = "", tables: Sequence[str] = ("orders",)) -> None:
        self._timezone = timezone
        self._names = _named(tables)
        self._empty = {name: empty_table(TABLES[name], whole=True) for name in self._names}
        self._asked = {name: Asked(rows) for name, rows in self._empty.items()}
        self._day: date | None = None
        con = connect()
        self._engine = con.con
        # For so few rows a second thread costs more than it gives.
        self._engine.execute("SET threads = 1")
        self._engine.execute(f"SET disabled_optimizers = '{_BY_VALUES}'")
        self._engine.execute(f"CREATE TABLE {AS_OF} (as_of DATE)")
        for name, rows in self._asked.items():
            self._engine.register(name, rows)
        if country:
            self._engine.register("days", calendar_rows(country))
            self._engine.execute(f"CREATE TABLE {CALENDAR} AS FROM days")
        self._plan = live_plan(country, self._names)
        self._engine.execute(f"CREATE TABLE {CUTS} AS {self._plan.cuts}")
        self._engine.execute(f"PREPARE features AS {self._plan.statement}")
        self._engine.execute(f"PREPARE features_alone AS {self._plan.alone}")

    def fetch(self, tables: Mapping[str, pd.DataFrame | pa.Table] | pa.Table, as_of: date) -> pa.Table:
        """The rows of `customer_features` for the customers of some order lines.

        Parameters
        ----------
        tables : mapping of table name to pandas.DataFrame or pyarrow.Table, or pyarrow.Table
            Rows in the contract's columns, or order lines alone. A table or a column that is not there counts as
            empty.
        as_of : date
            Cut-off day in the business zone.

        Raises
        ------
        InputError
            A table is given that the engine was not made for; else see `features.frames.tables_from_frames`.
        """
        return arrow(self._fetched(tables, as_of), self._plan.schema)

    def fetch_matrix(
        self, tables: Mapping[str, pd.DataFrame | pa.Table] | pa.Table, as_of: date
    ) -> tuple[list[str], npt.NDArray[np.float64]]:
        """The same as `fetch`, as the ids and a matrix of `features.pipeline.FEATURES`, missing as NaN.

        Examples
        --------
        >>> from datetime import date, datetime
        >>> orders = pa.table({"customer_id": ["a"], "time": [datetime(2026, 1, 5)], "amount": [9.5]})
        >>> ids, features = FeatureEngine().fetch_matrix(orders, date(2026, 1, 15))
        >>> ids, features[0, FEATURES.index("T")]
        (['a'], np.float64(10.0))
        """
        columns = self._fetched(tables, as_of)
        ids = np.ma.getdata(columns["customer_id"]).tolist()
        features = np.empty((len(ids), len(FEATURES)), dtype=np.float64)
        for place, name in enumerate(FEATURES):
            features[:, place] = np.ma.getdata(columns[name])
            features[np.ma.getmaskarray(columns[name]), place] = np.nan
        return ids, features

    def _fetched(
        self, tables: Mapping[str, pd.DataFrame | pa.Table] | pa.Table, as_of: date
    ) -> dict[str, Any]:
        frames = tables if isinstance(tables, Mapping) else {"orders": tables}
        if unknown := [name for name in frames if name not in self._names]:
            raise InputError(f"table {unknown[0]!r} is none of this shop's tables ({', '.join(self._names)})")
        typed = typed_frames(frames, timezone=self._timezone)
        self._move_to(as_of)
        try:
            for name, rows in typed.items():
                self._asked[name].rows = whole(rows, self._empty[name].schema)
            events = any(rows.num_rows for name, rows in typed.items() if name != "orders")
            found = self._engine.execute("EXECUTE features" if events else "EXECUTE features_alone")
            columns: dict[str, Any] = found.fetchnumpy()
            return columns
        finally:
            for name in typed:
                self._asked[name].rows = self._empty[name]

    def _move_to(self, as_of: date) -> None:
        """Puts the cut-off day before the statement; nearly all questions are about the day of the one before."""
        if as_of == self._day:
            return
        self._day = None
        for table in (AS_OF, CUTS):
            self._engine.execute(f"DELETE FROM {table}")  # noqa: S608 - a name of ours
        self._engine.execute(f"INSERT INTO {AS_OF} VALUES (?)", [as_of])  # noqa: S608 - a name of ours
        self._engine.execute(f"INSERT INTO {CUTS} {self._plan.cuts}")
        self._day = as_of


def live_plan(country: str, tables: Sequence[str]) -> Plan:
    """The plan of a `FeatureEngine`, compiled once in a process and kept.

    A second goes into it, so that a process that starts others compiles it before it does. No engine is opened.

    Parameters
    ----------
    country : str
        ISO 3166 code of the country whose public holidays count; empty for none.
    tables : sequence of str
        Tables of the contract that the shop has.

    Raises
    ------
    ConfigError
        A table or the country is unknown.

    Examples
    --------
    >>> live_plan("", ["orders"]) is live_plan("", ["orders"])
    True
    """
    shape = [(name, ibis.schema(empty_table(TABLES[name], whole=True).schema)) for name in _named(tables)]
    if country:
        shape.append((CALENDAR, ibis.schema(calendar_rows(country).schema)))
    return _compiled(tuple(shape), kept_facts=False)


def _named(tables: Sequence[str]) -> tuple[str, ...]:
    if unknown := [name for name in tables if name not in TABLES]:
        raise ConfigError(f"table {unknown[0]!r} is unknown; the contract has {', '.join(TABLES)}")
    return tuple(name for name in TABLES if name == "orders" or name in tables)


def shape_of(tables: Tables) -> Shape | None:
    """What a statement depends on: names and columns of the tables; None where they do not stand in DuckDB under their
    names.
    """
    stored = {name: getattr(tables, name) for name in tables.present}
    if tables.calendar is not None:
        stored[CALENDAR] = tables.calendar
    if tables.con.name != "duckdb" or not all(_stands(table, name) for name, table in stored.items()):
        return None
    return tuple((name, table.schema()) for name, table in stored.items())


def _stands(table: ir.Table, name: str) -> bool:
    source: Any = table.op()
    return isinstance(source, ops.DatabaseTable) and source.name == name


@lru_cache(maxsize=_KEPT)
def _compiled(shape: Shape, *, kept_facts: bool) -> Plan:
    tables, cuts = _unbound(shape, in_hand=kept_facts), ibis.table({"as_of": "date"}, name=AS_OF)
    known = with_calendar(cuts, tables)
    if kept_facts:
        facts = ibis.table(day_facts(tables.orders).schema(), name=FACTS)
        settled = ibis.table(settled_days(facts).schema(), name=SETTLED)
        found = features_at(tables, known, facts, settled=settled)
        return Plan(_sql(found), found.schema().to_pyarrow(), _sql(known))
    known_days, facts = ibis.table(known.schema(), name=CUTS), line_facts(tables.orders)
    found = features_at(tables, known_days, facts)
    alone = features_at(tables, known_days, facts, without_rows=EVENT_TABLES)
    return Plan(_sql(found), found.schema().to_pyarrow(), _sql(known), _sql(alone))


def _unbound(shape: Shape, *, in_hand: bool) -> Tables:
    some = EVENT_TABLES if in_hand else ()
    stored: dict[str, Any] = {
        name: ibis.table(schema, name=_IN_HAND + name if name in some else name) for name, schema in shape
    }
    calendar = stored.pop(CALENDAR, None)
    return Tables(con=None, calendar=calendar, **stored)


def _sql(expression: ir.Table) -> str:
    return str(ibis.to_sql(expression, dialect="duckdb", pretty=False))
