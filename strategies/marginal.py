"""Marginal curve: what the next money spent earns, and the campaign size from which on it earns nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pandas as pd
from numpy.typing import ArrayLike

from features.errors import InputError
from strategies.allocation import Allocation, allocate_problem
from strategies.offer_problem import Limits, OfferProblem

__all__ = ["MarginalCurve", "marginal_curve"]

_STEP = "marginal curve"
_SHARES = (0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0)


@dataclass(frozen=True)
class MarginalCurve:
    """What a campaign earns by its budget.

    Attributes
    ----------
    points : DataFrame
        One row per budget, ascending: ``budget``, ``spent``, ``net_gain`` and ``bound`` in money, ``contacted``
        customers, ``marginal_return`` in money earned, net of its cost, per unit of money spent in addition.
    best_budget : float
        Money spent by the campaign without a budget (other limits hold): more money earns nothing.
    best : Allocation
        That campaign.
    """

    points: pd.DataFrame
    best_budget: float
    best: Allocation

    def next_money(self, budget: float, step: float = 1000.0) -> float:
        """Most that the next `step` of money can earn at a budget of the curve, net of its cost.

        The curve is concave, so the marginal return at its start times the step is never too low, and no step
        earns more than what is missing to the best campaign.

        Raises
        ------
        InputError
            When the curve has no such budget or the step is negative.
        """
        at = self.points.loc[self.points["budget"] == budget]
        if at.empty or not step >= 0:
            known = ", ".join(f"{b:g}" for b in self.points["budget"])
            raise InputError(f"{_STEP}: no budget {budget:g} or step {step:g} below 0; budgets are {known}.")
        row = at.iloc[0]
        missing = max(0.0, self.best.bound - float(row["net_gain"]))
        return min(float(row["marginal_return"]) * step, missing)


def marginal_curve(
    gain: ArrayLike,
    cost: ArrayLike,
    *,
    channel: Sequence[str],
    limits: Limits | None = None,
    budgets: Sequence[float] | None = None,
    eligible: ArrayLike | None = None,
    key: ArrayLike | None = None,
    offers: Sequence[str] | None = None,
) -> MarginalCurve:
    """Allocate at each budget of a grid and read what the next money would earn from the price of the budget.

    Parameters
    ----------
    gain, cost, channel, limits, eligible, key, offers
        As in `strategies.allocation.allocate`. The budget of the limits is not used; its other limits hold.
    budgets : sequence of float, optional
        Money, 0 or more; without it 2 to 100 % of the best campaign size.

    Returns
    -------
    MarginalCurve

    Raises
    ------
    InputError
        As `allocate`; or when a budget is negative.

    Notes
    -----
    Let V(B) be the value of the linear program with budget B. It is concave, and the price of the budget is its
    slope: λ(B) = dV/dB, from the right or between the slopes of both sides at a kink. The best size is the least
    B with λ(B) = 0: what is spent without a budget, as every offer given then gains more than 0 net.

    Examples
    --------
    Three customers gain 9, 4 and 1 beyond a cost of 2. The third pays for himself, a fourth does not:

    >>> curve = marginal_curve([[9.0], [4.0], [1.0], [-0.5]], [2.0], channel=["mail"], budgets=[2, 4, 6, 8])
    >>> curve.points["net_gain"].tolist(), curve.best_budget
    ([9.0, 13.0, 14.0, 14.0], 6.0)
    >>> curve.next_money(8.0)
    0.0
    """
    free = replace(limits or Limits(), budget=None)
    problem = OfferProblem.of(
        gain, cost, channel=channel, limits=free, eligible=eligible, key=key, offers=offers
    )
    best = allocate_problem(problem)
    asked = [share * best.spent for share in _SHARES] if budgets is None else sorted(map(float, budgets))
    wrong = [budget for budget in asked if not budget >= 0]
    if wrong:
        raise InputError(f"{_STEP}: a budget is 0 or more, but {wrong[0]:g} was given.")
    rows = []
    for budget in asked:
        found = best if budget >= best.spent else allocate_problem(problem.with_budget(budget))
        price = 0.0 if found is best else found.prices[("budget", "")]
        rows.append((budget, found.spent, found.total_gain, found.bound, found.contacted, price))
    names = ["budget", "spent", "net_gain", "bound", "contacted", "marginal_return"]
    return MarginalCurve(pd.DataFrame(rows, columns=names), best.spent, best)
