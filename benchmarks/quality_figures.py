"""Figures of every model over some meetings, and paired intervals of ours minus each peer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np

from training.bootstrap import Drawn, Figure, draw
from training.meeting import OURS, Meeting

__all__ = ["COMPARED", "FIGURES", "Comparison", "Judgement", "coverage", "judge_meetings", "own_customers"]

_CHURN = {"AUC": "roc_auc", "log loss": "log_loss", "ECE": "calibration_error"}
_VALUE = {
    "MAE": "mae",
    "RMSE": "rmse",
    "nGini": "normalised_gini",
    "dec": "decile_calibration_error",
    "lvl": "level_error",
}
FIGURES = (*_CHURN, *_VALUE)
COMPARED = ("log loss", "ECE", "RMSE", "nGini", "lvl")
HIGHER_IS_BETTER = ("AUC", "nGini")


@dataclass(frozen=True)
class Comparison:
    """Ours minus a peer in one figure, averaged over the meetings, with its 95 % interval."""

    figure: str
    difference: float
    low: float
    high: float

    @property
    def verdict(self) -> str:
        """``better``, ``worse`` or ``same``: ours against the peer, by the interval."""
        sign = -1.0 if self.figure in HIGHER_IS_BETTER else 1.0
        low, high = sorted((sign * self.low, sign * self.high))
        return "worse" if low > 0 else "better" if high < 0 else "same"

    def to_json(self) -> dict[str, object]:
        """Plain values."""
        return asdict(self) | {"verdict": self.verdict}


@dataclass(frozen=True)
class Judgement:
    """Figures of the models by name, and ours against each peer.

    ``models`` holds all of `FIGURES` and ``MAE orders``; ``intervals`` one `Comparison` for each of `FIGURES`.
    """

    models: dict[str, dict[str, float]]
    intervals: dict[str, list[Comparison]]

    def lost(self, peer: str) -> list[str]:
        """Those of `COMPARED` in which the peer is better beyond the noise."""
        return [
            c.figure for c in self.intervals.get(peer, []) if c.verdict == "worse" and c.figure in COMPARED
        ]

    def to_json(self) -> dict[str, object]:
        """Plain values."""
        intervals = {peer: [c.to_json() for c in found] for peer, found in self.intervals.items()}
        return {"models": self.models, "intervals": intervals}


def judge_meetings(
    meetings: Sequence[Meeting], peers: Sequence[str], horizon: int, *, draws: int = 400
) -> Judgement:
    """All figures of ours and of the peers, which have a forecast on every day, and the paired intervals.

    Customers are drawn again with all of their days; all models meet the same draws.
    """
    models = (OURS, *peers)
    of = {name: Figure(metric) for name, metric in _CHURN.items()}
    of |= {name: Figure(metric, "value", horizon) for name, metric in _VALUE.items()}
    orders = Figure("mae", "orders", horizon)
    drawn = draw(meetings, models, [*of.values(), orders], draws=draws, seed=1)
    names = of | {"MAE orders": orders}
    return Judgement(
        {m: {name: drawn.interval(m, figure).difference for name, figure in names.items()} for m in models},
        {peer: [_comparison(drawn, peer, name, figure) for name, figure in of.items()] for peer in peers},
    )


def coverage(meetings: Sequence[Meeting], horizon: int) -> dict[str, float]:
    """Share of the values that lay within our 80 % and 90 % intervals; empty where there are none."""
    found = {}
    for name, low, high in (("80 %", 0.1, 0.9), ("90 %", 0.05, 0.95)):
        bounds = [m.forecasts[OURS].bounds.get(horizon, {}) for m in meetings]
        if all({low, high} <= b.keys() for b in bounds):
            inside = [
                (b[low] <= m.value[horizon]) & (m.value[horizon] <= b[high])
                for b, m in zip(bounds, meetings, strict=True)
            ]
            found[name] = float(np.mean(np.concatenate(inside)))
    return found


def own_customers(meetings: Sequence[Meeting]) -> list[Meeting]:
    """Meetings of different shops: no customer of one is a customer of another."""
    found, start = [], 0
    for meeting in meetings:
        found.append(replace(meeting, customer=np.arange(start, start + len(meeting.customer))))
        start += len(meeting.customer)
    return found


def _comparison(drawn: Drawn, peer: str, name: str, figure: Figure) -> Comparison:
    return Comparison(name, *drawn.difference(OURS, peer, figure))
