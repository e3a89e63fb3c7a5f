"""Fitting the model of a flat table: each rung only where cross-validation says that it beat the one below.

Base rate, then a ridge regression on bending lines and flags, then small trees, then the average of the last two.
Nothing is chosen by looking at rows that judge: whoever cross-validates this function has nested choices.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from training.models.flat_column import FlatColumn
from training.models.head import logit
from training.models.snapshot_model import Linear, SnapshotModel, design, tree_matrix
from training.models.trees import Trees

__all__ = ["MIN_RARE", "fit_snapshot_model", "fit_trees", "folds_of", "learn_columns", "stratified_folds"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
MIN_RARE = 10
_FOLDS = 4
_RIDGES = (1.0, 5.0, 25.0, 125.0)
_ROUNDS = (150, 350, 700)
_MOST_KNOTS = 8
_FEWEST_SEEN = 8
_MOST_LEVELS = 100


def fit_snapshot_model(
    columns: tuple[FlatColumn, ...],
    typed: pd.DataFrame,
    left: Floats,
    *,
    seed: int,
    fold: Ints | None = None,
) -> SnapshotModel:
    """The highest rung that beat those below it out of fold.

    Parameters
    ----------
    columns : tuple of FlatColumn
        How the columns are read.
    typed : pandas.DataFrame
        Their values.
    left : array of 0 and 1
    seed : int
        Of folds and trees.
    fold : array of int, optional
        Number of the fold of each row, 0 to 3, where rows of one customer belong together; stratified without it.

    Returns
    -------
    SnapshotModel
        The base rate alone with fewer than 10 rows of the rarer outcome.

    Notes
    -----
    Four stratified folds give every rung its out-of-fold losses. A rung is climbed when its mean loss is lower by
    more than one standard error of the paired difference (Breiman et al. 1984), the average when it is lower than
    both its parts: by convexity it cannot be far above them. The strength of the ridge and the number of trees are
    the best of a few.
    """
    rate = float(np.clip(left.mean(), 0.5 / len(left), 1 - 0.5 / len(left)))
    base = float(logit(np.array(rate)))
    folds = stratified_folds(left, _FOLDS, seed) if fold is None else fold
    taught = all(np.unique(left[folds != k]).size == 2 for k in np.unique(folds))
    if min(left.sum(), len(left) - left.sum()) < MIN_RARE or not taught:
        return SnapshotModel(columns, base)
    learned = learn_columns(columns, typed)
    trial = _Trial(learned, typed, left, seed)
    rung, ridge, rounds = trial.climb(folds)
    model = SnapshotModel(learned, base)
    if rung in ("linear", "average"):
        model = replace(model, linear=_ridge(trial.matrix, left, (ridge,))[0])
    if rung in ("trees", "average"):
        model = replace(model, trees=fit_trees(learned, trial.codes, left, rounds=rounds, seed=seed))
    return model


class _Trial:
    """Out-of-fold log-odds of every rung on the same folds."""

    def __init__(self, columns: tuple[FlatColumn, ...], typed: pd.DataFrame, left: Floats, seed: int) -> None:
        self.columns, self.left, self.seed = columns, left, seed
        self.matrix, self.codes = design(columns, typed), tree_matrix(columns, typed)

    def climb(self, fold: Ints) -> tuple[str, float, int]:
        """Name of the rung, strength of its ridge, number of its trees."""
        outs = [fold == k for k in np.unique(fold)]
        base = np.empty(len(self.left))
        lines = np.empty((len(_RIDGES), len(self.left)))
        for out in outs:
            known = self.left[~out]
            base[out] = logit(np.array(known.mean()))
            for at, linear in enumerate(_ridge(self.matrix[~out], known, _RIDGES)):
                lines[at, out] = linear.intercept + linear.parts(self.matrix[out]).sum(axis=1)
        at = int(np.argmin([self._losses(raw).mean() for raw in lines]))
        trees, rounds = self._trees(outs)
        return self._rung(base, lines[at], trees), _RIDGES[at], rounds

    def _trees(self, outs: list[npt.NDArray[np.bool_]]) -> tuple[Floats, int]:
        """Log-odds of the best number of trees, and that number; more are grown only while they help."""
        growing = [_booster(self.columns, self.codes[~out], self.left[~out], self.seed) for out in outs]
        asked = [np.ascontiguousarray(self.codes[out].to_numpy(np.float64)) for out in outs]
        best, chosen, grown = np.zeros(len(self.left)), 0, 0
        for rounds in _ROUNDS:
            raw = np.empty(len(self.left))
            for out, booster, matrix in zip(outs, growing, asked, strict=True):
                _grow(booster, rounds - grown)
                raw[out] = booster.predict(matrix, raw_score=True, num_threads=1)
            if chosen and self._losses(raw).mean() >= self._losses(best).mean():
                break
            best, chosen, grown = raw, rounds, rounds
        return best, chosen

    def _rung(self, base: Floats, line: Floats, trees: Floats) -> str:
        rung, losses = "base_rate", self._losses(base)
        for name, raw in (("linear", line), ("trees", trees)):
            gain = losses - self._losses(raw)
            if gain.mean() > gain.std(ddof=1) / np.sqrt(len(gain)):
                rung, losses = name, self._losses(raw)
        both = float(self._losses((line + trees) / 2).mean())
        parts = (float(self._losses(line).mean()), float(self._losses(trees).mean()))
        return "average" if rung != "base_rate" and both < min(parts) else rung

    def _losses(self, raw: Floats) -> Floats:
        """Log loss of each row: log(1 + exp(-z)) of those who left, log(1 + exp(z)) of the others."""
        return np.logaddexp(0.0, np.where(self.left > 0, -raw, raw))


def learn_columns(columns: tuple[FlatColumn, ...], typed: pd.DataFrame) -> tuple[FlatColumn, ...]:
    """The columns with knots at rounded quantiles, and with the levels that enough rows share.

    Examples
    --------
    >>> table = pd.DataFrame({"plan": ["a"] * 30 + ["b"] * 20 + ["rare"]})
    >>> learn_columns((FlatColumn("plan", "category"),), table)[0].levels
    ('a', 'b')
    """
    return tuple(_learned(column, typed[column.name]) for column in columns)


def _learned(column: FlatColumn, values: pd.Series) -> FlatColumn:
    known = values.dropna()
    if column.kind == "category":
        counts = known.value_counts().head(_MOST_LEVELS)
        least = max(5, min(20, len(values) // 50))
        return replace(column, levels=tuple(sorted(str(v) for v, n in counts.items() if n >= least)))
    numbers = known.to_numpy(np.float64)
    if not numbers.size:
        return column
    grid = np.quantile(numbers, np.linspace(0.02, 0.98, _MOST_KNOTS))
    knots = tuple(sorted({float(f"{k:.2g}") for k in grid}))
    within = np.clip(numbers, knots[0], knots[-1]) if len(knots) > 1 else numbers
    spread = float(f"{within.std():.2g}")
    centre = float(f"{np.median(numbers):.2g}")
    if len(knots) < 3 or np.unique(numbers).size <= 2:
        return replace(column, centre=centre, scale=spread or 1.0)
    return replace(column, knots=knots, centre=centre, scale=spread or 1.0)


def _ridge(matrix: Floats, left: Floats, strengths: tuple[float, ...]) -> list[Linear]:
    """Ridge logistic regressions with a free intercept, each started from the one before.

    Their weights lie in the space that the rows span: with more columns than rows they are solved there, which gives
    the same answer from small matrices (Hastie & Tibshirani 2004, Efficient quadratic regularization, section 2).
    """
    from sklearn.linear_model import LogisticRegression

    means = matrix.mean(axis=0)
    rows = matrix - means
    axes = np.linalg.svd(rows, full_matrices=False)[2] if rows.shape[1] > rows.shape[0] else None
    if axes is not None:
        rows = rows @ axes.T
    model = LogisticRegression(solver="newton-cholesky", warm_start=True, max_iter=200, tol=1e-6)
    found = []
    for strength in strengths:
        model.set_params(C=1.0 / strength).fit(rows, left)
        weights = model.coef_[0] if axes is None else model.coef_[0] @ axes
        found.append(Linear(float(model.intercept_[0]), tuple(map(float, weights)), tuple(map(float, means))))
    return found


def fit_trees(
    columns: tuple[FlatColumn, ...], codes: pd.DataFrame, left: Floats, *, rounds: int, seed: int
) -> Trees:
    """Small, slow, regularised trees on `tree_matrix`; categories stay categories."""
    booster = _booster(columns, codes, left, seed)
    _grow(booster, rounds)
    # Smallest and largest values are single customers' figures; predictions do not need them.
    none = "feature_infos=" + " ".join(["none"] * len(columns))
    return Trees(re.sub(r"(?m)^feature_infos=.*$", none, booster.model_to_string()))


def _booster(columns: tuple[FlatColumn, ...], codes: pd.DataFrame, left: Floats, seed: int) -> Any:
    """A model without trees yet."""
    import lightgbm as lgb

    matrix = np.ascontiguousarray(codes.to_numpy(np.float64))
    parameters = _parameters(matrix.shape, seed)
    data = lgb.Dataset(
        matrix,
        left,
        feature_name=list(codes.columns),
        categorical_feature=[at for at, column in enumerate(columns) if column.kind == "category"],
        params=parameters,
    )
    return lgb.Booster(parameters, data)


def _grow(booster: Any, rounds: int) -> None:
    """Adds trees; stops when there is nothing left to split."""
    for _ in range(rounds):
        if booster.update():
            return


def _parameters(shape: tuple[int, ...], seed: int) -> dict[str, Any]:
    rows, columns = shape
    return {
        "objective": "binary",
        "learning_rate": 0.03,
        "num_leaves": 7,
        "min_data_in_leaf": max(5, min(60, rows // 50)),
        # A tree that sees one column of three learns no interaction.
        "feature_fraction": min(1.0, max(0.4, _FEWEST_SEEN / columns)),
        "bagging_fraction": 0.7,
        "bagging_freq": 1,
        "lambda_l2": 10.0,
        "cat_smooth": 10.0,
        "max_bin": 127,
        "seed": seed % 2**31,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": 1,
        "verbosity": -1,
    }


def stratified_folds(left: Floats, folds: int, seed: int) -> Ints:
    """Number of the fold of each row; both outcomes are spread evenly.

    Examples
    --------
    >>> np.bincount(stratified_folds(np.array([1.0, 0, 0, 1, 0, 0]), 2, 3)).tolist()
    [3, 3]
    """
    rng = np.random.default_rng(seed)
    fold = np.empty(len(left), dtype=np.int64)
    at = 0
    for outcome in (1.0, 0.0):
        places = rng.permutation(np.flatnonzero(left == outcome))
        fold[places] = (at + np.arange(len(places))) % folds
        at += len(places)
    return fold


def folds_of(left: Floats, folds: int, seed: int) -> Iterator[npt.NDArray[np.bool_]]:
    """The rows of each fold in turn."""
    fold = stratified_folds(left, folds, seed)
    yield from (fold == k for k in range(folds))
