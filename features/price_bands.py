"""Dearer goods of the same categories: who moves to a higher price band, and what that brings.

A customer's usual band is the third of prices (within each category) from which most of the lines are; the lower one where
two are even.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

__all__ = ["BANDS", "BAND_FACTS", "Moves", "band_facts", "usual_band"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]

BANDS: Final = ("low", "middle", "high")
BAND_FACTS: Final = ("next_band_probability", "next_band_margin")
_STRENGTH: Final = 50.0
"""Customers for whom the rate of all customers of a band counts beside that of a group of them."""


@dataclass(frozen=True)
class Moves:
    """Lines of each customer by price band, and what the last year brought.

    Parameters
    ----------
    before, lately : array of float, shape (customers, 3)
        Lines in the low, middle and high band, older than a year and of the last year.
    orders : array of float, shape (customers,)
        Orders of the last year.
    margin : array of float, shape (customers,)
        Margin of the last year, money.
    """

    before: Floats
    lately: Floats
    orders: Floats
    margin: Floats


def usual_band(lines: Floats) -> Ints:
    """Band with most lines: 0 low, 1 middle, 2 high, -1 without lines.

    Examples
    --------
    >>> usual_band(np.array([[2.0, 1.0, 0.0], [1.0, 0.0, 1.0], [0.0, 0.0, 0.0]])).tolist()
    [0, 0, -1]
    """
    return np.where(lines.sum(axis=1) > 0, lines.argmax(axis=1), -1)


def band_facts(moves: Moves, alive: Floats, orders: Floats) -> dict[str, Floats]:
    """Chance that the usual band rises within the coming year, and the margin expected of it.

    Parameters
    ----------
    moves : Moves
        All customers of the base.
    alive : array of float, shape (customers,)
        Chance that the customer still is one.
    orders : array of float, shape (customers,)
        Orders of the coming year expected of one who is.

    Returns
    -------
    dict of str to array
        ``next_band_probability`` in [0, 1] and ``next_band_margin``, money a year, ≥ 0; both 0 in the highest band,
        missing without lines or outlook.

    Notes
    -----
    Rates are those of the customers who bought before the last year and in it: the share whose usual band of the last
    year lies above that of before, by band and by whether most of the rest lies above it (three groups by the share of
    lines above: none, up to a third, more), drawn to the rate of the band with strength 50. The chance is the rate
    times that of ordering at all, alive (1 − e^−orders). What a move brings is the difference in margin per order between
    those who moved and those who did not, at least 0 and times n / (n + 50) of the n who moved, for each order expected.

    Examples
    --------
    >>> lines = np.array([[3.0, 0.0, 0.0], [3.0, 0.0, 0.0]])
    >>> moves = Moves(lines, np.array([[0.0, 2.0, 0.0], [2.0, 0.0, 0.0]]), np.ones(2), np.array([9.0, 3.0]))
    >>> found = band_facts(moves, np.ones(2), np.array([2.0, 2.0]))
    >>> found["next_band_probability"].round(3).tolist(), found["next_band_margin"].round(3).tolist()
    ([0.432, 0.432], [0.118, 0.118])
    """
    start, end = usual_band(moves.before), usual_band(moves.lately)
    now = usual_band(moves.before + moves.lately)
    both = (start >= 0) & (end >= 0)
    up = both & (end > start)
    earlier, group = _group(moves.before, start), _group(moves.before + moves.lately, now)
    rate, gain = np.zeros(len(now)), np.zeros(len(now))
    per_order = moves.margin / np.maximum(moves.orders, 1.0)
    for band in (0, 1):
        of_band = both & (start == band)
        base = up[of_band].mean() if of_band.any() else 0.0
        gain[now == band] = _gain(per_order[of_band & up], per_order[of_band & ~up])
        for share in range(3):
            those = of_band & (earlier == share)
            own = (up[those].sum() + _STRENGTH * base) / (those.sum() + _STRENGTH)
            rate[(now == band) & (group == share)] = own
    missing = (now < 0) | np.isnan(alive)
    chance = np.where(missing, np.nan, rate * alive * -np.expm1(-orders))
    brings = np.where(missing, np.nan, rate * gain * alive * orders)
    return dict(zip(BAND_FACTS, (chance, brings), strict=True))


def _group(lines: Floats, band: Ints) -> Ints:
    """By the share of lines above the band: 0 none, 1 up to a third, 2 more."""
    above = np.where(np.arange(3) > band[:, None], lines, 0.0).sum(axis=1)
    share = above / np.maximum(lines.sum(axis=1), 1.0)
    found: Ints = np.searchsorted([0.0, 1 / 3], share, side="left")
    return found


def _gain(moved: Floats, stayed: Floats) -> float:
    if not len(moved) or not len(stayed):
        return 0.0
    return max(0.0, float(moved.mean() - stayed.mean())) * len(moved) / (len(moved) + _STRENGTH)
