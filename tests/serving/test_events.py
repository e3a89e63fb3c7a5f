"""Events are read strictly, by kind, and equal content is equal in whatever spelling."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from serving.events import EVENT, TABLE_OF, EventsRequest, content_sha256, event_json, event_time
from serving.table_rows import ROWS
from tests.serving.sent_events import event, outcome

ROW = {
    "order": {"time": "2026-01-05", "amount": -9.5},
    "contract": {"start": "2026-01-05", "monthly_charge": 10},
    "interaction": {"time": "2026-01-05T10:00:00Z", "kind": "complaint"},
    "survey": {"time": "2026-01-05T10:00:00.5", "score": 8},
    "campaign": {"time": "2026-01-05", "offer": "call", "cost": 2.0},
    "referral": {"time": "2026-01-05", "referred_id": "8"},
    "consent": {"time": "2026-01-05", "opted_out": True},
}


def test_every_table_a_request_may_bring_has_a_kind():
    assert sorted(TABLE_OF.values()) == sorted(ROWS)


@pytest.mark.parametrize("kind", ROW)
def test_events_of_all_kinds_come_back_from_their_text(kind):
    sent = event("e1", kind, **ROW[kind])
    assert EVENT.validate_json(event_json(sent)) == sent
    assert event_time(sent, ZoneInfo("UTC")).date().isoformat() == "2026-01-05"


def test_a_result_of_a_decision_names_no_customer():
    sent = outcome("e1", "d1", accepted=False, refusal_reason="太贵", cost=0.0)
    assert EVENT.validate_json(event_json(sent)) == sent
    assert event_time(sent, ZoneInfo("UTC")) is None


BAD = {
    "unknown kind": {"kind": "visit"},
    "no kind": {"kind": None},
    "no id": {"event_id": ""},
    "long id": {"event_id": "x" * 257},
    "customer as number": {"customer_id": 7},
    "extra field": {"source": "shop"},
    "extra column": {"data": {"time": "2026-01-05", "amount": 1.0, "mail": "a@b"}},
    "no amount": {"data": {"time": "2026-01-05"}},
    "amount as text": {"data": {"time": "2026-01-05", "amount": "1"}},
    "infinite": {"data": {"time": "2026-01-05", "amount": float("inf")}},
    "no calendar day": {"data": {"time": "2026-02-30", "amount": 1.0}},
    "row of another kind": {"kind": "survey"},
}


@pytest.mark.parametrize("name", BAD)
def test_what_does_not_fit_is_refused(name):
    good = {
        "event_id": "e",
        "kind": "order",
        "customer_id": "7",
        "data": {"time": "2026-01-05", "amount": 1.0},
    }
    EventsRequest.model_validate({"events": [good]})
    with pytest.raises(ValidationError):
        EventsRequest.model_validate({"events": [{**good, **BAD[name]}]})


def test_a_cost_below_nothing_is_refused():
    with pytest.raises(ValidationError, match="greater than or equal to 0"):
        outcome("e1", "d1", cost=-1.0)


def test_the_time_of_a_contract_is_when_it_changed():
    zone = ZoneInfo("Asia/Shanghai")
    start, known, end = "2026-01-01", "2026-01-02", "2026-02-01T20:00:00Z"
    assert event_time(event("e", "contract", start=start), zone) == datetime(2026, 1, 1)
    assert event_time(event("e", "contract", start=start, known_at=known), zone) == datetime(2026, 1, 2)
    ended = event("e", "contract", start=start, known_at=known, cancelled_at=end)
    assert event_time(ended, zone) == datetime(2026, 2, 2, 4)


def test_equal_content_in_another_spelling_is_equal():
    sent = event("e", time="2026-03-05T10:00:00+01:00", amount=1, product=None)
    assert content_sha256(sent) == content_sha256(event("e", time="2026-03-05T09:00:00Z", amount=1.0))
    # a time without zone is another statement than the same digits in UTC
    assert content_sha256(sent) != content_sha256(event("e", time="2026-03-05T09:00:00", amount=1.0))


@given(st.floats(-1e10, 1e10), st.floats(-1e10, 1e10), st.text(max_size=5), st.text(max_size=5))
def test_other_content_has_another_hash(one, two, first, second):
    same = repr(one) == repr(two) and first == second
    equal = content_sha256(event("e", amount=one, category=first)) == content_sha256(
        event("e", amount=two, category=second)
    )
    assert equal == same
