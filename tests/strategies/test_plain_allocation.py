"""Plain fillings: what sorting and filling gives, within the same limits, and never more than the bound."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.errors import InputError
from strategies.allocation import Limits, allocate_problem
from strategies.offer_problem import OfferProblem
from strategies.plain_allocation import fill_by_return, fill_in_order

CHANNEL = ("mail", "phone")


def problem(n: int, seed: int, limits: Limits) -> tuple[OfferProblem, np.ndarray]:
    draw = np.random.default_rng(seed)
    cost = draw.choice([0.0, 1.0, 4.0], (n, 2))
    gain = draw.lognormal(1, 1, (n, 2)) - cost
    made = OfferProblem.of(gain, cost, channel=CHANNEL, limits=limits, key=draw.permutation(n))
    return made, draw.random(n)


def test_by_value_and_by_return_by_hand() -> None:
    # A: call 30 at 10, letter 12 at 2. B: call 25, letter 20. C: letter 9. There is money for 12.
    gain = [[12.0, 30.0], [20.0, 25.0], [9.0, 0.0]]
    made = OfferProblem.of(gain, [2.0, 10.0], channel=CHANNEL, limits=Limits(budget=12.0))
    assert fill_in_order(made, np.array([3.0, 2.0, 1.0])).tolist() == [1, 0, -1]
    assert fill_in_order(made, np.array([1.0, 2.0, 3.0])).tolist() == [-1, 1, 0]
    assert fill_by_return(made).tolist() == [0, 0, 0]
    assert fill_by_return(made, favourites=True).tolist() == [1, -1, 0]


def test_a_full_channel_is_passed_by() -> None:
    gain = [[1.0, 5.0], [1.0, 5.0], [1.0, 5.0]]
    made = OfferProblem.of(gain, [0.0, 0.0], channel=CHANNEL, limits=Limits(per_channel={"phone": 1}))
    assert fill_in_order(made, np.array([1.0, 3.0, 2.0])).tolist() == [0, 1, 0]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 40), st.integers(0, 9), st.floats(0, 30), st.integers(0, 12), st.integers(0, 20))
def test_no_filling_breaks_a_limit_or_passes_the_bound(
    n: int, seed: int, budget: float, phone: int, contacts: int
) -> None:
    limits = Limits(budget=budget, per_channel={"phone": phone}, contacts=contacts)
    made, priority = problem(n, seed, limits)
    bound = allocate_problem(made).bound
    fillings = fill_in_order(made, priority), fill_by_return(made), fill_by_return(made, favourites=True)
    for choice in (filling[made.rows] for filling in fillings):
        gain, cost = made.picked(choice)
        assert gain.sum() <= bound * (1 + 1e-12)
        assert cost.sum() <= budget * (1 + 1e-12)
        assert (choice == 1).sum() <= phone
        assert (choice >= 0).sum() <= contacts


def test_one_priority_per_customer() -> None:
    made, _ = problem(3, 0, Limits())
    with pytest.raises(InputError, match="3 customers, priorities of shape"):
        fill_in_order(made, np.ones(2))
