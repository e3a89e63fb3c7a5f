"""Deciding for one customer: who may be decided about, what is asked of the decider, how it is told."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest

from features.errors import LockedError, NotEnoughData
from serving.asked import Asked
from serving.deciding import Deciding
from serving.event_log import Counted
from serving.events import EVENT
from serving.keys import Key
from serving.live import Live, LiveSettings
from serving.live_decision import LiveDecision
from serving.refusal import Refusal
from tests.serving.endpoint_fakes import FakeKnown, FakeLookup, FakeModels

HIGH = Asked(Key("k", frozenset({"decide"}), {"risk": ("high",)}))
ROW = {
    "decision_id": "d1",
    "as_of": "2026-03-01",
    "policy_version": "p1",
    "strategy": "rescue",
    "offer": "call",
    "channel": "phone",
    "cost": 4.0,
    "arm": "treat",
    "propensity": 0.9,
    "value_class": "gold",
}
TEXTS = {"text_en": "a call", "text_zh": "电话", "script_en": "hello", "script_zh": "您好"}


class Decider:
    """Notes what it is asked; decides anew on news."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error, self.seen = error, dict[str, Any]()

    def decide(
        self, customer_id: str, current: Callable[[], Mapping[str, Any]], *, news: bool
    ) -> LiveDecision:
        if self.error is not None:
            raise self.error
        self.seen = dict(current()) if news else {}
        return LiveDecision(
            {**ROW, "customer_id": customer_id}, "now" if news else "run", TEXTS, touches_price=False
        )


def deciding(lookup: FakeLookup, decider: Decider, told: Mapping[str, Counted] | None = None) -> Deciding:
    settings = LiveSettings(models=Path("m"), store_url="sqlite://")
    past = {"orders": [{"time": datetime(2026, 1, 5), "amount": 2.0}]}
    known = FakeKnown({"h": past, "l": past}, told)
    return Deciding(Live(settings, FakeModels(), lookup, past=known), lookup, decider)


def test_the_decision_of_the_run_is_told_with_the_lists_model() -> None:
    asked = Asked()
    answer = json.loads(deciding(FakeLookup({"h": {"risk": "high"}}), Decider()).answer("h", asked))
    assert answer["customer_id"] == "h"
    assert (answer["made"], answer["offer"], answer["arm"], answer["propensity"]) == (
        "run",
        "call",
        "treat",
        0.9,
    )
    assert (answer["model_version"], answer["as_of"], answer["text_zh"]) == ("list-1", "2026-03-01", "电话")
    assert "value_class" not in answer
    assert asked.customers == 1


def test_after_news_the_customer_is_scored_as_of_now() -> None:
    line = {
        "event_id": "e",
        "kind": "order",
        "customer_id": "h",
        "data": {"time": "2026-03-02", "amount": 5.0},
    }
    told = {"h": Counted((EVENT.validate_python(line),), date(2026, 3, 2))}
    decider = Decider()
    lookup = FakeLookup({"h": {"risk": "high"}}, events={"h": 1})
    answer = json.loads(deciding(lookup, decider, told).answer("h", HIGH))
    assert (answer["made"], answer["model_version"]) == ("now", "model-1")
    assert (decider.seen["spend_total"], decider.seen["last_campaign_days"]) == (7.0, None)


def test_unknown_unwilling_and_foreign_customers_are_404() -> None:
    lookup = FakeLookup({"h": {"risk": "high"}, "l": {"risk": "low"}, "o": {}}, opted_out=["o"])
    told = {}
    for name, asked in (("nobody", Asked()), ("l", HIGH), ("o", Asked())):
        with pytest.raises(Refusal) as caught:
            deciding(lookup, Decider()).answer(name, asked)
        told[name] = (caught.value.status, caught.value.message)
    assert told["nobody"] == told["l"] == (404, "not in the latest list")
    assert told["o"] == (404, "wants no contact")


@pytest.mark.parametrize(
    ("error", "status"), [(NotEnoughData("run `retain decide` first"), 409), (LockedError("locked"), 503)]
)
def test_what_is_missing_or_locked_is_said(error: Exception, status: int) -> None:
    with pytest.raises(Refusal, match=str(error)) as caught:
        deciding(FakeLookup({"h": {}}), Decider(error)).answer("h", Asked())
    assert caught.value.status == status
    with pytest.raises(Refusal, match="retain score"):
        deciding(FakeLookup(None), Decider()).answer("h", Asked())
