"""The ladder, the bars and the limits of the overall grade."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.grades import (
    LEVEL_BARS,
    Estimate,
    by_bars,
    cap_calibration,
    cap_stability,
    estimate,
    ladder,
    overall,
    worst_of,
)

SURE, EVEN, WORSE = Estimate(0.1, 0.05, 0.15), Estimate(0.0, -0.05, 0.05), Estimate(-0.1, -0.15, -0.05)
GOOD, VAGUE, BAD = Estimate(50, 40, 60), Estimate(5, -5, 15), Estimate(-20, -30, -10)
SHOWN = dict.fromkeys(("profit", "lift", "calibration"), GOOD)
ALL = dict.fromkeys(("profit", "lift", "calibration", "level", "stability"), "A")


@pytest.mark.parametrize(
    ("quality", "rule", "closed", "grade"),
    [
        (GOOD, SURE, SURE, "A"),
        (GOOD, SURE, EVEN, "B"),
        (GOOD, SURE, WORSE, "B"),
        (GOOD, EVEN, SURE, "C"),
        (GOOD, WORSE, SURE, "D"),
        (VAGUE, SURE, SURE, "D"),
        (BAD, SURE, SURE, "E"),
    ],
)
def test_a_part_gets_what_was_shown(quality, rule, closed, grade):
    assert ladder(quality, {"recency_rule": rule, "closed_form": closed}) == grade


def test_without_a_recency_rule_the_hardest_baseline_decides_and_without_any_it_is_a_c():
    assert ladder(GOOD, {"tenure": SURE, "plan": EVEN}) == "C"
    assert ladder(GOOD, {"tenure": SURE, "plan": SURE}) == "A"
    assert ladder(GOOD, {}) == "C"
    assert ladder(Estimate(np.nan, np.nan, np.nan), {"recency_rule": SURE}) is None


def test_a_difference_of_exactly_nothing_is_no_better():
    nothing = estimate(np.full(5, 1e-14))
    assert (nothing.figure, nothing.low, nothing.high) == (0.0, 0.0, 0.0)
    assert ladder(GOOD, {"recency_rule": nothing}) == "C"


def test_an_interval_holds_its_own_figure():
    skewed = estimate(np.array([5.0, *np.linspace(6, 9, 50)]))
    assert skewed.low == skewed.figure == 5.0
    assert not estimate(np.array([np.nan, 1.0])).known


def test_all_a_is_an_a_and_a_mean_is_rounded():
    assert overall(ALL, SHOWN, suspect=False) == ("A", ())
    assert overall({**ALL, "profit": "B", "level": "B"}, SHOWN, suspect=False)[0] == "A"
    assert overall(dict.fromkeys(ALL, "B"), SHOWN, suspect=False)[0] == "B"


@pytest.mark.parametrize(
    ("changed", "qualities", "suspect", "grade", "reason"),
    [
        ({}, {}, True, "D", "suspect"),
        ({}, {"lift": VAGUE}, False, "D", "unshown_lift"),
        ({}, {"calibration": VAGUE}, False, "D", "unshown_calibration"),
        ({}, {"profit": VAGUE}, False, "C", "unshown_profit"),
        ({"profit": "C", "lift": "C"}, {}, False, "C", "rule_not_beaten"),
        ({"profit": "B", "lift": "B"}, {}, False, "B", "not_all_beaten"),
        ({"stability": None}, {}, False, "B", "not_all_beaten"),
    ],
)
def test_limits_hold_the_grade_down_and_say_why(changed, qualities, suspect, grade, reason):
    found, caps = overall({**ALL, **changed}, {**SHOWN, **qualities}, suspect=suspect)
    assert (found, [cap.reason for cap in caps]) == (grade, [reason])


@given(st.fixed_dictionaries({name: st.sampled_from([*"ABCDE", None]) for name in ALL}))
def test_a_suspect_is_never_above_d_and_no_limit_lifts_a_grade(grades):
    suspect, _ = overall(grades, SHOWN, suspect=True)
    honest, _ = overall(grades, SHOWN, suspect=False)
    assert suspect >= "D"
    assert suspect >= honest


def test_bars_and_limits():
    assert [by_bars(v, LEVEL_BARS) for v in (95, 90, 89.9, 70, 55, 10)] == list("AABCDE")
    assert [cap_calibration("A", e) for e in (0.0, 0.02, 0.04, 0.1, 0.3)] == list("AABCD")
    assert cap_calibration("E", 0.0) == "E"
    assert cap_stability("A", 0.3, np.nan) == "C"
    assert [cap_stability("A", 0.0, kept) for kept in (1.0, 0.7, 0.4)] == list("ACD")
    assert cap_stability("A", np.nan, np.nan) == "A"
    assert worst_of("B", "A") == "B"
