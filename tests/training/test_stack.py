"""Weights of several answers: all quarters, the best on days not learned from, the first one when nothing is gained."""

from __future__ import annotations

import numpy as np
import pytest

from training.models.opinions import mixed
from training.stack import best_weights, weightings


def test_all_weights_in_quarters_are_tried_the_first_answer_first():
    found = weightings(3)
    assert len(found) == len(set(found)) == 15
    assert found[0] == (1.0, 0.0, 0.0)
    assert found[-1] == (0.0, 0.0, 1.0)
    assert all(sum(weights) == 1.0 for weights in found)


def test_a_mixture_is_the_weighted_mean():
    answers = [np.array([1.0, 2.0]), np.array([3.0, 6.0]), np.array([np.nan, np.nan])]
    assert mixed((0.25, 0.75, 0.0), answers).tolist() == [2.5, 5.0]


def test_a_mixture_of_sizes_is_the_weighted_mean_of_what_the_logarithms_stand_for():
    sizes = [np.array([1.0, 20.0, 1e300]), np.array([3.0, 4.0, 1e-300])]
    found = mixed((0.25, 0.75), [np.log(size) for size in sizes], by_size=True)
    assert np.exp(found) == pytest.approx([2.5, 8.0, 0.25e300])
    turned = mixed((0.75, 0.25), [np.log(size) for size in reversed(sizes)], by_size=True)
    assert np.exp(turned) == pytest.approx([2.5, 8.0, 0.25e300])


def test_a_single_answer_is_itself_to_the_bit():
    answer = np.array([0.1, -7.3])
    for by_size in (False, True):
        assert mixed((0.0, 1.0), [np.zeros(2), answer], by_size=by_size) is answer


@pytest.mark.parametrize("weights", [(1.0, 0.0, 0.0), (0.25, 0.25, 0.5), (0.0, 0.75, 0.25)])
def test_the_weights_that_made_the_target_are_found(weights):
    rng = np.random.default_rng(5)
    answers = [rng.normal(size=500) for _ in range(3)]
    target = mixed(weights, answers)
    assert best_weights(answers, lambda answer: float(np.square(answer - target).mean())) == weights


def test_of_answers_that_say_the_same_the_first_counts():
    answers = [np.array([0.5, -1.0])] * 3
    assert best_weights(answers, lambda answer: float(np.abs(answer).sum())) == (1.0, 0.0, 0.0)
