"""Figures too good to be honest: how the card notices a model that was fed the answer.

A leak makes a model *better* by every figure, so no figure of quality can see it. What gives it away is that it does
what nobody can: it leaves almost nothing of what three honest forecasts of the same customers had left open. The
limits are wide: the gain of good learned models over the closed form is a few hundredths of that distance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from training.meeting import OURS, Meeting
from training.qualities import Qualities
from training.ranking import Floats

__all__ = ["Suspicion", "suspicions"]

# Tutorials that leak report AUC 0.99 and more; honest figures of the same data lie near 0.8.
_NEAR_PERFECT_AUC = 0.99
_PERFECT_AUC = 0.9995
# Share of what the best baseline leaves open.
_HALF = 0.5
# Without a baseline the constant stands in, from which honest contract models go almost half the way.
_MOST = 0.8
_VALUE_LEFT = 0.2


@dataclass(frozen=True)
class Suspicion:
    """Why the model may know the answer: key of the text, and what it names."""

    reason: str
    figure: float
    names: tuple[str, ...] = ()


def suspicions(
    meetings: Sequence[Meeting], found: Qualities, horizon: int | None, leaks: Sequence[str] = ()
) -> tuple[Suspicion, ...]:
    """Everything that speaks for a leak; empty for an honest model.

    Parameters
    ----------
    meetings : sequence of Meeting
        The judged days.
    found : Qualities
        Of the same meetings.
    horizon : int or None
        Days of the value that is looked at.
    leaks : sequence of str
        Columns that a leak guard has named.
    """
    reasons = [Suspicion("leak_guard", float(len(leaks)), tuple(leaks))] if leaks else []
    baselines = [name for name in found.found["lift"] if name != OURS]
    auc = (float(found.mean("lift", OURS)[0]) + 100.0) / 200.0
    ranking, loss = (_closed(found, name, baselines) for name in ("lift", "calibration"))
    limit = _HALF if baselines else _MOST
    if auc >= _PERFECT_AUC or (auc >= _NEAR_PERFECT_AUC and ranking >= limit):
        reasons.append(Suspicion("near_perfect", auc))
    elif ranking >= limit and loss >= limit:
        reasons.append(Suspicion("far_above", ranking))
    for kind in ("value", "orders") if horizon is not None else ():
        left = _error_left(meetings, kind, int(horizon or 0), baselines)
        if left <= _VALUE_LEFT:
            reasons.append(Suspicion(f"{kind}_known", left))
    return tuple(reasons)


def _closed(found: Qualities, name: str, baselines: Sequence[str]) -> float:
    """Share of the way to perfect from the best baseline; from chance where there is none."""
    ways = [float(found.skill(name, b)[0]) for b in baselines]
    known = [way for way in ways if np.isfinite(way)]
    return min(known) if known else float(found.mean(name, OURS)[0]) / 100.0


def _error_left(meetings: Sequence[Meeting], kind: str, horizon: int, baselines: Sequence[str]) -> float:
    """Our absolute error over the best baseline's; nan where it cannot be told."""
    errors = {name: _absolute_error(meetings, kind, horizon, name) for name in (OURS, *baselines)}
    best = min((e for name, e in errors.items() if name != OURS and np.isfinite(e)), default=np.nan)
    return errors[OURS] / best if best > 0 else np.nan


def _absolute_error(meetings: Sequence[Meeting], kind: str, horizon: int, model: str) -> float:
    total = 0.0
    for meeting in meetings:
        forecast = meeting.forecasts.get(model)
        said: dict[int, Floats] = {} if forecast is None else getattr(forecast, f"expected_{kind}")
        if horizon not in said:
            return np.nan
        total += float(np.abs(said[horizon] - getattr(meeting, kind)[horizon]).sum())
    return total
