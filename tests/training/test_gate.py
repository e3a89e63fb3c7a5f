"""The gate: differences in loss, judged against the noise of customers."""

from __future__ import annotations

import math
from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import mean_poisson_deviance, mean_tweedie_deviance

from features.errors import InputError
from tests.training.small_meetings import meeting
from training.gate import Decision, churn_loss, decide, orders_loss, value_loss, wins
from training.meeting import Forecast
from training.metrics import log_loss


def test_difference_and_error_by_hand():
    found = decide(np.array([1.0, 2.0, 4.0]), np.array([2.0, 2.0, 2.0]), [7, 7, 8])
    # Sums -1 (two rows) and 2 (one row): mean 1/3; residuals -5/3 and 5/3; se² = 2 · 50/9 / 9.
    assert found.difference == pytest.approx(1 / 3)
    assert found.se == pytest.approx(math.sqrt(2 * 50 / 9) / 3)
    assert (found.customers, found.rows) == (2, 3)
    assert not found.better
    assert not found.worse


def test_one_row_per_customer_is_the_paired_standard_error():
    rng = np.random.default_rng(1)
    a, b = rng.random(50), rng.random(50)
    found = decide(a, b, np.arange(50))
    assert found.se == pytest.approx((a - b).std(ddof=1) / np.sqrt(50))
    assert found.low == pytest.approx(found.difference - 1.96 * found.se, rel=1e-3)
    assert found.high == pytest.approx(found.difference + 1.96 * found.se, rel=1e-3)


@given(st.integers(0, 10_000))
def test_copies_of_the_same_customers_add_no_certainty(seed):
    rng = np.random.default_rng(seed)
    a, b, who = rng.random(30), rng.random(30), rng.integers(0, 9, 30)
    once = decide(a, b, who)
    thrice = decide(np.tile(a, 3), np.tile(b, 3), np.tile(who, 3))
    assert thrice.difference == pytest.approx(once.difference, abs=1e-12)
    assert thrice.se == pytest.approx(once.se)


def test_a_constant_difference_is_certain_and_none_is_neither():
    ones = np.ones(5)
    assert decide(ones - 0.5, ones, np.arange(5)).better
    same = decide(ones, ones, np.arange(5))
    assert (same.difference, same.better, same.worse) == (0.0, False, False)


@pytest.mark.parametrize("size", [0, 1])
def test_nobody_and_one_customer_decide_nothing(size):
    found = decide(np.zeros(size), np.ones(size), np.arange(size))
    assert found.se == math.inf
    assert not found.better
    assert not found.worse


def test_more_errors_ask_for_more():
    close = {"difference": -0.015, "se": 0.01, "customers": 9, "rows": 9}
    assert Decision(**close).better
    assert not Decision(**close, errors=2.0).better
    assert Decision(0.015, 0.01, 9, 9).worse


def test_bad_losses_are_told():
    with pytest.raises(InputError, match=r"1 of 2 rows are missing or infinite"):
        decide(np.array([np.inf, 1.0]), np.ones(2), np.arange(2))
    with pytest.raises(InputError, match=r"got shapes \(2,\), \(3,\) and \(2,\)"):
        decide(np.ones(2), np.ones(3), np.arange(2))


def test_the_truth_wins_over_noise_and_a_constant_does_not():
    days = [meeting(1), meeting(2, day=date(2025, 7, 1))]
    assert wins(days, "truth", "noisy").better
    assert wins(days, "mean", "truth").worse
    found = wins(days, "noisy", "truth")
    expected = np.mean(
        [
            log_loss(m.churned, m.forecasts["noisy"].churn_probability)
            - log_loss(m.churned, m.forecasts["truth"].churn_probability)
            for m in days
        ]
    )
    assert found.difference == pytest.approx(expected)
    assert (found.customers, found.rows) == (400, 800)


def test_losses_of_value_and_orders_are_the_deviances():
    day = meeting(3)
    forecast = day.forecasts["truth"]
    value, orders = value_loss(90)(day, forecast), orders_loss(90)(day, forecast)
    assert value.mean() == pytest.approx(
        mean_tweedie_deviance(day.value[90], forecast.expected_value[90], power=1.5)
    )
    assert orders.mean() == pytest.approx(mean_poisson_deviance(day.orders[90], forecast.expected_orders[90]))
    assert wins([day], "truth", "mean", loss=value_loss(90)).better


def test_certain_and_empty_forecasts_cost_much_and_never_infinity():
    day = meeting(4)
    sure = Forecast(np.ones(400), {90: np.zeros(400)}, {90: np.zeros(400)})
    for loss in (churn_loss, orders_loss(90), value_loss(90)):
        found = loss(day, sure)
        assert np.isfinite(found).all()
        assert found.mean() > loss(day, day.forecasts["truth"]).mean()


def test_a_missing_forecast_is_told_with_its_day():
    with pytest.raises(
        InputError, match=r"'ghost' has no forecast at 2025-06-01; there are truth, noisy, mean"
    ):
        wins([meeting(1)], "ghost", "truth")
