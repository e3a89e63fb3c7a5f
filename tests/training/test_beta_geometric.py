"""What BG/NBD and MBG/NBD share: formulas against brute force, invariants, degenerate customer bases."""

from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.optimize import approx_fprime
from scipy.special import hyp2f1
from scipy.stats import beta as beta_law
from scipy.stats import gamma as gamma_law

from features.errors import InputError, ModelError, NotEnoughData
from training.models.beta_geometric import BetaGeometric, _EffectsLikelihood, _Likelihood
from training.models.beta_mean import orders_while_alive
from training.models.bg_nbd import BgNbd
from training.models.btyd import PurchaseModel
from training.models.mbg_nbd import MbgNbd

BOTH = pytest.mark.parametrize("model", [BgNbd(0.6, 30.0, 0.8, 2.4), MbgNbd(0.6, 30.0, 0.8, 2.4)])
EITHER = pytest.mark.parametrize("cls", [BgNbd, MbgNbd])
positive = st.floats(0.01, 100.0)
params = st.builds(dict, r=positive, alpha=positive, a=positive, b=positive)


@st.composite
def customers(draw):
    T = draw(st.floats(0, 3000))
    x = draw(st.integers(0, 400))
    return float(x), (T * draw(st.floats(0, 1)) if x else 0.0), T


def simulate(model: BetaGeometric, n: int, horizon: float, seed: int):
    """Customers drawn from the model's own story: (x, t_x, T) and the purchases in the horizon after T."""
    rng = np.random.default_rng(seed)
    rate = rng.gamma(model.r, 1 / model.alpha, n)
    p = rng.beta(model.a, model.b, n)
    T = rng.uniform(100, 700, n)
    x, t_x, future, now = np.zeros(n), np.zeros(n), np.zeros(n), np.zeros(n)
    active = np.flatnonzero(rng.random(n) >= p * model.chances_at_first)
    while active.size:
        now[active] += rng.exponential(1 / rate[active])
        active = active[now[active] <= T[active] + horizon]
        seen = now[active] <= T[active]
        x[active] += seen
        t_x[active] = np.where(seen, now[active], t_x[active])
        future[active] += ~seen
        active = active[rng.random(active.size) >= p[active]]
    return x, t_x, T, future


@BOTH
def test_simulated_future_agrees_with_the_formulas(model):
    x, t_x, T, future = simulate(model, 150_000, 180.0, seed=3)
    orders = model.expected_orders(x, t_x, T, 180.0)
    some = model.p_order_within(x, t_x, T, 180.0)
    for group in (x == 0, x == 1, (x >= 2) & (x < 5), x >= 5, T - t_x > 200):
        count, bought = future[group], future[group] > 0
        assert abs(orders[group].mean() - count.mean()) < 4 * count.std() / np.sqrt(count.size)
        assert abs(some[group].mean() - bought.mean()) < 4 * bought.std() / np.sqrt(bought.size)


@BOTH
def test_fit_recovers_the_parameters_of_a_simulated_base(model):
    x, t_x, T, _ = simulate(model, 60_000, 0.0, seed=4)
    fitted = type(model).fit(x, t_x, T)
    for name in ("r", "alpha", "a", "b"):
        assert getattr(fitted, name) == pytest.approx(getattr(model, name), rel=0.12), name
    assert fitted.log_likelihood(x, t_x, T).sum() >= model.log_likelihood(x, t_x, T).sum()


@BOTH
def test_log_likelihood_is_the_integral_over_rates_and_dropout(model):
    x, t_x, T = 3, 120.0, 200.0
    m = model.chances_at_first

    def story(lam, p):
        alive = (1 - p) ** (x + m) * np.exp(-lam * T)
        return lam**x * (alive + p * (1 - p) ** (x + m - 1) * np.exp(-lam * t_x))

    def inner(p):
        weight = gamma_law(model.r, scale=1 / model.alpha).pdf
        return quad(lambda lam: story(lam, p) * weight(lam), 0, 1, limit=200)[0]

    p, w = np.polynomial.legendre.leggauss(40)
    u = (p + 1) / 2  # p = u⁵ tames the endpoint of the beta density
    direct = sum(w / 2 * 5 * u**4 * beta_law(model.a, model.b).pdf(u**5) * [inner(v**5) for v in u])
    assert model.log_likelihood([x], [t_x], [T])[0] == pytest.approx(np.log(direct), abs=1e-5)


@BOTH
def test_gradient_is_the_slope_of_the_likelihood(model):
    rng = np.random.default_rng(0)
    x = rng.integers(0, 6, 50).astype(float)
    T = rng.uniform(1, 2, 50)
    target = _Likelihood(x, T * rng.random(50) * (x > 0), T, rng.uniform(1, 3, 50), model.chances_at_first)
    theta = np.array([-0.5, 0.4, 0.2, -0.7])
    slope = approx_fprime(theta, lambda t: target(t)[0], 1e-7)
    assert target(theta)[1] == pytest.approx(slope, rel=1e-4, abs=1e-3)


@BOTH
def test_total_in_fit_equals_the_sum_over_customers(model):
    x, t_x, T, _ = simulate(model, 500, 0.0, seed=5)
    fit = _Likelihood(x, t_x, T, np.ones(500), model.chances_at_first)
    total, _ = fit(np.log([model.r, model.alpha, model.a, model.b]))
    assert total == pytest.approx(model.log_likelihood(x, t_x, T).sum(), rel=1e-12)


@pytest.mark.parametrize("a", [1e-6, 0.05, 0.793, 1.0, 3.0, 40.0, 1e4])
def test_orders_while_alive_match_adaptive_integration(a):
    shape, ratio = 2.24, 1.7
    for b_x in (0.3, 2.4, 60.0):
        law = beta_law(a + 1, b_x)  # E_a[g] = E_{a+1}[g − (1−p) g′/(a+b)]: smooth at 0 for every a

        def smooth(p, b_x=b_x):
            g = -np.expm1(-shape * np.log1p(p * ratio)) / p
            slope = (shape * ratio * (1 + p * ratio) ** (-shape - 1) - g) / p
            return g - (1 - p) * slope / (a + b_x)

        def integrand(u, law=law, smooth=smooth):
            return smooth(max(law.ppf(u), 1e-7))

        direct = quad(integrand, 0, 1, limit=200, epsabs=1e-11, epsrel=1e-9)[0]
        ours = orders_while_alive(a, np.array([b_x]), np.array([shape]), np.array([ratio]))[0]
        assert ours == pytest.approx(direct, rel=1e-6)


@settings(deadline=None)
@given(st.floats(0.05, 20), st.floats(0.5, 60), st.floats(0.05, 60), st.floats(0.01, 5))
def test_orders_while_alive_match_the_published_closed_form(a, b_x, shape, ratio):
    if min(abs(a - 1), abs(a + b_x - 1)) < 0.02:
        return
    c, w = a + b_x - 1, ratio / (1 + ratio)
    published = c / (a - 1) * (1 - (1 - w) ** shape * hyp2f1(shape, b_x, c, w))
    ours = orders_while_alive(a, np.array([b_x]), np.array([shape]), np.array([ratio]))[0]
    assert ours == pytest.approx(published, rel=1e-7)


def test_orders_while_alive_have_no_pole_where_the_closed_form_has():
    near = [orders_while_alive(a, np.array([2.0]), np.ones(1), np.ones(1))[0] for a in (0.999, 1.0, 1.001)]
    assert near[1] == pytest.approx((near[0] + near[2]) / 2, rel=1e-6)
    assert orders_while_alive(0.4, np.array([0.6]), np.ones(1), np.ones(1))[0] > 0


@EITHER
@settings(deadline=None)
@given(p=params, customer=customers(), horizon=st.floats(0.1, 1000))
def test_probabilities_and_counts_keep_their_order(cls, p, customer, horizon):
    model = cls(**p)
    row = [[value] for value in customer]
    some, orders = model.p_order_within(*row, horizon), model.expected_orders(*row, horizon)
    alive = model.p_alive(*row)
    assert 0 <= some <= alive <= 1
    assert some * (1 - 1e-7) <= orders < np.inf
    assert model.p_order_within(*row, 2 * horizon) >= some
    assert model.expected_orders(*row, 2 * horizon) >= orders * (1 - 1e-7)
    assert np.isfinite(model.log_likelihood(*row)).all()


@EITHER
@settings(deadline=None)
@given(p=params, customer=customers(), wait=st.floats(0.1, 1000))
def test_silence_lowers_the_chance_of_being_alive(cls, p, customer, wait):
    x, t_x, T = customer
    before, after = cls(**p).p_alive([x, x], [t_x, t_x], [T, T + wait])
    assert after <= before


@BOTH
def test_nothing_happens_in_no_time(model):
    row = ([0, 4], [0, 90], [100, 100])
    assert model.expected_orders(*row, 0).tolist() == [0, 0]
    assert model.p_order_within(*row, 0).tolist() == [0, 0]


@BOTH
def test_one_customer_gets_the_same_bits_as_in_a_batch(model):
    rng = np.random.default_rng(6)
    x = rng.integers(0, 30, 10_000).astype(float)
    T = rng.integers(0, 700, 10_000).astype(float)
    t_x = np.floor(T * rng.random(10_000)) * (x > 0)
    batch = _all_outputs(model, x, t_x, T)
    for i in range(0, 10_000, 97):
        alone = _all_outputs(model, x[i : i + 1], t_x[i : i + 1], T[i : i + 1])
        assert np.array_equal(alone[:, 0], batch[:, i])


def _all_outputs(model, x, t_x, T):
    return np.stack(
        [
            model.p_alive(x, t_x, T),
            model.expected_orders(x, t_x, T, 90),
            model.expected_orders(x, t_x, T, 365),
            model.p_order_within(x, t_x, T, 90),
            model.log_likelihood(x, t_x, T),
        ]
    )


DEGENERATE = {
    "one-time buyers only": ([0, 0, 0], [0, 0, 0], [5, 60, 700]),
    "one customer": ([3], [40], [50]),
    "one customer, one order": ([0], [0], [50]),
    "first order today": ([0, 0], [0, 0], [0, 0]),
    "a million orders": ([0, 2, 1e6], [0, 30, 700], [100, 60, 730]),
    "very long history": ([0, 1, 5], [0, 3, 1e9], [1e9, 1e12, 1e12]),
    "last order at the cut": ([1, 5, 9], [10, 20, 30], [10, 20, 30]),
    "repeats without time between": ([3, 2], [0, 0], [0, 5]),
}


@EITHER
@pytest.mark.parametrize("ridge", [0.0, 1.0])
@pytest.mark.parametrize("case", DEGENERATE)
def test_degenerate_bases_give_finite_answers(cls, ridge, case):
    x, t_x, T = DEGENERATE[case]
    with np.errstate(divide="raise", over="raise", invalid="raise"):
        model = cls.fit(x, t_x, T, ridge=ridge)
        outputs = _all_outputs(model, *(np.array(v, dtype=float) for v in (x, t_x, T)))
        far = model.expected_orders(x, t_x, T, 1e6)
    assert np.isfinite(outputs).all()
    assert np.isfinite(far).all()
    assert (far >= outputs[1]).all()


@EITHER
def test_ridge_holds_a_base_of_one_time_buyers_in_sensible_bounds(cls):
    x, t_x, T = DEGENERATE["one-time buyers only"]
    assert cls.fit(x, t_x, T).alpha > 1e6
    assert cls.fit(x, t_x, T, ridge=1.0).alpha < 1e4


@EITHER
def test_row_order_and_repetition_do_not_change_the_fit(cls):
    x, t_x, T, _ = simulate(cls(0.6, 30.0, 0.8, 2.4), 2000, 0.0, seed=7)
    x, t_x, T = np.tile(x, 2), np.tile(np.floor(t_x), 2), np.tile(np.ceil(T), 2)
    order = np.random.default_rng(1).permutation(4000)
    fitted = cls.fit(x[order], t_x[order], T[order])
    assert cls.fit(x, t_x, T) == fitted
    assert cls.fit(x[:2000], t_x[:2000], T[:2000], weights=np.full(2000, 2.0)) == fitted


@EITHER
def test_days_and_weeks_reach_the_same_optimum(cls):
    x, t_x, T, _ = simulate(cls(0.6, 30.0, 0.8, 2.4), 3000, 0.0, seed=8)
    days, weeks = cls.fit(x, t_x, T), cls.fit(x, t_x / 7, T / 7)
    assert weeks.alpha * 7 == pytest.approx(days.alpha, rel=1e-4)
    assert [weeks.r, weeks.a, weeks.b] == pytest.approx([days.r, days.a, days.b], rel=1e-4)


def test_the_thinned_start_does_not_change_the_optimum():
    x, t_x, T, _ = simulate(BgNbd(0.6, 30.0, 0.8, 2.4), 60_000, 0.0, seed=9)
    fitted = BgNbd.fit(x, t_x, T)
    best = fitted.log_likelihood(x, t_x, T).sum()
    for name in ("r", "alpha", "a", "b"):
        for factor in (0.99, 1.01):
            moved = BgNbd(**{**asdict(fitted), name: getattr(fitted, name) * factor})
            assert moved.log_likelihood(x, t_x, T).sum() < best


@EITHER
def test_no_customers_give_no_answers_and_no_fit(cls):
    assert cls(1.0, 1.0, 1.0, 1.0).expected_orders([], [], [], 90).size == 0
    with pytest.raises(NotEnoughData, match="at least one customer"):
        cls.fit([], [], [])


def test_contradicting_rows_are_listed_all_at_once():
    with pytest.raises(InputError) as error:
        BgNbd.fit([1.5, 0, 2], [1, 3, 9], [4, 4, 5])
    text = str(error.value)
    assert "whole number ≥ 0: 1 of 3 rows break this, for example x=1.5" in text
    assert "x = 0) must have t_x = 0: 1 of 3" in text
    assert "must not lie after the cut (T): 1 of 3 rows break this, for example x=2, t_x=9, T=5" in text


@pytest.mark.parametrize(
    ("x", "t_x", "T", "message"),
    [
        ([1, 2], [1], [3, 3], "got 2, 1 and 2 values"),
        ([np.nan], [1], [3], "x: 1 of 1 values are missing or infinite"),
        ([1], [1], [np.inf], "T: 1 of 1 values are missing or infinite"),
        ([[1]], [1], [3], "x: expected one column, got 2 dimensions"),
        (["many"], [1], [3], "x: expected numbers"),
        ([1], [-1], [3], "t_x and T must be ≥ 0: 1 of 1"),
    ],
)
def test_bad_columns_are_refused_by_name(x, t_x, T, message):
    with pytest.raises(InputError) as error:
        MbgNbd(1.0, 1.0, 1.0, 1.0).p_alive(x, t_x, T)
    assert message in str(error.value)


@pytest.mark.parametrize("options", [{"weights": [0.0]}, {"weights": [1.0, 1.0]}, {"ridge": -1.0}])
def test_bad_options_are_refused(options):
    with pytest.raises(InputError, match=r"weights|ridge"):
        BgNbd.fit([1], [1], [2], **options)


@pytest.mark.parametrize("horizon", [-1, np.nan, np.inf])
def test_bad_horizons_are_refused(horizon):
    with pytest.raises(InputError, match="horizon_days"):
        BgNbd(1.0, 1.0, 1.0, 1.0).p_order_within([1], [1], [2], horizon)


@EITHER
def test_json_round_trip_keeps_every_bit(cls):
    model = cls(r=1 / 3, alpha=np.pi, a=1e-9, b=2.0)
    assert cls.from_json(json.loads(json.dumps(model.to_json()))) == model
    assert isinstance(model, PurchaseModel)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": "mbg_nbd"}, "expected a stored bg_nbd model, got 'mbg_nbd'"),
        ({"a": 0.0}, "parameter a must be a positive number, got 0.0"),
        ({"b": float("nan")}, "parameter b must be a positive number"),
        ({"r": "0.2"}, "parameter r must be a positive number, got '0.2'"),
    ],
)
def test_damaged_records_are_refused(change, message):
    record = {**BgNbd(1.0, 1.0, 1.0, 1.0).to_json(), **change}
    with pytest.raises(ModelError, match=message):
        BgNbd.from_json(record)
    with pytest.raises(ModelError, match="lacks alpha"):
        BgNbd.from_json({"model": "bg_nbd", "r": 1.0, "a": 1.0, "b": 1.0})


@BOTH
def test_gradient_of_effects_is_the_slope_of_the_likelihood(model):
    rng = np.random.default_rng(0)
    x, T, z = rng.integers(0, 6, 50).astype(float), rng.uniform(1, 2, 50), rng.normal(size=(50, 2))
    t_x, w = T * rng.random(50) * (x > 0), rng.uniform(1, 3, 50)
    target = _EffectsLikelihood(x, t_x, T, w, z, model.chances_at_first)
    theta = np.array([-0.5, 0.4, 0.2, -0.7, 0.1, 0.2, -0.3, 0.3, 0.2, -0.1])
    assert target(theta)[1] == pytest.approx(approx_fprime(theta, lambda t: target(t)[0], 1e-6), abs=2e-3)
    theta[4:] = 0.0
    assert target(theta)[0] == pytest.approx(_Likelihood(x, t_x, T, w, model.chances_at_first)(theta[:4])[0])


@BOTH
def test_fit_recovers_the_effect_of_a_covariate(model):
    # Twice the rate is α/2, that is γ = log 2; a three times as large is γ = log 3
    fast = type(model)(model.r, model.alpha / 2, 3 * model.a, model.b)
    both = [simulate(m, 6_000, 0.0, seed=21 + i)[:3] for i, m in enumerate((model, fast))]
    x, t_x, T = (np.concatenate(pair) for pair in zip(*both, strict=True))
    z = np.repeat([[0.0], [1.0]], 6_000, axis=0)
    found = type(model).fit(x, t_x, T, covariates=z)
    assert found.rate_effects[0] == pytest.approx(np.log(2), abs=0.2)
    assert found.a_effects[0] - found.b_effects[0] == pytest.approx(np.log(3), abs=0.3)
    assert (
        found.log_likelihood(x, t_x, T, covariates=z).sum()
        > type(model).fit(x, t_x, T).log_likelihood(x, t_x, T).sum() + 20
    )
    assert type(model).from_json(json.loads(json.dumps(found.to_json()))) == found


@BOTH
def test_effects_are_changes_of_the_parameters(model):
    found = type(model)(0.6, 30.0, 0.8, 2.4, (0.5,), (0.2,), (-0.1,))
    by_hand = type(model)(0.6, 30.0 * np.exp(-1.0), 0.8 * np.exp(0.4), 2.4 * np.exp(-0.2))
    row = ([2], [50], [90])
    for name, extra in (("p_alive", ()), ("p_order_within", (30,)), ("expected_orders", (30,))):
        ours = getattr(found, name)(*row, *extra, covariates=[[2.0]])
        assert ours == pytest.approx(getattr(by_hand, name)(*row, *extra), rel=1e-9)
    with pytest.raises(InputError, match="fitted with 1 per customer, got none"):
        found.p_alive(*row)
