"""Past days on which tree settings are tried: some to search on, the latest ones held out for the verdict."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.errors import NotEnoughData
from training.fit import fit_head
from training.gate import churn_loss, value_loss
from training.head_kind import HeadKind
from training.learnable import lead_horizon
from training.meet import customer_numbers
from training.meeting import Forecast, Meeting
from training.panel import Panel
from training.settings import TrainingSettings, TreeSettings

__all__ = ["Case", "SearchDays", "search_days"]

Floats = npt.NDArray[np.float64]
_MOST_SEARCHED = 4
_MOST_HELD_OUT = 3


@dataclass(frozen=True)
class SearchDays:
    """Days to search on and days held out, both rising.

    The outcomes of every searched day had ended before the first held-out one began.
    """

    searched: tuple[date, ...]
    held_out: tuple[date, ...]


def search_days(panel: Panel, window_days: int) -> SearchDays:
    """Splits the labelled days on which trees can be grown.

    Parameters
    ----------
    panel : Panel
        From `training.fit.anchored`.
    window_days : int
        Churn window.

    Returns
    -------
    SearchDays
        Up to three latest days held out; up to four searched, a window apart, so that each has outcomes of its own.

    Raises
    ------
    NotEnoughData
        When no two labelled days lie a window apart, each with enough history to grow trees on.
    """
    window = timedelta(days=window_days)
    usable = _usable(panel, window)
    for least in (2, 1):
        for held in range(min(_MOST_HELD_OUT, len(usable)), 0, -1):
            searched = _apart([d for d in usable if d + window <= usable[-held]], window)
            if len(searched) >= least:
                return SearchDays(tuple(searched), tuple(usable[-held:]))
    raise NotEnoughData(
        f"tune: {len(usable)} past days have {window_days} days after them and enough before them to grow trees "
        "on, and no two of them lie a churn window apart: one to search on, one to judge. Bring more history or "
        "choose a shorter --churn-window; the present settings serve meanwhile"
    )


def _usable(panel: Panel, window: timedelta) -> list[date]:
    """Latest labelled days on which trees can learn the window, rising; no more than a search could use."""
    labelled = [d for d in panel.days if d + window <= panel.as_of]
    found: list[date] = []
    for day in reversed(labelled):
        reach = found[_MOST_HELD_OUT - 1] - window if len(found) >= _MOST_HELD_OUT else None
        enough = reach is not None and day < reach - _MOST_SEARCHED * window
        if enough or lead_horizon(panel.before(day), "churn", window.days) != window.days:
            break
        found.append(day)
    return sorted(found)


def _apart(days: Sequence[date], gap: timedelta) -> list[date]:
    """The latest days at least `gap` apart, rising."""
    found: list[date] = []
    for day in reversed(days):
        if not found or day + gap <= found[-1]:
            found.append(day)
    return sorted(found[:_MOST_SEARCHED])


@dataclass(frozen=True)
class Case:
    """One past day, what was known then, and how much the present settings lost there.

    Parameters
    ----------
    known : Panel
        What was known on the day.
    meeting : Meeting
        What came, without forecasts.
    settings : TrainingSettings
        Everything but the trees.
    present : tuple of float
        Mean log loss of churn and mean Tweedie deviance of value under the present settings.
    """

    known: Panel
    meeting: Meeting
    settings: TrainingSettings
    present: tuple[float, float] = (1.0, 1.0)

    @classmethod
    def of(cls, panel: Panel, day: date, settings: TrainingSettings) -> Case:
        """The case of one day; fits the present settings once."""
        window = settings.churn.window_days
        rows = panel.at(day)
        churn, value = HeadKind("churn", window), HeadKind("value", window)
        orders = rows[f"orders_ahead_{window}"].to_numpy(np.float64)
        meeting = Meeting(
            day=day,
            window_days=window,
            evidence="ml",
            customer=customer_numbers(pd.Index(rows["customer_id"])),
            churned=churn.target(rows),
            orders={window: orders},
            value={window: value.target(rows)},
            value_class=np.full(len(rows), "unknown"),
            forecasts={},
        )
        bare = cls(panel.before(day), meeting, settings)
        churned, spent = (float(loss.mean()) for loss in bare._losses(settings.trees))
        return cls(bare.known, meeting, settings, (churned, spent))

    def losses(self, trees: TreeSettings) -> Floats:
        """Loss of each customer under other trees: the mean of churn's and value's, in units of the present mean.

        Notes
        -----
        Log loss and deviance of money have no common unit; as shares of what the present settings lose they have.
        """
        shares = [
            loss / mean for loss, mean in zip(self._losses(trees), self.present, strict=True) if mean > 0
        ]
        return np.asarray(np.mean(shares, axis=0)) if shares else np.zeros(len(self.meeting.customer))

    def _losses(self, trees: TreeSettings) -> tuple[Floats, Floats]:
        window = self.meeting.window_days
        settings = self.settings.model_copy(update={"trees": trees})
        with ThreadPoolExecutor(min(2, settings.num_threads)) as pool:
            churn, value = pool.map(
                lambda name: self._answer(HeadKind(name, window), settings), ("churn", "value")
            )
        forecast = Forecast(churn, {}, {window: value})
        return churn_loss(self.meeting, forecast), value_loss(window)(self.meeting, forecast)

    def _answer(self, kind: HeadKind, settings: TrainingSettings) -> Floats:
        rows = self.known.at(self.known.as_of)
        head = fit_head(self.known, kind, settings)
        closed = kind.closed_form(rows)
        return kind.answer(closed if head is None else head.raw(closed, rows, self.known.as_of))
