"""What is known of each customer: the rows of all tables, kept beside the list that was made of them.

A score that is asked for after something happened needs the customer's whole past. Reading it out of the shop's files
takes minutes; here it is one row of the state database. The engine that loaded the tables writes the text of each
customer, numbers in the shortest form that reads back to the same bits and times in whole microseconds, so that
features of rows that come back equal those of the list bit for bit.
"""

# ruff: noqa: S608  (identifiers in the statements are names of the contract, never texts of the user)
from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeAlias

import ibis.expr.types as ir
import pyarrow as pa
import sqlalchemy as sa

from features.contract import TABLES, Kind
from features.dialect import portable
from features.frames import connect
from features.snapshot import known_before
from features.tables import Tables
from serving.event_log import Counted, EventLog, counted_events
from serving.state_tables import StateTables, insert_many
from serving.store import LATEST, RunInfo

__all__ = ["Histories", "History", "Known"]

History: TypeAlias = Mapping[str, Sequence[Mapping[str, Any]]]
"""Rows of one customer by table, in the contract's columns without ``customer_id``; times are business-local."""

LAYOUT_VERSION = 1
PER_QUERY = 500
ROWS_AT_A_TIME = 2_000_000
"""Rows of all tables that the engine holds as text at a time."""
CUSTOMERS_AT_A_TIME = 2_000
"""Customers written in one transaction; others write to the database in between."""

_EPOCH = datetime(1970, 1, 1)
_SQL: Final[dict[Kind, str]] = {"time": 'epoch_us("{}")'}
# An aggregate that sorts while it adds up takes twice the time.
_JOINED: Final = "array_to_string(list_sort(list(line)), ',')"

_metadata = sa.MetaData()
_heads = sa.Table(
    "history_heads",
    _metadata,
    sa.Column("head", sa.Integer, primary_key=True, autoincrement=True),
    # a run that is made again has the same name, but not the same time
    sa.Column("run_id", sa.Text, nullable=False),
    sa.Column("created_at", sa.Text, nullable=False),
    # columns of each table, in the order of the values in a row
    sa.Column("columns", sa.Text, nullable=False),
    sqlite_autoincrement=True,
)
_histories = sa.Table(
    "histories",
    _metadata,
    sa.Column("head", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("customer_id", sa.Text, primary_key=True),
    sa.Column("rows", sa.Text, nullable=False),
)


@dataclass(frozen=True)
class Known:
    """Customers as they are known at one instant.

    Parameters
    ----------
    as_of : str or None
        Day of the latest run as ISO text; None when nothing was scored yet.
    histories : dict of customer id to History
        See `Histories.get`.
    told : dict of customer id to Counted
        See `serving.event_log.EventLog.counted`.
    """

    as_of: str | None
    histories: dict[str, History]
    told: dict[str, Counted]


class Histories:
    """The rows behind the latest list, by customer.

    Parameters
    ----------
    url : str
        SQLAlchemy address of the state database, as `serving.store.Store` takes it.

    Raises
    ------
    ConfigError
        The address cannot be used, or the tables were made by another version of Retain.
    """

    def __init__(self, url: str) -> None:
        self._tables = StateTables(
            url, _metadata, schema="histories_schema", version=LAYOUT_VERSION, title="histories"
        )
        EventLog(url, "UTC").close()  # the tables of runs and events are there after it

    def save(self, tables: Tables, run: RunInfo, *, left_out: Collection[str] = ()) -> int:
        """Keep what was known on the day of a run; it is seen from when the run itself is saved.

        Parameters
        ----------
        tables : Tables
            As they were loaded, in DuckDB. Rows known on the run's day or later are left to events.
        run : RunInfo
            Its name, day and time of making are looked at.
        left_out : collection of str
            Customers of whom nothing is kept.

        Returns
        -------
        int
            Customers kept.

        Raises
        ------
        LockedError, PublishError
            Another process writes, or the database cannot be written; the histories of the latest run still stand.
        """
        self.drop_others()
        columns = {name: _columns(tables, name) for name in tables.present}
        record = {
            "run_id": run.run_id,
            "created_at": run.created_at.astimezone(UTC).isoformat(),
            "columns": json.dumps(columns),
        }
        with self._tables.writing() as connection:
            head = connection.scalar(sa.insert(_heads).returning(_heads.c.head), record)
        kept = 0
        for batch in _texts(tables, columns, run, left_out):
            ids, texts = (column.to_pylist() for column in batch.columns)
            rows = [(head, i, text) for i, text in zip(ids, texts, strict=True)]
            with self._tables.writing() as connection:
                insert_many(connection, _histories, rows)
            kept += len(rows)
        return kept

    def drop_others(self) -> None:
        """Forget all histories but those of the latest run."""
        same = sa.and_(LATEST.c.run_id == _heads.c.run_id, LATEST.c.created_at == _heads.c.created_at)
        kept = sa.select(_heads.c.head).select_from(_heads.join(LATEST, same))
        with self._tables.writing() as connection:
            connection.execute(sa.delete(_histories).where(_histories.c.head.not_in(kept)))
            connection.execute(sa.delete(_heads).where(_heads.c.head.not_in(kept)))

    def get(self, customer_ids: Sequence[str]) -> dict[str, History]:
        """What was known of some customers on the day of the latest run.

        Parameters
        ----------
        customer_ids : sequence of str

        Returns
        -------
        dict
            Customer id to history. Customers who are not known are absent, and so is everybody when nothing was
            kept for the latest run.
        """
        with self._tables.reading() as connection:
            return _kept(connection, customer_ids)

    def known(self, customer_ids: Sequence[str]) -> Known:
        """What was known of some customers, and what was told since, of one instant.

        A run that is saved meanwhile is seen whole or not at all: what it covers is never counted twice.
        """
        with self._tables.reading() as connection:
            as_of = connection.scalar(sa.select(LATEST.c.as_of))
            histories = _kept(connection, customer_ids)
            return Known(as_of, histories, counted_events(connection, customer_ids))

    def close(self) -> None:
        """Let go of the database."""
        self._tables.close()


def _kept(connection: sa.Connection, customer_ids: Sequence[str]) -> dict[str, History]:
    same = sa.and_(LATEST.c.run_id == _heads.c.run_id, LATEST.c.created_at == _heads.c.created_at)
    query = sa.select(_heads.c.head, _heads.c.columns).select_from(_heads.join(LATEST, same))
    head = connection.execute(query.order_by(_heads.c.head.desc()).limit(1)).first()
    if head is None:
        return {}
    columns = json.loads(head.columns)
    rows = sa.select(_histories.c.customer_id, _histories.c.rows).where(_histories.c.head == head.head)
    found: dict[str, History] = {}
    wanted = sorted(set(customer_ids))
    for start in range(0, len(wanted), PER_QUERY):
        some = rows.where(_histories.c.customer_id.in_(wanted[start : start + PER_QUERY]))
        found |= {customer: _history(text, columns) for customer, text in connection.execute(some)}
    return found


def _history(text: str, columns: Mapping[str, Sequence[str]]) -> History:
    kept = json.loads(text)
    return {
        table: [_row(table, names, row) for row in kept.get(table, ())] for table, names in columns.items()
    }


def _row(table: str, names: Sequence[str], values: Sequence[Any]) -> dict[str, Any]:
    row = dict(zip(names, values, strict=True))
    for name in _TIMES[table]:
        if row.get(name) is not None:
            row[name] = _EPOCH + timedelta(microseconds=row[name])
    return row


_TIMES: Final = {
    name: [column.name for column in table.columns if column.kind == "time"] for name, table in TABLES.items()
}


def _columns(tables: Tables, name: str) -> list[str]:
    """The contract's columns that a table has, but for the customer."""
    there = getattr(tables, name).columns
    return [column for column in TABLES[name].names if column in there and column != "customer_id"]


def _texts(
    tables: Tables, columns: Mapping[str, Sequence[str]], run: RunInfo, left_out: Collection[str]
) -> Iterator[pa.RecordBatch]:
    """Customers with the text of their rows, some customers at a time; the engine reads each table once per share."""
    known = {name: known_before(getattr(tables, name), run.as_of) for name in columns}
    rows = sum(tables.con.to_pyarrow(table.count()).as_py() for table in known.values())
    shares = 1 + rows // ROWS_AT_A_TIME
    engine = tables.con.con if tables.con.name == "duckdb" else connect().con
    engine.register("left_out", pa.table({"customer_id": pa.array(sorted(left_out), pa.string())}))
    whole = """SELECT customer_id, '{' || string_agg('"' || name || '":[' || lines || ']', ',' ORDER BY name) || '}'"""
    try:
        for share in range(shares):
            lines = " UNION ALL ".join(
                _lines(name, names, _share(tables, known[name], engine, f"known_{name}", (share, shares)))
                for name, names in columns.items()
            )
            lists = f"SELECT customer_id, name, {_JOINED} AS lines FROM ({lines}) GROUP BY ALL"
            found = engine.execute(f"{whole} FROM ({lists}) GROUP BY customer_id")
            yield from found.to_arrow_reader(CUSTOMERS_AT_A_TIME)
    finally:
        engine.unregister("left_out")


def _share(tables: Tables, known: ir.Table, engine: Any, name: str, part: tuple[int, int]) -> str:
    """A statement for the rows of one share of the customers; another engine gives them, and they are seen by name."""
    share, shares = part
    if tables.con.con is engine:
        # Written into the statement: with parameters the engine would make the text of every row first.
        return f"FROM ({tables.con.compile(known)}) WHERE hash(customer_id) % {shares} = {share}"
    ours = known.filter(known.customer_id.hash().abs() % shares == share)
    engine.register(name, tables.con.to_pyarrow(portable(ours, tables.con)))
    return f"FROM {name}"


def _lines(name: str, columns: Sequence[str], rows: str) -> str:
    """A statement for the rows of one table as JSON lists; floats come out in the shortest form."""
    kinds = {column: TABLES[name].column(column).kind for column in columns}
    values = ", ".join(_SQL.get(kind, '"{}"').format(column) for column, kind in kinds.items())
    return (
        f"SELECT customer_id, '{name}' AS name, json_array({values})::VARCHAR AS line FROM ({rows}) "
        "WHERE customer_id NOT IN (FROM left_out)"
    )
