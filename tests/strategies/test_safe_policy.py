"""Safe policy: the best single offer, and deviations only on evidence."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from features.errors import InputError
from strategies.safe_policy import safe_policy

VALUES = st.floats(-100, 100)


def test_a_deviation_by_hand() -> None:
    # Difference 4, deviation of the difference √2, z = Φ⁻¹(0.975) = 1.96: lower bound 4 − 2.77 = 1.23.
    found = safe_policy([[5.0, 9.0], [5.0, 7.0], [5.0, 0.0], [5.0, 0.0]], [[1.0, 1.0]])
    assert found.best_single == 0
    assert found.offer.tolist() == [1, 0, 0, 0]
    assert found.lower.round(2).tolist() == [1.23, 0, 0, 0]
    assert found.allowed.tolist() == [[True, True], [True, False], [True, False], [True, False]]


def test_sleeping_dogs_are_left_alone_when_that_is_sure() -> None:
    found = safe_policy([[6.0], [-4.0], [-1.0]], [[1.0]])
    assert found.offer.tolist() == [0, -1, 0]
    assert found.deviates.tolist() == [False, True, False]


def test_no_offer_that_gains_on_average_means_leave_alone_but_for_the_sure_ones() -> None:
    found = safe_policy([[-9.0], [5.0], [1.0]], [[1.0]])
    assert found.best_single == -1
    assert found.offer.tolist() == [-1, 0, -1]


def test_who_may_not_get_the_best_gets_another_only_when_it_is_sure() -> None:
    eligible = np.array([[True, True], [False, True], [False, True], [False, False]])
    found = safe_policy([[15.0, 1.0], [5.0, 9.0], [5.0, 1.0], [5.0, 9.0]], [[1.0, 1.0]], eligible=eligible)
    assert found.best_single == 0
    assert found.offer.tolist() == [0, 1, -1, -1]


def test_errors_that_go_together_cancel() -> None:
    mean, sd = [[50.0, 1.0], [5.0, 7.0]], [[2.0, 2.0]]
    assert safe_policy(mean, sd).offer.tolist() == [0, 0]
    assert safe_policy(mean, sd, correlation=0.95).offer.tolist() == [0, 1]


@given(arrays(np.float64, (6, 3), elements=VALUES), arrays(np.float64, (6, 3), elements=st.floats(0, 50)))
def test_no_heterogeneity_no_deviation_and_wide_doubt_no_deviation(mean: np.ndarray, sd: np.ndarray) -> None:
    same = safe_policy(np.tile(mean[:1], (6, 1)), sd[:1])
    assert set(same.offer.tolist()) == {same.best_single}
    doubtful = safe_policy(mean, sd + 1e6)
    assert set(doubtful.offer.tolist()) == {doubtful.best_single}
    sure = safe_policy(mean, sd * 0)
    best = np.column_stack([np.zeros(6), mean]).max(axis=1)
    got = np.column_stack([np.zeros(6), mean])[np.arange(6), sure.offer + 1]
    assert got == pytest.approx(best)


def test_in_a_world_without_differences_deviations_stay_below_the_level() -> None:
    draw = np.random.default_rng(4)
    found = safe_policy(10 + draw.normal(0, 1, (20_000, 2)), np.ones((1, 2)), confidence=0.9)
    assert found.deviates.mean() < 0.1


def test_what_is_missing_is_no_evidence_and_what_is_wrong_is_refused() -> None:
    assert safe_policy([[5.0, np.nan], [5.0, 9.0]], [[0.1, 0.1]]).offer.tolist()[0] == 0
    with pytest.raises(InputError, match="one row per customer"):
        safe_policy(np.ones((2, 3)), np.ones((2, 2)))
    with pytest.raises(InputError, match="one row per customer"):
        safe_policy(np.ones(3), np.ones(3))
    with pytest.raises(InputError, match=r"1 standard deviation\(s\) are negative"):
        safe_policy([[1.0]], [[-1.0]])
    with pytest.raises(InputError, match="confidence 1 lies in"):
        safe_policy([[1.0]], [[1.0]], confidence=1.0)
