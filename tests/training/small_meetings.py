"""Meetings drawn in a moment, whose truth is known."""

from __future__ import annotations

from datetime import date

import numpy as np

from training.meeting import Forecast, Meeting


def meeting(seed: int, size: int = 400, day: date = date(2025, 6, 1)) -> Meeting:
    """Outcomes with the truth, a noisy copy of it, and a constant as forecasts."""
    rng = np.random.default_rng(seed)
    truth = rng.beta(1.2, 2.0, size)
    churned = (rng.random(size) < truth).astype(float)
    orders = np.where(churned == 1, 0.0, 1.0 + rng.poisson(1.0, size))
    value = orders * rng.gamma(2.0, 20.0, size)

    def forecast(p: np.ndarray) -> Forecast:
        return Forecast(p, {90: 2.0 * (1 - p)}, {90: 80.0 * (1 - p)})

    noisy = np.clip(truth + rng.normal(0, 0.15, size), 0.01, 0.99)
    named = {"truth": forecast(truth), "noisy": forecast(noisy), "mean": forecast(np.full(size, 0.375))}
    who = np.arange(size, dtype=np.int64)
    return Meeting(day, 90, "ml", who, churned, {90: orders}, {90: value}, np.full(size, "unknown"), named)
