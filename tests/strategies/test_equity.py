"""Customer equity: sums by label, and elasticities against the textbook's closed form."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategies.equity import (
    elasticities,
    equity_by,
    shifted_discount,
    shifted_margin,
    total_equity,
    whole_life_profit,
)

PEOPLE = pd.DataFrame(
    {
        "clv": [100.0, 50.0, 10.0, None],
        "clv_p10": [10.0, 0.0, 0.0, None],
        "clv_p90": [300.0, 90.0, 30.0, None],
        "revenue_u": [4_000_000, 1_000_000, 70_000, -70_000],
        "margin_u": [2_000_000, 500_000, 35_000, -35_000],
        "value_class": ["gold", "gold", "lead", None],
    }
)


def test_equity_by_class() -> None:
    found = equity_by(PEOPLE, "value_class").set_index("value_class")
    assert found.index.tolist() == ["gold", "lead", "unknown"]
    assert found["equity"].tolist() == [150.0, 10.0, 0.0]
    assert found["equity_share"].tolist() == [0.9375, 0.0625, 0.0]
    assert found["valued"].tolist() == [2, 1, 0]
    assert found.loc["gold", ["low", "high", "clv_mean", "past_revenue"]].tolist() == [
        5.0,
        195.0,
        75.0,
        500.0,
    ]


def test_the_parts_are_the_whole() -> None:
    whole, parts = total_equity(PEOPLE).iloc[0], equity_by(PEOPLE, "value_class")
    for name in ("customers", "valued", "equity", "past_revenue", "past_margin"):
        assert parts[name].sum() == whole[name]


def perpetuity(retention: float, discount: float, margin: float = 1.0) -> float:
    """Gupta and Lehmann: a margin each year, kept with one chance, for ever."""
    return margin * retention / (1 + discount - retention)


@given(st.floats(0.3, 0.9), st.floats(0.01, 0.3), st.floats(-0.02, 0.02))
def test_retention_acts_through_the_discount_rate(retention: float, discount: float, change: float) -> None:
    moved = shifted_discount("retention", change, discount)
    assert perpetuity(retention, moved) == pytest.approx(perpetuity(retention * (1 + change), discount))


def test_the_textbook_elasticity_of_retention() -> None:
    values = [perpetuity(0.8, shifted_discount("retention", c, 0.12)) for c in (-0.001, 0.001)]
    base = perpetuity(0.8, 0.12)
    found = elasticities({"retention": (base, *values)}, step=0.001).set_index("driver")["elasticity"]
    assert found["retention"] == pytest.approx(1.12 / (1.12 - 0.8), rel=1e-4)  # (1 + i) / (1 + i − r) = 3.5
    assert found[["margin", "discount", "acquisition"]].isna().all()


def test_margin_rates_end_at_one() -> None:
    found = shifted_margin(np.array([100.0, 99.0, 0.0]), np.array([0.5, 0.99, 0.0]), 0.02)
    assert found == pytest.approx([102.0, 100.0, 0.0])


def test_the_cost_of_acquisition_weighs_by_its_share_of_profit() -> None:
    moved = {"acquisition": whole_life_profit(300.0, 200.0, 100.0)}
    found = elasticities(moved).set_index("driver")["elasticity"]
    assert found["acquisition"] == pytest.approx(-100.0 / 400.0)


def test_a_base_without_equity_has_no_elasticity() -> None:
    found = elasticities({"margin": (0.0, 0.0, 0.0)})
    assert found["elasticity"].isna().all()
