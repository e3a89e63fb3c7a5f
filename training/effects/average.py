"""Means of doubly robust scores with errors that know which rows belong to one customer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import norm

__all__ = ["Mean", "mean_of", "slope_of"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Mean:
    """An estimate and its standard error, normal.

    Examples
    --------
    >>> estimate = Mean(2.0, 1.0)
    >>> [round(bound, 2) for bound in estimate.interval()]
    [0.04, 3.96]
    >>> round(estimate.low(0.95), 2), round(estimate.p_above(), 3)
    (0.36, 0.023)
    """

    value: float
    error: float

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Two-sided interval."""
        reach = float(norm.ppf(0.5 + level / 2)) * self.error
        return self.value - reach, self.value + reach

    def low(self, level: float) -> float:
        """One-sided lower bound."""
        return self.value - float(norm.ppf(level)) * self.error

    def p_above(self) -> float:
        """One-sided p value of *not above zero*; 1 where there is neither estimate nor error."""
        if self.error == 0:
            return 0.0 if self.value > 0 else 1.0
        return float(norm.sf(self.value / self.error))


def mean_of(values: Floats, cluster: Ints) -> Mean:
    """Mean over rows, the error over clusters.

    Notes
    -----
    With residuals r of G clusters: error² = G/(G − 1) Σ_g (Σ_{i∈g} r_i)² / n².

    Examples
    --------
    >>> found = mean_of(np.array([0.0, 2.0, 0.0, 2.0]), np.arange(4))
    >>> found.value, round(found.error, 4)
    (1.0, 0.5774)
    >>> mean_of(np.array([0.0, 0.0, 2.0, 2.0]), np.array([0, 0, 1, 1])).error
    1.0
    """
    value = float(values.mean())
    sums = np.bincount(cluster, weights=values - value)
    groups = len(sums)
    return Mean(value, float(np.sqrt(groups / (groups - 1) * (sums @ sums)) / len(values)))


def slope_of(score: Floats, target: Floats, fold: Ints, cluster: Ints) -> Mean:
    """Slope of the target on the score within folds.

    Notes
    -----
    The best linear predictor of Chernozhukov, Demirer, Duflo & Fernández-Val (2018): Γ − Γ₀ = fold's mean +
    β (ŝ − fold's mean of ŝ). β = 0 where ŝ says nothing, 1 where it is right in scale. Each fold has its own level,
    as the mean of the other folds falls when its own rises.

    Examples
    --------
    >>> score = np.array([-1.0, 1.0, -1.0, 1.0])
    >>> slope_of(score, 3 + 0.5 * score, np.array([0, 0, 1, 1]), np.arange(4)).value
    0.5
    """
    x, y = within(score, fold), within(target, fold)
    total = float(x @ x)
    if total <= 1e-12 * max(1.0, float(y @ y)):
        return Mean(0.0, 0.0)
    slope = float(x @ y) / total
    sums = np.bincount(cluster, weights=x * (y - slope * x))
    groups = len(sums)
    return Mean(slope, float(np.sqrt(groups / (groups - 1) * (sums @ sums)) / total))


def within(values: Floats, fold: Ints) -> Floats:
    """Values less the mean of their fold."""
    means = np.bincount(fold, weights=values) / np.maximum(np.bincount(fold), 1)
    return values - means[fold]
