"""Recency, frequency, monetary value, over several windows, and the BTYD summary (x, t_x, T).

*Recency* has two meanings and two columns: ``recency`` is the buy-till-you-die literature's (days from first
to last purchase day), ``days_since_last`` is customer-relationship management's.

References
----------
Hughes (1994), Strategic Database Marketing.
Fader, Hardie & Lee (2005), "Counting your customers" the easy way.
"""

from __future__ import annotations

from typing import Any

import ibis
import ibis.expr.types as ir
import pandas as pd

from features.exact import from_units, only, ratio
from features.family import ColumnDoc, Family

__all__ = ["RFM", "WINDOWS", "buyers"]

WINDOWS = (7, 14, 30, 60, 90, 180, 365)

_DOCS = (
    ColumnDoc(
        "frequency", "Repeat purchase days", "复购天数", "days", "all", "purchase_days - 1, at least 0"
    ),
    ColumnDoc("recency", "Days from first to last purchase", "首末次购买间隔", "days", "all", "last - first"),
    ColumnDoc("T", "Days since the first purchase", "首购至今天数", "days", "all", "as_of - first"),
    ColumnDoc(
        "monetary_value",
        "Mean spend per repeat purchase day",
        "复购日均消费",
        "currency",
        "all",
        "spend of all purchase days but the first / frequency; 0 without repeats",
    ),
    ColumnDoc(
        "days_since_last", "Days since the last purchase", "距上次购买天数", "days", "all", "as_of - last"
    ),
    ColumnDoc(
        "orders_total",
        "Orders",
        "订单数",
        "orders",
        "all",
        "distinct orders of each day with a positive line",
    ),
    ColumnDoc("purchase_days", "Days with a purchase", "购买天数", "days", "all", "days with an order"),
    ColumnDoc("spend_total", "Spend", "消费总额", "currency", "all", "sum of positive amounts"),
    ColumnDoc("value_total", "Spend less returns", "净消费总额", "currency", "all", "sum of amounts"),
    *(
        ColumnDoc(
            f"spend_{w}d",
            f"Spend in the last {w} days",
            f"近{w}天消费",
            "currency",
            f"{w} days",
            f"sum of positive amounts in [as_of - {w}, as_of)",
        )
        for w in WINDOWS
    ),
    *(
        ColumnDoc(
            f"orders_{w}d",
            f"Orders in the last {w} days",
            f"近{w}天订单数",
            "orders",
            f"{w} days",
            f"orders in [as_of - {w}, as_of)",
        )
        for w in WINDOWS
    ),
    ColumnDoc(
        "value_365d",
        "Spend less returns in the last 365 days",
        "近365天净消费",
        "currency",
        "365 days",
        "sum of amounts in [as_of - 365, as_of)",
    ),
    ColumnDoc(
        "margin_365d",
        "Gross margin of the last 365 days",
        "近365天毛利",
        "currency",
        "365 days",
        "sum of (amount - cost) over lines with a cost; missing when no line ever had one",
    ),
)


def _measures(days: ir.Table) -> dict[str, Any]:
    bought = days.bought == 1
    year = days.age <= 365
    found: dict[str, Any] = {
        "_first_age": only(days.age, bought).max(),
        "_any_age": days.age.max(),
        "_last_age": only(days.age, bought).min(),
        "_last_any_age": days.age.min(),
        "purchase_days": days.bought.sum(),
        "orders_total": days.orders.sum(),
        "_lines": days.lines.sum(),
        "_spend_u": days.spend_u.sum(),
        "spend_total": from_units(days.spend_u.sum()),
        "value_total": from_units(days.net_u.sum()),
        "_first_u": only(days.spend_u, days["first"]).sum().fill_null(0),
        "value_365d": from_units(only(days.net_u, year).sum()),
        "_margin_365d": from_units(only(days.margin_u, year).sum()),
        "_costed": days.costed_lines.sum(),
    }
    for w in WINDOWS:
        recent = days.age <= w
        found[f"spend_{w}d"] = from_units(only(days.spend_u, recent).sum())
        found[f"orders_{w}d"] = only(days.orders, recent).sum().fill_null(0)
    return found


def _derived(t: ir.Table) -> dict[str, Any]:
    frequency = ibis.greatest(t.purchase_days - 1, 0)
    age_first = t._first_age.coalesce(t._any_age)
    age_last = t._last_age.coalesce(t._last_any_age)
    repeat_spend = from_units(t._spend_u - t._first_u)
    return {
        "frequency": frequency,
        "recency": ibis.ifelse(frequency > 0, age_first - age_last, 0),
        "T": age_first,
        "days_since_last": age_last,
        "monetary_value": ibis.ifelse(frequency > 0, ratio(repeat_spend, frequency), 0.0),
        "margin_365d": ibis.ifelse(t._costed > 0, t._margin_365d, ibis.null("float64")),
    }


RFM = Family("orders", _DOCS, _measures, _derived)


def buyers(rows: pd.DataFrame) -> pd.DataFrame:
    """The customers among rows of features: those with a purchase.

    Who has only returned something, or paid nothing, so far is no customer yet. Nearly all of them stay away: they
    would teach nothing and flatter every figure of a judgement.

    Examples
    --------
    >>> buyers(pd.DataFrame({"customer_id": ["a", "b"], "purchase_days": [2, 0]}))["customer_id"].tolist()
    ['a']
    """
    bought = rows["purchase_days"].to_numpy() > 0
    return rows if bought.all() else rows[bought]
