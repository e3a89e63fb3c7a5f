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

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Any

import ibis
import ibis.expr.operations as ops
import ibis.expr.types as ir
import pandas as pd
import pyarrow as pa

from features.contract import TABLES
from features.days import day_facts
from features.frames import connect, empty_table, typed_frames
from features.pipeline import features_at
from features.public_holidays import CALENDAR, calendar_rows
from features.snapshot import as_of_days, as_of_table
from features.tables import Tables

__all__ = ["AS_OF", "FeatureEngine", "fetch_features"]

AS_OF = "as_of_days"
"""Name of the table of cut-off days in the engine."""

FACTS = "day_facts"
"""Name of the view of kept day facts in the engine."""

_Shape = tuple[tuple[str, ibis.Schema], ...]
# A shop has one shape and the endpoint another; more only come with tests and notebooks.
_KEPT = 32
# These read the values in the tables while planning; a plan that is kept must hold for any values.
_BY_VALUES = "statistics_propagation,compressed_materialization"


@dataclass(frozen=True)
class _Plan:
    """A statement, and the columns it must give: the engine widens sums beyond 64 bits by itself."""

    statement: str
    schema: pa.Schema


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
    shape = _shape(tables)
    if shape is None:
        found: pa.Table = tables.con.to_pyarrow(features_at(tables, as_of_table(as_of), tables.facts))
        return found
    plan, engine = _compiled(shape, kept_facts=True), tables.con.con
    engine.execute(f"CREATE OR REPLACE TEMP VIEW {FACTS} AS {tables.con.compile(tables.facts)}")
    engine.register(AS_OF, as_of_days(as_of))
    return engine.execute(plan.statement).to_arrow_table().cast(plan.schema)


class FeatureEngine:
    """Features of a few order lines at a time, from a statement that is planned once.

    One engine serves one thread. It holds no rows between two questions: lines are put into its empty table
    within a transaction that is rolled back.

    Parameters
    ----------
    timezone : str
        IANA name of the business zone; zoned times are turned into it.
    country : str
        ISO 3166 code of the country whose public holidays count; empty for none.

    Examples
    --------
    >>> from datetime import date, datetime
    >>> engine = FeatureEngine()
    >>> orders = pa.table({"customer_id": ["a"], "time": [datetime(2026, 1, 5)], "amount": [9.5]})
    >>> engine.fetch(orders, date(2026, 1, 15)).select(["customer_id", "T", "spend_total"]).to_pylist()
    [{'customer_id': 'a', 'T': 10, 'spend_total': 9.5}]
    """

    def __init__(self, timezone: str = "UTC", country: str = "") -> None:
        self._timezone = timezone
        con = connect()
        self._engine = con.con
        # For so few rows a second thread costs more than it gives.
        self._engine.execute("SET threads = 1")
        self._engine.execute(f"SET disabled_optimizers = '{_BY_VALUES}'")
        self._engine.register("given", empty_table(TABLES["orders"], whole=True))
        self._engine.execute("CREATE TABLE orders AS FROM given")
        self._engine.execute(f"CREATE TABLE {AS_OF} (as_of DATE)")
        shape = [("orders", con.table("orders").schema())]
        if country:
            self._engine.register("days", calendar_rows(country))
            self._engine.execute(f"CREATE TABLE {CALENDAR} AS FROM days")
            shape.append((CALENDAR, con.table(CALENDAR).schema()))
        self._plan = _compiled(tuple(shape), kept_facts=False)
        self._engine.execute(f"PREPARE features AS {self._plan.statement}")

    def fetch(self, orders: pd.DataFrame | pa.Table, as_of: date) -> pa.Table:
        """The rows of `customer_features` for customers known by `orders` alone.

        Parameters
        ----------
        orders : pandas.DataFrame or pyarrow.Table
            Order lines in the contract's columns; a column that is not there counts as empty.
        as_of : date
            Cut-off day in the business zone.

        Raises
        ------
        InputError
            See `features.frames.tables_from_frames`.
        """
        self._engine.register("given", typed_frames({"orders": orders}, timezone=self._timezone)["orders"])
        self._engine.execute("BEGIN")
        try:
            self._engine.execute("INSERT INTO orders BY NAME FROM given")
            self._engine.execute(f"INSERT INTO {AS_OF} VALUES (?)", [as_of])  # noqa: S608 - a name of ours
            return self._engine.execute("EXECUTE features").to_arrow_table().cast(self._plan.schema)
        finally:
            self._engine.execute("ROLLBACK")
            self._engine.unregister("given")


def _shape(tables: Tables) -> _Shape | None:
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
def _compiled(shape: _Shape, *, kept_facts: bool) -> _Plan:
    unbound: dict[str, Any] = {name: ibis.table(schema, name=name) for name, schema in shape}
    calendar = unbound.pop(CALENDAR, None)
    tables = Tables(con=None, calendar=calendar, **unbound)
    facts = day_facts(tables.orders)
    if kept_facts:
        facts = ibis.table(facts.schema(), name=FACTS)
    found = features_at(tables, ibis.table({"as_of": "date"}, name=AS_OF), facts)
    statement = str(ibis.to_sql(found, dialect="duckdb", pretty=False))
    return _Plan(statement, found.schema().to_pyarrow())
