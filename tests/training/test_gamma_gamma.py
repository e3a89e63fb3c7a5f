"""Gamma-Gamma against the published numbers, by hand, and on degenerate values."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.optimize import approx_fprime

from features.errors import InputError, ModelError, NotEnoughData
from training.models.gamma_gamma import GammaGamma, _Likelihood

PUBLISHED = GammaGamma(p=6.25, q=3.74, v=15.44)


def draw(model: GammaGamma, n: int, seed: int):
    rng = np.random.default_rng(seed)
    x = rng.integers(1, 12, n).astype(float)
    nu = rng.gamma(model.q, 1 / model.v, n)
    return x, rng.gamma(model.p * x) / nu / x


@pytest.mark.data
def test_cdnow_gives_the_published_parameters(shared_data):
    lines = pd.read_parquet(shared_data / "cdnow_sample.parquet")
    past = lines[lines.timestamp <= "1997-09-30"]
    days = past.groupby(["customer_id", "timestamp"], as_index=False).amount.sum()
    repeat = days[days.groupby("customer_id").cumcount() > 0].groupby("customer_id").amount
    x, m = repeat.count().astype(float), repeat.mean()
    assert (x.size, round(m.mean(), 2)) == (946, 35.08)
    model = GammaGamma.fit(x, m)
    assert [model.p, model.q, model.v] == pytest.approx([6.25, 3.74, 15.44], abs=0.006)


def test_conditional_value_by_hand():
    # p(v + xm)/(px + q − 1) = 2(10 + 3·20)/(2·3 + 5 − 1) = 14; without orders pv/(q−1) = 2·10/4 = 5
    model = GammaGamma(p=2.0, q=5.0, v=10.0)
    assert model.conditional_value([3, 0], [20, 0]).tolist() == [14.0, 5.0]
    assert model.conditional_value([3], [-20]).tolist() == model.conditional_value([3], [0]).tolist()


def test_density_integrates_to_one_and_has_the_stated_mean():
    x = 3.0

    def density(m):
        return np.exp(PUBLISHED.log_likelihood([x], [m])[0])

    assert quad(density, 1e-12, np.inf, limit=200)[0] == pytest.approx(1, abs=1e-6)
    mean = quad(lambda m: m * density(m), 1e-12, np.inf, limit=200)[0]
    assert mean == pytest.approx(PUBLISHED.conditional_value([0], [0])[0], rel=1e-5)


def test_fit_recovers_the_parameters_of_simulated_spend():
    x, m = draw(PUBLISHED, 60_000, seed=1)
    model = GammaGamma.fit(x, m)
    assert [model.p, model.q, model.v] == pytest.approx([6.25, 3.74, 15.44], rel=0.05)
    assert model.log_likelihood(x, m).sum() >= PUBLISHED.log_likelihood(x, m).sum()


def test_forecasts_are_unbiased_for_simulated_customers():
    rng = np.random.default_rng(2)
    nu = rng.gamma(PUBLISHED.q, 1 / PUBLISHED.v, 100_000)
    m = rng.gamma(PUBLISHED.p * 2, size=100_000) / nu / 2
    gap = PUBLISHED.conditional_value(np.full(100_000, 2.0), m) - PUBLISHED.p / nu
    assert abs(gap.mean()) < 4 * gap.std() / np.sqrt(100_000)
    assert abs(gap[m > 60].mean()) < 4 * gap[m > 60].std() / np.sqrt((m > 60).sum())


def test_gradient_is_the_slope_of_the_likelihood():
    x, m = draw(PUBLISHED, 40, seed=3)
    target = _Likelihood(x, m / m.mean(), np.linspace(1, 2, 40))
    theta = np.array([1.2, 0.3, -0.8])
    slope = approx_fprime(theta, lambda t: target(t)[0], 1e-7)
    assert target(theta)[1] == pytest.approx(slope, rel=1e-4, abs=1e-3)


def test_currency_does_not_change_the_optimum():
    x, m = draw(PUBLISHED, 3000, seed=4)
    euros, cents = GammaGamma.fit(x, m), GammaGamma.fit(x, m * 100)
    assert [cents.p, cents.q, cents.v / 100] == pytest.approx([euros.p, euros.q, euros.v], rel=1e-4)


def test_weights_count_customers():
    x, m = draw(PUBLISHED, 500, seed=5)
    double = GammaGamma.fit(np.tile(x, 2), np.tile(m, 2))
    weighted = GammaGamma.fit(x, m, weights=np.full(500, 2.0))
    assert [double.p, double.q, double.v] == pytest.approx([weighted.p, weighted.q, weighted.v], rel=1e-4)


def test_rows_outside_the_model_are_left_out_of_the_fit():
    x, m = draw(PUBLISHED, 500, seed=6)
    odd = GammaGamma.fit(np.append(x, [0, 4]), np.append(m, [0, -9.5]))
    assert odd == GammaGamma.fit(x, m)
    assert odd.log_likelihood([0, 4], [0, -9.5]).tolist() == [0, 0]


@pytest.mark.parametrize("ridge", [0.0, 1.0])
@pytest.mark.parametrize(
    ("x", "m"),
    [
        ([1], [5.0]),
        ([1, 2, 3], [5.0, 5.0, 5.0]),
        ([1e6, 1], [5.0, 6.0]),
        ([1, 2, 3], [1e-9, 1e9, 1.0]),
        ([0, 1, 2], [0.0, -3.0, 5.0]),
    ],
)
def test_degenerate_spend_gives_finite_answers(x, m, ridge):
    with np.errstate(divide="raise", over="raise", invalid="raise"):
        model = GammaGamma.fit(x, m, ridge=ridge)
        values = model.conditional_value(x, m)
        densities = model.log_likelihood(x, m)
    assert np.isfinite(values).all()
    assert (values > 0).all()
    assert np.isfinite(densities).all()


@given(st.integers(1, 10_000), st.floats(0.01, 1e6))
def test_the_forecast_lies_between_own_mean_and_everybodys(x, m):
    base = PUBLISHED.conditional_value([0], [0])[0]
    value = PUBLISHED.conditional_value([x], [m])[0]
    assert min(base, m) * (1 - 1e-12) <= value <= max(base, m) * (1 + 1e-12)


def test_one_customer_gets_the_same_bits_as_in_a_batch():
    x, m = draw(PUBLISHED, 10_000, seed=7)
    values, densities = PUBLISHED.conditional_value(x, m), PUBLISHED.log_likelihood(x, m)
    for i in range(0, 10_000, 97):
        assert PUBLISHED.conditional_value(x[i : i + 1], m[i : i + 1])[0] == values[i]
        assert PUBLISHED.log_likelihood(x[i : i + 1], m[i : i + 1])[0] == densities[i]


def test_no_repeat_purchase_is_refused_with_a_count():
    with pytest.raises(NotEnoughData, match="none of 2 customers"):
        GammaGamma.fit([0, 0], [0.0, 0.0])


@pytest.mark.parametrize(
    ("x", "m", "message"),
    [
        ([1, 2], [3.0], "got 2 and 1 values"),
        ([-1], [3.0], "x: 1 of 1 purchase counts are negative"),
        ([1], [np.nan], "m: 1 of 1 values are missing"),
    ],
)
def test_bad_columns_are_refused_by_name(x, m, message):
    with pytest.raises(InputError, match=message):
        PUBLISHED.conditional_value(x, m)


def test_a_mean_that_does_not_exist_is_refused():
    with pytest.raises(InputError, match="q > 1 only"):
        GammaGamma(p=1.0, q=0.9, v=1.0).conditional_value([0], [0.0])


def test_json_round_trip_and_damage():
    record = json.loads(json.dumps(PUBLISHED.to_json()))
    assert GammaGamma.from_json(record) == PUBLISHED
    with pytest.raises(ModelError, match="parameter v must be a positive number"):
        GammaGamma.from_json({**record, "v": -1.0})
