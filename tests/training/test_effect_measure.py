"""Measured effects: averages, differences only where found, the safe policy, and what is kept of them."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from features.errors import InputError, ModelError
from tests.training.effect_trials import OFFERS, trial
from training.effects.differences import difference, kept_score
from training.effects.doubly_robust import score_rows
from training.effects.measure import measure_effects
from training.effects.safe_policy import policy_value, safe_policy
from training.models.effect import EffectModel, EffectPolicy

FREE = np.zeros(3)


@pytest.fixture(scope="module")
def crossed() -> EffectModel:
    """Mail helps those with x > 0 and harms the others, the call the reverse."""
    return measure_effects(trial(8000, 1, by_x=(0.25, -0.25)))


def test_averages_of_a_world_with_one_effect_for_all() -> None:
    model = measure_effects(trial(8000, 2, shift=(0.15, -0.15)))
    mail, call = model.offers
    assert (mail.found, call.found) == ("helps", "harms")
    assert mail.low < 0.15 < mail.high
    assert call.low < -0.15 < call.high
    assert not mail.heterogeneous
    assert np.ptp(model.predict(trial(200, 3).features), axis=0).tolist() == [0.0, 0.0]


def test_differences_between_customers_are_found(crossed: EffectModel) -> None:
    assert [effect.heterogeneous for effect in crossed.offers] == [True, True]
    ask = pd.DataFrame({"x": [-0.8, 0.0, 0.8], "plan": "a", "z": 0.0})
    found = crossed.predict(ask)
    assert found.shape == (3, 2)
    assert found == pytest.approx(0.25 * ask["x"].to_numpy()[:, None] * [1, -1], abs=0.07)


def test_money_is_measured_in_money() -> None:
    model = measure_effects(trial(8000, 4, by_x=(0.3, 0.0), money=True))
    mail, call = model.offers
    assert model.kind == "money"
    assert mail.heterogeneous
    assert not call.heterogeneous
    found = model.predict(pd.DataFrame({"x": [-0.8, 0.8], "plan": "b", "z": 0.0}))
    assert found[:, 0] == pytest.approx([-7.2, 7.2], abs=3.0)


def test_in_an_aa_world_hardly_anything_is_found() -> None:
    alarms = 0
    for seed in range(20):
        model = measure_effects(trial(600, 100 + seed, money=bool(seed % 2)))
        alarms += any(effect.found != "none" or effect.heterogeneous for effect in model.offers)
    assert alarms <= 3


def test_intervals_cover_the_truth() -> None:
    covered = []
    for seed in range(20):
        model = measure_effects(trial(600, 200 + seed, shift=(0.1, 0.0), by_x=(0.2, 0.0)))
        covered += [
            effect.low < truth < effect.high for effect, truth in zip(model.offers, (0.1, 0.0), strict=True)
        ]
    assert np.mean(covered) >= 0.85


def test_the_policy_keeps_to_the_best_without_evidence() -> None:
    model = measure_effects(trial(3000, 5, shift=(0.15, 0.05)))
    assert model.policy.best == 1
    assert not model.policy.deviates
    assert set(model.choose(trial(200, 6).features)) == {1}


def test_the_policy_deviates_where_the_bound_allows(crossed: EffectModel) -> None:
    assert crossed.policy.deviates
    assert crossed.policy.low > 0
    chosen = crossed.choose(pd.DataFrame({"x": [-0.9, 0.9], "plan": "a", "z": 0.0}))
    assert chosen.tolist() == [2, 1]


def test_costs_make_leaving_alone_the_best() -> None:
    log = trial(4000, 7, shift=(0.1, 0.1), money=True)
    assert measure_effects(log).policy.best in (1, 2)
    dear = measure_effects(log, costs=(20.0, 20.0))
    assert dear.policy.best == 0
    assert dear.offers[0].average == measure_effects(log).offers[0].average
    with pytest.raises(InputError, match="1 costs for 2 offers"):
        measure_effects(log, costs=(1.0,))


def test_the_scores_of_a_policy_are_those_of_its_best_arm() -> None:
    scored = score_rows(trial(6000, 8, by_x=(0.25, -0.25)))
    policy = safe_policy(scored, FREE)
    advantage = policy.advantages(scored.design)
    assert np.all(advantage[:, policy.best] == 0)
    other = 3 - policy.best
    wanted = (scored.gamma[:, other] - scored.gamma[:, policy.best]).mean()
    assert advantage[:, other].mean() == pytest.approx(wanted)


def test_kept_scores_are_zero_on_average() -> None:
    scored = score_rows(trial(2000, 9, by_x=(0.25, 0.0)))
    found = difference(scored, 1, 0)
    assert found.p_value < 0.01
    assert 0.5 < found.slope <= 1
    assert kept_score(scored, found).value(scored.design).mean() == pytest.approx(0, abs=1e-9)


def test_policy_value_by_hand() -> None:
    log = trial(20_000, 10, shift=(0.2, 0.0))
    value = policy_value(log, np.ones(log.rows, dtype=np.int64))
    got = log.given == 1
    assert value.ips.value == pytest.approx((log.outcome[got] / log.propensity[got, 1]).sum() / log.rows)
    assert value.dr.value == pytest.approx(0.6, abs=0.02)
    assert value.dr.error < value.ips.error
    with pytest.raises(InputError, match="one arm from 0 to 2"):
        policy_value(log, np.full(log.rows, 3))


def test_the_text_holds_the_whole_model(crossed: EffectModel) -> None:
    again = EffectModel.from_text(crossed.to_text())
    asked = trial(300, 11).features
    assert again == crossed
    assert np.array_equal(again.predict(asked), crossed.predict(asked))
    assert np.array_equal(again.choose(asked), crossed.choose(asked))
    assert again.codes == OFFERS
    one = crossed.predict(asked.iloc[[7]])
    assert one[0] == pytest.approx(crossed.predict(asked)[7], abs=1e-12)


def test_damaged_texts_and_missing_columns_are_refused(crossed: EffectModel) -> None:
    values = json.loads(crossed.to_text())
    with pytest.raises(ModelError, match="of version 99"):
        EffectModel.from_text(json.dumps(values | {"version": 99}))
    del values["policy"]
    with pytest.raises(ModelError, match="not what this code writes"):
        EffectModel.from_text(json.dumps(values))
    with pytest.raises(ModelError, match="1 of 3 columns of the log are missing, such as 'x'"):
        crossed.predict(pd.DataFrame({"plan": ["a"], "z": [0.0]}))


def test_a_policy_that_never_deviates_survives_its_text() -> None:
    policy = EffectPolicy(1, np.inf, 0.0, 0.0)
    assert EffectPolicy.from_json(json.loads(json.dumps(policy.to_json()))) == policy


def test_the_same_log_gives_the_same_model() -> None:
    log = trial(1200, 12, by_x=(0.3, 0.0))
    who = np.arange(1200).astype(str)
    assert measure_effects(log).to_text() == measure_effects(log).to_text()
    assert measure_effects(replace(log, customers=who)).offers[0].average == pytest.approx(
        measure_effects(log).offers[0].average, abs=0.02
    )
