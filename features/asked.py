"""Rows of one question to an engine, and its answer: in and out without writing a table."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

__all__ = ["Asked", "arrow", "whole"]


class Asked:
    """The rows of the question in hand, read through Arrow's stream interface each time the statement runs.

    The statement is prepared on this object and the rows change beneath it. Rows of a table would have to be
    written and taken away again, and a view on other rows would have the statement planned anew.
    """

    def __init__(self, rows: pa.Table) -> None:
        self.rows = rows

    def __arrow_c_schema__(self) -> object:
        return self.rows.schema.__arrow_c_schema__()

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self.rows.__arrow_c_stream__(requested_schema)


def whole(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    """The rows with all columns of the contract; those that were not given are missing in each."""
    given = set(rows.column_names)
    columns = [
        rows.column(field.name) if field.name in given else pa.nulls(rows.num_rows, field.type)
        for field in schema
    ]
    return pa.Table.from_arrays(columns, schema=schema)


def arrow(columns: dict[str, Any], schema: pa.Schema) -> pa.Table:
    """What the engine gave as numpy's masked arrays; it takes longer to give a few rows of many columns as Arrow."""
    arrays = [_array(columns[field.name], field.type) for field in schema]
    return pa.Table.from_arrays(arrays, schema=schema)


def _array(values: Any, kind: pa.DataType) -> pa.Array:
    missing = None
    if isinstance(values, np.ma.MaskedArray):
        values, missing = np.ma.getdata(values), np.ma.getmaskarray(values)
    # Sums wider than 64 bits come as floats; those of whole numbers are far from what a float cannot hold.
    whole = values.astype(np.int64) if pa.types.is_integer(kind) else values
    return pa.array(whole, kind, mask=missing)
