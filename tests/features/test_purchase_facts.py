"""Facts beside everybody's: distances of mixes, shares of price bands, margin and campaign cost, by hand."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.frames import tables_from_frames
from features.purchase_facts import PURCHASE_FACTS, mix_distance, purchase_facts

_DAY = pd.Timestamp("2026-01-05 10:00")
_AS_OF = date(2026, 2, 1)


def _facts(lines: dict[str, list[object]], **more: pd.DataFrame) -> pd.DataFrame:
    orders = pd.DataFrame({"time": [_DAY] * len(lines["customer_id"]), **lines})
    return purchase_facts(tables_from_frames({"orders": orders, **more}), _AS_OF)


def test_distance_by_hand() -> None:
    found = _facts({"customer_id": ["a", "b"], "amount": [10.0, 30.0], "category": ["tea", "soap"]})
    # a: p = (1, 0), q = (.25, .75), m = (.625, .375)
    by_hand = 0.5 * np.log2(1 / 0.625) + 0.5 * (0.25 * np.log2(0.25 / 0.625) + 0.75 * np.log2(0.75 / 0.375))
    assert found.loc["a", "category_distance"] == pytest.approx(np.sqrt(by_hand))


def test_price_bands_are_thirds_within_the_category() -> None:
    prices = [1.0, 2.0, 3.0, 100.0, 200.0, 300.0]
    found = _facts(
        {
            "customer_id": ["a", "b", "c", "a", "b", "c"],
            "amount": prices,
            "unit_price": prices,
            "category": ["tea"] * 3 + ["gold"] * 3,
        }
    )
    assert found["price_low_share"].tolist() == [1.0, 0.0, 0.0]
    assert found["price_high_share"].tolist() == [0.0, 0.0, 1.0]


def test_margin_counts_returns_and_lines_with_a_cost_only() -> None:
    found = _facts({"customer_id": ["a", "a", "a"], "amount": [10.0, -4.0, 99.0], "cost": [6.0, -2.0, None]})
    assert found.loc["a", "margin_total"] == pytest.approx(2.0)


def test_campaign_cost_of_the_year_and_of_all_time() -> None:
    campaigns = pd.DataFrame(
        {
            "customer_id": ["a", "a"],
            "time": [pd.Timestamp("2024-01-05"), pd.Timestamp("2026-01-10")],
            "cost": [2.5, 0.1],
        }
    )
    found = _facts({"customer_id": ["a"], "amount": [1.0]}, campaigns=campaigns)
    assert found.loc["a", ["campaign_cost_365d", "campaign_cost_total"]].tolist() == [0.1, 2.6]


def test_what_the_shop_does_not_record_is_missing() -> None:
    found = _facts({"customer_id": ["a"], "amount": [1.0]})
    assert list(found.columns) == list(PURCHASE_FACTS)
    assert found.isna().all(axis=None)


def test_lines_from_the_day_on_are_not_known() -> None:
    later = {"customer_id": ["a"], "amount": [1.0], "time": [pd.Timestamp("2026-02-01")]}
    assert purchase_facts(tables_from_frames({"orders": pd.DataFrame(later)}), _AS_OF).empty


@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3), st.floats(0.01, 1e4)), min_size=1, max_size=20)
)
def test_distances_are_distances(rows: list[tuple[int, int, float]]) -> None:
    table = pd.DataFrame(rows, columns=["c", "k", "s"]).groupby(["c", "k"], as_index=False)["s"].sum()
    customer, _ = pd.factorize(table["c"])
    found = mix_distance(customer, table["k"].to_numpy(), table["s"].to_numpy())
    assert ((found >= 0) & (found <= 1)).all()
    if table["c"].nunique() == 1:
        assert found.tolist() == [0.0]
