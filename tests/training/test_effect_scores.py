"""Logs, doubly robust scores and their means."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.errors import InputError, NotEnoughData
from tests.training.effect_trials import OFFERS, trial
from training.effects.average import Mean, mean_of, slope_of
from training.effects.doubly_robust import expect_outcomes, score_rows
from training.effects.outcome_models import fit_line, logistic, ridge
from training.effects.trial_log import TrialLog


def test_scores_are_the_formula() -> None:
    scored = score_rows(trial(600, 1))
    row, log = 17, scored.log
    got = log.given[row]
    e, mu = log.propensity[row, got], scored.expected[row]
    wanted = mu.copy()
    wanted[got] += (log.outcome[row] - mu[got]) / e
    assert scored.gamma[row] == pytest.approx(wanted)


def test_no_row_is_scored_by_a_model_that_saw_it() -> None:
    log = trial(600, 2)
    scored = score_rows(log)
    changed = log.outcome.copy()
    changed[scored.fold == 0] = 1 - changed[scored.fold == 0]
    again = score_rows(replace(log, outcome=changed))
    same = scored.fold == 0
    assert np.array_equal(again.expected[same], scored.expected[same])
    assert not np.allclose(again.expected[~same], scored.expected[~same])


def test_unequal_chances_do_not_bias_the_average() -> None:
    found = []
    for seed in range(8):
        scored = score_rows(trial(1500, seed, shift=(0.1, 0.0)))
        found.append((scored.gamma[:, 1:] - scored.gamma[:, [0]]).mean(axis=0))
    log = trial(30_000, 3, shift=(0.1, 0.0))
    plain = log.outcome[log.given == 1].mean() - log.outcome[log.given == 0].mean()
    assert np.mean(found, axis=0) == pytest.approx([0.1, 0.0], abs=0.03)
    assert plain > 0.12


def test_folds_keep_customers_together_and_spread_arms() -> None:
    log = trial(900, 4)
    counts = np.array([np.bincount(log.given[log.folds(5, 0) == k], minlength=3) for k in range(5)])
    assert (counts.max(axis=0) - counts.min(axis=0)).max() <= 1
    who = np.repeat(np.arange(300), 3).astype(str)
    fold = pd.Series(replace(log, customers=who).folds(5, 0))
    assert fold.groupby(who).nunique().max() == 1


def test_rows_of_one_customer_count_as_one_cluster() -> None:
    values = np.repeat(np.random.default_rng(5).normal(size=50), 4)
    alone, together = mean_of(values, np.arange(200)), mean_of(values, np.repeat(np.arange(50), 4))
    assert alone.value == together.value
    assert together.error == pytest.approx(values[::4].std(ddof=1) / 50**0.5)
    assert together.error > 1.9 * alone.error


def test_slope_is_taken_within_folds() -> None:
    score = np.array([0.0, 1.0, 0.0, 1.0])
    fold = np.array([0, 0, 1, 1])
    assert slope_of(score, np.array([0.0, 2.0, 100.0, 102.0]), fold, np.arange(4)).value == 2.0
    assert slope_of(np.zeros(4), score, fold, np.arange(4)) == Mean(0.0, 0.0)
    assert Mean(0.0, 0.0).p_above() == 1.0


def test_ridge_leaves_only_the_mean_of_noise_and_finds_a_line() -> None:
    rng = np.random.default_rng(6)
    x = rng.normal(size=(2000, 5))
    nothing = ridge(x, rng.normal(size=2000))
    assert np.abs(nothing.weights).max() < 0.08
    line = ridge(np.column_stack([x, np.ones(2000)]), 2 + x @ [1.0, 0, 0, 0, -1])
    assert line.weights == pytest.approx([1, 0, 0, 0, -1, 0], abs=1e-3)
    assert line.intercept == pytest.approx(2, abs=1e-3)


def test_rare_yes_falls_back_to_a_straight_line() -> None:
    x = np.linspace(-1, 1, 400)[:, None]
    yes = (np.arange(400) % 4 == 0).astype(float)
    assert fit_line(x, yes, binary=True).logit
    assert not fit_line(x, (np.arange(400) < 10).astype(float), binary=True).logit
    p = logistic(x, (x[:, 0] > 0).astype(float)).value(x)
    assert np.all(np.diff(p) > 0)
    assert (p > 0).all()
    assert (p < 1).all()


def test_expected_outcomes_of_strangers() -> None:
    log = trial(6000, 7, shift=(0.2, 0.0))
    found = expect_outcomes(log, pd.DataFrame({"x": [0.0, 0.0], "plan": ["a", "b"], "z": [0.0, None]}))
    assert found == pytest.approx(np.array([[0.5, 0.7, 0.5], [0.3, 0.5, 0.3]]), abs=0.06)


def test_logs_that_cannot_teach_are_refused() -> None:
    log = trial(600, 8)
    with pytest.raises(InputError, match="2 of 600 outcomes are missing"):
        replace(log, outcome=np.where(np.arange(600) < 2, np.nan, log.outcome))
    with pytest.raises(InputError, match="must be 0 or 1"):
        replace(log, outcome=log.outcome * 2)
    chances = log.propensity.copy()
    chances[3] = [0.0, 0.5, 0.5]
    with pytest.raises(InputError, match="1 of 600 rows have an arm that could not be drawn"):
        replace(log, propensity=chances)
    with pytest.raises(InputError, match="the chances of 600 of 600 rows do not sum to 1"):
        replace(log, propensity=log.propensity * 1.1)
    with pytest.raises(InputError, match="propensity has shape"):
        replace(log, propensity=log.propensity[:, :2])
    with pytest.raises(InputError, match="not among the 2 offers"):
        replace(log, given=log.given + 1)
    with pytest.raises(NotEnoughData, match="'call' has 0 rows, at least 50"):
        replace(log, given=np.minimum(log.given, 1))


@given(st.integers(0, 10_000))
def test_part_keeps_rows_as_they_are(seed: int) -> None:
    log = trial(900, 9)
    places = np.random.default_rng(seed).permutation(900)[:600]
    part = log.part(places)
    assert isinstance(part, TrialLog)
    assert part.offers == OFFERS
    assert np.array_equal(part.outcome, log.outcome[places])
    assert part.features["x"].tolist() == log.features["x"].to_numpy()[places].tolist()
