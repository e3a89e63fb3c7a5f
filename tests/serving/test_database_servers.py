"""PostgreSQL as it really behaves: locks, restarts, refusals, and errors that tell no customer's value."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pandas as pd
import pytest
import sqlalchemy as sa

from features.errors import ConfigError, InputError, LockedError, PublishError, RetainError
from serving import database
from serving.decision_log import DecisionLog
from serving.event_log import EventLog
from serving.keys import KeyStore, KeyWatch
from serving.lookup import Lookup
from serving.store import Store
from serving.trail import Entry, Trail, TrailWriter
from tests.serving.logged import decisions
from tests.serving.saved_runs import run_info, scores, sql
from tests.serving.sent_events import NOW, event

ASKED = Entry(datetime(2026, 1, 5, tzinfo=UTC), "key-1", "/v1/score", "v1", "ab" * 32, 1, 200)


@pytest.fixture
def runs(postgres_url: str) -> Iterator[Store]:
    opened = Store(postgres_url)
    yield opened
    opened.close()


def cut(url: str) -> None:
    """End the connections of this test from the server's side, as a restart of the server does."""
    named = sa.make_url(url).query["application_name"]
    engine = sa.create_engine(sa.make_url(url).difference_update_query(["application_name"]))
    with engine.connect() as connection:
        query = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = :named"
        assert connection.execute(sa.text(query), {"named": named}).all()
    engine.dispose()


def test_what_was_committed_is_there_for_another_connection(runs: Store, postgres_url: str) -> None:
    runs.save_run(run_info(), scores())
    assert sql(postgres_url, "SELECT count(*) FROM scores") == [(2,)]
    again = Store(postgres_url)
    assert again.get(["007"]) == runs.get(["007"])
    again.close()


def test_groups_of_tables_are_locked_each_for_itself(runs: Store, postgres_url: str) -> None:
    log, trail = DecisionLog(postgres_url), Trail(postgres_url)
    with runs._tables.writing():
        log.save(decisions())
        trail.append([ASKED])
    assert (len(log.decisions()), trail.verify().entries) == (4, 1)
    log.close()
    trail.close()


def test_a_writer_that_waits_for_another_gives_up_in_words(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "WAIT_SECONDS", 0)
    first, second = Trail(postgres_url), Trail(postgres_url)
    writer = TrailWriter(second)
    writer.note(ASKED)
    with first._tables.writing():
        with pytest.raises(LockedError, match="another process is writing"):
            second.append([ASKED])
        assert not writer.flush()
        assert second.verify().entries == 0  # readers do not wait
    assert writer.flush()
    assert first.verify().entries == 1
    first.close()
    second.close()


def test_connections_that_the_server_cut_are_made_again(runs: Store, postgres_url: str) -> None:
    runs.save_run(run_info(), scores())
    cut(postgres_url)
    assert len(runs.get(["007", "7"])) == 2
    cut(postgres_url)
    runs.save_run(run_info("run-2"), scores())
    assert runs.latest_run().run_id == "run-2"


def test_a_run_that_is_cut_off_half_way_leaves_the_old_one(runs: Store, postgres_url: str) -> None:
    runs.save_run(run_info("old"), scores())

    def cut_off() -> None:
        with runs._tables.writing() as connection:
            connection.execute(sa.text("DELETE FROM scores"))
            cut(postgres_url)
            connection.execute(sa.text("DELETE FROM runs"))

    with pytest.raises(PublishError, match="could not be written") as caught:
        cut_off()
    assert "007" not in str(caught.value)
    assert runs.latest_run().run_id == "old"
    assert len(runs.get(["007", "7"])) == 2


def test_the_server_s_words_about_a_row_are_not_handed_on(runs: Store, postgres_url: str) -> None:
    runs.save_run(run_info(), scores().assign(customer_id=["canary-1", "canary-2"]))
    doubled = sa.text("INSERT INTO scores SELECT * FROM scores")
    with (
        pytest.raises(PublishError, match="duplicate key value") as caught,
        runs._tables.writing() as connection,
    ):
        connection.execute(doubled)
    assert "canary" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_an_id_that_postgresql_cannot_hold_is_refused_and_nothing_is_saved(runs: Store) -> None:
    with pytest.raises(RetainError) as caught:
        runs.save_run(run_info(), pd.DataFrame({"customer_id": ["canary\0", "7"], "clv": [1.0, 2.0]}))
    assert "canary" not in str(caught.value)
    assert runs.latest_run() is None


@pytest.mark.parametrize(
    "text", ["客户1", "👩‍👩‍👧", "\u202eabc", "e\u0301", "\u00e9", "a'; DROP TABLE scores --", "%s %(x)s :y"]
)
def test_ids_of_every_script_come_back_byte_for_byte(runs: Store, text: str) -> None:
    runs.save_run(run_info(), pd.DataFrame({"customer_id": [text, "7"], "clv": [1.0, 2.0]}))
    assert list(runs.get([text])) == [text]


def test_a_run_of_many_customers_is_saved_and_streamed(runs: Store) -> None:
    ids = [f"c{n}" for n in range(12_000)]
    runs.save_run(run_info(rows=len(ids)), pd.DataFrame({"customer_id": ids, "clv": range(len(ids))}))
    found = runs.get(ids[::7])
    assert [row["clv"] for row in found.values()] == list(range(0, 12_000, 7))


def test_every_group_may_be_made_by_many_at_once(postgres_url: str) -> None:
    failed: list[Exception] = []

    def opener(kind: type[Store | DecisionLog | KeyStore | Trail]) -> None:
        try:
            kind(postgres_url).close()
        except RetainError as error:
            failed.append(error)

    kinds = (Store, DecisionLog, KeyStore, Trail) * 3
    threads = [threading.Thread(target=opener, args=(kind,)) for kind in kinds]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []


def test_keys_outlive_a_restart_of_the_server(postgres_url: str) -> None:
    keys = KeyStore(postgres_url)
    text, key = keys.add(["score"])
    watch = KeyWatch(keys)
    cut(postgres_url)
    watch.refresh()
    assert (watch.problem, watch.keys.find(text.encode(), datetime.now(UTC))) == ("", key)
    keys.close()


def test_lookups_and_events_outlive_a_restart_of_the_server(runs: Store, postgres_url: str) -> None:
    runs.save_run(run_info(), scores())
    lookup, log = Lookup(postgres_url), EventLog(postgres_url, "UTC")
    before = lookup.get("007")
    cut(postgres_url)
    assert lookup.get("007") == before
    cut(postgres_url)
    assert log.add([event("e1")], NOW) == log.add([event("e2")], NOW) == ["added"]
    assert log.add([event("e1")], NOW) == ["known"]
    lookup.close()
    log.close()


def test_a_wrong_password_and_a_missing_database_are_told_without_the_password(postgres_url: str) -> None:
    right = sa.make_url(postgres_url)
    for wrong in (right.set(password="hunter2"), right.set(database="no_such_database")):
        with pytest.raises(RetainError) as caught:
            Store(wrong.render_as_string(hide_password=False))
        assert isinstance(caught.value, (ConfigError, InputError))
        assert "hunter2" not in str(caught.value)
        assert str(right.password) not in str(caught.value)


def test_a_server_that_takes_the_connection_and_says_nothing_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(database._PATIENCE, "connect_timeout", "2")  # the least that the driver takes
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        start = time.monotonic()
        with pytest.raises(RetainError, match="cannot be reached"):
            Store(f"postgresql+psycopg://x:y@127.0.0.1:{silent.getsockname()[1]}/z")
    assert time.monotonic() - start < 10


def test_no_server_at_all_is_told() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(
        RetainError, match=r"server cannot be reached .*Look at the server and at the address"
    ):
        Store(f"postgresql+psycopg://x:y@127.0.0.1:{port}/z")
