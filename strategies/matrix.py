"""Two-by-two matrices: each axis low or high, four cells, and the memory of both axes in the last cell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from strategies.columns import text_column
from strategies.damping import damped_steps, earlier

__all__ = ["Axis", "cells"]

_STEPS = ("low", "high")


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
    sides = []
    for place, axis in enumerate(axes):
        if axis.threshold is None:
            sides.append(np.full(len(people), -1))
            continue
        past = None if last is None else last.map({cell: side[place] for cell, side in named.items()})
        steps = damped_steps(axis.values, [axis.threshold], _STEPS, before=past, margin=margin)
        sides.append(pd.Index(_STEPS).get_indexer(pd.Index(steps)))
    number = {(_STEPS.index(a), _STEPS.index(b)): cell for cell, (a, b) in named.items()}
    words = np.array([*(number[i, j] for i in (0, 1) for j in (0, 1)), "unknown"], dtype=object)
    both = np.where((sides[0] < 0) | (sides[1] < 0), 4, 2 * sides[0] + sides[1])
    return text_column(words[both], people.index)
