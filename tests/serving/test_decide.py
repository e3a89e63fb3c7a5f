"""`decide` on people made by hand: gains, stops, effects that were measured, and what the queue does not tell."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pytest

from serving.decide import Decided, Policy, decide, work_queue
from serving.effect_learning import EXPLORED, STAKE, measured_effects
from serving.segments import Segments
from strategies.arms import ArmSettings
from strategies.chances import read_chances
from strategies.decision_settings import DecisionSettings
from strategies.frameworks import Segmented
from strategies.offers import OfferCatalogue
from strategies.settings import OfferSettings
from strategies.strategy_table import StrategyTable
from training.models.effect import EffectModel, EffectPolicy, Line, OfferEffect, Score
from training.models.flat_column import FlatColumn

OFFERS = {
    "call": OfferSettings(channel="phone", cost=6.0, assumed_effect=0.10, strength=100),
    "mail": OfferSettings(channel="email", cost=0.5, assumed_effect=0.02, strength=100),
}
NOBODY_BY_LOT = ArmSettings(hold_out=0.0, explore=0.0)
STAKES = [200.0, 50.0, 20.0, 100.0]


def people(stakes: list[float], **changes: float) -> pd.DataFrame:
    frame = pd.DataFrame({"customer_id": [f"c{i:04}" for i in range(len(stakes))], "value_at_stake": stakes})
    frame = frame.assign(
        churn_probability=0.5, clv=frame["value_at_stake"] * 2, value_class="gold", risk="low"
    )
    frame = frame.assign(lifecycle_stage="commitment", satisfaction_loyalty="unknown", status="active")
    return frame.assign(last_campaign_days=np.nan, **changes)


def decided(
    frame: pd.DataFrame,
    *,
    experiment: ArmSettings = NOBODY_BY_LOT,
    budget: float | None = None,
    run_id: str = "r1",
    **more: object,
) -> Decided:
    table = StrategyTable.parse("strategy,reason,en,zh\nkeep,all,everybody,所有客户\n", source="one.csv")
    settings = DecisionSettings(budget=budget, experiment=experiment)
    policy = Policy(table, OfferCatalogue.of(OFFERS), settings, "v1")
    segments = Segments(date(2026, 1, 5), Segmented(frame, {}), None, pd.DataFrame(), 0)
    return decide(segments, policy, run_id=run_id, seed=7, **more)  # type: ignore[arg-type]


def result(offer: str, effect: float, error: float) -> pd.DataFrame:
    return pd.DataFrame({"offer": [offer], "effect": [effect], "error": [error], "run_id": ["r0"]})


def test_gain_is_effect_times_stake_less_cost() -> None:
    rows = decided(people(STAKES)).rows
    # call: 0.1 · stake − 6 is 14, −1, −4, 4; mail: 0.02 · stake − 0.5 is 3.5, 0.5, −0.1, 1.5
    assert rows["offer"].tolist() == ["call", "mail", "leave_alone", "call"]
    assert rows["expected_gain"].tolist() == pytest.approx([14.0, 0.5, 0.0, 4.0])
    assert rows["propensity"].tolist() == [1.0] * 4
    assert set(rows["effect_source"]) == {"assumed"}


def test_a_budget_goes_where_it_gains_most() -> None:
    found = decided(people(STAKES), budget=6.5)
    # one call, to the first, and one mail: 14 + 1.5 for the fourth
    assert found.rows["offer"].tolist() == ["call", "leave_alone", "leave_alone", "mail"]
    assert found.allocation.total_gain == pytest.approx(15.5)
    assert found.allocation.spent <= 6.5


def test_simpler_rules_keep_to_the_same_budget() -> None:
    found = decided(people(STAKES), budget=6.5)
    assert set(found.simpler) == {"value", "return", "risk"}
    assert max(found.simpler.values()) <= found.allocation.total_gain + 1e-9


def test_measured_effects_are_drawn_towards_the_assumption() -> None:
    # Assumed 0.1 counts for 100, a result with error 0.1 for 100 too: 0.2 lies half way to 0.3.
    found = decided(people([200.0]), results=result("call", 0.3, 0.1))
    row = found.rows.iloc[0]
    assert row["effect"] == pytest.approx(0.2)
    assert row["expected_gain"] == pytest.approx(0.2 * 200 - 6)
    assert row["effect_source"] == "measured"


def test_an_offer_measured_to_do_harm_is_stopped() -> None:
    found = decided(people(STAKES), results=result("call", -0.5, 0.02))
    assert found.beliefs.set_index("offer")["stop"].to_dict() == {"call": True, "mail": False}
    assert "call" not in set(found.rows["offer"])


def test_a_stopped_offer_is_not_explored_either() -> None:
    lot = ArmSettings(hold_out=0.1, explore=0.3)
    found = decided(people([200.0] * 400), experiment=lot, results=result("call", -0.5, 0.02))
    assert "call" not in set(found.rows["offer"])
    assert (found.rows["arm"] == "explore").any()


def test_the_queue_does_not_tell_who_drew_what() -> None:
    found = decided(people([200.0] * 300), experiment=ArmSettings(hold_out=0.2, explore=0.1))
    queue = work_queue(found, OfferCatalogue.of(OFFERS))
    held = found.rows.loc[found.rows["arm"] == "hold_out", "customer_id"]
    assert len(held) == 60
    assert not set(queue["customer_id"]) & set(held)
    assert not {"arm", "propensity", "chances", "planned_offer"} & set(queue.columns)
    assert queue["expected_gain"].is_monotonic_decreasing


def test_the_chances_of_a_row_hold_its_propensity_and_sum_to_one() -> None:
    rows = decided(people(STAKES * 100), experiment=ArmSettings(hold_out=0.2, explore=0.1)).rows
    names = ["leave_alone", *OFFERS]
    chances = read_chances(rows["chances"], list(OFFERS))
    assert chances.sum(axis=1) == pytest.approx(1.0)
    at = [names.index(offer) for offer in rows["offer"]]
    assert chances[np.arange(len(rows)), at] == pytest.approx(rows["propensity"].to_numpy())


def test_what_is_at_stake_until_the_outcome_is_logged() -> None:
    frame = people([100.0], expected_value_45d=40.0, margin_rate=0.5)
    assert decided(frame, window_days=45).rows[STAKE].tolist() == [10.0]
    assert decided(frame, window_days=30).rows[STAKE].tolist() == [100.0]


def by_class(gold: float, lead: float) -> EffectModel:
    """Effects in shares of the margin of a customer who stays: at p = 1/2 a quarter of those of the value at stake."""
    nothing = Line(0.0, (0.0, 0.0, 0.0, 0.0))
    line = Line(0.0, (2 * (gold - lead) / 4, 0.0, 0.0, 0.0))
    effect = OfferEffect("call", lead / 4, 0.0, 0.1, "helps", 0.001, 1.0, True, Score(nothing, nothing, line))
    columns = (FlatColumn("value_class", "category", levels=("gold", "lead")),)
    return EffectModel("margin", "money", columns, (effect,), EffectPolicy(1, np.inf, 0.0, 0.0))


def test_effects_by_customer_decide_where_they_were_learnt() -> None:
    frame = people([100.0, 100.0]).assign(value_class=["gold", "lead"])
    rows = decided(frame, learnt={"call": by_class(gold=0.4, lead=-0.3)}).rows
    assert rows["offer"].tolist() == ["call", "mail"]
    assert rows["effect"].tolist() == pytest.approx([0.4, 0.02])
    assert rows["expected_gain"].tolist() == pytest.approx([0.4 * 100 - 6, 1.5])
    assert rows["effect_source"].tolist() == ["measured", "assumed"]


def test_a_harmful_offer_stays_for_those_whom_it_helps() -> None:
    frame = people([100.0, 100.0]).assign(value_class=["gold", "lead"])
    learnt = {"call": by_class(gold=0.4, lead=-0.3)}
    found = decided(frame, learnt=learnt, results=result("call", -0.5, 0.02))
    assert found.rows["offer"].tolist() == ["call", "mail"]


def outcomes(planned: str, run_id: str, saved: float) -> pd.DataFrame:
    """A run over 4,000 customers with 100 at stake of whom an explored call saves a share; spending is noise."""
    lot = ArmSettings(hold_out=0.2, explore=0.2)
    frame = people([{"call": 200.0, "mail": 50.0}[planned]] * 4000)
    rows = decided(frame, experiment=lot, run_id=run_id, budgets=[]).rows
    noise = np.random.default_rng(3).normal(50.0, 10.0, len(rows))
    margin = noise + saved * rows[STAKE] * (rows["offer"] == "call")
    return rows.assign(margin=margin, net_margin=margin - rows["cost"], churn=0.0, orders=1.0)


def test_what_is_planned_and_what_is_explored_are_both_measured() -> None:
    found = measured_effects(pd.concat([outcomes("call", "r1", 0.3), outcomes("mail", "r2", 0.3)]))
    call = found[found["offer"] == "call"].set_index("run_id")
    assert set(call.index) == {"r1", EXPLORED}
    assert ((call["effect"] - 0.3).abs() < 4 * call["error"]).all()
    assert (call["error"] < 0.05).all()
