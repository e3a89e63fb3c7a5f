"""Ranks against a frozen customer base: which share of the customers lies below a value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from strategies.columns import Numbers, as_numbers
from strategies.framework import Cuts

__all__ = ["mean_rank", "rank_cuts", "rank_in"]

_STEPS: Final = np.linspace(0.0, 1.0, 21)


def rank_cuts(name: str, values: ArrayLike | pd.Series) -> dict[str, float]:
    """Twenty-first parts of a column as cuts ``{name}_00`` … ``{name}_20``; none where nothing is known.

    Examples
    --------
    >>> rank_cuts("size", [0.0, 100.0])["size_10"]
    50.0
    """
    known = as_numbers(pd.Series(values))
    known = known[np.isfinite(known)]
    if not known.size:
        return {}
    grid = np.quantile(known, _STEPS)
    return {f"{name}_{i:02d}": float(v) for i, v in enumerate(grid)}


def rank_in(name: str, values: ArrayLike | pd.Series, cuts: Cuts) -> Numbers:
    """Rank of each value in [0, 1] among the base that the cuts come from, by linear interpolation.

    Equal values share the middle of the ranks they span; missing where the value or the cuts are.

    Examples
    --------
    >>> rank_in("size", [-5.0, 25.0, 700.0], rank_cuts("size", [0.0, 100.0])).tolist()
    [0.0, 0.25, 1.0]
    """
    v = as_numbers(pd.Series(values))
    grid = np.array([cuts.get(f"{name}_{i:02d}", np.nan) for i in range(len(_STEPS))])
    if np.isnan(grid).any():
        return np.full(len(v), np.nan)
    low = np.interp(v, *_ends(grid, last=False))
    high = np.interp(v, *_ends(grid, last=True))
    return np.where(np.isnan(v), np.nan, 0.5 * (low + high))


def _ends(grid: Numbers, *, last: bool) -> tuple[Numbers, Numbers]:
    """Distinct values of the grid with the first or the last rank each of them has."""
    values, first, count = np.unique(grid, return_index=True, return_counts=True)
    place = first + count - 1 if last else first
    return values, _STEPS[place]


def mean_rank(ranks: Sequence[NDArray[Any]], weights: Sequence[float] | None = None) -> Numbers:
    """Weighted mean of the ranks that are known, customer by customer; missing where none is.

    Examples
    --------
    >>> mean_rank([np.array([0.2, np.nan]), np.array([0.4, np.nan])]).round(3).tolist()
    [0.3, nan]
    """
    table = np.vstack(ranks)
    weight = np.ones(len(ranks)) if weights is None else np.asarray(weights, dtype=np.float64)
    known = ~np.isnan(table)
    total = weight @ known
    with np.errstate(invalid="ignore"):
        found: Numbers = (weight @ np.where(known, table, 0.0)) / np.where(total > 0, total, np.nan)
    return found
