"""Realised errors of the closed form, and how far those of a year ago are believed."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from tests.training.small_shops import day, snapshots
from training.head_kind import HeadKind
from training.levels import level_curve, realised_error, realised_errors, recent_kind
from training.models.head import logit, sigmoid

CHURN, VALUE = HeadKind("churn", 30), HeadKind("value", 30)
CUTS = [day(365 + 30 * k) for k in range(24)]


def panel_with_gap(gap: float = 10.0):
    rows = pd.DataFrame({"gap_mean": [gap], "tenure_days": [0.0]})
    first = rows.assign(tenure_days=float((CUTS[0] - day(0)).days))
    return snapshots({CUTS[0]: first, CUTS[-1] + timedelta(days=30): rows}, CUTS[-1] + timedelta(days=30), 30)


def test_the_churn_error_solves_the_mean_equation():
    rng = np.random.default_rng(1)
    score, churned = rng.normal(0.5, 2.0, 500), (rng.random(500) < 0.3).astype(float)
    error = realised_error(CHURN, score, churned)
    assert sigmoid(score + error).mean() == pytest.approx(churned.mean(), abs=1e-10)


@pytest.mark.parametrize(("sure", "came"), [(1e-9, 1.0), (1 - 1e-9, 0.0)])
def test_a_closed_form_that_was_sure_and_wrong_has_an_error_too(sure, came):
    score = logit(np.full(9_000, sure))
    error = realised_error(CHURN, score, np.full(9_000, came))
    assert sigmoid(score + error).mean() == pytest.approx(abs(came - 0.5 / 9_000), rel=1e-6)


def test_the_value_error_is_the_log_of_came_over_expected():
    expected = np.log(np.array([10.0, 30.0]))
    assert realised_error(VALUE, expected, np.array([0.0, 80.0])) == pytest.approx(np.log(2.0))
    assert realised_error(VALUE, expected, np.zeros(2)) == 0.0


def test_errors_shrink_where_few_events_speak():
    rows = pd.DataFrame({"as_of": pd.Timestamp(day(0)), "btyd_value_30": [1.0] * 100})
    rows["value_ahead_30"] = [8.0] * 25 + [0.0] * 75
    found = realised_errors(rows, VALUE)
    # Twice the expected total, told by 25 buyers: half of it is believed.
    assert found == {day(0): pytest.approx(np.log(2.0) * 25 / 50)}
    rows["orders_ahead_30"], rows["btyd_no_order_30"] = [1.0] * 100, 0.5
    assert realised_errors(rows, CHURN) == {day(0): 0.0}


def test_the_weight_goes_to_one_when_last_year_repeats():
    season = [0.4 * np.sin(2 * np.pi * k * 30 / 365) for k in range(24)]
    curve = level_curve(dict(zip(CUTS, season, strict=True)), panel_with_gap(), 30)
    assert curve.weight > 0.9
    steady = level_curve(dict.fromkeys(CUTS, 0.4), panel_with_gap(), 30)
    assert steady.weight == pytest.approx(1.0)
    assert steady.at(CUTS[-1]) == pytest.approx(0.4)


def test_the_weight_goes_to_zero_when_the_errors_of_the_years_disagree():
    errors = {d: (0.4 if k < 12 else -0.4) for k, d in enumerate(CUTS)}
    curve = level_curve(errors, panel_with_gap(), 30)
    assert curve.weight == 0.0
    assert curve.at(CUTS[-1]) == pytest.approx(0.5 * -0.4)


def test_the_weight_is_the_slope_with_a_prior_of_two_tests_by_hand():
    errors = {d: (0.4 if k < 12 else 0.1) for k, d in enumerate(CUTS)}
    curve = level_curve(errors, panel_with_gap(), 30)
    # Windows of 30 days do not overlap: six tests of 0.1 on 0.4, and two of slope 1 with the mean square.
    usual = (0.4**2 + 0.1**2) / 2
    assert curve.weight == pytest.approx((6 * 0.1 * 0.4 + 2 * usual) / (6 * 0.4**2 + 2 * usual))
    assert curve.drift == pytest.approx(0.5 * (0.1 - curve.weight * 0.4))
    assert curve.at(CUTS[-1]) == pytest.approx(curve.weight * 0.4 + curve.drift)


def test_overlapping_windows_count_by_what_they_do_not_share():
    errors = {d: (0.4 if k < 12 else 0.1) for k, d in enumerate(CUTS)}
    curve = level_curve(errors, panel_with_gap(), 120)
    usual = (0.4**2 + 0.1**2) / 2
    assert curve.weight == pytest.approx((1.5 * 0.1 * 0.4 + 2 * usual) / (1.5 * 0.4**2 + 2 * usual))


def test_a_flat_shop_stays_about_nothing():
    rng = np.random.default_rng(4)
    errors = dict(zip(CUTS, rng.normal(0.0, 0.02, len(CUTS)), strict=True))
    curve = level_curve(errors, panel_with_gap(), 30)
    assert max(abs(curve.at(d)) for d in CUTS) < 0.05
    assert level_curve(dict.fromkeys(CUTS, 0.0), panel_with_gap(), 30).at(CUTS[-1]) == 0.0


def test_errors_of_a_young_history_do_not_count():
    errors = dict.fromkeys(CUTS, 0.4)
    curve = level_curve(errors, panel_with_gap(gap=770.0), 30)
    # Usual gap: the mean of 770 and the horizon, 400 days; history: 365 days at the first cut-off.
    assert curve.errors[0] == 0.0
    assert curve.errors[2] == pytest.approx(0.4 * (425 / 400 - 1) / 2)
    assert curve.errors[-1] == pytest.approx(0.4 * (1055 / 400 - 1) / 2)


def test_only_rows_that_count_tell_the_level():
    rows = pd.DataFrame({"as_of": pd.Timestamp(day(0)), "btyd_value_30": [1.0] * 100})
    rows["value_ahead_30"] = [8.0] * 25 + [0.0] * 75
    rows["weight_30"] = [0.0] * 25 + [1.0] * 75
    # All who bought were contacted: the others say that nothing came, told by no event.
    assert realised_errors(rows, VALUE) == {day(0): 0.0}
    rows["weight_30"] = 2.0
    assert realised_errors(rows, VALUE)[day(0)] == pytest.approx(np.log(2.0) * 50 / 75)
    assert realised_errors(rows.assign(weight_30=0.0), VALUE) == {day(0): 0.0}


def test_the_drift_is_half_of_what_the_two_latest_errors_had_beyond_the_season():
    steady = dict.fromkeys(CUTS, 0.4)
    recent = steady | {CUTS[-2]: 0.5, CUTS[-1]: 0.7}
    curve = level_curve(steady, panel_with_gap(), 90, recent=recent)
    # The short errors repeat at least those of a year ago (weight 1): beyond them 0.1 and 0.3, half of the mean.
    assert curve.drift == pytest.approx(0.5 * 0.2)
    assert curve.at(CUTS[-1]) == pytest.approx(0.4 + 0.1)


@pytest.mark.parametrize(("horizon_days", "share"), [(30, 0.5), (90, 0.5), (180, 0.25), (365, 45 / 365)])
def test_a_drift_dies_out_over_long_horizons(horizon_days, share):
    recent = {d: 0.2 * (k >= 12) for k, d in enumerate(CUTS)}
    curve = level_curve(dict.fromkeys(CUTS, 0.0), panel_with_gap(), horizon_days, recent=recent)
    # A year ago there was no error at all: both of the latest count as they are.
    assert curve.drift == pytest.approx(share * 0.2)


def test_a_season_met_for_the_first_time_is_no_drift():
    errors = dict.fromkeys(CUTS[:11], 0.4)
    curve = level_curve(errors, panel_with_gap(), 90, recent=errors)
    assert curve.drift == 0.0
    assert level_curve({}, panel_with_gap(), 90, recent=errors).at(CUTS[-1]) == 0.0


@pytest.mark.parametrize(
    ("horizons", "horizon_days", "soon"),
    [((30, 90), 90, 30), ((14, 30, 90), 14, 14), ((7, 14, 90), 90, 14), ((90,), 90, 90), ((30,), 30, 30)],
)
def test_the_errors_known_first_are_those_of_about_a_month(horizons, horizon_days, soon):
    panel = replace(panel_with_gap(), horizons_days=horizons)
    assert recent_kind(HeadKind("churn", horizon_days), panel) == HeadKind("churn", soon)
