"""The judge: train as of past days, predict, and compare with what came, beside three baselines.

At every cut-off c the bundle is built from what was known at c, exactly as it would have shipped: it learns only
from labels whose window had ended by c. It meets the orders of [c, c + h). The closed form is both a baseline
and the rung below the trees.
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
from strategies.value_class import ValueCuts, value_axes, value_class
from training.baselines import BASELINES
from training.build import build_bundle, evidence_for
from training.head_kind import HeadKind
from training.meeting import OURS, Forecast, Meeting
from training.metrics import churn_metrics, value_metrics
from training.models.bundle import Bundle
from training.panel import Panel
from training.settings import TrainingSettings

__all__ = ["BackTest", "CutOff", "back_test", "figures", "judge", "judged_days", "latest_cut_off", "meet"]

Floats = npt.NDArray[np.float64]
Progress = Callable[[str, float], None]
_APART_DAYS = 30
_BOUNDS = (0.05, 0.1, 0.9, 0.95)


@dataclass(frozen=True)
class CutOff:
    """One day of the back-test: the meeting, and its figures.

    Parameters
    ----------
    meeting : Meeting
        What the models said, and what came.
    models : dict
        From `figures`.
    """

    meeting: Meeting
    models: dict[str, dict[str, Any]]

    @property
    def day(self) -> date:
        """The cut-off."""
        return self.meeting.day

    @property
    def evidence(self) -> str:
        """Rung of our bundle there."""
        return self.meeting.evidence

    @property
    def customers(self) -> int:
        """Customers predicted."""
        return len(self.meeting.customer)

    @property
    def churned(self) -> Floats:
        """1 where no order came within the window."""
        return self.meeting.churned

    @property
    def probability(self) -> Floats:
        """Our churn probabilities."""
        return self.meeting.forecasts[OURS].churn_probability

    @property
    def value(self) -> Floats:
        """What came at the churn window, or at the longest horizon where it is none; empty without any."""
        return self._shown(self.meeting.value)

    @property
    def expected_value(self) -> Floats:
        """What we had expected there."""
        return self._shown(self.meeting.forecasts[OURS].expected_value)

    def to_json(self) -> dict[str, Any]:
        """Plain values, NaN as None."""
        return {
            "cut_off": self.day.isoformat(),
            "evidence": self.evidence,
            "customers": self.customers,
            "models": _plain(self.models),
        }

    def _shown(self, by_horizon: dict[int, Floats]) -> Floats:
        window = self.meeting.window_days
        horizon = window if window in by_horizon else max(by_horizon, default=None)
        return np.empty(0) if horizon is None else by_horizon[horizon]


@dataclass(frozen=True)
class BackTest:
    """All cut-offs of a back-test, oldest first."""

    window_days: int
    cut_offs: tuple[CutOff, ...]

    @property
    def meetings(self) -> tuple[Meeting, ...]:
        """What every comparison looks at."""
        return tuple(c.meeting for c in self.cut_offs)

    def to_json(self) -> dict[str, Any]:
        """Plain values for ``retain backtest --json``."""
        return {"window_days": self.window_days, "cut_offs": [c.to_json() for c in self.cut_offs]}


def latest_cut_off(panel: Panel, window_days: int) -> date | None:
    """The last cut-off whose window had passed by ``panel.as_of``; None when there is none."""
    last = panel.as_of - timedelta(days=window_days)
    return max((d for d in panel.days if d <= last), default=None)


def judged_days(panel: Panel, window_days: int, count: int) -> list[date]:
    """The last `count` (at least one) cut-offs whose window had passed, rising.

    Raises
    ------
    NotEnoughData
        When no cut-off has a whole window after it.
    """
    last = latest_cut_off(panel, window_days)
    if last is None:
        raise NotEnoughData(
            f"back-test: no past day has {window_days} days of orders after it and {_APART_DAYS} before; "
            "bring more history or choose a shorter --churn-window"
        )
    return sorted(d for d in panel.days if d <= last)[-max(1, count) :]


def back_test(
    panel: Panel,
    settings: TrainingSettings,
    *,
    count: int,
    progress: Progress | None = None,
) -> BackTest:
    """Judges the last `count` (at least one) labelled cut-offs, 30 days apart.

    Raises
    ------
    NotEnoughData
        When no cut-off has a whole window after it.
    """
    window = settings.churn.window_days
    days = judged_days(panel, window, count)
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
    """A bundle's meeting with one past day, and its figures; parameters as of `meet`."""
    meeting = meet(panel, bundle, day, settings, known=known)
    return CutOff(meeting, figures(meeting))


def meet(
    panel: Panel, bundle: Bundle, day: date, settings: TrainingSettings, *, known: Panel | None = None
) -> Meeting:
    """Brings a bundle's predictions of one past day together with what came, beside the baselines.

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

    Returns
    -------
    Meeting
        Customers are numbered by a hash of their id, so that one customer has one number on every day and in
        every panel. A baseline that cannot tell churn is missing; `Meeting.absent` says why.
    """
    window = settings.churn.window_days
    now = panel.at(day).set_index("customer_id")
    horizons = [h for h in settings.value.horizons_days if day + timedelta(days=h) <= panel.as_of]
    predicted = bundle.predict(now[list(FEATURES)], day)
    peers, absent = _peers(known or panel.before(day), now, day, window, horizons)
    return Meeting(
        day=day,
        window_days=window,
        evidence=bundle.evidence,
        customer=_numbers(now.index),
        churned=HeadKind("churn", window).target(now),
        orders={h: _column(now, f"orders_ahead_{h}") for h in horizons},
        value={h: _column(now, f"value_ahead_{h}") for h in horizons},
        value_class=_classes(bundle, now, predicted),
        forecasts={OURS: _ours(predicted, horizons), **peers},
        absent=absent,
    )


def figures(meeting: Meeting) -> dict[str, dict[str, Any]]:
    """Every figure of every model of a meeting.

    Returns
    -------
    dict
        Model to ``{"churn": metrics, "value": {horizon: metrics}, "orders": {horizon: metrics}}``, and under
        ``absent`` by horizon why there are none.
    """
    found: dict[str, dict[str, Any]] = {}
    for name, forecast in meeting.forecasts.items():
        found[name] = {
            "churn": churn_metrics(meeting.churned, forecast.churn_probability),
            "value": {h: value_metrics(meeting.value[h], v) for h, v in forecast.expected_value.items()},
            "orders": {h: value_metrics(meeting.orders[h], v) for h, v in forecast.expected_orders.items()},
        }
    for name, why in meeting.absent.items():
        found.setdefault(name, {"value": {}, "orders": {}})["absent"] = dict(why)
    return found


def _ours(predicted: pd.DataFrame, horizons: Sequence[int]) -> Forecast:
    bounds = {}
    for h in horizons:
        names = {level: f"expected_value_{h}d_p{round(100 * level):02d}" for level in _BOUNDS}
        bounds[h] = {q: _column(predicted, name) for q, name in names.items() if name in predicted.columns}
    return Forecast(
        _column(predicted, "churn_probability"),
        {h: _column(predicted, f"expected_orders_{h}d") for h in horizons},
        {h: _column(predicted, f"expected_value_{h}d") for h in horizons},
        {h: found for h, found in bounds.items() if found},
    )


def _peers(
    past: Panel, now: pd.DataFrame, day: date, window: int, horizons: Sequence[int]
) -> tuple[dict[str, Forecast], dict[str, dict[int, str]]]:
    """Forecasts of the baselines, and why one has none at a horizon."""
    found: dict[str, Forecast] = {}
    absent: dict[str, dict[int, str]] = {}
    for name, baseline in BASELINES.items():
        answers: dict[int, pd.DataFrame] = {}
        for h in sorted({window, *horizons}):
            rows = past.labelled(h, by=day).set_index("customer_id")
            try:
                answers[h] = baseline(rows, now, h)
            except NotEnoughData as error:
                absent.setdefault(name, {})[h] = str(error)
        if window in answers:
            told = [h for h in horizons if h in answers]
            found[name] = Forecast(
                _column(answers[window], "churn_probability"),
                {h: _column(answers[h], "expected_orders") for h in told},
                {h: _column(answers[h], "expected_value") for h in told},
            )
    return found, absent


def _classes(bundle: Bundle, now: pd.DataFrame, predicted: pd.DataFrame) -> npt.NDArray[np.str_]:
    cuts = bundle.reference.get("value_cuts")
    if cuts is None:
        return np.full(len(now), "unknown")
    curve = bundle.curve
    axes = value_axes(now, predicted, horizons_days=curve.horizons_days, margin_rate=curve.margin_rate)
    return value_class(axes, ValueCuts.from_dict(cuts)).to_numpy(dtype=np.str_)


def _numbers(ids: pd.Index) -> npt.NDArray[np.int64]:
    return pd.util.hash_array(ids.to_numpy(dtype=object)).view(np.int64)


def _column(rows: pd.DataFrame, name: str) -> Floats:
    return rows[name].to_numpy(np.float64)


def _plain(values: Any) -> Any:
    if isinstance(values, dict):
        return {str(k): _plain(v) for k, v in values.items()}
    if isinstance(values, float):
        return None if np.isnan(values) else values
    return values
