"""Two-by-two matrices: each axis low or high, four cells, and the memory of both axes in the last cell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from strategies.columns import Labels, Numbers, Places, as_numbers
from strategies.damping import damped_places, earlier

__all__ = ["Axis", "cell_labels", "cells"]

_STEPS = ("low", "high")
# What `damped_places` gives where a value is missing.
_NEITHER = len(_STEPS)


@dataclass(frozen=True)
class Axis:
    """One axis: the quantity, and the threshold above which it is high; None where there is none to be had."""

    values: pd.Series
    threshold: float | None


def cells(
    column: str,
    people: pd.DataFrame,
    named: Mapping[str, tuple[str, str]],
    axes: tuple[Axis, Axis],
    *,
    before: pd.DataFrame | None,
    margin: float,
) -> pd.Series:
    """The cell of each customer.

    Parameters
    ----------
    column : str
        Column of the cell, for the memory of the last run.
    people : DataFrame
        With ``customer_id``.
    named : dict of str to (low or high, low or high)
        The four cells.
    axes : pair of Axis
        Missing values or thresholds give ``unknown``.
    before : DataFrame or None
        Last run by ``customer_id``; each axis remembers its side of the last cell.
    margin : float
        See `strategies.damping`.

    Examples
    --------
    >>> people = pd.DataFrame({"customer_id": ["a"]})
    >>> high = Axis(pd.Series([9.0]), 5.0)
    >>> named = {"ll": ("low", "low"), "lh": ("low", "high"), "hl": ("high", "low"), "hh": ("high", "high")}
    >>> cells("cell", people, named, (high, Axis(pd.Series([1.0]), 5.0)), before=None, margin=0.1).tolist()
    ['hl']
    """
    last = earlier(before, column, people)
    past = None if last is None else _past(last, named)
    first, second = ((as_numbers(axis.values), axis.threshold) for axis in axes)
    return cell_labels(named, (first, second), past=past, margin=margin).column(people.index)


def _past(last: pd.Series, named: Mapping[str, tuple[str, str]]) -> tuple[Places, Places]:
    """The side of each axis in the last cell, −1 where there was none."""
    cell = pd.Index(list(named)).get_indexer(pd.Index(last.astype(object)))
    # A cell that is not known has the number −1 and so reads the last place.
    sides = np.array([*([_STEPS.index(side) for side in pair] for pair in named.values()), [-1, -1]])[cell]
    return sides[:, 0], sides[:, 1]


def cell_labels(
    named: Mapping[str, tuple[str, str]],
    axes: tuple[tuple[Numbers, float | None], tuple[Numbers, float | None]],
    *,
    past: tuple[Places, Places] | None = None,
    margin: float,
) -> Labels:
    """`cells` of plain arrays: the axes as values and threshold, and the side of each in the last cell."""
    sides = []
    for place, (values, threshold) in enumerate(axes):
        if threshold is None:
            sides.append(np.full(len(values), _NEITHER))
            continue
        side = None if past is None else past[place]
        sides.append(damped_places(values, [threshold], past=side, margin=margin))
    cell = {pair: name for name, pair in named.items()}
    words = (*(cell[a, b] for a in _STEPS for b in _STEPS), "unknown")
    unknown = (sides[0] == _NEITHER) | (sides[1] == _NEITHER)
    return Labels(words, np.where(unknown, len(words) - 1, 2 * sides[0] + sides[1]))
