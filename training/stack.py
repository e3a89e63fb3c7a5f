"""How much each of several answers counts: quarters, chosen on days that none of them has learned from.

Stacked generalisation (Wolpert 1992) with weights that are not negative and add up to one (Breiman 1996, "Stacked
regressions"). Quarters are fine enough for two or three answers that resemble each other, and too coarse to
follow the noise of a few days.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product

import numpy as np
import numpy.typing as npt

from training.models.opinions import mixed

__all__ = ["best_weights", "weightings"]

Floats = npt.NDArray[np.float64]
_STEPS = 4


def weightings(answers: int) -> list[tuple[float, ...]]:
    """All weights in quarters; those that count most on the first answers come first.

    Examples
    --------
    >>> weightings(2)
    [(1.0, 0.0), (0.75, 0.25), (0.5, 0.5), (0.25, 0.75), (0.0, 1.0)]
    """
    steps = range(_STEPS, -1, -1)
    return [tuple(n / _STEPS for n in each) for each in product(steps, repeat=answers) if sum(each) == _STEPS]


def best_weights(
    answers: Sequence[Floats], loss: Callable[[Floats], float], *, by_size: bool = False
) -> tuple[float, ...]:
    """The weights whose mixture loses least; of several, those that count most on the first answers.

    Parameters
    ----------
    answers : sequence of array, shape (rows,)
        On one scale, the one to fall back on first.
    loss : callable
        Loss of a mixture.
    by_size : bool
        As for `training.models.opinions.mixed`.
    """
    tried = weightings(len(answers))
    return tried[int(np.argmin([loss(mixed(weights, answers, by_size=by_size)) for weights in tried]))]
