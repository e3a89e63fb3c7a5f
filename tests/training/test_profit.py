"""Money of a campaign: what it is worth to find the leavers who matter."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.training.meetings import HORIZON, forecast, population
from training.empc import EmpcSettings, empc
from training.meeting import OURS
from training.profit import (
    Campaign,
    decision_score,
    profit_quality,
    realised_gain,
    value_horizon,
    worth,
)
from training.settings import CardSettings

SETTINGS = CardSettings(budget_share=0.5, assumed_effect=0.5, contact_cost=2.0)
ONES = np.ones((4, 1))


def quality(gain, score, share=0.5):
    weights = np.ones((len(gain), 1))
    return float(profit_quality(np.array([gain], float), np.array(score, float), share, weights)[0, 0])


def test_a_kept_leaver_brings_his_margin_and_every_contact_costs():
    gain = realised_gain(np.array([1.0, 1.0, 0.0]), np.array([100.0, 10.0, 500.0]), SETTINGS, 0.2)
    assert gain == pytest.approx([8.0, -1.0, -2.0])
    assert decision_score(np.array([0.5]), np.array([100.0]), SETTINGS, 0.2) == pytest.approx([3.0])


def test_random_is_zero_and_perfect_a_hundred():
    gain = [8.0, -1.0, -2.0, 3.0]
    assert quality(gain, gain) == 100.0
    assert quality(gain, [1, 1, 1, 1]) == 0.0
    # The best two bring 11, two at random 4; this choice brings 7.
    assert quality(gain, [9, 5, 1, 1]) == pytest.approx(100 * (7 - 4) / (11 - 4))
    assert quality(gain, [-g for g in gain]) == -100.0


def test_equal_scores_share_what_is_left_of_the_budget():
    # One contact is sure, the other is any of three that bring 0 on the mean.
    assert quality([8.0, -1.0, -2.0, 3.0], [9, 1, 1, 1]) == pytest.approx(100 * (8 + 0 - 4) / (11 - 4))


def test_where_every_choice_brings_the_same_there_is_no_figure():
    assert np.isnan(quality([-1.0, -1.0, -1.0, -1.0], [1, 2, 3, 4]))


def test_neither_cost_nor_effect_changes_the_quality():
    churned, value, score = np.array([1.0, 0, 1, 0]), np.array([9.0, 5, 20, 1]), np.array([4.0, 3, 2, 1])
    dear = CardSettings(budget_share=0.5, assumed_effect=0.1, contact_cost=50.0)
    found = {quality(realised_gain(churned, value, s, 0.3), score) for s in (SETTINGS, dear)}
    assert max(found) == pytest.approx(min(found))


@given(st.permutations(range(8)))
def test_permuting_values_between_customers_changes_the_profit_but_not_empc(order):
    churned = np.array([1.0, 1, 1, 1, 0, 0, 0, 0])
    value = np.array([80.0, 40, 20, 10, 5, 4, 3, 2])
    score = np.arange(8.0)[::-1]
    before, after = (
        quality(realised_gain(churned, v, SETTINGS, 0.3), score, 0.25) for v in (value, value[list(order)])
    )
    mine = value[list(order)][:4]
    same = bool(mine[:2].sum() == np.sort(mine)[-2:].sum())
    assert (after == pytest.approx(before)) is same
    assert empc(churned, score) == empc(churned, score.copy())


def test_the_yardstick_is_what_the_baselines_had_expected():
    meeting = population(1, customers=50, days=1)[0]
    said = [
        meeting.forecasts[n].expected_value[HORIZON] for n in ("recency_rule", "carry_forward", "closed_form")
    ]
    assert worth(meeting, HORIZON) == pytest.approx(np.mean(said, axis=0))
    assert worth(meeting, HORIZON, without="closed_form") == pytest.approx(np.mean(said[:2], axis=0))


def test_no_model_can_inflate_the_yardstick():
    meeting = population(2, customers=50, days=1)[0]
    ours = forecast(meeting.forecasts[OURS].churn_probability, np.full(meeting.customer.size, 1e9))
    boasting = replace(meeting, forecasts={**meeting.forecasts, OURS: ours})
    assert (worth(boasting, HORIZON) == worth(meeting, HORIZON)).all()


def test_without_baselines_a_leaver_is_worth_what_the_stayers_of_his_class_brought():
    meeting = replace(population(3, customers=60, days=1)[0], forecasts={})
    found = worth(meeting, HORIZON)
    high = meeting.value_class == "high"
    stayed = high & (meeting.churned == 0)
    assert found[high] == pytest.approx(meeting.value[HORIZON][stayed].mean())
    assert (worth(meeting, None) == 1.0).all()


def test_the_horizon_is_the_one_nearest_to_the_window_that_has_passed_everywhere():
    first, second = population(4, customers=30, days=2)
    longer = replace(first, value={**first.value, 365: first.value[90]})
    assert value_horizon([longer, second]) == 90
    assert value_horizon([replace(longer, value={30: first.value[90], 365: first.value[90]})]) == 30
    assert value_horizon([replace(first, value={})]) is None


def test_a_model_without_values_decides_by_the_common_worth():
    meeting = population(5, customers=40, days=1)[0]
    campaign = Campaign(meeting, SETTINGS, 0.3, HORIZON)
    plain = replace(meeting.forecasts[OURS], expected_value={})
    expected = plain.churn_probability * 0.5 * worth(meeting, HORIZON) * 0.3 - 2.0
    assert campaign.score(plain) == pytest.approx(expected)


def test_money_is_told_per_thousand_customers():
    meeting = population(6, customers=40, days=1)[0]
    campaign = Campaign(meeting, SETTINGS, 0.3, HORIZON)
    gain = campaign.gain()
    best = np.sort(gain)[::-1]
    half = gain.size / 2
    total = best[: int(half)].sum() + (half % 1) * best[int(half)]
    assert campaign.money(gain) == pytest.approx(1000 * total / gain.size)


def test_empc_of_a_perfect_order_by_hand():
    # E[γ] = 6/20; the offer pays nearly always: 200 · (0.3 · 0.95 − 0.005) · share.
    y = np.array([1.0] * 25 + [0.0] * 75)
    assert empc(y, y) == pytest.approx(200 * (0.3 * 0.95 - 0.005) * 0.25, abs=1e-4)
    assert np.isnan(empc([1, 1], [0.1, 0.2]))


def test_empc_agrees_with_the_integral_over_acceptance_rates():
    rng = np.random.default_rng(7)
    score = rng.random(60)
    y = (rng.random(60) < score).astype(float)
    s = EmpcSettings()
    from scipy.stats import beta

    order = np.argsort(-score)
    found = np.append(0, y[order].cumsum()) / 60
    wasted = np.append(0, (1 - y[order]).cumsum()) / 60
    rates = (np.arange(20_000) + 0.5) / 20_000
    best = np.zeros(rates.size)
    for f0, f1 in zip(found, wasted, strict=True):
        best = np.maximum(best, s.clv * ((rates * 0.95 - 0.005) * f0 - 0.055 * f1))
    assert empc(y, score) == pytest.approx(float((best * beta.pdf(rates, s.alpha, s.beta)).mean()), rel=1e-4)


@pytest.mark.data
def test_empc_of_telco_by_the_defaults_of_2013(shared_data):
    left = pd.read_parquet(shared_data / "telco_basic.parquet", columns=["Churn"])["Churn"]
    y = (left == "Yes").to_numpy(float)
    assert empc(y, y) == pytest.approx(14.86, abs=0.005)
    # A published 6.95 for random scores: the hull over chance lies a little above the constant's.
    random = [empc(y, np.random.default_rng(seed).random(y.size)) for seed in range(5)]
    assert np.mean(random) == pytest.approx(6.95, abs=0.1)
    assert empc(y, np.zeros(y.size)) < min(random)
