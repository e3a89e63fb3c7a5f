"""What stored day facts were made by: with anything else than that they are of no use."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version

import duckdb
import ibis

from features.days import day_facts
from features.source_files import SourceFiles
from features.tables import Tables

__all__ = ["REASONS", "definition", "summed_up"]

LAYOUT = 2

REASONS = {
    "layout": "this version of Retain keeps them in another form",
    "program": "they were made by another version of Retain",
    "engine": "they were made by another version of DuckDB",
    "timezone": "the time zone is another",
    "columns": "the orders have other columns than before",
    "statement": "day facts are made in another way than before",
    "told": "they were told apart in another way before (by lines or by files)",
    "settings": "the settings of [data] changed",
}
"""What a store must agree in to be of use, and what is said where it does not."""


def definition(tables: Tables, files: SourceFiles | None) -> dict[str, str]:
    """What the day facts of these tables are made by, in texts."""
    statement, _ = summed_up(tables.orders.schema())
    settings = f"{files.settings} {files.drop_alike}" if files else ""
    return {
        "layout": str(LAYOUT),
        "program": _program(),
        "engine": duckdb.__version__,
        "timezone": tables.timezone,
        "columns": " ".join(tables.orders.columns),
        "statement": hashlib.sha256(statement.encode()).hexdigest(),
        "told": "by files" if files else "by lines",
        "settings": hashlib.sha256(settings.encode()).hexdigest(),
    }


@lru_cache(maxsize=8)
def summed_up(lines: ibis.Schema) -> tuple[str, ibis.Schema]:
    """The statement that `day_facts` of such lines is, and the columns it gives; made once for each shape."""
    found = day_facts(ibis.table(lines, name="lines"))
    return str(ibis.to_sql(found, dialect="duckdb", pretty=False)), found.schema()


def _program() -> str:
    try:
        return version("retain")
    except PackageNotFoundError:
        return ""
