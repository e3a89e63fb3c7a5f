"""The head of a source: its columns, its first rows as text, and what each column's values look like."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from features.parse_money import NumberStyle, parse_number
from features.parse_time import parse_time

__all__ = ["Head", "Look", "look_at", "time_format"]

# So many values show what the others are like.
_SAMPLE = 200
_POINT = NumberStyle()
_COMMA = NumberStyle(decimal=",", thousands=".")
_WHOLE = re.compile(r"-?\d+(\.0+)?", re.ASCII)
# Seconds and milliseconds since 1970 from 2001 to 2065; Excel's day numbers from 1954 to 2064.
_NUMBERED_TIMES = (
    ("epoch", range(1_000_000_000, 3_000_000_000)),
    ("epoch_ms", range(1_000_000_000_000, 3_000_000_000_000)),
    ("excel", range(20_000, 60_000)),
)


@dataclass(frozen=True)
class Look:
    """What the values of one column look like; shares are of the values that are there, 0 to 1.

    ``commas`` is the share that is a number only with a decimal comma, ``repeats`` the mean number of rows
    per distinct value, ``format`` how ``date_format`` must be set for numbered times (``""``: need not be),
    ``sign`` a currency sign or code that stands beside the numbers.
    """

    dates: float = 0.0
    numbers: float = 0.0
    commas: float = 0.0
    whole: float = 0.0
    filled: float = 0.0
    distinct: int = 0
    repeats: float = 0.0
    format: str = ""
    sign: str = ""


@dataclass(frozen=True)
class Head:
    """The first rows of one source.

    Parameters
    ----------
    paths : tuple of Path
        File or files as the user named them.
    columns : tuple of str
        Column names as written in the source.
    rows : tuple of tuple of str
        Values as text, ``""`` where nothing stands; each as long as `columns`.
    date_format : str
        As the user gave it, or ``"auto"``.
    delimiter : str
        What separates the fields of a text, ``"whitespace"`` when there is no header either.
    sheet : str
        The sheet of a workbook that has several.
    """

    paths: tuple[Path, ...]
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    date_format: str = "auto"
    delimiter: str = ""
    sheet: str = ""

    @cached_property
    def looks(self) -> dict[str, Look]:
        """What each column's values look like."""
        columns: Iterable[Sequence[str]] = (
            zip(*self.rows, strict=True) if self.rows else [()] * len(self.columns)
        )
        return {
            name: look_at(values, self.date_format)
            for name, values in zip(self.columns, columns, strict=True)
        }


def look_at(values: Sequence[str], date_format: str = "auto") -> Look:
    """Describe the values of a column.

    Examples
    --------
    >>> look = look_at(["2026-01-05", "2026-01-05", ""])
    >>> look.dates, look.distinct, look.repeats
    (1.0, 1, 2.0)
    >>> look_at(["12,50", "3,00"]).commas
    1.0
    """
    there = [value for value in map(str.strip, values) if value]
    if not there:
        return Look()
    sample = there[:: max(1, len(there) // _SAMPLE)]
    parsed = [parse_number(value, _POINT) for value in sample]
    points = [number.value is not None for number in parsed]
    commas = [parse_number(value, _COMMA).value is not None for value in sample]
    formats = ("dmy", "mdy") if date_format == "auto" else (date_format,)
    dates = max(sum(parse_time(v, "UTC", f).value is not None for v in sample) for f in formats)
    distinct = len(set(there))
    return Look(
        dates=dates / len(sample),
        numbers=max(sum(points), sum(commas)) / len(sample),
        commas=sum(c and not p for p, c in zip(points, commas, strict=True)) / len(sample),
        whole=sum(bool(_WHOLE.fullmatch(v)) for v in sample) / len(sample),
        filled=len(there) / len(values),
        distinct=distinct,
        repeats=len(there) / distinct,
        format=time_format(sample),
        sign=next((number.sign for number in parsed if number.sign), ""),
    )


def time_format(values: Sequence[str]) -> str:
    """The ``date_format`` of times written as plain numbers, or ``""`` when the values are no such numbers.

    Examples
    --------
    >>> time_format(["1294214400", "1294300800"]), time_format(["40179.5"]), time_format(["2011-01-05"])
    ('epoch', 'excel', '')
    """
    if not all(re.fullmatch(r"\d{5,13}(\.\d+)?", value) for value in values):
        return ""
    whole = [int(value.partition(".")[0]) for value in values]
    return next((name for name, span in _NUMBERED_TIMES if all(number in span for number in whole)), "")
