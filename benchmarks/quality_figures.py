"""Figures of every model over some meetings, and paired intervals of ours minus each peer.

Customers are drawn again, all of a customer's cut-offs together; a draw is a weight per customer, and every
figure is computed under the weights, so that nothing is copied and ties keep sharing their mean outcome.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
import numpy.typing as npt

from training.meeting import OURS, Forecast, Meeting
from training.metrics import (
    calibration_error,
    decile_calibration_error,
    level_error,
    log_loss,
    mae,
    normalised_gini,
    rmse,
    roc_auc,
)

__all__ = ["COMPARED", "FIGURES", "Comparison", "compare", "figures", "own_customers"]

Floats = npt.NDArray[np.float64]
Weighted = Callable[[Floats, Floats, Floats], Floats]

FIGURES = ("AUC", "log loss", "ECE", "MAE", "RMSE", "nGini", "dec", "lvl")
COMPARED = ("log loss", "ECE", "RMSE", "nGini", "lvl")
HIGHER_IS_BETTER = ("AUC", "nGini")
_CELLS_AT_ONCE = 4_000_000


@dataclass(frozen=True)
class Comparison:
    """Ours minus a peer in one figure, averaged over the meetings.

    Parameters
    ----------
    figure : str
        One of `COMPARED`.
    difference, low, high : float
        On all customers; 2.5 % and 97.5 % points of the draws.
    beyond : float
        Share of the draws, in [0, 1], in which the peer was better.
    """

    figure: str
    difference: float
    low: float
    high: float
    beyond: float

    @property
    def verdict(self) -> str:
        """``better``, ``worse`` or ``same``: ours against the peer, by the interval."""
        sign = -1.0 if self.figure in HIGHER_IS_BETTER else 1.0
        low, high = sorted((sign * self.low, sign * self.high))
        return "worse" if low > 0 else "better" if high < 0 else "same"

    def to_json(self) -> dict[str, object]:
        """Plain values."""
        return asdict(self) | {"verdict": self.verdict}


def figures(meetings: Sequence[Meeting], model: str, horizon: int) -> dict[str, float]:
    """All of `FIGURES` of a model, averaged over the meetings it has a forecast for."""
    found = [_of_one(m, m.forecasts[model], horizon) for m in meetings if model in m.forecasts]
    return {name: float(np.mean([f[name] for f in found])) for name in FIGURES}


def _of_one(meeting: Meeting, said: Forecast, horizon: int) -> dict[str, float]:
    churned, p = meeting.churned, said.churn_probability
    value, v = meeting.value[horizon], said.expected_value[horizon]
    return {
        "AUC": roc_auc(churned, p),
        "log loss": log_loss(churned, p),
        "ECE": calibration_error(churned, p),
        "MAE": mae(value, v),
        "RMSE": rmse(value, v),
        "nGini": normalised_gini(value, v),
        "dec": decile_calibration_error(value, v),
        "lvl": level_error(value, v),
    }


def own_customers(meetings: Sequence[Meeting]) -> list[Meeting]:
    """Meetings of different shops, their customers numbered apart."""
    starts = np.cumsum([0, *(int(m.customer.max(initial=-1)) + 1 for m in meetings)])
    return [replace(m, customer=m.customer + s) for m, s in zip(meetings, starts, strict=False)]


def compare(
    meetings: Sequence[Meeting], peer: str, horizon: int, *, seed: int, draws: int = 400
) -> list[Comparison]:
    """Paired intervals of ours minus `peer` in each of `COMPARED`, over the meetings that have both.

    References
    ----------
    Efron & Tibshirani (1993), An introduction to the bootstrap, chapter 13 (percentile interval);
    Davison & Hinkley (1997), Bootstrap methods and their application, section 3.8 (clusters).
    """
    both = [m for m in meetings if peer in m.forecasts]
    if not both:
        return []
    whole = [figures(both, model, horizon) for model in (OURS, peer)]
    drawn = [_drawn(both, model, horizon, seed=seed, draws=draws) for model in (OURS, peer)]
    return [
        _comparison(name, whole[0][name] - whole[1][name], drawn[0][name] - drawn[1][name])
        for name in COMPARED
    ]


def _comparison(name: str, difference: float, drawn: Floats) -> Comparison:
    known = drawn[np.isfinite(drawn)]
    if not known.size:
        return Comparison(name, difference, np.nan, np.nan, np.nan)
    low, high = np.quantile(known, [0.025, 0.975])
    lost = known < 0 if name in HIGHER_IS_BETTER else known > 0
    return Comparison(name, difference, float(low), float(high), float(lost.mean()))


def _drawn(
    meetings: Sequence[Meeting], model: str, horizon: int, *, seed: int, draws: int
) -> dict[str, Floats]:
    """Each figure under each draw, averaged over the meetings."""
    size = max(int(m.customer.max()) for m in meetings) + 1
    rng = np.random.default_rng(seed)
    step = max(1, _CELLS_AT_ONCE // size)
    parts = []
    for first in range(0, draws, step):
        count = min(step, draws - first)
        weights = rng.multinomial(size, np.full(size, 1.0 / size), count).astype(np.float64)
        each = [_under(weights[:, m.customer], m, m.forecasts[model], horizon) for m in meetings]
        parts.append({name: np.mean([e[name] for e in each], axis=0) for name in COMPARED})
    return {name: np.concatenate([p[name] for p in parts]) for name in COMPARED}


def _under(weights: Floats, meeting: Meeting, said: Forecast, horizon: int) -> dict[str, Floats]:
    churned, p = meeting.churned, np.clip(said.churn_probability, 1e-15, 1 - 1e-15)
    value, v = meeting.value[horizon], said.expected_value[horizon]
    total = weights.sum(axis=1)
    losses = -(churned * np.log(p) + (1.0 - churned) * np.log1p(-p))
    with np.errstate(divide="ignore", invalid="ignore"):
        level = np.abs(np.log(weights @ v / (weights @ value)))
    return {
        "log loss": weights @ losses / total,
        "ECE": _ece(weights, churned, p),
        "RMSE": np.sqrt(weights @ (v - value) ** 2 / total),
        "nGini": _gini(weights, value, v) / _gini(weights, value, value),
        "lvl": level,
    }


def _grouped(weights: Floats, score: Floats, outcome: Floats) -> tuple[Floats, Floats, Floats]:
    """Weight and weighted outcome by distinct score, highest first, and the scores."""
    order = np.argsort(-score, kind="stable")
    ranked = score[order]
    starts = np.flatnonzero(np.concatenate([[True], ranked[1:] != ranked[:-1]]))
    heavy = weights[:, order]
    return (
        np.add.reduceat(heavy, starts, axis=1),
        np.add.reduceat(heavy * outcome[order], starts, axis=1),
        ranked[starts],
    )


def _ece(weights: Floats, churned: Floats, p: Floats) -> Floats:
    """Calibration error over ten bins of equal weight; a tied group may straddle two."""
    weight, came, score = _grouped(weights, p, churned)
    size = np.pad(np.cumsum(weight, axis=1), ((0, 0), (1, 0)))
    error = np.pad(np.cumsum(weight * score - came, axis=1), ((0, 0), (1, 0)))
    tenths = np.linspace(0.0, 1.0, 11)
    cut = [np.interp(tenths * s[-1], s, e) for s, e in zip(size, error, strict=True)]
    return np.abs(np.diff(np.array(cut), axis=1)).sum(axis=1) / size[:, -1]


def _gini(weights: Floats, value: Floats, score: Floats) -> Floats:
    """Area between the curve of cumulated value and the diagonal, in customers."""
    weight, came, _ = _grouped(weights, score, value)
    after = np.cumsum(came, axis=1)
    area = (weight * (after - came / 2.0)).sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return area / after[:, -1] - weight.sum(axis=1) / 2.0
