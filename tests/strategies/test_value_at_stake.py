"""Value at stake: the undecided and valuable rank first."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.errors import InputError
from strategies.value_at_stake import longest_horizon, value_at_stake


def test_the_product_by_hand_with_the_index_kept() -> None:
    p = pd.Series([0.25, 0.5], index=["a", "b"])
    found = value_at_stake(p, pd.Series([80.0, 30.0], index=["a", "b"]))
    assert found.to_dict() == {"a": 20.0, "b": 15.0}
    assert found.name == "value_at_stake"


def test_the_undecided_rank_before_the_safe_and_the_lost_cause() -> None:
    p = np.array([0.02, 0.5, 0.98])
    found = value_at_stake(p, (1 - p) * 1000.0)
    assert found.idxmax() == 1
    assert found[0] == pytest.approx(found[2])


def test_a_valuable_customer_ranks_before_a_small_one_at_equal_risk() -> None:
    found = value_at_stake([0.4, 0.4], [500.0, 50.0])
    assert found[0] == 10 * found[1]


def test_nothing_is_at_stake_where_nothing_is_expected_and_missing_stays_missing() -> None:
    found = value_at_stake([0.9, 0.9, None, 0.9], [0.0, -20.0, 10.0, None])
    assert found.tolist()[:2] == [0.0, 0.0]
    assert found.isna().tolist() == [False, False, True, True]


def test_percentages_and_unequal_lengths_are_refused() -> None:
    with pytest.raises(InputError, match=r"outside \[0, 1\] in 1 of 1 rows, e\.g\. 45"):
        value_at_stake([45.0], [1.0])
    with pytest.raises(InputError, match="1 churn probabilities but 2 expected values"):
        value_at_stake([0.5], [1.0, 2.0])


def test_the_longest_horizon_is_read_from_the_names() -> None:
    assert longest_horizon(["expected_value_30d", "expected_value_180d", "expected_orders_365d"]) == 180
    with pytest.raises(InputError, match=r"no column expected_value_\{h\}d"):
        longest_horizon(["clv", "expected_value_d"])


@given(st.floats(0, 1), st.floats(-1e9, 1e9))
def test_one_row_answers_as_the_batch(p: float, value: float) -> None:
    batch = value_at_stake([0.3, p], [7.0, value])
    assert batch[1] == value_at_stake([p], [value])[0]
    assert 0 <= batch[1] <= max(0.0, value)
