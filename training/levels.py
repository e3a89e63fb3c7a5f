"""Realised level errors of the closed form, and how far the one of a year ago is to be believed."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.optimize import brentq

from training.head_kind import HeadKind
from training.models.head import sigmoid
from training.models.level import LevelCurve
from training.panel import STEP_DAYS, Panel

__all__ = ["level_curve", "realised_error", "realised_errors"]

Floats = npt.NDArray[np.float64]
_BACK_TESTS = 6
_PRIOR_SLOPE = 1.0
_PRIOR_TESTS = 2.0
_PRIOR_EVENTS = 25.0
_DRIFT_TESTS = 3
_DRIFT_LASTS = 0.5


def realised_errors(rows: pd.DataFrame, kind: HeadKind) -> dict[date, float]:
    """Error of the closed form at each cut-off day, on the head's scale, shrunk where few events speak.

    A day on which nobody was left alone (all weights 0) tells nothing: its error is 0.
    """
    found = {}
    for day, snapshot in rows.groupby("as_of", sort=True):
        actual, weight = kind.target(snapshot), kind.weight(snapshot)
        happened = float(weight[actual > 0].sum())
        events = min(happened, float(weight.sum()) - happened) if kind.name == "churn" else happened
        error = realised_error(kind, kind.closed_form(snapshot), actual, weight)
        found[pd.Timestamp(str(day)).date()] = error * events / (events + _PRIOR_EVENTS)
    return found


def realised_error(
    kind: HeadKind, closed_form: Floats, actual: Floats, weight: Floats | None = None
) -> float:
    """The constant that, added to the closed form, makes its (weighted) total equal what came."""
    weight = np.ones(len(actual)) if weight is None else weight
    if not weight.any():
        return 0.0
    if kind.name != "churn":
        expected, came = float(weight @ np.exp(closed_form)), float(weight @ actual)
        return float(np.log(came / expected)) if came > 0 else 0.0
    share = float(np.clip(np.average(actual, weights=weight), 0.5 / len(actual), 1 - 0.5 / len(actual)))

    def missed(shift: float) -> float:
        return float(np.average(sigmoid(closed_form + shift), weights=weight)) - share

    # Wide enough for a closed form that was sure (±28 at most) and everybody proved wrong.
    return float(brentq(missed, -60.0, 60.0))


def level_curve(errors: dict[date, float], panel: Panel, horizon_days: int) -> LevelCurve:
    """The curve of realised errors, and how far the one of a year ago is believed.

    Parameters
    ----------
    errors : dict of date to float
        Realised errors of the snapshots labelled by ``panel.as_of``.
    panel : Panel
        The panel they come from.
    horizon_days : int
        Horizon of the head.

    Notes
    -----
    A young history misjudges its own customers (old ones look new in it): an error counts from nothing, when the
    history was one usual gap between purchases long, to fully at three. The weight of the year-ago error is the
    least-squares slope of the errors of the last back-tests on their year-ago ones, kept in [0, 1], with a prior:
    seasons repeat (slope 1), held as firmly as two tests with errors of the usual size. Where there is no season
    the errors are small, and believing them costs little. Windows that overlap are not tests of their own: each
    counts by the share that it does not have in common with the next. What the last three errors had beyond their
    year-ago ones is a drift; half of it is expected to last, unless in past tests that would have made the level
    worse.
    """
    gap = max(1.0, float(np.nanmean([*panel.at(panel.as_of)["gap_mean"], horizon_days])))
    days = sorted(errors)
    first = panel.first_day
    believed = tuple(errors[d] * float(np.clip(((d - first).days / gap - 1.0) / 2.0, 0.0, 1.0)) for d in days)
    curve = LevelCurve(tuple(days), believed)
    tests = [(d, errors[d], y) for d in days if (y := curve.year_ago(d))]
    own = min(1.0, STEP_DAYS / horizon_days)
    prior = _PRIOR_TESTS * max(1e-6, float(np.mean(np.square(list(errors.values())))))
    last = tests[-_BACK_TESTS:]
    slope = (own * sum(e * y for _, e, y in last) + _PRIOR_SLOPE * prior) / (
        own * sum(y * y for _, _, y in last) + prior
    )
    weight = float(np.clip(slope, 0.0, 1.0))
    beyond = {d: e - weight * y for d, e, y in tests}
    return replace(curve, weight=weight, drift=_drift(beyond, horizon_days))


def _drift(beyond: dict[date, float], horizon_days: int) -> float:
    """Half the mean of the last errors beyond their year-ago ones; none where that had failed in past tests."""

    def lasting(errors: list[float]) -> float:
        return _DRIFT_LASTS * float(np.mean(errors[-_DRIFT_TESTS:]))

    tests = []
    for day, error in beyond.items():
        known = [e for d, e in beyond.items() if d + timedelta(days=horizon_days) <= day]
        if known:
            tests.append((error, lasting(known)))
    tests = tests[-_BACK_TESTS:]
    if tests and sum((e - d) ** 2 for e, d in tests) >= sum(e * e for e, _ in tests):
        return 0.0
    return lasting(list(beyond.values())) if beyond else 0.0
