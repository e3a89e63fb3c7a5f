from __future__ import annotations

import os

import pytest

from features.errors import InputError
from features.find_files import file_kind, find_files, unchanged
from features.findings import Ledger


def names(tmp_path, *patterns, ledger=None):
    return [path.name for path in find_files(patterns, tmp_path, ledger or Ledger("orders"))]


def test_folders_and_globs_are_searched_in_name_order(tmp_path):
    (tmp_path / "2025").mkdir()
    for name in (
        "b.csv",
        "a.parquet",
        "2025/c.csv.gz",
        ".hidden.csv",
        "b.csv.manifest.json",
        "客户 数据.xlsx",
    ):
        (tmp_path / name).write_text(name)
    assert names(tmp_path, ".") == ["c.csv.gz", "a.parquet", "b.csv", "客户 数据.xlsx"]
    assert names(tmp_path, "*.csv", "b.*v") == ["b.csv"]
    assert names(tmp_path, "客户 数据.xlsx") == ["客户 数据.xlsx"]
    assert names(tmp_path, str(tmp_path / "**/*.gz")) == ["c.csv.gz"]


def test_a_name_with_brackets_is_a_name_first(tmp_path):
    (tmp_path / "orders[1].csv").write_text("x")
    assert names(tmp_path, "orders[1].csv") == ["orders[1].csv"]


def test_other_files_in_a_folder_are_noted(tmp_path):
    for name in ("a.csv", "old.xls"):
        (tmp_path / name).write_text(name)
    ledger = Ledger("orders")
    assert names(tmp_path, ".", ledger=ledger) == ["a.csv"]
    assert [(f.rule, f.source) for f in ledger.findings] == [("skipped_file", "old.xls")]


def test_copies_are_left_out(tmp_path):
    for name, text in (("a.csv", "same"), ("b.csv", "same"), ("c.csv", "else")):
        (tmp_path / name).write_text(text)
    ledger = Ledger("orders")
    assert names(tmp_path, "*.csv", ledger=ledger) == ["a.csv", "c.csv"]
    assert [(f.rule, f.source) for f in ledger.findings] == [("fed_twice", "b.csv")]


def test_pipes_devices_and_unknown_kinds_are_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "zero.csv").symlink_to("/dev/zero")
    (tmp_path / "orders.xls").write_text("x")
    for name, message in (
        ("pipe.csv", "not a regular file"),
        ("zero.csv", "not a regular"),
        ("orders.xls", "unknown kind"),
    ):
        with pytest.raises(InputError, match=message):
            names(tmp_path, name)
    with pytest.raises(InputError, match="no file found at 'no/such'"):
        names(tmp_path, "no/such")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no table found in 'empty'"):
        names(tmp_path, "empty")


def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("one")
    with unchanged(path):
        path.read_text()
    for change in (lambda: path.write_text("longer"), path.unlink):
        with pytest.raises(InputError, match="changed while it was read"), unchanged(path):
            change()


def test_kinds_go_by_the_ending(tmp_path):
    found = [file_kind(tmp_path / n) for n in ("A.CSV", "a.txt.gz", "a.XLSX", "a.pq", "a.gz", "a")]
    assert found == ["text", "text", "excel", "parquet", None, None]


def test_the_same_content_in_two_partitions_is_no_copy_where_the_partition_is_a_column(tmp_path):
    for day in ("2026-01-05", "2026-01-06"):
        folder = tmp_path / f"day={day}"
        folder.mkdir()
        (folder / "p.csv").write_text("customer_id,amount\na,1\n")
    told = Ledger("orders")
    assert len(find_files(["day=*/p.csv"], tmp_path, told, columns={"day"})) == 2
    assert told.findings == []
    assert len(find_files(["day=*/p.csv"], tmp_path, told)) == 1
    assert [f.rule for f in told.findings] == ["fed_twice"]
