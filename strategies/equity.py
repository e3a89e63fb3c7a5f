"""Customer equity 客户资产: the discounted margin that today's customers are expected to bring, and what moves it.

Customer equity is the sum of customer lifetime values (Blattberg & Deighton 1996; Rust, Lemon & Zeithaml 2004). The list
has ``clv`` for each customer; this file adds up, splits by class, and tells how the sum answers to its drivers:

========= ============================================== =========================== ===========================
Driver    What is changed by 1 %                         How                         Gupta & Lehmann 2005 found
========= ============================================== =========================== ===========================
retention the share of customers kept from year to year  the model's own curve anew  3 to 7 %
margin    the margin rate                                the model's own curve anew  about 1 %
discount  the discount rate                              the model's own curve anew  −0.5 to −1.2 %
acquire   the cost of acquiring the customers            closed form, −cost/profit   −0.02 to −0.3 %
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

__all__ = [
    "DRIVERS",
    "STEP",
    "acquisition_elasticity",
    "driver_rates",
    "elasticities",
    "equity_by",
    "total_equity",
]

DRIVERS: Final = ("retention", "margin", "discount")
"""Drivers whose elasticity takes the model's curve anew."""

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


def driver_rates(driver: str, change: float, *, margin_rate: float, discount_rate: float) -> dict[str, float]:
    """Rates of a model in which one driver is higher by a share `change`.

    Parameters
    ----------
    driver : str
        One of `DRIVERS`.
    change : float
        Above −1, for example 0.01.
    margin_rate : float
        In (0, 1]; kept at or below 1.
    discount_rate : float
        Per year, in [0, 1).

    Returns
    -------
    dict of str to float
        ``margin_rate`` and ``discount_rate``; the latter may be below 0 where retention rises.

    Examples
    --------
    >>> rates = driver_rates("retention", 0.01, margin_rate=0.3, discount_rate=0.1)
    >>> rates["margin_rate"], round(rates["discount_rate"], 6)
    (0.3, 0.089109)
    """
    if driver == "retention":
        discount_rate = (1.0 + discount_rate) / (1.0 + change) - 1.0
    elif driver == "discount":
        discount_rate *= 1.0 + change
    elif driver == "margin":
        margin_rate = min(1.0, margin_rate * (1.0 + change))
    else:
        raise ValueError(f"driver {driver!r} is none of {', '.join(DRIVERS)}")
    return {"margin_rate": margin_rate, "discount_rate": discount_rate}


def elasticities(equity: float, moved: Mapping[str, tuple[float, float]], step: float = STEP) -> pd.DataFrame:
    """How customer equity answers to its drivers.

    Parameters
    ----------
    equity : float
        Sum of clv, money.
    moved : mapping of str to (float, float)
        By driver, the sum with the driver lower, and higher, by the share `step`.
    step : float
        In (0, 1).

    Returns
    -------
    DataFrame
        ``driver, equity_lower, equity_higher, elasticity``: the change of equity in percent for one percent of the
        driver, central difference; missing where there is no equity.

    Examples
    --------
    >>> elasticities(100.0, {"margin": (99.0, 101.0)})["elasticity"].round(6).tolist()
    [1.0]
    """
    whole = 2 * step * equity
    rows = [
        (name, low, high, (high - low) / whole if equity > 0 else np.nan)
        for name, (low, high) in moved.items()
    ]
    return pd.DataFrame(rows, columns=["driver", "equity_lower", "equity_higher", "elasticity"])


def acquisition_elasticity(past_margin: float, equity: float, cost: float) -> float:
    """How the whole-life profit of customers answers to what acquiring them cost.

    Parameters
    ----------
    past_margin, equity, cost : float
        Margin so far, sum of clv, and cost of acquisition of the same customers; money.

    Returns
    -------
    float
        −cost / profit with profit = past margin + equity − cost; missing where the profit is not positive. Exact,
        because profit is linear in the cost.

    Examples
    --------
    >>> acquisition_elasticity(60.0, 60.0, 20.0)
    -0.2
    """
    profit = past_margin + equity - cost
    return -cost / profit if profit > 0 else float("nan")
