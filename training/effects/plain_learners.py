"""T- and S-learners, as everybody would write them: what measured effects are compared with, never what is shipped."""

from __future__ import annotations

import warnings
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from training.effects.doubly_robust import columns_of
from training.effects.trial_log import TrialLog
from training.models.flat_column import FlatColumn

__all__ = ["s_learner", "t_learner"]

Floats = npt.NDArray[np.float64]


def t_learner(log: TrialLog, features: pd.DataFrame, how: Literal["lightgbm", "linear"]) -> Floats:
    """A model of its own per arm, library defaults; the effect is the difference.

    Parameters
    ----------
    log : TrialLog
        To learn from.
    features : DataFrame, shape (m, p)
        To predict for.
    how : {"lightgbm", "linear"}
        Linear is logistic (C = 1) for yes and no, ridge (1) for money, on standardised columns.

    Returns
    -------
    array, shape (m, k + 1)
        Expected outcome under every arm.
    """
    seen, asked = _matrices(log.features, features, flags=how == "linear")
    found = np.empty((len(features), log.arms))
    for arm in range(log.arms):
        got = log.given == arm
        model = _model(how, log.kind == "binary")
        found[:, arm] = _fit_predict(model, seen[got], log.outcome[got], asked)
    return found


def s_learner(log: TrialLog, features: pd.DataFrame) -> Floats:
    """One LightGBM with default settings and the arm as flags among its features.

    Returns
    -------
    array, shape (m, k + 1)
        Expected outcome under every arm.
    """
    seen, asked = _matrices(log.features, features, flags=False)
    arms = np.eye(log.arms)[:, 1:]
    model = _model("lightgbm", log.kind == "binary")
    found = np.empty((len(features), log.arms))
    matrix = np.hstack([seen, arms[log.given]])
    asks = [np.hstack([asked, np.tile(arms[a], (len(asked), 1))]) for a in range(log.arms)]
    found = _fit_predict(model, matrix, log.outcome, np.vstack(asks))
    return found.reshape(log.arms, -1).T


def _model(how: str, binary: bool) -> Any:
    if how == "lightgbm":
        from lightgbm import LGBMClassifier, LGBMRegressor

        kind = LGBMClassifier if binary else LGBMRegressor
        return kind(verbose=-1, n_jobs=1, random_state=0)
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=200) if binary else Ridge())


def _fit_predict(model: Any, seen: Floats, outcome: Floats, asked: Floats) -> Floats:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(seen, outcome)
        if hasattr(model, "predict_proba"):
            return np.asarray(model.predict_proba(asked)[:, 1])
        return np.asarray(model.predict(asked))


def _matrices(seen: pd.DataFrame, asked: pd.DataFrame, *, flags: bool) -> tuple[Floats, Floats]:
    columns = columns_of(seen)
    return _matrix(columns, seen, flags=flags), _matrix(columns, asked, flags=flags)


def _matrix(columns: tuple[FlatColumn, ...], table: pd.DataFrame, *, flags: bool) -> Floats:
    parts = []
    for column in columns:
        codes = column.codes(column.read(table[column.name]))
        if flags and column.kind == "category":
            parts.append(codes[:, None] == np.arange(len(column.levels)))
        else:
            parts.append(
                np.where(np.isnan(codes), column.centre, codes)[:, None] if flags else codes[:, None]
            )
    return np.hstack(parts).astype(np.float64)
