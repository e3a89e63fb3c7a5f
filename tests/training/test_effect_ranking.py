"""Qini by hand, and the learners everybody would write."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.errors import InputError
from tests.training.effect_trials import trial
from training.effects.plain_learners import s_learner, t_learner
from training.effects.uplift_curve import auuc, qini, qini_curve

Y = np.array([1.0, 0.0, 0.0, 1.0, 1.0, 0.0])
T = np.array([1.0, 0.0, 1.0, 0.0, 1.0, 0.0])


def test_curve_by_hand() -> None:
    rows, gain = qini_curve(np.array([6.0, 5, 4, 3, 2, 1]), Y, T)
    assert rows.tolist() == [0, 1, 2, 3, 4, 5, 6]
    # After the fourth: one of two treated bought, and one of two others.
    assert gain.tolist() == [0, 1, 1, 1, 0, 0.5, 1]


def test_qini_by_hand() -> None:
    # Areas: ours 0.5+1+1+0.5+0.25+0.75 = 4, chance 1·6/2 = 3; perfect order t1 t1 | 0 0 0 | c1: 1,2,2,2,2,1 → 9.5.
    assert qini(np.array([6.0, 5, 4, 3, 2, 1]), Y, T) == pytest.approx((4 - 3) / (9.5 - 3))
    assert auuc(np.array([6.0, 5, 4, 3, 2, 1]), Y, T) == pytest.approx(1 / 6 / 3)


def test_one_score_for_all_is_chance_and_ties_do_not_depend_on_the_order_of_rows() -> None:
    assert qini(np.zeros(6), Y, T) == 0
    score = np.array([1.0, 1, 0, 0, 0, 1])
    back = np.arange(6)[::-1]
    assert qini(score, Y, T) == pytest.approx(qini(score[back], Y[back], T[back]))


def test_both_arms_are_needed() -> None:
    with pytest.raises(InputError, match="treated and untreated"):
        qini(np.zeros(6), Y, np.ones(6))
    with pytest.raises(InputError, match="differ in length"):
        qini(np.zeros(5), Y, T)


@given(st.integers(0, 10_000))
def test_no_order_beats_the_perfect_one(seed: int) -> None:
    rng = np.random.default_rng(seed)
    y, t = (rng.random(80) < 0.4).astype(float), (np.arange(80) % 2).astype(float)
    assert qini(rng.normal(size=80), y, t) <= 1 + 1e-9
    assert qini(2 * y * t - y, y, t) == pytest.approx(1)


@pytest.mark.parametrize("how", ["lightgbm", "linear"])
@pytest.mark.parametrize("money", [False, True])
def test_plain_learners_rank_by_the_effect(how: str, money: bool) -> None:
    log, asked = trial(4000, 1, by_x=(0.3, -0.3), money=money), trial(500, 2).features
    expected = t_learner(log, asked, how)
    assert expected.shape == (500, 3)
    assert np.corrcoef(expected[:, 1] - expected[:, 0], asked["x"])[0, 1] > 0.3


def test_the_s_learner_asks_the_same_row_under_every_arm() -> None:
    log, asked = trial(4000, 3, by_x=(0.3, -0.3)), trial(500, 4).features
    expected = s_learner(log, asked)
    assert expected.shape == (500, 3)
    assert np.corrcoef(expected[:, 1] - expected[:, 2], asked["x"])[0, 1] > 0.5
