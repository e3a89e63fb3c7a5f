"""What the orders say about themselves before any training: span, customers, rhythm, a churn window.

Notes
-----
The window is read from customers' own gaps between purchase days. A gap counts when it began early enough
for the whole follow-up to be seen, and ended within it; otherwise short gaps would be over-represented near
the end of the data. Every customer weighs the same, however often they buy.
"""

from __future__ import annotations

from typing import Any

import ibis
import pandas as pd
import pyarrow as pa

from features.exact import FINE, to_units
from features.tables import Tables

__all__ = ["WINDOWS", "order_facts", "suggest_window"]

WINDOWS = (30, 60, 90, 120, 180, 270, 365)
"""Churn windows that are suggested, in days."""

DEFAULT_WINDOW = 90
RETURNED_SHARE = 0.9
MAX_FOLLOW_UP = 540
MIN_GAPS = 30
MIN_REPEAT_CUSTOMERS = 200
"""Fewer customers who bought again than this teach no churn model worth having."""


def order_facts(tables: Tables) -> dict[str, Any]:
    """Facts for the data report; every text twice, ``_en`` and ``_zh``.

    Returns
    -------
    dict
        ``rows, orders, customers, one_time_buyers, first_day, last_day, span_days, return_rows, zero_rows,
        purchase_days_per_customer, gap_days`` (median and 90th percentile), ``suggested_window_days``,
        ``window_reason_en/zh``, ``enough_for`` (by task: whether, and why).
    """
    con = tables.con
    facts = _counts(tables)
    if not facts["rows"]:
        return facts
    follow_up = _follow_up(facts["span_days"])
    lengths = con.to_pyarrow(_lengths(_gaps(tables), follow_up)).to_pandas().set_index("gap").sort_index()
    window, en, zh = _window(lengths["weight"], int(lengths["gaps"].sum()), facts["span_days"])
    facts["suggested_window_days"] = window
    facts["window_reason_en"], facts["window_reason_zh"] = en, zh
    repeat = facts["customers"] - facts["one_time_buyers"]
    facts["enough_for"] = _enough(facts["span_days"], window, repeat)
    return facts


def _counts(tables: Tables) -> dict[str, Any]:
    orders = tables.orders
    bought = orders.amount > 0
    days = orders.customer_id + " " + orders.day.cast("string")
    order = orders.order_id if "order_id" in orders.columns else days
    row = tables.con.to_pyarrow(
        orders.aggregate(
            rows=orders.count(),
            orders=order.nunique(where=bought),
            customers=orders.customer_id.nunique(),
            first_day=orders.day.min(),
            last_day=orders.day.max(),
            return_rows=(orders.amount < 0).sum().coalesce(0),
            zero_rows=(orders.amount == 0).sum().coalesce(0),
        )
    ).to_pylist()[0]
    active = orders.filter(bought).group_by("customer_id").aggregate(days=orders.day.nunique())
    once = tables.con.to_pyarrow(
        active.aggregate(
            buyers=active.count(),
            once=(active.days == 1).sum().coalesce(0),
            purchase_days=active.days.sum().coalesce(0),
        )
    ).to_pylist()[0]
    first, last = row.pop("first_day"), row.pop("last_day")
    row["one_time_buyers"] = once["once"]
    row["purchase_days_per_buyer"] = (
        round(once["purchase_days"] / once["buyers"], 2) if once["buyers"] else 0.0
    )
    row["first_day"], row["last_day"] = (str(first), str(last)) if first else (None, None)
    row["span_days"] = (last - first).days + 1 if first else 0
    return row


def _gaps(tables: Tables) -> Any:
    """One row per customer and purchase day: days to the next purchase (or missing), days of follow-up."""
    orders = tables.orders
    days = orders.filter(orders.amount > 0).select("customer_id", "day").distinct()
    following = days.day.lead().over(ibis.window(group_by="customer_id", order_by="day"))
    last = days.day.max().over(ibis.window())
    return days.select(
        "customer_id",
        gap=following.delta(days.day, unit="day"),
        follow_up=last.delta(days.day, unit="day"),
    )


def _follow_up(span_days: int) -> int:
    return min(MAX_FOLLOW_UP, span_days // 2)


def _lengths(gaps: Any, follow_up: int) -> Any:
    """By length of the gaps that could be followed: their number, and their weight in billionths.

    Whole numbers add up to the same whatever the engine; a customer's gaps weigh one together.
    """
    seen = gaps.filter((gaps.follow_up >= follow_up) & (gaps.gap <= follow_up))
    each = seen.mutate(of_customer=seen.count().over(ibis.window(group_by="customer_id")))
    weighed = each.select("gap", units=to_units(1.0 / each.of_customer.cast("float64"), FINE))
    return weighed.group_by("gap").aggregate(gaps=weighed.count(), weight=weighed.units.sum().cast("int64"))


def suggest_window(gaps: pa.Table, span_days: int) -> tuple[int, str, str]:
    """Churn window in days, and the reason for it in English and Chinese.

    Parameters
    ----------
    gaps : pyarrow.Table
        ``customer_id``; ``gap``, days to the next purchase day (missing for none); ``follow_up``, days from
        this purchase day to the last day of the data.
    span_days : int
        Days from the first to the last row.

    Notes
    -----
    The smallest of `WINDOWS` within which nine of ten returning customers came back: the 0.9 quantile of the
    gaps that began at least F days before the end and lasted at most F days, F = min(540, span / 2), each gap
    weighted by one over the number of gaps of its customer. No window is longer than a quarter of the span,
    or too few past windows would be left to learn from.

    Examples
    --------
    >>> ids = [str(i % 40) for i in range(80)]
    >>> rows = {"customer_id": ids, "gap": [20, 50] * 40, "follow_up": [300] * 80}
    >>> suggest_window(pa.table(rows), 600)[0]
    60
    """
    follow_up = _follow_up(span_days)
    frame = gaps.to_pandas()
    seen = frame[(frame["follow_up"] >= follow_up) & (frame["gap"] <= follow_up)]
    weight = 1.0 / seen.groupby("customer_id")["gap"].transform("count")
    return _window(weight.groupby(seen["gap"]).sum().sort_index(), len(seen), span_days)


def _window(weights: pd.Series, gaps: int, span_days: int) -> tuple[int, str, str]:
    """`suggest_window` from the weight of the gaps of each length, rising, and their number."""
    follow_up = _follow_up(span_days)
    if gaps < MIN_GAPS:
        return (
            DEFAULT_WINDOW,
            f"only {gaps} gaps between purchases could be followed for {follow_up} days; "
            f"{DEFAULT_WINDOW} days is the default until there are {MIN_GAPS}",
            f"可跟踪 {follow_up} 天的购买间隔只有 {gaps} 个;满 {MIN_GAPS} 个之前采用默认 {DEFAULT_WINDOW} 天",
        )
    by_length = weights.cumsum()
    # Thirds of a customer do not add up to one exactly.
    enough = by_length >= (RETURNED_SHARE - 1e-8) * by_length.iloc[-1]
    quantile = int(by_length.index[enough.to_numpy().argmax()])
    wanted = next((days for days in WINDOWS if days >= quantile), WINDOWS[-1])
    longest = max((days for days in WINDOWS if days <= span_days // 4), default=WINDOWS[0])
    window = min(wanted, longest)
    en = (
        f"nine of ten returning customers came back within {quantile} days of a purchase "
        f"({gaps:,} gaps, each followed for {follow_up} days)"
    )
    zh = f"十个回头客中有九个在购买后 {quantile} 天内再次购买(共 {gaps:,} 个间隔,每个跟踪 {follow_up} 天)"
    if window == wanted:
        return window, f"{en}; rounded to {window}", f"{zh};取 {window} 天"
    return (
        window,
        f"{en}; cut to {window}, a quarter of the {span_days} days of data",
        f"{zh};数据仅 {span_days} 天,取其四分之一即 {window} 天",
    )


def _enough(span_days: int, window: int, repeat: int) -> dict[str, Any]:
    """By task: whether the data suffices, and why."""
    needs = {
        "summary": (1, 1),
        "closed_form_value": (2 * window, 50),
        "churn_model": (3 * window, MIN_REPEAT_CUSTOMERS),
        "value_model_365": (365 + 2 * window, MIN_REPEAT_CUSTOMERS),
    }
    return {
        task: {
            "ok": span_days >= days and repeat >= customers,
            "en": f"needs {days} days (there are {span_days}) and {customers} returning customers ({repeat})",
            "zh": f"需要 {days} 天数据(现有 {span_days} 天)和 {customers} 位回头客(现有 {repeat} 位)",
        }
        for task, (days, customers) in needs.items()
    }
