"""MBG/CNBD-k: the rhythm is found, k = 1 is MBG/NBD, and its simulated future agrees with the formulas."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import approx_fprime

from features.errors import InputError, ModelError
from tests.training.small_shops import cdnow
from training.models.beta_mean import orders_by_phase, orders_while_alive
from training.models.mbg_cnbd_k import MbgCnbdK, _Likelihood
from training.models.mbg_nbd import MbgNbd

RHYTHMS = pytest.mark.parametrize("k", [1, 2, 3, 4])


def simulate(model: MbgCnbdK, n: int, horizon: float, seed: int):
    """(x, t_x, T), purchases in the horizon after T, and the sum of the log gaps, from the model's own story."""
    rng = np.random.default_rng(seed)
    rate, p = rng.gamma(model.r, 1 / model.alpha, n), rng.beta(model.a, model.b, n)
    T = rng.uniform(100, 700, n)
    x, t_x, future, now, logs = (np.zeros(n) for _ in range(5))
    active = np.flatnonzero(rng.random(n) >= p)
    while active.size:
        gap = rng.gamma(model.k, 1 / rate[active])
        now[active] += gap
        inside = now[active] <= T[active] + horizon
        active, gap = active[inside], gap[inside]
        seen = now[active] <= T[active]
        x[active] += seen
        t_x[active] = np.where(seen, now[active], t_x[active])
        logs[active] += np.where(seen, np.log(gap), 0.0)
        future[active] += ~seen
        active = active[rng.random(active.size) >= p[active]]
    return x, t_x, T, future, logs


def of(k: int) -> MbgCnbdK:
    return MbgCnbdK(k, r=1.2, alpha=30.0 / k, a=0.8, b=2.4)


@RHYTHMS
def test_fit_finds_the_rhythm_and_the_parameters_of_a_simulated_base(k):
    x, t_x, T, _, logs = simulate(of(k), 15_000, 0.0, seed=k)
    model = MbgCnbdK.fit(x, t_x, T)
    assert model.k == k
    assert MbgCnbdK.fit(x, t_x, T, log_gaps=logs) == model
    for name in ("r", "alpha", "a", "b"):
        assert getattr(model, name) == pytest.approx(getattr(of(k), name), rel=0.15), name


@RHYTHMS
def test_simulated_future_agrees_with_the_formulas(k):
    model = of(k)
    x, t_x, T, future, _ = simulate(model, 20_000, 120.0, seed=10 + k)
    orders, some = model.expected_orders(x, t_x, T, 120.0), model.p_order_within(x, t_x, T, 120.0)
    for group in (x == 0, x == 1, (x >= 2) & (x < 5), x >= 5, T - t_x > 200, T - t_x < 10):
        count, bought = future[group], future[group] > 0
        assert abs(orders[group].mean() - count.mean()) < 4 * count.std() / np.sqrt(count.size)
        assert abs(some[group].mean() - bought.mean()) < 4 * bought.std() / np.sqrt(bought.size)


def test_without_a_rhythm_it_is_mbg_nbd():
    x, t_x, T, _, _ = simulate(of(1), 3_000, 0.0, seed=2)
    regular, plain = MbgCnbdK.fit(x, t_x, T, k=1), MbgNbd.fit(x, t_x, T)
    names = ("r", "alpha", "a", "b")
    assert [getattr(regular, n) for n in names] == pytest.approx([getattr(plain, n) for n in names], rel=1e-6)
    same = MbgCnbdK(1, plain.r, plain.alpha, plain.a, plain.b)
    row = (x, t_x, T)
    assert np.allclose(same.log_likelihood(*row), plain.log_likelihood(*row), rtol=1e-13, atol=0)
    assert np.allclose(same.p_alive(*row), plain.p_alive(*row), rtol=1e-13, atol=0)
    assert np.allclose(same.p_order_within(*row, 60), plain.p_order_within(*row, 60), rtol=1e-12, atol=0)
    assert np.allclose(same.expected_orders(*row, 60), plain.expected_orders(*row, 60), rtol=1e-12, atol=0)


def test_p_alive_and_likelihood_by_hand():
    # k=2, all parameters 1, x=1, t_x=1, T=3: shape 3, S = 1 + 3·(2/4) = 5/2, dropout 1/2·(4/2)³/(5/2) = 8/5
    model = MbgCnbdK(2, 1.0, 1.0, 1.0, 1.0)
    assert model.p_alive([1], [1], [3])[0] == pytest.approx(1 / (1 + 8 / 5))
    # Γ(3)·[B(1,3)·(5/2)/4³ + B(2,2)/2³] and the factor of one gap of 1, Δ/Γ(2) = 1
    by_hand = 2 * ((1 / 3) * 2.5 / 64 + (1 / 6) / 8)
    assert model.log_likelihood([1], [1], [3])[0] == pytest.approx(np.log(by_hand))
    assert model.log_likelihood([1], [1], [3], log_gaps=[0.0])[0] == pytest.approx(np.log(by_hand))


def test_no_order_by_a_later_day_is_a_ratio_of_likelihoods():
    x, t_x, T = np.array([0.0, 2, 9]), np.array([0.0, 60, 90]), np.array([50.0, 100, 91])
    later = of(3).log_likelihood(x, t_x, T + 30) - of(3).log_likelihood(x, t_x, T)
    assert of(3).p_order_within(x, t_x, T, 30) == pytest.approx(-np.expm1(later), rel=1e-9)


@RHYTHMS
def test_gradient_is_the_slope_of_the_likelihood(k):
    x, t_x, T, _, _ = simulate(of(k), 50, 0.0, seed=1)
    target = _Likelihood(x, t_x / 100, T / 100, np.linspace(1, 2, 50), k)
    theta = np.array([-0.5, 0.4, 0.2, -0.7])
    assert target(theta)[1] == pytest.approx(approx_fprime(theta, lambda t: target(t)[0], 1e-7), rel=1e-4)


def test_orders_by_phase_are_the_sum_over_chances():
    # p ~ Beta(a, b): the n-th chance is taken if the n − 1 orders before it were survived
    from scipy.special import betaln
    from scipy.stats import nbinom

    k, a, b, shape, ratio = 3, 0.8, 2.4, 1.7, 6.0
    n = np.arange(1, 4_000)
    survived = np.exp(betaln(a, b + n - 1) - betaln(a, b))
    for i, found in enumerate(orders_by_phase(k, a, *np.array([[b], [shape], [ratio]]))[0]):
        reached = nbinom.sf(n * k - i - 1, shape + i, 1 / (1 + ratio))
        assert found == pytest.approx(np.sum(survived * reached), rel=1e-8)


def test_one_phase_is_the_count_of_mbg_nbd():
    b, shape, ratio = np.array([[0.3, 2.4, 60.0], [0.2, 1.0, 400.0], [1e-3, 1.0, 50.0]])
    assert orders_by_phase(1, 0.8, b, shape, ratio)[:, 0] == pytest.approx(
        orders_while_alive(0.8, b, shape, ratio), rel=1e-12
    )


def test_a_rhythm_gives_up_the_overdue_and_spares_those_who_just_bought():
    plain, regular = of(1), of(4)
    just, overdue = ([6], [300], [301]), ([6], [300], [600])
    assert regular.p_alive(*overdue) < plain.p_alive(*overdue)
    assert regular.p_order_within(*just, 7) < plain.p_order_within(*just, 7)


def test_coinciding_purchases_speak_against_a_rhythm():
    assert of(2).log_likelihood([2], [0], [30])[0] == -np.inf
    assert MbgCnbdK.fit([2, 1, 3, 0], [0, 20, 90, 0], [30, 60, 100, 80]).k == 1


@pytest.mark.data
def test_cdnow_has_no_strong_rhythm(shared_data):
    x, t_x, T, future = cdnow(shared_data)
    one, two = (MbgCnbdK.fit(x, t_x, T, k=k) for k in (1, 2))
    assert [one.r, one.alpha, one.a, one.b] == pytest.approx([0.525, 6.183, 0.891, 1.614], abs=0.0006)
    assert np.abs(one.expected_orders(x, t_x, T, 39) - future).mean() == pytest.approx(0.765, abs=0.0005)
    assert one.log_likelihood(x, t_x, T).sum() > two.log_likelihood(x, t_x, T).sum()


@pytest.mark.parametrize("k", [0, 13, 2.0, True])
def test_a_count_of_phases_out_of_range_is_refused(k):
    with pytest.raises(InputError, match="phases from 1 to 12"):
        MbgCnbdK.fit([1], [3], [9], k=k)
    with pytest.raises(ModelError, match="from 1 to 12"):
        MbgCnbdK(k, 1.0, 1.0, 1.0, 1.0)


def test_gaps_must_be_given_for_every_customer():
    with pytest.raises(InputError, match="log_gaps: expected 2 values, one per customer, got 1"):
        MbgCnbdK.fit([1, 0], [3, 0], [9, 9], log_gaps=[1.0])
