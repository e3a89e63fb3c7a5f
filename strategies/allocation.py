"""Allocation: who gets which offer, so that the money and the places available earn the most."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from strategies.offer_problem import LEAVE_ALONE, Floats, Limits, OfferProblem, Whole
from strategies.shadow_prices import price_limits

__all__ = ["LEAVE_ALONE", "Allocation", "Limits", "allocate", "allocate_problem"]

_FILL_PASSES, _FILL_ROUNDS, _FILL_CUSTOMERS = 3, 60, 20_000


@dataclass(frozen=True)
class Allocation:
    """What every customer gets, what that earns, and how far from the best it can be.

    Attributes
    ----------
    offer : array (n,) of int
        Column of the offer, −1 for leave alone.
    spent : float
        Money.
    total_gain : float
        Sum of the gains of what is given, in money.
    bound : float
        No allocation within the limits earns more; ``total_gain / bound`` is the share reached at least.
    prices : mapping of (kind, name) to float
        What one more unit of a limit would earn: net money per unit of money for ``("budget", "")``, money per
        place for ``("contacts", "")``, ``("channel", name)`` and ``("offer", name)``. 0 where it does not bind.
    """

    offer: Whole
    spent: float
    total_gain: float
    bound: float
    prices: Mapping[tuple[str, str], float]

    @property
    def contacted(self) -> int:
        """Customers who are not left alone."""
        return int((self.offer != LEAVE_ALONE).sum())


def allocate(
    gain: ArrayLike,
    cost: ArrayLike,
    *,
    channel: Sequence[str],
    limits: Limits | None = None,
    eligible: ArrayLike | None = None,
    key: ArrayLike | None = None,
    offers: Sequence[str] | None = None,
) -> Allocation:
    """Give every customer at most one offer so that the gains add up to the most the limits allow.

    Parameters
    ----------
    gain : array (n, k)
        Expected incremental margin of each offer net of its cost, in money. Leaving alone gains 0 and always
        competes: an offer is given only where it gains more. A missing gain counts as not eligible.
    cost : array (k,) or (n, k)
        Money spent when the offer is given, 0 or more.
    channel : sequence of str (k)
        Through which channel each offer goes.
    limits : Limits, optional
        Budget, places per channel and offer, contacts in all.
    eligible : array (n, k) of bool, optional
        Who may get what; cool-down after the last contact, consent and rules of the catalogue are in it.
    key : array (n,), optional
        Decides between customers who tie, lowest first, such as a keyed hash of the customer id. With distinct
        keys the answer does not depend on the order of rows; without keys the first row goes first.
    offers : sequence of str (k), optional
        What ``limits.per_offer`` calls the offers; without it "0", "1", ….

    Returns
    -------
    Allocation
        No limit is ever broken.

    Raises
    ------
    InputError
        When shapes differ, a cost is negative or missing, a gain infinite, or a limit names what no offer has.

    Notes
    -----
    maximise Σ_io gain_io x_io, with Σ_o x_io ≤ 1, Σ_io cost_io x_io ≤ budget and Σ x ≤ places of each channel
    and offer. `strategies.shadow_prices` finds the prices λ of the limits; each customer then takes the offer
    with the highest gain − λ·use. Where this asks for too much the least is taken back, and what is left over
    is filled in the order of the least loss. The bound is the dual value at λ, so it holds for any λ.

    References
    ----------
    Fisher (1981), The Lagrangian relaxation method for solving integer programming problems.

    Examples
    --------
    A call (10) gains more than a letter (2), but there is money for one call, or for letters to all:

    >>> gains = [[30.0, 12.0], [25.0, 20.0], [8.0, 9.0], [-5.0, -1.0]]
    >>> found = allocate(gains, [10.0, 2.0], channel=["phone", "mail"], limits=Limits(budget=14.0))
    >>> found.offer.tolist(), found.total_gain, found.spent
    ([0, 1, 1, -1], 59.0, 14.0)
    """
    problem = OfferProblem.of(
        gain, cost, channel=channel, limits=limits, eligible=eligible, key=key, offers=offers
    )
    return allocate_problem(problem)


def allocate_problem(problem: OfferProblem) -> Allocation:
    """The same for gains, costs and limits already checked and brought into shape."""
    prices = np.zeros(len(problem.room))
    _, choice = problem.best(prices)
    if not problem.fits(choice):
        priced = price_limits(problem)
        prices = priced.prices
        choice = _filled(problem, _taken_back(problem, priced.choice, prices), prices)
    offer = np.full(problem.size, LEAVE_ALONE, dtype=np.int64)
    offer[problem.rows] = choice
    gain, cost = problem.picked(choice)
    total = math.fsum(gain)
    named = dict(zip(problem.names, prices.tolist(), strict=True))
    return Allocation(offer, math.fsum(cost), total, max(total, problem.bound(prices)), named)


def _taken_back(problem: OfferProblem, choice: Whole, prices: Floats) -> Whole:
    """Leave alone those who gain least after prices, until no limit is broken."""
    choice = choice.copy()
    for r in range(1, len(problem.room)):
        gain, cost = problem.picked(choice)
        at = np.flatnonzero((choice >= 0) & (problem.uses[r][choice] > 0))
        excess = len(at) - problem.room[r]
        if excess > 0:
            charged = (prices @ problem.uses)[choice[at]] + prices[0] * cost[at]
            # Among equals the last key goes first.
            worst = np.lexsort((-at, gain[at] - charged))[: int(excess)]
            choice[at[worst]] = LEAVE_ALONE
    gain, cost = problem.picked(choice)
    paid = np.flatnonzero(cost > 0)
    paid = paid[np.lexsort((-paid, gain[paid] / cost[paid]))]
    while len(paid) and (excess := math.fsum(cost[paid]) - problem.room[0]) > 0:
        enough = int(np.searchsorted(np.cumsum(cost[paid]), excess)) + 1
        choice[paid[:enough]] = LEAVE_ALONE
        paid = paid[enough:]
    return choice


def _filled(problem: OfferProblem, choice: Whole, prices: Floats) -> Whole:
    """Use what is left: give or change offers where that gains, in the order of the least loss after prices."""
    choice = choice.copy()
    left = problem.room - problem.used(choice)
    for _ in range(_FILL_PASSES):
        rows = _most_promising(problem, choice, prices)
        if not _fill_rows(problem, rows, choice, prices, left):
            break
    return choice if problem.fits(choice) else _taken_back(problem, choice, prices)


def _most_promising(problem: OfferProblem, choice: Whole, prices: Floats) -> Whole:
    """Customers who lose the least after prices by a change that gains, in the order of their keys."""
    if problem.customers <= _FILL_CUSTOMERS:
        return np.arange(problem.customers)
    now, _ = problem.picked(choice)
    price = problem.price(prices, problem.cost)
    best = np.full(problem.customers, -np.inf)
    for o in range(problem.offers):
        np.maximum(best, np.where(problem.gain[o] > now, problem.gain[o] - price[o], -np.inf), out=best)
    given = np.flatnonzero(choice >= 0)
    wide = price.shape[1] != 1
    best[given] -= now[given] - price[choice[given], given if wide else 0]
    return np.sort(np.argpartition(-best, _FILL_CUSTOMERS)[:_FILL_CUSTOMERS])


def _fill_rows(problem: OfferProblem, rows: Whole, choice: Whole, prices: Floats, left: Floats) -> bool:
    """Change the choice of these customers and what is left, in place; whether anything was changed."""
    changed = False
    for _ in range(_FILL_ROUNDS):
        at, offer, need = _moves(problem, rows, choice[rows], prices, left)
        if not len(at):
            break
        enough = np.cumsum(np.maximum(need, 0.0), axis=1) <= left[:, None]
        taken = np.all(enough | (need <= 0), axis=0)
        choice[rows[at[taken]]] = offer[taken]
        left -= need[:, taken].sum(axis=1)
        changed = True
    return changed


def _moves(
    problem: OfferProblem, rows: Whole, now: Whole, prices: Floats, left: Floats
) -> tuple[Whole, Whole, Floats]:
    """The best change of each customer that gains and fits by itself: where, to what, and what it needs."""
    gain, cost = problem.at(rows)
    cost = np.broadcast_to(cost, gain.shape)
    given, each = now >= 0, np.arange(len(rows))
    gain_now = np.where(given, gain[now, each], 0.0)
    held = np.where(given, problem.uses[:, now], 0.0)
    held[0] = np.where(given, cost[now, each], 0.0)
    best, offer = np.full(len(rows), -np.inf), np.full(len(rows), LEAVE_ALONE, dtype=np.int64)
    for o in range(problem.offers):
        need = problem.uses[:, [o]] - held
        need[0] = cost[o] - held[0]
        fits = np.all((need <= left[:, None]) | (need <= 0), axis=0)
        gained = np.where(fits & (gain[o] > gain_now), gain[o] - gain_now - prices @ need, -np.inf)
        offer[gained > best] = o
        best = np.maximum(best, gained)
    at = np.flatnonzero(offer >= 0)
    at = at[np.argsort(-best[at], kind="stable")]
    need = problem.uses[:, offer[at]] - held[:, at]
    need[0] = cost[offer[at], at] - held[0, at]
    return at, offer[at], need
