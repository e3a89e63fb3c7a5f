"""Cohorts: customers by the time of their first purchase, their lives, and the whole base made of them.

The third to fifth of the five lenses (`strategies.lenses`). Time is cut into calendar steps, so that one table, cohort by
step, serves all three: its sums are the revenue of the ledger.
"""

from __future__ import annotations

from datetime import date
from typing import Final

import numpy as np
import pandas as pd

from features.exact import MONEY

__all__ = [
    "STEPS",
    "cohort_table",
    "cohorts_compared",
    "one_cohort",
    "step_label",
    "step_months",
    "usual_cohort",
    "whole_base",
]

STEPS: Final = (12, 3, 1)
"""Lengths of a calendar step, in months."""

_MANY: Final = 6
NO_COHORT: Final = "none"


def step_months(first_day: date, as_of: date) -> int:
    """The longest step of `STEPS` of which the history has six or more; a month for short histories.

    Examples
    --------
    >>> step_months(date(2009, 12, 1), date(2011, 12, 10))
    3
    """
    months = (as_of.year - first_day.year) * 12 + as_of.month - first_day.month
    return next((step for step in STEPS if months >= _MANY * step), STEPS[-1])


def step_label(step: int, months: int) -> str:
    """Name of a calendar step: a year, a quarter or a month.

    Examples
    --------
    >>> step_label(2011, 12), step_label(2011 * 4 + 1, 3), step_label(2011 * 12 + 1, 1)
    ('2011', '2011-Q2', '2011-02')
    """
    year, place = divmod(step, 12 // months)
    return str(year) if months == 12 else f"{year}-Q{place + 1}" if months == 3 else f"{year}-{place + 1:02d}"


def cohort_table(days: pd.DataFrame, as_of: date, *, months: int) -> pd.DataFrame:
    """What each cohort did in each calendar step.

    Parameters
    ----------
    days : DataFrame
        Day-level facts: ``customer_id, day, orders, revenue_u, margin_u``.
    as_of : date
        End of the facts.
    months : int
        Length of a step: 1, 3 or 12.

    Returns
    -------
    DataFrame
        ``cohort`` (step of the first purchase; ``none`` for customers who only ever gave back), ``period`` (calendar
        step), ``age`` (steps between them), ``customers`` (size of the cohort), ``active`` (with an order in the
        period), ``orders, revenue, margin``, ``complete`` (the step is over). Steps in which a cohort did nothing
        have a row with zeros. Lines before the first purchase have a negative age.

    Notes
    -----
    The first purchase is the first one *in the data*: the oldest cohort also holds customers who are older than that.

    Examples
    --------
    >>> facts = pd.DataFrame({"customer_id": ["a", "a", "b"], "orders": 1, "margin_u": 0,
    ...     "day": pd.to_datetime(["2026-01-05", "2026-02-01", "2026-02-02"]), "revenue_u": [10_000, 20_000, 70_000]})
    >>> found = cohort_table(facts, date(2026, 3, 1), months=1)
    >>> found[["cohort", "age", "active", "revenue"]].values.tolist()
    [['2026-01', 0, 1, 1.0], ['2026-01', 1, 1, 2.0], ['2026-02', 0, 1, 7.0]]
    """
    facts = days.assign(step=_steps(days["day"], months))
    bought = facts[facts["orders"] > 0]
    first = bought.groupby("customer_id", observed=True)["step"].min()
    facts["start"] = facts["customer_id"].map(first).astype("Int64").fillna(-1).astype("int64")
    facts["active"] = facts["customer_id"].where(facts["orders"] > 0)
    cells = facts.groupby(["start", "step"])
    found = cells[["orders", "revenue_u", "margin_u"]].sum()
    found.insert(0, "active", cells["active"].nunique())
    last = _steps(pd.Series([pd.Timestamp(as_of) - pd.Timedelta(days=1)]), months).iloc[0]
    return _table(_filled(found, int(last)), first.value_counts(), as_of, months)


def _steps(day: pd.Series, months: int) -> pd.Series:
    return (day.dt.year * 12 + day.dt.month - 1).astype("int64") // months


def _filled(cells: pd.DataFrame, last: int) -> pd.DataFrame:
    """All steps of each cohort from its start to `last`."""
    starts = [start for start in cells.index.unique("start") if start >= 0]
    life = [(start, step) for start in starts for step in range(start, last + 1)]
    whole = (
        cells.index.union(pd.MultiIndex.from_tuples(life, names=["start", "step"])) if life else cells.index
    )
    return cells.reindex(whole, fill_value=0).sort_index()


def _table(cells: pd.DataFrame, sizes: pd.Series, as_of: date, months: int) -> pd.DataFrame:
    start, step = (cells.index.get_level_values(name).to_numpy() for name in ("start", "step"))
    over = _steps(pd.Series([pd.Timestamp(as_of)]), months).iloc[0]
    labels = {number: step_label(int(number), months) for number in {*start, *step} if number >= 0}
    return pd.DataFrame(
        {
            "cohort": [labels.get(s, NO_COHORT) for s in start],
            "period": [labels[s] for s in step],
            "age": np.where(start >= 0, step - start, 0),
            "customers": pd.Series(start).map(sizes).fillna(0).astype("int64").to_numpy(),
            "active": cells["active"].to_numpy(),
            "orders": cells["orders"].to_numpy(),
            "revenue": cells["revenue_u"].to_numpy() / MONEY,
            "margin": cells["margin_u"].to_numpy() / MONEY,
            "complete": step < over,
        }
    )


def usual_cohort(cohorts: pd.DataFrame) -> str:
    """The cohort to look at first: the oldest that is certainly new, which is the second of the data.

    Examples
    --------
    >>> usual_cohort(pd.DataFrame({"cohort": ["2026-01", "2026-02", "2026-03"]}))
    '2026-02'
    """
    names = sorted({name for name in cohorts["cohort"] if name != NO_COHORT})
    return names[min(1, len(names) - 1)] if names else NO_COHORT


def one_cohort(cohorts: pd.DataFrame, cohort: str) -> pd.DataFrame:
    """Third lens: the life of one cohort, step by step since its first purchase.

    Parameters
    ----------
    cohorts : DataFrame
        From `cohort_table`.
    cohort : str
        Its name there.

    Returns
    -------
    DataFrame
        ``cohort, period, age, customers, active, active_share, orders, orders_per_active, revenue, revenue_per_active,
        margin, revenue_so_far, margin_so_far, revenue_so_far_per_customer, complete``.
    """
    life = cohorts[cohorts["cohort"] == cohort].sort_values("period", ignore_index=True)
    active = life["active"].where(life["active"] > 0)
    customers = life["customers"].where(life["customers"] > 0)
    so_far = {part: _cumulated(life[part]) for part in ("revenue", "margin")}
    return life.assign(
        active_share=life["active"] / customers,
        orders_per_active=life["orders"] / active,
        revenue_per_active=life["revenue"] / active,
        revenue_so_far=so_far["revenue"],
        margin_so_far=so_far["margin"],
        revenue_so_far_per_customer=so_far["revenue"] / customers,
    )


def cohorts_compared(cohorts: pd.DataFrame) -> pd.DataFrame:
    """Fourth lens: cohorts side by side at the same age.

    Parameters
    ----------
    cohorts : DataFrame
        From `cohort_table`.

    Returns
    -------
    DataFrame
        One row per cohort and age whose step is over: ``cohort, age, customers, active_share, orders_per_active,
        revenue_per_order, revenue_per_customer, revenue_so_far_per_customer, margin_so_far_per_customer``. At age 0 a
        cohort has been there for half of a step on average.
    """
    names = [name for name in cohorts["cohort"].unique() if name != NO_COHORT]
    found = pd.concat([one_cohort(cohorts, name) for name in names] or [one_cohort(cohorts, NO_COHORT)])
    found = found[found["complete"] & (found["age"] >= 0)].reset_index(drop=True)
    customers = found["customers"].where(found["customers"] > 0)
    found["revenue_per_order"] = found["revenue"] / found["orders"].where(found["orders"] > 0)
    found["revenue_per_customer"] = found["revenue"] / customers
    found["margin_so_far_per_customer"] = found["margin_so_far"] / customers
    columns = ["cohort", "age", "customers", "active_share", "orders_per_active", "revenue_per_order"]
    columns += [f"{name}_per_customer" for name in ("revenue", "revenue_so_far", "margin_so_far")]
    return found[columns]


def whole_base(cohorts: pd.DataFrame) -> pd.DataFrame:
    """Fifth lens: revenue of every period by the cohort that brought it.

    Parameters
    ----------
    cohorts : DataFrame
        From `cohort_table`.

    Returns
    -------
    DataFrame
        One row per period: ``period, complete, active, orders, revenue, margin``, then the revenue of each cohort in a
        column of its name, oldest first; these add up to ``revenue``.
    """
    periods = cohorts.groupby("period", sort=True)
    found = periods[["active", "orders"]].sum()
    found.insert(0, "complete", periods["complete"].all())
    for part in ("revenue", "margin"):
        found[part] = (periods[part].apply(_units)).astype("float64") / MONEY
    wide = cohorts.pivot_table(
        index="period", columns="cohort", values="revenue", aggfunc="sum", fill_value=0.0
    )
    return found.join(wide).reset_index()


def _units(money: pd.Series) -> int:
    return int((money * MONEY).round().astype("int64").sum())


def _cumulated(money: pd.Series) -> pd.Series:
    return (money * MONEY).round().astype("int64").cumsum() / MONEY
