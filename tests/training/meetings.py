"""Past days made up from a known truth: customers, what came, and models of known worth."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

import numpy as np

from training.meeting import OURS, Forecast, Meeting
from training.models.head import sigmoid

Floats = np.ndarray
HORIZON = 90
CLASSES = np.array(["high", "low"])


def population(seed: int, *, customers: int = 600, days: int = 3, sharp: float = 1.0) -> list[Meeting]:
    """Days on which the churn probability depends on recency and on something that only a good model sees.

    ``sharp`` scales how far apart customers are. Ours is the truth; see `with_ours` for worse ones.
    """
    rng = np.random.default_rng(seed)
    spend = rng.lognormal(4, 1, customers)
    hidden = rng.normal(0, 1, customers)
    return [_day(rng, i, spend, hidden, sharp) for i in range(days)]


def _day(rng: np.random.Generator, i: int, spend: Floats, hidden: Floats, sharp: float) -> Meeting:
    there = np.flatnonzero(rng.random(spend.size) < 0.9)
    seen = rng.normal(0, 1, there.size)
    mine = hidden[there]
    truth = sigmoid(0.3 + sharp * (0.8 * seen + 0.9 * mine))
    rule = sigmoid(0.3 + 0.7 * sharp * seen)
    closed = sigmoid(0.3 + sharp * (0.75 * seen + 0.4 * mine))
    churned = (rng.random(there.size) < truth).astype(float)
    orders = (1 - churned) * (1.0 + rng.poisson(1, there.size))
    value = orders * spend[there] * rng.gamma(4, 0.25, there.size)
    worth = spend[there]
    return Meeting(
        day=date(2025, 1, 1) + timedelta(days=30 * i),
        window_days=HORIZON,
        evidence="ml",
        customer=there.astype(np.int64),
        churned=churned,
        orders={HORIZON: orders},
        value={HORIZON: value},
        value_class=CLASSES[(worth < np.median(worth)).astype(int)],
        forecasts={
            OURS: forecast(truth, worth),
            "recency_rule": forecast(rule, np.full(there.size, worth.mean())),
            "carry_forward": forecast(np.where(seen > 0, 0.75, 0.45), worth * rng.gamma(2, 0.5, there.size)),
            "closed_form": forecast(closed, worth * rng.gamma(8, 0.125, there.size)),
        },
    )


def forecast(churn: Floats, worth: Floats) -> Forecast:
    return Forecast(churn, {HORIZON: (1 - churn) * 2.0}, {HORIZON: (1 - churn) * 2.0 * worth})


def with_ours(meetings: list[Meeting], change: Callable[[Meeting], Forecast]) -> list[Meeting]:
    """The same days with another model under our name."""
    return [swapped(m, change(m)) for m in meetings]


def swapped(meeting: Meeting, ours: Forecast) -> Meeting:
    return Meeting(**{**meeting.__dict__, "forecasts": {**meeting.forecasts, OURS: ours}})
