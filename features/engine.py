"""The engine that holds a shop: tables compressed in memory, limited, with a private folder for what does not fit.

A table of the engine takes some 180 bytes a line as it is written and 20 once it is compressed, which the engine
does in memory only where it is asked. So large tables are written some rows at a time and compressed in between.
"""

from __future__ import annotations

import shutil
import tempfile
import weakref
from typing import Any

__all__ = ["SLICE_ROWS", "compact", "keep_compact"]

SLICE_ROWS = 1_000_000
"""Rows written at a time; a table of fewer is not worth compressing."""

_NAME = "shop"


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
