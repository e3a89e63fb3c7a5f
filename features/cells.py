"""Words of the typed views, as expressions that every engine runs: blanks, whole numbers, wall clocks."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import reduce
from operator import or_
from typing import Any

import ibis

__all__ = [
    "BLANKS",
    "bare",
    "character",
    "exceeds",
    "finite",
    "first_of",
    "has_blanks",
    "infinite",
    "is_whole",
    "may_have_blanks",
    "moment",
    "spark_wall_clock",
    "wall_clock",
]

BLANKS = " \t\u00a0\u3000"
"""What is trimmed from texts."""

_WHOLE_LIMIT = 2**53
_LARGEST = 1e308


@ibis.udf.scalar.builtin(name="timezone")
def wall_clock(zone: str, instant: ibis.dtype("timestamp('UTC')")) -> ibis.dtype("timestamp(6)"):  # type: ignore[valid-type]
    """DuckDB and PostgreSQL."""


@ibis.udf.scalar.builtin(name="from_utc_timestamp")
def spark_wall_clock(instant: ibis.dtype("timestamp('UTC')"), zone: str) -> ibis.dtype("timestamp('UTC')"):  # type: ignore[valid-type]
    """Spark."""


@ibis.udf.scalar.builtin(name="chr")
def character(code: int) -> str:  # type: ignore[empty-body]
    """The character of a code."""


def first_of(branches: Sequence[tuple[Any, Any]], otherwise: Any) -> Any:
    """The value of the first condition that holds, or `otherwise`; there may be none."""
    return ibis.cases(*branches, else_=otherwise) if branches else otherwise


def finite(number: Any) -> Any:
    """A float, missing where it is NaN or has no end."""
    return ibis.ifelse(number.isnan() | infinite(number), ibis.null("float64"), number)


def infinite(number: Any) -> Any:
    """Whether a float has no end; Spark does not find infinities by comparing with them."""
    return (number.abs() > _LARGEST) & ~number.isnan()


def exceeds(value: Any, most: float) -> Any:
    """Whether a number is larger than `most`, whatever its sign."""
    return value.abs() > float(most)


def is_whole(number: Any) -> Any:
    """Whether a float is a whole number that it holds exactly."""
    near = (number.abs() < float(_WHOLE_LIMIT)).fill_null(False) & ~number.isnan()
    inside = ibis.ifelse(near, number, 0.0)
    return near & (inside == inside.floor())


def has_blanks(text: Any) -> Any:
    """Whether a text begins or ends with a blank."""
    return text.left(1).isin(list(BLANKS)) | text.right(1).isin(list(BLANKS))


def may_have_blanks(text: Any) -> Any:
    """Also holds for texts that begin with other marks below the exclamation mark, and for empty ones."""
    low = text < "!"
    return reduce(or_, [text.endswith(mark) for mark in BLANKS], low | text.startswith(BLANKS[2])) | (
        text.startswith(BLANKS[3])
    )


def bare(text: Any) -> Any:
    """Without blanks around it; the pattern is only run where there are any."""
    return ibis.ifelse(has_blanks(text), text.re_replace(f"^[{BLANKS}]+|[{BLANKS}]+$", ""), text)


def moment(value: datetime) -> Any:
    """A business-local time."""
    return ibis.literal(value, "timestamp(6)")
