"""Customers by falling prediction, one by one and in equal-count bins, fair to ties.

Customers with equal predictions cannot be told apart, so they share their mean outcome: the order of
rows never changes a figure.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from features.errors import InputError

__all__ = ["Bins", "Floats", "check_pair", "equal_count_bins", "ranked"]

Floats = NDArray[np.float64]


class Bins(NamedTuple):
    """Sums over equal-count bins of customers, highest predictions first."""

    size: Floats
    actual: Floats
    predicted: Floats


def equal_count_bins(actual: ArrayLike, predicted: ArrayLike, *, bins: int = 10) -> Bins:
    """Totals over ``bins`` groups of customers sorted by prediction, highest first.

    Group sizes differ by one at most; the first ones are the larger. With fewer customers than groups
    the last groups are empty.

    Examples
    --------
    >>> equal_count_bins([1, 0, 1], [0.9, 0.1, 0.6], bins=2).actual
    array([2., 0.])
    """
    shared, score = ranked(*check_pair(actual, predicted))
    parts = [np.array_split(values, bins) for values in (shared, score)]
    size = np.array([part.size for part in parts[0]], dtype=np.float64)
    return Bins(size, *(np.array([part.sum() for part in values]) for values in parts))


def ranked(y: Floats, score: Floats) -> tuple[Floats, Floats]:
    """Outcomes and scores by falling score, equal scores sharing their mean outcome.

    Examples
    --------
    >>> ranked(np.array([1.0, 0.0, 1.0]), np.array([0.2, 0.2, 0.9]))
    (array([1. , 0.5, 0.5]), array([0.9, 0.2, 0.2]))
    """
    levels, group = np.unique(-score, return_inverse=True)
    count = np.bincount(group, minlength=levels.size)
    shared = np.bincount(group, weights=y, minlength=levels.size) / np.maximum(count, 1)
    return np.repeat(shared, count), np.repeat(-levels, count)


def check_pair(y: ArrayLike, v: ArrayLike) -> tuple[Floats, Floats]:
    """Both as float64 columns of one length without gaps.

    Raises
    ------
    InputError
        If lengths differ or a value is missing or infinite.
    """
    actual, predicted = np.asarray(y, dtype=np.float64), np.asarray(v, dtype=np.float64)
    if actual.ndim != 1 or actual.shape != predicted.shape:
        shapes = f"{actual.shape} and {predicted.shape}"
        raise InputError(f"outcomes and predictions need one value per customer, got shapes {shapes}")
    for name, values in (("outcomes", actual), ("predictions", predicted)):
        bad = int((~np.isfinite(values)).sum())
        if bad:
            raise InputError(f"{name}: {bad} of {values.size} are missing or infinite; score these first")
    return actual, predicted
