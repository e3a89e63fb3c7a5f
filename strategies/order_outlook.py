"""Orders of the coming year: how likely a customer still is one, and how often one who is will order."""

from __future__ import annotations

import re
from typing import Final

import numpy as np
import pandas as pd

from features.errors import InputError
from strategies.columns import Numbers, as_numbers, check_probability, known

__all__ = ["order_outlook"]

_ORDERS: Final = re.compile(r"expected_orders_(\d+)d")
_YEAR: Final = 365
_MOST: Final = 400.0


def order_outlook(people: pd.DataFrame, window_days: int) -> pd.DataFrame:
    """Split the orders expected of a customer into the chance of still being one, and the orders if so.

    Parameters
    ----------
    people : DataFrame
        With ``churn_probability`` and one or more ``expected_orders_{h}d``.
    window_days : int
        The churn window.

    Returns
    -------
    DataFrame
        Index as given: ``alive`` in [0, 1] and ``orders`` of the next 365 days, ≥ 0, given that the customer is still
        one; missing where a prediction is. Their product is the number of orders expected.

    Raises
    ------
    InputError
        When no number of orders is expected anywhere, or a probability lies outside [0, 1].

    Notes
    -----
    Orders within the window are taken as a Poisson number μ of those who still are customers and none of the others:
    1 − churn = alive (1 − e^−μ) and expected orders = alive · μ, two equations for alive and μ. Between horizons the
    expected orders are interpolated; beyond the longest they grow in proportion.

    References
    ----------
    Lambert, D. (1992). Zero-inflated Poisson regression. Technometrics 34 (1).

    Examples
    --------
    >>> people = pd.DataFrame({"churn_probability": [0.6], "expected_orders_90d": [1.0], "expected_orders_365d": [3.0]})
    >>> order_outlook(people, 90).round(3).iloc[0].to_dict()
    {'alive': 0.448, 'orders': 6.695}
    """
    days = sorted(int(m[1]) for m in map(_ORDERS.fullmatch, map(str, people.columns)) if m)
    if not days:
        raise InputError(
            "order outlook: no column expected_orders_{h}d, with h in days; score the customers before."
        )
    churn = known(people, "churn_probability")
    check_probability(churn, step="order outlook")
    window, year = (_orders_within(people, days, d) for d in (window_days, _YEAR))
    # Nobody orders on more occasions than expected orders allow: μ / (1 − e^−μ) is never below 1.
    ordering = np.minimum(1.0 - churn, window)
    grid = np.geomspace(1e-4, _MOST, 4_000)
    ratio = np.divide(window, ordering, out=np.ones_like(window), where=ordering > 0)
    mean = np.interp(ratio, grid / -np.expm1(-grid), grid)
    alive = np.where(ordering > 0, np.clip(window / mean, ordering, 1.0), 0.0)
    alive = np.where(np.isnan(churn + window), np.nan, alive)
    orders = np.divide(year, alive, out=np.where(np.isnan(year + alive), np.nan, 0.0), where=alive > 0)
    return pd.DataFrame({"alive": alive, "orders": orders}, index=people.index)


def _orders_within(people: pd.DataFrame, days: list[int], wanted: int) -> Numbers:
    """Expected orders of so many days, from those of the horizons around them."""
    later = next((d for d in days if d >= wanted), None)
    if later is None:
        return np.maximum(as_numbers(people[f"expected_orders_{days[-1]}d"]) * wanted / days[-1], 0.0)
    upper = np.maximum(as_numbers(people[f"expected_orders_{later}d"]), 0.0)
    earlier = max((d for d in days if d < later), default=0)
    lower = np.maximum(as_numbers(people[f"expected_orders_{earlier}d"]), 0.0) if earlier else 0.0
    found: Numbers = lower + (upper - lower) * (wanted - earlier) / (later - earlier)
    return found
