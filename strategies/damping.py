"""Hysteresis: a customer keeps a label until the quantity behind it has passed the threshold by a margin.

Without it, a customer near a threshold changes label with every order, and so does the treatment.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from features.errors import ConfigError, InputError
from strategies.columns import Labels, Numbers, Places, as_numbers

__all__ = ["MARGIN", "damped_places", "damped_steps", "earlier"]

MARGIN = 0.1


def damped_steps(
    values: ArrayLike | pd.Series,
    thresholds: Sequence[float],
    steps: Sequence[str],
    *,
    before: pd.Series | None = None,
    margin: float = MARGIN,
) -> pd.Series:
    """Name the step each value stands on, keeping the earlier step near a threshold.

    Parameters
    ----------
    values : column of float
        The quantity; missing gives ``unknown``.
    thresholds : sequence of float
        Rising; a value belongs above a threshold when it is strictly greater.
    steps : sequence of str
        One more than thresholds, from low to high.
    before : Series of str, optional
        Earlier labels, aligned with `values`; a label that is no step (or missing) is no memory.
    margin : float
        In [0, 1): share of the threshold that must be passed to leave the earlier step.

    Returns
    -------
    Series of str
        Index of `values`.

    Raises
    ------
    ConfigError
        When the thresholds do not rise or the margin is outside [0, 1).
    InputError
        When `before` has another length.

    Notes
    -----
    Let s be the plain step and b the earlier one. Moving up past threshold t asks for v > t + margin·|t|, moving down
    for v ≤ t − margin·|t|; in between the customer stays on the nearest step to s that was earned from b.

    Examples
    --------
    >>> damped_steps([99, 105, 120, None], [100], ["low", "high"]).tolist()
    ['low', 'high', 'high', 'unknown']
    >>> before = pd.Series(["high", "low", "low", "low"])
    >>> damped_steps([99, 105, 120, None], [100], ["low", "high"], before=before).tolist()
    ['high', 'low', 'high', 'unknown']
    """
    if len(steps) != len(thresholds) + 1:
        raise ConfigError(_unfit(len(steps), thresholds))
    column = pd.Series(values)
    past = None if before is None else _places(before, steps, len(column))
    found = damped_places(as_numbers(column), thresholds, past=past, margin=margin)
    return Labels((*steps, "unknown"), found).column(column.index)


def damped_places(
    values: Numbers, thresholds: Sequence[float], *, past: Places | None = None, margin: float = MARGIN
) -> Places:
    """`damped_steps` of a plain array, as the places of the steps; one beyond the last where a value is missing.

    Parameters
    ----------
    values : array of float
        The quantity.
    thresholds : sequence of float
        Rising.
    past : array of int, optional
        Place of the earlier step, −1 where there is no memory.
    margin : float
        In [0, 1).

    Examples
    --------
    >>> damped_places(np.array([99.0, 105.0, np.nan]), [100.0]).tolist()
    [0, 1, 2]
    """
    cuts = np.array(thresholds, dtype=np.float64)
    if (cuts[1:] < cuts[:-1]).any() or not np.isfinite(cuts).all():
        raise ConfigError(_unfit(len(cuts) + 1, thresholds))
    if not 0 <= margin < 1:
        raise ConfigError(f"margin is {margin:g}; expected a share in [0, 1)")
    plain = cuts.searchsorted(values, side="left")
    step = plain if past is None else _kept(values, cuts, plain, past, margin)
    return np.where(np.isnan(values), len(cuts) + 1, step)


def _unfit(steps: int, thresholds: Sequence[float]) -> str:
    return f"{steps} steps need {steps - 1} rising thresholds, found {list(thresholds)}"


def _places(before: pd.Series, steps: Sequence[str], rows: int) -> Places:
    if len(before) != rows:
        raise InputError(f"damping: {rows} values but {len(before)} earlier labels")
    return pd.Index(steps).get_indexer(pd.Index(before.astype(object)))


def _kept(v: np.ndarray, cuts: np.ndarray, plain: np.ndarray, past: np.ndarray, margin: float) -> np.ndarray:
    """Steps up are counted against raised thresholds, steps down against lowered ones."""
    raised = np.searchsorted(cuts + margin * np.abs(cuts), v, side="left")
    lowered = np.searchsorted(cuts - margin * np.abs(cuts), v, side="left")
    up, down = np.maximum(past, raised), np.minimum(past, lowered)
    return np.where(past < 0, plain, np.where(plain > past, up, np.where(plain < past, down, past)))


def earlier(before: pd.DataFrame | None, column: str, people: pd.DataFrame) -> pd.Series | None:
    """Labels of the last run for the customers of this one, missing for new ones; None without a last run.

    Parameters
    ----------
    before : DataFrame or None
        Columns of the last run, indexed by ``customer_id``.
    column : str
        Which of them.
    people : DataFrame
        With ``customer_id``.

    Examples
    --------
    >>> last = pd.DataFrame({"tier": ["gold"]}, index=["a"])
    >>> earlier(last, "tier", pd.DataFrame({"customer_id": ["b", "a"]})).fillna("new").tolist()
    ['new', 'gold']
    """
    if before is None or column not in before.columns:
        return None
    return before[column].reindex(people["customer_id"]).set_axis(people.index)
