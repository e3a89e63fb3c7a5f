"""Five lenses on the customer base: one period, two periods, one cohort, cohorts compared, the whole base.

Each lens is a pure function of day-level facts, one row per customer and day as `features.ledger.customer_days` makes
them: ``customer_id``, ``day``, ``orders`` and, in 1/10,000 of the currency, ``revenue_u`` (bought less given back) and
``margin_u``. Every table holds every customer with a line in its period, so its sums are those of the ledger: who only
gave back has a row of their own, ``returns_only``.

References
----------
Fader, P. S., Hardie, B. G. S., Ross, M. (2022). The Customer-Base Audit: The First Step on the Journey to Customer
Centricity (one chapter for each lens; the last one is the customer cohort chart, C3).
"""

from __future__ import annotations

from calendar import monthrange
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final, Literal

import numpy as np
import pandas as pd

from features.exact import MONEY

__all__ = [
    "GROUPS",
    "ORDER_BINS",
    "Measure",
    "Period",
    "by_customer",
    "customer_groups",
    "kept_movers",
    "last_periods",
    "one_period",
    "order_counts",
    "tenths",
    "two_periods",
]

Measure = Literal["revenue", "orders", "margin"]

GROUPS: Final = ("kept", "new", "regained", "lost", "returns_only")
ORDER_BINS: Final = (1, 2, 3, 4, 5, 6, 11, 21)
"""First number of orders of each bin of `order_counts`."""

_SUMS: Final = ("orders", "revenue_u", "margin_u")


@dataclass(frozen=True)
class Period:
    """Days from `start` up to, and without, `end`.

    Examples
    --------
    >>> Period(date(2026, 1, 1), date(2026, 2, 1)).days
    31
    """

    start: date
    end: date

    @property
    def days(self) -> int:
        """Its length."""
        return (self.end - self.start).days

    def of(self, days: pd.DataFrame) -> pd.DataFrame:
        """The facts within the period."""
        inside = (days["day"] >= pd.Timestamp(self.start)) & (days["day"] < pd.Timestamp(self.end))
        return days[inside]


def last_periods(first_day: date, as_of: date) -> tuple[Period, Period]:
    """The latest two periods of equal length that the history holds whole: earlier, later.

    Parameters
    ----------
    first_day : date
        First day of the data.
    as_of : date
        End of the later period, itself not in it.

    Notes
    -----
    Of 12, 6, 3 and 1 months the longest that fits twice; else half of the days there are.

    Examples
    --------
    >>> earlier, later = last_periods(date(2009, 12, 1), date(2011, 12, 10))
    >>> earlier.start.isoformat(), later.start.isoformat()
    ('2009-12-10', '2010-12-10')
    """
    for months in (12, 6, 3, 1):
        start, middle = (_months_before(as_of, n * months) for n in (2, 1))
        if start >= first_day:
            return Period(start, middle), Period(middle, as_of)
    half = timedelta(days=max(1, (as_of - first_day).days // 2))
    return Period(as_of - 2 * half, as_of - half), Period(as_of - half, as_of)


def _months_before(day: date, months: int) -> date:
    month = day.year * 12 + day.month - 1 - months
    year, place = divmod(month, 12)
    return date(year, place + 1, min(day.day, monthrange(year, place + 1)[1]))


def by_customer(days: pd.DataFrame, period: Period | None = None) -> pd.DataFrame:
    """Orders, revenue and margin of each customer with a line in the period, by customer id."""
    chosen = days if period is None else period.of(days)
    names = [name for name in (*_SUMS, "breadth") if name in days.columns]
    return chosen.groupby("customer_id", observed=True, sort=True)[names].sum()


def one_period(days: pd.DataFrame, period: Period) -> pd.DataFrame:
    """First lens: how the customers of one period differ, in a few figures.

    Parameters
    ----------
    days : DataFrame
        Day-level facts.
    period : Period

    Returns
    -------
    DataFrame
        One row with ``start, end`` (its last day), ``customers`` (with an order), ``one_time`` (with one order),
        ``one_time_share``, ``returns_only`` (customers), ``orders, revenue, margin``, and the averages
        ``orders_per_customer, revenue_per_order, revenue_per_customer, margin_per_customer, median_revenue``;
        money in the currency. Revenue and margin are of all customers, those with returns only included.

    Examples
    --------
    >>> facts = pd.DataFrame({"customer_id": ["a", "b", "b"], "day": pd.to_datetime(["2026-01-01"] * 3),
    ...                       "orders": [1, 1, 1], "revenue_u": [50_000, 80_000, 20_000],
    ...                       "margin_u": [20_000, 40_000, 0]})
    >>> one_period(facts, Period(date(2026, 1, 1), date(2026, 2, 1)))[["customers", "one_time_share",
    ...     "revenue", "revenue_per_order"]].iloc[0].tolist()
    [2.0, 0.5, 15.0, 5.0]
    """
    people = by_customer(days, period)
    buyers = people[people["orders"] > 0]
    customers, orders = len(buyers), int(buyers["orders"].sum())
    once = int((buyers["orders"] == 1).sum())
    revenue, margin = (_money(people[name].sum()) for name in ("revenue_u", "margin_u"))
    row = {
        "start": period.start,
        "end": period.end - timedelta(days=1),
        "customers": customers,
        "one_time": once,
        "one_time_share": _over(once, customers),
        "returns_only": len(people) - customers,
        "orders": orders,
        "revenue": revenue,
        "margin": margin,
        "orders_per_customer": _over(orders, customers),
        "revenue_per_order": _over(revenue, orders),
        "revenue_per_customer": _over(revenue, customers),
        "margin_per_customer": _over(margin, customers),
        "median_revenue": _money(buyers["revenue_u"].median()) if customers else np.nan,
    }
    return pd.DataFrame([row])


def tenths(days: pd.DataFrame, period: Period, by: Measure = "revenue") -> pd.DataFrame:
    """First lens: the customers of one period in tenths, the best first.

    Parameters
    ----------
    days : DataFrame
        Day-level facts.
    period : Period
    by : {"revenue", "orders", "margin"}
        What they are ordered by.

    Returns
    -------
    DataFrame
        ``tenth`` (1 best to 10; 0 for customers with returns only), ``customers, orders, revenue, margin,
        revenue_share, margin_share, orders_per_customer, revenue_per_order, margin_rate``. Shares are missing where
        the total is not positive.

    Notes
    -----
    The customer at place r of n (from 0) is in tenth ⌊10·r/n⌋ + 1. Who ties is ordered by id, so that tenths are of
    equal size: of customers alike, some may be in the next tenth.
    """
    people = by_customer(days, period)
    buyers = people[people["orders"] > 0]
    name = by if by == "orders" else f"{by}_u"
    ordered = buyers.sort_values(name, ascending=False, kind="stable")
    tenth = np.arange(len(ordered)) * 10 // max(1, len(ordered)) + 1
    found = _summed(ordered, pd.Series(tenth, index=ordered.index, name="tenth"))
    others = people[people["orders"] <= 0]
    if len(others):
        found = pd.concat([found, _summed(others, pd.Series(0, index=others.index, name="tenth"))])
    for part in ("revenue", "margin"):
        total = float(found[part].sum())
        found[f"{part}_share"] = found[part] / total if total > 0 else np.nan
    found["orders_per_customer"] = found["orders"] / found["customers"]
    found["revenue_per_order"] = found["revenue"] / found["orders"].where(found["orders"] > 0)
    found["margin_rate"] = found["margin"] / found["revenue"].where(found["revenue"] > 0)
    return found.reset_index()


def order_counts(days: pd.DataFrame, period: Period) -> pd.DataFrame:
    """First lens: how many customers placed one order, two, three …, and what they brought.

    Returns
    -------
    DataFrame
        ``orders_from, orders_to`` (missing for the open end; both 0 for customers with returns only), ``customers,
        customer_share, orders, revenue, margin``.
    """
    people = by_customer(days, period)
    starts = np.asarray((0, *ORDER_BINS))
    place = np.searchsorted(starts, people["orders"].to_numpy(), side="right") - 1
    found = _summed(people, pd.Series(starts[place], index=people.index, name="orders_from")).reset_index()
    ends = dict(zip(starts, [*(starts[1:] - 1), None], strict=True))
    found.insert(1, "orders_to", found["orders_from"].map(ends).astype("Int64"))
    bought = found["customers"].where(found["orders_from"] > 0)
    found.insert(3, "customer_share", bought / bought.sum())
    return found


def customer_groups(days: pd.DataFrame, earlier: Period, later: Period) -> pd.DataFrame:
    """Second lens, by customer: what became of everybody with a line in one of two periods.

    Parameters
    ----------
    days : DataFrame
        Day-level facts; those before `earlier` tell the regained from the new.
    earlier, later : Period
        The later one begins where the earlier one ends.

    Returns
    -------
    DataFrame
        By customer id, ``group`` and, for both periods, the sums of `by_customer` with ``_before`` and ``_after``:
        ``kept`` (ordered in both periods), ``lost`` (in the earlier only), ``new`` (first order ever in the later),
        ``regained`` (ordered before the earlier, not in it, and again in the later), ``returns_only`` (ordered in
        neither and gave back in one of them).

    Examples
    --------
    >>> facts = pd.DataFrame({"customer_id": ["a", "a", "b", "c"],
    ...     "day": pd.to_datetime(["2025-12-01", "2026-02-01", "2026-01-01", "2026-02-01"]),
    ...     "orders": 1, "revenue_u": 10_000, "margin_u": 0})
    >>> january, february = (Period(date(2026, m, 1), date(2026, m + 1, 1)) for m in (1, 2))
    >>> customer_groups(facts, january, february)["group"].to_dict()
    {'a': 'regained', 'b': 'lost', 'c': 'new'}
    """
    before, after = by_customer(days, earlier), by_customer(days, later)
    both = before.add_suffix("_before").join(after.add_suffix("_after"), how="outer")
    both = both.fillna(0).astype("int64")
    past = days[(days["day"] < pd.Timestamp(earlier.start)) & (days["orders"] > 0)]
    known = both.index.isin(past["customer_id"].unique())
    then, now = (both[f"orders_{when}"] > 0 for when in ("before", "after"))
    group = np.select(
        [then & now, now & known, now, then], ["kept", "regained", "new", "lost"], "returns_only"
    )
    both.insert(0, "group", group)
    return both


def two_periods(groups: pd.DataFrame) -> pd.DataFrame:
    """Second lens: customers kept, new, regained and lost, and the change of revenue by them.

    Parameters
    ----------
    groups : DataFrame
        From `customer_groups`.

    Returns
    -------
    DataFrame
        One row per group of `GROUPS`: ``customers``, and ``orders_before, orders_after, revenue_before,
        revenue_after, revenue_change, margin_before, margin_after, margin_change``. The changes add up to the
        change between the periods.
    """
    found = groups.groupby("group")[[c for c in groups.columns if c != "group"]].sum()
    found.insert(0, "customers", groups.groupby("group").size())
    found = found.reindex(list(GROUPS), fill_value=0)
    return _before_after(found).reset_index()


def kept_movers(groups: pd.DataFrame) -> pd.DataFrame:
    """Second lens: of the customers kept, who brings more revenue than before, as much, or less.

    Returns
    -------
    DataFrame
        ``direction`` (``up``, ``same``, ``down``), ``customers``, and the money of `two_periods`.
    """
    kept = groups[groups["group"] == "kept"].drop(columns="group")
    change = (kept["revenue_u_after"] - kept["revenue_u_before"]).clip(-1, 1)
    direction = change.map({1: "up", 0: "same", -1: "down"}).rename("direction")
    found = kept.groupby(direction).sum()
    found.insert(0, "customers", kept.groupby(direction).size())
    return _before_after(found.reindex(["up", "same", "down"], fill_value=0)).reset_index()


def _before_after(sums: pd.DataFrame) -> pd.DataFrame:
    columns = {"customers": sums["customers"]}
    columns |= {f"orders_{when}": sums[f"orders_{when}"] for when in ("before", "after")}
    for part in ("revenue", "margin"):
        before, after = (sums[f"{part}_u_{when}"] for when in ("before", "after"))
        columns |= {f"{part}_before": before / MONEY, f"{part}_after": after / MONEY}
        columns[f"{part}_change"] = (after - before) / MONEY
    return pd.DataFrame(columns)


def _summed(people: pd.DataFrame, label: pd.Series) -> pd.DataFrame:
    sums = people.groupby(label)
    return pd.DataFrame(
        {
            "customers": sums.size(),
            "orders": sums["orders"].sum(),
            "revenue": sums["revenue_u"].sum() / MONEY,
            "margin": sums["margin_u"].sum() / MONEY,
        }
    )


def _money(units: float) -> float:
    return float(units) / MONEY


def _over(part: float, whole: float) -> float:
    return float(part) / float(whole) if whole else float("nan")
