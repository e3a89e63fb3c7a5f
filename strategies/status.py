"""Status: is a customer still with us, silent for long, or gone."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from features.errors import ConfigError, InputError
from strategies.columns import Labels, Numbers, as_numbers, check_probability
from strategies.settings import StrategySettings

__all__ = [
    "RISKS",
    "RISK_LABELS",
    "STATUSES",
    "STATUS_LABELS",
    "risk",
    "risk_labels",
    "status",
    "status_labels",
]

STATUSES: Final = ("active", "lapsed", "lost", "unknown")
STATUS_LABELS: Final[dict[str, dict[str, str]]] = {
    "active": {"en": "active", "zh": "活跃"},
    "lapsed": {"en": "lapsed", "zh": "沉默"},
    "lost": {"en": "lost", "zh": "流失"},
    "unknown": {"en": "unknown", "zh": "未知"},
}
RISKS: Final = ("low", "high", "unknown")
RISK_LABELS: Final[dict[str, dict[str, str]]] = {
    "low": {"en": "low risk", "zh": "低风险"},
    "high": {"en": "high risk", "zh": "高风险"},
    "unknown": {"en": "unknown risk", "zh": "风险未知"},
}


def status(days_since_last: ArrayLike | pd.Series, window_days: int, settings: StrategySettings) -> pd.Series:
    """Name each customer active, lapsed or lost by the days since the last order.

    Parameters
    ----------
    days_since_last : column of float
        Days from the last order to ``as_of``, 0 or more; missing when there was no order.
    window_days : int
        Churn window, 1 or more.
    settings : StrategySettings
        ``lapsed_after`` and ``lost_after``, as multiples of the window.

    Returns
    -------
    Series of str
        ``active``, ``lapsed``, ``lost``, or ``unknown`` where the days are missing; index as given.

    Raises
    ------
    ConfigError
        When the window is below 1 day.
    InputError
        When a last order lies after ``as_of``.

    Notes
    -----
    With window w: active when days < lapsed_after · w, lapsed when days < lost_after · w, else lost.

    Examples
    --------
    >>> status([5, 90, 180, None], 90, StrategySettings()).tolist()
    ['active', 'lapsed', 'lost', 'unknown']
    """
    column = pd.Series(days_since_last)
    return status_labels(as_numbers(column), window_days, settings).column(column.index).rename("status")


def status_labels(days: Numbers, window_days: int, settings: StrategySettings) -> Labels:
    """`status` of a plain array."""
    if window_days < 1:
        raise ConfigError(f"[churn] window_days is {window_days}; expected 1 day or more.")
    early = days < 0
    if early.any():
        raise InputError(
            f"status: days_since_last is below 0 in {int(early.sum())} of {len(days)} rows, "
            f"e.g. {days[early][0]:g}; expected 0 or more. Orders after as_of must be cut off first "
            "(features.snapshot)."
        )
    lapsed, lost = settings.lapsed_after * window_days, settings.lost_after * window_days
    return Labels.first(("unknown", "active", "lapsed", "lost"), [np.isnan(days), days < lapsed, days < lost])


def risk(churn_probability: ArrayLike | pd.Series, settings: StrategySettings) -> pd.Series:
    """Name each customer's risk high or low by the churn probability.

    Parameters
    ----------
    churn_probability : column of float
        In [0, 1]; missing when the customer was not scored.
    settings : StrategySettings
        ``high_risk``: the probability from which the risk is high.

    Returns
    -------
    Series of str
        ``low``, ``high``, or ``unknown`` where the probability is missing; index as given.

    Raises
    ------
    InputError
        When a probability lies outside [0, 1].

    Examples
    --------
    >>> risk([0.2, 0.7, None], StrategySettings()).tolist()
    ['low', 'high', 'unknown']
    """
    column = pd.Series(churn_probability)
    return risk_labels(as_numbers(column), settings).column(column.index).rename("risk")


def risk_labels(churn_probability: Numbers, settings: StrategySettings) -> Labels:
    """`risk` of a plain array."""
    check_probability(churn_probability, step="risk")
    known = [np.isnan(churn_probability), churn_probability >= settings.high_risk]
    return Labels.first(("unknown", "high", "low"), known)
