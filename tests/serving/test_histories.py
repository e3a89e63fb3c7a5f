"""What is kept of each customer comes back to the bit, gives the same features, and goes with its run."""

from __future__ import annotations

import json
import math
import threading
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pandas as pd
import pyarrow as pa
import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from features.contract import TABLES
from features.frames import tables_from_frames
from features.plan import fetch_features
from features.tables import Tables
from retain.shop import ShopSettings, simulate
from serving import histories as module
from serving.customer_tables import customer_tables
from serving.event_log import EventLog
from serving.histories import Histories
from serving.store import RunInfo, Store
from tests.serving.sent_events import NOW, event

DAY = date(2026, 3, 1)
LINE = {"customer_id": "007", "time": datetime(2026, 1, 5, 10, 0, 0, 123456), "amount": 0.1 + 0.2}


def run_of(
    name: str = "run-1", day: date = DAY, created: datetime = datetime(2026, 3, 1, tzinfo=UTC)
) -> RunInfo:
    return RunInfo(name, day, "v1", "c0ffee", 0, created)


def scored(url: str, run: RunInfo) -> None:
    store = Store(url)
    store.save_run(run, pd.DataFrame({"customer_id": pd.Series([], dtype="str")}))
    store.close()


def tables_of(**rows: list[dict[str, object]]) -> Tables:
    return tables_from_frames({name: pa.Table.from_pylist(some) for name, some in rows.items()})


def test_rows_come_back_in_the_columns_the_shop_has(url):
    histories = Histories(url)
    surveys = [{"customer_id": "中", "time": datetime(1969, 12, 31, 23, 59), "score": -0.0}]
    histories.save(tables_of(orders=[LINE], surveys=surveys), run_of())
    assert histories.get(["007"]) == {}  # the run is not saved yet
    scored(url, run_of())
    rest = {name: value for name, value in LINE.items() if name != "customer_id"}
    found = histories.get(["中", "007", "8"])
    assert found["007"] == {"orders": [rest], "surveys": []}
    assert found["中"] == {"orders": [], "surveys": [{"time": surveys[0]["time"], "score": 0.0}]}
    assert math.copysign(1, found["中"]["surveys"][0]["score"]) == -1
    histories.close()


def test_rows_of_the_day_and_later_are_left_to_events(url):
    histories = Histories(url)
    late = {**LINE, "time": datetime(2026, 3, 1)}
    arrived = {**LINE, "known_at": datetime(2026, 3, 1, 8)}
    tables = tables_of(orders=[{**LINE, "known_at": None}, {**late, "known_at": None}, arrived])
    assert histories.save(tables, run_of()) == 1
    scored(url, run_of())
    assert [row["time"] for row in histories.get(["007"])["007"]["orders"]] == [LINE["time"]]
    histories.close()


def test_nothing_is_kept_of_those_left_out(url):
    histories = Histories(url)
    customers = [{"customer_id": "7", "region": "canary"}]
    tables = tables_of(orders=[LINE, {**LINE, "customer_id": "7"}], customers=customers)
    assert histories.save(tables, run_of(), left_out=["7"]) == 1
    scored(url, run_of())
    assert list(histories.get(["7", "007"])) == ["007"]
    histories.close()


def kept_rows(url: str) -> list[int]:
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        counts = [
            connection.scalar(sa.text(f"SELECT count(*) FROM {name}"))
            for name in ("histories", "history_heads")
        ]
    engine.dispose()
    return counts


def test_old_histories_go_with_their_run(url):
    histories = Histories(url)
    histories.save(tables_of(orders=[LINE]), run_of("run-1"))
    scored(url, run_of("run-1"))
    later = run_of("run-2", created=datetime(2026, 3, 2, tzinfo=UTC))
    histories.save(tables_of(orders=[{**LINE, "amount": 2.0}]), later)
    assert histories.get(["007"])["007"]["orders"][0]["amount"] == 0.1 + 0.2  # until the new run is there
    scored(url, later)
    assert histories.get(["007"])["007"]["orders"][0]["amount"] == 2.0
    histories.drop_others()
    assert kept_rows(url) == [1, 1]
    histories.close()


def test_a_run_made_again_is_seen_with_its_own_histories(url):
    histories = Histories(url)
    again = run_of(created=datetime(2026, 3, 1, 9, tzinfo=UTC))
    histories.save(tables_of(orders=[LINE]), run_of())
    scored(url, run_of())
    histories.save(tables_of(orders=[{**LINE, "amount": 2.0}]), again)
    assert histories.get(["007"])["007"]["orders"][0]["amount"] == 0.1 + 0.2
    scored(url, again)
    assert histories.get(["007"])["007"]["orders"][0]["amount"] == 2.0
    histories.close()


def test_what_a_broken_run_left_is_swept(url):
    histories = Histories(url)
    for name in ("broken-1", "broken-2"):
        histories.save(tables_of(orders=[LINE]), run_of(name))
    assert kept_rows(url) == [1, 1]
    scored(url, run_of("without"))
    assert histories.get(["007"]) == {}
    histories.drop_others()
    assert kept_rows(url) == [0, 0]
    histories.close()


def test_every_row_is_known_exactly_once_while_runs_are_saved(url):
    """Orders are told one by one, and each run's data holds all that were told before it."""
    histories, log, stop = Histories(url), EventLog(url, "UTC"), threading.Event()

    def lines(count: int) -> list[dict[str, object]]:
        return [{**LINE, "amount": float(number)} for number in range(count)]

    def save(count: int) -> None:
        log.add([event(f"e{count}", time="2026-01-05T10:00:00", amount=float(count - 1))], NOW)
        run = replace(run_of(created=NOW + timedelta(seconds=count)), events_seen=log.position())
        own = Histories(url)
        own.save(tables_of(orders=lines(count)), run)
        scored(url, run)
        own.drop_others()
        own.close()

    def saver() -> None:
        for count in range(2, 12):
            save(count)
        stop.set()

    save(1)
    thread, seen = threading.Thread(target=saver), set()
    thread.start()
    while not stop.is_set() and thread.is_alive():
        known = histories.known(["007"])
        kept = [row["amount"] for row in known.histories["007"]["orders"]]
        news = [told.data.amount for told in known.told["007"].events] if known.told else []
        assert sorted(kept + news) == [float(number) for number in range(len(kept) + len(news))]
        seen.add(len(kept))
    thread.join()
    for opened in (histories, log):
        opened.close()
    assert len(seen) >= 5


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=8)
money = st.floats(-1e11, 1e11)
times = st.datetimes(datetime(1900, 1, 1), datetime(2025, 12, 31))


@given(
    st.lists(
        st.tuples(texts, times, money, st.none() | texts, st.none() | st.booleans()), min_size=1, max_size=40
    )
)
@settings(max_examples=12)
def test_values_keep_every_bit(rows):
    made = [
        dict(zip(("customer_id", "time", "amount", "product", "returned"), row, strict=True)) for row in rows
    ]
    tables = tables_from_frames({"orders": pa.Table.from_pylist(made, schema_of("orders", made[0]))})
    columns = {"orders": module._columns(tables, "orders")}
    read = {
        customer: json.loads(text)["orders"]
        for batch in module._texts(tables, columns, run_of(), ())
        for customer, text in zip(*(column.to_pylist() for column in batch.columns), strict=True)
    }
    for customer in {row[0] for row in rows}:
        given_rows = tables.con.to_pyarrow(
            tables.orders.filter(tables.orders.customer_id == customer)
        ).to_pylist()
        wanted = [[micros(row["time"]), *(row[name] for name in columns["orders"][1:])] for row in given_rows]
        assert sorted(map(repr, read[customer])) == sorted(map(repr, wanted))


def micros(time: datetime) -> int:
    return (time - datetime(1970, 1, 1)) // timedelta(microseconds=1)


def schema_of(table: str, row: dict[str, object]) -> pa.Schema:
    kinds = {"time": pa.timestamp("us"), "money": pa.float64(), "flag": pa.bool_()}
    return pa.schema([(name, kinds.get(TABLES[table].column(name).kind, pa.string())) for name in row])


@pytest.mark.parametrize(("seed", "zone"), [(3, "Europe/Berlin"), (4, "Asia/Shanghai")])
def test_features_of_rows_that_come_back_are_the_same_to_the_bit(url, monkeypatch, seed, zone):
    monkeypatch.setattr(module, "ROWS_AT_A_TIME", 2_000)  # several shares
    shop = simulate(ShopSettings(customers=250, days=500, seed=seed))
    tables = tables_from_frames(shop.tables, timezone=zone, country="DE")
    day = tables.con.to_pyarrow(tables.orders.day.max()).as_py() - timedelta(days=40)
    histories = Histories(url)
    histories.save(tables, run_of(day=day))
    scored(url, run_of(day=day))
    ids = shop.tables["customers"].column("customer_id").to_pylist()
    back = customer_tables(histories.get(ids), tables.present, zone)
    histories.close()
    again = tables_from_frames(back, timezone=zone, country="DE")
    wanted, found = (fetch_features(t, [day]).sort_by("customer_id") for t in (tables, again))
    assert wanted.num_rows > 150
    assert found.equals(wanted)  # no rounding: equal bits
