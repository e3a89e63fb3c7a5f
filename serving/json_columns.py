"""Columns of a table as JSON texts: each different value is written once, whole rows are put together from them.

Most of the time of encoding goes into numbers, and many of those come again and again.
"""

from __future__ import annotations

import json
from datetime import date

import numpy as np
import pandas as pd

from strategies.columns import Numbers

__all__ = ["column_texts", "number_texts", "row_template"]


def _plain(value: object) -> object:
    if isinstance(value, date):  # datetime and pandas.Timestamp are dates, too
        return value.isoformat()
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise TypeError(f"values of type {type(value).__name__} cannot be stored")


_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_plain).encode
# Of these no two are equal unless their texts are.
_PLAIN = {str, date, type(None)}


def column_texts(column: pd.Series) -> list[str]:
    """Every value of a column as JSON, missing ones as null.

    Raises
    ------
    TypeError
        A value is none of text, number, flag, date or list of them.
    ValueError
        A number is infinite, or none inside a list.

    Examples
    --------
    >>> column_texts(pd.Series(["a", None, "é"])), column_texts(pd.Series([1, 2])), column_texts(pd.Series([True]))
    (['"a"', 'null', '"é"'], ['1', '2'], ['true'])
    """
    if column.dtype == np.float64:
        return number_texts(column.to_numpy())
    missing = column.isna().tolist()
    values = [
        None if gone else value for value, gone in zip(column.astype(object).tolist(), missing, strict=True)
    ]
    if set(map(type, values)) <= _PLAIN:
        known = {value: _encode(value) for value in set(values)}
        return [known[value] for value in values]
    return [_encode(value) for value in values]


def number_texts(values: Numbers) -> list[str]:
    """Numbers in the shortest form that reads back to the same bits, NaN as null.

    Raises
    ------
    ValueError
        A number is infinite.

    Examples
    --------
    >>> number_texts(np.array([0.1, -0.0, np.nan, 0.1]))
    ['0.1', '-0.0', 'null', '0.1']
    """
    if np.isinf(values).any():
        raise ValueError("a number is infinite, which JSON does not know")
    # By their bits: as numbers 0.0 and -0.0 are equal.
    places, bits = pd.factorize(np.ascontiguousarray(values, np.float64).view(np.int64))
    known = list(map(repr, bits.view(np.float64).tolist()))
    known = ["null" if text == "nan" else text for text in known]
    return list(map(known.__getitem__, places.tolist()))


def row_template(names: list[str]) -> str:
    """What a row of texts is put into with ``%``: a JSON object with these names.

    Examples
    --------
    >>> row_template(["a", "50%"]) % ("1", "2")
    '{"a":1,"50%":2}'
    """
    cells = (_encode(name).replace("%", "%%") + ":%s" for name in names)
    return "{" + ",".join(cells) + "}"
