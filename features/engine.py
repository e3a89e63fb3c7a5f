"""The engine that holds a shop: tables compressed in memory, limited, with a private folder for what does not fit.

A table of the engine takes some 180 bytes a line as it is written and 20 once it is compressed, which the engine
does in memory only where it is asked. So large tables are written some rows at a time and compressed in between.
"""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa
from ibis.util import gen_name

__all__ = ["SLICE_ROWS", "compact", "keep_compact", "written"]

SLICE_ROWS = 1_000_000
"""Rows written at a time; a table of fewer is not worth compressing."""

KEPT_ROWS = 500_000
"""Rows of kept tables written between two times of compressing them."""

_NAME, _KEPT = "shop", "kept"


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
    folder = tempfile.mkdtemp(prefix="retain-engine-")
    weakref.finalize(con, shutil.rmtree, folder, ignore_errors=True)
    engine = con.con
    engine.execute(f"SET memory_limit = '{limit_bytes // 2**20}MiB'")
    engine.execute("SET temp_directory = '{}'".format(folder.replace("'", "''")))
    engine.execute(f"ATTACH ':memory:' AS {_NAME} (COMPRESS)")
    engine.execute(f"USE {_NAME}")


def compact(engine: Any) -> None:
    """Compresses what was written since the last time; nothing happens in a database that is not compressed."""
    engine.execute("CHECKPOINT")


def written(engine: Any, parts: Iterable[Mapping[str, pa.Table]]) -> dict[str, str]:
    """Rows of some kinds that come part by part, each kind in a compressed table of its own.

    The connection may be busy meanwhile giving the parts: the tables stand in a database of their own, which can be
    compressed while something else is read.

    Parameters
    ----------
    engine : duckdb connection
    parts : iterable of mapping
        Rows by kind; those of a kind have the same columns in all parts, and at least one part has them.

    Returns
    -------
    dict
        The table's name by kind, as a statement takes it.
    """
    writer, names, pending = engine.cursor(), dict[str, str](), 0
    try:
        writer.execute(f"ATTACH IF NOT EXISTS ':memory:' AS {_KEPT} (COMPRESS)")
        for part in parts:
            for kind, rows in part.items():
                writer.register("part", rows)
                if kind not in names:
                    names[kind] = f'{_KEPT}.main."{gen_name(kind)}"'
                    writer.execute(f"CREATE TABLE {names[kind]} AS FROM part LIMIT 0")
                writer.execute(f"INSERT INTO {names[kind]} FROM part")
                writer.unregister("part")
                pending += rows.num_rows
            if pending >= KEPT_ROWS:
                writer.execute(f"CHECKPOINT {_KEPT}")
                pending = 0
        writer.execute(f"CHECKPOINT {_KEPT}")
    finally:
        writer.close()
    return names
