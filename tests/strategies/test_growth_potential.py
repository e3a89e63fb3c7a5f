"""Growth potential and levers: sums, referrals, the lever that brings most, and its memory."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategies.framework import tell
from strategies.frameworks import FrameworkSettings, moves, segment, take_cuts
from strategies.growth_potential import GROWTH, GrowthSettings


def customer(**columns: object) -> pd.DataFrame:
    usual = {
        "customer_id": "a",
        "next_category": "tea",
        "next_category_probability": 0.25,
        "new_category_margin": 30.0,
        "next_band_margin": 5.0,
        "next_band_probability": 0.1,
        "growth_potential": 40.0,
        "value_at_stake": 10.0,
        "churn_probability": 0.2,
    }
    return pd.DataFrame([usual | columns])


def label(people: pd.DataFrame, before: pd.DataFrame | None = None) -> pd.Series:
    found = GROWTH.label(
        people,
        take_cuts(people, FrameworkSettings(), frameworks=(GROWTH,))["growth"],
        GROWTH.settings,
        before,
    )
    return found.columns.assign(reason=found.reason).iloc[0]


def test_growth_that_is_cross_sell_counts_once() -> None:
    found = label(customer())
    assert found["growth_deeper"] == 40.0 - 30.0 - 5.0
    assert found["potential_value"] == 40.0
    assert (found["lever"], found["reason"]) == ("wider", "cross_sell")


@given(*(st.floats(0, 1e6) for _ in range(3)))
def test_potential_is_the_larger_of_the_forecast_and_of_what_is_new(
    cross: float, up: float, growth: float
) -> None:
    found = label(customer(new_category_margin=cross, next_band_margin=up, growth_potential=growth))
    assert found["potential_value"] == pytest.approx(max(growth, cross + up))


def test_referrals_are_worth_what_a_new_customer_is() -> None:
    people = pd.DataFrame(
        {
            "customer_id": ["old", "new"],
            "tenure_days": [1095.0, 365.0],
            "referrals_total": [4.0, 0.0],
            "clv": [500.0, 100.0],
            "churn_probability": [0.5, 0.0],
        }
    )
    cuts = take_cuts(people, FrameworkSettings(), frameworks=(GROWTH,))["growth"]
    assert cuts == {"referral_rate": 4.0 / 4.0, "new_customer_clv": 100.0}
    found = GROWTH.label(people, cuts, GROWTH.settings, None).columns["referral_potential"]
    # Own referrals and one year of the base's rate: (4 + 1) / (3 + 1), and (0 + 1) / (1 + 1).
    assert found.tolist() == [1.25 * 0.5 * 100.0, 0.5 * 1.0 * 100.0]


@pytest.mark.parametrize(
    ("columns", "lever", "reason"),
    [
        ({"value_at_stake": 90.0}, "longer", "keep"),
        ({"next_band_margin": 50.0}, "deeper", "up_sell"),
        ({"growth_potential": 90.0}, "deeper", "grow"),
        ({"new_category_margin": None, "growth_potential": 90.0}, "deeper", "grow_no_category"),
        ({"new_category_margin": None, "value_at_stake": 90.0}, "longer", "keep_no_category"),
        ({"growth_potential": None, "value_at_stake": None}, "unknown", "no_forecast"),
    ],
)
def test_the_lever_is_what_brings_most(columns: dict[str, object], lever: str, reason: str) -> None:
    found = label(customer(**columns).astype(dict.fromkeys(columns, "float64")))
    assert (found["lever"], found["reason"]) == (lever, reason)


def test_nothing_to_win_is_no_lever() -> None:
    nothing = dict.fromkeys(
        ("new_category_margin", "next_band_margin", "growth_potential", "value_at_stake"), 0.0
    )
    found = label(customer(**nothing))
    assert (found["lever"], found["reason"], found["potential_value"]) == ("none", "none", 0.0)


def test_a_lever_stays_until_another_brings_a_tenth_more() -> None:
    before = pd.DataFrame({"lever": ["longer"]}, index=["a"])
    assert label(customer(value_at_stake=28.0), before)["lever"] == "longer"
    assert label(customer(value_at_stake=27.0), before)["lever"] == "wider"


def test_without_categories_the_next_one_is_missing() -> None:
    people = customer().drop(columns=["next_category", "new_category_margin"])
    found = label(people)
    assert pd.isna(found["next_best_category"])
    assert found["potential_value"] == 40.0


def test_the_reason_names_the_category_in_the_words_of_the_shop() -> None:
    people = customer(next_category="热茶")
    found = GROWTH.label(people, {}, GROWTH.settings, None)
    assert tell(GROWTH, people, found, "en")[0] == "new categories bring most: 30 a year, next 热茶 (25%)"
    assert tell(GROWTH, people, found, "zh")[0] == "新品类收益最大:每年 30,首选 热茶(25%)"


def test_another_next_category_is_no_move() -> None:
    first = segment(customer(), FrameworkSettings(), frameworks=(GROWTH,))
    again = segment(customer(next_category="soap"), FrameworkSettings(), frameworks=(GROWTH,))
    assert moves(first.columns, again).empty
    assert again.columns["next_best_category"].tolist() == ["soap"]


def test_the_share_of_a_change_is_a_setting() -> None:
    people, before = customer(value_at_stake=28.0), pd.DataFrame({"lever": ["longer"]}, index=["a"])
    found = GROWTH.label(people, {}, GrowthSettings(margin=0.0), before).columns
    assert found["lever"].tolist() == ["wider"]
    assert np.isnan(found["referral_potential"][0])
