"""Realised level errors of the closed form, and how far the one of a year ago is to be believed."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.optimize import brentq

from training.head_kind import HeadKind
from training.models.head import sigmoid
from training.models.level import LevelCurve
from training.panel import STEP_DAYS, Panel

__all__ = ["level_curve", "realised_error", "realised_errors", "recent_kind"]

Floats = npt.NDArray[np.float64]
_BACK_TESTS = 6
_PRIOR_SLOPE = 1.0
_PRIOR_TESTS = 2.0
_PRIOR_EVENTS = 25.0
_DRIFT_TESTS = 2
_DRIFT_LASTS = 0.5
_DRIFT_DAYS = 45.0


def realised_errors(rows: pd.DataFrame, kind: HeadKind) -> dict[date, float]:
    """Error of the closed form at each cut-off day, on the head's scale, shrunk where few events speak.

    A day on which nobody was left alone (all weights 0) tells nothing: its error is 0.
    """
    found = {}
    actuals, weights, closed = kind.target(rows), kind.weight(rows), kind.closed_form(rows)
    for day, at in rows.groupby("as_of", sort=True).indices.items():
        actual, weight = actuals[at], weights[at]
        happened = float(weight[actual > 0].sum())
        events = min(happened, float(weight.sum()) - happened) if kind.name == "churn" else happened
        error = realised_error(kind, closed[at], actual, weight)
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


def recent_kind(kind: HeadKind, panel: Panel) -> HeadKind:
    """The same quantity at the horizon whose errors are known first: the longest up to `STEP_DAYS`, or its own.

    Examples
    --------
    >>> panel = Panel(pd.DataFrame(), date(2026, 1, 1), (14, 30, 90))
    >>> recent_kind(HeadKind("value", 90), panel).horizon_days
    30
    """
    soon = [h for h in panel.horizons_days if h <= min(kind.horizon_days, STEP_DAYS)]
    return HeadKind(kind.name, max(soon, default=kind.horizon_days))


def level_curve(
    errors: dict[date, float], panel: Panel, horizon_days: int, *, recent: dict[date, float] | None = None
) -> LevelCurve:
    """The curve of realised errors, how far the one of a year ago is believed, and the drift since.

    Parameters
    ----------
    errors : dict of date to float
        Realised errors of the snapshots labelled by ``panel.as_of``.
    panel : Panel
        The panel they come from.
    horizon_days : int
        Horizon of the head.
    recent : dict of date to float, optional
        Realised errors at the horizon of `recent_kind`, known by ``panel.as_of``; `errors` without it.

    Notes
    -----
    A young history misjudges its own customers (old ones look new in it): an error counts from nothing, when the
    history was one usual gap between purchases long, to fully at three. The weight of the year-ago error is the
    least-squares slope of the errors of the last back-tests on their year-ago ones, kept in [0, 1], with a prior:
    seasons repeat (slope 1), held as firmly as two tests with errors of the usual size. Where there is no season
    the errors are small, and believing them costs little. Windows that overlap are not tests of their own: each
    counts by the share that it does not have in common with the next.

    What came lately beyond the season is a drift. The errors of a quarter are known a quarter late, those of a
    month soon: the drift is what the two latest short errors had beyond their year-ago ones, and nothing where no
    year-ago one is known, because a season met for the first time looks like a drift and does not last. Half of
    it is expected of the next quarter; it dies out, so that over longer horizons it counts for 45 days in all.
    """
    gaps = panel.at(panel.as_of)["gap_mean"].to_numpy(np.float64)
    gap = max(1.0, float(np.nanmean(np.append(gaps, horizon_days))))
    curve = _season(errors, panel.first_day, gap, horizon_days)
    if not errors:
        return curve
    lately = errors if recent is None else recent
    lasts = min(_DRIFT_LASTS, _DRIFT_DAYS / horizon_days)
    own = horizon_days if recent is None else min(horizon_days, STEP_DAYS)
    return replace(curve, drift=lasts * _beyond(lately, _season(lately, panel.first_day, gap, own)))


def _season(errors: dict[date, float], first: date, gap: float, horizon_days: int) -> LevelCurve:
    """The errors as far as they are believed, and the weight of the year-ago one."""
    days = sorted(errors)
    believed = tuple(errors[d] * float(np.clip(((d - first).days / gap - 1.0) / 2.0, 0.0, 1.0)) for d in days)
    curve = LevelCurve(tuple(days), believed)
    if not days:
        return curve
    tests = [(errors[d], y) for d in days if (y := curve.year_ago(d))][-_BACK_TESTS:]
    own = min(1.0, STEP_DAYS / horizon_days)
    prior = _PRIOR_TESTS * max(1e-6, float(np.mean(np.square(list(errors.values())))))
    slope = (own * sum(e * y for e, y in tests) + _PRIOR_SLOPE * prior) / (
        own * sum(y * y for _, y in tests) + prior
    )
    return replace(curve, weight=float(np.clip(slope, 0.0, 1.0)))


def _beyond(errors: dict[date, float], season: LevelCurve) -> float:
    """Mean of what the last errors had beyond their year-ago ones."""
    last = [(errors[d], season.year_ago(d)) for d in sorted(errors)[-_DRIFT_TESTS:]]
    return float(np.mean([0.0 if y is None else e - season.weight * y for e, y in last])) if last else 0.0
