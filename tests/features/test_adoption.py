"""Taking up categories: chances are chances, more orders raise them, more orders without the category lower them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.adoption import Baskets, adoption_of, chances


def baskets(seed: int, customers: int = 40, kinds: int = 4) -> Baskets:
    """Orders of which each contains a category with the customer's own chance; the last year is the second half."""
    rng = np.random.default_rng(seed)
    taste = rng.beta(0.6, 2.0, (customers, kinds))
    early, late = rng.integers(0, 6, customers), rng.integers(0, 6, customers)
    before, lately = (rng.binomial(n[:, None], taste).astype(np.float32) for n in (early, late))
    return Baskets(before + lately, lately, before > 0, (early + late).astype(float), late.astype(float))


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.floats(0, 1), st.floats(0, 50))
def test_chances_lie_between_none_and_that_of_staying(seed: int, alive: float, orders: float) -> None:
    given_ = baskets(seed)
    (block,) = given_.blocks()
    found = chances(adoption_of(given_), block, np.full(40, alive), np.full(40, orders))
    assert (np.isnan(found) == block.lately).all()
    left = found[~block.lately]
    assert ((left >= 0) & (left <= alive)).all()


def test_more_orders_to_come_raise_the_chance() -> None:
    given_ = baskets(1)
    adoption = adoption_of(given_)
    (block,) = given_.blocks()
    few, many = (chances(adoption, block, np.ones(40), np.full(40, n)) for n in (1.0, 5.0))
    assert (many > few)[~block.lately].all()


def test_orders_without_the_category_lower_its_taste() -> None:
    adoption = adoption_of(baskets(2))
    never, often = np.zeros((2, 4)), np.full((2, 4), 3.0)
    for ever in (never, often):
        shape, rate = adoption.taste(ever, np.array([4.0, 40.0]))
        mean = shape / rate
        assert (mean[1] < mean[0]).all()


def test_tastes_are_those_drawn_from() -> None:
    adoption = adoption_of(baskets(3, customers=20_000, kinds=2))
    assert adoption.with_it == pytest.approx([0.6, 0.6], rel=0.1)
    assert adoption.without == pytest.approx([2.0, 2.0], rel=0.1)
    assert adoption.lift == pytest.approx([1.0, 1.0], abs=0.05)


def test_blocks_add_up_to_the_whole() -> None:
    given_ = baskets(4, customers=250_000, kinds=1)
    rows = [block.rows for block in given_.blocks()]
    assert [(r.start, r.stop) for r in rows] == [(0, 100_000), (100_000, 200_000), (200_000, 250_000)]
    assert sum(block.ever.sum() for block in given_.blocks()) == given_.ever.sum(dtype=np.float64)
