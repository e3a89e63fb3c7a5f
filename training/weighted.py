"""Figures of ranked customers under many sets of weights at once: the inner loop of the bootstrap.

A draw of customers with replacement is a weight per customer: how often it was drawn. The first set of weights
is all ones, so the first figure is the one of the data themselves. Customers with equal scores cannot be told
apart: whatever is taken from them is taken from all of them in equal parts.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from training.meeting import Meeting
from training.ranking import Floats

__all__ = ["Ranking", "cluster_weights", "scaled"]

FLOOR = -100.0


class Ranking:
    """Customers by falling score, with weights.

    Parameters
    ----------
    score : array, shape (customers,)
        Only its order matters.
    weights : array, shape (customers, draws)
        Weight of each customer in each draw, 0 or more.

    Examples
    --------
    >>> ones = np.ones((4, 1))
    >>> Ranking(np.array([0.9, 0.8, 0.8, 0.1]), ones).best(0.5, np.array([8.0, 4.0, 2.0, 1.0]))
    array([11.])
    """

    def __init__(self, score: Floats, weights: Floats) -> None:
        self._order = np.argsort(-score, kind="stable")
        ranked = score[self._order]
        first = np.append(True, ranked[1:] != ranked[:-1])
        self._starts = None if first.all() else np.flatnonzero(first)
        self._weights = weights[self._order]
        self._mass = self._together(self._weights)
        self._before = self._mass.cumsum(axis=0)
        self._before -= self._mass

    def best(self, share: float, gain: Floats) -> Floats:
        """Weighted total of `gain` over the best `share` of the weight, shape (draws,)."""
        room = share * self._mass.sum(axis=0) - self._before
        some = np.where(self._mass > 0, self._mass, 1.0)
        part = np.clip(np.divide(room, some, out=room), 0.0, 1.0, out=room)
        total: Floats = np.einsum("gd,gd->d", part, self._sums(gain))
        return total

    def area(self, y: Floats) -> Floats:
        """Chance that a 1 stands above a 0, ties counting half, shape (draws,); nan unless both are drawn."""
        ones = self._sums(y)
        zeros = self._mass - ones
        wins = zeros.sum(axis=0) - zeros.cumsum(axis=0)
        wins += 0.5 * zeros
        pairs = ones.sum(axis=0) * zeros.sum(axis=0)
        won = np.einsum("gd,gd->d", ones, wins)
        return np.where(pairs > 0, won / np.where(pairs > 0, pairs, 1.0), np.nan)

    def _sums(self, values: Floats) -> Floats:
        return self._together(self._weights * values[self._order][:, None])

    def _together(self, rows: Floats) -> Floats:
        return rows if self._starts is None else np.add.reduceat(rows, self._starts, axis=0)


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


def cluster_weights(meetings: Sequence[Meeting], draws: int, seed: int) -> list[Floats]:
    """Weights of every meeting's rows: ones, then `draws` drawings of customers with replacement.

    A customer is drawn with all its rows of all meetings, because they are not independent.

    Returns
    -------
    list of arrays, shape (customers of the meeting, 1 + draws).
    """
    everybody = np.unique(np.concatenate([m.customer for m in meetings]))
    rng = np.random.default_rng(seed)
    size = everybody.size
    counts = np.empty((size, draws + 1))
    counts[:, 0] = 1.0
    for draw in range(draws):
        counts[:, draw + 1] = np.bincount(rng.integers(0, size, size), minlength=size)
    return [counts[np.searchsorted(everybody, m.customer)] for m in meetings]
