"""Three plain forecasts that a learned model has to beat, or it is not worth its upkeep.

All have one interface: features and labels of a past snapshot, features of the snapshot to forecast, and
the horizon. Columns have the names of the panel: the features, and in the past snapshot
``orders_ahead_{h}`` and ``value_ahead_{h}``, which came in the h days after it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from features.errors import InputError, NotEnoughData
from training.models.bg_nbd import BgNbd
from training.models.gamma_gamma import GammaGamma

__all__ = ["BASELINES", "Baseline", "carry_forward", "closed_form", "recency_rule"]

Floats = NDArray[np.float64]
Baseline = Callable[[pd.DataFrame, pd.DataFrame, int], pd.DataFrame]

WINDOWS = (7, 14, 30, 60, 90, 180, 365)


def recency_rule(past: pd.DataFrame, now: pd.DataFrame, horizon_days: int) -> pd.DataFrame:
    """Who bought lately buys again: days since the last order, and nothing else.

    Parameters
    ----------
    past : snapshot with ``days_since_last`` and the labels of the horizon, at least one row
    now : snapshot with ``days_since_last``
    horizon_days : days, ≥ 1

    Returns
    -------
    DataFrame on the index of ``now``: churn_probability in [0, 1], expected_orders, expected_value

    Raises
    ------
    InputError, NotEnoughData
        If a column is missing, or ``past`` is empty.

    Notes
    -----
    Churn is a logistic regression on log(1 + days since last order) in the past snapshot; orders and
    value are the means of the tenth of the past snapshot with the same recency.

    Examples
    --------
    >>> days = [1.0, 5.0, 9.0, 80.0, 90.0, 99.0]
    >>> past = pd.DataFrame({"days_since_last": days, "orders_ahead_30": [2, 0, 1, 0, 1, 0],
    ...                      "value_ahead_30": [20.0, 0.0, 10.0, 0.0, 10.0, 0.0]})
    >>> forecast = recency_rule(past, past, 30)
    >>> bool(forecast.churn_probability.is_monotonic_increasing)
    True
    """
    _need(past, ["days_since_last", *_label_names(horizon_days)], "past snapshot")
    _need(now, ["days_since_last"], "snapshot")
    orders, value, churned = _labels(past, horizon_days)
    then, today = _floats(past, "days_since_last"), _floats(now, "days_since_last")
    edges = _inner_deciles(then)
    before, bins = np.searchsorted(edges, then), np.searchsorted(edges, today)
    churn = _logistic(np.log1p(then), churned, np.log1p(today))
    return _forecast(now, churn, _group_means(before, orders)[bins], _group_means(before, value)[bins])


def carry_forward(past: pd.DataFrame, now: pd.DataFrame, horizon_days: int) -> pd.DataFrame:
    """Tomorrow is like yesterday: what a customer spent in the last horizon comes again.

    Parameters
    ----------
    past : snapshot with spend in the last horizon and the labels of the horizon, at least one row
    now : snapshot with spend and orders in the last horizon (``spend_90d``, ``orders_90d`` for 90 days)
    horizon_days : days, ≥ 1; without a window of this length, the nearest one is scaled by length

    Returns
    -------
    DataFrame on the index of ``now``: churn_probability in [0, 1], expected_orders, expected_value

    Raises
    ------
    InputError, NotEnoughData
        If a column is missing, or ``past`` is empty.

    Notes
    -----
    Churn has two values: the share without an order in the horizon among customers of the past snapshot
    who had spent in the window before it, and among those who had not, as (k + 1) / (n + 2).
    """
    window = min(WINDOWS, key=lambda w: abs(np.log(w / horizon_days)))
    spend, orders = f"spend_{window}d", f"orders_{window}d"
    _need(past, [spend, *_label_names(horizon_days)], "past snapshot")
    _need(now, [spend, orders], "snapshot")
    _, _, churned = _labels(past, horizon_days)
    was_active, active = _floats(past, spend) > 0, _floats(now, spend) > 0
    churn = np.where(active, _share(churned[was_active]), _share(churned[~was_active]))
    longer = horizon_days / window
    return _forecast(now, churn, _floats(now, orders) * longer, _floats(now, spend) * longer)


def closed_form(past: pd.DataFrame, now: pd.DataFrame, horizon_days: int) -> pd.DataFrame:
    """BG/NBD for purchases and Gamma-Gamma for their value, the textbook pair.

    Parameters
    ----------
    past : not looked at: both models are fitted on the history that ``now`` summarises
    now : snapshot with ``frequency``, ``recency``, ``T`` and ``monetary_value``
    horizon_days : days, ≥ 1

    Returns
    -------
    DataFrame on the index of ``now``: churn_probability = 1 − P(order within horizon), expected_orders
    (in purchase days, the model's unit) and expected_value = expected_orders · value per purchase day

    Raises
    ------
    InputError, NotEnoughData
        If a column is missing or nobody has a repeat purchase of positive value.
    """
    _need(now, ["frequency", "recency", "T", "monetary_value"], "snapshot")
    x, t_x, T, m = (_floats(now, name) for name in ("frequency", "recency", "T", "monetary_value"))
    purchases, spend = BgNbd.fit(x, t_x, T), GammaGamma.fit(x, m)
    orders = purchases.expected_orders(x, t_x, T, horizon_days)
    churn = 1.0 - purchases.p_order_within(x, t_x, T, horizon_days)
    return _forecast(now, churn, orders, orders * spend.conditional_value(x, m))


BASELINES: dict[str, Baseline] = {
    "recency_rule": recency_rule,
    "carry_forward": carry_forward,
    "closed_form": closed_form,
}


def _forecast(now: pd.DataFrame, churn: Floats, orders: Floats, value: Floats) -> pd.DataFrame:
    columns = {"churn_probability": churn, "expected_orders": orders, "expected_value": value}
    return pd.DataFrame(columns, index=now.index)


def _label_names(horizon_days: int) -> list[str]:
    return [f"orders_ahead_{horizon_days}", f"value_ahead_{horizon_days}"]


def _labels(past: pd.DataFrame, horizon_days: int) -> tuple[Floats, Floats, Floats]:
    if past.empty:
        raise NotEnoughData(
            f"no past snapshot with a known outcome over {horizon_days} days; "
            "give more history or a shorter horizon"
        )
    orders, value = (_floats(past, name) for name in _label_names(horizon_days))
    return orders, value, (orders == 0).astype(np.float64)


def _need(frame: pd.DataFrame, names: Iterable[str], what: str) -> None:
    missing = [name for name in names if name not in frame.columns]
    if missing:
        raise InputError(f"{what}: columns {', '.join(missing)} are missing; pass the panel's features")


def _floats(frame: pd.DataFrame, name: str) -> Floats:
    return np.ascontiguousarray(frame[name].to_numpy(dtype=np.float64))


def _logistic(then: Floats, churned: Floats, today: Floats) -> Floats:
    if churned.min() == churned.max() or today.size == 0:
        return np.full(today.size, _share(churned))
    model = LogisticRegression(C=np.inf, max_iter=1000).fit(then[:, None], churned)
    return np.ascontiguousarray(model.predict_proba(today[:, None])[:, 1])


def _share(churned: Floats) -> float:
    # Laplace's rule: a group of nobody gets 1/2, and no group gets a certainty.
    return (float(churned.sum()) + 1.0) / (churned.size + 2.0)


def _inner_deciles(values: Floats) -> Floats:
    """Upper edges of all but the last tenth, as values that occur, so that no group is empty."""
    edges = np.unique(np.quantile(values, np.arange(1, 10) / 10, method="inverted_cdf"))
    return edges[edges < values.max()]


def _group_means(group: NDArray[np.intp], values: Floats) -> Floats:
    return np.bincount(group, weights=values) / np.bincount(group)
