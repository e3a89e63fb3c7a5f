"""The paired bootstrap: weights are repetitions, customers come with all of their days."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.errors import InputError
from tests.training.small_meetings import meeting
from training import metrics
from training.bootstrap import Figure, against_peers, compare, draw
from training.drawn_metrics import DRAWN_METRICS
from training.meeting import Forecast

START = date(2025, 6, 1)
CHURN = ("log_loss", "brier", "calibration_error", "roc_auc", "top_decile_lift")


@pytest.mark.parametrize("name", DRAWN_METRICS)
@settings(max_examples=40)
@given(seed=st.integers(0, 10_000), size=st.integers(1, 60), levels=st.sampled_from([3, 10, 1000]))
def test_a_weight_is_a_repetition(name, seed, size, levels):
    rng = np.random.default_rng(seed)
    p = rng.integers(0, levels + 1, size) / levels
    y = (rng.random(size) < p).astype(float)
    if name not in CHURN:
        y, p = y * rng.integers(-2, 40, size), p * 30
    weights = rng.integers(0, 4, (3, size)).astype(float)
    found = DRAWN_METRICS[name](weights, y, p)
    for one, drawn in zip(found, weights.astype(int), strict=True):
        expected = getattr(metrics, name)(np.repeat(y, drawn), np.repeat(p, drawn))
        assert one == pytest.approx(expected, rel=1e-9, abs=1e-9, nan_ok=True)


def test_the_difference_is_the_mean_over_days_and_covers_the_truth():
    days = [meeting(i, day=START + timedelta(days=30 * i)) for i in range(3)]
    found = compare(days, "truth", "noisy", Figure("log_loss"), draws=400)
    by_day = [
        metrics.log_loss(m.churned, m.forecasts["truth"].churn_probability)
        - metrics.log_loss(m.churned, m.forecasts["noisy"].churn_probability)
        for m in days
    ]
    assert found.difference == pytest.approx(np.mean(by_day))
    assert found.low < found.difference < found.high < 0


def test_the_interval_is_as_wide_as_theory_says():
    day = meeting(5, size=2000)
    p = {name: day.forecasts[name].churn_probability for name in ("truth", "noisy")}
    gain = (p["truth"] - day.churned) ** 2 - (p["noisy"] - day.churned) ** 2
    found = compare([day], "truth", "noisy", Figure("brier"), draws=2000, seed=3)
    assert found.high - found.low == pytest.approx(2 * 1.96 * gain.std() / np.sqrt(2000), rel=0.08)


def test_the_same_day_told_twice_adds_no_certainty():
    day = meeting(6)
    again = replace(day, day=START + timedelta(days=30))
    one, two = (compare(days, "truth", "mean", Figure("brier"), draws=300) for days in ([day], [day, again]))
    assert two == pytest.approx(one)
    other = replace(again, customer=day.customer + 1000)
    wide = compare([day, other], "truth", "mean", Figure("brier"), draws=300)
    assert (wide.high - wide.low) < 0.85 * (one.high - one.low)


def test_a_calibration_error_lies_inside_its_own_interval():
    found = draw([meeting(7)], ["truth"], [Figure("calibration_error")], draws=300)
    one = found.interval("truth", Figure("calibration_error"))
    assert one.low < one.difference < one.high


def test_days_without_a_horizon_or_a_model_are_left_out():
    first, second = meeting(1), meeting(2, day=START + timedelta(days=30))
    second.forecasts.pop("noisy")
    figure = Figure("rmse", "value", 90)
    found = draw([first, second], ["truth", "noisy"], [figure, Figure("mae", "orders", 30)], draws=50)
    assert found.shared("truth", "noisy", figure) == (START,)
    assert found.difference("truth", "noisy", figure) == pytest.approx(
        compare([first], "truth", "noisy", figure, draws=50), rel=0.5
    )
    assert math.isnan(found.interval("truth", Figure("mae", "orders", 30)).difference)


def test_any_figure_can_be_drawn():
    def share_of_customers(day, forecast, weights):
        return weights.sum(axis=1) / len(day.customer) + forecast.churn_probability[0] * 0

    found = draw([meeting(1)], ["truth"], [share_of_customers], draws=20).interval(
        "truth", share_of_customers
    )
    assert found == (1.0, 1.0, 1.0)


def test_one_class_has_no_auc_and_nobody_has_no_figure():
    day = meeting(1)
    same = replace(day, churned=np.ones(400))
    assert math.isnan(compare([same], "truth", "mean", Figure("roc_auc"), draws=10).difference)
    empty = np.empty(0)
    nobody = replace(
        day, customer=np.empty(0, dtype=np.int64), churned=empty, forecasts={"a": Forecast(empty, {}, {})}
    )
    assert math.isnan(compare([nobody], "a", "a", Figure("log_loss"), draws=10).low)


def test_bad_questions_are_told():
    with pytest.raises(InputError, match="no figure is called 'auc'; there are log_loss"):
        Figure("auc")
    with pytest.raises(InputError, match="value and orders have a horizon"):
        Figure("mae", "value")
    with pytest.raises(InputError, match="2 meetings on 1 days"):
        draw([meeting(1), meeting(2)], ["truth"], [Figure("brier")])
    with pytest.raises(InputError, match="expected at least one, got 0"):
        draw([meeting(1)], ["truth"], [Figure("brier")], draws=0)


def test_a_hundred_draws_of_seven_days_of_five_thousand_customers_take_a_moment():
    days = [meeting(i, size=5000, day=START + timedelta(days=30 * i)) for i in range(7)]
    wanted = [Figure("log_loss"), Figure("calibration_error")]
    wanted += [Figure(name, "value", 90) for name in ("rmse", "mae", "normalised_gini", "level_error")]
    begun = time.thread_time()
    found = draw(days, ["truth", "noisy"], wanted, draws=100)
    assert time.thread_time() - begun < 10
    assert all(found.difference("truth", "noisy", figure).difference != 0 for figure in wanted)


def test_ours_is_compared_with_every_peer_on_the_days_it_speaks():
    days = [meeting(i, day=START + timedelta(days=30 * i)) for i in range(2)]
    for each in days:
        each.forecasts["retain"] = each.forecasts.pop("truth")
    days[1].forecasts.pop("mean")
    found = against_peers(days, draws=100)
    assert set(found) == {"noisy", "mean"}
    assert found["noisy"]["churn log_loss"] == compare(days, "retain", "noisy", Figure("log_loss"), draws=100)
    assert found["mean"]["churn log_loss"].difference == pytest.approx(
        compare(days[:1], "retain", "mean", Figure("log_loss"), draws=100).difference
    )
    assert "value 90 d level_error" in found["noisy"]
