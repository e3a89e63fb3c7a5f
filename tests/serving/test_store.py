"""The state database keeps runs whole, floats to the bit, and customers' data to itself."""

from __future__ import annotations

import json
import math
import os
import sqlite3
import stat
import struct
import subprocess
import sys
import threading
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.dialects import postgresql

from features.errors import ConfigError, InputError, LockedError, PublishError, RetainError
from serving import database
from serving import store as module
from serving.explain import group_contributions
from serving.explained import Explained
from serving.store import RunInfo, Store

HELPER = Path(__file__).with_name("killed_saver.py")
ROOT = Path(__file__).resolve().parents[2]


def run_info(name: str = "run-1", rows: int = 2, **changes: object) -> RunInfo:
    created = datetime(2011, 6, 12, 3, 0, tzinfo=UTC)
    facts = {
        "as_of": date(2011, 6, 12),
        "model_version": "v1",
        "config_hash": "c0ffee",
        "created_at": created,
    }
    return RunInfo(run_id=name, rows=rows, list_sha256="ab" * 32, **{**facts, **changes})


def scores(mark: float = 0.5) -> pd.DataFrame:
    return pd.DataFrame({"customer_id": ["007", "7"], "clv": [0.1 + 0.2, mark]})


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'state' / 'retain.db'}"


@pytest.fixture
def store(url):
    opened = Store(url)
    yield opened
    opened.close()


def test_empty_store_knows_nothing(store):
    assert store.latest_run() is None
    assert store.get(["007"]) == {}


def test_rows_come_back_as_the_list_has_them(store):
    frame = pd.DataFrame(
        {
            "customer_id": ["007", "7", "中文"],
            "clv": [0.1 + 0.2, np.nan, -0.0],
            "orders": pd.array([1, None, 3], dtype="Int64"),
            "as_of": [date(2011, 6, 12)] * 3,
            "next": pd.to_datetime(["2011-07-01 10:00", None, "2011-07-02 10:00"]),
            "status": pd.Categorical(["active", "lost", None]),
            "flag": [True, False, True],
            "reasons": [["久未下单"], [], ["late", "fewer"]],
        }
    )
    store.save_run(run_info(rows=3), frame)
    found = store.get(["7", "007", "8", "中文", "7"])
    assert list(found) == ["7", "007", "中文"]
    assert list(found["7"].values()) == ["7", None, None, "2011-06-12", None, "lost", False, []]
    assert found["007"] == {
        "customer_id": "007",
        "clv": 0.30000000000000004,
        "orders": 1,
        "as_of": "2011-06-12",
        "next": "2011-07-01T10:00:00",
        "status": "active",
        "flag": True,
        "reasons": ["久未下单"],
    }
    assert math.copysign(1, found["中文"]["clv"]) == -1


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=20))
@settings(max_examples=50, deadline=None, derandomize=True)
def test_floats_keep_every_bit(values):
    store = Store("sqlite://")
    ids = [str(i) for i in range(len(values))]
    store.save_run(run_info(rows=len(ids)), pd.DataFrame({"customer_id": ids, "clv": values}))
    found = store.get(ids)
    store.close()
    assert [struct.pack("<d", found[i]["clv"]) for i in ids] == [struct.pack("<d", v) for v in values]


def test_run_record_comes_back_in_utc(store):
    local = datetime(2011, 6, 12, 11, 0, 0, 123456, tzinfo=timezone(timedelta(hours=8)))
    run = run_info(created_at=local)
    store.save_run(run, scores())
    assert store.latest_run() == run
    assert store.latest_run().created_at.utcoffset() == timedelta(0)


def test_new_run_replaces_scores_and_keeps_records(store, url):
    store.save_run(run_info("run-1", created_at=datetime(2030, 1, 1, tzinfo=UTC)), scores(1.0))
    # the clock went back, yet the later saved run is the latest
    store.save_run(run_info("run-2", rows=1), pd.DataFrame({"customer_id": ["9"], "clv": [2.0]}))
    assert store.latest_run().run_id == "run-2"
    assert store.get(["007", "7", "9"]) == {"9": {"customer_id": "9", "clv": 2.0}}
    with sqlite3.connect(url.removeprefix("sqlite:///")) as database:
        assert database.execute("SELECT run_id FROM runs ORDER BY position").fetchall() == [
            ("run-1",),
            ("run-2",),
        ]
        assert database.execute("SELECT count(*) FROM scores").fetchall() == [(1,)]
    database.close()


def test_saving_a_run_again_replaces_it(store):
    store.save_run(run_info("run-1"), scores(1.0))
    store.save_run(run_info("run-2"), scores(2.0))
    store.save_run(run_info("run-1"), scores(3.0))
    assert store.latest_run().run_id == "run-1"
    assert store.get(["7"])["7"]["clv"] == 3.0


def test_no_customers_is_a_valid_run(store):
    store.save_run(run_info(rows=0), scores().head(0))
    assert store.latest_run().rows == 0
    assert store.get(["007"]) == {}


def test_more_ids_than_one_query_takes(store):
    ids = [f"{i}" for i in range(2 * module.IDS_PER_QUERY + 1)]
    store.save_run(run_info(rows=len(ids)), pd.DataFrame({"customer_id": ids, "clv": range(len(ids))}))
    assert [row["clv"] for row in store.get(ids[::-1]).values()] == list(range(len(ids)))[::-1]


def test_files_and_folder_are_private(store, tmp_path):
    store.save_run(run_info(), scores())
    modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in (tmp_path / "state").iterdir()}
    assert modes.keys() == {"retain.db", "retain.db-wal", "retain.db-shm"}
    assert set(modes.values()) == {0o600}
    assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o700


def test_open_database_is_made_private(tmp_path):
    path = tmp_path / "retain.db"
    path.touch(mode=0o644)
    Store(f"sqlite:///{path}").close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


BAD = {
    "no ids": (scores().rename(columns={"customer_id": "id"}), "the column customer_id is missing"),
    "rows": (scores().head(1), "the run tells of 2 rows, the list has 1"),
    "doubled": (
        pd.DataFrame({"customer_id": ["7", "7"]}),
        "0 ids are missing or no text, 1 are there before",
    ),
    "missing": (pd.DataFrame({"customer_id": ["7", None]}), "1 ids are missing or no text"),
    "number": (pd.DataFrame({"customer_id": [7, 8]}), "2 ids are missing or no text"),
    "infinite": (pd.DataFrame({"customer_id": ["7", "8"], "clv": [1.0, math.inf]}), "a value is infinite"),
    "strange": (
        pd.DataFrame({"customer_id": ["7", "8"], "x": [object()] * 2}),
        "values of type object cannot",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_scores_are_named_and_leave_the_old_run(store, name):
    store.save_run(run_info("old"), scores())
    frame, words = BAD[name]
    with pytest.raises(InputError, match=words):
        store.save_run(run_info("new"), frame)
    assert store.latest_run().run_id == "old"
    assert len(store.get(["007", "7"])) == 2


def test_time_without_zone_is_refused(store):
    with pytest.raises(InputError, match="created_at has no zone"):
        store.save_run(run_info(created_at=datetime(2011, 6, 12)), scores())


def test_killed_while_saving(tmp_path):
    command = [sys.executable, str(HELPER), str(tmp_path / "retain.db"), "15", "20261122"]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True, timeout=300)
    seen = json.loads(done.stdout)
    assert len(seen) == 15
    for name, rows, marks, _ in seen:
        assert rows == 4000
        assert [name] == [f"run-{mark}" for mark in marks]
    assert sum(unfinished for *_, unfinished in seen) >= 3  # or the kills would have missed the saving


def test_reader_sees_one_run_while_another_is_saved(store, url, monkeypatch):
    monkeypatch.setattr(module, "IDS_PER_QUERY", 100)  # several queries in one look
    ids, stop = [f"{i}" for i in range(1000)], threading.Event()

    def save(mark: int) -> None:
        store.save_run(run_info(f"run-{mark}", len(ids)), pd.DataFrame({"customer_id": ids, "mark": mark}))

    def saver() -> None:
        for mark in range(1, 1000):
            save(mark)
            if stop.is_set():
                return

    save(0)
    thread, reader, seen = threading.Thread(target=saver), Store(url), set()
    thread.start()
    try:
        while len(seen) < 5 and thread.is_alive():
            marks = {row["mark"] for row in reader.get(ids).values()}
            assert len(marks) == 1
            seen |= marks
    finally:
        stop.set()
        thread.join()
        reader.close()
    assert len(seen) >= 5


def test_second_writer_is_told(store, url, monkeypatch):
    monkeypatch.setattr(database, "WAIT_SECONDS", 0)
    second = Store(url)
    with store._transaction(writing=True):
        assert second.latest_run() is None  # readers never wait
        with pytest.raises(LockedError, match="another process is writing"):
            second.save_run(run_info(), scores())
    second.save_run(run_info(), scores())
    second.close()


def test_full_disk_keeps_the_old_run_and_quotes_no_customer(store):
    store.save_run(run_info("old"), scores())
    with store._transaction() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 30")  # SQLite's own full disk
    many = pd.DataFrame({"customer_id": [f"canary-{i}" for i in range(500)], "note": "x" * 1000})
    with pytest.raises(PublishError, match=r"could not be written \(database or disk is full\)") as caught:
        store.save_run(run_info("new", 500), many)
    assert "canary" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert store.latest_run().run_id == "old"


def test_damaged_and_foreign_databases_are_refused(tmp_path, url):
    (tmp_path / "text.db").write_text("customer_id,clv\n" * 500)
    with pytest.raises(InputError, match=r"could not be read \(file is not a database\)"):
        Store(f"sqlite:///{tmp_path / 'text.db'}")
    Store(url).close()
    with sqlite3.connect(url.removeprefix("sqlite:///")) as database:
        database.execute("UPDATE retain_schema SET version = 3")
    database.close()
    with pytest.raises(ConfigError, match="its layout is version 3, this program reads 2"):
        Store(url)


@pytest.mark.parametrize("address", ["nonsense", "unknown://x/y", "sqlite:////sys/retain.db"])
def test_addresses_that_cannot_be_used(address):
    with pytest.raises(ConfigError, match="state database"):
        Store(address)


def test_password_never_shows():
    with pytest.raises(ConfigError) as caught:
        Store("nosuch://user:hunter2@host/db")
    assert "hunter2" not in str(caught.value)


def test_many_may_open_a_new_database_at_once(url):
    errors: list[Exception] = []

    def opener() -> None:
        try:
            Store(url).close()
        except RetainError as error:
            errors.append(error)

    threads = [threading.Thread(target=opener) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


def test_tables_are_plain_sql_for_postgresql():
    made = [
        str(sa.schema.CreateTable(t).compile(dialect=postgresql.dialect()))
        for t in module._metadata.sorted_tables
    ]
    assert any("position SERIAL NOT NULL" in text for text in made)
    assert any('"row" TEXT NOT NULL' in text or "row TEXT NOT NULL" in text for text in made)


def explained(mark: float, ids: tuple[str, ...] = ("007", "7")) -> Explained:
    index = pd.Index(ids, name="customer_id")
    parts = pd.DataFrame({"gap_sd": mark + 1 / 3, "base": -1 / 7}, index=index)
    quantities = pd.DataFrame({"days_since_last": 41.0, "gap_mean": np.nan, "T": 1 / 3}, index=index)
    return Explained(group_contributions(parts), quantities)


def save(store: Store, name: str, day: date, mark: float) -> None:
    store.save_run(run_info(name, as_of=day), scores(mark), explained(mark))


def test_explanations_keep_every_bit_of_the_contributions(store):
    save(store, "run-1", date(2011, 6, 12), 0.1)
    found = store.explained("run-1")
    pd.testing.assert_frame_equal(
        found.groups, explained(0.1).groups, check_exact=True, check_index_type=False
    )
    assert found.quantities["days_since_last"].tolist() == [41.0, 41.0]
    assert found.quantities["gap_mean"].isna().all()
    assert found.quantities["T"].tolist() == [0.3333333] * 2
    assert found.moved is None
    assert store.explained("run-1", ["7", "8"]).groups.index.tolist() == ["7"]


def test_moves_are_kept_for_those_who_moved(store):
    now = explained(0.2)
    moves = pd.DataFrame({"rhythm": [0.1], "model": [1 / 3]}, index=["7"])
    store.save_run(run_info(), scores(), Explained(now.groups, now.quantities, moves))
    found = store.explained("run-1").moved
    assert found.index.tolist() == ["7"]
    assert (found.loc["7", "rhythm"], found.loc["7", "model"], found.loc["7", "trend"]) == (0.1, 1 / 3, 0.0)


def test_the_run_before_is_of_an_earlier_day_and_only_it_is_kept(store):
    days = [date(2011, 6, 1), date(2011, 6, 8), date(2011, 6, 15)]
    assert store.run_before(days[2]) is None
    for number, day in enumerate(days):
        save(store, f"run-{number}", day, float(number))
    assert store.run_before(days[2]).run_id == "run-1"
    assert store.run_before(days[1]) is None
    assert store.explained("run-0").groups.empty
    save(store, "again", days[2], 9.0)  # the same day once more: still compared with the week before
    assert store.run_before(days[2]).run_id == "run-1"
    assert store.explained("run-2").groups.empty


def test_a_run_of_an_earlier_day_forgets_later_ones(store):
    save(store, "later", date(2011, 7, 1), 1.0)
    save(store, "earlier", date(2011, 6, 1), 2.0)
    assert store.run_before(date(2011, 7, 2)).run_id == "earlier"
    assert store.explained("later").groups.empty


def test_a_run_without_explanations_is_nothing_to_compare_with(store):
    store.save_run(run_info("old", as_of=date(2011, 6, 1)), scores())
    assert store.run_before(date(2011, 7, 1)) is None


def test_contributions_of_a_group_unknown_here_count_as_other_traits():
    row = json.dumps({"groups": {"astrology": 0.5, "other": 0.25, "base": -1.0}, "quantities": {"sign": 7}})
    found = Explained.read([("7", row)])
    assert found.groups.loc["7", "other"] == 0.75
    assert found.groups.loc["7"].sum() == -0.25


def test_a_database_of_the_first_layout_is_mended_and_keeps_its_rows(store, url):
    store.save_run(run_info(), scores(7.0))
    store.close()
    with sqlite3.connect(url.removeprefix("sqlite:///")) as raw:
        raw.execute("DROP TABLE explanations")
        raw.execute("UPDATE retain_schema SET version = 1")
    raw.close()
    mended = Store(url)
    assert mended.get(["7"])["7"]["clv"] == 7.0
    assert mended.latest_run().run_id == "run-1"
    save(mended, "run-2", date(2011, 6, 19), 0.5)
    assert len(mended.explained("run-2").groups) == 2
    mended.close()
    with sqlite3.connect(url.removeprefix("sqlite:///")) as raw:
        assert raw.execute("SELECT version FROM retain_schema").fetchall() == [(2,)]
    raw.close()


def test_many_may_mend_a_database_at_once(url):
    Store(url).close()
    with sqlite3.connect(url.removeprefix("sqlite:///")) as raw:
        raw.execute("DROP TABLE explanations")
        raw.execute("UPDATE retain_schema SET version = 1")
    raw.close()
    test_many_may_open_a_new_database_at_once(url)
