"""Rows of the list as JSON text, one text per customer.

The text of a stored row goes into an answer as it is, and live rows are written the same way: Python's shortest
decimal that reads back to the same bits, missing values as null.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

__all__ = ["batch_text", "found_text", "row_text", "unknown_text"]

_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


def row_text(row: Mapping[str, Any]) -> str:
    """A row of plain values as the store keeps it.

    Raises
    ------
    ValueError
        A number is infinite or none.

    Examples
    --------
    >>> row_text({"customer_id": "007", "clv": 0.1, "overdue_ratio": None})
    '{"customer_id":"007","clv":0.1,"overdue_ratio":null}'
    """
    return _encode(row)


def found_text(row: str) -> str:
    """The answer for a customer from the text of their row.

    Examples
    --------
    >>> found_text('{"customer_id":"007","clv":0.1}')
    '{"found":true,"customer_id":"007","clv":0.1}'
    """
    return f'{{"found":true,{row[1:]}'


def unknown_text(customer_id: str, error: str) -> str:
    """The answer for a customer without a row.

    Examples
    --------
    >>> unknown_text("8", "not in the latest list")
    '{"found":false,"customer_id":"8","error":"not in the latest list"}'
    """
    return f'{{"found":false,"customer_id":{_encode(customer_id)},"error":{_encode(error)}}}'


def batch_text(results: Iterable[str]) -> str:
    """The answer for several customers from the answers for each."""
    return f'{{"results":[{",".join(results)}]}}'
