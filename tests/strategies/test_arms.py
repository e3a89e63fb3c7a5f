"""Arms: exact shares, exact propensities, and limits that hold after the draw."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from features.errors import InputError
from strategies.allocation import Limits, allocate
from strategies.arms import ArmSettings, Menu, customer_keys, decision_ids, draw_arms, offer_chances

CHANNEL, COST = ("mail", "phone"), (1.0, 4.0)


def world(n: int, *, seed: int = 0) -> tuple[np.ndarray, pd.Series, np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed)
    eligible = draw.random((n, 2)) < 0.8
    chosen = np.where(eligible[:, 1] & (draw.random(n) < 0.3), 1, np.where(eligible[:, 0], 0, -1))
    chosen[draw.random(n) < 0.4] = -1
    strata = pd.Series(draw.choice(["lead", "gold", "iron"], n))
    return np.array([f"c{i}" for i in range(n)], dtype=object), strata, chosen, eligible


def test_the_hold_out_is_exact_to_one_customer_per_stratum_and_left_alone() -> None:
    ids, strata, chosen, eligible = world(3000)
    arms = draw_arms(ids, strata, chosen, eligible, ArmSettings(), seed=5)
    held = arms["arm"] == "hold_out"
    count = held.groupby([strata, chosen]).agg(["sum", "size"])
    assert (abs(count["sum"] - 0.1 * count["size"]) < 1).all()
    assert (arms.loc[held, "offer"] == -1).all()
    assert abs((arms["arm"] == "explore").sum() - 60) <= 8


def test_whoever_explores_gets_something_eligible_that_was_not_chosen() -> None:
    ids, strata, chosen, eligible = world(4000)
    arms = draw_arms(ids, strata, chosen, eligible, ArmSettings(explore=0.3), seed=1)
    offer = arms["offer"].to_numpy()
    explores = (arms["arm"] == "explore").to_numpy()
    assert (offer[explores] != chosen[explores]).all()
    given_rows = np.flatnonzero(offer >= 0)
    assert eligible[given_rows, offer[given_rows]].all()
    treated = (arms["arm"] == "treat").to_numpy()
    assert (offer[treated] == chosen[treated]).all()


@pytest.mark.parametrize("limits", [None, Limits(budget=260.0, per_channel={"phone": 40}, contacts=190)])
def test_frequencies_over_seeds_are_the_propensities(limits: Limits | None) -> None:
    ids, strata, chosen, eligible = world(300)
    shares = ArmSettings(hold_out=0.2, explore=0.2)
    menu = None if limits is None else Menu(COST, CHANNEL, limits)
    told = offer_chances(chosen, eligible, shares, menu=menu)
    assert told.sum(axis=1) == pytest.approx(np.ones(300))
    seen, weighted, runs = np.zeros((300, 3)), np.zeros(3), 250
    for seed in range(runs):
        arms = draw_arms(ids, strata, chosen, eligible, shares, seed=seed, menu=menu)
        offer = arms["offer"].to_numpy()
        assert arms["propensity"].to_numpy() == pytest.approx(told[np.arange(300), offer + 1])
        seen[np.arange(300), offer + 1] += 1 / runs
        weighted += np.bincount(offer + 1, 1 / arms["propensity"], minlength=3) / runs
    spread = np.sqrt(told * (1 - told) / runs)
    assert np.all(abs(seen - told) <= 5 * spread + 1e-9)
    assert weighted == pytest.approx((told > 0).sum(axis=0), rel=0.04)


def test_a_draw_never_breaks_a_limit_and_explores_where_it_can() -> None:
    n = 2000
    ids, strata, _, eligible = world(n)
    draw = np.random.default_rng(3)
    limits = Limits(budget=900.0, per_channel={"phone": 90}, per_offer={"0": 400}, contacts=460)
    gain = draw.lognormal(2, 1, (n, 2)) - COST
    found = allocate(gain, COST, channel=CHANNEL, limits=limits, eligible=eligible, key=customer_keys(ids, 1))
    explored = 0
    for seed in range(40):
        shares = ArmSettings(explore=0.3)
        arms = draw_arms(
            ids, strata, found.offer, eligible, shares, seed=seed, menu=Menu(COST, CHANNEL, limits)
        )
        mail, phone = ((arms["offer"] == o).sum() for o in (0, 1))
        assert mail + 4 * phone <= 900
        assert phone <= 90
        assert mail <= 400
        assert mail + phone <= 460
        explored += ((arms["arm"] == "explore") & (arms["offer"] >= 0)).sum()
    assert explored > 60


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 40), st.integers(0, 5), st.floats(0, 0.5), st.floats(0, 0.4), st.floats(0, 60))
def test_costs_per_customer_stay_in_the_budget(
    n: int, seed: int, hold: float, explore: float, more: float
) -> None:
    ids, strata, chosen, eligible = world(n, seed=seed)
    cost = np.random.default_rng(seed).lognormal(1, 1, (n, 2))
    given_rows = np.flatnonzero(chosen >= 0)
    budget = cost[given_rows, chosen[given_rows]].sum() + more
    menu = Menu(cost, CHANNEL, Limits(budget=budget))
    arms = draw_arms(
        ids, strata, chosen, eligible, ArmSettings(hold_out=hold, explore=explore), seed=seed, menu=menu
    )
    offer = arms["offer"].to_numpy()
    given_rows = np.flatnonzero(offer >= 0)
    assert cost[given_rows, offer[given_rows]].sum() <= budget * (1 + 1e-12)
    assert arms["propensity"].between(0, 1 + 1e-12, inclusive="right").all()


def test_the_order_of_rows_does_not_matter_and_the_seed_does() -> None:
    ids, strata, chosen, eligible = world(500)
    first = draw_arms(ids, strata, chosen, eligible, ArmSettings(), seed=9)
    order = np.random.default_rng(1).permutation(500)
    moved = draw_arms(ids[order], strata[order], chosen[order], eligible[order], ArmSettings(), seed=9)
    pd.testing.assert_frame_equal(moved, first.iloc[order].reset_index(drop=True))
    other = draw_arms(ids, strata, chosen, eligible, ArmSettings(), seed=10)
    assert (other["arm"] != first["arm"]).any()


def test_nobody_to_draw_and_nothing_to_give() -> None:
    empty = draw_arms([], [], np.zeros(0, int), np.zeros((0, 2), bool), ArmSettings(), seed=1)
    assert empty.columns.tolist() == ["arm", "offer", "propensity"]
    alone = draw_arms(["a"], ["x"], [-1], np.zeros((1, 0), bool), ArmSettings(hold_out=0), seed=1)
    assert alone.loc[0].tolist() == ["treat", -1, 1.0]


def test_decision_ids_depend_on_every_part_and_on_nothing_else() -> None:
    ids = ["a", "b"]
    first = decision_ids("run", ids, "v1")
    assert first.tolist() == decision_ids("run", pd.Series(ids, index=[5, 6]), "v1").tolist()
    others = {
        *decision_ids("run2", ids, "v1"),
        *decision_ids("run", ids, "v2"),
        *decision_ids("ru", ids, "nv1"),
    }
    assert len(others | set(first)) == 8
    assert {len(each) for each in first} == {32}


def test_what_cannot_be_drawn_is_refused() -> None:
    with pytest.raises(InputError, match=r"1 customer id\(s\) come twice"):
        draw_arms(["a", "a"], ["x", "x"], [-1, -1], np.ones((2, 1), bool), ArmSettings(), seed=1)
    with pytest.raises(InputError, match="1 of 2 chosen offers are not eligible"):
        draw_arms(["a", "b"], ["x", "x"], [0, -1], np.zeros((2, 1), bool), ArmSettings(), seed=1)
    with pytest.raises(InputError, match="give one row each"):
        draw_arms(["a", "b"], ["x"], [0, -1], np.zeros((2, 1), bool), ArmSettings(), seed=1)
    with pytest.raises(ValidationError, match="leave nobody to treat"):
        ArmSettings(hold_out=0.6, explore=0.4)
