"""Columns of a table as JSON texts, and whole rows put together from them; cell by cell it would take many times as long.

Arrow writes numbers as Python does where both write them without an exponent; Python writes the others.
"""

from __future__ import annotations

import json
from datetime import date

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from strategies.columns import Numbers

__all__ = ["column_texts", "number_texts", "row_texts"]


def _plain(value: object) -> object:
    if isinstance(value, date):  # datetime and pandas.Timestamp are dates, too
        return value.isoformat()
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise TypeError(f"values of type {type(value).__name__} cannot be stored")


_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_plain).encode
# Of these no two are equal unless their texts are.
_PLAIN = {str, date, type(None)}
# Between these two Arrow writes no exponent, and Python neither.
_LOW, _HIGH = 1e-4, 1e10


def column_texts(column: pd.Series) -> pa.Array:
    """Every value of a column as JSON, missing ones as ``null``.

    Raises
    ------
    TypeError
        A value is none of text, number, flag, date or list of them.
    ValueError
        A number is infinite, or none inside a list.

    Examples
    --------
    >>> columns = [pd.Series(["a", None, "é"]), pd.Series([1, 2]), pd.Series([True]), pd.Series([0.5, None])]
    >>> [column_texts(column).to_pylist() for column in columns]
    [['"a"', 'null', '"é"'], ['1', '2'], ['true'], ['0.5', 'null']]
    """
    if column.dtype == np.float64:
        return number_texts(column.to_numpy()).fill_null("null")
    if isinstance(column.dtype, pd.StringDtype):
        coded = pa.array(column.array, pa.large_string(), from_pandas=True).dictionary_encode()
        texts = pa.array([_encode(text) for text in coded.dictionary.to_pylist()], pa.string())
        return texts.take(coded.indices).fill_null("null")
    missing = column.isna().tolist()
    values = [
        None if gone else value for value, gone in zip(column.astype(object).tolist(), missing, strict=True)
    ]
    if set(map(type, values)) <= _PLAIN:
        known = {value: _encode(value) for value in set(values)}
        return pa.array([known[value] for value in values], pa.string())
    return pa.array([_encode(value) for value in values], pa.string())


def number_texts(values: Numbers) -> pa.Array:
    """Numbers in the shortest form that reads back to the same bits, as ``repr`` writes them; NaN is missing.

    Raises
    ------
    ValueError
        A number is infinite.

    Examples
    --------
    >>> number_texts(np.array([0.1, -0.0, np.nan, 1e-7, 12.0])).to_pylist()
    ['0.1', '-0.0', None, '1e-07', '12.0']
    """
    if np.isinf(values).any():
        raise ValueError("a number is infinite, which JSON does not know")
    known, size = pa.array(values, pa.float64(), from_pandas=True), np.abs(values)
    texts = known.cast(pa.string())
    whole = pa.array(values == np.floor(values))
    texts = pc.if_else(whole, pc.binary_join_element_wise(texts, ".0", ""), texts)
    far = ((size < _LOW) & (size != 0)) | (size >= _HIGH)
    if not far.any():
        return texts
    told = pa.array(map(repr, values[far].tolist()), pa.string())
    return pc.replace_with_mask(texts, pa.array(far), told)


def row_texts(names: list[str], columns: list[pa.Array], *, gaps: bool = False) -> pa.Array:
    """Columns of texts as rows: JSON objects with these names.

    Parameters
    ----------
    names : list of str
        One per column.
    columns : list of pyarrow.Array
        Values as JSON texts, all of one length.
    gaps : bool, default False
        Values may be missing, and are left out.

    Examples
    --------
    >>> row_texts(["a", "b"], [pa.array(["1", "2"]), pa.array(["null", '"x"'])]).to_pylist()
    ['{"a":1,"b":null}', '{"a":2,"b":"x"}']
    >>> row_texts(["a", "b"], [pa.array(["1", None]), pa.array([None, None], pa.string())], gaps=True).to_pylist()
    ['{"a":1}', '{}']
    """
    if not gaps:
        heads = [f"{',' if place else '{'}{_encode(name)}:" for place, name in enumerate(names)]
        pieces = [piece for pair in zip(heads, columns, strict=True) for piece in pair]
        return pc.binary_join_element_wise(*pieces, "}", "")
    cells = [
        pc.binary_join_element_wise(f",{_encode(name)}:", column, "").fill_null("")
        for name, column in zip(names, columns, strict=True)
    ]
    # Arrow can leave out missing cells itself, but leaves out a row of nothing else with them.
    found = pc.ascii_ltrim(pc.binary_join_element_wise(*cells, ""), ",")
    return pc.binary_join_element_wise("{", found, "}", "")
