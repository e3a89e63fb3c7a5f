"""Ready features as programs send them: read at once where they are in order, and held against what a history can be.

A thousand customers with ready features are megabytes of numbers. What is in order is read by the quick reader of
pydantic and checked with a few comparisons; whatever is not, or may not be, is left to `serving.strict_json` and the
models of `serving.schemas`, which find the fault and name it. So there is one judge, and nearly never a need for it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import date
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from pydantic_core import from_json

from features.pipeline import FEATURES
from serving.refusal import Refusal
from serving.schemas import LARGEST_FEATURE, MOST_COLUMNS, MOST_CUSTOMERS
from serving.table_rows import LONGEST_ID, read_day
from serving.wanted import Wanted

__all__ = ["Ready", "check_histories", "ready_batch", "ready_one"]

Matrix = npt.NDArray[np.float64]

_HISTORY = np.array(
    [FEATURES.index(name) for name in ("purchase_days", "frequency", "recency", "T", "days_since_last")]
)
_ONE = frozenset({"customer_id", "features", "as_of", "reasons", "columns"})
_MANY = frozenset({"feature_rows", "as_of", "reasons", "columns"})
_NUMBERS = {float, int, type(None)}


class Ready(NamedTuple):
    """Customers with ready features.

    Parameters
    ----------
    customer_ids : list of str (n)
        As they were sent.
    features : array (n, features)
        Columns in the order of `features.pipeline.FEATURES`, missing as NaN.
    as_of : date or None
        The day the features describe; None for the list's.
    wanted : Wanted
        Of their rows.
    """

    customer_ids: list[str]
    features: Matrix
    as_of: date | None
    wanted: Wanted


def ready_one(body: bytes) -> Ready | None:
    """One customer with ready features, who is asked about without reasons.

    Parameters
    ----------
    body : bytes
        Of ``POST /v1/score``.

    Returns
    -------
    Ready or None
        None for everything else, good or bad: it is to be read with care.

    Examples
    --------
    >>> ready_one(b'{"customer_id": "007"}') is None
    True
    """
    return _read(body, _one)


def ready_batch(body: bytes) -> Ready | None:
    """Customers with ready features; as `ready_one`, of ``POST /v1/score/batch`` and with reasons if they are wanted."""
    return _read(body, _many)


def check_histories(features: Matrix, where: Callable[[int], str]) -> None:
    """Refuse features that no customer can have, and of which no model can say anything.

    Parameters
    ----------
    features : array (n, features)
        Customers who have bought nothing are not looked at.
    where : callable
        What to call the features of a place, such as ``feature_rows[3].features``.

    Raises
    ------
    Refusal
        400, with the field.
    """
    for place, history in enumerate(features.take(_HISTORY, axis=1).tolist()):
        fault = _fault(*history)
        if fault:
            name, _, rule = fault.partition(":")
            field = f"{where(place)}.{name}"
            raise Refusal(400, "invalid", f"{field}:{rule}", field=field)


def _fault(bought: float, frequency: float, recency: float, age: float, since: float) -> str:
    """What is wrong with a history; a missing number is, too, but for the days since the last order."""
    if not bought > 0:
        return ""
    if not (frequency >= 0 and frequency.is_integer()):
        return "frequency: must be a whole number, 0 or more"
    if not age >= 0:
        return "T: must be 0 or more"
    if not 0 <= recency <= age:
        return "recency: must lie between 0 and T"
    if frequency == 0 and recency > 0:
        return "recency: must be 0 for a customer with frequency 0"
    return "days_since_last: must be 0 or more" if since < 0 else ""


def _read(body: bytes, make: Any) -> Ready | None:
    # A character that is written in another way may be one that no text has, or make two keys of one.
    if b"\\" in body:
        return None
    with suppress(ValueError, OverflowError, LookupError, AttributeError, TypeError):
        found: Ready | None = make(from_json(body, allow_inf_nan=False), body.count(b":"))
        return found
    return None


def _one(document: dict[str, Any], colons: int) -> Ready | None:
    if not _ONE.issuperset(document) or document.get("reasons", False) is not False:
        return None
    return _ready(document, [document], len(document) + len(FEATURES), colons)


def _many(document: dict[str, Any], colons: int) -> Ready | None:
    rows = document["feature_rows"]
    if not _MANY.issuperset(document) or type(rows) is not list or len(rows) > MOST_CUSTOMERS:
        return None
    if any(len(row) != 2 for row in rows):
        return None
    return _ready(document, rows, len(document) + len(rows) * (2 + len(FEATURES)), colons)


def _ready(document: dict[str, Any], rows: Sequence[dict[str, Any]], names: int, colons: int) -> Ready | None:
    """What is asked, if all is in order.

    Each name in the text has a colon, so that as many colons as names which were kept say that none came twice.
    """
    ids = [row["customer_id"] for row in rows]
    values = _values([row["features"] for row in rows])
    wanted = _wanted(document)
    if colons != names or values is None or wanted is None or not all(map(_is_id, ids)):
        return None
    day = document.get("as_of")
    return Ready(ids, values, None if day is None else read_day(day), wanted)


def _values(rows: Sequence[dict[str, Any]]) -> Matrix | None:
    columns = FEATURES
    kept = [row.values() if tuple(row) == columns else [row[name] for name in columns] for row in rows]
    if any(len(row) != len(columns) for row in rows) or not all(
        _NUMBERS.issuperset(map(type, k)) for k in kept
    ):
        return None
    flat = list(chain.from_iterable(kept))
    found: Matrix = np.array(flat, dtype=np.float64).reshape(-1, len(columns))
    return None if (np.abs(found) > LARGEST_FEATURE).any() else found


def _wanted(document: dict[str, Any]) -> Wanted | None:
    reasons, columns = document.get("reasons", False), document.get("columns")
    if type(reasons) is not bool:
        return None
    if columns is None:
        return Wanted(reasons)
    fits = type(columns) is list and 0 < len(columns) <= MOST_COLUMNS and all(map(_is_id, columns))
    return Wanted(reasons, tuple(columns)) if fits else None


def _is_id(text: object) -> bool:
    return type(text) is str and 0 < len(text) <= LONGEST_ID
