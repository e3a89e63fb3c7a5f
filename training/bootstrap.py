"""Paired bootstrap of a back-test: the same customers drawn again for every model and on every day.

A customer comes with all of their days (`training.weighted.cluster_weights`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

import numpy as np
import numpy.typing as npt

from features.errors import InputError
from training.drawn_metrics import DRAWN_METRICS
from training.meeting import OURS, Forecast, Meeting
from training.metrics import Interval
from training.ranking import check_pair
from training.weighted import cluster_weights

__all__ = ["Drawn", "DrawnFigure", "Figure", "against_peers", "compare", "draw", "headline"]

Floats = npt.NDArray[np.float64]
DrawnFigure = Callable[[Meeting, Forecast, Floats], Floats | None]


@dataclass(frozen=True)
class Figure:
    """A metric of one quantity.

    Parameters
    ----------
    metric : str
        Name in `training.drawn_metrics.DRAWN_METRICS`, as in `training.metrics`.
    of : {"churn", "value", "orders"}
        What is forecast.
    horizon_days : int, optional
        Horizon of value or orders; churn has its window.

    Examples
    --------
    >>> Figure("rmse", "value", 90).name
    'value 90 d rmse'
    """

    metric: str
    of: Literal["churn", "value", "orders"] = "churn"
    horizon_days: int | None = None

    def __post_init__(self) -> None:
        if self.metric not in DRAWN_METRICS:
            raise InputError(f"no figure is called {self.metric!r}; there are {', '.join(DRAWN_METRICS)}")
        if (self.of == "churn") != (self.horizon_days is None):
            raise InputError(f"{self.metric} of {self.of}: value and orders have a horizon, churn its window")

    @property
    def name(self) -> str:
        """Quantity, horizon and metric."""
        return (
            f"{self.of} {self.metric}"
            if self.horizon_days is None
            else (f"{self.of} {self.horizon_days} d {self.metric}")
        )

    def __call__(self, meeting: Meeting, forecast: Forecast, weights: Floats) -> Floats | None:
        """The figure of each draw, shape (draws,); None where the meeting or the forecast has no such horizon."""
        pair = self._pair(meeting, forecast)
        return None if pair is None else DRAWN_METRICS[self.metric](weights, *check_pair(*pair))

    def _pair(self, meeting: Meeting, forecast: Forecast) -> tuple[Floats, Floats] | None:
        h = self.horizon_days
        if h is None:
            return meeting.churned, forecast.churn_probability
        came = meeting.value if self.of == "value" else meeting.orders
        expected = forecast.expected_value if self.of == "value" else forecast.expected_orders
        return (came[h], expected[h]) if h in came and h in expected else None


@dataclass(frozen=True)
class Drawn:
    """Figures of models on all days: as they are, and for every draw.

    Parameters
    ----------
    found : dict
        (model, figure, day) to an array: the figure on all customers, then one per draw.
    days : tuple of date
        Days of the meetings.
    """

    found: dict[tuple[str, DrawnFigure, date], Floats]
    days: tuple[date, ...]

    def interval(self, model: str, figure: DrawnFigure) -> Interval:
        """The figure's mean over the days that have it, with its 95 % interval."""
        return _interval([self.found[key] for d in self.days if (key := (model, figure, d)) in self.found])

    def difference(self, a: str, b: str, figure: DrawnFigure) -> Interval:
        """Mean of figure(a) − figure(b) over the days on which both have it, with its 95 % interval."""
        return _interval(
            [self.found[a, figure, d] - self.found[b, figure, d] for d in self.shared(a, b, figure)]
        )

    def shared(self, a: str, b: str, figure: DrawnFigure) -> tuple[date, ...]:
        """Days on which both models have the figure."""
        return tuple(d for d in self.days if {(a, figure, d), (b, figure, d)} <= self.found.keys())


def draw(
    meetings: Sequence[Meeting],
    models: Sequence[str],
    figures: Sequence[DrawnFigure],
    *,
    draws: int = 1000,
    seed: int = 0,
) -> Drawn:
    """Computes figures of models on customers drawn again, the same draws for all of them.

    Parameters
    ----------
    meetings : sequence of Meeting
        Days of one back-test; each day once.
    models : sequence of str
        Names of forecasts; a day without one of them is left out for it.
    figures : sequence of Figure or callable
        Any callable of meeting, forecast and weights, shape (draws, customers), that gives one value per draw.
    draws : int
        Number of draws, ≥ 1.
    seed : int
        Of the drawing.

    Raises
    ------
    InputError
        When there is no draw, or two meetings are of one day.

    Notes
    -----
    Of G customers seen on any day, G are drawn with replacement; a day's figure is that of the drawn ones who were
    there, and the figure of the back-test is the mean over days.

    References
    ----------
    Field & Welsh (2007), Bootstrapping clustered data, JRSS B 69 (randomised cluster bootstrap).
    """
    if draws < 1:
        raise InputError(f"draws: expected at least one, got {draws}")
    days = tuple(m.day for m in meetings)
    if len(set(days)) < len(days):
        raise InputError(f"bootstrap: {len(days)} meetings on {len(set(days))} days; bring each day once")
    parts: dict[tuple[str, DrawnFigure, date], list[Floats]] = {}
    for weights in cluster_weights(meetings, draws, seed):
        for meeting, own in zip(meetings, weights, strict=True):
            for model in models:
                forecast = meeting.forecasts.get(model)
                for figure in figures if forecast is not None else ():
                    answer = figure(meeting, forecast, own.T) if forecast is not None else None
                    if answer is not None:
                        parts.setdefault((model, figure, meeting.day), []).append(answer)
    return Drawn({key: np.concatenate(found) for key, found in parts.items()}, days)


def compare(
    meetings: Sequence[Meeting], a: str, b: str, figure: DrawnFigure, *, draws: int = 1000, seed: int = 0
) -> Interval:
    """Interval of figure(a) − figure(b), mean over the days on which both have it.

    Parameters
    ----------
    meetings : sequence of Meeting
        Days of one back-test.
    a, b : str
        Names of forecasts.
    figure : Figure or callable
        What to compare.
    draws, seed : int
        Number of draws and their seed.

    Returns
    -------
    Interval
        Difference, and its 95 % interval; nan where no day has both, or the figure is undefined.

    Notes
    -----
    The interval is the percentile interval of the draws, moved so that their mean lies on the difference: drawing
    again adds noise, which lifts figures such as the calibration error of every draw above the one found.

    References
    ----------
    Efron & Tibshirani (1993), An Introduction to the Bootstrap, chapters 10 (bias) and 13 (percentiles).
    """
    return draw(meetings, (a, b), (figure,), draws=draws, seed=seed).difference(a, b, figure)


def against_peers(
    meetings: Sequence[Meeting], *, draws: int = 500, seed: int = 0
) -> dict[str, dict[str, Interval]]:
    """Ours less each peer, for the headline figures and the errors and levels of every other horizon.

    Returns
    -------
    dict
        Peer to name of the figure to its interval, the mean over the days on which both have it.
    """
    figures = headline(meetings)
    for horizon in sorted({h for m in meetings for h in m.value}):
        more = [Figure(name, "value", horizon) for name in ("mae", "rmse", "level_error")]
        figures += [figure for figure in more if figure not in figures]
    peers = list(dict.fromkeys(name for m in meetings for name in m.forecasts if name != OURS))
    drawn = draw(meetings, [OURS, *peers], figures, draws=draws, seed=seed)
    return {
        peer: {f.name: drawn.difference(OURS, peer, f) for f in figures if drawn.shared(OURS, peer, f)}
        for peer in peers
    }


def headline(meetings: Sequence[Meeting]) -> list[Figure]:
    """The figures that matter first: churn, and value at the churn window.

    Where the window is no horizon of every meeting, the longest horizon that is one stands for it; without any there
    are no value figures.
    """
    found = [Figure(name) for name in ("log_loss", "roc_auc", "calibration_error")]
    everywhere = set.intersection(*(set(m.value) for m in meetings)) if meetings else set()
    if not everywhere:
        return found
    window = meetings[0].window_days
    horizon = window if window in everywhere else max(everywhere)
    names = ("mae", "rmse", "normalised_gini", "level_error")
    return found + [Figure(name, "value", horizon) for name in names]


def _interval(days: list[Floats]) -> Interval:
    if not days:
        return Interval(math.nan, math.nan, math.nan)
    whole, *drawn = np.mean(days, axis=0)
    values = np.array(drawn)
    values = values[np.isfinite(values)]
    if not values.size or not np.isfinite(whole):
        return Interval(math.nan, math.nan, math.nan)
    low, high = np.quantile(values, [0.025, 0.975]) - values.mean() + whole
    return Interval(float(whole), float(low), float(high))
