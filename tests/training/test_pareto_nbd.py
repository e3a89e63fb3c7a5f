"""Pareto/NBD against the published numbers, brute force, its own simulated story, and covariates."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.optimize import approx_fprime
from scipy.special import hyp2f1
from scipy.stats import gamma as gamma_law
from sklearn.metrics import roc_auc_score

from features.errors import InputError, ModelError
from tests.training.small_shops import cdnow
from training.models.dropout_share import order_within, shares
from training.models.pareto_nbd import ParetoNbd, _Likelihood

MODEL = ParetoNbd(r=0.6, alpha=30.0, s=0.6, beta=80.0)


def simulate(model: ParetoNbd, n: int, horizon: float, seed: int, z=None):
    """Customers drawn from the model's own story: (x, t_x, T) and the purchases in the horizon after T."""
    rng = np.random.default_rng(seed)
    z = np.zeros((n, 0)) if z is None else z
    rate = rng.gamma(model.r, np.exp(z @ np.array(model.rate_effects)) / model.alpha, n)
    dropout = rng.gamma(model.s, np.exp(z @ np.array(model.dropout_effects)) / model.beta, n)
    T = rng.uniform(100, 700, n)
    life = rng.exponential(1 / np.maximum(dropout, 1e-300))
    seen = np.minimum(life, T)
    x = rng.poisson(rate * seen).astype(float)
    t_x = np.where(x > 0, seen * rng.random(n) ** (1 / np.maximum(x, 1)), 0.0)
    future = rng.poisson(rate * np.clip(np.minimum(life, T + horizon) - T, 0, None))
    return x, t_x, T, future


@pytest.mark.data
def test_cdnow_gives_the_published_parameters_and_the_measured_holdout(shared_data):
    x, t_x, T, future = cdnow(shared_data)
    model = ParetoNbd.fit(x, t_x, T)
    assert [model.r, model.alpha, model.s, model.beta] == pytest.approx(
        [0.553, 10.578, 0.606, 11.669], abs=0.0006
    )
    assert model.log_likelihood(x, t_x, T).sum() == pytest.approx(-9595.0, abs=0.05)
    assert np.abs(model.expected_orders(x, t_x, T, 39) - future).mean() == pytest.approx(0.755, abs=0.0006)
    assert roc_auc_score(future > 0, model.p_order_within(x, t_x, T, 39)) == pytest.approx(0.771, abs=0.0005)


@pytest.mark.parametrize(
    ("a", "s", "ratio"), [(1.5, 0.6, 0.9), (7.2, 0.3, 3.0), (0.4, 4.0, 0.2), (60, 2, 8.0)]
)
def test_shares_are_the_published_hypergeometric_function(a, s, ratio):
    found = shares(*(np.array([v], dtype=float) for v in (a, s, ratio)))
    published = s / (a + s) * hyp2f1(1, a, a + s + 1, 1 - 1 / ratio)
    assert found.dropout[0] == pytest.approx(published, rel=1e-9)
    assert found.order[0] == pytest.approx(1 - published, rel=1e-9)


@given(st.floats(-4, 6), st.floats(-4, 4), st.floats(-5, 5))
def test_shares_add_up_and_have_the_slopes_they_say(log_a, log_s, log_kappa):
    at = np.array([log_a, log_s, log_kappa])

    def dropout(v):
        return shares(*np.exp(v)[:, None]).dropout[0]

    found = shares(*np.exp(at)[:, None])
    assert found.dropout[0] + found.order[0] == pytest.approx(1.0, abs=1e-15)
    slopes = [found.by_a[0] * np.exp(log_a), found.by_s[0] * np.exp(log_s), found.by_log_kappa[0]]
    assert slopes == pytest.approx(approx_fprime(at, dropout, 1e-6), abs=3e-7)


def test_an_endless_horizon_is_the_whole_share_and_a_short_one_its_rate():
    a, s, kappa = (np.array([v]) for v in (2.6, 0.6, 0.7))
    whole = order_within(a, s, kappa, np.array([500.0]))
    assert whole[0] == pytest.approx(shares(a, s, kappa).order[0], rel=1e-9)
    # B = 1 is the larger scale, A = κ: within h the chance is h · a/A at first
    assert order_within(a, s, kappa, np.array([np.log1p(1e-9)]))[0] == pytest.approx(
        1e-9 * 2.6 / 0.7, rel=1e-6
    )


def test_log_likelihood_is_the_integral_over_both_rates():
    x, t_x, T = 3, 120.0, 200.0

    def story(lam, mu):
        both = lam + mu
        return lam**x * (mu * np.exp(-both * t_x) + lam * np.exp(-both * T)) / both

    def inner(mu):
        law = gamma_law(MODEL.r, scale=1 / MODEL.alpha).pdf
        return quad(lambda lam: story(lam, mu) * law(lam), 0, 1, limit=200)[0]

    law = gamma_law(MODEL.s, scale=1 / MODEL.beta).pdf
    direct = quad(lambda u: 5 * u**4 * law(u**5) * inner(u**5), 0, 0.9, limit=200)[0]
    assert MODEL.log_likelihood([x], [t_x], [T])[0] == pytest.approx(np.log(direct), abs=1e-5)


def test_no_order_by_a_later_day_is_a_ratio_of_likelihoods():
    x, t_x, T = np.array([0.0, 2, 9]), np.array([0.0, 60, 90]), np.array([50.0, 100, 91])
    later = MODEL.log_likelihood(x, t_x, T + 30) - MODEL.log_likelihood(x, t_x, T)
    assert MODEL.p_order_within(x, t_x, T, 30) == pytest.approx(-np.expm1(later), rel=1e-8)


def test_simulated_future_agrees_with_the_formulas():
    x, t_x, T, future = simulate(MODEL, 100_000, 180.0, seed=3)
    orders, some = MODEL.expected_orders(x, t_x, T, 180.0), MODEL.p_order_within(x, t_x, T, 180.0)
    for group in (x == 0, x == 1, (x >= 2) & (x < 5), x >= 5, T - t_x > 200):
        count, bought = future[group], future[group] > 0
        assert abs(orders[group].mean() - count.mean()) < 4 * count.std() / np.sqrt(count.size)
        assert abs(some[group].mean() - bought.mean()) < 4 * bought.std() / np.sqrt(bought.size)


def test_expected_orders_pass_smoothly_through_the_pole_of_the_textbook_form():
    near = [
        ParetoNbd(0.6, 30.0, s, 80.0).expected_orders([2], [50], [90], 60)[0] for s in (0.999, 1.0, 1.001)
    ]
    assert near[1] == pytest.approx((near[0] + near[2]) / 2, rel=1e-6)


def test_gradient_is_the_slope_of_the_likelihood():
    rng = np.random.default_rng(0)
    x = rng.integers(0, 6, 50).astype(float)
    T, z = rng.uniform(1, 2, 50), rng.normal(size=(50, 2))
    target = _Likelihood(x, T * rng.random(50) * (x > 0), T, rng.uniform(1, 3, 50), z)
    for alpha, beta in ((0.4, -0.7), (-0.9, 1.7)):
        theta = np.array([-0.5, alpha, 0.2, beta, 0.1, 0.2, -0.3, 0.3])
        assert target(theta)[1] == pytest.approx(approx_fprime(theta, lambda t: target(t)[0], 1e-6), abs=2e-3)


def test_fit_recovers_a_simulated_base_with_rounded_and_with_exact_times():
    x, t_x, T, _ = simulate(MODEL, 130_000, 0.0, seed=4)
    many, few = ParetoNbd.fit(x, t_x, T), ParetoNbd.fit(x[:20_000], t_x[:20_000], T[:20_000])
    for name in ("r", "alpha", "s", "beta"):
        assert getattr(many, name) == pytest.approx(getattr(MODEL, name), rel=0.06), name
        assert getattr(few, name) == pytest.approx(getattr(MODEL, name), rel=0.2), name


def test_fit_recovers_the_effects_of_covariates():
    rng = np.random.default_rng(8)
    z = np.column_stack([rng.integers(0, 2, 8_000), 50 + 10 * rng.normal(size=8_000)])
    truth = ParetoNbd(0.9, 30.0, 1.2, 150.0, rate_effects=(0.7, 0.0), dropout_effects=(-0.5, 0.02))
    x, t_x, T, _ = simulate(truth, 8_000, 0.0, seed=5, z=z)
    model = ParetoNbd.fit(x, t_x, T, covariates=z)
    assert model.rate_effects == pytest.approx([0.7, 0.0], abs=0.08)
    assert model.dropout_effects == pytest.approx([-0.5, 0.02], abs=0.2)
    plain = ParetoNbd.fit(x, t_x, T)
    gain = model.log_likelihood(x, t_x, T, covariates=z).sum() - plain.log_likelihood(x, t_x, T).sum()
    assert gain > 40
    assert ParetoNbd.from_json(json.loads(json.dumps(model.to_json()))) == model


def test_an_effect_is_a_change_of_scale():
    with_effect = ParetoNbd(0.6, 30.0, 0.6, 80.0, rate_effects=(0.5,), dropout_effects=(-0.25,))
    by_hand = ParetoNbd(0.6, 30.0 * np.exp(-1.0), 0.6, 80.0 * np.exp(0.5))
    row = ([2], [50], [90])
    for name, extra in (("p_alive", ()), ("p_order_within", (30,)), ("expected_orders", (30,))):
        found = getattr(with_effect, name)(*row, *extra, covariates=[[2.0]])
        assert found == pytest.approx(getattr(by_hand, name)(*row, *extra), rel=1e-12)


@pytest.mark.parametrize(
    ("covariates", "message"),
    [
        (None, "fitted with 1 per customer, got none"),
        ([[1.0, 2.0]], "fitted with 1 per customer, got 2"),
        ([[np.nan]], "1 of 1 values are missing or infinite"),
        ([1.0], r"a row for each of 1 customers, got shape \(1,\)"),
        ([["red"]], "code categories as 0 and 1"),
        ([[1e9]], "beyond all measure"),
    ],
)
def test_wrong_covariates_are_refused(covariates, message):
    model = ParetoNbd(0.6, 30.0, 0.6, 80.0, rate_effects=(0.5,), dropout_effects=(0.1,))
    with pytest.raises(InputError, match=message):
        model.p_alive([2], [50], [90], covariates=covariates)


def test_a_covariate_without_variation_and_uneven_effects_are_refused():
    with pytest.raises(InputError, match="column 0 has the same value for every customer"):
        ParetoNbd.fit([1, 0], [3, 0], [9, 9], covariates=[[2.0], [2.0]])
    with pytest.raises(ModelError, match="one effect per covariate of each kind"):
        ParetoNbd(0.6, 30.0, 0.6, 80.0, rate_effects=(0.5,))
