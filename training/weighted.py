"""Figures of ranked customers under many sets of weights at once: the inner loop of the bootstrap.

A draw of customers with replacement is a weight per customer: how often it was drawn. The first set of weights
is all ones, so the first figure is the one of the data themselves. Customers with equal scores cannot be told
apart: whatever is taken from them is taken from all of them in equal parts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from training.meeting import Meeting
from training.ranking import Floats

__all__ = ["FLOOR", "area_under", "best_share", "cluster_weights", "scaled"]

FLOOR = -100.0
# Draws times customers at a time: what a processor keeps close.
_CELLS = 100_000


def best_share(score: Floats, share: float, gains: Floats, weights: Floats) -> Floats:
    """Weighted totals of some gains over the best `share` of the weight.

    Parameters
    ----------
    score : array, shape (customers,)
        Only its order matters.
    share : float
        In (0, 1].
    gains : array, shape (kinds, customers)
        What each customer brings, in as many kinds as wanted.
    weights : array, shape (customers, draws)
        Weight of each customer in each draw, 0 or more.

    Returns
    -------
    array, shape (kinds, draws)

    Examples
    --------
    >>> best_share(np.array([0.9, 0.8, 0.8, 0.1]), 0.5, np.array([[8.0, 4.0, 2.0, 1.0]]), np.ones((4, 1)))
    array([[11.]])
    """
    order = np.argsort(-score, kind="stable")
    ranked = score[order]
    room = share * weights.sum(axis=0)
    # The best share of a draw lies among the first rows, hardly ever beyond half as many again.
    for part in (1.5 * share, 1.0):
        count = int(
            np.searchsorted(-ranked, -ranked[min(score.size - 1, int(part * score.size))], side="right")
        )
        some = weights[order[:count]]
        if part == 1.0 or count == score.size or (some.sum(axis=0) >= room).all():
            break
    starts = np.flatnonzero(np.append(True, ranked[1:count] != ranked[: count - 1]))
    mass = _together(some, starts)
    taken = room - mass.cumsum(axis=0)
    taken += mass
    np.clip(np.divide(taken, np.where(mass > 0, mass, 1.0), out=taken), 0.0, 1.0, out=taken)
    chosen = gains[:, order[:count]]
    return np.stack([np.einsum("gd,gd->d", taken, _together(some * g[:, None], starts)) for g in chosen])


def area_under(score: Floats, churned: Floats, weights: Floats) -> Floats:
    """Chance that a 1 has a higher score than a 0, ties counting half.

    Returns
    -------
    array, shape (draws,); nan unless both are drawn.

    Examples
    --------
    >>> area_under(np.array([0.1, 0.4, 0.35, 0.8]), np.array([0.0, 0.0, 1.0, 1.0]), np.ones((4, 1)))
    array([0.75])
    """
    ones, zeros = np.flatnonzero(churned > 0), np.flatnonzero(churned <= 0)
    if not ones.size or not zeros.size:
        return np.full(weights.shape[1], np.nan)
    zeros = zeros[np.argsort(score[zeros], kind="stable")]
    # Row k is the weight of the k lowest zeros.
    below = np.zeros((zeros.size + 1, weights.shape[1]))
    np.cumsum(weights[zeros], axis=0, out=below[1:])
    low = np.searchsorted(score[zeros], score[ones], side="left")
    high = np.searchsorted(score[zeros], score[ones], side="right")
    heavy = weights[ones]
    won = np.einsum("cd,cd->d", heavy, below[low])
    if (low != high).any():
        won = 0.5 * (won + np.einsum("cd,cd->d", heavy, below[high]))
    pairs = heavy.sum(axis=0) * below[-1]
    area: Floats = np.where(pairs > 0, won / np.where(pairs > 0, pairs, 1.0), np.nan)
    return area


def scaled(found: Floats, chance: Floats, perfect: Floats) -> Floats:
    """From 0 (chance) to 100 (perfect), not below −100; nan where the two are the same.

    Examples
    --------
    >>> scaled(np.array([3.0]), np.array([1.0]), np.array([5.0]))
    array([50.])
    """
    apart = perfect - chance
    # What rounding leaves between two equal sums is no distance.
    there = apart > 1e-9 * np.maximum(np.abs(perfect), np.abs(chance))
    quality = 100.0 * (found - chance) / np.where(there, apart, 1.0)
    return np.where(there, np.maximum(quality, FLOOR), np.nan)


def cluster_weights(meetings: Sequence[Meeting], draws: int, seed: int) -> Iterator[list[Floats]]:
    """Weights of every meeting's rows: ones, then `draws` drawings of customers with replacement, some at a time.

    A customer is drawn with all their rows of all meetings, because outcomes of one customer on overlapping windows
    are nearly the same outcome: drawing rows one by one would claim more certainty than there is.

    Yields
    ------
    list of arrays, shape (customers of the meeting, some draws)
        How often each customer is drawn; the very first holds the ones alone. Nothing without customers.
    """
    everybody = np.unique(np.concatenate([m.customer for m in meetings] or [np.empty(0, dtype=np.int64)]))
    size = everybody.size
    if not size:
        return
    rows = [np.searchsorted(everybody, m.customer) for m in meetings]
    yield [np.ones((len(own), 1)) for own in rows]
    rng = np.random.default_rng(seed)
    step = max(1, _CELLS // size)
    for start in range(0, draws, step):
        some = min(step, draws - start)
        picked = rng.integers(0, size, (some, size)) + size * np.arange(some)[:, None]
        counts = np.bincount(picked.ravel(), minlength=some * size).reshape(some, size)
        # Customer by customer in memory: figures sum over customers, all draws at a time.
        by_customer = np.ascontiguousarray(counts.T, dtype=np.float64)
        yield [by_customer[own] for own in rows]


def _together(rows: Floats, starts: npt.NDArray[np.intp]) -> Floats:
    """Sums over rows of equal score."""
    return rows if starts.size == len(rows) else np.add.reduceat(rows, starts, axis=0)
