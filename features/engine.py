"""The engine that holds a shop: tables compressed in memory, limited, with a private folder for what does not fit.

A table of the engine takes some 180 bytes a line as it is written and 20 once it is compressed, which the engine
does in memory only where it is asked. So large tables are written some rows at a time and compressed in between.
"""

# ruff: noqa: S608  (identifiers in the statements are names of our own)
from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import ibis.expr.types as ir
from ibis.util import gen_name

__all__ = ["SLICE_ROWS", "compact", "keep_compact", "numbered"]

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


@contextmanager
def numbered(con: Any, orders: ir.Table) -> Iterator[tuple[ir.Table, ir.Table]]:
    """Customers with a number each, and the lines bought in numbers, as `features.many_days.many_day_facts` takes them.

    Texts are read once; what is sorted after are numbers of 32 bits. The tables are gone after the block.
    """
    engine, lines = con.con, f"({con.compile(orders)})"
    made: dict[str, str] = {}
    try:
        for column in ("customer_id", "product", "category"):
            if column in orders.columns:
                made[column] = gen_name("numbered")
                engine.execute(
                    f"CREATE TEMP TABLE {made[column]} AS SELECT {column}, CAST(row_number() OVER () AS INTEGER) AS place "
                    f"FROM (SELECT DISTINCT {column} FROM {lines}) WHERE {column} IS NOT NULL"
                )
        made["bought"] = gen_name("bought")
        things = [name for name in made if name not in ("customer_id", "bought")]
        wanted = "".join(f", {made[name]}.place AS {name}" for name in things)
        joins = "".join(f" LEFT JOIN {made[name]} ON lines.{name} = {made[name]}.{name}" for name in things)
        engine.execute(
            f"CREATE TEMP TABLE {made['bought']} AS SELECT c.place AS customer_no, day, known_day{wanted} "
            f"FROM {lines} AS lines JOIN {made['customer_id']} AS c ON lines.customer_id = c.customer_id{joins} "
            "WHERE amount > 0"
        )
        customers = con.sql(
            f"SELECT customer_id, place AS customer_no FROM {made['customer_id']}",
            schema={"customer_id": "string", "customer_no": "int32"},
        )
        kinds = {"customer_no": "int32", "day": "date", "known_day": "date"} | dict.fromkeys(things, "int32")
        yield customers, con.sql(f"SELECT * FROM {made['bought']}", schema=kinds)
    finally:
        for name in made.values():
            engine.execute(f"DROP TABLE IF EXISTS {name}")
