"""Value class: hand-computed value, growth and cuts; total over every input."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.errors import InputError, ModelError, NotEnoughData
from strategies.settings import StrategySettings
from strategies.value_class import (
    VALUE_CLASS_LABELS,
    VALUE_CLASSES,
    ValueCuts,
    current_value,
    growth_potential,
    value_class,
)

MONEY = st.one_of(st.none(), st.floats(allow_nan=True, allow_infinity=True))


def test_current_value_is_the_margin_or_the_net_spend_at_the_margin_rate() -> None:
    frame = pd.DataFrame({"margin_365d": [40.0, None, None], "value_365d": [100.0, 200.0, -10.0]})
    assert current_value(frame, margin_rate=0.3).tolist() == pytest.approx([40.0, 60.0, -3.0])


def test_current_value_needs_only_one_of_the_columns() -> None:
    assert current_value(pd.DataFrame({"value_365d": [10.0]}), margin_rate=0.5).tolist() == [5.0]
    assert current_value(pd.DataFrame({"margin_365d": [10.0]}), margin_rate=0.5).tolist() == [10.0]
    with pytest.raises(InputError, match="neither margin_365d nor value_365d"):
        current_value(pd.DataFrame({"T": [1]}), margin_rate=0.5)


def test_growth_is_the_expected_year_less_the_year_behind() -> None:
    found = growth_potential([200.0, 20.0, None], [150.0, 150.0, 1.0])
    assert found.tolist()[:2] == pytest.approx([50.0, 0.0])
    assert np.isnan(found[2])


def test_growth_from_a_losing_customer_counts_the_loss_made_good() -> None:
    assert growth_potential([10.0], [-5.0]).tolist() == [15.0]


def test_unequal_columns_are_refused() -> None:
    with pytest.raises(InputError, match="2 expected margins but 1 current values"):
        growth_potential([1.0, 2.0], [1.0])


def test_the_share_of_high_customers_is_the_one_asked_for() -> None:
    frame = pd.DataFrame({"current_value": range(10), "growth_potential": range(10)})
    cuts = ValueCuts.fit(frame, StrategySettings(high_value_share=0.3))
    assert cuts == ValueCuts(6.0, 6.0)
    assert value_class(frame, cuts).tolist() == ["lead"] * 7 + ["platinum"] * 3


def test_ties_are_never_split_and_zeros_are_never_high() -> None:
    frame = pd.DataFrame({"current_value": [1, 1, 1, 1, 5], "growth_potential": [0.0] * 5})
    found = value_class(frame, ValueCuts.fit(frame, StrategySettings(high_value_share=0.4)))
    assert found.tolist() == ["lead"] * 4 + ["gold"]


def test_the_four_corners_and_the_unknown() -> None:
    frame = pd.DataFrame(
        {
            "current_value": [7.0, 7.0, 7.1, 7.1, np.nan, 9.0],
            "growth_potential": [2.0, 2.1, 2.0, 2.1, 9.0, np.nan],
        }
    )
    expected = ["lead", "iron", "gold", "platinum", "unknown", "unknown"]
    assert value_class(frame, ValueCuts(7.0, 2.0)).tolist() == expected


def test_without_a_growth_forecast_every_class_is_unknown() -> None:
    frame = pd.DataFrame({"current_value": [1.0, 2.0], "growth_potential": [np.nan, np.nan]})
    cuts = ValueCuts.fit(frame, StrategySettings())
    assert cuts.growth_potential is None
    assert value_class(frame, cuts).tolist() == ["unknown", "unknown"]


def test_cuts_survive_json() -> None:
    for cuts in (ValueCuts(1 / 3, 0.0), ValueCuts(-2.5, None)):
        assert ValueCuts.from_dict(json.loads(json.dumps(cuts.to_dict()))) == cuts


@pytest.mark.parametrize(
    "bad",
    [
        {},
        {"current_value": 1.0},
        {"current_value": "x", "growth_potential": 1.0},
        {"current_value": float("inf"), "growth_potential": 1.0},
        {"current_value": 1.0, "growth_potential": True},
    ],
)
def test_damaged_cuts_are_refused(bad: dict[str, object]) -> None:
    with pytest.raises(ModelError, match="expected a finite number or null"):
        ValueCuts.from_dict(bad)


def test_an_empty_population_is_refused() -> None:
    with pytest.raises(NotEnoughData, match="reference population is empty"):
        ValueCuts.fit(pd.DataFrame({"current_value": [], "growth_potential": []}), StrategySettings())


def test_every_class_has_both_texts() -> None:
    assert tuple(VALUE_CLASS_LABELS) == VALUE_CLASSES
    assert all(set(texts) == {"en", "zh"} for texts in VALUE_CLASS_LABELS.values())


@given(st.lists(st.tuples(MONEY, MONEY), min_size=1, max_size=30), MONEY, MONEY)
def test_every_input_has_one_class_alone_as_in_the_batch(
    rows: list, now: float | None, growth: float | None
) -> None:
    frame = pd.DataFrame(rows, columns=["current_value", "growth_potential"], dtype="float64")
    for cuts in (ValueCuts(now, growth), ValueCuts.fit(frame, StrategySettings())):
        batch = value_class(frame, cuts)
        assert batch.isin(VALUE_CLASSES).all()
        assert value_class(frame.iloc[[-1]], cuts).tolist() == batch.tolist()[-1:]


@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=60), st.floats(0.01, 0.99))
def test_never_more_than_the_share_is_high(values: list[float], share: float) -> None:
    frame = pd.DataFrame({"current_value": values, "growth_potential": 0.0})
    found = value_class(frame, ValueCuts.fit(frame, StrategySettings(high_value_share=share)))
    assert (found == "gold").sum() <= len(values) * share + 1e-6
