"""Adjusted effects: by hand, beside the fully interacted regression, and what must not change them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.errors import InputError
from strategies.adjusted_effect import Trial, adjusted_effect


def drawn(seed: int, *, n: int = 400, share: float = 0.7) -> tuple[pd.DataFrame, np.ndarray, pd.DataFrame]:
    """A trial whose outcome hangs on what was known before, with a true effect of 2."""
    rng = np.random.default_rng(seed)
    before = rng.normal(10, 3, n)
    arm = (rng.random(n) < share).astype(np.int64)
    outcome = before + 2.0 * arm + rng.normal(0, 1, n)
    return pd.DataFrame({"margin": outcome}), arm, pd.DataFrame({"before": before})


def test_without_covariates_it_is_the_difference_of_means() -> None:
    y, arm = pd.DataFrame({"margin": [4.0, 8.0, 6.0, 1.0, 3.0]}), np.array([1, 1, 1, 0, 0])
    found = adjusted_effect(Trial(y, arm, np.full(5, 0.5))).loc["margin"]
    assert found["effect"] == pytest.approx(4.0)
    assert found["left_alone"] == pytest.approx(2.0)
    # HC3: Σ e² / (n − 1)² in each arm: 8 / 4 and 2 / 1
    assert found["se"] == pytest.approx(2.0)
    assert (found["treated"], found["held_out"], found["method"]) == (3, 2, "none")


def test_chances_that_differ_are_weighed() -> None:
    y = pd.DataFrame({"margin": [10.0, 0.0, 0.0]})
    arm, chance = np.array([1, 1, 0]), np.array([0.8, 0.2, 0.5])
    # 10 counts 1/0.8 and 0 counts 1/0.2
    found = adjusted_effect(Trial(y, arm, chance)).loc["margin"]
    assert found["effect"] == pytest.approx(10 * 1.25 / (1.25 + 5))


def test_it_is_the_coefficient_of_the_interacted_regression() -> None:
    y, arm, known = drawn(1)
    known["before"] = known["before"].clip(*np.quantile(known["before"], [0.01, 0.99], method="nearest"))
    x = (known["before"] - known["before"].mean()).to_numpy()
    design = np.column_stack([np.ones(len(arm)), arm, x, arm * x])
    slope = np.linalg.lstsq(design, y["margin"].to_numpy(), rcond=None)[0]
    chance = np.where(arm == 1, 0.7, 0.3)
    found = adjusted_effect(Trial(y, arm, chance, known)).loc["margin"]
    assert found["method"] == "lin"
    assert found["effect"] == pytest.approx(slope[1], abs=1e-10)
    inverse = np.linalg.inv(design.T @ design)
    left = (y["margin"].to_numpy() - design @ slope) / (1 - np.einsum("ij,jk,ik->i", design, inverse, design))
    hc3 = inverse @ (design.T * left**2) @ design @ inverse
    assert found["se"] == pytest.approx(np.sqrt(hc3[1, 1]), rel=1e-9)


def test_adjusting_narrows_the_interval_where_the_past_foretells_the_future() -> None:
    y, arm, known = drawn(2)
    found = adjusted_effect(Trial(y, arm, np.where(arm == 1, 0.7, 0.3), known)).loc["margin"]
    assert found["se"] < 0.45 * found["plain_se"]
    assert abs(found["effect"] - 2.0) < 3 * found["se"]


def test_small_arms_share_one_slope_and_tiny_ones_none() -> None:
    y, arm, known = drawn(3, n=100, share=0.6)
    wide = known.assign(**{f"noise{i}": np.random.default_rng(i).normal(size=100) for i in range(3)})
    chance = np.full(100, 0.5)
    assert adjusted_effect(Trial(y, arm, chance, wide)).loc["margin", "method"] == "cuped"
    few = np.where(np.arange(100) < 20, arm, -1)
    assert adjusted_effect(Trial(y, few, chance, wide)).loc["margin", "method"] == "none"


def test_an_arm_without_customers_gives_nothing() -> None:
    found = adjusted_effect(Trial(pd.DataFrame({"margin": [1.0, 2.0]}), np.array([1, 1]), np.ones(2)))
    assert np.isnan(found.loc["margin", "effect"])
    assert np.isnan(found.loc["margin", "se"])


def test_a_customer_who_comes_twice_counts_once_for_the_error() -> None:
    y, arm, _ = drawn(4)
    chance = np.where(arm == 1, 0.7, 0.3)
    once = adjusted_effect(Trial(y, arm, chance)).loc["margin", "se"]
    both = pd.concat([y, y], ignore_index=True)
    marks = np.tile(np.arange(len(y)), 2)
    twice = adjusted_effect(Trial(both, np.tile(arm, 2), np.tile(chance, 2), cluster=marks)).loc[
        "margin", "se"
    ]
    assert twice == pytest.approx(once, rel=0.01)


def test_sums_of_outcomes_have_sums_of_effects() -> None:
    y, arm, known = drawn(5)
    parts = pd.DataFrame({"early": y["margin"] * 0.3 + arm, "late": y["margin"] ** 2 / 9})
    parts["both"] = parts["early"] + parts["late"]
    found = adjusted_effect(Trial(parts, arm, np.where(arm == 1, 0.7, 0.3), known))["effect"]
    assert found["both"] == pytest.approx(found["early"] + found["late"], abs=1e-10)


@given(st.floats(-50, 50), st.floats(0.1, 20), st.integers(0, 20))
def test_shifting_and_stretching_the_outcome_does_the_same_to_the_effect(
    shift: float, stretch: float, seed: int
) -> None:
    y, arm, known = drawn(seed, n=120)
    chance = np.where(arm == 1, 0.7, 0.3)
    plain = adjusted_effect(Trial(y, arm, chance, known)).loc["margin"]
    moved = adjusted_effect(Trial(y * stretch + shift, arm, chance, known)).loc["margin"]
    assert moved["effect"] == pytest.approx(stretch * plain["effect"], rel=1e-6, abs=1e-8)
    assert moved["se"] == pytest.approx(stretch * plain["se"], rel=1e-6, abs=1e-8)


@pytest.mark.parametrize("chance", [0.0, 1.2, np.nan])
def test_impossible_chances_are_refused(chance: float) -> None:
    with pytest.raises(InputError, match=r"1 of 2 propensities lie outside \(0, 1\]"):
        Trial(pd.DataFrame({"margin": [1.0, 2.0]}), np.array([1, 0]), np.array([chance, 0.5]))


def test_missing_outcomes_are_refused() -> None:
    with pytest.raises(InputError, match="outcomes are missing"):
        Trial(pd.DataFrame({"margin": [1.0, np.nan]}), np.array([1, 0]), np.full(2, 0.5))
