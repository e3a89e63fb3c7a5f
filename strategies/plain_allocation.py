"""What others do: sort the customers and fill until the money is gone. Shown beside the allocation."""

from __future__ import annotations

import numpy as np

from features.errors import InputError
from strategies.offer_problem import LEAVE_ALONE, Floats, OfferProblem, Whole

__all__ = ["fill_by_return", "fill_in_order"]


def fill_in_order(problem: OfferProblem, priority: Floats) -> Whole:
    """Go through the customers from the highest priority down; each gets the offer that gains most and still fits.

    Parameters
    ----------
    problem : OfferProblem
        As for `strategies.allocation.allocate_problem`.
    priority : array (size,)
        One figure per row of the caller's table, such as the value at stake or the churn probability.

    Returns
    -------
    array (size,) of int
        Column of the offer, −1 for leave alone, in the order of the caller's table.

    Raises
    ------
    InputError
        When there is not one priority per customer.

    Examples
    --------
    There is money for one call (10) or for letters to both (2); the first is worth more:

    >>> from strategies.offer_problem import Limits
    >>> problem = OfferProblem.of([[30.0, 28.0], [9.0, 8.0]], [10.0, 2.0], channel=["phone", "mail"],
    ...     limits=Limits(budget=10.0))
    >>> fill_in_order(problem, np.array([100.0, 40.0])).tolist()
    [0, -1]
    """
    if np.shape(priority) != (problem.size,):
        raise InputError(
            f"fill in order: {problem.size} customers, priorities of shape {np.shape(priority)}."
        )
    rank = np.asarray(priority, dtype=np.float64)[problem.rows]
    return _fill(problem, problem.gain, np.broadcast_to(rank, problem.gain.shape))


def fill_by_return(problem: OfferProblem, *, favourites: bool = False) -> Whole:
    """Go through the pairs from the highest return (gain per money spent) down, while they fit.

    Parameters
    ----------
    problem : OfferProblem
        As for `strategies.allocation.allocate_problem`.
    favourites : bool
        Only the pair of each customer that gains most and is still open, instead of all pairs.

    Returns
    -------
    array (size,) of int
        Column of the offer, −1 for leave alone, in the order of the caller's table.

    Examples
    --------
    The letter returns 14 and 4 per unit of money, the call 3 and 0.9:

    >>> from strategies.offer_problem import Limits
    >>> problem = OfferProblem.of([[30.0, 28.0], [9.0, 8.0]], [10.0, 2.0], channel=["phone", "mail"],
    ...     limits=Limits(budget=10.0))
    >>> fill_by_return(problem).tolist(), fill_by_return(problem, favourites=True).tolist()
    ([1, 1], [0, -1])
    """
    free = np.where(problem.gain > 0, np.inf, -np.inf)
    cost = np.broadcast_to(problem.cost, problem.gain.shape)
    rate = np.divide(problem.gain, cost, out=free, where=cost > 0)
    return _fill(problem, problem.gain if favourites else rate, rate)


def _fill(problem: OfferProblem, preference: Floats, rank: Floats) -> Whole:
    """Each takes what he prefers among the open offers; the line stops where a limit is met, and goes on without."""
    choice = np.full(problem.customers, LEAVE_ALONE, dtype=np.int64)
    left, waiting = problem.room.copy(), np.arange(problem.customers)
    while len(waiting):
        _, cost = problem.at(waiting)
        closed = np.any((problem.uses > 0) & (left[:, None] < 1), axis=0)[:, None] | (cost > left[0])
        liked = np.where(closed, -np.inf, preference[:, waiting])
        offer = liked.argmax(axis=0)
        able = liked[offer, np.arange(len(offer))] > -np.inf
        waiting, offer = waiting[able], offer[able]
        order = np.argsort(-rank[offer, waiting], kind="stable")
        waiting, offer = waiting[order], offer[order]
        need = problem.uses[:, offer]
        need[0] = problem.cost[offer, waiting if problem.cost.shape[1] != 1 else 0]
        fits = np.all(np.cumsum(need, axis=1) <= left[:, None], axis=0)
        taken = len(fits) if fits.all() else int(fits.argmin())
        choice[waiting[:taken]] = offer[:taken]
        left -= need[:, :taken].sum(axis=1)
        waiting = np.sort(waiting[taken:])
    found = np.full(problem.size, LEAVE_ALONE, dtype=np.int64)
    found[problem.rows] = choice
    return found
