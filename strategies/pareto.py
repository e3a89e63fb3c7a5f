"""Pareto concentration 二八法则: what share of revenue and margin the best customers hold, Lorenz curve, Gini.

=========================== ==================================================================
Figure                      Reading
=========================== ==================================================================
share of the top 20 %       80 % by the rule of thumb; many markets are less concentrated
Lorenz curve                share of the value held by the poorest p of the customers
Gini                        0: all alike; 1: one customer holds everything
=========================== ==================================================================

Values are whole numbers of 1/10,000 of the currency, and the sums behind every figure are exact. Customers who tie may
stand in any order: a share that ends among them takes its part of each. Customers who gave back more than they bought
have negative values: the curve then starts below zero, the best may hold more than 100 %, and the Gini may pass 1. Where
the total is not positive there is nothing to share, and the figures are missing. The tables say how many are negative.

References
----------
Lorenz, M. O. (1905). Methods of measuring the concentration of wealth. Publications of the American Statistical
Association 9 (70).
Schmittlein, D. C., Cooper, L. G., Morrison, D. G. (1993). Truth in concentration in the land of (80/20) laws. Marketing
Science 12 (2).
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.exact import MONEY

__all__ = ["TOP_SHARES", "concentration", "gini", "lorenz", "top_share"]

TOP_SHARES: Final = (0.01, 0.05, 0.20)
"""Shares of the customers, the best first, whose part is reported."""

_STEPS: Final = 100


def gini(values: NDArray[np.int64]) -> float:
    """Gini coefficient of values per customer.

    Parameters
    ----------
    values : array of int64
        One value per customer, in 1/10,000 of the currency.

    Returns
    -------
    float
        0 for all alike to (n − 1)/n for one who holds everything; above that only with negative values; NaN where
        the total is not positive.

    Notes
    -----
    With x sorted upwards, places i from 1::

        G = 2 · Σ i·x_i / (n · Σ x_i) − (n + 1) / n

    in whole numbers without bounds, so that nothing is rounded before the division.

    Examples
    --------
    >>> gini(np.array([1, 1, 1, 1])), gini(np.array([0, 0, 0, 8])), gini(np.array([1, 3]))
    (0.0, 0.75, 0.25)
    """
    ordered = np.sort(values).astype(object)
    total, count = int(ordered.sum()) if len(ordered) else 0, len(ordered)
    if total <= 0:
        return float("nan")
    weighted = int(np.dot(np.arange(1, count + 1).astype(object), ordered))
    return float(Fraction(2 * weighted, count * total) - Fraction(count + 1, count))


def lorenz(values: NDArray[np.int64]) -> pd.DataFrame:
    """Lorenz curve at every hundredth of the customers, the poorest first.

    Parameters
    ----------
    values : array of int64
        One value per customer, in 1/10,000 of the currency.

    Returns
    -------
    DataFrame
        ``customer_share`` (0, 0.01 … 1) and ``value_share``; missing where the total is not positive.

    Examples
    --------
    >>> lorenz(np.array([1, 3])).iloc[[0, 50, 100]].values.tolist()
    [[0.0, 0.0], [0.5, 0.25], [1.0, 1.0]]
    """
    places = [Fraction(step, _STEPS) for step in range(_STEPS + 1)]
    held = _held(np.sort(values), places)
    return pd.DataFrame({"customer_share": np.arange(_STEPS + 1) / _STEPS, "value_share": held})


def top_share(values: NDArray[np.int64], share: float) -> float:
    """Part of the total that the best `share` of the customers holds.

    Examples
    --------
    >>> top_share(np.array([80, 10, 5, 3, 2]), 0.2), top_share(np.array([8, 2]), 0.25)
    (0.8, 0.4)
    """
    return _held(np.sort(values)[::-1], [Fraction(str(share))])[0]


def concentration(
    revenue: NDArray[np.int64], margin: NDArray[np.int64], shares: Sequence[float] = TOP_SHARES
) -> pd.DataFrame:
    """Concentration of revenue and of margin, each ordered by itself.

    Parameters
    ----------
    revenue, margin : array of int64
        One value per customer, in 1/10,000 of the currency.
    shares : sequence of float
        In (0, 1]; shares of the customers, the best first.

    Returns
    -------
    DataFrame
        Rows ``revenue`` and ``margin`` (column ``value``): ``customers``, ``total``, ``top_1`` … (share held by the best
        1 % …), ``gini``, ``negative`` (customers below zero), ``negative_total``.

    Examples
    --------
    >>> found = concentration(np.array([80_000, 20_000]), np.array([10_000, -5_000]), [0.5])
    >>> found[["value", "total", "top_50", "negative"]].values.tolist()
    [['revenue', 10.0, 0.8, 0], ['margin', 0.5, 2.0, 1]]
    """
    return pd.DataFrame([_row("revenue", revenue, shares), _row("margin", margin, shares)])


def _row(name: str, values: NDArray[np.int64], shares: Sequence[float]) -> dict[str, object]:
    below = values[values < 0]
    tops = {f"top_{share * 100:g}": top_share(values, share) for share in shares}
    return {
        "value": name,
        "customers": len(values),
        "total": int(values.sum()) / MONEY,
        **tops,
        "gini": gini(values),
        "negative": len(below),
        "negative_total": int(below.sum()) / MONEY,
    }


def _held(ordered: NDArray[np.int64], places: Sequence[Fraction]) -> list[float]:
    """Share of the total held by the first `places` of the customers, counting part of the one it ends in."""
    total, count = int(ordered.sum()), len(ordered)
    if total <= 0:
        return [float("nan")] * len(places)
    sums = np.concatenate([[0], np.cumsum(ordered)])
    found = []
    for place in places:
        whole, part = divmod(place * count, 1)
        more = part * int(ordered[whole]) if part else Fraction(0)
        found.append(float((int(sums[whole]) + more) / total))
    return found
