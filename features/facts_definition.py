"""What stored day facts were made by: with anything else than that they are of no use."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import duckdb
import ibis

from features.days import day_facts
from features.source_files import SourceFiles
from features.tables import Tables

__all__ = ["REASONS", "definition", "facts_schema"]

LAYOUT = 2
_MADE_BY = ("day_sums", "days", "exact", "facts_rows", "line_counts", "many_days", "sorted_numbers")
"""Modules of this room that say what day facts and counts are."""

REASONS = {
    "layout": "this version of Retain keeps them in another form",
    "program": "they were made by another version of Retain",
    "engine": "they were made by another version of DuckDB",
    "timezone": "the time zone is another",
    "columns": "the orders have other columns than before",
    "made_by": "day facts are made in another way than before",
    "told": "they were told apart in another way before (by lines or by files)",
    "settings": "the settings of [data] changed",
}
"""What a store must agree in to be of use, and what is said where it does not."""


def definition(tables: Tables, files: SourceFiles | None) -> dict[str, str]:
    """What the day facts of these tables are made by, in texts."""
    settings = f"{files.settings} {files.drop_alike}" if files else ""
    return {
        "layout": str(LAYOUT),
        "program": _program(),
        "engine": duckdb.__version__,
        "timezone": tables.timezone,
        "columns": " ".join(tables.orders.columns),
        "made_by": _made_by(),
        "told": "by files" if files else "by lines",
        "settings": hashlib.sha256(settings.encode()).hexdigest(),
    }


@lru_cache(maxsize=8)
def facts_schema(lines: ibis.Schema) -> ibis.Schema:
    """The columns of `day_facts` of such lines; made once for each shape."""
    return day_facts(ibis.table(lines, name="lines")).schema()


@lru_cache(maxsize=1)
def _made_by() -> str:
    room, digest = Path(__file__).parent, hashlib.sha256()
    for name in _MADE_BY:
        digest.update((room / f"{name}.py").read_bytes() + b"\0")
    return digest.hexdigest()


def _program() -> str:
    try:
        return version("retain")
    except PackageNotFoundError:
        return ""
