"""Where spending is heading: each window against the one before, smoothed levels, slope, spread."""

from __future__ import annotations

from typing import Any

import ibis
import ibis.expr.types as ir

from features.exact import FINE, MONEY, from_units, only, ratio, to_units
from features.family import ColumnDoc, Family

__all__ = ["TREND"]

_WINDOWS = (30, 90, 180, 365)
_SPANS = (30, 90, 180)

_DOCS = (
    *(
        ColumnDoc(
            f"spend_change_{w}d",
            f"Spend of the last {w} days less that of the {w} before",
            f"近{w}天消费环比增减",
            "currency",
            f"{2 * w} days",
            f"spend in [as_of-{w}, as_of) - spend in [as_of-{2 * w}, as_of-{w})",
        )
        for w in _WINDOWS
    ),
    *(
        ColumnDoc(
            f"orders_change_{w}d",
            f"Orders of the last {w} days less those of the {w} before",
            f"近{w}天订单环比增减",
            "orders",
            f"{2 * w} days",
            "as spend_change, in orders",
        )
        for w in _WINDOWS
    ),
    *(
        ColumnDoc(
            f"basket_change_{w}d",
            f"Mean order value of the last {w} days over that of the {w} before",
            f"近{w}天客单价环比",
            "ratio",
            f"{2 * w} days",
            "mean order value / mean order value before; missing when either has no order",
        )
        for w in _WINDOWS
    ),
    *(
        ColumnDoc(
            f"spend_ewma_{s}d",
            f"Smoothed daily spend, span {s} days",
            f"平滑日均消费({s}天)",
            "currency per day",
            "all",
            f"sum of spend * exp(-age / {s}) / {s}",
        )
        for s in _SPANS
    ),
    *(
        ColumnDoc(
            f"orders_ewma_{s}d",
            f"Smoothed daily orders, span {s} days",
            f"平滑日均订单({s}天)",
            "orders per day",
            "all",
            f"sum of orders * exp(-age / {s}) / {s}",
        )
        for s in _SPANS
    ),
    ColumnDoc(
        "value_mean",
        "Mean spend per purchase day",
        "购买日均消费",
        "currency",
        "all",
        "spend / purchase days; missing without a purchase",
    ),
    ColumnDoc(
        "value_last",
        "Spend on the last purchase day",
        "最近一次购买金额",
        "currency",
        "all",
        "spend of the last day",
    ),
    ColumnDoc("value_max", "Largest spend on one day", "单日最高消费", "currency", "all", "maximum"),
    ColumnDoc(
        "value_last_ratio",
        "Last spend over the mean",
        "最近消费与均值之比",
        "ratio",
        "all",
        "value_last / value_mean; missing without a purchase",
    ),
    ColumnDoc(
        "value_slope",
        "Slope of spend per purchase day over time",
        "消费趋势斜率",
        "1/day",
        "all",
        "least-squares slope of spend on day / value_mean; missing with fewer than 3 purchase days",
    ),
    ColumnDoc(
        "value_log_sd",
        "Spread of spend per purchase day",
        "消费波动(对数)",
        "log",
        "all",
        "sample standard deviation of ln(1 + spend); missing for one-time buyers",
    ),
    ColumnDoc(
        "months_active", "Months with a purchase", "有购买的月数", "months", "all", "distinct calendar months"
    ),
    ColumnDoc(
        "months_active_share",
        "Share of months with a purchase",
        "有购买月份占比",
        "share",
        "all",
        "months_active / calendar months from the first purchase to the day before as_of",
    ),
)


def _weighted(value: Any, age: Any, span: int, scale: int) -> Any:
    weight = (-(age.cast("float64")) / float(span)).exp()
    return (value.cast("float64") * weight * float(scale)).round().cast("int64").sum()


def _windows(days: ir.Table, w: int) -> dict[str, Any]:
    now, before = days.age <= w, (days.age > w) & (days.age <= 2 * w)
    return {
        f"_spend_now_{w}": from_units(only(days.spend_u, now).sum()),
        f"_spend_before_{w}": from_units(only(days.spend_u, before).sum()),
        f"_orders_now_{w}": only(days.orders, now).sum().fill_null(0),
        f"_orders_before_{w}": only(days.orders, before).sum().fill_null(0),
    }


def _measures(days: ir.Table) -> dict[str, Any]:
    bought = days.bought == 1
    log_spend = to_units((days.spend_u.cast("float64") / MONEY + 1.0).ln(), 1_000_000)
    found: dict[str, Any] = {
        "value_last": from_units(only(days.spend_u, days["last"]).sum()),
        "value_max": from_units(days.spend_u.max()),
        "_sum_t": only(days.age, bought).sum(),
        "_sum_tt": only(days.age * days.age, bought).sum(),
        "_sum_tv": only(days.age.cast("int64") * days.spend_u, bought).sum(),
        "_log_sum": only(log_spend, bought).sum(),
        "_log_squares": only(log_spend * log_spend, bought).sum(),
        "months_active": days.new_month.sum(),
    }
    for w in _WINDOWS:
        found |= _windows(days, w)
    for s in _SPANS:
        found[f"spend_ewma_{s}d"] = from_units(_weighted(days.spend_u, days.age, s, 1)) / float(s)
        found[f"orders_ewma_{s}d"] = from_units(_weighted(days.orders, days.age, s, FINE), FINE) / float(s)
    return found


def _changes(t: ir.Table, w: int) -> dict[str, Any]:
    spend, spend_before = t[f"_spend_now_{w}"], t[f"_spend_before_{w}"]
    orders, orders_before = t[f"_orders_now_{w}"], t[f"_orders_before_{w}"]
    return {
        f"spend_change_{w}d": spend - spend_before,
        f"orders_change_{w}d": orders - orders_before,
        f"basket_change_{w}d": ratio(ratio(spend, orders), ratio(spend_before, orders_before)),
    }


def _slope(t: ir.Table, mean: Any) -> Any:
    """Ages count backwards, so the slope over age is the negative of the slope over time."""
    n, sum_t = t.purchase_days.cast("float64"), t._sum_t.cast("float64")
    spread = t._sum_tt.cast("float64") - sum_t * sum_t / n.nullif(0.0)
    joint = t._sum_tv.cast("float64") / MONEY - sum_t * mean
    return ibis.ifelse(n > 2, -ratio(ratio(joint, spread), mean), ibis.null("float64"))


def _month(day: Any) -> Any:
    return day.year() * 12 + day.month()


def _derived(t: ir.Table) -> dict[str, Any]:
    n = t.purchase_days.cast("float64")
    mean = ratio(t.spend_total, t.purchase_days)
    logs = t._log_sum.cast("float64") / 1e6
    spread = (t._log_squares.cast("float64") / 1e12 - logs * logs / n.nullif(0.0)) / (n - 1.0).nullif(0.0)
    months = _month(t.as_of - ibis.interval(days=1)) - _month(t._first_day) + 1
    found = {
        "value_mean": mean,
        "value_last_ratio": ratio(t.value_last, mean),
        "value_slope": _slope(t, mean),
        "value_log_sd": ibis.ifelse(n > 1, ibis.greatest(spread, 0.0).sqrt(), ibis.null("float64")),
        "months_active_share": ratio(t.months_active, months),
    }
    for w in _WINDOWS:
        found |= _changes(t, w)
    return found


TREND = Family("orders", _DOCS, _measures, _derived)
