"""Rows that were sent, kept or told since become the same tables, and give the features of the list."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from features.contract import TABLES
from features.frames import tables_from_frames
from features.plan import fetch_features
from features.tables import Tables
from retain.shop import ShopSettings, simulate
from serving.customer_tables import customer_tables, sent_rows, with_events
from serving.event_log import EventLog
from serving.events import EVENT, TABLE_OF, Event
from serving.histories import Histories
from serving.store import RunInfo, Store
from serving.table_rows import ROWS, CustomerTables
from tests.serving.sent_events import event

ZONE = "Asia/Shanghai"


def test_tables_have_all_columns_of_the_contract_and_only_those_of_the_shop():
    rows = {"orders": [{"time": datetime(2026, 1, 5, 10), "amount": 1.0}], "surveys": [{"score": 8.0}]}
    tables = customer_tables({"b": rows, "a": {}}, ("orders", "referrals"), "UTC")
    assert list(tables) == ["orders", "referrals"]
    for name, table in tables.items():
        assert table.column_names == list(TABLES[name].names)
    assert tables["orders"].select(["customer_id", "amount", "product"]).to_pylist() == [
        {"customer_id": "b", "amount": 1.0, "product": None}
    ]
    assert tables["referrals"].num_rows == 0


def test_zoned_times_become_business_time():
    sent = {"time": "2026-01-31T20:00:00Z", "kind": "visit", "resolved_at": "2026-02-01T08:00:00"}
    customer = CustomerTables.model_validate({"customer_id": "7", "orders": [], "interactions": [sent]})
    table = customer_tables({"7": sent_rows(customer)}, ["interactions"], ZONE)["interactions"]
    row = table.to_pylist()[0]
    assert (row["time"], row["resolved_at"]) == (datetime(2026, 2, 1, 4), datetime(2026, 2, 1, 8))


def test_a_contract_told_takes_the_place_of_the_one_it_changes():
    start = datetime(2026, 1, 1)
    kept = {"contracts": [{"start": start, "contract_id": "c1"}, {"start": start, "contract_id": None}]}
    ended = event("e1", "contract", start="2026-01-01", contract_id="c1", cancelled_at="2026-02-01")
    new = event("e2", "contract", start="2026-02-02", contract_id="c2")
    rows = with_events(kept, [ended, new, new])["contracts"]
    assert [row["contract_id"] for row in rows] == [None, "c1", "c2"]
    assert rows[1]["cancelled_at"] == datetime(2026, 2, 1)
    assert len(kept["contracts"]) == 2


def test_rows_of_kinds_without_a_name_of_their_own_add_up():
    rows = with_events({}, [event("e1"), event("e2"), event("e3", "survey", time="2026-01-01", score=1)])
    assert {name: len(some) for name, some in rows.items()} == {"orders": 2, "surveys": 1}


def told(tables: Tables, since: date, until: date) -> list[Event]:
    """What a shop that reports everything at once would have told of these days."""
    events: list[Event] = []
    for kind, name in TABLE_OF.items():
        table = getattr(tables, name)
        rows = tables.con.to_pyarrow(table.filter((table.known_day >= since) & (table.known_day < until)))
        for row in rows.to_pylist():
            data = {c: v for c, v in row.items() if c in ROWS[name].model_fields and v is not None}
            fields = {"event_id": f"{kind}-{len(events)}", "kind": kind, "customer_id": row["customer_id"]}
            events.append(EVENT.validate_python({**fields, "data": data}))
    return events


@pytest.mark.parametrize("gap", [3, 9])
def test_history_and_events_give_the_features_of_a_list_made_later(url, gap):
    shop = simulate(ShopSettings(customers=250, days=500, seed=11))
    tables = tables_from_frames(shop.tables, timezone=ZONE)
    day = tables.con.to_pyarrow(tables.orders.day.max()).as_py() - timedelta(days=30)
    later, run = day + timedelta(days=gap), RunInfo("r", day, "v", "c", 0, datetime(2026, 1, 1, tzinfo=UTC))
    histories, log, store = Histories(url), EventLog(url, ZONE), Store(url)
    histories.save(tables, run)
    store.save_run(run, pd.DataFrame({"customer_id": pd.Series([], dtype="str")}))
    events = told(tables, day, later)
    log.add(events, datetime.combine(later, datetime.min.time(), UTC))
    ids = shop.tables["customers"].column("customer_id").to_pylist()
    known = histories.known(ids)
    for opened in (histories, log, store):
        opened.close()
    assert known.as_of == day.isoformat()
    assert sum(len(counted.events) for counted in known.told.values()) == len(events) > 30
    rows = {
        i: with_events(known.histories.get(i, {}), known.told[i].events if i in known.told else ())
        for i in ids
    }
    again = tables_from_frames(customer_tables(rows, tables.present, ZONE), timezone=ZONE)
    wanted, found = (fetch_features(t, [later]).sort_by("customer_id") for t in (tables, again))
    assert found.equals(wanted)
    # what was told moved something
    before = fetch_features(tables, [day]).sort_by("customer_id")
    assert pc.sum(wanted["spend_total"]).as_py() > pc.sum(before["spend_total"]).as_py()


def test_many_customers_stay_apart():
    customers = {
        f"{n}": {"orders": [{"time": datetime(2026, 1, 1), "amount": float(n)}] * n} for n in range(4)
    }
    orders = customer_tables(customers, ["orders"], "UTC")["orders"]
    assert orders["customer_id"].to_pylist() == ["1", "2", "2", "3", "3", "3"]
    assert orders["amount"].type == pa.float64()
    assert orders["amount"].to_pylist() == [1.0, 2.0, 2.0, 3.0, 3.0, 3.0]
