"""What the card's pictures and tables show, in bins of at least ten customers, so that nobody can be told from them.

A bin holds at least ten rows per meeting; a customer has one row in a meeting, so there are at least ten different
customers in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from training.meeting import OURS, Meeting
from training.profit import Campaign
from training.ranking import Floats, equal_count_bins, ranked

__all__ = ["LEAST", "bins_for", "calibration_bins", "coverage", "gains_curves", "profit_curves"]

LEAST = 10
_MOST_BINS = 20


def bins_for(meetings: Sequence[Meeting], most: int) -> int:
    """How many bins of the pooled rows keep at least ten customers each; 0 when not even one does."""
    rows = sum(m.customer.size for m in meetings)
    return min(most, rows // (LEAST * len(meetings)))


def calibration_bins(meetings: Sequence[Meeting]) -> list[dict[str, float]]:
    """Mean probability, share that churned and rows of equal-count bins of our pooled forecasts."""
    count = bins_for(meetings, 10)
    if not count:
        return []
    churned = np.concatenate([m.churned for m in meetings])
    said = np.concatenate([m.forecasts[OURS].churn_probability for m in meetings])
    bins = equal_count_bins(churned, said, bins=count)
    return [
        {"probability": p / n, "churned": y / n, "rows": n}
        for n, y, p in zip(bins.size.tolist(), bins.actual.tolist(), bins.predicted.tolist(), strict=True)
    ]


def gains_curves(meetings: Sequence[Meeting]) -> dict[str, list[float]]:
    """Share of churners found in the best 0, 1/k, … of customers by model, mean over the meetings."""
    grid = _grid(meetings)
    found = {}
    for model in sorted({name for m in meetings for name in m.forecasts}) if grid.size else ():
        days = [m for m in meetings if model in m.forecasts]
        curves = [
            _curve(grid, m.churned / max(1.0, float(m.churned.sum())), m.forecasts[model].churn_probability)
            for m in days
        ]
        found[model] = np.mean(curves, axis=0).tolist()
    return found


def profit_curves(meetings: Sequence[Meeting], campaigns: Sequence[Campaign]) -> dict[str, list[float]]:
    """Realised profit of contacting the best 0, 1/k, … of customers, money per thousand customers.

    Ours, a perfect choice and a random one, mean over the meetings.
    """
    grid = _grid(meetings)
    curves: dict[str, list[Floats]] = {OURS: [], "perfect": [], "random": []}
    for meeting, campaign in zip(meetings, campaigns, strict=True) if grid.size else ():
        gain = campaign.gain() * 1000.0 / meeting.customer.size
        scores = (campaign.score(meeting.forecasts[OURS]), gain, np.zeros_like(gain))
        for name, score in zip(curves, scores, strict=True):
            curves[name].append(_curve(grid, gain, score))
    return {name: np.mean(rows, axis=0).tolist() for name, rows in curves.items() if rows}


def coverage(meetings: Sequence[Meeting]) -> list[dict[str, Any]]:
    """How often what came lay within our central intervals, by horizon, interval and value class.

    Returns
    -------
    list of dict
        horizon_days, nominal, value_class (``all`` for everybody), rows, covered, and width: mean width over the mean
        value that came, because an interval that holds everything says nothing.
    """
    found = []
    for horizon in sorted({h for m in meetings for h in m.forecasts[OURS].bounds if h in m.value}):
        known = [m for m in meetings if horizon in m.forecasts[OURS].bounds and horizon in m.value]
        levels = set.intersection(*(set(m.forecasts[OURS].bounds[horizon]) for m in known))
        for low in sorted(level for level in levels if level < 0.5):
            high = next((level for level in levels if abs(level - (1.0 - low)) < 1e-9), None)
            if high is not None:
                found += _covered(known, horizon, low, high)
    return found


def _covered(meetings: Sequence[Meeting], horizon: int, low: float, high: float) -> list[dict[str, Any]]:
    came = np.concatenate([m.value[horizon] for m in meetings])
    bounds = [m.forecasts[OURS].bounds[horizon] for m in meetings]
    below = np.concatenate([b[low] for b in bounds])
    above = np.concatenate([b[high] for b in bounds])
    classes = np.concatenate([m.value_class.astype(str) for m in meetings])
    held = (came >= below) & (came <= above)
    groups: list[tuple[str, npt.NDArray[np.bool_]]] = [("all", np.ones(came.size, dtype=bool))]
    groups += [(str(name), classes == name) for name in np.unique(classes)]
    found = []
    for name, rows in groups:
        if rows.sum() < LEAST * len(meetings):
            continue
        mean = float(came[rows].mean())
        found.append(
            {
                "horizon_days": horizon,
                "nominal": round(high - low, 6),
                "value_class": name,
                "rows": int(rows.sum()),
                "covered": float(held[rows].mean()),
                "width": float((above - below)[rows].mean()) / mean if mean > 0 else None,
            }
        )
    return found


def _grid(meetings: Sequence[Meeting]) -> Floats:
    """Shares of customers, at least ten customers apart in every meeting; empty where there are too few."""
    count = min(m.customer.size // LEAST for m in meetings)
    return np.linspace(0.0, 1.0, min(count, _MOST_BINS) + 1) if count else np.empty(0)


def _curve(grid: Floats, gain: Floats, score: Floats) -> Floats:
    shared, _ = ranked(gain, score)
    reached = np.append(0.0, shared.cumsum())
    return np.interp(grid * gain.size, np.arange(reached.size), reached)
