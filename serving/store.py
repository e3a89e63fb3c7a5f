"""The state between runs: which runs there were, and the latest scores by customer.

One SQL database through SQLAlchemy: a SQLite file by default, PostgreSQL by address. A run is saved in one
transaction, so that a reader or a crash sees the earlier run whole or the new one whole. Scores of earlier
runs are dropped, their records stay. A row is kept as JSON text: Python writes floats in the shortest form
that reads back to the same bits, so the answer to a look-up equals the list.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from features.errors import ConfigError, InputError, LockedError, PublishError, RetainError

__all__ = ["RunInfo", "Store"]

SCHEMA_VERSION = 1
BATCH = 5_000
IDS_PER_QUERY = 500
WAIT_SECONDS = 30
_RETRY_SECONDS = 0.01

_metadata = sa.MetaData()
_schema = sa.Table("retain_schema", _metadata, sa.Column("version", sa.Integer, primary_key=True))
_runs = sa.Table(
    "runs",
    _metadata,
    # the order of saving, not the clock, says which run is the latest: clocks jump
    sa.Column("position", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("run_id", sa.Text, nullable=False, unique=True),
    sa.Column("as_of", sa.Text, nullable=False),
    sa.Column("model_version", sa.Text, nullable=False),
    sa.Column("config_hash", sa.Text, nullable=False),
    sa.Column("rows", sa.Integer, nullable=False),
    sa.Column("created_at", sa.Text, nullable=False),
    sa.Column("list_sha256", sa.Text, nullable=False),
)
_scores = sa.Table(
    "scores",
    _metadata,
    sa.Column("run_id", sa.Text, primary_key=True),
    sa.Column("customer_id", sa.Text, primary_key=True),
    sa.Column("row", sa.Text, nullable=False),
)


@dataclass(frozen=True)
class RunInfo:
    """The record of one scoring run.

    Parameters
    ----------
    run_id : str
        Its name; saving the same name again replaces that run.
    as_of : date
        The day scored for.
    model_version, config_hash : str
        What it was made with.
    rows : int
        Customers scored, >= 0.
    created_at : datetime
        With zone; kept in UTC.
    list_sha256 : str
        SHA-256 of the list published in the same run, ``""`` for none.
    """

    run_id: str
    as_of: date
    model_version: str
    config_hash: str
    rows: int
    created_at: datetime
    list_sha256: str = ""


class Store:
    """The state database.

    Parameters
    ----------
    url : str
        SQLAlchemy address, e.g. ``sqlite:///state/retain.db`` or ``postgresql+psycopg://…``. A SQLite file
        is made with mode 0600, a missing folder with 0700.

    Raises
    ------
    ConfigError
        The address cannot be used, or the database was made by another version of Retain.

    Examples
    --------
    >>> store = Store("sqlite://")
    >>> run = RunInfo("r1", date(2011, 6, 12), "v1", "c0ffee", 1, datetime(2011, 6, 12, tzinfo=UTC))
    >>> store.save_run(run, pd.DataFrame({"customer_id": ["007"], "clv": [0.1]}))
    >>> store.latest_run() == run, store.get(["007", "8"])
    (True, {'007': {'customer_id': '007', 'clv': 0.1}})
    >>> store.close()
    """

    def __init__(self, url: str) -> None:
        try:
            self._engine = _engine(sa.make_url(url))
            self._options = _options(self._engine)
        except (SQLAlchemyError, ImportError) as error:
            raise ConfigError(
                f"state database: the address cannot be used ({type(error).__name__}). "
                f"Give for example sqlite:///state/retain.db, or install retain[postgres] for PostgreSQL."
            ) from error
        found = self._layout()
        if found != SCHEMA_VERSION:
            self.close()
            raise ConfigError(
                f"state database: its layout is version {found}, this program reads {SCHEMA_VERSION}. "
                f"Use the Retain it was made with, or give a new database and score again."
            )

    def save_run(self, run: RunInfo, frame: pd.DataFrame) -> None:
        """Make a run the latest: its record and all its scores, or nothing.

        Parameters
        ----------
        run : RunInfo
            ``rows`` must be the number of rows of `frame`.
        frame : pandas.DataFrame
            One row per customer, with a text column ``customer_id``.

        Raises
        ------
        InputError
            Ids are missing, doubled or no text, a value is infinite or no plain value, or the numbers of
            rows differ.
        LockedError, PublishError, RetainError
            Another process writes, or the database cannot be written; the earlier run still stands.
        """
        _check_scores(run, frame)
        with self._transaction(writing=True) as connection:
            # one writer at a time, also on PostgreSQL; SQLite has locked already
            connection.execute(sa.select(_schema.c.version).with_for_update())
            connection.execute(sa.delete(_scores))
            connection.execute(sa.delete(_runs).where(_runs.c.run_id == run.run_id))
            connection.execute(sa.insert(_runs), _record(run))
            for start in range(0, len(frame), BATCH):
                rows = _rows(frame.iloc[start : start + BATCH])
                connection.execute(sa.insert(_scores), [{"run_id": run.run_id, **row} for row in rows])

    def latest_run(self) -> RunInfo | None:
        """The run saved last, or None when there is none."""
        query = sa.select(_runs).order_by(_runs.c.position.desc()).limit(1)
        with self._transaction() as connection:
            found = connection.execute(query).mappings().first()
        return None if found is None else _run(dict(found))

    def get(self, customer_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Scores of the latest run.

        Parameters
        ----------
        customer_ids : sequence of str

        Returns
        -------
        dict
            Customer id to its row of the list (floats to the bit, missing values None, dates as ISO text).
            Customers the run does not know are absent.
        """
        wanted = list(dict.fromkeys(customer_ids))
        latest = sa.select(_runs.c.run_id).order_by(_runs.c.position.desc()).limit(1).scalar_subquery()
        rows = sa.select(_scores.c.customer_id, _scores.c.row).where(_scores.c.run_id == latest)
        found: dict[str, dict[str, Any]] = {}
        with self._transaction() as connection:
            for start in range(0, len(wanted), IDS_PER_QUERY):
                some = wanted[start : start + IDS_PER_QUERY]
                query = rows.where(_scores.c.customer_id.in_(some))
                found |= {customer: json.loads(row) for customer, row in connection.execute(query)}
        return {customer: found[customer] for customer in wanted if customer in found}

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()

    def _layout(self) -> int | None:
        """The version of the tables, which are made when there are none; readers need no lock for it."""
        with self._transaction() as connection:
            ready = sa.inspect(connection).has_table(_schema.name)
        if not ready:
            with self._transaction(writing=True) as connection:
                _metadata.create_all(connection)
                if connection.scalar(sa.select(_schema.c.version)) is None:
                    connection.execute(sa.insert(_schema), {"version": SCHEMA_VERSION})
        with self._transaction() as connection:
            return connection.scalar(sa.select(sa.func.max(_schema.c.version)))

    @contextmanager
    def _transaction(self, *, writing: bool = False) -> Iterator[sa.Connection]:
        """One consistent view; committed as a whole or not at all."""
        try:
            with self._engine.connect() as connection:
                connection.execution_options(**self._options[writing])
                with connection.begin():
                    yield connection
        except (DBAPIError, sqlite3.Error) as error:
            raise _explained(error, writing) from None  # the engine's message may quote a customer's row


def _engine(url: sa.URL) -> sa.Engine:
    if url.get_backend_name() != "sqlite":
        return sa.create_engine(
            url, isolation_level="REPEATABLE READ", pool_pre_ping=True, hide_parameters=True
        )
    if url.database and url.database != ":memory:":
        _private_file(Path(url.database))
    engine = sa.create_engine(url, connect_args={"timeout": WAIT_SECONDS}, hide_parameters=True)
    sa.event.listen(engine, "connect", _prepare_sqlite)
    sa.event.listen(engine, "begin", _begin_sqlite)
    return engine


def _options(engine: sa.Engine) -> dict[bool, dict[str, Any]]:
    """How a transaction begins, by whether it writes."""
    if engine.dialect.name == "sqlite":
        return {False: {"writing": False}, True: {"writing": True}}
    # readers see one instant; a writer that waited for another must see what that one did
    return {False: {"isolation_level": "REPEATABLE READ"}, True: {"isolation_level": "READ COMMITTED"}}


def _prepare_sqlite(connection: sqlite3.Connection, _: object) -> None:
    connection.isolation_level = None  # the driver would start transactions late, and not for reading
    _write_ahead(connection)
    connection.execute("PRAGMA synchronous = FULL")


def _write_ahead(connection: sqlite3.Connection) -> None:
    """SQLite waits for no lock here, whatever its timeout, so that two who open a new file at once would clash."""
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(_RETRY_SECONDS)
        else:
            return


def _begin_sqlite(connection: sa.Connection) -> None:
    # a writer takes its lock at once: a reader that turns writer half-way would be refused
    writing = connection.get_execution_options().get("writing")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")


def _private_file(path: Path) -> None:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
        path.chmod(0o600)
    except OSError as error:
        raise ConfigError(
            f"state database {path}: {error.strerror}. Give a file in a folder you may write to."
        ) from error


def _explained(error: DBAPIError | sqlite3.Error, writing: bool) -> RetainError:
    cause = str(getattr(error, "orig", error)).strip().split("\n")[0]
    if "locked" in cause:
        return LockedError(
            "state database: another process is writing. Wait until it is done, then try again."
        )
    if writing:
        return PublishError(
            f"state database: could not be written ({cause}). The earlier run still stands. Look at the disk "
            f"and its free space, then try again."
        )
    return InputError(
        f"state database: could not be read ({cause}). If it is damaged, bring back a copy, or move it away "
        f"and score again."
    )


def _check_scores(run: RunInfo, frame: pd.DataFrame) -> None:
    if "customer_id" not in frame.columns:
        raise InputError("scores: the column customer_id is missing. Save the list as the scorer made it.")
    if run.rows != len(frame):
        raise InputError(
            f"scores: the run tells of {run.rows:,} rows, the list has {len(frame):,}. Use one list."
        )
    if run.created_at.tzinfo is None:
        raise InputError("scores: created_at has no zone. Use datetime.now(UTC).")
    ids = frame["customer_id"]
    strange = int((~ids.map(lambda value: isinstance(value, str)).astype(bool)).sum())
    doubled = int(ids.duplicated().sum())
    if strange or doubled:
        raise InputError(
            f"scores, column customer_id: {strange:,} ids are missing or no text, {doubled:,} are there "
            f"before. Give one row per customer."
        )


def _rows(frame: pd.DataFrame) -> Iterator[dict[str, str]]:
    names = [str(name) for name in frame.columns]
    columns = [_values(frame.iloc[:, place]) for place in range(len(names))]
    encoder = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_json)
    try:
        for customer, *values in zip(columns[names.index("customer_id")], *columns, strict=True):
            row = dict(zip(names, values, strict=True))
            yield {"customer_id": customer, "row": encoder.encode(row)}
    except TypeError as error:
        raise InputError(f"scores: {error}. Give text, numbers, flags, dates or lists of them.") from None
    except ValueError:
        raise InputError("scores: a value is infinite or, inside a list, not a number. Repair it.") from None


def _values(column: pd.Series) -> list[Any]:
    missing = column.isna().tolist()
    values = column.astype(object).tolist()
    return [None if gone else value for value, gone in zip(values, missing, strict=True)]


def _json(value: object) -> object:
    if isinstance(value, date):  # datetime and pandas.Timestamp are dates, too
        return value.isoformat()
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise TypeError(f"values of type {type(value).__name__} cannot be stored")


def _record(run: RunInfo) -> dict[str, Any]:
    created = run.created_at.astimezone(UTC).isoformat()
    return {**asdict(run), "as_of": run.as_of.isoformat(), "created_at": created}


def _run(record: dict[str, Any]) -> RunInfo:
    del record["position"]
    record["as_of"] = date.fromisoformat(record["as_of"])
    record["created_at"] = datetime.fromisoformat(record["created_at"])
    return RunInfo(**record)
