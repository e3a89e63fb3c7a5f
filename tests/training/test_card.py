"""The card cannot be had by other means than being good."""

from __future__ import annotations

import json
import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.errors import InputError
from tests.training.meetings import HORIZON, forecast, population, swapped, with_ours
from training import qualities as room
from training.card import quality_card
from training.meeting import OURS, Forecast
from training.qualities import calibration_excess, population_shift
from training.settings import TrainingSettings

SETTINGS = TrainingSettings()
BASELINES = ("recency_rule", "carry_forward", "closed_form")


def judged(meetings, **more):
    return quality_card(meetings, settings=SETTINGS, seed=1, **more)


def part(card, name):
    return next(p for p in card.parts if p.name == name)


def constant(meeting, rng):
    return forecast(np.full(meeting.customer.size, 0.5), np.full(meeting.customer.size, 40.0))


def base_rate(meeting, rng):
    return replace(
        constant(meeting, rng), churn_probability=np.full(meeting.customer.size, meeting.churned.mean())
    )


def shuffled(meeting, rng):
    ours, order = meeting.forecasts[OURS], rng.permutation(meeting.customer.size)
    return Forecast(
        ours.churn_probability[order],
        {h: v[order] for h, v in ours.expected_orders.items()},
        {h: v[order] for h, v in ours.expected_value.items()},
    )


def only_churn_shuffled(meeting, rng):
    ours = meeting.forecasts[OURS]
    return replace(ours, churn_probability=rng.permutation(ours.churn_probability))


def faint_noise(meeting, rng):
    size = meeting.customer.size
    said = np.clip(meeting.churned.mean() + 1e-3 * rng.normal(size=size), 0, 1)
    return replace(meeting.forecasts[OURS], churn_probability=said)


def everybody_churns(meeting, rng):
    return replace(meeting.forecasts[OURS], churn_probability=np.ones(meeting.customer.size))


def nobody_churns(meeting, rng):
    return replace(meeting.forecasts[OURS], churn_probability=np.zeros(meeting.customer.size))


def upside_down(meeting, rng):
    ours = meeting.forecasts[OURS]
    return replace(ours, churn_probability=1 - ours.churn_probability)


def fed_the_answer(meeting, rng):
    return replace(meeting.forecasts[OURS], churn_probability=np.where(meeting.churned > 0, 0.97, 0.03))


def fed_the_order_of_the_answer(meeting, rng):
    said = meeting.churned.mean() + 0.01 * meeting.churned - 0.005 + 1e-4 * rng.random(meeting.customer.size)
    return replace(meeting.forecasts[OURS], churn_probability=np.clip(said, 0, 1))


def fed_a_blurred_answer(meeting, rng):
    wrong = rng.random(meeting.customer.size) < 0.05
    return replace(
        meeting.forecasts[OURS], churn_probability=np.where((meeting.churned > 0) ^ wrong, 0.95, 0.05)
    )


def fed_the_value(meeting, rng):
    return replace(meeting.forecasts[OURS], expected_value=meeting.value)


CHEATS = (
    constant,
    base_rate,
    shuffled,
    only_churn_shuffled,
    faint_noise,
    everybody_churns,
    nobody_churns,
    upside_down,
    fed_the_answer,
    fed_the_order_of_the_answer,
    fed_the_value,
)


@pytest.mark.parametrize("cheat", CHEATS, ids=lambda c: c.__name__)
@settings(max_examples=4, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    customers=st.sampled_from([60, 250, 600]),
    sharp=st.sampled_from([0.3, 1.0, 1.8]),
    days=st.integers(1, 3),
)
def test_a_model_that_is_not_good_is_never_above_d(cheat, seed, customers, sharp, days):
    rng = np.random.default_rng(seed)
    meetings = population(seed, customers=customers, sharp=sharp, days=days)
    assert judged(with_ours(meetings, lambda m: cheat(m, rng))).grade >= "D"


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10_000), sharp=st.sampled_from([0.5, 1.0, 1.8]), noise=st.sampled_from([0.0, 0.2]))
def test_a_model_no_better_than_the_recency_rule_is_never_above_c(seed, sharp, noise):
    rng = np.random.default_rng(seed)

    def blurred(meeting):
        rule = meeting.forecasts["recency_rule"]
        return replace(
            rule,
            churn_probability=np.clip(
                rule.churn_probability + noise * rng.normal(size=meeting.customer.size), 0, 1
            ),
        )

    assert judged(with_ours(population(seed, customers=300, sharp=sharp), blurred)).grade >= "C"


@pytest.mark.parametrize("sharp", [0.3, 1.0, 1.8])
def test_a_blurred_answer_is_noticed_too(sharp):
    rng = np.random.default_rng(3)
    meetings = population(3, customers=600, sharp=sharp)
    card = judged(with_ours(meetings, lambda m: fed_a_blurred_answer(m, rng)))
    assert (card.grade, [s.reason for s in card.suspect]) == ("D", ["far_above"])


def test_the_truth_gets_an_a_and_the_closed_form_a_b():
    meetings = population(1, customers=1500)
    assert judged(meetings).grade == "A"
    assert judged(with_ours(meetings, lambda m: m.forecasts["closed_form"])).grade == "B"
    assert judged(with_ours(meetings, lambda m: m.forecasts["recency_rule"])).grade == "C"


def test_one_day_is_never_an_a():
    card = judged(population(1, customers=1500, days=1))
    assert card.grade == "B"
    assert part(card, "stability").grade is None
    assert "two cut-offs" in part(card, "stability").text["en"]


def test_a_leak_guard_that_names_a_column_caps_the_card():
    card = judged(population(1, customers=1500), leaks=["Churn Score"])
    assert card.grade == "D"
    assert "Churn Score" in card.to_json()["suspect"][0]["text"]["zh"]


def test_a_small_shop_is_not_blamed_for_being_small_but_gets_no_grade_it_has_not_shown():
    error, chance = calibration_excess(np.array([1.0, 0, 0, 1, 0, 0]), np.full(6, 1 / 3))
    assert (error, chance > 0.1) == (0.0, True)
    assert judged(population(3, customers=25)).grade >= "C"


def test_a_badly_calibrated_ranking_does_not_pass_for_a_good_model():
    def bold(meeting):
        ours = meeting.forecasts[OURS]
        return replace(ours, churn_probability=ours.churn_probability**4)

    card = judged(with_ours(population(1, customers=1500), bold))
    assert part(card, "lift").grade == "A"
    assert part(card, "calibration").grade >= "D"
    assert card.grade >= "D"


def test_wrong_totals_show_in_the_level():
    def double(meeting):
        ours = meeting.forecasts[OURS]
        return replace(ours, expected_value={h: 2 * v for h, v in ours.expected_value.items()})

    honest, wrong = (part(judged(m), "level") for m in (population(1), with_ours(population(1), double)))
    assert wrong.models[OURS].figure < honest.models[OURS].figure - 15
    bias = {name: p.details["total_bias"]["value"][str(HORIZON)] for name, p in (("h", honest), ("w", wrong))}
    assert 1 + bias["w"] == pytest.approx(2 * (1 + bias["h"]))


def test_a_model_that_fails_on_some_days_is_not_stable():
    meetings = population(1, customers=1000, days=4)
    rng = np.random.default_rng(1)
    meetings[2] = swapped(meetings[2], shuffled(meetings[2], rng))
    assert part(judged(meetings), "stability").grade >= "D"
    assert part(judged(population(1, customers=1000, days=4)), "stability").grade <= "B"


def test_decay_and_shift_are_told_and_limit_the_stability():
    card = judged(population(1, customers=500), decay={0: 50.0, 4: 20.0})
    assert part(card, "stability").details["kept"] == pytest.approx(0.4)
    assert part(card, "stability").grade == "D"
    same = np.random.default_rng(2).random(5000)
    assert population_shift(same[:2500], same[2500:]) < 0.02
    assert population_shift(same, same + 0.5) > 0.25


def test_the_card_is_the_same_for_the_same_seed_and_any_order_of_rows_and_days():
    meetings = population(2, customers=300)
    order = np.random.default_rng(0).permutation(meetings[0].customer.size)
    first = room.cut(meetings[0], order)
    found = [judged(m).to_json() for m in (meetings, [meetings[2], first, meetings[1]])]
    assert found[0] == found[1]
    assert found[0] == judged(meetings).to_json()


def test_intervals_hold_the_figure_and_narrow_with_customers():
    small, large = (part(judged(population(5, customers=n)), "lift").models[OURS] for n in (200, 2000))
    assert small.low < small.figure < small.high
    assert large.high - large.low < 0.5 * (small.high - small.low)


def test_a_large_shop_draws_from_some_of_its_customers(monkeypatch):
    whole = part(judged(population(6, customers=900)), "lift").models[OURS]
    monkeypatch.setattr(room, "_MOST_CUSTOMERS", 300)
    some = part(judged(population(6, customers=900)), "lift").models[OURS]
    assert some.figure == pytest.approx(whole.figure)
    assert some.low < some.figure < some.high
    assert some.high - some.low > whole.high - whole.low


def test_a_baseline_missing_on_a_day_is_compared_on_the_others():
    meetings = population(7)
    meetings[0] = replace(
        meetings[0], forecasts={k: v for k, v in meetings[0].forecasts.items() if k != "closed_form"}
    )
    found = part(judged(meetings), "lift").skills["closed_form"]
    assert found.figure == pytest.approx(part(judged(meetings[1:]), "lift").skills["closed_form"].figure)


def test_days_without_a_churner_or_without_values_are_left_out():
    meetings = population(8)
    nobody = replace(meetings[0], churned=np.zeros(meetings[0].customer.size))
    assert judged([nobody, *meetings[1:]]).grade in "ABCD"
    alone = judged([nobody])
    assert {p.name: p.grade for p in alone.parts}["lift"] is None
    assert alone.grade >= "D"
    bare = judged([replace(m, value={}, orders={}) for m in meetings])
    assert part(bare, "level").grade is None


def test_coverage_is_told_by_class():
    def certain(meeting):
        ours, came = meeting.forecasts[OURS], meeting.value[HORIZON]
        high = meeting.value_class == "high"
        bounds = {0.1: np.where(high, came, came + 1), 0.9: np.where(high, came, came + 2)}
        return replace(ours, bounds={HORIZON: bounds})

    rows = {r["value_class"]: r for r in judged(with_ours(population(9), certain)).coverage}
    assert (rows["high"]["covered"], rows["low"]["covered"]) == (1.0, 0.0)
    assert (rows["all"]["nominal"], rows["high"]["width"]) == (0.8, 0.0)


def test_the_json_is_strict_has_both_languages_and_no_customer():
    meetings = [replace(m, customer=m.customer + 123_456_789_000) for m in population(10)]
    text = json.dumps(judged(meetings).to_json(), allow_nan=False, ensure_ascii=False)
    assert "123456789" not in text
    found = json.loads(text)
    assert all(p["text"][lang] and p["title"][lang] for p in found["parts"] for lang in ("en", "zh"))
    rows = [b["rows"] for b in found["pictures"]["calibration"]]
    assert min(rows) >= 10 * len(meetings)
    assert sum(rows) == sum(m.customer.size for m in meetings)


def test_one_customer_gets_a_card():
    meetings = [room.cut(m, np.arange(m.customer.size) == 0) for m in population(14, customers=20)]
    assert judged(meetings).grade >= "D"


def test_a_handful_of_customers_is_in_no_bin():
    pictures = judged(population(11, customers=8)).to_json()["pictures"]
    assert not pictures["calibration"]
    assert not pictures["gains"]
    assert not pictures["profit"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda m: [], "no cut-off"),
        (lambda m: [room.cut(m, np.zeros(m.customer.size, dtype=bool))], "no customer"),
        (lambda m: [replace(m, forecasts={})], "no forecast called 'retain'"),
        (lambda m: [replace(m, customer=np.zeros_like(m.customer))], "a customer occurs twice"),
        (
            lambda m: [swapped(m, forecast(np.full(m.customer.size, 1.5), m.churned))],
            r"outside \[0, 1\], such as 1.5",
        ),
        (
            lambda m: [swapped(m, forecast(np.full(m.customer.size, np.nan), m.churned))],
            "are missing or infinite",
        ),
        (lambda m: [swapped(m, forecast(np.full(3, 0.5), np.ones(3)))], "pass one per customer"),
    ],
)
def test_what_cannot_be_judged_is_refused(change, told):
    with pytest.raises(InputError, match=told):
        judged(change(population(12, customers=50, days=1)[0]))


def test_it_takes_two_seconds_at_most_for_five_days_of_five_thousand():
    meetings = population(13, customers=5000, days=5)
    started = time.thread_time()
    judged(meetings)
    assert time.thread_time() - started < 2.0
