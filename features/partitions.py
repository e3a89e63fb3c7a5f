"""Hive partitions: folders named ``key=value``, whose keys are columns of the files below them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from pathlib import PurePath
from statistics import median
from urllib.parse import unquote

__all__ = ["empty_months", "gaps", "name_of_part", "partition_keys"]

_NO_VALUE = "__HIVE_DEFAULT_PARTITION__"
_MOST_MISSING = 0.5
_USUAL_SHARE = 0.9
_LEAST_ROWS = 20
_MONTH = re.compile(r"\d{4}-\d{2}")
_FULL = re.compile(r"\d{4}-\d{2}-\d{2}")


def partition_keys(path: str) -> dict[str, str | None]:
    """Values by key of the partitions a file stands in; None where the value is missing.

    Examples
    --------
    >>> partition_keys("orders/year=2026/city=New%20York/part-0.parquet")
    {'year': '2026', 'city': 'New York'}
    """
    found: dict[str, str | None] = {}
    for folder in re.split(r"[/\\]", path)[:-1]:
        key, sign, value = folder.partition("=")
        if sign and key and "=" not in value:
            found[unquote(key)] = None if value == _NO_VALUE else unquote(value)
    return found


def name_of_part(path: str | PurePath) -> str:
    """The name of a file, behind the partitions it stands in: in each of them files may have the same names.

    Examples
    --------
    >>> name_of_part("/shop/orders/year=2026/month=1/part-0.parquet"), name_of_part("/shop/orders.parquet")
    ('year=2026/month=1/part-0.parquet', 'orders.parquet')
    """
    *folders, name = re.split(r"[/\\]", str(path))
    return "/".join([*(folder for folder in folders if partition_keys(f"{folder}/")), name])


def gaps(keys: Sequence[Mapping[str, str | None]]) -> list[str]:
    """Months or days whose partition is missing between the first and the last one.

    Parameters
    ----------
    keys : sequence of mapping
        `partition_keys` of every file.

    Returns
    -------
    list of str
        ``2026-03`` or ``2026-03-07``. A day is told only when its day of the week is there in nine of ten other
        weeks, so that a shop closed on Sundays hears nothing. None when the partitions are no dates.

    Examples
    --------
    >>> gaps([{"year": "2026", "month": "1"}, {"year": "2026", "month": "3"}, {"year": "2026", "month": "4"}])
    ['2026-02']
    """
    found = {_moment(key) for key in keys} - {None}
    days = sorted(moment for moment in found if isinstance(moment, date))
    months = sorted(moment for moment in found if isinstance(moment, str))
    if days and not months:
        return _missing_days(days)
    return _missing_months(months) if months and not days else []


def empty_months(rows: Mapping[date, int]) -> list[str]:
    """Months without any line inside the history of a shop that has at least 20 in half of its months.

    Parameters
    ----------
    rows : mapping of the first day of a month to its number of lines

    Examples
    --------
    >>> empty_months({date(2025, 11, 1): 90, date(2025, 12, 1): 80, date(2026, 2, 1): 70})
    ['2026-01']
    """
    there = {f"{month:%Y-%m}": count for month, count in rows.items() if count}
    if not there or median(there.values()) < _LEAST_ROWS:
        return []
    return _missing_months(sorted(there))


def _moment(keys: Mapping[str, str | None]) -> date | str | None:
    """The day, or the month as text, that partition keys name."""
    texts = {key.lower(): value or "" for key, value in keys.items()}
    for value in texts.values():
        if _FULL.fullmatch(value):
            return _day(value)
        if _MONTH.fullmatch(value):
            return value
    if not {"year", "month"} <= set(texts):
        return None
    month = f"{texts['year']}-{texts['month'].zfill(2)}"
    if "day" in texts:
        return _day(f"{month}-{texts['day'].zfill(2)}")
    return month if _MONTH.fullmatch(month) else None


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _missing_months(months: Sequence[str]) -> list[str]:
    there, every = set(months), []
    year, month = int(months[0][:4]), int(months[0][5:])
    while f"{year:04d}-{month:02d}" <= months[-1]:
        every.append(f"{year:04d}-{month:02d}")
        year, month = (year + 1, 1) if month == 12 else (year, month + 1)
    missing = [name for name in every if name not in there]
    return missing if len(missing) <= _MOST_MISSING * len(every) else []


def _missing_days(days: Sequence[date]) -> list[str]:
    there = set(days)
    every = [days[0] + timedelta(days=n) for n in range((days[-1] - days[0]).days + 1)]
    weekdays, kept = Counter(d.weekday() for d in every), Counter(d.weekday() for d in there)
    return [
        day.isoformat()
        for day in every
        if day not in there and kept[day.weekday()] >= _USUAL_SHARE * (weekdays[day.weekday()] - 1) > 0
    ]
