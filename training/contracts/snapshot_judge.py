"""How good models of a flat table are: repeated stratified cross-validation, the same folds for everybody."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import t as student

from features.progress import Progress
from training.contracts.snapshot_fit import fit_snapshot_model, folds_of, learn_columns
from training.contracts.snapshot_table import SnapshotTable
from training.meeting import OURS
from training.metrics import Interval, churn_metrics
from training.models.snapshot_model import design, tree_matrix

__all__ = ["BASE_RATE", "LEARNERS", "Judged", "judge_learners", "repeats_for"]

Floats = npt.NDArray[np.float64]
# Learns from typed rows and outcomes with a seed, and predicts for other rows.
Learner = Callable[[SnapshotTable, npt.NDArray[np.bool_], int], Floats]
BASE_RATE = "base_rate"
_FOLDS = 5
_COMPARED = ("log_loss", "roc_auc", "brier")


@dataclass(frozen=True)
class Judged:
    """Figures of every learner over all folds.

    Parameters
    ----------
    rows, left : int
        Rows judged, and those of them who left.
    folds, repeats : int
    models : dict
        Mean of each figure over the folds, by learner.
    against : dict
        Ours less the other's, with a 95 % interval, by learner and figure.
    """

    rows: int
    left: int
    folds: int
    repeats: int
    models: dict[str, dict[str, float]]
    against: dict[str, dict[str, Interval]]

    def to_json(self) -> dict[str, Any]:
        """Plain values; figures that cannot be computed are left out."""
        return {
            "rows": self.rows,
            "left": self.left,
            "folds": self.folds,
            "repeats": self.repeats,
            "models": {m: {k: v for k, v in f.items() if np.isfinite(v)} for m, f in self.models.items()},
            "against": {
                m: {k: list(v) for k, v in f.items() if np.isfinite(v).all()} for m, f in self.against.items()
            },
        }


def repeats_for(rows: int) -> int:
    """Repeats that a table of so many rows needs: five for thousands, one for a hundred thousand."""
    return int(np.clip(50_000 // max(rows, 1), 1, 5))


def judge_learners(
    table: SnapshotTable,
    learners: Mapping[str, Learner] | None = None,
    *,
    repeats: int = 5,
    seed: int = 20260101,
    num_threads: int = 1,
    progress: Progress | None = None,
) -> Judged | None:
    """Repeated stratified 5-fold cross-validation; None with fewer than two rows of an outcome per fold.

    Parameters
    ----------
    table : SnapshotTable
    learners : mapping of name to learner, optional
        `LEARNERS` without it; the first is ours.
    repeats : int
    seed : int
        Of folds and learners.
    num_threads : int
        Folds worked on at the same time.
    progress : callable, optional
        Told the stage and its share done.

    Notes
    -----
    Folds of one table share most of their rows, so their figures are not independent. The interval is that of the
    corrected resampled t-test: ``mean ± t · sd · sqrt(1/J + n_test/n_train)`` over the J fold differences.

    References
    ----------
    Nadeau & Bengio (2003), Inference for the generalization error; Bouckaert & Frank (2004) for repeats.
    """
    chosen = dict(learners or LEARNERS)
    rare = int(min(table.left.sum(), len(table.left) - table.left.sum()))
    if rare < 2 * _FOLDS:
        return None
    tests = [(r, out) for r in range(repeats) for out in folds_of(table.left, _FOLDS, seed + r)]

    def figures(test: tuple[int, npt.NDArray[np.bool_]]) -> dict[str, dict[str, float]]:
        repeat, out = test
        return {
            name: churn_metrics(table.left[out], learn(table, out, seed + repeat))
            for name, learn in chosen.items()
        }

    found = []
    with ThreadPoolExecutor(num_threads) as pool:
        for done, figure in enumerate(pool.map(figures, tests), start=1):
            found.append(figure)
            if progress is not None:
                progress("cross-validation", done / len(tests))
    models = {name: _means([figure[name] for figure in found]) for name in chosen}
    ours = next(iter(chosen))
    against = {
        other: {
            metric: _interval(np.array([f[ours][metric] - f[other][metric] for f in found]))
            for metric in _COMPARED
        }
        for other in chosen
        if other != ours
    }
    return Judged(len(table.left), int(table.left.sum()), _FOLDS, repeats, models, against)


def _means(figures: list[dict[str, float]]) -> dict[str, float]:
    return {metric: float(np.mean([figure[metric] for figure in figures])) for metric in figures[0]}


def _interval(differences: Floats) -> Interval:
    """Corrected resampled t interval; a fold is tested by one part and learned from by the others."""
    mean = float(differences.mean())
    spread = float(differences.std(ddof=1)) * np.sqrt(1 / len(differences) + 1 / (_FOLDS - 1))
    reach = float(student.ppf(0.975, len(differences) - 1)) * spread
    return Interval(mean, mean - reach, mean + reach)


def _ours(table: SnapshotTable, out: npt.NDArray[np.bool_], seed: int) -> Floats:
    model = fit_snapshot_model(table.columns, table.features[~out], table.left[~out], seed=seed)
    return model.predict(table.features[out])


def _base_rate(table: SnapshotTable, out: npt.NDArray[np.bool_], seed: int) -> Floats:
    return np.full(int(out.sum()), table.left[~out].mean())


def _logistic(table: SnapshotTable, out: npt.NDArray[np.bool_], seed: int) -> Floats:
    """scikit-learn's regression as it comes, on standardised numbers and a flag per level."""
    from sklearn.linear_model import LogisticRegression

    straight = tuple(
        column if column.kind == "category" else type(column)(column.name, "number", scale=1.0)
        for column in learn_columns(table.columns, table.features[~out])
    )
    known, asked = design(straight, table.features[~out]), design(straight, table.features[out])
    mean, spread = known.mean(axis=0), known.std(axis=0)
    spread = np.where(spread > 0, spread, 1.0)
    model = LogisticRegression(max_iter=2000).fit((known - mean) / spread, table.left[~out])
    return np.asarray(model.predict_proba((asked - mean) / spread)[:, 1], dtype=np.float64)


def _lightgbm(table: SnapshotTable, out: npt.NDArray[np.bool_], seed: int) -> Floats:
    """LightGBM as it comes, with categories marked."""
    import lightgbm as lgb

    codes = tree_matrix(learn_columns(table.columns, table.features[~out]), table.features)
    categories = [at for at, column in enumerate(table.columns) if column.kind == "category"]
    model = lgb.LGBMClassifier(num_threads=1, verbosity=-1, seed=seed % 2**31, deterministic=True)
    known, asked = codes[~out].to_numpy(), codes[out].to_numpy()
    model.fit(known, table.left[~out], categorical_feature=categories)
    return np.asarray(model.booster_.predict(asked, num_threads=1), dtype=np.float64)


LEARNERS: dict[str, Learner] = {
    OURS: _ours,
    BASE_RATE: _base_rate,
    "logistic_default": _logistic,
    "lightgbm_default": _lightgbm,
}
