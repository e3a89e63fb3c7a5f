"""Qualities from 0 (chance) to 100 (perfect) of every model at every meeting, under many draws of customers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import xlogy

from training.meeting import OURS, Forecast, Meeting
from training.meeting_checks import cut
from training.metrics import row_log_loss
from training.profit import YARDSTICKS, Campaign, profit_quality
from training.ranking import Floats, equal_count_bins
from training.weighted import FLOOR, area_under, best_share, cluster_weights, scaled

__all__ = [
    "QUALITIES",
    "Qualities",
    "calibration_excess",
    "population_shift",
    "qualities",
]

QUALITIES = ("profit", "lift", "top_tenth", "calibration", "level")
# Our profit by the yardstick that a baseline has no part in, under the baseline's name.
_TABLES = (*QUALITIES, "our_profit")
_MOST_CUSTOMERS = 20_000
_TENTH = 0.1


@dataclass(frozen=True)
class Qualities:
    """Quality by name and model.

    Parameters
    ----------
    found : dict of str to dict of str to array, shape (meetings, 1 + draws)
        The first column is the figure itself; nan where a model or a figure is missing.
    """

    found: dict[str, dict[str, Floats]]

    def mean(self, name: str, model: str) -> Floats:
        """Mean over the meetings where the figure is defined, shape (1 + draws,)."""
        return _mean(self.found[name][model])

    def skill(self, name: str, baseline: str) -> Floats:
        """Share of the way from a baseline to perfect that ours goes, shape (1 + draws,).

        Notes
        -----
        ``(q − q_b) / (100 − q_b)`` of mean qualities, over the meetings where both are defined; in [−10, 1].
        Profit is compared by a yardstick that the baseline has no part in.
        """
        ours, theirs = self.found[name][OURS], self.found[name][baseline]
        if name == "profit" and baseline in YARDSTICKS:
            ours = self.found["our_profit"][baseline]
        both = np.isfinite(ours[:, 0]) & np.isfinite(theirs[:, 0])
        mean, base = _mean(ours[both]), _mean(theirs[both])
        return np.clip((mean - base) / np.maximum(100.0 - base, 1e-9), -10.0, 1.0)


def qualities(
    meetings: Sequence[Meeting],
    campaigns: Sequence[Campaign],
    *,
    draws: int,
    seed: int,
) -> Qualities:
    """All qualities, their figures on all customers and their draws.

    Parameters
    ----------
    meetings : sequence of Meeting
        Checked by `check_meetings`.
    campaigns : sequence of Campaign
        Of the same meetings.
    draws : int
        Draws of customers with replacement.
    seed : int
        Of the draws.

    Notes
    -----
    The draws of a larger shop rest on 20,000 of its customers, chosen by the seed, and are shifted to the figures on
    all: its intervals are somewhat too wide, never too narrow.
    """
    everybody = np.unique(np.concatenate([m.customer for m in meetings]))
    models = sorted({name for m in meetings for name in m.forecasts})
    if everybody.size <= _MOST_CUSTOMERS:
        return Qualities(_tables(meetings, campaigns, models, _weights(meetings, draws, seed)))
    whole = _tables(meetings, campaigns, models, [np.ones((m.customer.size, 1)) for m in meetings])
    chosen = np.random.default_rng(seed).choice(everybody, _MOST_CUSTOMERS, replace=False)
    fewer = [cut(m, np.isin(m.customer, chosen)) for m in meetings]
    smaller = [
        Campaign(m, c.settings, c.margin_rate, c.horizon) for m, c in zip(fewer, campaigns, strict=True)
    ]
    drawn = _tables(fewer, smaller, models, _weights(fewer, draws, seed))
    return Qualities(
        {
            name: {model: _shifted(whole[name][model], drawn[name][model]) for model in models}
            for name in _TABLES
        }
    )


def calibration_excess(churned: Floats, probability: Floats) -> tuple[float, float]:
    """Expected calibration error, and what a perfectly right forecast of this size would show by chance.

    Notes
    -----
    In a bin of n customers the sum of outcomes less probabilities has variance ``Σ p (1 − p)`` when the
    probabilities are right; the mean absolute value of a normal variable of that variance is ``√(2/π)``
    standard deviations. A shop is not blamed for being small.

    Examples
    --------
    >>> error, chance = calibration_excess(np.array([1.0, 0.0] * 50), np.full(100, 0.5))
    >>> error, round(chance, 3)
    (0.0, 0.126)
    """
    bins = equal_count_bins(churned, probability)
    spread = equal_count_bins(probability * (1.0 - probability), probability).actual
    error = float(np.abs(bins.predicted - bins.actual).sum()) / churned.size
    return error, float(np.sqrt(2.0 / np.pi * spread).sum()) / churned.size


def population_shift(before: Floats, after: Floats) -> float:
    """Population stability index of two score distributions, less what chance alone makes of it.

    Notes
    -----
    ``Σ (a − b) ln(a / b)`` over the tenths of the earlier scores, counts + 1/2. Without any drift its mean is about
    ``(bins − 1)(1/n + 1/m)``, which is taken off.

    References
    ----------
    Siddiqi (2006), Credit Risk Scorecards. Yurdakul & Naranjo (2020), Statistical properties of the population
    stability index, Journal of Risk Model Validation 14(4).
    """
    edges = np.unique(np.quantile(before, np.arange(1, 10) / 10))
    shares = []
    for scores in (before, after):
        counts = np.bincount(np.searchsorted(edges, scores), minlength=edges.size + 1) + 0.5
        shares.append(counts / counts.sum())
    index = float(((shares[1] - shares[0]) * np.log(shares[1] / shares[0])).sum())
    return max(0.0, index - edges.size * (1 / before.size + 1 / after.size))


def _weights(meetings: Sequence[Meeting], draws: int, seed: int) -> list[Floats]:
    """Weights of every meeting's rows under all draws side by side, shape (customers, 1 + draws)."""
    return [np.hstack(parts) for parts in zip(*cluster_weights(meetings, draws, seed), strict=True)]


def _tables(
    meetings: Sequence[Meeting],
    campaigns: Sequence[Campaign],
    models: Sequence[str],
    weights: Sequence[Floats],
) -> dict[str, dict[str, Floats]]:
    shape = (len(meetings), weights[0].shape[1])
    found = {name: {model: np.full(shape, np.nan) for model in models} for name in _TABLES}
    for i, (meeting, campaign, drawn) in enumerate(zip(meetings, campaigns, weights, strict=True)):
        for name, by_model in _profits(meeting, campaign, drawn).items():
            for model, values in by_model.items():
                found[name][model][i] = values
        for model, forecast in meeting.forecasts.items():
            for name, values in _of_one(meeting, forecast, campaign.horizon, drawn).items():
                found[name][model][i] = values
    return found


def _of_one(meeting: Meeting, forecast: Forecast, horizon: int | None, weights: Floats) -> dict[str, Floats]:
    churned, said = meeting.churned, forecast.churn_probability
    mass, churners = weights.sum(axis=0), churned @ weights
    perfect = np.minimum(_TENTH * mass, churners)
    return {
        "lift": 200.0 * area_under(said, churned, weights) - 100.0,
        "top_tenth": scaled(
            best_share(said, _TENTH, churned[None, :], weights)[0], _TENTH * churners, perfect
        ),
        "calibration": _log_loss_skill(churned, said, weights),
        "level": _level(meeting, horizon, forecast, weights),
    }


def _profits(meeting: Meeting, campaign: Campaign, weights: Floats) -> dict[str, dict[str, Floats]]:
    """Profit of ours by the common yardstick, of each baseline without its own part, and of ours beside it."""
    share = campaign.settings.budget_share
    rivals = [name for name in meeting.forecasts if name in YARDSTICKS]
    gains = np.stack([campaign.gain(), *(campaign.gain(without=name) for name in rivals)])
    found: dict[str, dict[str, Floats]] = {"profit": {}, "our_profit": {}}
    for model, forecast in meeting.forecasts.items():
        score = campaign.score(forecast)
        if model == OURS:
            quality = profit_quality(gains, score, share, weights)
            found["our_profit"] = dict(zip(rivals, quality[1:], strict=True))
        else:
            one = rivals.index(model) + 1 if model in rivals else 0
            quality = profit_quality(gains[[one]], score, share, weights)
        found["profit"][model] = quality[0]
    return found


def _log_loss_skill(churned: Floats, probability: Floats, weights: Floats) -> Floats:
    """Log loss saved against the share that churned, known in hindsight: 100 saves all of it."""
    loss = row_log_loss(churned, probability) @ weights
    mass = np.maximum(weights.sum(axis=0), 1.0)
    rate = np.clip((churned @ weights) / mass, 0.0, 1.0)
    base = -(xlogy(rate, rate) + xlogy(1.0 - rate, 1.0 - rate)) * mass
    return scaled(-loss, -base, np.zeros_like(base))


def _level(meeting: Meeting, horizon: int | None, forecast: Forecast, weights: Floats) -> Floats:
    """Mean of 100 · smaller total / larger total over orders and value; 100 is right, 50 twice or half."""
    found = []
    for came, expected in (
        (meeting.orders, forecast.expected_orders),
        (meeting.value, forecast.expected_value),
    ):
        if horizon in came and horizon in expected:
            actual, predicted = came[horizon] @ weights, expected[horizon] @ weights
            low, high = np.minimum(actual, predicted), np.maximum(actual, predicted)
            share = 100.0 * np.maximum(low, 0.0) / np.where(high > 0, high, 1.0)
            found.append(np.where(actual > 0, share, np.nan))
    return np.mean(found, axis=0) if found else np.full(weights.shape[1], np.nan)


def _mean(rows: Floats) -> Floats:
    """Mean over the rows that are defined; nan where none is."""
    known = np.isfinite(rows)
    count = known.sum(axis=0)
    total = np.where(known, rows, 0.0).sum(axis=0)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _shifted(whole: Floats, drawn: Floats) -> Floats:
    """The draws, moved from the sample's figure to the whole's."""
    moved = np.clip(drawn[:, 1:] - drawn[:, :1] + whole, FLOOR, 100.0)
    return np.hstack([whole, moved])
