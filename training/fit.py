"""Growing the heads of a bundle from a panel: anchors, levels, trees.

In the order of what it brings: a panel of past snapshots; few, small, regularised trees; the season of a
year ago; a closed-form anchor that the trees start from.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from threading import Lock
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.pipeline import FEATURES
from training.gate import decide
from training.head_kind import HeadKind
from training.learnable import parted, shortfall
from training.levels import level_curve, realised_error, realised_errors, recent_kind
from training.models.anchor import Anchor
from training.models.head import Head
from training.models.level import LevelCurve
from training.models.opinions import mixed
from training.models.trees import Trees
from training.panel import Panel
from training.settings import TrainingSettings
from training.stack import best_weights

__all__ = ["anchored", "fit_head", "follow_head"]

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.intp]
Part = Literal["early", "late", "all"]
_PATIENCE = 25
# For counts LightGBM holds every step back by e^0.7: without this they need twice the trees of the others. Spend has a
# heavy tail, and a few large customers pull a long step.
_STRIDES = {"churn": 1.0, "orders": 2.0, "value": 0.5}
# Heads are fitted side by side; the second of a horizon waits for the bins of the first.
_BINNING = Lock()


def anchored(panel: Panel) -> Panel:
    """The panel with closed-form columns, every snapshot fitted on its own history only.

    Past snapshots on which nobody had bought anything yet (only returns were known) are left out.
    """
    found = []
    for day in panel.days:
        rows = panel.at(day)
        if day == panel.as_of or (rows["spend_total"] > 0).any():
            found.append(Anchor.fit(rows).columns(rows, panel.horizons_days))
    frame = panel.frame.join(pd.concat(found), how="inner")
    return replace(panel, frame=frame.reset_index(drop=True))


def fit_head(panel: Panel, kind: HeadKind, settings: TrainingSettings, *, trees: bool = True) -> Head | None:
    """Fits one head on every snapshot whose horizon had passed by ``panel.as_of``.

    Parameters
    ----------
    panel : Panel
        From `anchored`.
    kind : HeadKind
        What to predict.
    settings : TrainingSettings
        Trees and seed.
    trees : bool
        Whether trees may be tried at all.

    Returns
    -------
    Head or None
        None when `shortfall` says that there is too little to learn from. Closed form, trees on top of it and
        trees of their own are mixed as served the latest labelled snapshots best (`training.stack`), where that
        beat the closed form by more than one standard error over customers (Breiman et al. 1984).
    """
    if shortfall(panel, kind):
        return None
    rows = panel.labelled(kind.horizon_days, by=panel.as_of)
    errors = realised_errors(rows, kind)
    now = panel.at(panel.as_of)
    head = Head(level=_level(panel, kind, errors), anchor_mean=float(kind.closed_form(now).mean()))
    rows = rows[kind.weight(rows) > 0]
    own = np.array(rows["as_of"].map({pd.Timestamp(day): e for day, e in errors.items()}), np.float64)
    task = _Task.of(panel, rows, kind, settings) if trees else None
    return head if task is None else _climb(task, head, own, now)


def follow_head(panel: Panel, kind: HeadKind, lead: Head, said: Callable[[Trees], Floats]) -> Head:
    """A head with its own closed form and level, and the trees of another horizon.

    What tells customers apart within one horizon tells them apart within the others: their logarithms of expected
    orders move by the same amount, as those of a customer-base model do who buys faster or is more surely alive.
    A horizon that no past day can show has no level: its total is the closed form's.

    Parameters
    ----------
    panel : Panel
        From `anchored`.
    kind : HeadKind
        What to predict.
    lead : Head
        The same quantity's head at the horizon where trees learned; without trees only the level is its own.
    said : callable
        What a set of trees says of the customers on ``panel.as_of``; kept, it is asked once for all horizons.
    """
    level = LevelCurve()
    if not shortfall(panel, kind):
        level = _level(panel, kind, realised_errors(panel.labelled(kind.horizon_days, by=panel.as_of), kind))
    now = panel.at(panel.as_of)
    mean = float(kind.closed_form(now).mean())
    return _tied(replace(lead, level=level, anchor_mean=mean), kind, now, said)


def _level(panel: Panel, kind: HeadKind, errors: dict[date, float]) -> LevelCurve:
    soon = recent_kind(kind, panel)
    recent = realised_errors(panel.labelled(soon.horizon_days, by=panel.as_of), soon)
    return level_curve(errors, panel, kind.horizon_days, recent=recent)


def _climb(task: _Task, head: Head, own: Floats, now: pd.DataFrame) -> Head:
    """The mixture that served the late days best, if it beat the closed form; `own` are each row's day's errors."""
    kind, late = task.kind, task.late
    closed = kind.closed_form(task.rows) + own
    grown, free = task.grow(closed), task.grow(own + kind.constant(task.target))
    total = kind.answer(closed[late])

    def level(answer: Floats) -> Floats:
        return answer + realised_error(kind, answer, total)

    def loss(answer: Floats) -> float:
        return float(task.losses(level(answer)).mean())

    answers = (closed[late], level(grown.late), level(free.late))
    weights = best_weights(answers, loss, by_size=kind.is_size)
    if not task.beats(level(mixed(weights, answers, by_size=kind.is_size)), closed[late]):
        return head
    _, trees_weight, free_weight = weights
    head = replace(
        head,
        trees=grown.on_all() if trees_weight else None,
        trees_weight=trees_weight,
        free=free.on_all() if free_weight else None,
        free_weight=free_weight,
        by_size=kind.is_size,
        learned_days=kind.horizon_days,
    )
    return _tied(head, kind, now, lambda trees: trees.raw(now))


def _tied(head: Head, kind: HeadKind, now: pd.DataFrame, said: Callable[[Trees], Floats]) -> Head:
    """The head with the constants that leave the closed form's total, of which the level is told, on that day."""
    closed = kind.closed_form(now)
    total = kind.answer(closed)
    trees_base = free_base = 0.0
    if head.trees is not None:
        trees_base = realised_error(kind, closed + said(head.trees), total)
    if head.free is not None:
        free_base = realised_error(kind, said(head.free), total)
    head = replace(head, trees_base=trees_base, free_base=free_base)
    return replace(head, base=realised_error(kind, head.mean(closed, said), total)) if head.learned else head


@dataclass(frozen=True)
class _Grown:
    """Trees that stopped when they no longer served the latest snapshots, and what they said there."""

    task: _Task
    start: Floats
    rounds: int
    late: Floats

    def on_all(self) -> Trees:
        """As many trees, grown on all rows."""
        return Trees(_without_ranges(self.task.train("all", self.start, self.rounds).model_to_string()))


@dataclass(frozen=True)
class _Task:
    """One head's rows, ready to grow trees on: early ones to learn from, late ones a horizon after them to judge."""

    panel: Panel
    rows: pd.DataFrame
    kind: HeadKind
    settings: TrainingSettings
    early: Places
    late: Places

    @classmethod
    def of(cls, panel: Panel, rows: pd.DataFrame, kind: HeadKind, settings: TrainingSettings) -> _Task | None:
        """None when too few rows lie a horizon before the latest snapshots."""
        parts = parted(rows, kind)
        return None if parts is None else cls(panel, rows, kind, settings, *parts)

    @cached_property
    def columns(self) -> list[str]:
        """Features with something to say, and the closed form's for this horizon."""
        h = self.kind.horizon_days
        own = ("btyd_alive", "btyd_order_value", *(f"btyd_{k}_{h}" for k in ("no_order", "orders", "value")))
        return [name for name in (*FEATURES, *own) if self.rows[name].notna().any()]

    @cached_property
    def late_matrix(self) -> Floats:
        """Values of the columns in the late rows."""
        return np.ascontiguousarray(self.rows.iloc[self.late][self.columns].to_numpy(np.float64))

    @cached_property
    def target(self) -> Floats:
        """What came."""
        return self.kind.target(self.rows)

    @cached_property
    def weight(self) -> Floats:
        """How much each row speaks."""
        return self.kind.weight(self.rows)

    def binned(self) -> Any:
        """All rows in LightGBM's bins, made once for all heads of the horizon: bins know nothing of targets."""
        import lightgbm as lgb

        kept, key = self.panel.binned, (self.kind.horizon_days, self.settings.seed)
        with _BINNING:
            if key not in kept:
                # Column by column, as the frame has them: to turn them round takes half as long as the bins.
                whole = self.rows[self.columns].to_numpy(np.float64)
                nothing, params = np.zeros(len(whole)), self._params(len(whole))
                data = lgb.Dataset(whole, nothing, feature_name=self.columns, params=params)
                kept[key] = data.construct()
        return kept[key]

    def grow(self, start: Floats) -> _Grown:
        """Trees on the early rows, as many as served the late ones best."""
        tried = self.train("early", start, self.settings.trees.max_rounds, watched=True)
        rounds = tried.best_iteration
        said = tried.predict(self.late_matrix, raw_score=True, num_iteration=rounds, num_threads=1)
        return _Grown(self, start, rounds, start[self.late] + said)

    def beats(self, challenger: Floats, incumbent: Floats) -> bool:
        """Whether one answer for the late rows is better than another by more than the customers' noise."""
        customers = self.rows["customer_id"].iloc[self.late].to_numpy()
        return decide(self.losses(challenger), self.losses(incumbent), customers).better

    def losses(self, answer: Floats) -> Floats:
        """Weighted loss of each late row at an answer on the head's scale."""
        return self.weight[self.late] * self.kind.losses(self.target[self.late], answer)

    def train(self, part: Part, start: Floats, rounds: int, *, watched: bool = False) -> Any:
        """LightGBM on some of the rows; `watched` stops it when the late rows no longer gain."""
        import lightgbm as lgb

        params = self._params(len(self._places(part)))
        data = self._part(part, start, params)
        checks = [self._part("late", start, params)] if watched else []
        stopping = [lgb.early_stopping(_PATIENCE, verbose=False)] if watched else []
        return lgb.train(params, data, rounds, valid_sets=checks, callbacks=stopping)

    def _places(self, part: Part) -> Places:
        return {"early": self.early, "late": self.late}.get(part, np.arange(len(self.rows)))

    def _part(self, part: Part, start: Floats, params: dict[str, Any]) -> Any:
        """Rows of a part in their bins; made once for both sets of trees, which differ in where they start."""
        places, kept = self._places(part), self._parts
        if part not in kept:
            kept[part] = self.binned().subset(places, params=params).construct()
            kept[part].set_label(self.target[places])
            kept[part].set_weight(self.weight[places])
        return kept[part].set_init_score(start[places])

    @cached_property
    def _parts(self) -> dict[Part, Any]:
        return {}

    def _params(self, size: int) -> dict[str, Any]:
        trees = self.settings.trees
        return {
            **self.kind.loss,
            "learning_rate": trees.learning_rate * _STRIDES[self.kind.name],
            "num_leaves": trees.num_leaves,
            "min_data_in_leaf": min(trees.min_data_in_leaf, max(20, size // 50)),
            "feature_fraction": trees.feature_fraction,
            "bagging_fraction": trees.bagging_fraction,
            "bagging_freq": 1,
            "lambda_l2": trees.lambda_l2,
            "feature_pre_filter": False,
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
