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
from training.panel import Panel

__all__ = ["level_curve", "realised_error", "realised_errors"]

Floats = npt.NDArray[np.float64]
_BACK_TESTS = 6
_PRIOR_SLOPE = 0.75
_PRIOR_EVENTS = 25.0
_YEAR = timedelta(days=365)


def realised_errors(rows: pd.DataFrame, kind: HeadKind) -> dict[date, float]:
    """Error of the closed form at each cut-off day, on the head's scale, shrunk where few events speak."""
    days = rows["as_of"].unique()
    found = {}
    for day in sorted(days):
        snapshot = rows[rows["as_of"] == day]
        actual = kind.target(snapshot)
        events = float(min((actual > 0).sum(), len(actual) if kind.name != "churn" else (actual == 0).sum()))
        error = realised_error(kind, kind.closed_form(snapshot), actual)
        found[pd.Timestamp(day).date()] = error * events / (events + _PRIOR_EVENTS)
    return found


def realised_error(kind: HeadKind, closed_form: Floats, actual: Floats) -> float:
    """The constant that, added to the closed form, makes its total equal what came."""
    if kind.name != "churn":
        expected, came = float(np.exp(closed_form).sum()), float(actual.sum())
        return float(np.log(came / expected)) if came > 0 else 0.0
    share = float(np.clip(actual.mean(), 0.5 / len(actual), 1 - 0.5 / len(actual)))
    # Wide enough for a closed form that was sure (±28 at most) and everybody proved wrong.
    return float(brentq(lambda d: float(sigmoid(closed_form + d).mean()) - share, -60.0, 60.0))


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
    A young history misjudges its own customers: an error counts from nothing, when the history was one usual
    gap between purchases long, to fully at two. The weight of the year-ago error is the least-squares slope
    of the errors of the last back-tests on their year-ago ones, kept in [0, 1] and drawn to 0.75 by one
    pseudo-observation of the usual size of the errors: where there is no season the errors are small, and
    believing them costs little. The rest of the weight goes to the persistent error: the mean of the last
    year, drawn to none by the share of a year that is missing and once more by half.
    """
    gap = max(1.0, float(np.nanmean([*panel.at(panel.as_of)["gap_mean"], horizon_days])))
    days = sorted(errors)
    first = panel.first_day
    mature = {d: float(np.clip((d - first).days / gap - 1.0, 0.0, 1.0)) for d in days}
    curve = LevelCurve(tuple(days), tuple(errors[d] * mature[d] for d in days))
    tests = [(errors[d], y) for d in days if (y := curve.year_ago(d))][-_BACK_TESTS:]
    usual = max(1e-6, float(np.mean(np.square(curve.errors))))
    slope = (sum(e * y for e, y in tests) + _PRIOR_SLOPE * usual) / (sum(y * y for _, y in tests) + usual)
    return replace(curve, weight=float(np.clip(slope, 0.0, 1.0)), base=_persistent(curve, panel.as_of))


def _persistent(curve: LevelCurve, as_of: date) -> float:
    recent = {d: e for d, e in zip(curve.days, curve.errors, strict=True) if d >= as_of - _YEAR}
    if not recent:
        return 0.0
    covered = min(1.0, ((as_of - min(recent)).days) / _YEAR.days)
    return 0.5 * covered * sum(recent.values()) / len(recent)
