"""Figures of merit of customers drawn again: one answer per draw, for many draws at a time.

A draw is a row of whole numbers: how often it has each customer. Each figure equals its namesake of
`training.metrics` on customers repeated that often, ties and bins included.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from training.metrics import row_log_loss

__all__ = ["DRAWN_METRICS", "DrawnMetric"]

Floats = npt.NDArray[np.float64]
DrawnMetric = Callable[[Floats, Floats, Floats], Floats]
_BINS = 10


class _Groups(NamedTuple):
    """Sums over customers of equal score, highest first; shape (scores, draws), so that sums run along memory."""

    size: Floats
    actual: Floats
    score: Floats


def _log_loss(w: Floats, y: Floats, p: Floats) -> Floats:
    return _mean(w, row_log_loss(y, p))


def _brier(w: Floats, y: Floats, p: Floats) -> Floats:
    return _mean(w, (p - y) ** 2)


def _mae(w: Floats, y: Floats, v: Floats) -> Floats:
    return _mean(w, np.abs(v - y))


def _rmse(w: Floats, y: Floats, v: Floats) -> Floats:
    return np.sqrt(_mean(w, (v - y) ** 2))


def _total_bias(w: Floats, y: Floats, v: Floats) -> Floats:
    actual = w @ y
    return _ratio(w @ v, actual, actual > 0) - 1.0


def _level_error(w: Floats, y: Floats, v: Floats) -> Floats:
    actual, predicted = w @ y, w @ v
    known = (actual > 0) & (predicted > 0)
    ratio = _ratio(predicted, actual, known)
    return np.abs(np.log(ratio, out=np.full_like(ratio, np.nan), where=known))


def _roc_auc(w: Floats, y: Floats, p: Floats) -> Floats:
    size, actual, _ = _grouped(w, y, p)
    stayed = size - actual
    below = stayed.sum(axis=0) - stayed.cumsum(axis=0)
    pairs = actual.sum(axis=0) * stayed.sum(axis=0)
    return _ratio((actual * (below + stayed / 2)).sum(axis=0), pairs, pairs > 0)


def _calibration_error(w: Floats, y: Floats, p: Floats) -> Floats:
    gaps, total = _bin_gaps(w, y, p), w.sum(axis=1)
    return _ratio(gaps, total, total > 0)


def _decile_calibration_error(w: Floats, y: Floats, v: Floats) -> Floats:
    gaps, total = _bin_gaps(w, y, v), w @ y
    return _ratio(gaps, total, total > 0)


def _top_decile_lift(w: Floats, y: Floats, p: Floats) -> Floats:
    groups = _grouped(w, y, p)
    total, churned = w.sum(axis=1), w @ y
    top = np.ceil(total / _BINS)
    found = _reached(groups.size, groups.actual, top[None, :])[0]
    return _ratio(found * total, top * churned, churned > 0)


def _normalised_gini(w: Floats, y: Floats, v: Floats) -> Floats:
    perfect = _gini(w, y, y)
    # Equal outcomes have a Gini of 0, up to what rounding leaves of it.
    spread = perfect > 1e-9 * w.sum(axis=1)
    return _ratio(_gini(w, y, v), perfect, spread & (w @ y > 0))


def _gini(w: Floats, y: Floats, score: Floats) -> Floats:
    size, actual, _ = _grouped(w, y, score)
    total = actual.sum(axis=0)
    before = actual.cumsum(axis=0) - actual / 2
    area = np.einsum("gd,gd->d", size, before) + total / 2
    return _ratio(area, total, total > 0) - (size.sum(axis=0) + 1) / 2


def _grouped(w: Floats, y: Floats, score: Floats) -> _Groups:
    order = np.argsort(-score, kind="stable")
    falling = score[order]
    starts = np.flatnonzero(np.append(True, falling[1:] < falling[:-1]))
    size = w.T[order]
    actual = size * y[order][:, None]
    if starts.size < falling.size:
        size, actual = (np.add.reduceat(values, starts, axis=0) for values in (size, actual))
    return _Groups(size, actual, falling[starts])


def _bin_gaps(w: Floats, y: Floats, v: Floats) -> Floats:
    """Sum of |predicted − actual| over equal-count bins; the first bins are the larger by one."""
    size, actual, score = _grouped(w, y, v)
    total = size.sum(axis=0)
    step = np.arange(_BINS + 1)[:, None]
    ends = step * (total // _BINS) + np.minimum(step, total % _BINS)
    return np.abs(np.diff(_reached(size, size * score[:, None] - actual, ends), axis=0)).sum(axis=0)


def _reached(size: Floats, values: Floats, places: Floats) -> Floats:
    """Sum of `values` over the first so many customers; those of equal score share their mean."""
    counts, sums = size.cumsum(axis=0), values.cumsum(axis=0)
    by_draw = np.ascontiguousarray(counts.T)
    group = np.array([np.searchsorted(c, at) for c, at in zip(by_draw, places.T, strict=True)]).T
    # The group in which the place lies; behind the last one everything is reached.
    group = np.minimum(group, len(counts) - 1)
    draw = np.arange(size.shape[1])
    beyond, drawn = counts[group, draw] - places, size[group, draw]
    share = np.divide(beyond, drawn, out=np.zeros_like(places), where=drawn > 0)
    return sums[group, draw] - share * values[group, draw]


def _mean(w: Floats, losses: Floats) -> Floats:
    total = w.sum(axis=1)
    return _ratio(w @ losses, total, total > 0)


def _ratio(above: Floats, below: Floats, known: npt.NDArray[np.bool_]) -> Floats:
    return np.divide(above, below, out=np.full(len(above), np.nan), where=known)


DRAWN_METRICS: dict[str, DrawnMetric] = {
    "log_loss": _log_loss,
    "brier": _brier,
    "calibration_error": _calibration_error,
    "roc_auc": _roc_auc,
    "top_decile_lift": _top_decile_lift,
    "mae": _mae,
    "rmse": _rmse,
    "normalised_gini": _normalised_gini,
    "decile_calibration_error": _decile_calibration_error,
    "total_bias": _total_bias,
    "level_error": _level_error,
}
