"""Regularity: how even the gaps between a customer's purchases are, on average over customers."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq

__all__ = ["regularity"]

Floats = npt.NDArray[np.float64]
_FEWEST_GAPS = 3
_FEWEST_CUSTOMERS = 30
# Beyond these nothing changes: gaps that are all equal, or all but one of no length.
_LOG_RANGE = (-5.0, 8.0)


def regularity(gaps: Floats, gap_mean: Floats, gap_sd: Floats) -> float | None:
    """Shape k of the gaps: 1 where purchases come at random, above 1 where they keep a rhythm.

    Parameters
    ----------
    gaps : array, shape (customers,)
        Number of gaps between purchases.
    gap_mean, gap_sd : array, shape (customers,)
        Their mean and sample standard deviation in one unit of time; missing where unknown.

    Returns
    -------
    float or None
        In [0.007, 2981]; None with fewer than 30 customers of three or more gaps.

    Notes
    -----
    With n gamma gaps of shape k, mean m and standard deviation s: E[s²/m²] = n / (n k + 1), whatever the customer's
    own pace. The k that equals both sides summed over customers is the answer.

    References
    ----------
    Wheat & Morrison (1990), Estimating purchase regularity with two interpurchase times, Journal of Marketing
    Research 27(1): the idea of a measure free of the customers' paces.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> gaps = rng.gamma(4.0, rng.gamma(2.0, 5.0, (5000, 1)), (5000, 6))
    >>> round(regularity(np.full(5000, 6.0), gaps.mean(axis=1), gaps.std(axis=1, ddof=1)))
    4
    """
    known = (gaps >= _FEWEST_GAPS) & (gap_mean > 0) & np.isfinite(gap_sd)
    if known.sum() < _FEWEST_CUSTOMERS:
        return None
    n, found = gaps[known], float(np.sum(np.square(gap_sd[known] / gap_mean[known])))

    def missed(log_k: float) -> float:
        return float(np.sum(n / (n * np.exp(log_k) + 1.0))) - found

    low, high = _LOG_RANGE
    if missed(high) >= 0:
        return float(np.exp(high))
    return float(np.exp(low if missed(low) <= 0 else brentq(missed, low, high)))
