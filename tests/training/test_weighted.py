"""Draws as weights give what drawing the rows again would give."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.training.meetings import population
from training.metrics import roc_auc
from training.weighted import area_under, best_share, cluster_weights, scaled

WHOLE = st.integers(0, 3)


@given(st.lists(st.tuples(WHOLE, st.booleans(), WHOLE), min_size=2, max_size=30))
def test_the_area_with_weights_is_the_area_of_the_repeated_rows(rows):
    score, churned, weight = (np.array(c, float) for c in zip(*rows, strict=True))
    again = weight.astype(int)
    expected = roc_auc(np.repeat(churned, again), np.repeat(score, again))
    found = area_under(score, churned, weight[:, None])[0]
    assert found == pytest.approx(expected, nan_ok=True)


@given(
    st.lists(st.tuples(WHOLE, st.floats(-5, 5), WHOLE), min_size=1, max_size=30),
    st.floats(0.05, 1.0),
)
def test_the_best_share_with_weights_is_that_of_the_repeated_rows(rows, share):
    score, gain, weight = (np.array(c, float) for c in zip(*rows, strict=True))
    again = weight.astype(int)
    found = best_share(score, share, gain[None, :], np.stack([weight, np.ones_like(weight)], axis=1))[0]
    assert found[0] == pytest.approx(
        by_hand(np.repeat(score, again), np.repeat(gain, again), share), abs=1e-9
    )
    assert found[1] == pytest.approx(by_hand(score, gain, share), abs=1e-9)


def by_hand(score, gain, share):
    room, total = share * score.size, 0.0
    for level in sorted(set(score.tolist()), reverse=True):
        group = gain[score == level]
        taken = min(room, group.size)
        total, room = total + taken * group.mean(), room - taken
    return total


def test_a_customer_is_drawn_with_all_its_rows():
    meetings = population(1, customers=40, days=3)
    weights = [np.hstack(parts) for parts in zip(*cluster_weights(meetings, 20, seed=5), strict=True)]
    by_customer = [
        dict(zip(m.customer.tolist(), w.tolist(), strict=True))
        for m, w in zip(meetings, weights, strict=True)
    ]
    both = by_customer[0].keys() & by_customer[1].keys()
    assert both
    assert all(by_customer[0][c] == by_customer[1][c] for c in both)
    assert (weights[0][:, 0] == 1).all()


def test_no_distance_between_chance_and_perfect_is_no_figure():
    assert np.isnan(scaled(np.array([1.0]), np.array([1.0]), np.array([1.0])))[0]
    assert scaled(np.array([-50.0]), np.array([0.0]), np.array([1.0]))[0] == -100.0
