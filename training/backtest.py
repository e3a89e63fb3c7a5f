"""The judge: train as of past days, predict, and compare with what came, beside three baselines.

At every cut-off c the bundle is built from what was known at c, exactly as it would have shipped: it learns only
from labels whose window had ended by c. It meets the orders of [c, c + h). The closed form is both a baseline
and the rung below the trees.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt

from features.errors import NotEnoughData
from features.progress import Progress
from training.build import build_bundle, evidence_for
from training.meet import figures, meet
from training.meeting import OURS, Meeting
from training.models.bundle import Bundle
from training.panel import Panel
from training.settings import TrainingSettings

__all__ = ["BackTest", "CutOff", "back_test", "judge", "judged_days", "latest_cut_off", "plain"]

Floats = npt.NDArray[np.float64]
_APART_DAYS = 30


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
            "left_out": self.meeting.left_out,
            "models": plain(self.models),
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


def plain(values: Any) -> Any:
    """Values for JSON: keys as text, days as ISO text, NaN as None.

    Examples
    --------
    >>> plain({30: (float("nan"), date(2026, 1, 31))})
    {'30': [None, '2026-01-31']}
    """
    if isinstance(values, dict):
        return {str(k): plain(v) for k, v in values.items()}
    if isinstance(values, (list, tuple)):
        return [plain(v) for v in values]
    if isinstance(values, date):
        return values.isoformat()
    if isinstance(values, float):
        return None if np.isnan(values) else values
    return values
