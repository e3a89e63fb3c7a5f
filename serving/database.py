"""Opening the state database: SQLite or PostgreSQL, how its transactions begin, and its errors in words."""

from __future__ import annotations

import errno
import os
import sqlite3
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from features.errors import ConfigError, InputError, LockedError, PublishError, RetainError

__all__ = ["explained_error", "open_engine", "open_state", "transaction_options"]

WAIT_SECONDS = 30
# A row of a list takes 2 to 3 KB: pages of the usual 4 KB hold one and waste the rest.
PAGE_BYTES = 16_384
_RETRY_SECONDS = 0.01
# Seconds for a connection; milliseconds for what was sent and is not confirmed.
_PATIENCE = {"connect_timeout": "5", "tcp_user_timeout": "10000"}
# Lock not available, deadlock found, serialization failure: another process was first.
_CONTENDED = ("55P03", "40P01", "40001")


def open_state(url: str) -> tuple[sa.Engine, dict[bool, dict[str, Any]]]:
    """The engine of a state database, and how its transactions begin, by whether they write.

    Raises
    ------
    ConfigError
        The address cannot be used.
    """
    try:
        engine = open_engine(sa.make_url(url))
        return engine, transaction_options(engine)
    except (SQLAlchemyError, ImportError) as error:
        raise ConfigError(
            f"state database: the address cannot be used ({type(error).__name__}). "
            f"Give for example sqlite:///state/retain.db, or install retain[postgres] for PostgreSQL."
        ) from error


def open_engine(url: sa.URL) -> sa.Engine:
    """An engine for the address; a SQLite file is made with mode 0600 first.

    Raises
    ------
    ConfigError
        The file cannot be made.
    """
    if url.get_backend_name() != "sqlite":
        return _server_engine(url)
    if url.database and url.database != ":memory:":
        _private_file(Path(url.database))
    engine = sa.create_engine(url, connect_args={"timeout": WAIT_SECONDS}, hide_parameters=True)
    sa.event.listen(engine, "connect", _prepare_sqlite)
    sa.event.listen(engine, "begin", _begin_sqlite)
    return engine


def _server_engine(url: sa.URL) -> sa.Engine:
    """An engine for PostgreSQL that neither waits for ever for a lock nor for a server that does not answer."""
    known = {name: value for name, value in _PATIENCE.items() if name not in url.query}
    engine = sa.create_engine(
        url,
        isolation_level="REPEATABLE READ",
        pool_pre_ping=True,
        hide_parameters=True,
        connect_args=known if url.get_backend_name() == "postgresql" else {},
    )
    if url.get_backend_name() == "postgresql":
        sa.event.listen(engine, "connect", _prepare_postgresql)
    return engine


def _prepare_postgresql(connection: Any, _: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SET lock_timeout = {1000 * WAIT_SECONDS + 1}")  # milliseconds; 0 would be for ever
    connection.commit()


def transaction_options(engine: sa.Engine) -> dict[bool, dict[str, Any]]:
    """How a transaction begins, by whether it writes."""
    if engine.dialect.name == "sqlite":
        return {False: {"writing": False}, True: {"writing": True}}
    # readers see one instant; a writer that waited for another must see what that one did
    return {False: {"isolation_level": "REPEATABLE READ"}, True: {"isolation_level": "READ COMMITTED"}}


def _prepare_sqlite(connection: sqlite3.Connection, _: object) -> None:
    connection.isolation_level = None  # the driver would start transactions late, and not for reading
    connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")  # of a new file; one that is there keeps its own
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
    """Make the file, or take it from others.

    A file that is there is never opened and closed here: the system would drop the locks that SQLite holds on it in
    this process, and another process that ends would then take away the log this one still writes to.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if path.is_symlink():
            raise ConfigError(f"state database {path}: it is a link. Give the file itself.")
        if not path.exists():
            with suppress(FileExistsError):  # another process was first
                os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        path.chmod(0o600)
        if not os.access(path, os.R_OK | os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise ConfigError(
            f"state database {path}: {error.strerror}. Give a file in a folder you may write to."
        ) from error


def explained_error(error: DBAPIError | sqlite3.Error, writing: bool) -> RetainError:
    """A failure of the database as an error of Retain, which quotes no customer's row."""
    cause = str(getattr(error, "orig", error)).strip().split("\n")[0]
    if "locked" in cause or getattr(getattr(error, "orig", None), "sqlstate", None) in _CONTENDED:
        return LockedError(
            "state database: another process is writing. Wait until it is done, then try again."
        )
    if cause.startswith("connection"):
        text = (
            f"state database: its server cannot be reached ({cause}). Look at the server and at the address."
        )
        return PublishError(text) if writing else InputError(text)
    if writing:
        return PublishError(
            f"state database: could not be written ({cause}). The earlier run still stands. Look at the disk "
            f"and its free space, then try again."
        )
    return InputError(
        f"state database: could not be read ({cause}). If it is damaged, bring back a copy, or move it away "
        f"and score again."
    )
