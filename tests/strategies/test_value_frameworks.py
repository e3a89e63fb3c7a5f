"""Key account, portfolio, differentiation, needs and worth: by hand, total, damped, and unknown where unknown."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from strategies.differentiation import DIFFERENTIATION
from strategies.framework import Found, Framework, tell
from strategies.key_account import KEY_ACCOUNT, KeyAccountSettings
from strategies.portfolio import PORTFOLIO
from strategies.worth import WORTH, WorthSettings


def _answer(framework: Framework, people: pd.DataFrame, before: pd.DataFrame | None = None) -> Found:
    cuts = {} if framework.cuts is None else framework.cuts(people, framework.settings)
    return framework.label(people, cuts, framework.settings, before)


def test_the_largest_fifty_are_key_accounts_ten_of_them_a() -> None:
    people = pd.DataFrame({"customer_id": [str(i) for i in range(200)], "value_365d": np.arange(200.0)})
    counts = _answer(KEY_ACCOUNT, people).columns["key_account"].value_counts().to_dict()
    assert counts == {"none": 150, "C": 25, "B": 15, "A": 10}


def test_a_small_account_with_a_top_non_monetary_rank_is_raised() -> None:
    people = pd.DataFrame(
        {
            "customer_id": [str(i) for i in range(200)],
            "value_365d": np.arange(200.0),
            "loyalty": [0.9 if i == 160 else 0.1 for i in range(200)],
        }
    )
    found = _answer(KEY_ACCOUNT, people)
    assert (found.columns.loc[160, "key_account"], found.reason[160]) == ("B", "raised")


def test_weights_that_do_not_sum_to_one_are_refused() -> None:
    with pytest.raises(ValidationError, match="sum to 1"):
        KeyAccountSettings(loyalty=0.9)


def test_a_shop_without_categories_prices_and_channels_has_no_needs_difference() -> None:
    found = _answer(DIFFERENTIATION, pd.DataFrame({"customer_id": ["a"], "current_value": [3.0]}))
    assert found.columns.loc[0, "differentiation_cell"] == "unknown"
    assert found.reason[0] == "no_mix"


def test_a_customer_near_the_edge_keeps_the_cell() -> None:
    people = pd.DataFrame({"customer_id": ["a"], "current_value": [9.8], "category_distance": [0.48]})
    before = pd.DataFrame({"differentiation_cell": ["one_to_one"]}, index=["a"])
    cuts = {"value": 10.0, "difference": 0.5}
    kept = DIFFERENTIATION.label(people, cuts, DIFFERENTIATION.settings, before)
    fresh = DIFFERENTIATION.label(people, cuts, DIFFERENTIATION.settings, None)
    cells = [f.columns.loc[0, "differentiation_cell"] for f in (kept, fresh)]
    assert cells == ["one_to_one", "mass_market"]


def test_wallet_share_takes_the_place_of_breadth_and_tenure() -> None:
    people = pd.DataFrame(
        {
            "customer_id": ["a", "b"],
            "wallet_share": [0.9, None],
            "tenure_days": [1.0, 1000.0],
            "current_value": [5.0, 9.0],
        }
    )
    found = _answer(PORTFOLIO, people).columns
    assert found["portfolio_cell"].tolist() == ["cash_cow", "star"]


def test_costs_that_are_not_known_are_not_taken_off_and_said() -> None:
    people = pd.DataFrame(
        {
            "customer_id": ["a"],
            "current_value": [30.0],
            "value_total": [1e3],
            "margin_rate": [0.2],
            "clv": [50.0],
        }
    )
    found = WORTH.label(people, {}, WorthSettings(), None)
    assert found.columns.iloc[0].tolist() == [30.0, 200.0, 250.0]
    assert "cost of acquisition not known" in tell(WORTH, people, found, "en").iloc[0]
