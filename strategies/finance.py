"""Whether a campaign paid: payback, discounted cash flow, internal rate of return, and the price of a kept customer.

A campaign is a row of cash flows: what the contacts cost on the day of decision, and the incremental margin that
came after. Where a figure does not exist, the answer says so in words instead of a number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
import pandas as pd
from scipy.optimize import brentq

from features.errors import InputError
from strategies.columns import Numbers

__all__ = [
    "Answer",
    "finance",
    "internal_rate",
    "kept_customer_cost",
    "npv",
    "payback_days",
    "return_on_cost",
]

YEAR: Final = 365.0
_BITS: Final = 1e-12
_FARTHEST: Final = 60.0
_LOWEST: Final = 9.21  # −ln(1 − 0.9999)


@dataclass(frozen=True)
class Answer:
    """A figure, or why there is none, in both languages."""

    value: float | None
    en: str = ""
    zh: str = ""


def npv(flows: Sequence[float], days: Sequence[float], discount_rate: float) -> float:
    """Net present value: cash flows discounted to day 0.

    Parameters
    ----------
    flows : sequence of float
        Money; what is paid out is negative.
    days : sequence of float
        Day of each flow, 0 or more.
    discount_rate : float
        Per year, above -1.

    Notes
    -----
    Σ flow · (1 + rate)^(−days / 365).

    Examples
    --------
    >>> round(npv([-100.0, 60.0, 60.0], [0, 365, 730], 0.10), 2)
    4.13
    """
    money, at = _checked(flows, days)
    return float((money * (1 + discount_rate) ** (-at / YEAR)).sum())


def payback_days(flows: Sequence[float], days: Sequence[float]) -> Answer:
    """Day by which all that was paid out has come back and stays back.

    Notes
    -----
    Between two flows the money is taken to come in evenly. Later outgoings count: the day is the last one on
    which the sum so far turns from below 0 to 0 or more.

    Examples
    --------
    >>> payback_days([-100.0, 60.0, 60.0], [0, 30, 60]).value
    50.0
    >>> payback_days([-100.0, 60.0], [0, 30]).en
    'not paid back within 30 days: 40.00 are missing'
    """
    money, at = _checked(flows, days)
    total = np.cumsum(money)
    if (total >= 0).all():
        return Answer(0.0, "never in debt", "从未为负")
    if total[-1] < 0:
        missing = f"{-total[-1]:,.2f}"
        last = f"{at[-1]:.0f}"
        return Answer(
            None,
            f"not paid back within {last} days: {missing} are missing",
            f"{last}天内未回本：尚缺{missing}",
        )
    last_below = int(np.flatnonzero(total < 0)[-1])
    share = -total[last_below] / (total[last_below + 1] - total[last_below])
    return Answer(float(at[last_below] + share * (at[last_below + 1] - at[last_below])))


def internal_rate(flows: Sequence[float], days: Sequence[float]) -> Answer:
    """Internal rate of return per year: the discount rate at which the net present value is 0.

    Notes
    -----
    With u = −ln(1 + rate) the value is Σ flow · e^(u · years), a sum of exponentials. Between two neighbouring
    zeros of its derivative there is at most one zero, and the derivative, divided by its first exponential, is
    a sum with one term less: all rates are found by going down that ladder (Rolle). Flows of one sign have none;
    with several nothing is chosen among them: compare the net present value instead.

    References
    ----------
    Norstrøm, C. (1972). A sufficient condition for a unique nonnegative internal rate of return. Journal of
    Financial and Quantitative Analysis 7.

    Examples
    --------
    >>> round(internal_rate([-100.0, 110.0], [0, 365]).value, 6)
    0.1
    >>> internal_rate([-100.0, 230.0, -132.0], [0, 365, 730]).en
    'several rates fit (10 %, 20 % a year); use the net present value'
    """
    money, at = _checked(flows, days)
    kept = money != 0
    money, years = money[kept], at[kept] / YEAR
    if not len(money):
        return Answer(None, "no money moved", "没有现金流")
    if (money > 0).all():
        return Answer(None, "nothing was paid out, so there is no rate", "没有支出，不存在收益率")
    if (money < 0).all():
        return Answer(None, "nothing came back, so there is no rate", "没有回收，不存在收益率")
    rates = sorted(float(np.expm1(-u)) for u in _zeros(*_by_time(money, years)) if u < _LOWEST)
    if not rates:
        return Answer(
            None,
            "no rate above -99.99 % a year makes the value 0",
            "不存在使净现值为零的收益率(年率高于-99.99%)",
        )
    if len(rates) > 1:
        told = ", ".join(f"{rate:,.0%}".replace("%", " %") for rate in rates)
        return Answer(
            None,
            f"several rates fit ({told} a year); use the net present value",
            f"有多个解({told})，请用净现值判断",
        )
    return Answer(rates[0])


def _by_time(money: Numbers, years: Numbers) -> tuple[Numbers, Numbers]:
    """Flows of the same day added up, in the order of time, without those that cancel."""
    at, place = np.unique(years, return_inverse=True)
    total = np.bincount(place, weights=money)
    kept = np.abs(total) > _BITS * np.abs(money).sum()
    return total[kept], at[kept]


def _zeros(money: Numbers, years: Numbers) -> list[float]:
    """All u at which Σ money · e^(u · years) changes its sign."""
    if len(money) < 2 or len(set(np.sign(money))) < 2:
        return []
    slope = (money * (years - years[0]))[1:]
    turns = _zeros(slope, years[1:])

    def value(u: float) -> float:
        # divided by its largest exponential, so that nothing overflows; the sign is the same
        power = u * (years - years[0])
        return float((money * np.exp(power - power.max())).sum())

    edges = [-_FARTHEST, *turns, _FARTHEST]
    found = []
    for low, high in pairwise(edges):
        if value(low) * value(high) < 0:
            found.append(float(brentq(value, low, high, xtol=1e-13, rtol=1e-14)))
    return found


def return_on_cost(margin: float, cost: float) -> Answer:
    """Return on investment: incremental margin less cost, over cost.

    Examples
    --------
    >>> return_on_cost(150.0, 100.0).value
    0.5
    >>> return_on_cost(150.0, 0.0).en
    'nothing was spent'
    """
    if cost <= 0:
        return Answer(None, "nothing was spent", "没有支出")
    return Answer((margin - cost) / cost)


def kept_customer_cost(cost: float, kept: float, kept_low: float, acquisition_cost: float | None) -> Answer:
    """What it cost to keep one customer, in words beside the cost of winning a new one.

    Parameters
    ----------
    cost : float
        Money spent on the campaign.
    kept : float
        Customers kept beyond those who would have stayed anyway.
    kept_low : float
        Lower bound of that; missing where there is no interval.
    acquisition_cost : float or None
        Money per new customer, where known.

    Examples
    --------
    >>> kept_customer_cost(1000.0, 20.0, 10.0, 80.0)
    Answer(value=50.0, en='cheaper than winning a new one at 80.00 (at most 100.00)', zh='低于获客成本80.00(至多100.00)')
    >>> kept_customer_cost(1000.0, -3.0, -9.0, None).en
    'no customer was kept'
    """
    if not kept > 0:
        return Answer(None, "no customer was kept", "没有多留住客户")
    each = cost / kept
    sure = kept_low > 0
    most, most_zh = (f"at most {cost / kept_low:,.2f}", f"至多{cost / kept_low:,.2f}") if sure else _UNSURE
    if acquisition_cost is None:
        return Answer(each, f"the cost of winning a new one is unknown ({most})", f"获客成本未知({most_zh})")
    cheaper = each < acquisition_cost
    en = f"{'cheaper' if cheaper else 'dearer'} than winning a new one at {acquisition_cost:,.2f} ({most})"
    return Answer(each, en, f"{'低于' if cheaper else '高于'}获客成本{acquisition_cost:,.2f}({most_zh})")


_UNSURE: Final = ("it is not sure that any was kept", "尚不能确定是否留住了客户")


def finance(
    name: str,
    flows: pd.DataFrame,
    *,
    kept: tuple[float, float],
    discount_rate: float,
    acquisition_cost: float | None = None,
) -> dict[str, float | str | None]:
    """All figures of one campaign.

    Parameters
    ----------
    name : str
        The campaign.
    flows : DataFrame
        ``day`` (0 or more) and ``flow`` (money); outgoings are negative.
    kept : (float, float)
        Customers kept, and the lower bound of that.
    discount_rate : float
        Per year.
    acquisition_cost : float, optional
        Money per new customer.

    Returns
    -------
    dict
        ``campaign, cost, margin, npv, payback_days, internal_rate, return_on_cost, customers_kept,
        cost_per_kept, acquisition_cost``, and for each figure that has words ``NAME_en`` and ``NAME_zh``.

    Examples
    --------
    >>> flows = pd.DataFrame({"day": [0, 30, 60], "flow": [-100.0, 60.0, 60.0]})
    >>> found = finance("r1", flows, kept=(4.0, 2.0), discount_rate=0.1)
    >>> found["cost"], found["margin"], found["payback_days"], found["cost_per_kept"]
    (100.0, 120.0, 50.0, 25.0)
    """
    money, at = _checked(flows["flow"].tolist(), flows["day"].tolist())
    cost, margin = float(-money[0]), float(money[1:].sum())
    answers = {
        "payback_days": payback_days(money.tolist(), at.tolist()),
        "internal_rate": internal_rate(money.tolist(), at.tolist()),
        "return_on_cost": return_on_cost(margin, cost),
        "cost_per_kept": kept_customer_cost(cost, kept[0], kept[1], acquisition_cost),
    }
    found: dict[str, float | str | None] = {"campaign": name, "cost": cost, "margin": margin}
    found["npv"] = npv(money.tolist(), at.tolist(), discount_rate)
    found |= {"customers_kept": kept[0], "acquisition_cost": acquisition_cost}
    for figure, answer in answers.items():
        found |= {figure: answer.value, f"{figure}_en": answer.en, f"{figure}_zh": answer.zh}
    return found


def _checked(flows: Sequence[float], days: Sequence[float]) -> tuple[Numbers, Numbers]:
    money, at = np.asarray(flows, dtype=np.float64), np.asarray(days, dtype=np.float64)
    if not len(money) or money.shape != at.shape:
        raise InputError(
            f"cash flows: {len(money)} flows on {len(at)} days; give one day for each, at least one"
        )
    if not (np.isfinite(money).all() and np.isfinite(at).all() and (np.diff(at) >= 0).all() and at[0] >= 0):
        raise InputError("cash flows: give finite amounts on days from 0 on, in the order of time")
    return money, at
