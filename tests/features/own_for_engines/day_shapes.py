"""Days of orders: parts of the date, conditions, whole sums, means, extremes, quantiles, an order."""

import ibis

from features.exact import from_units, only, ratio
from features.family import ColumnDoc, Family

NAMES = (
    "payday_share", "weekend_days", "leap_days", "week_53_days", "iso_years", "spend_per_day", "spend_mean_u",
    "net_cut", "gap_top", "gap_middle", "biggest_day_age", "last_spend", "first_month", "months_ago",
    "quarter_of_spend", "odd_days", "dear_by_cheap", "busy_score", "spend_spread_share",
)  # fmt: skip
DOCS = tuple(ColumnDoc(name, name.replace("_", " "), "示例", "number", "all", "of days") for name in NAMES)


def measures(days):
    bought = days.bought == 1
    spend = only(days.spend_u, bought)
    return {
        "_early": (bought & (days.day.day() <= 10)).cast("int64").sum(),
        "_bought": days.bought.sum(),
        "weekend_days": (bought & (days.day.day_of_week.index() >= 5)).cast("int64").sum(),
        "leap_days": (bought & (days.day.month() == 2) & (days.day.day() == 29)).cast("int64").sum(),
        "week_53_days": (bought & (days.day.week_of_year() == 53)).cast("int64").sum(),
        "iso_years": only(days.day.iso_year(), bought).nunique(),
        "_spend": days.spend_u.sum(),
        "spend_mean_u": spend.mean(),
        "net_cut": (days.net_u % 7).sum() * 0.5,
        "gap_top": days.gap.max(),
        "gap_middle": days.gap.median(),
        "biggest_day_age": days.age.argmax(days.spend_u * 100_000 - days.age),
        "last_spend": days.spend_u.first(order_by=ibis.desc(days.day)),
        "first_month": days.day.first(order_by=days.day).month(),
        "_my_last_day": days.day.max(),
        "_my_first_day": days.day.min(),
        "_as_of_age": days.age.min(),
        "_dear": spend.max(),
        "_cheap": spend.min(),
        "odd_days": (days.day.day_of_year() % 2 != 0).cast("int64").sum(),
        "busy_score": ((days.orders >= 2) | (days.lines > 3)).any().cast("int64"),
        "quarter_of_spend": only(days.spend_u, days.day.quarter() == 1).sum() * 0.25,
    }


def derived(t):
    return {
        "payday_share": ratio(t["_early"], t["_bought"]),
        "spend_per_day": from_units(t["_spend"]) / t["_as_of_age"],
        "months_ago": t.as_of.delta(t["_my_first_day"], unit="month"),
        # Infinite where the least was nothing, and then missing.
        "dear_by_cheap": t["_dear"] / t["_cheap"],
        "spend_spread_share": ((t["_dear"] - t["_cheap"]).cast("float64") / 3.7).round(2),
    }


FAMILY = Family("orders", DOCS, measures, derived, fill=("quarter_of_spend",))
