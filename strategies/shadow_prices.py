"""What one more unit of money or one more place in a channel would earn: the prices of the limits."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, linprog, milp
from scipy.sparse import csc_array, hstack, vstack

from strategies.offer_problem import LEAVE_ALONE, Floats, OfferProblem, Whole

__all__ = ["Priced", "price_limits"]

_LP_CUSTOMERS = 2000
_EXACT_CUSTOMERS, _NODES = 200, 2000
_ROUNDS = 14
_WIDEST, _NARROWEST, _NARROWER = 0.3, 5e-4, 6.0
_OPEN = -2
_NEGLIGIBLE = 1e-9

Box = tuple[Floats, Floats]


@dataclass(frozen=True)
class Priced:
    """Prices of the limits, and an allocation that follows them but may still break or underuse one."""

    prices: Floats
    choice: Whole


@dataclass(frozen=True)
class _Core:
    """Customers (columns) whose winner is open while prices stay in a box.

    ``may`` marks the offers that can win; `weight` is how many customers a column stands for; `room` is what
    the decided customers leave of the limits.
    """

    gain: Floats
    cost: Floats
    may: NDArray[np.bool_]
    weight: Floats
    room: Floats


def price_limits(problem: OfferProblem) -> Priced:
    """Prices that minimise the dual, by zooming in on the customers whom prices can still move.

    Parameters
    ----------
    problem : OfferProblem
        At least one customer with something to gain.

    Returns
    -------
    Priced
        Prices in money per unit of each limit, 0 where it does not bind, and an allocation.

    Notes
    -----
    The dual is D(λ) = λ·room + Σ_i max(0, max_o gain_io − λ·use_io), convex in λ ≥ 0. While every λ_r stays in
    [lo_r, hi_r], a customer whose best offer at its dearest beats every other at its cheapest is decided, and
    his term is linear. Only the others enter a linear program; when they are too many, a sample of them stands
    for all, drawn with a probability that is half uniform, half proportional to the best gain. The box then
    shrinks around the prices found, or moves when they lie on its edge. From the second round on the room is
    corrected by what the sample asks for at the last prices less what all open customers do, so that sampling
    errs on the change of prices only. When all open customers fit into the program and the prices lie inside
    the box, the prices are exact. Where masses of customers tie, one column of the last program stands for all
    with the same possible winners.

    References
    ----------
    Fisher (1981), The Lagrangian relaxation method for solving integer programming problems, section 3.
    Balas & Zemel (1980), An algorithm for large zero-one knapsack problems, section 2 (the core).
    """
    # A cost of next to nothing would ask for a price of next to infinity, which no solver can handle.
    dear = problem.cost > _NEGLIGIBLE * problem.cost.max(initial=0.0)
    problem = replace(problem, cost=np.where(dear, problem.cost, 0.0))
    widest = box = _widest(problem)
    everyone = rows = np.arange(problem.customers)
    width, used, prices = _WIDEST, np.zeros(len(problem.room)), np.zeros(len(problem.room))
    for turn in range(_ROUNDS):
        choice, may = _winners(problem, rows, box)
        open_ = choice == _OPEN
        decided = used + _used(problem, rows[~open_], choice[~open_])
        core, whole = _core(problem, rows[open_], may[:, open_], problem.room - decided)
        if turn and not whole:
            core = _corrected(problem, core, rows[open_], prices)
        prices = _prices(problem, core, box)
        edge = np.any((prices >= box[1]) & (box[1] < widest[1]) | (prices <= box[0]) & (box[0] > 0))
        if width < _NARROWEST or (whole and not edge):
            break
        if turn and not edge:
            width /= _NARROWER
        rows, used = (everyone, np.zeros(len(used))) if edge else (rows[open_], decided)
        # Who is decided stays so only as long as the prices stay within the box that decided it.
        box = _box(problem, prices, width, widest if edge else box)
    return Priced(prices, _choice(problem, prices, box))


def _widest(problem: OfferProblem) -> Box:
    """Prices from nothing to the one at which nobody would buy; nothing at all where a limit cannot bind."""
    gain = np.where(problem.gain > 0, problem.gain, 0.0)
    rate = np.divide(gain, problem.cost, out=np.zeros_like(gain), where=problem.cost > 0)
    high = np.where(problem.uses > 0, gain.max(axis=1), 0.0).max(axis=1)
    high[0] = rate.max()
    return np.zeros(len(high)), np.where(np.isfinite(problem.room), high, 0.0)


def _box(problem: OfferProblem, prices: Floats, width: float, within: Box) -> Box:
    """Each price up and down by a share `width` of what the dearest offer under that limit is charged."""
    mean_cost = problem.cost.mean(axis=1, keepdims=True)
    charged = problem.price(prices, mean_cost)[:, 0]
    reach = np.where(problem.uses > 0, charged, 0.0).max(axis=1)
    reach[0] = max(prices[0], charged.sum() / (mean_cost.sum() or 1.0))
    reach = np.where(reach > 0, reach, 0.1 * within[1])
    return np.maximum(prices - width * reach, within[0]), np.minimum(prices + width * reach, within[1])


def _winners(problem: OfferProblem, rows: Whole, box: Box) -> tuple[Whole, NDArray[np.bool_]]:
    """The winner of each customer wherever the prices lie in the box, or open; and who may win (k, rows)."""
    gain, cost = problem.at(rows)
    level = (gain - problem.price(box[1], cost)).max(axis=0)
    nobody = level <= 0
    may = gain - problem.price(box[0], cost) >= np.maximum(level, 0.0)
    winner = np.where(nobody, LEAVE_ALONE, may.argmax(axis=0))
    return np.where(may.sum(axis=0) + nobody == 1, winner, _OPEN), may


def _used(problem: OfferProblem, rows: Whole, choice: Whole) -> Floats:
    """Money and places that decided customers take."""
    given = choice >= 0
    use = problem.uses @ np.bincount(choice[given], minlength=problem.offers)
    wide = problem.cost.shape[1] != 1
    use[0] = problem.cost[choice[given], rows[given] if wide else 0].sum()
    return use


def _core(problem: OfferProblem, rows: Whole, may: NDArray[np.bool_], room: Floats) -> tuple[_Core, bool]:
    """The open customers, or a systematic sample of them with weights; and whether it is all of them."""
    gain, cost = problem.at(rows)
    if len(rows) <= _LP_CUSTOMERS:
        return _Core(gain, cost, may, np.ones(len(rows)), room), True
    best = np.where(may, gain, 0.0).max(axis=0)
    chance = np.minimum(1.0, _LP_CUSTOMERS * (0.5 / len(rows) + 0.5 * best / best.sum()))
    drawn = np.flatnonzero(np.diff(np.floor(np.cumsum(chance) + 0.5), prepend=0.0) > 0)
    cost = cost if cost.shape[1] == 1 else cost[:, drawn]
    return _Core(gain[:, drawn], cost, may[:, drawn], 1.0 / chance[drawn], room), False


def _corrected(problem: OfferProblem, core: _Core, rows: Whole, prices: Floats) -> _Core:
    """Room of the sample such that it is used up at `prices` exactly as far as by all open customers."""
    open_gain, open_cost = problem.at(rows)
    truly = _demand(problem, open_gain, open_cost, prices, np.ones(len(rows)))
    sampled = _demand(problem, core.gain, core.cost, prices, core.weight)
    return replace(core, room=core.room - truly + sampled)


def _demand(problem: OfferProblem, gain: Floats, cost: Floats, prices: Floats, weight: Floats) -> Floats:
    """Money and places asked for at these prices."""
    score = gain - problem.price(prices, cost)
    offer = score.argmax(axis=0)
    wants = np.flatnonzero(score[offer, np.arange(len(offer))] > 0)
    offer = offer[wants]
    use = problem.uses @ np.bincount(offer, weight[wants], minlength=problem.offers)
    use[0] = (cost[offer, wants if cost.shape[1] != 1 else 0] * weight[wants]).sum()
    return use


@dataclass(frozen=True)
class _Program:
    """Maximise gain · x; x counts the customers of column `of` that get offer `offer`."""

    gain: Floats
    offer: Whole
    of: Whole
    each: csc_array
    use: csc_array
    binding: NDArray[np.bool_]

    @classmethod
    def of_core(cls, problem: OfferProblem, core: _Core) -> _Program:
        of, offer = np.nonzero(core.may.T)
        cost = core.cost[offer, of if core.cost.shape[1] != 1 else 0]
        use = problem.uses[:, offer]
        use[0] = cost
        binding = np.isfinite(problem.room)
        pairs = np.arange(len(of))
        each = csc_array((np.ones(len(of)), (of, pairs)), shape=(core.may.shape[1], len(of)))
        return cls(core.gain[offer, of], offer, of, each, csc_array(use[binding]), binding)


def _solved(**program: Any) -> Any:
    """The answer of the first way that finds one: slack makes the program feasible, but figures of very different size
    can make a way of solving it believe otherwise."""
    message = ""
    for method, presolve in product(("highs-ds", "highs-ipm"), (True, False)):
        answer = linprog(**program, method=method, options={"presolve": presolve})
        if answer.x is not None:
            return answer
        message = answer.message
    raise RuntimeError(f"prices of the limits: the solver says {message}")


def _prices(problem: OfferProblem, core: _Core, box: Box) -> Floats:
    """Prices within the box that minimise the dual of the core."""
    program = _Program.of_core(problem, core)
    prices, binding = np.zeros(len(problem.room)), program.binding
    low, high = box[0][binding], box[1][binding]
    m = int(binding.sum())
    if not len(program.of):
        room = core.room[binding]
        prices[binding] = np.where(room < 0, high, low)
        return prices
    # Money and places are brought to the size of a gain, as the solver's tolerances are absolute.
    unit = program.gain.mean()
    by_row = np.maximum(high, np.finfo(float).tiny) / unit
    eye = csc_array(np.diag(np.ones(m)))
    use = csc_array(program.use * by_row[:, None])
    answer = _solved(
        c=np.concatenate([-program.gain / unit, -low / unit / by_row, high / unit / by_row]),
        A_ub=hstack([program.each, csc_array((program.each.shape[0], 2 * m))]),
        b_ub=core.weight,
        A_eq=hstack([use, eye, -eye]),
        b_eq=core.room[binding] * by_row,
    )
    prices[binding] = np.clip(-answer.eqlin.marginals * unit * by_row, low, high)
    return prices


def _choice(problem: OfferProblem, prices: Floats, box: Box) -> Whole:
    """The decided customers, and the open ones as the linear program has them, cut to whole customers."""
    rows = np.arange(problem.customers)
    choice, may = _winners(problem, rows, box)
    open_ = np.flatnonzero(choice == _OPEN)
    if not len(open_):
        return choice
    room = problem.room - _used(problem, rows, choice)
    core, member = _classes(problem, open_, may[:, open_], room)
    if core.may.shape[1] > _LP_CUSTOMERS:
        return problem.best(prices)[1]
    program = _Program.of_core(problem, core)
    choice[open_] = _dealt(program, _amounts(program, core), member)
    return choice


def _classes(problem: OfferProblem, rows: Whole, may: NDArray[np.bool_], room: Floats) -> tuple[_Core, Whole]:
    """One column per open customer; when they are too many, one per set of possible winners, at the mean."""
    gain, cost = problem.at(rows)
    if len(rows) <= _LP_CUSTOMERS:
        return _Core(gain, cost, may, np.ones(len(rows)), room), np.arange(len(rows))
    words = np.packbits(may, axis=0)
    order = np.lexsort(words)
    new = np.any(words[:, order[1:]] != words[:, order[:-1]], axis=0)
    member = np.empty(len(rows), dtype=np.int64)
    member[order] = np.concatenate(([0], np.cumsum(new)))
    first = order[np.concatenate(([True], new))]
    count = np.bincount(member).astype(np.float64)

    def mean(values: Floats) -> Floats:
        finite = np.where(np.isfinite(values), values, 0.0)
        return np.stack([np.bincount(member, each) / count for each in finite])

    cost = cost if cost.shape[1] == 1 else mean(cost)
    return _Core(mean(gain), cost, may[:, first], count, room), member


def _amounts(program: _Program, core: _Core) -> Whole:
    """Whole customers per pair: exact for few customers, else the linear program cut down."""
    room = core.room[program.binding]
    few = core.weight.sum() <= _EXACT_CUSTOMERS
    # Rows are brought to the size of one place, as the solver's tolerances are absolute.
    size = program.use.max(axis=1).toarray().reshape(-1)
    size[size == 0] = 1.0
    answer = milp(
        -program.gain / program.gain.mean(),
        integrality=np.full(len(program.of), int(few)),
        bounds=Bounds(0, core.weight[program.of]),
        constraints=LinearConstraint(
            vstack([program.each, csc_array(program.use / size[:, None])]),
            ub=np.concatenate([core.weight, np.maximum(room, 0.0) / size]),
        ),
        options={"node_limit": _NODES, "mip_rel_gap": 1e-6, "presolve": False},
    )
    if answer.x is None:
        return np.zeros(len(program.of), dtype=np.int64)
    return np.floor(answer.x + 1e-6).astype(np.int64)


def _dealt(program: _Program, amounts: Whole, member: Whole) -> Whole:
    """Deal the amounts of each column to its customers, in the order of their keys."""
    order = np.argsort(member, kind="stable")
    counts = np.bincount(member, minlength=program.each.shape[0])
    place = np.arange(len(member)) - np.repeat(np.cumsum(counts) - counts, counts)
    upto = np.cumsum(amounts)
    before = np.concatenate(([0], upto))[np.searchsorted(program.of, member[order])]
    pair = np.searchsorted(upto, before + place, side="right")
    dealt = np.full(len(member), LEAVE_ALONE, dtype=np.int64)
    has = np.flatnonzero(pair < len(amounts))
    has = has[program.of[pair[has]] == member[order][has]]
    dealt[order[has]] = program.offer[pair[has]]
    return dealt
