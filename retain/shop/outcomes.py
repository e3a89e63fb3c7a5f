"""What can be expected of a customer over a window, given everything hidden.

Between two week borders the purchase rate r and the hazard h are constant; then a living customer places
r · (1 − e^(−h·l)) / h orders in expectation over a length l, leaves without an order with probability
h / (h + r) · (1 − e^(−(h + r)·l)), and is still there without an order with probability e^(−(h + r)·l).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from retain.shop.arrays import Floats

__all__ = ["Expectation", "expect", "window"]


@dataclass(frozen=True)
class Expectation:
    """Of customers alive at the start: expected orders per piece, and probability of none at all."""

    orders: Floats
    silent: Floats


def window(start: float, end: float) -> tuple[slice, Floats]:
    """Weeks touched by [start, end) in clock time, and how much of each.

    Examples
    --------
    >>> window(1.5, 3.25)
    (slice(1, 4, None), array([0.5 , 1.  , 0.25]))
    """
    first, last = int(start), max(int(np.ceil(end)), int(start) + 1)
    borders = np.clip(np.arange(first, last + 1, dtype=np.float64), start, end)
    return slice(first, last), np.diff(borders)


def expect(rate: Floats, hazard: Floats, lengths: Floats) -> Expectation:
    """Expected orders and probability of silence over consecutive pieces of time.

    Parameters
    ----------
    rate, hazard : array, shape (customers, pieces)
        Purchase rate and hazard per week.
    lengths : array, shape (pieces,)
        Length of each piece, in weeks.

    Returns
    -------
    Expectation
        ``orders`` of shape (customers, pieces), ``silent`` of shape (customers,).

    Notes
    -----
    Exact for irregular timing (Poisson orders). With regular timing the number of orders is that of a rhythm
    seen at a random moment, a good approximation; the probability of silence is not meant for it.

    References
    ----------
    Schmittlein, Morrison, Colombo (1987), Counting Your Customers, Management Science 33(1), for one piece.

    Examples
    --------
    >>> e = expect(np.array([[1.0]]), np.array([[1e-12]]), np.array([2.0]))
    >>> e.orders.round(6), e.silent.round(6)
    (array([[2.]]), array([0.135335]))
    """
    alive = np.ones(len(rate))
    unheard = np.ones(len(rate))
    orders = np.zeros(rate.shape)
    gone = np.zeros(len(rate))
    for piece, length in enumerate(lengths):
        r, h = rate[:, piece], hazard[:, piece]
        orders[:, piece] = alive * r * -np.expm1(-h * length) / h
        gone += unheard * h / (h + r) * -np.expm1(-(h + r) * length)
        alive = alive * np.exp(-h * length)
        unheard = unheard * np.exp(-(h + r) * length)
    return Expectation(orders=orders, silent=gone + unheard)
