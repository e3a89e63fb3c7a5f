"""Single customers decided between two runs: what stands, what is new, and limits that hold whoever asks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from features.errors import NotEnoughData
from serving.decide import Policy, decide
from serving.decision_log import DecisionLog
from serving.decision_terms import Terms, TermsStore, terms_of
from serving.live_decision import LiveDecider
from serving.segments import Segments
from strategies.arms import ArmSettings
from strategies.decision_settings import DecisionSettings
from strategies.frameworks import Segmented
from strategies.offers import OfferCatalogue
from strategies.settings import ChannelSettings, OfferSettings
from strategies.strategy_table import StrategyTable

DAY = date(2026, 1, 5)
NOBODY_BY_LOT = ArmSettings(hold_out=0.0, explore=0.0)
OFFERS = {
    "call": OfferSettings(channel="phone", cost=6.0, assumed_effect=0.10, strength=100, text_en="A call"),
    "mail": OfferSettings(channel="email", cost=0.5, assumed_effect=0.02, strength=100, text_zh="邮件"),
}
LABELS = {
    "value_class": "gold",
    "status": "active",
    "risk": "low",
    "lifecycle_stage": "commitment",
    "satisfaction_loyalty": "unknown",
    "churn_probability": 0.5,
}


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'state.db'}"


@pytest.fixture
def decider(url: str) -> Iterator[LiveDecider]:
    made = LiveDecider(url)
    yield made
    made.close()


def run(
    url: str,
    stakes: Mapping[str, float],
    *,
    experiment: ArmSettings = NOBODY_BY_LOT,
    results: pd.DataFrame | None = None,
    capacity: int | None = None,
    **settings: Any,
) -> pd.DataFrame:
    """A decision run, logged, with its terms left behind."""
    frame = pd.DataFrame({"customer_id": list(stakes), "value_at_stake": list(stakes.values())})
    frame = pd.concat([frame, pd.DataFrame([LABELS] * len(frame))], axis=1).assign(
        clv=1.0, last_campaign_days=np.nan
    )
    table = StrategyTable.parse("strategy,reason,en,zh\nkeep,all,everybody,所有客户\n", source="one.csv")
    catalogue = OfferCatalogue.of(OFFERS).with_channels({"phone": ChannelSettings(capacity=capacity)})
    policy = Policy(table, catalogue, DecisionSettings(experiment=experiment, **settings), "v1")
    segments = Segments(DAY, Segmented(frame, {}), None, pd.DataFrame(), 0)
    decided = decide(segments, policy, run_id="r1", seed=7, results=results)
    log, store = DecisionLog(url), TermsStore(url)
    log.save(decided.rows)
    store.save(terms_of(decided, policy, run_id="r1", as_of=DAY, seed=7))
    log.close()
    store.close()
    return decided.rows.set_index("customer_id")


def now(stake: float, **changes: object) -> dict[str, object]:
    known = {**LABELS, "clv": 1.0, "value_at_stake": stake, "strategy": "keep", "as_of": "2026-01-06"}
    return {**known, "last_campaign_days": None, **changes}


def never() -> dict[str, object]:
    raise AssertionError("nobody should have asked for the current row")


def logged(url: str, run_id: str) -> pd.DataFrame:
    log = DecisionLog(url)
    found = log.decisions(run_id)
    log.close()
    return found


def test_an_offer_of_the_run_stands_whatever_happened_since(url: str, decider: LiveDecider) -> None:
    rows = run(url, {"a": 200.0})
    found = decider.decide("a", never, news=True)
    assert (found.made, found.row["offer"], found.row["decision_id"]) == (
        "run",
        "call",
        rows.loc["a", "decision_id"],
    )
    assert found.row["propensity"] == rows.loc["a", "propensity"]
    assert (found.texts["text_en"], found.touches_price) == ("A call", False)


def test_who_was_held_out_stays_held_out(url: str, decider: LiveDecider) -> None:
    rows = run(url, dict.fromkeys("abcdefghij", 200.0), experiment=ArmSettings(hold_out=0.3, explore=0.0))
    held = rows.index[rows["arm"] == "hold_out"]
    assert len(held) == 3
    for customer in held:
        found = decider.decide(customer, never, news=True)
        assert (found.row["arm"], found.row["offer"], found.made) == ("hold_out", "leave_alone", "run")


def test_left_alone_by_the_run_is_looked_at_again_only_with_news(url: str, decider: LiveDecider) -> None:
    run(url, {"a": 10.0})
    assert decider.decide("a", never, news=False).row["offer"] == "leave_alone"
    found = decider.decide("a", lambda: now(100.0), news=True)
    # call: 0.1 · 100 − 6 = 4; mail: 0.02 · 100 − 0.5 = 1.5
    assert (found.made, found.row["offer"], found.row["cost"]) == ("now", "call", 6.0)
    assert found.row["expected_gain"] == pytest.approx(4.0)
    assert (found.row["as_of"], found.row["due_date"]) == ("2026-01-06", "2026-01-13")
    assert logged(url, "live-r1")["decision_id"].tolist() == [found.row["decision_id"]]


def test_asking_again_gives_the_same_decision_and_logs_nothing(url: str, decider: LiveDecider) -> None:
    run(url, {"a": 10.0})
    first = decider.decide("new", lambda: now(100.0), news=False)
    again = decider.decide("new", never, news=True)
    assert first.row == again.row
    assert len(logged(url, "live-r1")) == 1


def test_without_a_run_nothing_is_decided(decider: LiveDecider) -> None:
    with pytest.raises(NotEnoughData, match="run `retain decide` first"):
        decider.decide("a", never, news=False)


def test_what_the_offer_uses_up_is_charged_at_the_price_of_the_run(url: str, decider: LiveDecider) -> None:
    # Money for one mail: a gains 3.5 by it, b 1.5, so a unit of money is worth 3 and a mail must gain more than 1.5.
    run(url, {"a": 200.0, "b": 100.0}, budget=0.5)
    store = TermsStore(url)
    terms = store.latest()
    assert terms is not None
    assert terms.used.money == 0.5
    dear = terms.model_copy(update={"budget": 10.0})
    price = next(p.price for p in terms.prices if p.kind == "budget")
    assert price > 0
    store.save(dear)
    store.close()
    limit = 0.5 * (1 + price) / 0.02  # where the gain of a mail equals its price
    assert decider.decide("poor", lambda: now(limit * 0.9), news=True).row["offer"] == "leave_alone"
    assert decider.decide("rich", lambda: now(limit * 1.1), news=True).row["offer"] == "mail"


def test_an_offer_measured_to_do_harm_is_not_made(url: str, decider: LiveDecider) -> None:
    harm = pd.DataFrame({"offer": ["call"], "effect": [-0.5], "error": [0.02], "run_id": ["r0"]})
    run(url, {"a": 10.0}, results=harm)
    assert decider.decide("b", lambda: now(500.0), news=True).row["offer"] == "mail"


def test_a_contact_just_made_is_waited_for(url: str, decider: LiveDecider) -> None:
    run(url, {"a": 10.0})
    found = decider.decide("b", lambda: now(500.0, last_campaign_days=3.0), news=True)
    assert found.row["offer"] == "leave_alone"


@pytest.mark.parametrize("limit", [{"budget": 40.0}, {"contacts": 5}, {"capacity": 3}])
def test_no_limit_is_broken_whoever_asks(url: str, limit: dict[str, Any]) -> None:
    lot = ArmSettings(hold_out=0.1, explore=0.2)
    rows = run(url, {f"c{i}": 150.0 for i in range(4)}, experiment=lot, **limit)
    asked = [f"n{i}" for i in range(40)]
    deciders = [LiveDecider(url) for _ in range(2)]
    with ThreadPoolExecutor(4) as pool:
        list(
            pool.map(
                lambda i: deciders[i % 2].decide(asked[i // 2], lambda: now(200.0), news=True), range(80)
            )
        )
    for each in deciders:
        each.close()
    live = logged(url, "live-r1")
    assert sorted(live["customer_id"]) == sorted(asked)
    given = pd.concat([rows.reset_index(), live])
    given = given[given["offer"] != "leave_alone"]
    assert given["cost"].sum() <= limit.get("budget", np.inf)
    assert len(given) <= limit.get("contacts", np.inf)
    assert (given["channel"] == "phone").sum() <= limit.get("capacity", np.inf)
    assert len(given) > 0


def test_arms_are_drawn_as_often_as_their_propensity_says(url: str, decider: LiveDecider) -> None:
    run(url, {"a": 10.0}, experiment=ArmSettings(hold_out=0.2, explore=0.1))
    rows = [decider.decide(f"n{i}", lambda: now(200.0), news=True).row for i in range(600)]
    held = sum(row["arm"] == "hold_out" for row in rows)
    # 0.2 of 600 is 120 with a standard deviation of 9.8; the lot is fixed by the seed.
    assert abs(held - 120) < 4 * 9.8
    called = [row["propensity"] for row in rows if row["offer"] == "call"]
    assert set(np.round(called, 12)) == {0.7}
    weights = sum(1 / p for p in called)
    assert weights == pytest.approx(600, rel=0.1)


def test_terms_come_back_as_they_were_saved(url: str) -> None:
    run(url, {"a": 200.0, "b": 100.0}, budget=7.0, capacity=2, contacts=9)
    store = TermsStore(url)
    terms = store.latest()
    store.close()
    assert terms is not None
    assert Terms.model_validate_json(terms.model_dump_json()) == terms
    assert [offer.code for offer in terms.offers] == ["call", "mail"]
    assert (terms.budget, terms.contacts, terms.catalogue.channel_capacities) == (7.0, 9, {"phone": 2})
    assert terms.used.channels == {"email": 1, "phone": 1}
