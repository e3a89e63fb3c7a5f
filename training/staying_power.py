"""Staying power: how much worse a model gets when nobody trains it again.

A bundle trained on one day is asked again one, two, three and four windows later, on the features of that day,
and meets the bundle that would have been trained then. Both see the same customers and the same outcomes, so that
the season does not pass for age.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, timedelta
from typing import Any

from features.errors import NotEnoughData
from features.pipeline import FEATURES
from features.progress import Progress
from training.backtest import judged_days, plain
from training.bootstrap import Drawn, Figure, draw, headline
from training.build import build_bundle, evidence_for
from training.meet import judged_rows, meet, ours
from training.meeting import OURS, Meeting
from training.models.bundle import Bundle
from training.panel import STEP_DAYS, Panel
from training.settings import TrainingSettings

__all__ = ["AGES", "Aged", "StayingPower", "staying_power"]

AGES = (1, 2, 3, 4)


@dataclass(frozen=True)
class Aged:
    """What became of a model after a number of days.

    Parameters
    ----------
    age_days : int
        Days since it was trained.
    days : tuple of date
        Days on which it was asked.
    figures : dict
        Name of the figure to ``{"aged", "fresh", "difference", "low", "high"}``, means over the days; the difference
        is aged less fresh, with its 95 % interval over customers.
    """

    age_days: int
    days: tuple[date, ...]
    figures: dict[str, dict[str, float]]


@dataclass(frozen=True)
class StayingPower:
    """The decay of a model by age.

    Parameters
    ----------
    window_days : int
        Churn window.
    ages : tuple of Aged
        By rising age.
    meetings : tuple of Meeting
        Forecasts of aged models are named ``retain N d old``.
    """

    window_days: int
    ages: tuple[Aged, ...]
    meetings: tuple[Meeting, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values, NaN as None."""
        return dict(plain({"window_days": self.window_days, "ages": [asdict(a) for a in self.ages]}))


def staying_power(
    panel: Panel,
    settings: TrainingSettings,
    *,
    count: int = 3,
    draws: int = 1000,
    progress: Progress | None = None,
) -> StayingPower:
    """Asks bundles again, one to four windows after they were trained.

    Parameters
    ----------
    panel : Panel
        From `training.fit.anchored`.
    settings : TrainingSettings
        Window, horizons, seed.
    count : int
        The last so many labelled days are judged, ≥ 1.
    draws : int
        Draws of the bootstrap.
    progress : callable, optional
        Told the stage and its share done.

    Raises
    ------
    NotEnoughData
        When there is no labelled day, or none a window after another snapshot.

    Notes
    -----
    A window is rounded up to whole steps between snapshots (30 days).
    """
    window = settings.churn.window_days
    step = STEP_DAYS * math.ceil(window / STEP_DAYS)
    days = judged_days(panel, window, count)
    trainings = _trainings(panel, days, step)
    bundles = _bundles(panel, settings, sorted({d for found in trainings.values() for d in found}), progress)
    meetings = tuple(_meeting(panel, settings, day, trainings[day], bundles) for day in days)
    figures = headline(meetings)
    names = {age * step: _name(age * step) for age in AGES}
    drawn = draw(meetings, [OURS, *names.values()], figures, draws=draws, seed=settings.seed)
    ages = [_aged(drawn, age, name, figures) for age, name in names.items()]
    return StayingPower(window, tuple(a for a in ages if a.days), meetings)


def _trainings(panel: Panel, days: Sequence[date], step: int) -> dict[date, list[date]]:
    """By judged day the days on which its models are trained, itself first."""
    known = set(panel.days)
    wanted = {day: [day - timedelta(days=age * step) for age in (0, *AGES)] for day in days}
    found = {day: [d for d in trained if d in known] for day, trained in wanted.items()}
    if not any(len(trained) > 1 for trained in found.values()):
        raise NotEnoughData(
            f"staying power: no labelled day lies {step} days after another snapshot; bring more history or "
            "choose a shorter --churn-window"
        )
    return found


def _bundles(
    panel: Panel, settings: TrainingSettings, days: Sequence[date], progress: Progress | None
) -> dict[date, Bundle]:
    found = {}
    for done, day in enumerate(days):
        if progress:
            progress(f"model of {day.isoformat()}", done / len(days))
        known = panel.before(day)
        evidence = evidence_for(known, settings.churn.window_days)[0]
        found[day] = build_bundle(known, settings, evidence=evidence)
    return found


def _meeting(
    panel: Panel, settings: TrainingSettings, day: date, trained: Sequence[date], bundles: dict[date, Bundle]
) -> Meeting:
    meeting = meet(panel, bundles[day], day, settings)
    features = judged_rows(panel, day, settings.churn.window_days)[list(FEATURES)]
    aged = {
        _name((day - d).days): ours(bundles[d].predict(features, day), list(meeting.orders))
        for d in trained
        if d < day
    }
    return replace(meeting, forecasts={**meeting.forecasts, **aged})


def _aged(drawn: Drawn, age: int, name: str, figures: Sequence[Figure]) -> Aged:
    """Means over the days on which this age was seen."""
    shared = drawn.shared(name, OURS, figures[0])
    seen = Drawn(drawn.found, shared)
    found = {}
    for figure in figures:
        difference, low, high = seen.difference(name, OURS, figure)
        found[figure.name] = {
            "aged": seen.interval(name, figure).difference,
            "fresh": seen.interval(OURS, figure).difference,
            "difference": difference,
            "low": low,
            "high": high,
        }
    return Aged(age, shared, found)


def _name(age_days: int) -> str:
    return f"{OURS} {age_days} d old"
