"""Some tables of the state database that belong together: their layout version, and how they are read and written."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from features.errors import ConfigError
from serving.database import explained_error, open_state

__all__ = ["StateTables", "insert_many"]

# Names the lock under which tables are made; any number that nobody else uses.
_MAKING = 0x7265_7461_696E


class StateTables:
    """A group of tables with one layout version, made when they are first opened.

    Each group counts its layouts for itself, so that a database which lacks a group is given it when it is first
    needed, and a change of one group leaves the others as they are.

    Parameters
    ----------
    url : str
        SQLAlchemy address of the state database, as `serving.store.Store` takes it.
    metadata : sqlalchemy.MetaData
        The tables of the group; the table `schema` is added.
    schema : str
        Name of the table that holds the layout version.
    version : int
        Layout that this program reads, >= 1.
    title : str
        What the group is called in messages.

    Raises
    ------
    ConfigError
        The address cannot be used, or the tables were made by another version of Retain.

    Examples
    --------
    >>> metadata = sa.MetaData()
    >>> notes = sa.Table("notes", metadata, sa.Column("text", sa.Text))
    >>> tables = StateTables("sqlite://", metadata, schema="notes_schema", version=1, title="notes")
    >>> with tables.writing() as connection:
    ...     _ = connection.execute(sa.insert(notes), {"text": "hello"})
    >>> with tables.reading() as connection:
    ...     connection.scalar(sa.select(notes.c.text))
    'hello'
    >>> tables.close()
    """

    def __init__(
        self,
        url: str,
        metadata: sa.MetaData,
        *,
        schema: str,
        version: int,
        title: str,
    ) -> None:
        self._metadata, self._version = metadata, version
        known = metadata.tables.get(schema)
        self._schema = (
            sa.Table(schema, metadata, sa.Column("version", sa.Integer, primary_key=True))
            if known is None
            else known
        )
        self.engine, self._options = open_state(url)
        found = self._layout()
        if found != version:
            self.close()
            raise ConfigError(
                f"{title}: its layout in the state database is version {found}, this program reads {version}. "
                f"Use the Retain it was made with, or give a new database."
            )

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """One consistent view."""
        with self._transaction(writing=False) as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """Committed as a whole or not at all, and by one process at a time."""
        with self._transaction(writing=True) as connection:
            self.lock(connection)
            yield connection

    def lock(self, connection: sa.Connection) -> None:
        """Keep other writers of this group out until a writing transaction ends, also one of another group."""
        # SQLite has locked already, PostgreSQL does so here
        connection.execute(sa.select(self._schema.c.version).with_for_update())

    def close(self) -> None:
        """Let go of the database."""
        self.engine.dispose()

    def _layout(self) -> int | None:
        """The version of the tables, made when needed; readers need no lock for it."""
        newest = sa.select(sa.func.max(self._schema.c.version))
        with self.reading() as connection:
            ready = sa.inspect(connection).has_table(self._schema.name)
            found = connection.scalar(newest) if ready else None
        if found is not None:
            return found
        with self._transaction(writing=True) as connection:
            if connection.dialect.name == "postgresql":  # two who make the same table at once would clash
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_MAKING)))
            self._metadata.create_all(connection)
            if connection.scalar(newest) is None:
                connection.execute(sa.insert(self._schema), {"version": self._version})
            return connection.scalar(newest)

    @contextmanager
    def _transaction(self, *, writing: bool) -> Iterator[sa.Connection]:
        try:
            with self.engine.connect() as connection:
                connection.execution_options(**self._options[writing])
                with connection.begin():
                    yield connection
        except (DBAPIError, sqlite3.Error) as error:
            raise explained_error(error, writing) from None  # the engine's message may quote a customer's row


def insert_many(connection: sa.Connection, table: sa.Table, rows: Sequence[Sequence[object]]) -> None:
    """Insert rows with a value for every column, without a look at each of them on the way.

    Examples
    --------
    >>> engine, notes = sa.create_engine("sqlite://"), sa.Table("notes", sa.MetaData(), sa.Column("text", sa.Text))
    >>> notes.create(engine)
    >>> with engine.begin() as connection:
    ...     insert_many(connection, notes, [("a",), ("b",)])
    ...     connection.scalars(sa.select(notes.c.text)).all()
    ['a', 'b']
    """
    if not rows:
        return
    names = [column.name for column in table.columns]
    statement = sa.insert(table).compile(dialect=connection.dialect, column_keys=names)
    if statement.positional:
        connection.exec_driver_sql(str(statement), [tuple(row) for row in rows])
    else:
        connection.exec_driver_sql(str(statement), [dict(zip(names, row, strict=True)) for row in rows])
