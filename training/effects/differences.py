"""Who gains more than average: scores out of sample, the test whether they say anything, and the scores to keep."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from training.effects.average import Mean, slope_of, within
from training.effects.doubly_robust import Scored
from training.effects.outcome_models import fit_line, ridge
from training.models.effect import Line, Score
from training.models.flat_column import FlatColumn

__all__ = ["Difference", "difference", "kept_score", "straight"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Difference:
    """How one arm differs from another by customer.

    Parameters
    ----------
    arm, base : int
    target : array, shape (n,)
        Doubly robust scores of the arm less those of the base.
    score : array, shape (n,)
        Score of each row by models that did not see it, less the mean of its fold.
    calibration : Mean
        Slope of the target on the score: how much of the score is real.
    """

    arm: int
    base: int
    target: Floats = field(repr=False)
    score: Floats = field(repr=False)
    calibration: Mean

    @property
    def p_value(self) -> float:
        """Of *no heterogeneity found*, one-sided."""
        return self.calibration.p_above()

    @property
    def slope(self) -> float:
        """The slope within [0, 1]: scores are only ever shrunk."""
        return float(np.clip(self.calibration.value, 0.0, 1.0))


def difference(scored: Scored, arm: int, base: int) -> Difference:
    """Scores of one arm against another, out of sample, with their calibration.

    Notes
    -----
    In fold k the score is ½ (μ̂_arm − μ̂_base) + ½ r̂, all learnt on the other folds; r̂ is a ridge regression of
    Γ_arm − Γ_base (the DR-learner of Kennedy 2023 with a strongly shrunk final stage, straight in every number).
    The Γ of other folds know the rows of fold k through their μ̂; with known propensities that μ̂ is multiplied by
    1 − 1{A = a}/e, which has mean zero independently of all outcomes, so that the test keeps its size.
    """
    target = scored.gamma[:, arm] - scored.gamma[:, base]
    keep = straight(scored.columns)
    score = 0.5 * (scored.expected[:, arm] - scored.expected[:, base])
    for k in np.unique(scored.fold):
        out = scored.fold == k
        line = ridge(scored.design[~out][:, keep], target[~out])
        score[out] += 0.5 * line.value(scored.design[out][:, keep])
    score = within(score, scored.fold)
    return Difference(arm, base, target, score, slope_of(score, target, scored.fold, scored.log.clusters()))


def kept_score(scored: Scored, found: Difference) -> Score:
    """The score learnt on all rows."""
    log, keep = scored.log, straight(scored.columns)
    treated, base = (
        fit_line(scored.design[log.given == a], log.outcome[log.given == a], binary=log.kind == "binary")
        for a in (found.arm, found.base)
    )
    narrow = ridge(scored.design[:, keep], found.target)
    weights = np.zeros(scored.design.shape[1])
    weights[keep] = narrow.weights
    score = Score(treated, base, Line(narrow.intercept, tuple(map(float, weights))))
    return Score(treated, base, score.line, float(score.value(scored.design).mean()))


def straight(columns: tuple[FlatColumn, ...]) -> npt.NDArray[np.bool_]:
    """Columns of the design without the bends of numbers: the number itself, its missing flag, and all levels.

    Examples
    --------
    >>> straight((FlatColumn("x", "number", knots=(0.0, 1.0, 2.0)), FlatColumn("y", "category"))).tolist()
    [True, False, True, True, True]
    """
    kept = []
    for column in columns:
        bend = column.kind == "number"
        kept += [not bend or at in (0, column.width - 1) for at in range(column.width)]
    return np.array(kept, dtype=bool)
