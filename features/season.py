"""Where in the year we stand, and what the customer did at this time a year ago."""

from __future__ import annotations

from math import pi
from typing import Any

import ibis
import ibis.expr.types as ir

from features.exact import from_units, only
from features.family import ColumnDoc, Family

__all__ = ["SEASON"]

_AHEAD = (30, 90, 180)

_DOCS = (
    ColumnDoc(
        "season_sin",
        "Day of the year, sine",
        "年内时点(正弦)",
        "-1 to 1",
        "as_of",
        "sin(2π day of year / 365.25)",
        "calendar",
    ),
    ColumnDoc(
        "season_cos",
        "Day of the year, cosine",
        "年内时点(余弦)",
        "-1 to 1",
        "as_of",
        "cos(2π day of year / 365.25)",
        "calendar",
    ),
    *(
        ColumnDoc(
            f"spend_year_ago_{h}d",
            f"Spend in the {h} days that began a year ago",
            f"去年同期{h}天消费",
            "currency",
            f"{h} days",
            f"spend in [as_of - 365, as_of - 365 + {h}); missing when T < 365",
        )
        for h in _AHEAD
    ),
    ColumnDoc(
        "first_season_sin",
        "Season of the first purchase, sine",
        "首购季节(正弦)",
        "-1 to 1",
        "all",
        "sin(2π day of year of the first purchase / 365.25)",
    ),
    ColumnDoc(
        "first_season_cos",
        "Season of the first purchase, cosine",
        "首购季节(余弦)",
        "-1 to 1",
        "all",
        "cos(2π day of year of the first purchase / 365.25)",
    ),
)


def _measures(days: ir.Table) -> dict[str, Any]:
    found: dict[str, Any] = {"_first_day": only(days.day, days.bought == 1).min().coalesce(days.day.min())}
    for h in _AHEAD:
        window = (days.age <= 365) & (days.age > 365 - h)
        found[f"_year_ago_{h}"] = from_units(only(days.spend_u, window).sum())
    return found


def _turn(day: Any) -> Any:
    return day.day_of_year().cast("float64") * (2.0 * pi / 365.25)


def _derived(t: ir.Table) -> dict[str, Any]:
    known = t._first_age.coalesce(t._any_age) >= 365
    found: dict[str, Any] = {
        "season_sin": _turn(t.as_of).sin(),
        "season_cos": _turn(t.as_of).cos(),
        "first_season_sin": _turn(t._first_day).sin(),
        "first_season_cos": _turn(t._first_day).cos(),
    }
    for h in _AHEAD:
        found[f"spend_year_ago_{h}d"] = ibis.ifelse(known, t[f"_year_ago_{h}"], ibis.null("float64"))
    return found


SEASON = Family("orders", _DOCS, _measures, _derived)
