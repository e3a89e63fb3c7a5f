"""Staying power: old models asked again beside fresh ones."""

from __future__ import annotations

import json

import pytest

from features.errors import NotEnoughData
from tests.training.small_shops import day, drawn, settings, shop
from training.fit import anchored
from training.meeting import OURS
from training.panel import build_panel
from training.staying_power import staying_power


@pytest.fixture(scope="module")
def panel():
    rows = drawn(150, 300, gap=30.0)
    return anchored(build_panel(shop(rows), day(300), [60]))


def test_old_models_meet_the_fresh_one_on_the_same_days(panel):
    found = staying_power(panel, settings(60, 60), count=2, draws=50)
    assert [m.day for m in found.meetings] == [day(210), day(240)]
    assert [(a.age_days, a.days) for a in found.ages] == [
        (60, (day(210), day(240))),
        (120, (day(210), day(240))),
        (180, (day(240),)),
    ]
    names = set(found.meetings[1].forecasts) - {"recency_rule", "carry_forward", "closed_form"}
    assert names == {OURS, f"{OURS} 60 d old", f"{OURS} 120 d old", f"{OURS} 180 d old"}


def test_the_difference_is_aged_less_fresh_and_the_document_is_plain(panel):
    found = staying_power(panel, settings(60, 60), count=1, draws=50)
    for age in found.ages:
        for figure in age.figures.values():
            assert figure["difference"] == pytest.approx(figure["aged"] - figure["fresh"])
            assert figure["low"] <= figure["difference"] <= figure["high"]
    told = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert set(told["ages"][0]["figures"]) >= {"churn log_loss", "value 60 d rmse"}


def test_a_window_shorter_than_a_step_ages_by_steps(panel):
    chosen = settings(14, 60)
    short = anchored(build_panel(panel.tables, day(300), [14, 60]))
    assert [a.age_days for a in staying_power(short, chosen, count=1, draws=5).ages] == [30, 60, 90, 120]


def test_too_little_history_is_told():
    young = anchored(build_panel(shop(drawn(30, 150)), day(150), [60]))
    with pytest.raises(NotEnoughData, match="no labelled day lies 60 days after another snapshot"):
        staying_power(young, settings(60, 60), count=1)
