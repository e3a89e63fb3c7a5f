"""Several answers made one: the mean of logarithms or of sizes (opinion pools, Genest & Zidek 1986)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

import numpy as np
import numpy.typing as npt

__all__ = ["mixed"]

Floats = npt.NDArray[np.float64]


def mixed(weights: Sequence[float], answers: Sequence[Floats], *, by_size: bool = False) -> Floats:
    """The weighted mean of answers on a logarithmic scale; one that counts nothing is not looked at.

    Parameters
    ----------
    weights : sequence of float
        Adding up to 1.
    answers : sequence of array
        Logarithms, or log-odds.
    by_size : bool
        Whether sizes are averaged; their logarithms otherwise.

    Examples
    --------
    >>> ten, thousand = np.log([10.0]), np.log([1000.0])
    >>> [round(float(np.exp(mixed((0.5, 0.5), (ten, thousand), by_size=b))[0])) for b in (False, True)]
    [100, 505]
    """
    counted = [(w, answer) for w, answer in zip(weights, answers, strict=True) if w]
    if len(counted) == 1:
        return counted[0][1]
    if by_size:
        # Taken from the largest, so that no size is too large for a float.
        largest = reduce(np.maximum, [answer for _, answer in counted])
        shares = [w * np.exp(answer - largest) for w, answer in counted]
        return largest + np.log(reduce(np.add, shares))
    return reduce(np.add, [w * answer for w, answer in counted])
