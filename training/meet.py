"""From a bundle and a past day to a meeting: what it says there, beside the baselines and what came."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.errors import NotEnoughData
from features.pipeline import FEATURES
from strategies.value_class import ValueCuts, value_axes, value_class
from training.baselines import BASELINES
from training.head_kind import HeadKind
from training.meeting import OURS, Forecast, Meeting
from training.metrics import churn_metrics, value_metrics
from training.models.bundle import Bundle
from training.panel import Panel
from training.settings import TrainingSettings

__all__ = ["customer_numbers", "figures", "judged_rows", "meet", "ours"]

Floats = npt.NDArray[np.float64]
_BOUNDS = (0.05, 0.1, 0.9, 0.95)


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
        every panel. A baseline that cannot tell churn is missing; `Meeting.absent` says why. Only the customers of
        `judged_rows`.
    """
    window = settings.churn.window_days
    now = panel.at(day).set_index("customer_id")
    horizons = [h for h in settings.value.horizons_days if day + timedelta(days=h) <= panel.as_of]
    predicted = bundle.predict(now[list(FEATURES)], day)
    peers, absent = _peers(known or panel.before(day), now, day, window, horizons)
    whole = Meeting(
        day=day,
        window_days=window,
        evidence=bundle.evidence,
        customer=customer_numbers(now.index),
        churned=HeadKind("churn", window).target(now),
        orders={h: _column(now, f"orders_ahead_{h}") for h in horizons},
        value={h: _column(now, f"value_ahead_{h}") for h in horizons},
        value_class=_classes(bundle, now, predicted),
        forecasts={OURS: ours(predicted, horizons), **peers},
        absent=absent,
    )
    alone = _left_alone(now, window)
    return replace(whole.only(alone), left_out=int((~alone).sum()))


def judged_rows(panel: Panel, day: date, window_days: int) -> pd.DataFrame:
    """The customers of a day by whom forecasts are judged, in the order of the day's meeting.

    Forecasts say what customers do when left alone. Whose weight for the window is 0 was contacted by a campaign that
    chose by behaviour, or would have been (see `training.treated`): what they did says nothing about such a forecast.
    Where that is everybody, all are judged.
    """
    rows = panel.at(day)
    return rows[_left_alone(rows, window_days)]


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


def ours(predicted: pd.DataFrame, horizons: Sequence[int]) -> Forecast:
    """Our predictions of some horizons as a forecast, with the bounds that the bundle gives.

    Parameters
    ----------
    predicted : pandas.DataFrame
        From `training.models.bundle.Bundle.predict`.
    horizons : sequence of int
        Horizons judged.
    """
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


def _left_alone(rows: pd.DataFrame, window_days: int) -> npt.NDArray[np.bool_]:
    alone = HeadKind("churn", window_days).weight(rows) > 0
    return alone if alone.any() else np.ones(len(rows), dtype=bool)


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
    axes = value_axes(now, predicted, margin_rate=curve.margin_rate)
    return value_class(axes, ValueCuts.from_dict(cuts)).to_numpy(dtype=np.str_)


def customer_numbers(ids: pd.Index) -> npt.NDArray[np.int64]:
    """A number for each customer id, the same wherever the id comes up.

    Examples
    --------
    >>> bool(customer_numbers(pd.Index(["a", "b"]))[1] == customer_numbers(pd.Index(["b"]))[0])
    True
    """
    return pd.util.hash_array(ids.to_numpy(dtype=object)).view(np.int64)


def _column(rows: pd.DataFrame, name: str) -> Floats:
    return rows[name].to_numpy(np.float64)
