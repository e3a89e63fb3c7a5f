"""Events are kept once and for good; which of them the latest list cannot know is told exactly."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import date, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from features.errors import PublishError
from serving.decision_log import DecisionLog
from serving.event_log import EventLog
from serving.store import RunInfo, Store
from tests.serving.sent_events import NOW, event, outcome

HELPER = Path(__file__).with_name("killed_poster.py")
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def log(url):
    opened = EventLog(url, "Asia/Shanghai")
    yield opened
    opened.close()


def scored(url: str, day: date, events_seen: int, created: datetime = NOW) -> None:
    store = Store(url)
    run = RunInfo(f"{day}", day, "v1", "c", 0, created, events_seen=events_seen)
    store.save_run(run, pd.DataFrame({"customer_id": pd.Series([], dtype="str")}))
    store.close()


def names(log: EventLog, customer: str = "007") -> list[str]:
    found = log.counted([customer])
    return [kept.event_id for kept in found[customer].events] if found else []


def test_the_same_event_is_kept_once(log):
    first, second = event("e1"), event("e2")
    assert log.add([first, second], NOW) == ["added", "added"]
    assert log.add([second, event("e3"), first], NOW + timedelta(days=9)) == ["known", "added", "known"]
    assert names(log) == ["e1", "e2", "e3"]
    assert log.add([], NOW) == []


def test_the_same_name_with_other_content_is_a_conflict_and_the_first_stays(log):
    assert log.add([event("e1"), event("e1", amount=1.0)], NOW) == ["added", "conflict"]
    assert log.add([event("e1", "order", "8"), event("e1")], NOW) == ["conflict", "known"]
    assert log.counted(["007"])["007"].events == (event("e1"),)
    assert log.counted(["8"]) == {}


def test_times_more_than_a_day_ahead_are_not_kept(log):
    # it is 20:00 in Shanghai
    sent = [event("e1", time="2026-03-06T20:00:00"), event("e2", time="2026-03-06T20:00:00.000001")]
    zoned = [event("e3", time="2026-03-06T12:00:00Z"), event("e4", time="2026-03-06T12:01:00Z")]
    assert log.add([*sent, *zoned], NOW) == ["added", "in_future", "added", "in_future"]
    assert log.add([event("e2", time="2026-03-06T20:00:00.000001")], NOW + timedelta(days=1)) == ["added"]


def test_a_contract_agreed_on_ahead_counts_from_the_day_it_was_told(log):
    assert log.add([event("e1", "contract", start="2026-07-01")], NOW) == ["added"]
    assert log.counted(["007"])["007"].day == date(2026, 3, 5)


def test_without_a_list_everything_counts(log):
    log.add([event("e1", time="1999-01-01"), event("e2", "survey", score=8, time="2026-03-01")], NOW)
    assert names(log) == ["e1", "e2"]
    assert log.counted(["007"])["007"].day == date(2026, 3, 1)


def test_events_count_from_the_day_of_the_list_in_the_business_zone(log, url):
    # the list's day starts at 16:00 UTC of the day before
    before, after = event("e1", time="2026-03-03T15:59:59Z"), event("e2", time="2026-03-03T16:00:00Z")
    log.add([before, after], NOW)
    scored(url, date(2026, 3, 4), log.position())
    assert names(log) == ["e2"]
    assert log.counted(["007", "8"])["007"].day == date(2026, 3, 4)


def test_events_that_came_after_the_data_was_read_count_whatever_their_time(log, url):
    log.add([event("e1", time="2026-02-01")], NOW)
    seen = log.position()
    log.add([event("e2", time="2025-01-20")], NOW - timedelta(days=400))  # the clock jumped back
    scored(url, date(2026, 3, 4), seen, NOW + timedelta(days=400))
    assert names(log) == ["e2"]
    scored(url, date(2026, 3, 5), log.position())
    assert names(log) == []


def test_wishes_and_results_are_no_rows(log, url):
    log.add([event("e1", "consent", time="2026-03-05", opted_out=True)], NOW)
    assert log.counted(["007"]) == {}


def test_the_latest_wish_counts_by_its_time(log):
    def wish(name: str, customer: str, time: str, opted_out: bool):
        return event(name, "consent", customer, time=time, opted_out=opted_out)

    log.add([wish("a1", "a", "2026-03-02", True), wish("a2", "a", "2026-03-01", False)], NOW)
    log.add([wish("b1", "b", "2026-03-01", True), wish("b2", "b", "2026-03-02", False)], NOW)
    log.add([wish("c1", "c", "2026-03-01", False), wish("c2", "c", "2026-03-01", True)], NOW)
    assert log.opted_out() == {"a", "c"}


def logged(url: str, *ids: str) -> DecisionLog:
    decisions = DecisionLog(url)
    frame = pd.DataFrame({"decision_id": ids, "run_id": "r1", "customer_id": "007", "offer": "call"})
    frame = frame.assign(as_of=date(2026, 1, 5), arm="treat", propensity=0.9, cost=2.0, channel="phone")
    decisions.save(frame.assign(policy_version="c0ffee", strategy="rescue"))
    return decisions


def test_results_reach_the_decision_log_in_their_order(log, url):
    decisions = logged(url, "d1", "d2")
    sent = [
        outcome("e1", "d1", reached=True, time="2026-03-01T20:00:00Z"),
        outcome("e2", "nobody", reached=True),
        outcome("e3", "d2", accepted=True, cost=1.5),
        outcome("e4", "d1", accepted=False, refusal_reason="price"),
    ]
    assert log.add(sent, NOW) == ["added", "unknown_decision", "added", "added"]
    assert log.add(sent, NOW) == ["known", "unknown_decision", "known", "known"]
    found = decisions.results().set_index("decision_id")
    assert found["version"].to_dict() == {"d1": 2, "d2": 1}
    assert found.loc["d1", "refusal_reason"] == "price"
    assert found.loc["d2", "cost"] == 1.5
    decisions.close()


def test_a_result_can_be_sent_again_once_its_decision_is_logged(log, url):
    sent = outcome("e1", "d1", accepted=True)
    assert log.add([sent], NOW) == ["unknown_decision"]
    decisions = logged(url, "d1")
    assert log.add([sent], NOW) == ["added"]
    assert decisions.results()["accepted"].tolist() == [True]
    decisions.close()


def test_a_refused_result_changes_no_report(log, url):
    decisions = logged(url, "d1")
    log.add([outcome("e1", "d1", accepted=True)], NOW)
    assert log.add([outcome("e1", "d1", accepted=False)], NOW) == ["conflict"]
    assert decisions.results()["version"].tolist() == [1]
    decisions.close()


def test_nothing_is_kept_of_a_request_that_fails_and_no_customer_is_named(url, log, monkeypatch):
    def broken(*_: object) -> None:
        raise PublishError("state database: could not be written (disk is full)")

    decisions = logged(url, "d1")
    monkeypatch.setattr(log._decisions, "add_results", broken)
    with pytest.raises(PublishError) as caught:
        log.add([event("e1", "order", "canary"), outcome("e2", "d1", accepted=True)], NOW)
    assert "canary" not in str(caught.value)
    assert log.position() == 0
    decisions.close()


def test_another_program_s_content_is_in_the_log_as_it_was_sent(log):
    sent = event("e1", category="中文 \"'\\ \n", amount=0.1 + 0.2, time="2026-03-05T09:00:00.000001+08:00")
    log.add([sent], NOW)
    assert log.counted(["007"])["007"].events == (sent,)


def test_acknowledged_events_survive_kills_and_two_senders_keep_each_once(url):
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(HELPER), url, "20", "20261122"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True, timeout=300)
    seen = json.loads(done.stdout)
    assert seen["told"] >= 40
    assert (seen["lost"], seen["twice"], seen["torn"]) == (0, 0, 0)
    assert (seen["again"], seen["after"]) == (["known"], 0)
    # two processes sent the same events at the same time
    assert [sorted(pair) for pair in seen["both"]] == [["added", "known"]] * 40
