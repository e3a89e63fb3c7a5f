"""Public holidays of the business's country: how near they are, and who shops before them.

They are known long in advance, so that those after ``as_of`` are no secret of the future. Each day's place
between holidays stands in one small table, the calendar, which is joined to the days customers bought on and
to the cut-off days; the same table serves the list and the endpoint.
"""

from __future__ import annotations

import warnings
from datetime import date
from functools import lru_cache
from typing import Any

import ibis.expr.types as ir
import numpy as np
import pyarrow as pa

from features.errors import ConfigError
from features.exact import ratio
from features.family import ColumnDoc, Family

__all__ = ["AT_AS_OF", "CALENDAR", "HOLIDAYS", "at_as_of", "at_purchases", "calendar_rows", "check_country"]

CALENDAR = "holiday_calendar"
"""Name of the table of days in the engine."""

AT_AS_OF = ("days_to_next_holiday", "days_since_last_holiday", "holiday_days_next_30", "holiday_days_next_90")
"""Columns that say where a cut-off day stands in the calendar."""

_FIRST_YEAR, _LAST_YEAR = 1990, 2060
_AHEAD = (30, 90)
_BEFORE = (7, 14)

_DOCS = (
    *(
        ColumnDoc(
            f"holiday_days_next_{n}",
            f"Public holidays in the next {n} days",
            f"未来{n}天法定节假日天数",
            "days",
            f"next {n} days",
            f"public holidays of the configured country in [as_of, as_of + {n}); missing without a country",
            "calendar",
        )
        for n in _AHEAD
    ),
    ColumnDoc(
        "days_to_next_holiday",
        "Days until the next public holiday",
        "距下一个法定节假日天数",
        "days",
        "as_of",
        "next public holiday on or after as_of - as_of; missing without a country",
        "calendar",
    ),
    ColumnDoc(
        "days_since_last_holiday",
        "Days since the last public holiday",
        "距上一个法定节假日天数",
        "days",
        "as_of",
        "as_of - last public holiday before as_of; missing without a country",
        "calendar",
    ),
    *(
        ColumnDoc(
            f"holiday_share_{n}d",
            f"Share of purchase days within {n} days before a public holiday",
            f"法定节假日前{n}天内购买日占比",
            "share",
            f"{n} days",
            f"purchase days with a public holiday on them or in the {n} days after / purchase days; missing "
            "without a country",
        )
        for n in _BEFORE
    ),
)


def check_country(code: str) -> None:
    """Refuse a country whose holidays are not known.

    Raises
    ------
    ConfigError
        With examples of codes.

    Examples
    --------
    >>> check_country("GB")
    >>> check_country("UK")
    Traceback (most recent call last):
    ...
    features.errors.ConfigError: country 'UK' is unknown; use a two-letter code such as 'GB', 'DE', 'US' or 'CN'
    """
    if code not in _countries():
        raise ConfigError(
            f"country {code!r} is unknown; use a two-letter code such as 'GB', 'DE', 'US' or 'CN'"
        )


@lru_cache(maxsize=1)
def _countries() -> frozenset[str]:
    # Importing the library takes a tenth of a second that a shop without a country need not spend.
    import holidays

    return frozenset(holidays.list_supported_countries(include_aliases=False))


@lru_cache(maxsize=8)
def calendar_rows(country: str) -> pa.Table:
    """Each day's place between the public holidays of a country, from its first known one to near its last.

    Parameters
    ----------
    country : str
        ISO 3166 code of two letters.

    Returns
    -------
    pyarrow.Table
        ``calendar_day``, ``holiday_ahead`` (days to the next holiday, 0 on one), ``holiday_behind`` (days since
        the last one before the day), ``holidays_30`` and ``holidays_90`` (holidays in so many days from it).

    Raises
    ------
    ConfigError
        The country is unknown.

    Examples
    --------
    >>> rows = calendar_rows("GB").to_pylist()
    >>> next(row for row in rows if row["calendar_day"] == date(2025, 12, 24))["holiday_ahead"]
    1
    """
    check_country(country)
    found = _holidays(country)
    days = np.arange(found[0] + 1, found[-1] - max(_AHEAD) + 1)
    following = np.searchsorted(found, days)
    counts = {f"holidays_{n}": np.searchsorted(found, days + n) - following for n in _AHEAD}
    return pa.table(
        {
            "calendar_day": pa.array(days.astype(np.int32)).cast(pa.date32()),
            "holiday_ahead": pa.array(found[following] - days),
            "holiday_behind": pa.array(days - found[following - 1]),
            **{name: pa.array(values) for name, values in counts.items()},
        }
    )


def _holidays(country: str) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Public holidays as days since 1970, rising; some countries' are known for fewer years than asked."""
    import holidays

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        found = holidays.country_holidays(country, years=range(_FIRST_YEAR, _LAST_YEAR + 1))
    return np.array(sorted((day - date(1970, 1, 1)).days for day in found), dtype=np.int64)


def at_purchases(days: ir.Table, calendar: ir.Table) -> ir.Table:
    """Facts of customers' days with ``holiday_ahead``."""
    near = calendar.select("calendar_day", "holiday_ahead")
    return days.left_join(near, days.day == near.calendar_day).drop("calendar_day")


def at_as_of(cuts: ir.Table, calendar: ir.Table) -> ir.Table:
    """Cut-off days with what the calendar says of them."""
    here = calendar.select(
        "calendar_day",
        days_to_next_holiday=calendar.holiday_ahead.cast("float64"),
        days_since_last_holiday=calendar.holiday_behind.cast("float64"),
        **{f"holiday_days_next_{n}": calendar[f"holidays_{n}"].cast("float64") for n in _AHEAD},
    )
    return cuts.left_join(here, cuts.as_of == here.calendar_day).drop("calendar_day")


def _measures(days: ir.Table) -> dict[str, Any]:
    known = (days.bought == 1) & days.holiday_ahead.notnull()
    counts = {f"_holiday_days_{n}": (known & (days.holiday_ahead <= n)).cast("int64").sum() for n in _BEFORE}
    return {**counts, "_calendar_days": known.cast("int64").sum(), **{n: days[n].max() for n in AT_AS_OF}}


def _derived(t: ir.Table) -> dict[str, Any]:
    return {f"holiday_share_{n}d": ratio(t[f"_holiday_days_{n}"], t["_calendar_days"]) for n in _BEFORE}


HOLIDAYS = Family("orders", _DOCS, _measures, _derived)
