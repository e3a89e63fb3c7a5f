"""Rows of Python values (from spreadsheets and databases) as Arrow tables of one type per column.

A spreadsheet column may hold numbers and text side by side. Rows are grouped by the types of their values, so
that every value keeps its own type and is cast by contract later.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from itertools import islice
from typing import Any

import pyarrow as pa

__all__ = ["tables_from_rows"]

CHUNK_ROWS = 20_000
_ZONED = pa.timestamp("us", "UTC")


def tables_from_rows(rows: Iterable[tuple[int, Sequence[Any]]], names: Sequence[str]) -> Iterator[pa.Table]:
    """Tables of `rows`, each (line, values), with ``_line``; several when a column mixes types.

    Examples
    --------
    >>> rows = [(2, ["7", 1.5]), (3, ["8", "2,5"]), (4, [None, None])]
    >>> [t.to_pylist() for t in tables_from_rows(rows, ["id", "amount"])]  # doctest: +NORMALIZE_WHITESPACE
    [[{'id': '7', 'amount': 1.5, '_line': 2}, {'id': None, 'amount': None, '_line': 4}],
     [{'id': '8', 'amount': '2,5', '_line': 3}]]
    """
    iterator = iter(rows)
    chunk = list(islice(iterator, CHUNK_ROWS))
    if not chunk:
        yield pa.schema([*((name, pa.string()) for name in names), ("_line", pa.int64())]).empty_table()
    while chunk:
        yield from _grouped([(line, [_plain(v) for v in values]) for line, values in chunk], names)
        chunk = list(islice(iterator, CHUNK_ROWS))


def _grouped(chunk: list[tuple[int, list[Any]]], names: Sequence[str]) -> Iterator[pa.Table]:
    kinds: list[list[pa.DataType]] = [[] for _ in names]
    groups: dict[tuple[pa.DataType, ...], list[tuple[int, list[Any]]]] = {}
    for _, values in chunk:
        for seen, value in zip(kinds, values, strict=True):
            kind = _kind(value)
            if kind is not None and kind not in seen:
                seen.append(kind)
    usual = [seen[0] if seen else pa.string() for seen in kinds]
    for row in chunk:
        signature = tuple(_kind(v) or default for v, default in zip(row[1], usual, strict=True))
        groups.setdefault(signature, []).append(row)
    for signature, group in groups.items():
        columns = zip(*(values for _, values in group), strict=True)
        arrays = {n: pa.array(c, t) for n, c, t in zip(names, columns, signature, strict=True)}
        yield pa.table({**arrays, "_line": pa.array([line for line, _ in group], pa.int64())})


def _kind(value: Any) -> pa.DataType | None:
    if isinstance(value, datetime):
        return pa.timestamp("us") if value.tzinfo is None else _ZONED
    return None if value is None else _KINDS[type(value)]


_KINDS = {bool: pa.bool_(), int: pa.int64(), float: pa.float64(), str: pa.string()}


def _plain(value: Any) -> Any:
    """The value as None, bool, int of 64 bits, float, str or datetime."""
    if value is None or type(value) in (bool, float, str) or isinstance(value, datetime):
        return value
    if isinstance(value, int):
        return int(value) if abs(value) < 2**63 else str(value)
    if isinstance(value, Decimal):
        return _decimal(value)
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day)
    if isinstance(value, time):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return str(value)


def _decimal(value: Decimal) -> Any:
    whole = value.is_finite() and value == value.to_integral_value()
    if whole:
        return _plain(int(value))
    return float(value) if math.isfinite(value) else str(value)
