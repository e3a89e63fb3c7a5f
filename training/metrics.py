"""Figures of merit for churn probabilities and values, each one pure function of two arrays.

Customers with equal predictions cannot be told apart, so wherever customers are ranked or binned they
share their mean outcome: the order of rows never changes a figure. Where a figure is undefined (no
customers, one class, a total of zero) the answer is nan, without a warning.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import xlogy
from scipy.stats import spearmanr
from sklearn.metrics import average_precision_score, roc_auc_score

from features.errors import InputError
from training.ranking import Floats, check_pair, equal_count_bins, ranked

__all__ = [
    "Interval",
    "brier",
    "calibration_error",
    "churn_metrics",
    "decile_calibration_error",
    "level_error",
    "log_loss",
    "mae",
    "normalised_gini",
    "pr_auc",
    "rmse",
    "roc_auc",
    "row_log_loss",
    "spearman",
    "top_decile_lift",
    "total_bias",
    "value_metrics",
]

Metric = Callable[[ArrayLike, ArrayLike], float]

# A probability of exactly 0 or 1 that turns out wrong costs −log(1e-15) = 34.5, not infinity.
SMALLEST = 1e-15


class Interval(NamedTuple):
    """A difference of two figures and the bounds of its bootstrap interval."""

    difference: float
    low: float
    high: float


def roc_auc(y: ArrayLike, p: ArrayLike) -> float:
    """Chance that a random churner has a higher probability than a random stayer, ties counting half.

    Parameters
    ----------
    y : outcomes, 0 or 1
    p : predictions; only their order matters

    Returns
    -------
    float in [0, 1]; nan unless both classes are there.

    Examples
    --------
    >>> roc_auc([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    0.75
    """
    y, p = _outcomes(y, p)
    return float(roc_auc_score(y, p)) if _both_classes(y) else math.nan


def pr_auc(y: ArrayLike, p: ArrayLike) -> float:
    """Average precision: precision at each threshold, weighted by the recall gained there.

    Returns
    -------
    float in [0, 1]; nan unless both classes are there.

    Examples
    --------
    >>> round(pr_auc([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]), 4)
    0.8333
    """
    y, p = _outcomes(y, p)
    return float(average_precision_score(y, p)) if _both_classes(y) else math.nan


def log_loss(y: ArrayLike, p: ArrayLike) -> float:
    """Mean of −log of the probability given to what happened.

    Parameters
    ----------
    y : outcomes, 0 or 1
    p : probabilities of 1, in [0, 1]; kept 1e-15 away from both ends

    Returns
    -------
    float ≥ 0; defined for one class too; nan without customers.

    Examples
    --------
    >>> round(log_loss([1, 0], [0.5, 0.5]), 4)
    0.6931
    """
    return _mean(row_log_loss(*_probabilities(y, p)))


def row_log_loss(y: Floats, p: Floats, *, least: float = SMALLEST) -> Floats:
    """−log of the probability given to what happened, in nats, one per row.

    Parameters
    ----------
    y : outcomes, 0 or 1
    p : probabilities of 1
    least : float
        How far certainties are kept from both ends.

    Examples
    --------
    >>> row_log_loss(np.array([1.0, 0.0]), np.array([0.25, 0.0])).round(4).tolist()
    [1.3863, 0.0]
    """
    p = np.clip(p, least, 1 - least)
    return np.asarray(-(xlogy(y, p) + xlogy(1 - y, 1 - p)))


def brier(y: ArrayLike, p: ArrayLike) -> float:
    """Mean squared difference of probability and outcome; defined for one class too.

    Examples
    --------
    >>> brier([1, 0], [0.5, 0.0])
    0.125
    """
    y, p = _probabilities(y, p)
    return _mean((p - y) ** 2)


def calibration_error(y: ArrayLike, p: ArrayLike) -> float:
    """Expected calibration error over ten equal-count bins of the probability.

    Returns
    -------
    float in [0, 1]; defined for one class too; nan without customers.

    Notes
    -----
    ``Σ_b n_b/n · |mean p − mean y|`` over the bins b of ``equal_count_bins``.

    References
    ----------
    Naeini, Cooper & Hauskrecht (2015), Obtaining well calibrated probabilities using Bayesian binning.

    Examples
    --------
    >>> calibration_error([1, 0, 1, 0], [0.5, 0.5, 0.5, 0.5])
    0.0
    """
    y, p = _probabilities(y, p)
    bins = equal_count_bins(y, p)
    return float(np.abs(bins.predicted - bins.actual).sum() / y.size) if y.size else math.nan


def top_decile_lift(y: ArrayLike, p: ArrayLike) -> float:
    """Churn rate among the tenth with the highest probabilities, over the rate among all.

    Returns
    -------
    float ≥ 0; the tenth is rounded up to whole customers; nan when nobody churned.

    Examples
    --------
    >>> top_decile_lift([1, 0, 0, 0, 0, 0, 0, 0, 0, 1], [0.9] + [0.1] * 9)
    5.0
    """
    y, p = _outcomes(y, p)
    if not y.any():
        return math.nan
    shared, _ = ranked(y, p)
    return float(shared[: math.ceil(y.size / 10)].mean() / y.mean())


def mae(y: ArrayLike, v: ArrayLike) -> float:
    """Mean absolute error; nan without customers.

    Examples
    --------
    >>> mae([10, 0], [7, 1])
    2.0
    """
    y, v = check_pair(y, v)
    return _mean(np.abs(v - y))


def rmse(y: ArrayLike, v: ArrayLike) -> float:
    """Root of the mean squared error; nan without customers.

    Examples
    --------
    >>> rmse([3, 0], [0, 4]) == 12.5**0.5
    True
    """
    y, v = check_pair(y, v)
    return math.sqrt(_mean((v - y) ** 2))


def spearman(y: ArrayLike, v: ArrayLike) -> float:
    """Rank correlation, ties at their mean rank; nan when either side is constant.

    Examples
    --------
    >>> spearman([1, 2, 3], [10, 20, 15])
    0.5
    """
    y, v = check_pair(y, v)
    if _constant(y) or _constant(v):
        return math.nan
    return float(spearmanr(y, v).statistic)


def normalised_gini(y: ArrayLike, v: ArrayLike) -> float:
    """How well the prediction orders the money: 1 is a perfect order, 0 none, negative a reversed one.

    Parameters
    ----------
    y : actual values; a negative one (net return) is allowed
    v : predictions; only their order matters

    Returns
    -------
    float; nan when all actual values are equal or their total is not positive.

    Notes
    -----
    With customers sorted by a score, highest first, and Y_i the sum of the first i actual values, the
    Gini of that order is ``Σ_i (Y_i / Y_n − i/n)``. The figure is the Gini of the order by prediction
    over the Gini of the order by the actual values themselves.

    Examples
    --------
    >>> normalised_gini([0, 10, 90], [1, 2, 3]), normalised_gini([0, 10, 90], [3, 2, 1])
    (1.0, -1.0)
    """
    y, v = check_pair(y, v)
    if _constant(y) or y.sum() <= 0:
        return math.nan
    return _gini(y, v) / _gini(y, y)


def decile_calibration_error(y: ArrayLike, v: ArrayLike) -> float:
    """How far predicted totals lie from actual ones by tenths of the prediction ("dec").

    Returns
    -------
    float ≥ 0; nan when the actual total is not positive. Never smaller than ``|total_bias|``.

    Notes
    -----
    ``Σ_b |Σ predicted − Σ actual| / Σ actual`` with b the tenths of ``equal_count_bins``: the mean error
    of a tenth in units of the mean actual total of a tenth.

    Examples
    --------
    >>> decile_calibration_error([1] * 5 + [3] * 5, [2] * 5 + [4] * 5)
    0.5
    """
    y, v = check_pair(y, v)
    bins = equal_count_bins(y, v)
    total = float(y.sum())
    return float(np.abs(bins.predicted - bins.actual).sum()) / total if total > 0 else math.nan


def total_bias(y: ArrayLike, v: ArrayLike) -> float:
    """Predicted total over actual total, minus 1; nan when the actual total is not positive.

    Examples
    --------
    >>> total_bias([10, 10], [5, 10])
    -0.25
    """
    y, v = check_pair(y, v)
    total = float(y.sum())
    return float(v.sum()) / total - 1.0 if total > 0 else math.nan


def level_error(y: ArrayLike, v: ArrayLike) -> float:
    """``|log(Σ predicted / Σ actual)|``: twice too much is as bad as half; nan unless both are positive.

    Examples
    --------
    >>> level_error([1, 1], [1, 3]) == level_error([1, 3], [1, 1])
    True
    """
    y, v = check_pair(y, v)
    actual, predicted = float(y.sum()), float(v.sum())
    return abs(math.log(predicted / actual)) if actual > 0 and predicted > 0 else math.nan


def churn_metrics(y: ArrayLike, p: ArrayLike) -> dict[str, float]:
    """All figures for churn probabilities, by name."""
    used: tuple[Metric, ...] = (roc_auc, pr_auc, log_loss, brier, calibration_error, top_decile_lift)
    return {metric.__name__: metric(y, p) for metric in used}


def value_metrics(y: ArrayLike, v: ArrayLike) -> dict[str, float]:
    """All figures for expected values, by name."""
    errors: tuple[Metric, ...] = (mae, rmse, spearman, normalised_gini)
    levels: tuple[Metric, ...] = (decile_calibration_error, total_bias, level_error)
    return {metric.__name__: metric(y, v) for metric in errors + levels}


def _gini(y: Floats, score: Floats) -> float:
    shared, _ = ranked(y, score)
    return float((shared.cumsum() / shared.sum()).sum()) - (y.size + 1) / 2


def _mean(values: Floats) -> float:
    return float(values.mean()) if values.size else math.nan


def _constant(values: Floats) -> bool:
    return values.size == 0 or bool(values.min() == values.max())


def _both_classes(y: Floats) -> bool:
    return not _constant(y)


def _outcomes(y: ArrayLike, p: ArrayLike) -> tuple[Floats, Floats]:
    actual, predicted = check_pair(y, p)
    other = (actual != 0) & (actual != 1)
    if other.any():
        example = actual[int(other.argmax())]
        raise InputError(
            f"outcomes: {int(other.sum())} of {actual.size} are neither 0 nor 1, such as {example}"
        )
    return actual, predicted


def _probabilities(y: ArrayLike, p: ArrayLike) -> tuple[Floats, Floats]:
    actual, predicted = _outcomes(y, p)
    outside = (predicted < 0) | (predicted > 1)
    if outside.any():
        example = predicted[int(outside.argmax())]
        raise InputError(
            f"probabilities: {int(outside.sum())} of {predicted.size} lie outside [0, 1], such as {example}"
        )
    return actual, predicted
