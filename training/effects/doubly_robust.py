"""Cross-fitted doubly robust scores: for every row an unbiased, if noisy, outcome under every arm."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

from training.contracts.snapshot_fit import learn_columns
from training.effects.outcome_models import fit_line
from training.effects.trial_log import TrialLog
from training.models.effect import read_design
from training.models.flat_column import FlatColumn

__all__ = ["Scored", "columns_of", "expect_outcomes", "score_rows"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Scored:
    """A log with its scores.

    Parameters
    ----------
    log : TrialLog
    columns : tuple of FlatColumn
        How features become the design.
    design : array, shape (n, p)
    fold : array of int, shape (n,)
    expected : array, shape (n, k + 1)
        Outcome under each arm, by models that did not see the row.
    gamma : array, shape (n, k + 1)
        Doubly robust scores: their mean under an arm is the outcome if everybody got it.
    """

    log: TrialLog
    columns: tuple[FlatColumn, ...] = field(repr=False)
    design: Floats = field(repr=False)
    fold: Ints = field(repr=False)
    expected: Floats = field(repr=False)
    gamma: Floats = field(repr=False)


def score_rows(log: TrialLog, *, folds: int = 5, seed: int = 0) -> Scored:
    """Scores of all rows.

    Parameters
    ----------
    log : TrialLog
    folds : int
        At least 2.
    seed : int

    Returns
    -------
    Scored

    Notes
    -----
    Γ_a = μ̂_a(x) + 1{A = a} (y − μ̂_a(x)) / e_a(x), with μ̂ from the other folds. With known e, E[Γ_a | x] is the
    expected outcome under a whatever μ̂ says; a good μ̂ only makes it less noisy (Robins, Rotnitzky & Zhao 1994;
    cross-fitting: Chernozhukov et al. 2018, "Double/debiased machine learning").
    """
    columns = columns_of(log.features)
    design = read_design(columns, log.features)
    fold = log.folds(folds, seed)
    expected = np.empty((log.rows, log.arms))
    for k in range(folds):
        out = fold == k
        for arm in range(log.arms):
            seen = ~out & (log.given == arm)
            line = fit_line(design[seen], log.outcome[seen], binary=log.kind == "binary")
            expected[out, arm] = line.value(design[out])
    return Scored(log, columns, design, fold, expected, _gamma(log, expected))


def expect_outcomes(log: TrialLog, features: pd.DataFrame) -> Floats:
    """Outcome under each arm for rows outside the log, shape (m, k + 1)."""
    columns = columns_of(log.features)
    seen, asked = read_design(columns, log.features), read_design(columns, features)
    found = []
    for arm in range(log.arms):
        got = log.given == arm
        found.append(fit_line(seen[got], log.outcome[got], binary=log.kind == "binary").value(asked))
    return np.column_stack(found)


def _gamma(log: TrialLog, expected: Floats) -> Floats:
    got = log.given[:, None] == np.arange(log.arms)
    return expected + got * (log.outcome[:, None] - expected) / log.propensity


def columns_of(features: pd.DataFrame) -> tuple[FlatColumn, ...]:
    """How each column is read: numbers as bending lines, texts as levels."""
    plain = []
    for name in features.columns:
        cells = features[name]
        number = pd.api.types.is_numeric_dtype(cells) or pd.api.types.is_bool_dtype(cells)
        plain.append(FlatColumn(str(name), "number" if number else "category"))
    typed = pd.DataFrame({column.name: column.read(features[column.name]) for column in plain})
    return learn_columns(tuple(plain), typed)
