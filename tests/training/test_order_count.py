"""The number of orders: agrees with the textbook's negative binomial, and its quantiles with its own chances."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import nbinom

from training.models.order_count import OrderCount


def one(orders: float, none: float, seen: float, shared: float = 0.0) -> OrderCount:
    return OrderCount.of(np.array([orders]), np.array([none]), seen=np.array([seen]), shared=shared)


def test_chances_by_hand():
    # Nothing seen: the further orders are geometric with mean 1, so that each number is half as likely.
    count = one(orders=1.0, none=0.5, seen=0.0)
    chances = [float(count.at_most(np.array([n]))[0]) for n in (-1.0, 0.0, 1.0, 2.0, 3.0)]
    assert chances == pytest.approx([0.0, 0.5, 0.75, 0.875, 0.9375])
    levels = np.array([[0.5], [0.51], [0.8], [0.9]])
    assert count.quantile(levels)[:, 0].tolist() == [0.0, 1.0, 2.0, 3.0]


def test_chances_are_those_of_the_negative_binomial():
    count, n = one(4.0, 0.2, seen=2.0, shared=0.5), np.arange(1.0, 40.0)
    shape = 1 / (1 / 3 + np.expm1(0.25))
    assert count.shape[0] == pytest.approx(shape)
    expected = 0.2 + 0.8 * nbinom.cdf(n - 1, shape, shape / (shape + 4.0))
    found = [float(count.at_most(np.array([v]))[0]) for v in n]
    assert found == pytest.approx(expected)


def test_the_mean_is_the_expected_number_of_orders():
    count = one(3.5, 0.3, seen=5.0)
    beyond = [1.0 - float(count.at_most(np.array([float(n)]))[0]) for n in range(300)]
    assert sum(beyond) == pytest.approx(3.5)


@settings(max_examples=200, deadline=None)
@given(
    st.floats(1e-9, 1e6),
    st.floats(1e-9, 1 - 1e-9),
    st.floats(0, 1e6),
    st.floats(0, 2),
    st.floats(0.0, 1.0),
)
def test_a_quantile_is_the_smallest_number_with_that_chance(further, none, seen, shared, level):
    count = one((1.0 + further) * (1.0 - none), none, seen, shared)
    found = count.quantile(np.array([level]))
    assert found[0] >= 0
    assert found[0] == np.floor(found[0])
    assert count.at_most(found)[0] >= min(level, 1.0 - 1e-9) - 1e-7
    assert found[0] == 0 or count.at_most(found - 1.0)[0] <= level + 1e-7


def test_customers_alone_and_together_have_the_same_numbers():
    rng = np.random.default_rng(1)
    parts = rng.gamma(0.7, 6.0, 400), rng.uniform(0.01, 0.99, 400), rng.integers(0, 40, 400).astype(float)
    parts = np.maximum(parts[0], 1.0 - parts[1]), parts[1], parts[2]
    levels = rng.uniform(0, 1, (4, 400))
    together = OrderCount.of(parts[0], parts[1], seen=parts[2]).quantile(levels)
    for i in range(400):
        alone = OrderCount.of(parts[0][i : i + 1], parts[1][i : i + 1], seen=parts[2][i : i + 1])
        assert (alone.quantile(levels[:, i : i + 1])[:, 0] == together[:, i]).all()
