"""What scoring leaves for the endpoint: the rows behind the list, and nothing of who wants no contact."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from retain.config import load_config
from serving.event_log import EventLog
from serving.events import EVENT, Event
from serving.histories import Histories
from serving.lookup import Lookup
from tests.retain.command_runs import Said, make_model, regular_lines, retain, write_orders

IDS = [f"c{n:02d}" for n in range(40)]
DAY = "2025-06-01"
NOW = datetime(2025, 6, 1, 8, tzinfo=UTC)


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("RETAIN_STORE_URL", raising=False)
    orders = write_orders(tmp_path / "orders.csv", regular_lines(IDS, date(2025, 1, 1), every=12, times=20))
    words = ["--churn-window", "45", "--horizons", "45,200", "--out-dir", tmp_path / "out"]
    assert retain("init", orders, "-c", tmp_path / "retain.toml", *words, "--quiet").code == 0
    make_model(tmp_path / "retain.toml", date.fromisoformat(DAY), evidence="btyd")
    return tmp_path / "retain.toml"


def score(config: Path, day: str = DAY) -> Said:
    said = retain("score", "-c", config, "--as-of", day, "--json", "--quiet")
    assert said.code == 0, said.err
    return said


def told(config: Path, *events: Event) -> None:
    log = EventLog(load_config(config).store_url, "UTC")
    log.add(events, NOW)
    log.close()


def told_order(name: str, customer: str, time: str) -> Event:
    row = {"time": time, "amount": 5.0}
    return EVENT.validate_python({"event_id": name, "kind": "order", "customer_id": customer, "data": row})


def test_the_rows_behind_the_list_are_kept_up_to_its_day(config: Path) -> None:
    score(config)
    histories = Histories(load_config(config).store_url)
    orders = histories.get(IDS)["c03"]["orders"]
    histories.close()
    days = [row["time"].date() for row in orders]
    assert (days[0], days[-1], len(days)) == (date(2025, 1, 4), date(2025, 5, 28), 13)
    assert {row["amount"] for row in orders} == {13.0}


def test_events_that_came_before_the_run_are_its_data_s_affair(config: Path) -> None:
    told(config, told_order("e1", "c01", "2025-05-30"), told_order("e2", "c01", "2025-06-01"))
    score(config)
    told(config, told_order("e3", "c01", "2025-05-31"))
    lookup = Lookup(load_config(config).store_url)
    assert [lookup.get(i).events for i in ("c01", "c02")] == [2, 0]
    lookup.close()
    score(config, "2025-06-02")
    lookup = Lookup(load_config(config).store_url)
    assert lookup.get("c01").events == 0
    lookup.close()


def test_who_told_to_want_no_contact_is_in_no_list_and_no_history(config: Path) -> None:
    wish = {"time": "2025-05-30", "opted_out": True}
    told(
        config,
        EVENT.validate_python({"event_id": "e1", "kind": "consent", "customer_id": "c05", "data": wish}),
    )
    said = score(config)
    assert (said.document["opted_out"], said.document["rows"]) == (1, len(IDS) - 1)
    url = load_config(config).store_url
    lookup, histories = Lookup(url), Histories(url)
    assert (lookup.get("c05").row, lookup.get("c05").opted_out) == (None, True)
    assert sorted(histories.get(IDS)) == [i for i in IDS if i != "c05"]
    lookup.close()
    histories.close()


def test_without_histories_nothing_is_kept_and_the_old_ones_go(config: Path) -> None:
    score(config)
    text = config.read_text(encoding="utf-8")
    assert "histories = true" in text
    config.write_text(text.replace("histories = true", "histories = false"), encoding="utf-8")
    score(config)
    histories = Histories(load_config(config).store_url)
    assert histories.get(IDS) == {}
    histories.close()
