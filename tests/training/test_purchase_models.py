"""What every buy-till-you-die model promises, whatever its story: one interface, invariants, degenerate data."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.errors import InputError, ModelError, NotEnoughData
from training.models.bg_nbd import BgNbd
from training.models.btyd import PurchaseModel, check_summary
from training.models.mbg_cnbd_k import MbgCnbdK
from training.models.mbg_nbd import MbgNbd
from training.models.pareto_nbd import ParetoNbd

MODELS = {
    "bg": BgNbd(0.6, 30.0, 0.8, 2.4),
    "mbg": MbgNbd(0.6, 30.0, 0.8, 2.4),
    "pareto": ParetoNbd(0.6, 30.0, 0.6, 80.0),
    "cnbd-2": MbgCnbdK(2, 0.6, 15.0, 0.8, 2.4),
    "cnbd-4": MbgCnbdK(4, 0.6, 8.0, 0.8, 2.4),
}
EVERY = pytest.mark.parametrize("model", MODELS.values(), ids=MODELS.keys())
positive = st.floats(0.05, 50.0)


@st.composite
def models(draw):
    kind = draw(st.sampled_from(list(MODELS)))
    first, second, third, fourth = (draw(positive) for _ in range(4))
    k = {"cnbd-2": (draw(st.integers(2, 6)),)}.get(kind, (4,) if kind == "cnbd-4" else ())
    return type(MODELS[kind])(*k, first, second, third, fourth)


@st.composite
def customers(draw):
    T = draw(st.floats(0, 3000))
    x = draw(st.integers(0, 400))
    return float(x), (T * draw(st.floats(0.001, 1)) if x else 0.0), T


def outputs(model, x, t_x, T):
    return np.stack(
        [
            model.p_alive(x, t_x, T),
            model.expected_orders(x, t_x, T, 90),
            model.expected_orders(x, t_x, T, 365),
            model.p_order_within(x, t_x, T, 90),
            model.log_likelihood(x, t_x, T),
        ]
    )


@given(model=models(), customer=customers(), horizon=st.floats(0.1, 1000))
def test_probabilities_and_counts_keep_their_order(model, customer, horizon):
    row = [[value] for value in customer]
    alive, some, orders = model.p_alive(*row), *(f(*row, horizon) for f in answers(model))
    assert 0 <= some <= alive * (1 + 1e-12) <= 1 + 1e-12
    assert some * (1 - 1e-7) <= orders < np.inf
    later = [f(*row, 2 * horizon) for f in answers(model)]
    assert later[0] >= some * (1 - 1e-9)
    assert later[1] >= orders * (1 - 1e-7)
    assert np.isfinite(model.log_likelihood(*row)).all()


def answers(model):
    return model.p_order_within, model.expected_orders


@given(model=models(), customer=customers(), cuts=st.lists(st.floats(0, 900), min_size=3, max_size=3))
def test_intervals_that_meet_add_up(model, customer, cuts):
    row, (start, middle, end) = [[value] for value in customer], sorted(cuts)
    whole = model.expected_between(*row, start, end)[0]
    parts = model.expected_between(*row, start, middle) + model.expected_between(*row, middle, end)
    assert parts[0] == pytest.approx(whole, rel=1e-6, abs=1e-7 * model.expected_orders(*row, end)[0] + 1e-12)
    assert model.expected_between(*row, 0, end)[0] == model.expected_orders(*row, end)[0]


@EVERY
def test_an_interval_that_ends_before_it_starts_is_refused(model):
    with pytest.raises(InputError, match=r"ends \(30\) before it starts \(60\)"):
        model.expected_between([2], [30], [60], 60, 30)


@EVERY
@pytest.mark.parametrize("unit", [1e-6, 7.0, 86_400.0, 1e9])
def test_the_unit_of_time_changes_nothing(model, unit):
    x, t_x, T = np.array([0.0, 1, 8, 3]), np.array([0.0, 20, 300, 5]), np.array([50.0, 90, 310, 700])
    scaled = {n: v * unit if n in ("alpha", "beta") else v for n, v in fields(model).items()}
    other = type(model)(**scaled)
    assert np.allclose(other.p_alive(x, t_x * unit, T * unit), model.p_alive(x, t_x, T), rtol=1e-9)
    for f, g in zip(answers(other), answers(model), strict=True):
        assert np.allclose(f(x, t_x * unit, T * unit, 90 * unit), g(x, t_x, T, 90), rtol=1e-9)


def fields(model):
    return {name: value for name, value in model.to_json().items() if name != "model"}


@EVERY
def test_the_unit_of_time_does_not_change_the_fit(model):
    x, t_x, T = base(400)
    days, tiny = (type(model).fit(x, t_x * unit, T * unit, **kept(model)) for unit in (1.0, 1e-7))
    for name, value in fields(days).items():
        factor = 1e-7 if name in ("alpha", "beta") else 1.0
        assert fields(tiny)[name] == pytest.approx(value * factor, rel=1e-3)


def base(size, seed=0):
    rng = np.random.default_rng(seed)
    T = rng.uniform(100, 700, size)
    x = rng.negative_binomial(1, 0.25, size).astype(float)
    return x, np.where(x > 0, T * rng.beta(2, 2, size), 0.0), T


def kept(model):
    return {"k": model.k} if isinstance(model, MbgCnbdK) else {}


@EVERY
def test_one_customer_gets_the_same_bits_as_in_a_batch(model):
    rng = np.random.default_rng(6)
    x = rng.integers(0, 30, 6_000).astype(float)
    T = rng.integers(1, 700, 6_000).astype(float)
    t_x = np.ceil(T * rng.random(6_000)) * (x > 0)
    batch = outputs(model, x, t_x, T)
    for i in range(0, 6_000, 151):
        alone = outputs(model, x[i : i + 1], t_x[i : i + 1], T[i : i + 1])
        assert np.array_equal(alone[:, 0], batch[:, i])


DEGENERATE = {
    "one-time buyers only": ([0, 0, 0], [0, 0, 0], [5, 60, 700]),
    "everyone the same": ([2] * 9, [30] * 9, [60] * 9),
    "one customer": ([3], [40], [50]),
    "one customer, one order": ([0], [0], [50]),
    "first order today": ([0, 0], [0, 0], [0, 0]),
    "a million orders": ([0, 2, 1e6], [0, 30, 700], [100, 60, 730]),
    "very long history": ([0, 1, 5], [0, 3, 1e9], [1e9, 1e12, 1e12]),
    "very short history": ([0, 1, 5], [0, 1e-9, 3e-9], [1e-9, 4e-9, 4e-9]),
    "last order at the cut": ([1, 5, 9], [10, 20, 30], [10, 20, 30]),
    "nobody ever stops or pauses": ([9, 10, 11], [90, 100, 110], [91, 101, 111]),
}


@EVERY
@pytest.mark.parametrize("ridge", [0.0, 1.0])
@pytest.mark.parametrize("case", DEGENERATE)
def test_degenerate_bases_give_finite_answers(model, ridge, case):
    x, t_x, T = (np.array(v, dtype=float) for v in DEGENERATE[case])
    with np.errstate(divide="raise", over="raise", invalid="raise"):
        fitted = type(model).fit(x, t_x, T, ridge=ridge, **kept(model))
        found, far = outputs(fitted, x, t_x, T), fitted.expected_orders(x, t_x, T, 1e6)
        near = fitted.p_order_within(x, t_x, T, 1e-9)
    assert np.isfinite(found).all()
    assert ((found[[0, 3]] >= 0) & (found[[0, 3]] <= 1)).all()
    assert np.isfinite(far).all()
    assert (far >= found[1] * (1 - 1e-6)).all()
    assert ((near >= 0) & (near <= found[3] + 1e-12)).all()


@EVERY
def test_coinciding_repeats_are_never_nan(model):
    x, t_x, T = [3.0, 2.0, 0.0], [0.0, 0.0, 0.0], [0.0, 5.0, 5.0]
    fitted = type(model).fit(x, t_x, T, ridge=1.0, **kept(model))
    assert not np.isnan(outputs(fitted, x, t_x, T)).any()
    assert np.isfinite(outputs(fitted, x, t_x, T)[:4]).all()


@EVERY
def test_nothing_happens_in_no_time(model):
    row = ([0, 4], [0, 90], [100, 100])
    assert [f(*row, 0).tolist() for f in answers(model)] == [[0, 0], [0, 0]]


@EVERY
def test_weights_stand_for_customers(model):
    x, t_x, T = base(300, seed=2)
    x2, t2, T2 = (np.tile(v, 2) for v in (x, t_x, T))
    weighted = type(model).fit(x, t_x, T, weights=np.full(300, 2.0), **kept(model))
    twice = type(model).fit(x2, t2, T2, **kept(model))
    assert list(fields(twice).values()) == pytest.approx(list(fields(weighted).values()), rel=1e-4)


@EVERY
def test_impossible_input_is_refused(model):
    with pytest.raises(NotEnoughData, match="at least one customer"):
        type(model).fit([], [], [])
    with pytest.raises(InputError, match="must not lie after the cut"):
        type(model).fit([2], [9], [5])
    with pytest.raises(InputError, match="ridge"):
        type(model).fit([1], [1], [2], ridge=np.nan)
    with pytest.raises(InputError, match="horizon_days"):
        model.p_order_within([1], [1], [2], -1)
    assert model.expected_orders([], [], [], 90).size == 0


@pytest.mark.parametrize(
    ("x", "t_x", "T", "fault"),
    [
        (1.5, 3, 9, "whole number"),
        (-1, 0, 9, "whole number"),
        (1, -3, 9, "must be ≥ 0"),
        (2, 10, 9, "must not lie after"),
        (0, 3, 9, "must have t_x = 0"),
        (np.nan, 3, 9, "x: 1 of 1 values are missing"),
        (1, 3, np.inf, "T: 1 of 1 values are missing or infinite"),
    ],
)
def test_one_customer_alone_is_checked_like_many(x, t_x, T, fault):
    with pytest.raises(InputError, match=fault):
        check_summary([x], [t_x], [T])


@EVERY
def test_records_round_trip_and_are_checked(model):
    assert isinstance(model, PurchaseModel)
    record = json.loads(json.dumps(model.to_json()))
    assert type(model).from_json(record) == model
    with pytest.raises(ModelError, match="expected a stored"):
        type(model).from_json({**record, "model": "other"})
    with pytest.raises(ModelError, match="parameter r must be a positive number"):
        type(model).from_json({**record, "r": -1.0})
    with pytest.raises(ModelError, match="lacks alpha"):
        type(model).from_json({n: v for n, v in record.items() if n != "alpha"})


@EVERY
@settings(max_examples=15)
@given(wait=st.floats(0.1, 1000))
def test_silence_lowers_the_chance_of_being_alive(model, wait):
    before, after = model.p_alive([3, 3], [60, 60], [100, 100 + wait])
    assert after <= before * (1 + 1e-12)


@EVERY
def test_each_customer_may_have_an_own_horizon(model):
    x, t_x, T = base(40)
    own = np.linspace(0, 400, 40)
    for answer in answers(model):
        found = answer(x, t_x, T, own)
        assert [
            answer(x[i : i + 1], t_x[i : i + 1], T[i : i + 1], own[i])[0] for i in range(40)
        ] == found.tolist()
        with pytest.raises(InputError, match="one for each customer"):
            answer(x, t_x, T, own[:3])
