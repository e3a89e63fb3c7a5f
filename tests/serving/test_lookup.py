"""One statement tells what is stored of a customer, of one instant, whoever writes meanwhile."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import date
from pathlib import Path

import pandas as pd
import pytest
import sqlalchemy as sa

from features.errors import InputError
from serving.event_log import EventLog
from serving.lookup import Lookup, Stored, without_reasons
from serving.store import Store
from tests.serving.saved_runs import run_info, scores
from tests.serving.sent_events import NOW, event

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def lookup(url):
    opened = Lookup(url)
    yield opened
    opened.close()


@pytest.fixture
def log(url):
    opened = EventLog(url, "UTC")
    yield opened
    opened.close()


def test_nothing_is_known_before_the_first_run(lookup, log):
    log.add([event("e1")], NOW)
    assert lookup.get("007") is None
    assert lookup.latest() is None


def test_the_row_of_the_latest_run_comes_as_it_was_saved(store, lookup):
    store.save_run(run_info("run-1"), scores(1.0))
    store.save_run(run_info("run-2", model_version="v2", as_of=date(2011, 6, 13)), scores(2.0))
    row = '{"customer_id":"7","clv":2.0}'
    assert lookup.get("7") == Stored("run-2", "2011-06-13", "v2", row, 0, False)
    assert lookup.get("8") == Stored("run-2", "2011-06-13", "v2", None, 0, False)
    assert lookup.latest().run_id == "run-2"


def test_events_of_this_customer_that_the_list_cannot_know_are_counted(store, lookup, log):
    log.add([event("e1", time="2011-06-11"), event("e2", time="2011-06-12")], NOW)
    store.save_run(run_info(events_seen=log.position()), scores())
    told = [
        event("e3", time="2011-06-01"),
        event("e4", "order", "7"),
        event("e5", "survey", time="2011-06-12", score=8),
    ]
    log.add(told, NOW)
    assert [lookup.get(customer).events for customer in ("007", "7", "8")] == [3, 1, 0]
    assert lookup.get("007").events == len(log.counted(["007"])["007"].events)


def test_many_are_told_as_each_would_be_and_an_id_given_twice_once(store, lookup, log):
    names = ["7", "007", "8", "9", 'a"b', "客户", "', 'x", "\\", "7"]
    assert (lookup.get_many(names), lookup.get_many([])) == (None, {})
    store.save_run(run_info(), scores(), left_out={"9"})
    told = [event("e1", time="2011-06-12"), event("e2", "order", "8"), event("e3", "order", "客户")]
    told.append(event("e4", "consent", "7", time="2026-03-02", opted_out=True))
    log.add(told, NOW)
    found = lookup.get_many(iter(names))
    assert found == {name: lookup.get(name) for name in names}
    assert [found[name].events for name in ("007", "8", "客户", "7")] == [1, 1, 1, 0]
    assert [found[name].opted_out for name in ("007", "9", "7")] == [False, True, True]
    assert found["007"].row
    assert found['a"b'].row is None


def test_a_batch_is_one_statement_however_many_are_asked_for(postgres_url):
    opened = Lookup(postgres_url)
    with closing(Store(postgres_url)) as store:
        store.save_run(run_info(), scores())
    asked = []
    sa.event.listen(opened._engine, "before_cursor_execute", lambda *given: asked.append(given[2]))
    assert len(opened.get_many(map(str, range(1000)))) == 1000
    assert len([text for text in asked if "scores" in text]) == len(asked) == 1
    opened.close()


def test_the_latest_wish_is_told_also_of_customers_who_are_not_listed(store, lookup, log):
    store.save_run(run_info(), scores())
    for number, (customer, time, refused) in enumerate(
        [
            ("007", "2026-03-02", True),
            ("007", "2026-03-01", False),
            ("8", "2026-03-01", True),
            ("8", "2026-03-02", False),
        ]
    ):
        log.add([event(f"e{number}", "consent", customer, time=time, opted_out=refused)], NOW)
    assert [lookup.get(customer).opted_out for customer in ("007", "7", "8")] == [True, False, False]
    assert lookup.get("007").events == 0


def test_whom_the_run_left_out_passes_for_nobody_new(store, lookup, log):
    store.save_run(run_info(), scores(), left_out={"8", "9"})
    log.add([event("e1", "order", "8"), event("e2", "consent", "8", time="2026-03-01", opted_out=False)], NOW)
    assert lookup.get("8")[3:] == (
        None,
        1,
        True,
    )  # an opt-out in the customers table stands until it goes there
    assert lookup.get("7").opted_out is False
    store.save_run(run_info(), scores(), left_out={"9"})
    assert lookup.get("8")[3:] == (None, 1, False)


def test_what_another_process_wrote_is_seen_at_once(url, lookup):
    code = """
import sys
from serving.event_log import EventLog
from serving.store import Store
from tests.serving.saved_runs import run_info, scores
from tests.serving.sent_events import NOW, event
store, log = Store(sys.argv[1]), EventLog(sys.argv[1], "UTC")
store.save_run(run_info(), scores())
print("run", flush=True)
sys.stdin.readline()
log.add([event("e1")], NOW)
print("event", flush=True)
"""
    assert lookup.get("007") is None
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", code, url], env=env, **pipes) as child:
        assert child.stdout.readline() == "run\n"
        assert lookup.get("007").events == 0
        child.stdin.write("\n")
        child.stdin.flush()
        assert child.stdout.readline() == "event\n"
        assert lookup.get("007").events == 1


def test_row_run_and_events_are_of_one_instant(url, store, lookup):
    """Runs that say in each row which run they are, and how many events came before them."""
    log, stop = EventLog(url, "UTC"), threading.Event()

    def save(number: int) -> None:
        log.add([event(f"e{number}", time="2011-01-01")], NOW)
        run = run_info(f"run-{number}", events_seen=log.position() - 1)
        store.save_run(run, pd.DataFrame({"customer_id": ["007", "7"], "run": f"run-{number}"}))

    def saver() -> None:
        for number in range(1, 400):
            save(number)
            if stop.is_set():
                return

    save(0)
    thread, seen = threading.Thread(target=saver), set()
    thread.start()
    while len(seen) < 8 and thread.is_alive():
        found = lookup.get("007")
        assert json.loads(found.row)["run"] == found.run_id
        assert found.events in (1, 2)  # the event before the run, and the one before the next
        seen.add(found.run_id)
    stop.set()
    thread.join()
    log.close()
    assert len(seen) >= 8


def test_many_threads_may_ask_at_once(store, lookup):
    ids = [f"{i:03d}" for i in range(100)]
    store.save_run(run_info(rows=100), pd.DataFrame({"customer_id": ids, "clv": range(100)}))
    with ThreadPoolExecutor(24) as threads:  # more than a pool of connections usually holds
        found = list(threads.map(lookup.get, ids * 20))
    assert [json.loads(stored.row)["customer_id"] for stored in found] == ids * 20


def test_a_row_without_reasons_is_cut():
    row = '{"customer_id":"7","moved":"then ,\\"reasons\\": x","reasons":"late","reasons_zh":"久"}'
    assert json.loads(without_reasons(row)) == {"customer_id": "7", "moved": 'then ,"reasons": x'}
    assert without_reasons('{"customer_id":"7"}') == '{"customer_id":"7"}'


def test_a_damaged_database_is_told_without_a_customer(tmp_path):
    path = tmp_path / "retain.db"
    lookup, store = Lookup(f"sqlite:///{path}"), Store(f"sqlite:///{path}")
    store.save_run(run_info(), scores())
    with store._tables.writing() as connection:
        connection.exec_driver_sql("DROP TABLE scores")
    with pytest.raises(InputError, match=r"could not be read \(no such table: scores\)") as caught:
        lookup.get("canary")
    assert "canary" not in str(caught.value)
    store.close()
    lookup.close()
