"""Result files as people send them back: matched, cast, rejected by line, never twice."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pandas as pd
import pytest

from features.errors import InputError
from features.settings import DataSettings
from serving.result_file import ResultFile, read_results, write_rejected

LOG = pd.DataFrame(
    {"decision_id": ["d1", "d2", "d3"], "customer_id": ["007", "7", "canary-1"], "run_id": ["r1", "r1", "r1"]}
)


def read(folder: Path, text: str, **settings: object) -> ResultFile:
    file = folder / "back.csv"
    file.write_text(text, encoding="utf-8")
    return read_results(file, DataSettings(**settings), LOG)


def rejected(found: ResultFile) -> list[tuple[int, str, str]]:
    return [tuple(row) for row in found.rejected[["line", "column", "rule"]].to_numpy().tolist()]


def test_cells_are_read_as_people_write_them(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        "decision_id,reached,accepted,refusal_reason,cost,time\n"
        'd1,是,no,too dear,"¥1,234.50",2026年1月7日\n'
        "d2,TRUE,,,,\n",
        currency="CNY",
    )
    first, second = found.rows.to_dict("records")
    assert (first["reached"], first["accepted"], first["cost"]) == (True, False, 1234.5)
    assert first["time"] == "2026-01-07T00:00:00"
    assert second["reached"] is True
    assert all(pd.isna(second[name]) for name in ("accepted", "refusal_reason", "cost", "time"))
    assert found.rejected.empty
    assert found.told("back.csv") is None


def test_what_cannot_be_used_is_rejected_with_its_line_and_no_id(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        "decision_id,reached,cost,time\n"
        "d1,yes,1,2026-01-07\n"
        "canary-9,yes,1,2026-01-07\n"
        "d2,perhaps,abc,someday\n"
        ",yes,1,2026-01-07\n"
        "d3,yes,-2,2026-01-07\n"
        "d3,yes\n",
    )
    assert found.rows["decision_id"].tolist() == ["d1"]
    assert rejected(found) == [
        (3, "decision_id", "unknown_decision"),
        (4, "cost", "not_a_number"),
        (4, "reached", "not_a_flag"),
        (4, "time", "not_a_date"),
        (5, "decision_id", "no_decision"),
        (6, "cost", "negative"),
        (7, "row", "ragged_row"),
    ]
    told = found.told("back.csv")
    assert told is not None
    assert told.startswith(
        "back.csv: 5 rows were rejected, e.g. line 3: decision_id, belongs to no logged decision"
    )
    assert "canary" not in told


def test_rejected_rows_are_listed_beside_the_file(tmp_path: Path) -> None:
    found = read(tmp_path, "decision_id,cost\ncanary-9,1\nd2,abc\nd1,2\n")
    target = write_rejected(found, tmp_path / "back.csv")
    assert target == tmp_path / "back.csv.rejected.csv"
    listed = pd.read_csv(target, encoding="utf-8-sig", keep_default_na=False)
    assert listed["line"].tolist() == [2, 3]
    assert listed["value"].tolist() == ["", "abc"]
    assert "canary" not in target.read_text(encoding="utf-8-sig")
    clean = read(tmp_path, "decision_id,cost\nd1,2\n")
    assert write_rejected(clean, tmp_path / "back.csv") == target
    assert pd.read_csv(target, encoding="utf-8-sig").empty
    assert write_rejected(clean, tmp_path / "other.csv") is None


def test_customer_and_run_do_where_there_is_no_decision_id(tmp_path: Path) -> None:
    found = read(tmp_path, "customer_id,run_id,reached\n007,r1,1\n7,r2,1\n7,r1,0\n")
    assert found.rows[["decision_id", "reached"]].to_numpy().tolist() == [["d1", True], ["d2", False]]
    assert rejected(found) == [(3, "decision_id", "unknown_decision")]


def test_shifted_rows_are_noticed_and_mangled_ids_forgiven(tmp_path: Path) -> None:
    found = read(tmp_path, "decision_id,customer_id,reached\nd1,canary-1,yes\nd3,CANARY,yes\n")
    assert rejected(found) == [(2, "decision_id", "other_customer")]
    assert found.rows["decision_id"].tolist() == ["d3"]


def test_ids_guarded_against_formulas_are_known_again(tmp_path: Path) -> None:
    log = pd.DataFrame({"decision_id": ["d1"], "customer_id": ["=1+1"], "run_id": ["r1"]})
    file = tmp_path / "back.csv"
    file.write_text("customer_id,run_id,reached\n'=1+1,r1,yes\n")
    assert read_results(file, DataSettings(), log).rows["decision_id"].tolist() == ["d1"]


def test_repeated_rows_count_once_and_later_ones_correct(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        "decision_id,cost,time\n"
        "d1,1,2026-01-07\n"
        "d1,1,2026-01-07\n"
        "d2,5,2026-01-09\n"
        "d2,4,2026-01-08\n"
        "d3,1,\n"
        "d3,2,\n",
    )
    assert found.rows.set_index("decision_id")["cost"].to_dict() == {"d1": 1.0, "d2": 5.0, "d3": 2.0}
    assert (found.repeated, found.corrected) == (1, 2)


@pytest.mark.parametrize("ending", ["xlsx", "parquet"])
def test_workbooks_and_parquet_say_the_same(tmp_path: Path, ending: str) -> None:
    frame = pd.DataFrame({"decision_id": ["d1", "d2"], "reached": [True, False], "cost": [1.25, None]})
    frame["time"] = [datetime(2026, 1, 7, 9, 30), None]
    file = tmp_path / f"back.{ending}"
    if ending == "xlsx":
        frame.to_excel(file, index=False)
    else:
        frame.to_parquet(file)
    found = read_results(file, DataSettings(), LOG)
    assert found.rows["reached"].tolist() == [True, False]
    assert found.rows["cost"].tolist()[0] == 1.25
    assert found.rows["time"].tolist()[0] == "2026-01-07T09:30:00"
    assert pd.isna(found.rows["time"].tolist()[1])


def test_a_file_without_any_id_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match="neither a column decision_id nor the columns customer_id and run_id"
    ):
        read(tmp_path, "customer_id,reached\n007,yes\n")


def test_a_header_alone_is_an_empty_file(tmp_path: Path) -> None:
    found = read(tmp_path, "decision_id,reached\n")
    assert found.rows.empty
    assert found.rejected.empty
