from __future__ import annotations

import csv
import json
from datetime import date, timedelta
from pathlib import Path

import pandas as pd
import pytest

from features.load import tables_from_frames
from features.report import DataReport, Finding
from retain import cli
from retain.as_of import as_of_day
from retain.commands.check import report_document
from retain.config import RunSettings

CONFIG = """
[data]
timezone = "UTC"
max_quarantined_share = 0.5
[data.orders]
path = "orders.csv"
[data.orders.columns]
customer_id = "id"
time = "day"
amount = "total"
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "retain.toml").write_text(CONFIG)
    return tmp_path


def orders(place: Path, *extra: str) -> None:
    first = date(2026, 1, 1)
    rows = [f"c{n % 5},{first + timedelta(days=n)},10.50" for n in range(60)]
    (place / "orders.csv").write_text("\n".join(["id,day,total", *rows, *extra]) + "\n")


def test_clean_data_is_exit_0_with_its_facts(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    orders(place)
    assert cli.run(["check", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["ok"] is True
    assert document["counts"]["error"] == 0
    facts = document["facts"]
    assert (facts["rows"], facts["customers"], facts["one_time_buyers"]) == (60, 5, 0)
    assert (facts["first_day"], facts["last_day"]) == ("2026-01-01", "2026-03-01")
    assert facts["suggested_window_days"] > 0


def test_the_report_names_place_state_rows_lines_and_advice(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    orders(place, "c1,2026-01-05,inf", "c1,2026-01-06,abc")
    assert cli.run(["check"]) == 0
    text = capsys.readouterr().out
    assert "orders.amount" in text
    assert "quarantined" in text
    assert "'abc'" in text or "abc" in text
    assert "orders.csv: 62" in text
    assert "suggested window days" in text
    assert "no errors; 2 other finding(s)" in text
    assert "no: needs" in text


def test_the_report_speaks_chinese(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    orders(place, "c1,2026-01-05,inf")
    assert cli.run(["check", "--lang", "zh"]) == 0
    text = capsys.readouterr().out
    assert "已隔离" in text
    assert "不是有限数值" in text
    assert "建议流失窗口(天)" in text
    assert "window reason" not in text
    assert "否: 需要" in text


def test_errors_are_exit_2(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "orders.csv").write_text("id,when,total\nc1,2026-01-01,3\n")
    assert cli.run(["check"]) == 2
    text = " ".join(capsys.readouterr().out.split())
    assert "error" in text
    assert "to put right before a run can start" in text


def test_a_missing_file_is_an_error_of_the_report(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["check", "--json"]) == 2
    document = json.loads(capsys.readouterr().out)
    assert document["ok"] is False
    assert "orders.csv" in document["findings"][0]["en"]


def test_the_rows_set_aside_are_written_with_their_lines(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    orders(place, "c1,2026-01-05,inf", "c1,2026-01-06")
    assert cli.run(["check", "--quarantine-out", "aside.csv", "--json"]) == 0
    streams = capsys.readouterr()
    assert json.loads(streams.out)["quarantine_file"] == "aside.csv"
    with (place / "aside.csv").open(encoding="utf-8-sig", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert {(row["source"], row["line"], row["rule"]) for row in rows} == {
        ("orders.csv", "62", "not_finite"),
        ("orders.csv", "63", "ragged_row"),
    }
    assert "2 rows set aside" in streams.err


def test_a_place_that_cannot_be_written_is_refused_before_reading(place: Path) -> None:
    orders(place)
    assert cli.run(["check", "--quarantine-out", "nowhere/aside.csv"]) == 4
    assert cli.run(["check", "--quarantine-out", "aside.doc"]) == 2


def test_without_a_configuration_the_way_on_is_said(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.run(["check"]) == 2
    assert "retain init YOUR_ORDERS_FILE" in capsys.readouterr().err


def test_the_document_counts_every_state() -> None:
    found = [Finding("orders", "amount", "repaired", "thousands", 3, "en", "zh") for _ in range(2)]
    document = report_document(DataReport(found, {"rows": 3}))
    assert document["counts"] == {"error": 0, "quarantined": 0, "warning": 0, "repaired": 2}
    assert document["ok"] is True


def test_features_are_written_as_of_a_day(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    orders(place)
    assert cli.run(["features", "--as-of", "2026-02-01", "--out", "f.csv", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["rows"], document["as_of"]) == (5, "2026-02-01")
    assert (place / "f.csv.manifest.json").exists()
    with (place / "f.csv").open(encoding="utf-8-sig", newline="") as stream:
        rows = list(csv.DictReader(stream))
    # c0 bought on days 0, 5, ..., 30 of January: 7 purchase days, the last one the day before
    assert (rows[0]["customer_id"], float(rows[0]["frequency"]), float(rows[0]["days_since_last"])) == (
        "c0",
        6,
        1,
    )


def test_the_day_of_a_run_is_the_option_the_setting_or_the_day_after_the_last_order() -> None:
    frame = pd.DataFrame({"customer_id": ["a"], "time": [pd.Timestamp("2026-03-01 23:59")], "amount": [1.0]})
    tables = tables_from_frames({"orders": frame})
    assert as_of_day(tables, RunSettings()) == date(2026, 3, 2)
    assert as_of_day(tables, RunSettings(as_of=date(2026, 2, 2))) == date(2026, 2, 2)
    assert as_of_day(tables, RunSettings(as_of=date(2026, 2, 2)), "2026-01-01") == date(2026, 1, 1)
    assert as_of_day(tables, RunSettings(as_of=date(2026, 2, 2)), "auto") == date(2026, 3, 2)


@pytest.mark.parametrize(
    ("words", "code"), [([], 2), (["--out", "f.csv", "--as-of", "soon"], 2), (["--out", "no/f.csv"], 4)]
)
def test_features_refuse_what_they_cannot_write(words: list[str], code: int, place: Path) -> None:
    orders(place)
    assert cli.run(["features", *words]) == code


def test_no_orders_leave_no_day_to_choose(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "orders.csv").write_text("id,day,total\n")
    assert cli.run(["features", "--out", "f.csv"]) == 5
    assert "give --as-of DATE" in capsys.readouterr().err
