"""Value at stake: the margin that a customer's leaving puts in doubt; the list is ordered by it."""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from features.errors import InputError
from strategies.columns import Numbers, as_numbers, check_probability

__all__ = ["longest_horizon", "stake", "value_at_stake"]

_VALUE_COLUMN = re.compile(r"expected_value_(\d+)d")


def longest_horizon(columns: Iterable[str]) -> int:
    """The longest horizon h among columns called ``expected_value_{h}d``.

    Returns
    -------
    int
        Days.

    Raises
    ------
    InputError
        When there is no such column.

    Examples
    --------
    >>> longest_horizon(["clv", "expected_value_90d", "expected_value_365d"])
    365
    """
    found = [int(m.group(1)) for m in map(_VALUE_COLUMN.fullmatch, map(str, columns)) if m]
    if not found:
        raise InputError(
            "value at stake: no column expected_value_{h}d, with h in days; score the customers before."
        )
    return max(found)


def value_at_stake(
    churn_probability: ArrayLike | pd.Series, expected_value: ArrayLike | pd.Series
) -> pd.Series:
    """Margin in doubt: the churn probability times the margin still expected.

    Parameters
    ----------
    churn_probability : column of float
        In [0, 1].
    expected_value : column of float
        Expected margin over the longest horizon, in the configured currency. It is the plain expectation:
        the chance that the customer leaves is already in it.

    Returns
    -------
    Series of float64
        0 or more, missing where either input is; index of `churn_probability`.

    Raises
    ------
    InputError
        When a probability lies outside [0, 1] or the columns differ in length.

    Notes
    -----
    stake = p · max(0, E). Write m for the margin of a customer who stays: E ≈ (1 − p) · m, so that
    stake ≈ p (1 − p) m. It is largest for customers who are worth much *and* undecided (p near one half).
    A safe customer ranks low, because there is little to lose; so does one who is as good as gone, because
    little can still be expected. Ordering by churn probability alone puts exactly those lost causes on top.
    It is a ranking, not the gain of an offer: that also needs the effect of the offer and its cost.

    Examples
    --------
    >>> value_at_stake([0.05, 0.5, 0.95], [950.0, 500.0, 50.0]).round(1).tolist()
    [47.5, 250.0, 47.5]
    """
    column = pd.Series(churn_probability)
    p, value = as_numbers(column), as_numbers(expected_value)
    if len(p) != len(value):
        raise InputError(f"value at stake: {len(p)} churn probabilities but {len(value)} expected values.")
    return pd.Series(stake(p, value), index=column.index, name="value_at_stake")


def stake(churn_probability: Numbers, expected_value: Numbers) -> Numbers:
    """`value_at_stake` of plain arrays of one length."""
    check_probability(churn_probability, step="value at stake")
    # np.maximum keeps NaN, so a customer without a forecast stays without a stake.
    return churn_probability * np.maximum(0.0, expected_value)
