"""The engine that holds a shop: tables compressed in memory, limited, with a private folder for what does not fit.

A table of the engine takes some 180 bytes a line as it is written and 20 once it is compressed, which the engine
does in memory only where it is asked. So large tables are written some rows at a time and compressed in between.

Importing DuckDB starts a thread, and the parent of the endpoint's workers has to fork without any: so it is imported
where it is used.
"""

from __future__ import annotations

import errno
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from features.errors import ConfigError
from features.private_folder import private_folder

__all__ = [
    "COMPACT_ROWS",
    "SLICE_ROWS",
    "compact",
    "keep_compact",
    "left_room",
    "memory_limit",
    "told_limits",
    "written",
]

SLICE_ROWS = 1_000_000
"""Rows written at a time."""

COMPACT_ROWS = 2_000_000
"""A table of fewer is not worth compressing: that takes half as long as writing it."""

_NAME = "shop"
_FULL = "No space left"
_ROOM = 2**30


def keep_compact(con: Any, limit_bytes: int) -> None:
    """Makes a fresh ibis connection keep its tables in a compressed database, within a limit of memory.

    Parameters
    ----------
    con : ibis DuckDB backend
        Without tables yet.
    limit_bytes : int
        Memory that the engine may take, > 0. What sorting and joining need beyond it is written to a folder that
        nobody else can read, and that goes with the connection.
    """
    folder, engine = private_folder(con), con.con
    engine.execute(f"SET memory_limit = '{limit_bytes // 2**20}MiB'")
    engine.execute(f"SET temp_directory = {_quoted(folder)}")
    engine.execute(f"ATTACH ':memory:' AS {_NAME} (COMPRESS)")
    engine.execute(f"USE {_NAME}")


def memory_limit(engine: Any) -> int:
    """Bytes of memory that a DuckDB connection may take."""
    (limit,) = engine.execute("SELECT current_setting('memory_limit')").fetchone()
    (size,) = engine.execute("SELECT CAST(parse_formatted_bytes(?) AS BIGINT)", [limit]).fetchone()
    return int(size)


@contextmanager
def left_room(engine: Any) -> Iterator[None]:
    """Within the block the engine takes less than its limit: the rest is for what is worked out beside it."""
    from duckdb import OutOfMemoryException

    writer, (limit,) = engine.cursor(), engine.execute("SELECT current_setting('memory_limit')").fetchone()
    size = memory_limit(engine)
    try:
        with suppress(OutOfMemoryException):
            writer.execute(f"SET memory_limit = '{(size - min(size // 4, _ROOM)) // 2**20}MiB'")
        yield
    finally:
        writer.execute(f"SET memory_limit = '{limit}'")
        writer.close()


def compact(engine: Any) -> None:
    """Compresses what was written since the last time; nothing happens in a database that is not compressed."""
    engine.execute("CHECKPOINT")


@contextmanager
def told_limits(con: Any, doing: str) -> Iterator[None]:
    """Turns what is said where memory or the disk does not suffice into what ran out and what to do about it.

    Parameters
    ----------
    con : ibis backend
    doing : str
        What is being done, after *while*.

    Raises
    ------
    ConfigError
        The embedded engine, or the disk beside it, ran out.
    """
    from duckdb import IOException, OutOfMemoryException

    try:
        yield
    except (OutOfMemoryException, IOException, OSError) as error:
        memory = isinstance(error, OutOfMemoryException)
        if not memory and getattr(error, "errno", 0) != errno.ENOSPC and _FULL not in str(error):
            raise
        limit, folder = con.con.execute(
            "SELECT current_setting('memory_limit'), current_setting('temp_directory')"
        ).fetchone()
        place = Path(folder) if Path(folder).is_dir() else Path(tempfile.gettempdir())
        free = shutil.disk_usage(place).free / 1e9
        ran_out = f"the embedded engine's memory of {limit}" if memory else f"the disk of {place}"
        raise ConfigError(
            f"{ran_out} ran out while {doing} ({str(error).splitlines()[0]}). Raise memory_limit under [data], or free "
            f"disk for what does not fit into memory: {free:,.1f} GB are free at {place}, and TMPDIR names another place"
        ) from error


def written(con: Any, parts: Iterable[Mapping[str, pa.Table]]) -> dict[str, str]:
    """Rows of some kinds that come part by part, each kind in a Parquet file of its own.

    The files are compressed, cost the engine no memory, and are read again at any time, a part of the rows where that
    is enough. They stand in a folder that nobody else can read, and that goes with the connection.

    Parameters
    ----------
    con : ibis DuckDB backend
        May be busy meanwhile giving the parts.
    parts : iterable of mapping
        Rows by kind; every part has the same kinds, and those of a kind the same columns.

    Returns
    -------
    dict
        What stands for the table of each kind in a statement.
    """
    folder = private_folder(con)
    with ExitStack() as files:
        writers: dict[str, pq.ParquetWriter] = {}
        for part in parts:
            for kind, rows in part.items():
                if kind not in writers:
                    file = pq.ParquetWriter(folder / f"{kind}.parquet", rows.schema, compression="lz4")
                    writers[kind] = files.enter_context(file)
                writers[kind].write_table(rows)
    return {kind: f"read_parquet({_quoted(folder / f'{kind}.parquet')})" for kind in writers}


def _quoted(path: Path) -> str:
    return "'{}'".format(str(path).replace("'", "''"))
