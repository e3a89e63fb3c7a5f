"""``retain score --out FOLDER``: the rows of the list as one file, in a folder."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from serving.list_folder import verify_list_folder
from tests.retain.command_runs import Said, make_model, regular_lines, retain, write_orders

IDS = [f"c{n:03d}" for n in range(60)]
NOT_STREAMED = ["moved", "moved_zh"]


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("streamed")
    orders = write_orders(folder / "orders.csv", regular_lines(IDS, date(2025, 1, 1), every=12, times=20))
    words = ("--churn-window", 45, "--horizons", "45,200", "--out-dir", folder / "out")
    assert retain("init", orders, "-c", folder / "retain.toml", *words, "--json").code == 0
    make_model(folder / "retain.toml", date(2025, 6, 1), evidence="btyd")
    return folder / "retain.toml"


def score(config: Path, out: Path, *words: object) -> Said:
    return retain("score", "-c", config, "--as-of", "2025-07-01", "--out", out, "--json", "--quiet", *words)


def test_folder_holds_the_rows_of_the_file(config: Path, tmp_path: Path) -> None:
    plain, folder = (
        score(config, tmp_path / "list.parquet").document,
        score(config, tmp_path / "list").document,
    )
    rows = pq.read_table(tmp_path / "list")
    wanted = pq.read_table(tmp_path / "list.parquet").drop_columns(NOT_STREAMED)
    assert rows.combine_chunks().equals(wanted.cast(rows.schema).combine_chunks())
    assert (folder["rows"], folder["status"]) == (plain["rows"], plain["status"])
    assert folder["totals"] == pytest.approx(plain["totals"], rel=1e-12)
    assert folder["totals_80"].keys() == plain["totals_80"].keys()


def test_list_in_a_folder_is_replaced_and_others_are_refused(config: Path, tmp_path: Path) -> None:
    assert score(config, tmp_path / "list").document["reasons"] == len(IDS)
    assert score(config, tmp_path / "list", "--reasons", "none").document["reasons"] == 0
    assert verify_list_folder(tmp_path / "list")["reasons"] == 0
    (tmp_path / "list" / "mine.txt").write_text("mine")
    said = score(config, tmp_path / "list")
    assert said.code == 4
    assert "no part of a list, e.g. 'mine.txt'; nothing was touched" in said.err


def test_number_of_reasons_is_for_folders_and_is_a_number(config: Path, tmp_path: Path) -> None:
    said = score(config, tmp_path / "list.csv", "--reasons", "all")
    assert (said.code, "--reasons is for lists in a folder" in said.err) == (2, True)
    said = score(config, tmp_path / "list", "--reasons", "few")
    assert (said.code, "--reasons 'few' is none of" in said.err) == (2, True)
    assert score(config, tmp_path / "list", "--reasons", "7").document["reasons"] == 7


def test_features_go_into_a_folder_with_the_rows_of_the_file(config: Path, tmp_path: Path) -> None:
    words = ("features", "-c", config, "--as-of", "2025-07-01", "--quiet", "--out")
    file = retain(*words, tmp_path / "day.parquet", "--json").document
    folder = retain(*words, tmp_path / "day", "--json").document
    rows, wanted = pq.read_table(tmp_path / "day"), pq.read_table(tmp_path / "day.parquet")
    assert rows.equals(wanted.cast(rows.schema))
    assert (file["rows"], folder["rows"], folder["files"]) == (len(IDS), len(IDS), 1)
    said = retain(*words, tmp_path / "day")
    assert said.out.strip().endswith(f"{len(IDS)} customers as of 2025-07-01 in 1 file")
    (tmp_path / "day" / "mine.txt").write_text("mine")
    assert retain(*words, tmp_path / "day").code == 4
