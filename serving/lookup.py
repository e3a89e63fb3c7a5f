"""The stored row of one customer, or of many, as quickly as the database can give it.

The endpoint asks for one customer thousands of times a second. One statement gives the run, the row and whether
events came since, all of one instant, so that an answer never mixes two lists; so does one for all customers of a
batch. On SQLite the statement goes straight to the driver: what a general layer adds takes longer than the search
itself.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, cast

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from serving.database import explained_error, open_state
from serving.event_log import EVENTS, EventLog, counts_live, wants_no_contact
from serving.store import LATEST, LEFT_OUT, SCORES, RunInfo, Store

__all__ = ["Lookup", "Stored", "without_reasons"]

_ID, _IDS = "customer_id", "customer_ids"
_REASONS = ',"reasons":'


class Stored(NamedTuple):
    """What the latest run knows of a customer.

    Parameters
    ----------
    run_id, as_of, model_version : str
        The run; the day as ISO text.
    row : str or None
        The row of the list as JSON text, reasons last; None for a customer who is not in it.
    events : int
        Events of the customer that the list cannot know, see `serving.event_log.EventLog.counted`.
    opted_out : bool
        The customer wants no contact: the run left them out, or their latest wish told by an event is that.
    """

    run_id: str
    as_of: str
    model_version: str
    row: str | None
    events: int
    opted_out: bool


def without_reasons(row: str) -> str:
    """The JSON text of a stored row without its reasons, which stand last.

    Examples
    --------
    >>> without_reasons('{"customer_id":"007","clv":0.5,"reasons":"late","reasons_zh":"久未下单"}')
    '{"customer_id":"007","clv":0.5}'
    """
    # within a text the mark would read ,\"reasons\": so that it can only be a name
    kept, mark, _ = row.partition(_REASONS)
    return f"{kept}}}" if mark else row


class Lookup:
    """Stored rows by customer; any number of threads may ask at once.

    Every answer is of the moment it is asked: a run or an event that another process has committed is seen. Open it
    in the process that asks, after a fork.

    Parameters
    ----------
    url : str
        SQLAlchemy address of the state database, as `serving.store.Store` takes it.

    Raises
    ------
    ConfigError
        The address cannot be used, or the database was made by another version of Retain.
    """

    def __init__(self, url: str) -> None:
        EventLog(url, "UTC").close()  # all tables are there after it
        self._store = Store(url)
        self._engine, _ = open_state(url)
        reader = _SqliteReader if self._engine.dialect.name == "sqlite" else _Reader
        self._reader: _SqliteReader | _Reader = reader(self._engine)

    def get(self, customer_id: str) -> Stored | None:
        """What is stored of a customer, or None when nothing was scored yet.

        Raises
        ------
        InputError, LockedError
            The database cannot be read.
        """
        try:
            found = self._reader.ask(customer_id)
        except (DBAPIError, sqlite3.Error) as error:
            raise explained_error(error, False) from None
        return None if found is None else _stored(found)

    def get_many(self, customer_ids: Iterable[str]) -> dict[str, Stored] | None:
        """What is stored of some customers, of one instant, or None when nothing was scored yet.

        Parameters
        ----------
        customer_ids : iterable of str
            In any order; an id given twice is looked up once.

        Returns
        -------
        dict of str to Stored
            One for each id, known or not; None without a list, unless nobody is asked for.

        Raises
        ------
        InputError, LockedError
            The database cannot be read.
        """
        wanted = list(dict.fromkeys(customer_ids))
        if not wanted:
            return {}
        try:
            found = self._reader.ask_many(json.dumps(wanted, ensure_ascii=False))
        except (DBAPIError, sqlite3.Error) as error:
            raise explained_error(error, False) from None
        return {customer_id: _stored(values) for customer_id, *values in found} or None

    def latest(self) -> RunInfo | None:
        """The run saved last, or None."""
        return self._store.latest_run()

    def close(self) -> None:
        """Let go of the database."""
        self._store.close()
        self._reader.close()


class _Reader:
    """Asks through SQLAlchemy, whose pool tells dead connections to a server from living ones."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._statement, self._many = _statement(), _many(engine.dialect.name)

    def ask_many(self, customer_ids: str) -> Sequence[Sequence[Any]]:
        with self._engine.connect() as connection:
            return connection.execute(self._many, {_IDS: customer_ids}).all()

    def ask(self, customer_id: str) -> Sequence[Any] | None:
        with self._engine.connect() as connection:
            return connection.execute(self._statement, {_ID: customer_id}).first()

    def close(self) -> None:
        self._engine.dispose()


class _SqliteReader:
    """Asks the driver itself; each thread has a connection, which needs no lock and keeps the statement prepared."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._one = _Prepared(_statement(), _ID, engine)
        self._many = _Prepared(_many(engine.dialect.name), _IDS, engine)
        self._own, self._lock = threading.local(), threading.Lock()
        self._opened: list[sqlite3.Connection] = []

    def ask(self, customer_id: str) -> Sequence[Any] | None:
        found: Sequence[Any] | None = self._one.asked(self._connection(), customer_id).fetchone()
        return found

    def ask_many(self, customer_ids: str) -> Sequence[Sequence[Any]]:
        return self._many.asked(self._connection(), customer_ids).fetchall()

    def close(self) -> None:
        with self._lock:
            for connection in self._opened:
                connection.close()
        self._engine.dispose()

    def _connection(self) -> sqlite3.Connection:
        found: sqlite3.Connection | None = getattr(self._own, "connection", None)
        if found is None:
            pooled = self._engine.raw_connection()
            pooled.detach()  # a thread keeps its connection, and must not use up the pool
            found = cast(sqlite3.Connection, pooled.dbapi_connection)
            self._own.connection = found
            with self._lock:
                self._opened.append(found)
        return found


class _Prepared:
    """A statement as the driver of SQLite takes it, with the one value that changes."""

    def __init__(self, statement: sa.Select[Any], name: str, engine: sa.Engine) -> None:
        made = statement.compile(dialect=engine.dialect)
        names = made.positiontup or []
        self._sql, self._values = str(made), [made.params[given] for given in names]
        self._places = [place for place, given in enumerate(names) if given == name]

    def asked(self, connection: sqlite3.Connection, value: str) -> sqlite3.Cursor:
        values = self._values.copy()
        for place in self._places:
            values[place] = value
        return connection.execute(self._sql, values)


def _stored(found: Sequence[Any]) -> Stored:
    run_id, as_of, version, row, events, opted_out = found
    return Stored(run_id, as_of, version, row, events, bool(opted_out))


def _statement() -> sa.Select[Any]:
    """What is stored of one customer."""
    customer_id = sa.bindparam(_ID, type_=sa.Text)
    return _of(customer_id, LATEST, LATEST)


def _many(dialect: str) -> sa.Select[Any]:
    """The same of all customers of a JSON list, each after their id; both databases read such a list."""
    given = sa.bindparam(_IDS, type_=sa.Text)
    listed = (
        sa.func.json_each(given)
        if dialect == "sqlite"
        else sa.func.json_array_elements_text(sa.cast(given, sa.JSON))
    )
    ids = listed.table_valued(sa.column("value", sa.Text), name="ids")
    found = _of(ids.c.value, ids.join(LATEST, sa.true()), LATEST, ids)
    return found.with_only_columns(ids.c.value, *found.selected_columns)


def _of(customer_id: sa.ColumnElement[str], asked: sa.FromClause, *before: sa.FromClause) -> sa.Select[Any]:
    """The columns of `Stored` from what is asked for; its parts stand before the inner statement."""
    events = sa.select(sa.func.count()).where(EVENTS.c.customer_id == customer_id, counts_live())
    left_out = sa.select(LEFT_OUT.c.customer_id).where(LEFT_OUT.c.customer_id == customer_id)
    row = sa.and_(SCORES.c.run_id == LATEST.c.run_id, SCORES.c.customer_id == customer_id)
    return sa.select(
        LATEST.c.run_id,
        LATEST.c.as_of,
        LATEST.c.model_version,
        SCORES.c.row,
        events.correlate(*before).scalar_subquery(),
        sa.or_(sa.exists(left_out), sa.func.coalesce(wants_no_contact(customer_id), sa.false())),
    ).select_from(asked.outerjoin(SCORES, row))
