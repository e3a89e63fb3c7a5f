"""Customer equity 客户资产: the discounted margin that today's customers are expected to bring, and what moves it.

Customer equity is the sum of customer lifetime values (Blattberg & Deighton 1996; Rust, Lemon & Zeithaml 2004). The list
has ``clv`` for each customer; this file adds up, splits by class, and tells how the sum answers to its drivers:

========= ============================================== =========================== ===========================
Driver    What is changed by 1 %                         How                         Gupta & Lehmann 2005 found
========= ============================================== =========================== ===========================
retention the share of customers kept from year to year  the model's own curve anew  3 to 7 %
margin    the margin rate                                exact: clv is linear in it  about 1 %
discount  the discount rate                              the model's own curve anew  −0.5 to −1.2 %
acquiring the cost of acquiring the customers            closed form, −cost/profit   −0.02 to −0.3 %
========= ============================================== =========================== ===========================

In a discounted sum of margins, Σ m·(r/(1 + i))^t, retention r and discount rate i act through r/(1 + i) alone. A year
that keeps 1 % more customers is therefore a model whose discount factor is 1 % higher each year: i' = (1 + i)/1.01 − 1.
This holds for any curve of expected margin by time that such a change of retention multiplies by 1.01^t.

References
----------
Blattberg, R. C., Deighton, J. (1996). Manage marketing by the customer equity test. Harvard Business Review 74 (4).
Gupta, S., Lehmann, D. R. (2005). Managing Customers as Investments, chapter 2 (elasticities of customer value).
Gupta, S., Lehmann, D. R., Stuart, J. A. (2004). Valuing customers. Journal of Marketing Research 41 (1), table 4.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
import pandas as pd

from features.exact import MONEY
from strategies.columns import Numbers

__all__ = [
    "DRIVERS",
    "STEP",
    "elasticities",
    "equity_by",
    "shifted_discount",
    "shifted_margin",
    "total_equity",
    "whole_life_profit",
]

DRIVERS: Final = ("retention", "margin", "discount", "acquisition")
"""In the order of the table."""

STEP: Final = 0.01
"""Relative change of a driver."""


def total_equity(people: pd.DataFrame) -> pd.DataFrame:
    """Customer equity of a base, beside what it has brought so far.

    Parameters
    ----------
    people : DataFrame
        One row per customer: ``clv`` (money, missing where not known), ``clv_p10, clv_p90``, and in 1/10,000 of the
        currency ``revenue_u`` and ``margin_u`` to date.

    Returns
    -------
    DataFrame
        One row as `equity_by` has them, for all.

    Examples
    --------
    >>> people = pd.DataFrame({"clv": [30.0, None], "clv_p10": [10.0, None], "clv_p90": [50.0, None],
    ...     "revenue_u": [900_000, -20_000], "margin_u": [300_000, -20_000]})
    >>> total_equity(people)[["customers", "valued", "equity", "past_revenue"]].iloc[0].tolist()
    [2.0, 1.0, 30.0, 88.0]
    """
    return equity_by(people.assign(all="all"), "all").drop(columns=["all", "customer_share", "equity_share"])


def equity_by(people: pd.DataFrame, column: str) -> pd.DataFrame:
    """Customer equity by the labels of one column; the parts add up to the whole.

    Parameters
    ----------
    people : DataFrame
        See `total_equity`; with `column`.
    column : str
        A label such as ``value_class``; where it is missing the label is ``unknown``.

    Returns
    -------
    DataFrame
        By label, the richest first: `column`, ``customers, customer_share, valued`` (customers with a clv), ``equity,
        equity_share, clv_mean, clv_median, low, high`` (mean of ``clv_p10`` and of ``clv_p90``: bounds of single
        customers, which do not add up), ``past_revenue, past_margin``.
    """
    label = people[column].astype(object).where(people[column].notna(), "unknown").rename(column)
    groups = people.groupby(label)
    clv = groups["clv"]
    found = pd.DataFrame(
        {
            "customers": groups.size(),
            "customer_share": groups.size() / max(1, len(people)),
            "valued": clv.count(),
            "equity": clv.sum(),
        }
    )
    whole = float(found["equity"].sum())
    found["equity_share"] = found["equity"] / whole if whole > 0 else np.nan
    found["clv_mean"], found["clv_median"] = clv.mean(), clv.median()
    found["low"], found["high"] = groups["clv_p10"].mean(), groups["clv_p90"].mean()
    found["past_revenue"] = groups["revenue_u"].sum() / MONEY
    found["past_margin"] = groups["margin_u"].sum() / MONEY
    ordered = found.reset_index().sort_values(["equity", column], ascending=[False, True])
    return ordered.reset_index(drop=True)


def shifted_discount(driver: str, change: float, discount_rate: float) -> float:
    """Discount rate of a model in which retention, or the discount rate itself, is higher by a share.

    Parameters
    ----------
    driver : {"retention", "discount"}
    change : float
        Above −1, for example 0.01.
    discount_rate : float
        Per year, in [0, 1).

    Returns
    -------
    float
        Per year; may be below 0 where retention rises.

    Examples
    --------
    >>> round(shifted_discount("retention", 0.01, 0.1), 6), round(shifted_discount("discount", 0.01, 0.1), 6)
    (0.089109, 0.101)
    """
    if driver == "discount":
        return discount_rate * (1.0 + change)
    return (1.0 + discount_rate) / (1.0 + change) - 1.0


def shifted_margin(clv: Numbers, margin_rate: Numbers, change: float) -> Numbers:
    """Lifetime values at margin rates that are higher by a share; no rate passes 1.

    Parameters
    ----------
    clv : array of float
        Money, one per customer.
    margin_rate : array of float
        In [0, 1], one per customer.
    change : float
        Above −1.

    Examples
    --------
    >>> shifted_margin(np.array([100.0, 100.0]), np.array([0.3, 1.0]), 0.01).tolist()
    [101.0, 100.0]
    """
    most = 1.0 / np.where(margin_rate > 0, margin_rate, 1.0)
    return clv * np.minimum(1.0 + change, np.maximum(most, 1.0))


def elasticities(moved: Mapping[str, tuple[float, float, float]], step: float = STEP) -> pd.DataFrame:
    """How customer equity answers to its drivers.

    Parameters
    ----------
    moved : mapping of str to (float, float, float)
        By driver: the money as it is, and with the driver lower, and higher, by the share `step`. For ``acquisition``
        that is the whole-life profit (past margin + equity − cost), else the equity.
    step : float
        In (0, 1).

    Returns
    -------
    DataFrame
        One row for each of `DRIVERS`: ``driver, base, lower, higher, elasticity``: the change in percent for one percent
        of the driver, central difference; missing where the driver is not known or the base not positive.

    Examples
    --------
    >>> elasticities({"margin": (100.0, 99.0, 101.0)}).round(6).iloc[1, 1:].tolist()
    [100.0, 99.0, 101.0, 1.0]
    """
    rows = []
    for driver in DRIVERS:
        base, lower, higher = moved.get(driver, (np.nan, np.nan, np.nan))
        slope = (higher - lower) / (2 * step * base) if base > 0 else np.nan
        rows.append({"driver": driver, "base": base, "lower": lower, "higher": higher, "elasticity": slope})
    return pd.DataFrame(rows)


def whole_life_profit(
    margin: float, equity: float, cost: float, step: float = STEP
) -> tuple[float, float, float]:
    """Profit over the whole life, and the same with the cost of acquisition lower and higher by a share.

    Parameters
    ----------
    margin, equity, cost : float
        Margin so far, sum of clv, and cost of acquisition of the same customers; money.
    step : float
        In (0, 1).

    Notes
    -----
    profit = margin so far + equity − cost is linear in the cost, so the elasticity is −cost / profit.

    Examples
    --------
    >>> whole_life_profit(60.0, 60.0, 20.0)
    (100.0, 100.2, 99.8)
    """
    base = margin + equity - cost
    return base, base + step * cost, base - step * cost
