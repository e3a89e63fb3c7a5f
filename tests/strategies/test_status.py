"""Status and risk: edges, missing values, and the same answer for one row as for many."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from features.errors import ConfigError, InputError
from strategies.settings import StrategySettings
from strategies.status import RISK_LABELS, RISKS, STATUS_LABELS, STATUSES, risk, status

DAYS = st.one_of(st.none(), st.integers(0, 10_000), st.floats(0, 1e6))


def test_the_edges_belong_to_the_later_status() -> None:
    settings = StrategySettings(lapsed_after=1.0, lost_after=2.0)
    found = status([0, 89, 90, 179, 180, 4000], 90, settings)
    assert found.tolist() == ["active", "active", "lapsed", "lapsed", "lost", "lost"]


def test_multiples_of_the_window_can_be_fractions() -> None:
    found = status([44, 45, 134, 135], 90, StrategySettings(lapsed_after=0.5, lost_after=1.5))
    assert found.tolist() == ["active", "lapsed", "lapsed", "lost"]


def test_equal_multiples_leave_no_lapsed_customer() -> None:
    found = status([89, 90], 90, StrategySettings(lapsed_after=1, lost_after=1))
    assert found.tolist() == ["active", "lost"]


def test_lost_before_lapsed_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"lost_after \(1\) is below lapsed_after \(2\)"):
        StrategySettings(lapsed_after=2, lost_after=1)


def test_missing_days_are_unknown_and_the_index_is_kept() -> None:
    days = pd.Series([3, None], index=["a", "b"], dtype="Int64")
    found = status(days, 30, StrategySettings())
    assert found.to_dict() == {"a": "active", "b": "unknown"}
    assert found.name == "status"


def test_no_customers_give_no_labels() -> None:
    assert status(np.array([]), 30, StrategySettings()).empty
    assert risk(np.array([]), StrategySettings()).empty


def test_an_order_after_as_of_is_refused_with_count_and_example() -> None:
    with pytest.raises(InputError, match=r"below 0 in 2 of 3 rows, e\.g\. -4"):
        status([-4, 1, -1], 30, StrategySettings())


def test_a_window_below_one_day_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"\[churn\] window_days is 0"):
        status([1], 0, StrategySettings())


def test_risk_is_high_from_the_threshold_on() -> None:
    found = risk([0.0, 0.699, 0.7, 1.0, np.nan], StrategySettings(high_risk=0.7))
    assert found.tolist() == ["low", "low", "high", "high", "unknown"]


@pytest.mark.parametrize("bad", [-0.1, 1.1, np.inf, 70.0])
def test_a_number_that_is_no_probability_is_refused(bad: float) -> None:
    with pytest.raises(InputError, match=r"outside \[0, 1\] in 1 of 2 rows"):
        risk([0.5, bad], StrategySettings())


def test_every_label_has_both_texts() -> None:
    assert tuple(STATUS_LABELS) == STATUSES
    assert tuple(RISK_LABELS) == RISKS
    for texts in (*STATUS_LABELS.values(), *RISK_LABELS.values()):
        assert set(texts) == {"en", "zh"}
        assert all(texts.values())


@given(st.lists(DAYS, min_size=1, max_size=20), st.integers(1, 400))
def test_one_row_answers_as_the_batch(days: list[float | None], window: int) -> None:
    batch = status(pd.Series(days, dtype="Float64"), window, StrategySettings()).tolist()
    alone = [status(pd.Series([d], dtype="Float64"), window, StrategySettings())[0] for d in days]
    assert batch == alone
    assert set(batch) <= set(STATUSES)
