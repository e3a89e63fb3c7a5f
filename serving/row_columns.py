"""Columns of the list before they are a table: as a data frame, or as rows of plain values.

For one customer a data frame of sixty columns takes longer to build than the customer takes to score.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from strategies.columns import Labels, Numbers, Places

__all__ = ["DaysLater", "RowColumn", "as_batch", "as_frame", "as_rows", "as_texts"]

_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


@dataclass(frozen=True)
class DaysLater:
    """A column of days, each so many after one and the same; missing where the number is.

    Examples
    --------
    >>> DaysLater(date(2026, 2, 27), np.array([2.0, np.nan])).dates()
    [datetime.date(2026, 3, 1), None]
    """

    start: date
    days: Numbers

    def dates(self) -> list[date | None]:
        """The days."""
        return [None if np.isnan(n) else self.start + timedelta(days=int(n)) for n in self.days.tolist()]


RowColumn = Numbers | Labels | DaysLater | list[str] | str | date
"""Numbers, labels, days or texts, one per customer; or one text or day for all."""


def as_frame(customer_ids: pd.Series, columns: Mapping[str, RowColumn]) -> pd.DataFrame:
    """The columns as a table, behind the ids and with their index.

    Examples
    --------
    >>> found = {"risk": Labels(("low",), np.array([0])), "clv": np.array([1.5]), "model_version": "v1"}
    >>> as_frame(pd.Series(["a"]), found)
      customer_id risk  clv model_version
    0           a  low  1.5            v1
    """
    found = {name: _array(column) for name, column in columns.items()}
    return pd.DataFrame({"customer_id": customer_ids, **found}, index=customer_ids.index)


def _array(column: RowColumn) -> Any:
    if isinstance(column, Labels):
        return column.array()
    if isinstance(column, DaysLater):
        return np.array(column.dates(), dtype=object)
    return pd.array(column, dtype="str") if isinstance(column, list) else column


def as_batch(customer_ids: pa.Array, columns: Mapping[str, RowColumn]) -> pa.RecordBatch:
    """The columns as a record batch behind the ids, missing as null; words that come again and again are coded.

    Examples
    --------
    >>> found = {"as_of": date(2026, 3, 1), "clv": np.array([np.nan])}
    >>> as_batch(pa.array(["a"]), found).to_pylist()
    [{'customer_id': 'a', 'as_of': datetime.date(2026, 3, 1), 'clv': None}]
    """
    size = len(customer_ids)
    arrays = [customer_ids.cast(pa.string()), *(_arrow(column, size) for column in columns.values())]
    return pa.RecordBatch.from_arrays(arrays, names=["customer_id", *columns])


def _arrow(column: RowColumn, size: int) -> pa.Array:
    if isinstance(column, np.ndarray):
        return pa.array(column, from_pandas=True)
    if isinstance(column, Labels):
        return _coded(column.words, column.places)
    if isinstance(column, DaysLater):
        missing = np.isnan(column.days)
        days = np.datetime64(column.start) + np.where(missing, 0.0, column.days).astype("timedelta64[D]")
        return pa.array(days, pa.date32(), mask=missing)
    if isinstance(column, list):
        return pa.array(column, pa.string())
    if isinstance(column, date):
        return pa.repeat(pa.scalar(column, pa.date32()), size)
    return _coded((column,), np.zeros(size, np.intp))


def _coded(words: tuple[str, ...], places: Places) -> pa.Array:
    different, codes = _codes(words)
    return pa.DictionaryArray.from_arrays(pa.array(codes.take(places)), different)


@lru_cache(maxsize=64)
def _codes(words: tuple[str, ...]) -> tuple[pa.Array, npt.NDArray[np.int32]]:
    """The different words, and the place of each word among them: a label may have several places."""
    different = list(dict.fromkeys(words))
    codes = np.array([different.index(word) for word in words], dtype=np.int32)
    return pa.array(different, pa.string()), codes


def as_rows(customer_ids: Sequence[str], columns: Mapping[str, RowColumn]) -> list[dict[str, Any]]:
    """The columns as rows of plain values, as the stored list has them: missing as None, days as ISO text.

    Examples
    --------
    >>> as_rows(["a"], {"as_of": date(2026, 3, 1), "clv": np.array([np.nan])})
    [{'customer_id': 'a', 'as_of': '2026-03-01', 'clv': None}]
    """
    names = ["customer_id", *columns]
    values = [customer_ids, *(_values(column, len(customer_ids)) for column in columns.values())]
    return [dict(zip(names, row, strict=True)) for row in zip(*values, strict=True)]


def as_texts(customer_ids: Sequence[str], columns: Mapping[str, RowColumn]) -> list[str]:
    """`as_rows` as JSON text, as the store keeps it; written a column at a time.

    Raises
    ------
    ValueError
        A number is infinite.

    Examples
    --------
    >>> as_texts(["a"], {"as_of": date(2026, 3, 1), "clv": np.array([np.nan])})
    ['{"customer_id":"a","as_of":"2026-03-01","clv":null}']
    """
    texts, shape = [[_encode(customer) for customer in customer_ids]], ['"customer_id":%s']
    for name, column in columns.items():
        if isinstance(column, str | date):
            value = _encode(column.isoformat() if isinstance(column, date) else column)
            shape.append(f"{_encode(name)}:{value}".replace("%", "%%"))
        else:
            texts.append(_texts(column))
            shape.append(f"{_encode(name)}:".replace("%", "%%") + "%s")
    row = f"{{{','.join(shape)}}}"
    return [row % values for values in zip(*texts, strict=True)]


def _texts(column: Numbers | Labels | DaysLater | list[str]) -> list[str]:
    if isinstance(column, np.ndarray):
        if np.isinf(column).any():
            raise ValueError("a number is infinite, which JSON does not know")
        # repr writes floats in the shortest form that reads back to the same bits, as JSON texts have them
        return [repr(value) if value == value else "null" for value in column.tolist()]
    if isinstance(column, Labels):
        words = _encoded(column.words)
        return [words[place] for place in column.places.tolist()]
    if isinstance(column, DaysLater):
        return ["null" if day is None else f'"{day.isoformat()}"' for day in column.dates()]
    return [_encode(text) for text in column]


@lru_cache(maxsize=256)
def _encoded(words: tuple[str, ...]) -> tuple[str, ...]:
    """The words of a label, of which there are a few sets and always the same."""
    return tuple(_encode(word) for word in words)


def _values(column: RowColumn, size: int) -> Sequence[Any]:
    if isinstance(column, np.ndarray):
        # Only what is not a number differs from itself.
        return [value if value == value else None for value in column.tolist()]
    if isinstance(column, Labels):
        return column.texts()
    if isinstance(column, DaysLater):
        return [None if day is None else day.isoformat() for day in column.dates()]
    if isinstance(column, list):
        return column
    return [column.isoformat() if isinstance(column, date) else column] * size
