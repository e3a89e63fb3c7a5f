"""The stored row of one customer, as quickly as the database can give it.

The endpoint asks for one customer thousands of times a second. One statement gives the run, the row and whether
events came since, all of one instant, so that an answer never mixes two lists. On SQLite the statement goes
straight to the driver: what a general layer adds takes longer than the search itself.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from serving.database import explained_error, open_state
from serving.event_log import EVENTS, EventLog, counts_live, wants_no_contact
from serving.store import LATEST, LEFT_OUT, SCORES, RunInfo, Store

__all__ = ["Lookup", "Stored", "without_reasons"]

_ID = "customer_id"
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
        if found is None:
            return None
        run_id, as_of, version, row, events, opted_out = found
        return Stored(run_id, as_of, version, row, events, bool(opted_out))

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
        self._statement = _statement()

    def ask(self, customer_id: str) -> Sequence[Any] | None:
        with self._engine.connect() as connection:
            return connection.execute(self._statement, {_ID: customer_id}).first()

    def close(self) -> None:
        self._engine.dispose()


class _SqliteReader:
    """Asks the driver itself; each thread has a connection, which needs no lock and keeps the statement prepared."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        made = _statement().compile(dialect=engine.dialect)
        self._sql, self._values = str(made), [made.params[name] for name in made.positiontup or []]
        self._places = [place for place, name in enumerate(made.positiontup or []) if name == _ID]
        self._own, self._lock = threading.local(), threading.Lock()
        self._opened: list[sqlite3.Connection] = []

    def ask(self, customer_id: str) -> Sequence[Any] | None:
        values = self._values.copy()
        for place in self._places:
            values[place] = customer_id
        found: Sequence[Any] | None = self._connection().execute(self._sql, values).fetchone()
        return found

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


def _statement() -> sa.Select[Any]:
    customer_id = sa.bindparam(_ID, type_=sa.Text)
    events = sa.select(sa.func.count()).where(EVENTS.c.customer_id == customer_id, counts_live())
    left_out = sa.select(LEFT_OUT.c.customer_id).where(LEFT_OUT.c.customer_id == customer_id)
    row = sa.and_(SCORES.c.run_id == LATEST.c.run_id, SCORES.c.customer_id == customer_id)
    return sa.select(
        LATEST.c.run_id,
        LATEST.c.as_of,
        LATEST.c.model_version,
        SCORES.c.row,
        events.correlate(LATEST).scalar_subquery(),
        sa.or_(sa.exists(left_out), sa.func.coalesce(wants_no_contact(customer_id), sa.false())),
    ).select_from(LATEST.outerjoin(SCORES, row))
