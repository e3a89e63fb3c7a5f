"""Concentration: against definitions, with ties, negative customers and empty totals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategies.pareto import concentration, gini, lorenz, top_share

POSITIVE = st.lists(st.integers(0, 10**12), min_size=1, max_size=60).filter(lambda v: sum(v) > 0)


def units(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int64)


def test_the_rule_of_eighty_and_twenty() -> None:
    values = units(80, *[5] * 4)
    assert top_share(values, 0.2) == 0.8
    assert gini(values) == pytest.approx(0.6)
    assert lorenz(values)["value_share"].iloc[80] == 0.2


def test_part_of_a_customer_counts() -> None:
    assert top_share(units(10, 10, 10), 0.5) == 0.5
    assert top_share(units(6, 3, 1), 0.01) == pytest.approx(0.03 * 0.6)


def test_more_given_back_than_bought() -> None:
    row = concentration(units(90, 30, -20), units(9, 3, -2)).iloc[0]
    assert row["top_20"] > 0.5
    assert (row["negative"], row["negative_total"]) == (1, -0.002)
    assert gini(units(100, -90)) > 1
    assert lorenz(units(90, 30, -20))["value_share"].min() < 0


@pytest.mark.parametrize("values", [units(), units(0, 0), units(5, -5), units(1, -7)])
def test_nothing_to_share_gives_no_figure(values: np.ndarray) -> None:
    assert np.isnan(gini(values))
    assert np.isnan(top_share(values, 0.2))
    assert lorenz(values)["value_share"].isna().all()


def test_sums_beyond_sixty_four_bits_are_exact() -> None:
    values = np.full(3_000, 10**15, dtype=np.int64)
    assert gini(values) == 0.0
    values[0] += 3_000 * 10**15
    assert gini(values) == pytest.approx(2999 / 6000, abs=1e-15)


@given(POSITIVE)
def test_gini_is_the_mean_difference(values: list[int]) -> None:
    array = np.array(values, dtype=np.float64)
    differences = np.abs(array[:, None] - array[None, :]).sum()
    expected = differences / (2 * len(array) ** 2 * array.mean())
    assert gini(np.array(values, dtype=np.int64)) == pytest.approx(expected, abs=1e-9)


@given(POSITIVE, st.randoms(use_true_random=False))
def test_order_changes_nothing(values: list[int], chance: object) -> None:
    mixed = list(values)
    chance.shuffle(mixed)
    ours, theirs = (np.array(v, dtype=np.int64) for v in (values, mixed))
    assert gini(ours) == gini(theirs)
    assert [top_share(ours, s) for s in (0.01, 0.2)] == [top_share(theirs, s) for s in (0.01, 0.2)]


@given(POSITIVE)
def test_the_curve_rises_below_the_diagonal(values: list[int]) -> None:
    curve = lorenz(np.array(values, dtype=np.int64))
    held = curve["value_share"].to_numpy()
    assert (held[0], held[-1]) == (0.0, 1.0)
    assert (np.diff(held) >= 0).all()
    assert (held <= curve["customer_share"].to_numpy() + 1e-12).all()
