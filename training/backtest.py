"""The judge: train as of past days, predict, and compare with what came, beside three baselines.

At every cut-off c the bundle is built from what was known at c, exactly as it would have shipped, and meets
the orders of [c, c + h). The closed form is both a baseline and the rung below the trees.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.errors import NotEnoughData
from features.pipeline import FEATURES
from training.baselines import BASELINES
from training.build import build_bundle, evidence_for
from training.head_kind import HeadKind
from training.metrics import churn_metrics, value_metrics
from training.models.bundle import Bundle
from training.panel import Panel
from training.settings import TrainingSettings

__all__ = ["BackTest", "CutOff", "back_test", "judge", "latest_cut_off"]

Floats = npt.NDArray[np.float64]
OURS = "retain"
_APART_DAYS = 30


@dataclass(frozen=True)
class CutOff:
    """One day of the back-test: metrics by model, and what is needed to plot ours.

    Parameters
    ----------
    day : date
        Cut-off.
    evidence : str
        Rung of our bundle there.
    customers : int
        Customers predicted.
    models : dict
        Model to ``{"churn": metrics, "value": {horizon: metrics}, "orders": {horizon: metrics}}``.
    churned, probability, value, expected_value : arrays
        Outcome and our prediction at the churn window.
    """

    day: date
    evidence: str
    customers: int
    models: dict[str, dict[str, Any]]
    churned: Floats
    probability: Floats
    value: Floats
    expected_value: Floats

    def to_json(self) -> dict[str, Any]:
        """Plain values, NaN as None."""
        return {
            "cut_off": self.day.isoformat(),
            "evidence": self.evidence,
            "customers": self.customers,
            "models": _plain(self.models),
        }


@dataclass(frozen=True)
class BackTest:
    """All cut-offs of a back-test, oldest first."""

    window_days: int
    cut_offs: tuple[CutOff, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values for ``retain backtest --json``."""
        return {"window_days": self.window_days, "cut_offs": [c.to_json() for c in self.cut_offs]}


def latest_cut_off(panel: Panel, window_days: int) -> date | None:
    """The last cut-off whose window had passed by ``panel.as_of``; None when there is none."""
    last = panel.as_of - timedelta(days=window_days)
    return max((d for d in panel.days if d <= last), default=None)


def back_test(
    panel: Panel,
    settings: TrainingSettings,
    *,
    count: int,
    progress: Callable[[str, float], None] | None = None,
) -> BackTest:
    """Judges the last `count` (at least one) labelled cut-offs, 30 days apart.

    Raises
    ------
    NotEnoughData
        When no cut-off has a whole window after it.
    """
    window = settings.churn.window_days
    last = latest_cut_off(panel, window)
    if last is None:
        raise NotEnoughData(
            f"back-test: no past day has {window} days of orders after it and {_APART_DAYS} before; "
            "bring more history or choose a shorter --churn-window"
        )
    days = sorted(d for d in panel.days if d <= last)[-max(1, count) :]
    found = []
    for done, day in enumerate(days):
        if progress:
            progress(f"back-test at {day.isoformat()}", done / len(days))
        known = panel.before(day)
        bundle = build_bundle(known, settings, evidence=evidence_for(known, window)[0])
        found.append(judge(panel, bundle, day, settings, known=known))
    return BackTest(window, tuple(found))


def judge(
    panel: Panel, bundle: Bundle, day: date, settings: TrainingSettings, *, known: Panel | None = None
) -> CutOff:
    """Compares a bundle's predictions on one past day with what came, beside the baselines.

    Parameters
    ----------
    panel : Panel
        With what came after the day.
    bundle : Bundle
        The model.
    day : date
        One of the panel's cut-offs, a whole churn window before ``panel.as_of``.
    settings : TrainingSettings
        Window and horizons.
    known : Panel, optional
        ``panel.before(day)``, where it is at hand.
    """
    window = settings.churn.window_days
    now = panel.at(day).set_index("customer_id")
    horizons = [h for h in settings.value.horizons_days if day + timedelta(days=h) <= panel.as_of]
    predicted = bundle.predict(now[list(FEATURES)], day)
    models = {OURS: _ours(predicted, now, window, horizons)}
    past = known or panel.before(day)
    for name, baseline in BASELINES.items():
        models[name] = {"value": {}, "orders": {}}
        for h in sorted({window, *horizons}):
            try:
                rows = past.labelled(h, by=day).set_index("customer_id")
                answer = baseline(rows, now, h)
            except NotEnoughData as error:
                models[name].setdefault("absent", {})[h] = str(error)
                continue
            if h == window:
                models[name]["churn"] = churn_metrics(_churned(now, h), answer["churn_probability"])
            if h in horizons:
                models[name]["value"][h] = value_metrics(_came(now, "value", h), answer["expected_value"])
                models[name]["orders"][h] = value_metrics(_came(now, "orders", h), answer["expected_orders"])
    shown = window if window in horizons else (horizons[-1] if horizons else None)
    empty = np.empty(0)
    return CutOff(
        day,
        bundle.evidence,
        len(now),
        models,
        _churned(now, window),
        predicted["churn_probability"].to_numpy(np.float64),
        empty if shown is None else _came(now, "value", shown),
        empty if shown is None else predicted[f"expected_value_{shown}d"].to_numpy(np.float64),
    )


def _ours(predicted: pd.DataFrame, now: pd.DataFrame, window: int, horizons: Sequence[int]) -> dict[str, Any]:
    found: dict[str, Any] = {"churn": churn_metrics(_churned(now, window), predicted["churn_probability"])}
    for kind in ("value", "orders"):
        found[kind] = {
            h: value_metrics(_came(now, kind, h), predicted[f"expected_{kind}_{h}d"]) for h in horizons
        }
    return found


def _churned(now: pd.DataFrame, window: int) -> Floats:
    return HeadKind("churn", window).target(now)


def _came(now: pd.DataFrame, kind: str, horizon: int) -> Floats:
    return now[f"{kind}_ahead_{horizon}"].to_numpy(np.float64)


def _plain(values: Any) -> Any:
    if isinstance(values, dict):
        return {str(k): _plain(v) for k, v in values.items()}
    if isinstance(values, float):
        return None if np.isnan(values) else values
    return values
