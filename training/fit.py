"""Growing the heads of a bundle from a panel: anchors, levels, trees.

In the order of what it brings: a panel of past snapshots; slow, small, regularised trees; the season of a
year ago; a closed-form anchor that the trees start from.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.pipeline import FEATURES
from training.head_kind import HeadKind
from training.levels import level_curve, realised_errors
from training.models.anchor import Anchor
from training.models.head import Head
from training.models.trees import Trees
from training.panel import Panel
from training.settings import TrainingSettings

__all__ = ["MIN_EVENTS", "MIN_ROWS", "anchored", "fit_head", "shortfall"]

Floats = npt.NDArray[np.float64]
MIN_ROWS = 400
MIN_EVENTS = 50
_PATIENCE = 25


def anchored(panel: Panel) -> Panel:
    """The panel with closed-form columns, every snapshot fitted on its own history only.

    Past snapshots on which nobody had bought anything yet (only returns were known) are left out.
    """
    parts = []
    for day in panel.days:
        rows = panel.at(day)
        if day < panel.as_of and not (rows["spend_total"] > 0).any():
            continue
        parts.append(rows.join(Anchor.fit(rows).columns(rows, panel.horizons_days)))
    return replace(panel, frame=pd.concat(parts, ignore_index=True))


def shortfall(panel: Panel, kind: HeadKind) -> str:
    """Why the panel cannot teach a head, in words; empty when it can."""
    rows = panel.labelled(kind.horizon_days, by=panel.as_of)
    if len(rows) < MIN_ROWS:
        return f"{len(rows)} labelled rows of at least {MIN_ROWS}"
    happened = int((kind.target(rows) > 0).sum())
    least = min(happened, len(rows) - happened) if kind.name == "churn" else happened
    return f"{least} of at least {MIN_EVENTS} customers of the rarer outcome" if least < MIN_EVENTS else ""


def fit_head(panel: Panel, kind: HeadKind, settings: TrainingSettings) -> Head | None:
    """Fits one head on every snapshot whose horizon had passed by ``panel.as_of``.

    Parameters
    ----------
    panel : Panel
        From `anchored`.
    kind : HeadKind
        What to predict.
    settings : TrainingSettings
        The seed.

    Returns
    -------
    Head or None
        None when `shortfall` says that there is too little to learn from. A head without trees is the closed form
        with the level of the season: trees that did not help on the latest snapshot are left out.
    """
    if shortfall(panel, kind):
        return None
    rows = panel.labelled(kind.horizon_days, by=panel.as_of)
    errors = realised_errors(rows, kind)
    level = level_curve(errors, panel, kind.horizon_days)
    own = np.array([errors[day.date()] for day in pd.DatetimeIndex(rows["as_of"])])
    trees = _Task(rows, kind, settings, kind.closed_form(rows) + own).grow()
    closed = kind.closed_form(panel.at(panel.as_of))
    return Head(trees, level, anchor_mean=float(closed.mean()))


@dataclass(frozen=True)
class _Task:
    """One head's rows, ready to grow trees on."""

    rows: pd.DataFrame
    kind: HeadKind
    settings: TrainingSettings
    start: Floats

    @property
    def columns(self) -> list[str]:
        """Features with something to say, and the closed form's for this horizon."""
        h = self.kind.horizon_days
        own = ("btyd_alive", "btyd_order_value", *(f"btyd_{k}_{h}" for k in ("no_order", "orders", "value")))
        return [name for name in (*FEATURES, *own) if self.rows[name].notna().any()]

    def grow(self) -> Trees | None:
        """Trees on all rows, as many as served the latest snapshot best with the horizon between.

        None when there is no such pair of snapshots, or when the trees did not make the closed form better there
        by more than one standard error over customers (the one-standard-error rule, Breiman et al. 1984).
        """
        train, late = self._split()
        if train is None or late is None:
            return None
        tried = self._train(train, self.settings.trees.max_rounds, late)
        if not self._better(tried, late):
            return None
        whole = np.ones(len(self.rows), dtype=bool)
        return Trees(_without_ranges(self._train(whole, tried.best_iteration).model_to_string()))

    def _better(self, tried: Any, late: npt.NDArray[np.bool_]) -> bool:
        rows, start = self.rows[late], self.start[late]
        target = self.kind.target(rows)
        matrix = np.ascontiguousarray(rows[self.columns].to_numpy(np.float64))
        learned = start + tried.predict(matrix, raw_score=True, num_threads=1)
        gain = self.kind.losses(target, start) - self.kind.losses(target, learned)
        return bool(gain.mean() > gain.std(ddof=1) / np.sqrt(len(gain)))

    def _split(self) -> tuple[npt.NDArray[np.bool_] | None, npt.NDArray[np.bool_] | None]:
        days = pd.DatetimeIndex(self.rows["as_of"])
        train = np.asarray(days <= days.max() - timedelta(days=self.kind.horizon_days))
        if train.sum() < MIN_ROWS or np.unique(self.kind.target(self.rows[train])).size < 2:
            return None, None
        return train, np.asarray(days == days.max())

    def _train(
        self,
        which: npt.NDArray[np.bool_],
        rounds: int,
        valid: npt.NDArray[np.bool_] | None = None,
    ) -> Any:
        import lightgbm as lgb

        data = self._data(which)
        stopping = [] if valid is None else [lgb.early_stopping(_PATIENCE, verbose=False)]
        checks = [] if valid is None else [self._data(valid, data)]
        return lgb.train(self._params(int(which.sum())), data, rounds, valid_sets=checks, callbacks=stopping)

    def _data(self, which: npt.NDArray[np.bool_], reference: Any = None) -> Any:
        import lightgbm as lgb

        rows = self.rows[which]
        matrix = np.ascontiguousarray(rows[self.columns].to_numpy(np.float64))
        return lgb.Dataset(
            matrix,
            self.kind.target(rows),
            init_score=self.start[which],
            feature_name=self.columns,
            reference=reference,
            params={"verbosity": -1},
        )

    def _params(self, size: int) -> dict[str, Any]:
        trees = self.settings.trees
        return {
            **self.kind.loss,
            "learning_rate": trees.learning_rate,
            "num_leaves": trees.num_leaves,
            "min_data_in_leaf": max(min(20, trees.min_data_in_leaf), min(size // 50, trees.min_data_in_leaf)),
            "feature_fraction": trees.feature_fraction,
            "bagging_fraction": trees.bagging_fraction,
            "bagging_freq": 1,
            "lambda_l2": trees.lambda_l2,
            "max_bin": 127,
            "seed": self.settings.seed % 2**31,
            "deterministic": True,
            "force_row_wise": True,
            "num_threads": 1,
            "verbosity": -1,
        }


def _without_ranges(text: str) -> str:
    """The model text without smallest and largest value of each feature: they are single customers' figures.

    LightGBM reads the line but predicts nothing from it.
    """
    return re.sub(
        r"^feature_infos=.*$",
        lambda line: re.sub(r"[^ =]+(?= |$)", "none", line[0]),
        text,
        flags=re.MULTILINE,
    )
