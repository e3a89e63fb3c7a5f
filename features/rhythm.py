"""The customer's own rhythm: gaps between purchase days, their regularity, how overdue the next one is."""

from __future__ import annotations

from typing import Any

import ibis
import ibis.expr.types as ir

from features.exact import only, ratio
from features.family import ColumnDoc, Family

__all__ = ["RHYTHM"]

_DOCS = (
    ColumnDoc(
        "gap_mean",
        "Usual gap between purchases",
        "平均购买间隔",
        "days",
        "all",
        "mean gap; missing for one-time buyers",
    ),
    ColumnDoc(
        "gap_median",
        "Median gap between purchases",
        "购买间隔中位数",
        "days",
        "all",
        "median gap; missing for one-time buyers",
    ),
    ColumnDoc(
        "gap_sd",
        "Spread of the gaps",
        "购买间隔标准差",
        "days",
        "all",
        "sample standard deviation; missing with fewer than 2 gaps",
    ),
    ColumnDoc(
        "gap_max", "Longest gap", "最长购买间隔", "days", "all", "largest gap; missing for one-time buyers"
    ),
    ColumnDoc(
        "gap_last",
        "Last gap",
        "最近一次购买间隔",
        "days",
        "all",
        "gap before the last purchase day; missing for one-time buyers",
    ),
    ColumnDoc(
        "irregularity",
        "Irregularity of the rhythm",
        "购买节奏不规则度",
        "ratio",
        "all",
        "gap_sd / gap_mean; missing with fewer than 2 gaps",
    ),
    ColumnDoc(
        "overdue_ratio",
        "Days since the last purchase over the usual gap",
        "超期比",
        "ratio",
        "all",
        "days_since_last / gap_mean; missing for one-time buyers",
    ),
    ColumnDoc(
        "overdue_max_ratio",
        "Days since the last purchase over the longest gap",
        "相对最长间隔超期比",
        "ratio",
        "all",
        "days_since_last / gap_max; missing for one-time buyers",
    ),
    ColumnDoc(
        "gap_last_ratio",
        "Last gap over the usual gap",
        "最近间隔与平均间隔之比",
        "ratio",
        "all",
        "gap_last / gap_mean; missing for one-time buyers",
    ),
)


def _measures(days: ir.Table) -> dict[str, Any]:
    return {
        "_gaps": days.gap.count(),
        "_gap_sum": days.gap.sum(),
        "_gap_squares": (days.gap * days.gap).sum(),
        "gap_median": days.gap.median().cast("float64"),
        "gap_max": days.gap.max().cast("float64"),
        "gap_last": only(days.gap, days["last"]).sum().cast("float64"),
    }


def _derived(t: ir.Table) -> dict[str, Any]:
    n = t._gaps.cast("float64")
    total = t._gap_sum.cast("float64")
    mean = ratio(t._gap_sum, t._gaps)
    spread = (t._gap_squares.cast("float64") - total * total / n.nullif(0.0)) / (n - 1.0).nullif(0.0)
    sd = ibis.ifelse(n > 1, ibis.greatest(spread, 0.0).sqrt(), ibis.null("float64"))
    since = t._last_age.coalesce(t._last_any_age)
    return {
        "gap_mean": mean,
        "gap_sd": sd,
        "irregularity": ratio(sd, mean),
        "overdue_ratio": ratio(since, mean),
        "overdue_max_ratio": ratio(since, t.gap_max),
        "gap_last_ratio": ratio(t.gap_last, mean),
    }


RHYTHM = Family("orders", _DOCS, _measures, _derived)
