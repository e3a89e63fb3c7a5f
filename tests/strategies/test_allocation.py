"""Allocation: the most that the limits allow, never a limit broken."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import Bounds, LinearConstraint, milp

from features.errors import InputError
from strategies.allocation import Allocation, Limits, allocate

CHANNELS = ("mail", "mail", "phone")
AMOUNTS = st.sampled_from([-5.0, 0.0, 1.0, 1.0, 2.5, 7.0, 7.0, 100.0]) | st.floats(-10, 1e6, width=32)
MONEY = st.sampled_from([0.0, 0.0, 0.1, 1.0, 2.0, 3.3]) | st.floats(0, 1e9, width=32)


@st.composite
def cases(draw: st.DrawFn) -> dict[str, Any]:
    n = draw(st.integers(0, 12))
    shape = draw(st.sampled_from([(3,), (n, 3)]))
    limits = Limits(
        budget=draw(st.none() | st.sampled_from([0.0, 1e-9, 0.3, 5.0]) | st.floats(0, 50)),
        per_channel=draw(st.dictionaries(st.sampled_from(["mail", "phone"]), st.integers(0, 6))),
        per_offer=draw(st.dictionaries(st.sampled_from("012"), st.floats(0, 6))),
        contacts=draw(st.none() | st.integers(0, 8)),
    )
    return {
        "gain": draw(arrays(np.float64, (n, 3), elements=AMOUNTS | st.just(math.nan))),
        "cost": draw(arrays(np.float64, shape, elements=MONEY)),
        "limits": limits,
        "eligible": draw(arrays(np.bool_, (n, 3))),
        "key": np.array(draw(st.permutations(range(n))), dtype=np.int64),
    }


def run(case: dict[str, Any]) -> Allocation:
    rest = {name: case[name] for name in ("limits", "eligible", "key")}
    return allocate(case["gain"], case["cost"], channel=CHANNELS, **rest)


def rows_of(case: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Every limit as a row over pairs in the order customer, offer."""
    n = len(case["gain"])
    limits = case["limits"]
    each = [(np.broadcast_to(case["cost"], (n, 3)), limits.budget), (np.ones((n, 3)), limits.contacts)]
    for c, room in limits.per_channel.items():
        each.append((np.tile([float(name == c) for name in CHANNELS], (n, 1)), math.floor(room)))
    for o, room in limits.per_offer.items():
        each.append((np.tile([float(i == int(o)) for i in range(3)], (n, 1)), math.floor(room)))
    kept = [(use.ravel(), room) for use, room in each if room is not None]
    return np.array([use for use, _ in kept]).reshape(len(kept), 3 * n), np.array([room for _, room in kept])


def optimum(case: dict[str, Any], *, whole: bool = True, share: float = 1.0) -> float:
    """The same as one integer (or linear) program; with a share of the money to stay clear of its tolerance."""
    n = len(case["gain"])
    use, room = rows_of(case)
    use, room = use.astype(np.float64), room.astype(np.float64)
    gain = np.nan_to_num(case["gain"]).ravel()
    may = case["eligible"].ravel() & (gain > 0)
    if case["limits"].budget is not None:
        room[0] *= share
        may &= use[0] <= room[0]
        size = (use[0] * may).max() or 1.0
        use[0], room[0] = use[0] / size, room[0] / size
    once = np.kron(np.eye(n), np.ones(3))
    rows = LinearConstraint(np.vstack([once, use * may]), ub=np.concatenate([np.ones(n), room]))
    answer = milp(
        -gain, integrality=np.full(3 * n, int(whole)), bounds=Bounds(0, may * 1.0), constraints=rows
    )
    assert answer.fun is not None, answer.message
    return -answer.fun


@settings(max_examples=150, deadline=None)
@given(cases())
def test_no_limit_is_ever_broken_and_the_figures_add_up(case: dict[str, Any]) -> None:
    found = run(case)
    n = len(case["gain"])
    given_rows = np.flatnonzero(found.offer >= 0)
    x = np.zeros((n, 3))
    x[given_rows, found.offer[given_rows]] = 1
    assert np.all(case["eligible"][given_rows, found.offer[given_rows]])
    gains = case["gain"][given_rows, found.offer[given_rows]]
    assert np.all(gains > 0)
    for use, room in zip(*rows_of(case), strict=True):
        assert math.fsum(use[x.ravel() > 0]) <= room
    assert found.total_gain == math.fsum(gains) <= found.bound
    assert found.spent == math.fsum(np.broadcast_to(case["cost"], (n, 3))[x > 0])
    assert all(price >= 0 for price in found.prices.values())


@settings(max_examples=80, deadline=None)
@given(cases())
def test_few_customers_get_the_optimum_of_the_integer_program(case: dict[str, Any]) -> None:
    if not len(case["gain"]):
        return
    found = run(case)
    scale = max(1.0, np.nanmax(np.abs(case["gain"]), initial=0.0))
    # The solver lets a limit be passed by a hair; ours never does.
    assert found.total_gain <= optimum(case, share=1 + 1e-9) * (1 + 1e-5) + 1e-6 * scale
    assert found.total_gain >= optimum(case, share=1 - 1e-6) * (1 - 1e-5) - 1e-6 * scale
    assert found.bound >= found.total_gain


@settings(max_examples=50, deadline=None)
@given(cases(), st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(case: dict[str, Any], random: Any) -> None:
    n = len(case["gain"])
    order = np.array(random.sample(range(n), n), dtype=np.int64)
    moved = {**case, **{name: case[name][order] for name in ("gain", "eligible", "key")}}
    if case["cost"].ndim == 2:
        moved["cost"] = case["cost"][order]
    first, second = run(case), run(moved)
    assert second.offer.tolist() == first.offer[order].tolist()
    assert (second.total_gain, second.bound, second.prices) == (first.total_gain, first.bound, first.prices)


def shop(n: int, tight: float, *, seed: int = 0) -> dict[str, Any]:
    """Stakes with a long tail, offers that differ in price and effect, and limits that bind."""
    draw = np.random.default_rng(seed)
    cost = np.array([0.5, 2.0, 9.0])
    gain = draw.lognormal(3.5, 1.3, (n, 1)) * draw.beta(2, 8, (n, 3)) * [0.5, 0.8, 1.0] - cost
    places = max(1, int(n * tight / 5))
    limits = Limits(n * tight, per_channel={"phone": places}, per_offer={"0": 2 * places}, contacts=n // 2)
    eligible = draw.random((n, 3)) < 0.9
    return {"gain": gain, "cost": cost, "limits": limits, "eligible": eligible, "key": draw.permutation(n)}


@pytest.mark.parametrize(("n", "tight"), [(300, 0.3), (1000, 0.05), (30_000, 0.02), (30_000, 0.5)])
def test_nearly_all_of_the_bound_is_reached(n: int, tight: float) -> None:
    found = run(shop(n, tight))
    assert found.total_gain >= 0.995 * found.bound


def test_the_bound_is_that_of_the_linear_program() -> None:
    case = shop(300, 0.1)
    assert run(case).bound == pytest.approx(optimum(case, whole=False), rel=1e-6)


@pytest.mark.parametrize("cost", [[1.0, 1.0, 1.0], [1.0, 2.0, 3.0]])
def test_masses_of_equal_customers_are_split_by_their_keys(cost: list[float]) -> None:
    n = 9000
    limits = Limits(budget=2000.0, per_channel={"mail": 900, "phone": 700}, per_offer={"0": 300})
    found = allocate(
        np.tile([4.0, 4.0, 6.0], (n, 1)), cost, channel=CHANNELS, limits=limits, key=np.arange(n)[::-1]
    )
    assert found.total_gain >= 0.995 * found.bound
    again = allocate(
        np.tile([4.0, 4.0, 6.0], (n, 1)), cost, channel=CHANNELS, limits=limits, key=np.arange(n)
    )
    assert again.offer.tolist() == found.offer[::-1].tolist()


def test_the_price_of_money_is_what_a_little_more_earns() -> None:
    case = shop(20_000, 0.05)
    more = {**case, "limits": Limits(**{**vars(case["limits"]), "budget": 1050.0})}
    first, second = run(case), run(more)
    assert first.prices[("budget", "")] * 50 >= second.bound - first.bound
    assert second.bound - first.bound >= second.prices[("budget", "")] * 50 > 0


def test_what_cannot_be_understood_is_refused() -> None:
    gain = np.ones((2, 3))
    with pytest.raises(InputError, match="offer '9', which no offer has"):
        allocate(gain, [1, 1, 1], channel=CHANNELS, limits=Limits(per_offer={"9": 3}))
    with pytest.raises(InputError, match=r"1 cost\(s\) are negative or missing, e.g. -1"):
        allocate(gain, [1, -1, 1], channel=CHANNELS)
    with pytest.raises(InputError, match="2 customers × 3 offers, but cost is"):
        allocate(gain, [1, 1], channel=CHANNELS)
    with pytest.raises(InputError, match="one row per customer"):
        allocate(np.ones(3), [1, 1, 1], channel=CHANNELS)
    with pytest.raises(InputError, match="named twice"):
        allocate(gain, [1, 1, 1], channel=CHANNELS, offers=["a", "a", "b"])
    with pytest.raises(InputError, match="infinite"):
        allocate(gain * np.inf, [1, 1, 1], channel=CHANNELS)
    with pytest.raises(InputError, match="one key per customer"):
        allocate(gain, [1, 1, 1], channel=CHANNELS, key=[1])
    with pytest.raises(InputError, match="limits are 0 or more, but budget = -1"):
        Limits(budget=-1)


@pytest.mark.parametrize(("cost", "budget", "contacted"), [(0.1, 0.3, 3), (2.0, 5.0, 3), (1e6, 2.5e6, 3)])
def test_costs_of_very_different_size_do_not_stop_the_solver(
    cost: float, budget: float, contacted: int
) -> None:
    costs = np.full((4, 3), cost)
    costs[0, 0] = 1e-15
    found = allocate(np.ones((4, 3)), costs, channel=["a", "b", "c"], limits=Limits(budget=budget))
    assert (found.contacted, found.total_gain) == (contacted, contacted)
    assert found.spent <= budget
