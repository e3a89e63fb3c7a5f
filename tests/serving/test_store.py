"""The state database keeps runs whole, floats to the bit, and customers' data to itself."""

from __future__ import annotations

import json
import math
import os
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

from features.errors import ConfigError, InputError, LockedError, PublishError
from serving import database
from serving import store as module
from serving.lookup import without_reasons
from serving.store import Store
from tests.serving.saved_runs import open_at_once, run_info, scores, sql

HELPER = Path(__file__).with_name("killed_saver.py")
ROOT = Path(__file__).resolve().parents[2]


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
    assert sql(url, "SELECT run_id FROM runs ORDER BY position") == [("run-1",), ("run-2",)]
    assert sql(url, "SELECT count(*) FROM scores") == [(1,)]


def test_saving_a_run_again_replaces_it(store):
    store.save_run(run_info("run-1"), scores(1.0))
    store.save_run(run_info("run-2"), scores(2.0))
    store.save_run(run_info("run-1"), scores(3.0))
    assert store.latest_run().run_id == "run-1"
    assert store.get(["7"])["7"]["clv"] == 3.0


def test_reasons_stand_last_and_can_be_cut_off(store):
    frame = scores().assign(reasons='",\\"reasons\\":"', reasons_zh="久", moved=',"reasons":')
    store.save_run(run_info(), frame[["reasons_zh", "reasons", "customer_id", "moved", "clv"]])
    with store._tables.reading() as connection:
        text = connection.scalar(sa.select(module.SCORES.c.row).where(module.SCORES.c.customer_id == "7"))
    assert list(json.loads(text)) == ["customer_id", "moved", "clv", "reasons", "reasons_zh"]
    assert json.loads(without_reasons(text)) == {"customer_id": "7", "moved": ',"reasons":', "clv": 0.5}


def test_no_customers_is_a_valid_run(store):
    store.save_run(run_info(rows=0), scores().head(0))
    assert store.latest_run().rows == 0
    assert store.get(["007"]) == {}


def test_more_ids_than_one_query_takes(store):
    ids = [f"{i}" for i in range(2 * module.IDS_PER_QUERY + 1)]
    store.save_run(run_info(rows=len(ids)), pd.DataFrame({"customer_id": ids, "clv": range(len(ids))}))
    assert [row["clv"] for row in store.get(ids[::-1]).values()] == list(range(len(ids)))[::-1]


def test_files_and_folder_are_private(file_store, tmp_path):
    file_store.save_run(run_info(), scores())
    modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in (tmp_path / "state").iterdir()}
    assert modes.keys() == {"retain.db", "retain.db-wal", "retain.db-shm"}
    assert set(modes.values()) == {0o600}
    assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o700


def test_what_one_process_writes_stays_when_another_one_ends(file_url):
    keeping = Store(file_url)
    keeping.save_run(run_info("run-1"), scores())
    Store(file_url).close()  # opening once more in this process must not drop its locks
    code = "import sys; from serving.store import Store; s = Store(sys.argv[1]); print(s.latest_run().run_id); s.close()"
    command, run = [sys.executable, "-c", code, file_url], {"cwd": ROOT, "capture_output": True, "text": True}
    assert subprocess.run(command, check=True, **run).stdout.split() == ["run-1"]
    keeping.save_run(run_info("run-2"), scores())
    assert subprocess.run(command, check=True, **run).stdout.split() == ["run-2"]
    keeping.close()


def test_a_link_in_the_place_of_the_database_is_refused(tmp_path):
    (tmp_path / "retain.db").symlink_to(tmp_path / "elsewhere.db")
    with pytest.raises(ConfigError, match="it is a link"):
        Store(f"sqlite:///{tmp_path / 'retain.db'}")
    assert not (tmp_path / "elsewhere.db").exists()


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
    with store._tables.writing():
        assert second.latest_run() is None  # readers never wait
        with pytest.raises(LockedError, match="another process is writing"):
            second.save_run(run_info(), scores())
    second.save_run(run_info(), scores())
    second.close()


def test_full_disk_keeps_the_old_run_and_quotes_no_customer(file_store):
    file_store.save_run(run_info("old"), scores())
    with file_store._tables.reading() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 30")  # SQLite's own full disk
    many = pd.DataFrame({"customer_id": [f"canary-{i}" for i in range(500)], "note": "x" * 1000})
    with pytest.raises(PublishError, match=r"could not be written \(database or disk is full\)") as caught:
        file_store.save_run(run_info("new", 500), many)
    assert "canary" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert file_store.latest_run().run_id == "old"


def test_a_file_that_is_no_database_is_refused(tmp_path):
    (tmp_path / "text.db").write_text("customer_id,clv\n" * 500)
    with pytest.raises(InputError, match=r"could not be read \(file is not a database\)"):
        Store(f"sqlite:///{tmp_path / 'text.db'}")


def test_a_database_of_another_layout_is_refused(url):
    Store(url).close()
    sql(url, "UPDATE retain_schema SET version = 99")
    with pytest.raises(ConfigError, match="state database is version 99, this program reads 4"):
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
    assert open_at_once(url) == []


def test_tables_are_plain_sql_for_postgresql():
    made = [
        str(sa.schema.CreateTable(t).compile(dialect=postgresql.dialect()))
        for t in module._metadata.sorted_tables
    ]
    assert any("position SERIAL NOT NULL" in text for text in made)
    assert any('"row" TEXT NOT NULL' in text or "row TEXT NOT NULL" in text for text in made)
