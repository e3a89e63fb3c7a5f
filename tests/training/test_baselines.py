"""The three plain forecasts: by hand, on simulated customers, on thin data."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit

from features.errors import InputError, NotEnoughData
from training.baselines import BASELINES, carry_forward, closed_form, recency_rule
from training.models.bg_nbd import BgNbd
from training.models.gamma_gamma import GammaGamma

COLUMNS = ["churn_probability", "expected_orders", "expected_value"]


def snapshot(n: int, seed: int, horizon: int = 90) -> pd.DataFrame:
    """Customers of whom the late ones churn: P(churn) = expit(−3 + log1p(days_since_last))."""
    rng = np.random.default_rng(seed)
    T = rng.integers(30, 600, n).astype(float)
    x = rng.integers(0, 8, n).astype(float)
    t_x = np.where(x > 0, np.floor(T * rng.random(n)), 0.0)
    bought = rng.random(n) > expit(-3 + np.log1p(T - t_x))
    orders = bought * rng.integers(1, 4, n)
    return pd.DataFrame(
        {
            "frequency": x,
            "recency": t_x,
            "T": T,
            "monetary_value": np.where(x > 0, rng.gamma(5, 10, n) + 1, 0.0),
            "days_since_last": T - t_x,
            "spend_90d": np.where(T - t_x < 90, 40.0, 0.0),
            "orders_90d": np.where(T - t_x < 90, 2.0, 0.0),
            f"orders_ahead_{horizon}": orders.astype(float),
            f"value_ahead_{horizon}": orders * 25.0,
        },
        index=pd.Index([f"c{i:05d}" for i in range(n)], name="customer_id"),
    )


@pytest.mark.parametrize("name", BASELINES)
def test_every_baseline_answers_for_every_customer(name):
    past, now = snapshot(2000, 1), snapshot(700, 2).drop(columns=["orders_ahead_90", "value_ahead_90"])
    forecast = BASELINES[name](past, now, 90)
    assert list(forecast.columns) == COLUMNS
    assert forecast.index.equals(now.index)
    assert forecast.churn_probability.between(0, 1).all()
    assert (forecast[["expected_orders", "expected_value"]] >= 0).all(axis=None)


@pytest.mark.parametrize("name", BASELINES)
def test_no_customers_to_forecast_is_an_empty_forecast_or_a_clear_error(name):
    past = snapshot(300, 1)
    if name == "closed_form":
        with pytest.raises(NotEnoughData, match="at least one customer"):
            closed_form(past, past.iloc[:0], 90)
    else:
        assert BASELINES[name](past, past.iloc[:0], 90).empty


def test_recency_rule_recovers_the_true_curve():
    past, now = snapshot(40_000, 3), snapshot(2000, 4)
    churn = recency_rule(past, now, 90).churn_probability
    truth = -3 + np.log1p(now.days_since_last)
    assert np.abs(logit(churn) - truth).max() < 0.35


def test_recency_rule_values_are_means_by_tenth():
    days = np.arange(20.0)
    past = pd.DataFrame({"days_since_last": days, "orders_ahead_30": days % 2, "value_ahead_30": days})
    now = pd.DataFrame({"days_since_last": [0.0, 1.0, 2.0, 19.0, 500.0]})
    forecast = recency_rule(past, now, 30)
    assert forecast.expected_value.tolist() == [0.5, 0.5, 2.5, 18.5, 18.5]
    assert forecast.expected_orders.tolist() == [0.5] * 5


@pytest.mark.parametrize(("orders", "share"), [([0, 0], 3 / 4), ([2, 1], 1 / 4)])
def test_recency_rule_with_one_class_gives_a_cautious_share(orders, share):
    past = pd.DataFrame(
        {"days_since_last": [5.0, 5.0], "orders_ahead_30": orders, "value_ahead_30": [0.0, 1.0]}
    )
    assert recency_rule(past, past, 30).churn_probability.tolist() == [share, share]


def test_carry_forward_by_hand():
    past = pd.DataFrame(
        {"spend_30d": [9.0, 9.0, 9.0, 0.0], "orders_ahead_30": [1, 0, 2, 0], "value_ahead_30": [0.0] * 4}
    )
    now = pd.DataFrame({"spend_30d": [50.0, 0.0], "orders_30d": [3.0, 0.0]})
    forecast = carry_forward(past, now, 30)
    # Of three who had spent, one churned: 2/5; of one who had not, one churned: 2/3.
    assert forecast.churn_probability.tolist() == [2 / 5, 2 / 3]
    assert forecast.expected_orders.tolist() == [3.0, 0.0]
    assert forecast.expected_value.tolist() == [50.0, 0.0]


def test_carry_forward_scales_the_nearest_window():
    past = pd.DataFrame({"spend_180d": [9.0], "orders_ahead_200": [1], "value_ahead_200": [4.0]})
    now = pd.DataFrame({"spend_180d": [90.0], "orders_180d": [9.0]})
    forecast = carry_forward(past, now, 200)
    assert forecast.expected_value.tolist() == [pytest.approx(100.0)]
    assert forecast.expected_orders.tolist() == [pytest.approx(10.0)]


def test_closed_form_is_the_product_of_the_two_models():
    now = snapshot(1500, 5)
    x, t_x, T, m = (now[name].to_numpy() for name in ("frequency", "recency", "T", "monetary_value"))
    buying, spending = BgNbd.fit(x, t_x, T), GammaGamma.fit(x, m)
    forecast = closed_form(now.iloc[:0], now, 90)
    orders = buying.expected_orders(x, t_x, T, 90)
    assert np.array_equal(forecast.expected_orders, orders)
    assert np.array_equal(forecast.expected_value, orders * spending.conditional_value(x, m))
    assert np.array_equal(forecast.churn_probability, 1 - buying.p_order_within(x, t_x, T, 90))


def test_closed_form_without_repeat_purchases_says_so():
    now = snapshot(50, 6).assign(frequency=0.0, recency=0.0, monetary_value=0.0)
    with pytest.raises(NotEnoughData, match="none of 50 customers"):
        closed_form(now, now, 90)


def test_missing_columns_are_named():
    past, now = snapshot(50, 7), snapshot(50, 8)
    with pytest.raises(InputError, match="past snapshot: columns orders_ahead_30, value_ahead_30"):
        recency_rule(past, now, 30)
    with pytest.raises(InputError, match="snapshot: columns spend_90d, orders_90d are missing"):
        carry_forward(past, now.drop(columns=["spend_90d", "orders_90d"]), 90)
    with pytest.raises(InputError, match="columns recency, T are missing"):
        closed_form(past, now.drop(columns=["recency", "T"]), 90)


@pytest.mark.parametrize("baseline", [recency_rule, carry_forward])
def test_an_empty_past_is_refused(baseline):
    past = snapshot(50, 9)
    with pytest.raises(NotEnoughData, match="known outcome over 90 days"):
        baseline(past.iloc[:0], past, 90)
