"""Lists open right, run nothing, lose no digit, and come out the same twice."""

from __future__ import annotations

import csv
import math
import os
import stat
import struct
import subprocess
import sys
from datetime import date, datetime
from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl.utils.escape import unescape

from features.errors import ConfigError, InputError, PublishError
from features.parquet import read_parquet
from features.publish import sha256_file, verify
from serving.lists import check_list, write_list

ENDINGS = ("csv", "xlsx", "parquet")
FORMULA = set("=+-@＝＋－＠\t\r\n\0")
texts = st.one_of(
    st.text(max_size=30),
    st.builds(
        str.__add__,
        st.sampled_from(["=", " =", "\t", "\u00a0-", "+", "@", "＝", "\ufeff=", "'=", "<r>"]),
        st.text(max_size=8),
    ),
    st.sampled_from(
        [
            "=1+1",
            "<r><t>x</t></r>",
            "<r></t></r>",
            "https://a.b",
            "007",
            "1e5",
            "{=1}",
            "internal:a!A1",
            "-2+3",
            "TRUE",
        ]
    ),
)
floats = st.floats(allow_nan=False, allow_infinity=False)


def csv_rows(path: Path, encoding: str = "utf-8-sig") -> list[list[str]]:
    with path.open(encoding=encoding, newline="") as file:
        return list(csv.reader(file))


def sheet_rows(path: Path) -> list[list[object]]:
    book = openpyxl.load_workbook(path)
    cells = [[(c.value, c.data_type) for c in row] for row in book.active.iter_rows()]
    book.close()
    assert not any(kind == "f" for row in cells for _, kind in row)
    return [[unescape(v) if isinstance(v, str) else v for v, _ in row] for row in cells]


def bits(value: float) -> bytes:
    return struct.pack("<d", value)


def sample(rows: int = 50) -> pd.DataFrame:
    values = np.random.default_rng(11)
    frame = pd.DataFrame({"customer_id": [f"{i:03d}" for i in range(rows)]})
    frame["as_of"] = date(2011, 6, 12)
    frame["status"] = pd.Categorical(values.choice(["active", "lost"], rows))
    frame["clv"] = values.normal(size=rows) * 10.0 ** values.integers(-300, 300, rows)
    frame["expected_next_order_date"] = pd.to_datetime("2011-07-01")
    frame["orders"] = pd.array(values.integers(0, 9, rows), dtype="Int64")
    frame["one_time"] = values.random(rows) < 0.5
    frame["reasons"] = "久未下单; late by 3 days"
    frame.loc[3, ["clv", "orders", "expected_next_order_date", "status"]] = None
    return frame


def test_csv_by_hand(tmp_path):
    frame = pd.DataFrame(
        {
            "customer_id": ["007", "=1+1", None],
            "clv": [0.1 + 0.2, -3.0, np.nan],
            "orders": [1, -2, 3],
            "as_of": [date(2011, 6, 12)] * 3,
            "when": pd.to_datetime(["2011-06-12 10:00:01", None, "2011-06-13 00:00:00"]),
            "flag": [True, False, None],
        }
    )
    made = write_list(frame, tmp_path / "list.csv")
    raw = (tmp_path / "list.csv").read_bytes()
    assert raw.startswith(b"\xef\xbb\xbfcustomer_id,clv,orders,as_of,when,flag\r\n")
    assert raw.decode("utf-8-sig").split("\r\n")[1:] == [
        "007,0.30000000000000004,1,2011-06-12,2011-06-12T10:00:01,True",
        "'=1+1,-3.0,-2,2011-06-12,,False",
        ",,3,2011-06-12,2011-06-13T00:00:00,",
        "",
    ]
    assert (made.rows, made.kind, made) == (3, "list", verify(tmp_path / "list.csv"))


def test_raw_csv_is_for_programs(tmp_path):
    frame = pd.DataFrame({"customer_id": ["=1+1", "-7"], "note": ["a\rb", 'c,"d"\n']})
    write_list(frame, tmp_path / "list.csv", raw=True)
    assert (tmp_path / "list.csv").read_bytes().startswith(b"customer_id,note\r\n=1+1,")
    assert csv_rows(tmp_path / "list.csv", "utf-8")[1:] == [["=1+1", "a\rb"], ["-7", 'c,"d"\n']]


@given(st.lists(st.tuples(texts, floats), min_size=1, max_size=5))
@settings(max_examples=150, deadline=None, derandomize=True)
def test_no_text_becomes_a_formula_in_csv(tmp_path_factory, cells):
    path = tmp_path_factory.mktemp("lists", numbered=True) / "list.csv"
    write_list(pd.DataFrame(cells, columns=["=name", "clv"]), path)
    header, *rows = csv_rows(path)
    assert header == ["'=name", "clv"]
    for (text, number), (shown, digits) in zip(cells, rows, strict=True):
        assert shown in {text, "'" + text}
        assert not shown or shown.lstrip(" ")[:1] not in FORMULA
        assert shown.strip()[:1] not in FORMULA
        assert bits(float(digits)) == bits(number)


@given(st.lists(st.tuples(texts, floats), min_size=1, max_size=5))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_no_text_becomes_a_formula_in_a_workbook(tmp_path_factory, cells):
    path = tmp_path_factory.mktemp("lists", numbered=True) / "list.xlsx"
    write_list(pd.DataFrame(cells, columns=["=name", "clv"]), path)
    header, *rows = sheet_rows(path)
    assert header == ["=name", "clv"]
    for (text, number), (shown, value) in zip(cells, rows, strict=True):
        assert (shown or "") == text
        assert bits(float(value)) == bits(number)


def test_workbook_cells_keep_their_kinds(tmp_path):
    frame = sample(5)
    frame["when"] = pd.to_datetime("2011-06-12 10:00:01")
    frame["zoned"] = frame["when"].dt.tz_localize("Europe/London")
    frame["count"] = 2**60 + 1
    write_list(frame, tmp_path / "list.xlsx")
    rows = sheet_rows(tmp_path / "list.xlsx")
    assert rows[0] == list(frame.columns)
    assert rows[1][0:2] == ["000", datetime(2011, 6, 12)]
    assert [row[3] for row in rows[1:]] == [None if math.isnan(v) else v for v in frame["clv"]]
    assert rows[1][6] is bool(frame["one_time"][0])
    assert rows[1][8:] == [
        datetime(2011, 6, 12, 10, 0, 1),
        "2011-06-12T10:00:01+01:00",
        "1152921504606846977",
    ]
    assert [rows[4][k] for k in (2, 4, 5)] == [None, None, None]


def test_workbook_is_ready_to_work_with(tmp_path):
    write_list(sample(50), tmp_path / "list.xlsx")
    book = openpyxl.load_workbook(tmp_path / "list.xlsx")
    sheet = book.active
    assert sheet.freeze_panes == "A2"
    assert sheet.auto_filter.ref == "A1:H51"
    assert sheet["A1"].font.bold
    assert sheet.column_dimensions["H"].width > sheet.column_dimensions["C"].width > 5
    assert sheet["B2"].number_format == "yyyy-mm-dd"
    book.close()


def test_risky_text_carries_the_quote_mark_in_a_workbook(tmp_path):
    write_list(pd.DataFrame({"name": ["=1+1", "plain"]}), tmp_path / "list.xlsx")
    book = openpyxl.load_workbook(tmp_path / "list.xlsx")
    assert [bool(book.active[cell].quotePrefix) for cell in ("A2", "A3")] == [True, False]
    book.close()


@pytest.mark.parametrize("ending", ENDINGS)
def test_same_list_same_bytes_and_private(tmp_path, ending):
    first, again = tmp_path / f"a.{ending}", tmp_path / f"b.{ending}"
    assert write_list(sample(), first).sha256 == write_list(sample(), again).sha256 == sha256_file(first)
    assert {stat.S_IMODE(p.stat().st_mode) for p in tmp_path.iterdir()} == {0o600}
    assert len(list(tmp_path.iterdir())) == 4


@pytest.mark.parametrize("ending", ENDINGS)
def test_no_customers_is_a_valid_list(tmp_path, ending):
    path = tmp_path / f"list.{ending}"
    assert write_list(sample(0 + 5).head(0), path).rows == 0
    read = {"csv": csv_rows, "xlsx": sheet_rows, "parquet": lambda p: [read_parquet(p).column_names]}[ending]
    assert read(path) == [list(sample(5).columns)]


def test_parquet_keeps_everything(tmp_path):
    write_list(sample(), tmp_path / "list.parquet")
    read = read_parquet(tmp_path / "list.parquet").to_pandas(types_mapper={}.get)
    assert [bits(v) for v in read["clv"]] == [bits(v) for v in sample()["clv"]]
    assert read["customer_id"].tolist() == sample()["customer_id"].tolist()
    assert read["as_of"].tolist() == [date(2011, 6, 12)] * 50


def test_blocks_join_without_a_seam(tmp_path, monkeypatch):
    write_list(sample(), tmp_path / "one.csv")
    monkeypatch.setattr("serving.lists.BLOCK_ROWS", 7)
    write_list(sample(), tmp_path / "many.csv")
    assert (tmp_path / "one.csv").read_bytes() == (tmp_path / "many.csv").read_bytes()


def test_refusals_before_any_work(tmp_path):
    with pytest.raises(ConfigError, match=r"'\.json' is unknown\. Use \.csv, \.xlsx or \.parquet"):
        check_list(tmp_path / "list.json")
    with pytest.raises(
        PublishError, match=r"1,048,576 rows do not fit .* holds 1,048,575\. Use list\.csv or"
    ):
        check_list(tmp_path / "list.xlsx", rows=1_048_576)
    with pytest.raises(PublishError, match="does not exist"):
        check_list(tmp_path / "no" / "list.csv")
    check_list(tmp_path / "LIST.XLSX", rows=1_048_575)
    assert list(tmp_path.iterdir()) == []


BAD = {
    "infinite": ({"clv": [1.0, math.inf]}, "column clv: 1 of 2 values are infinite"),
    "infinite object": (
        {"clv": pd.Series([1.0, -math.inf], dtype=object)},
        "column clv: 1 values are no cells",
    ),
    "list": ({"reasons": [["a"], ["b"]]}, "column reasons: 2 values are no cells, the first of type list"),
    "span": (
        {"gap": pd.to_timedelta([1, 2])},
        "column gap: 2 values are no cells, the first of type Timedelta",
    ),
    "surrogate": ({"name": pd.Series(["\ud800", "x"], dtype=object)}, "half a character"),
    "none": ({}, "there are no columns"),
}


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("ending", ["csv", "xlsx"])
def test_bad_values_are_named_and_leave_the_old_list(tmp_path, name, ending):
    path = tmp_path / f"list.{ending}"
    old = write_list(sample(), path)
    columns, words = BAD[name]
    with pytest.raises(InputError, match=words):
        write_list(pd.DataFrame(columns), path)
    assert verify(path) == old
    assert len(list(tmp_path.iterdir())) == 2


def test_doubled_columns_are_refused(tmp_path):
    with pytest.raises(InputError, match="column 'a' is there twice"):
        write_list(pd.DataFrame([[1, 2]], columns=["a", "a"]), tmp_path / "list.csv")


def test_mixed_kinds_in_parquet_name_the_column_not_the_value(tmp_path):
    frame = pd.DataFrame({"clv": [1.0, 2.0], "mixed": pd.Series(["secret", 2], dtype=object)})
    with pytest.raises(InputError, match="values of several kinds in one of the columns mixed") as caught:
        write_list(frame, tmp_path / "list.parquet")
    assert "secret" not in str(caught.value)


def test_long_text_is_refused_not_cut(tmp_path):
    longest = "x" * 32_767
    write_list(pd.DataFrame({"note": [longest]}), tmp_path / "list.xlsx")
    assert sheet_rows(tmp_path / "list.xlsx")[1] == [longest]
    with pytest.raises(PublishError, match=r"column note, row 1: the text has 32,768 characters"):
        write_list(pd.DataFrame({"note": [longest + "y"]}), tmp_path / "list.xlsx")


LIMITED = """
import resource, signal, sys, pandas, numpy
from pathlib import Path
from features.errors import PublishError
from serving.lists import write_list
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
for ending in ("csv", "xlsx", "parquet"):
    frame = pandas.DataFrame({"clv": numpy.random.default_rng(1).normal(size=30_000)})
    try:
        write_list(frame, Path(sys.argv[1]) / f"list.{ending}")
    except PublishError as error:
        sys.stdout.write(f"{error}\\n")
"""


def test_full_disk_leaves_the_old_lists(tmp_path):
    """A limit on the size of files stands in for a full disk: every write beyond it fails."""
    old = [write_list(sample(), tmp_path / f"list.{ending}") for ending in ENDINGS]
    command = [sys.executable, "-W", "error", "-c", LIMITED, str(tmp_path)]
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True, timeout=120)
    said = done.stdout.splitlines()
    assert [f"list.{e}: File too large" in line for e, line in zip(ENDINGS, said, strict=True)] == [True] * 3
    assert done.stderr == ""
    assert [verify(tmp_path / f"list.{ending}") for ending in ENDINGS] == old
    assert len(list(tmp_path.iterdir())) == 6


def test_text_that_looks_like_sheet_xml_stays_text(tmp_path):
    sly = ["<r><t>x</t></r>", "<r></t></is></c></r>", "<r>&amp;</r>", "<r>"]
    write_list(pd.DataFrame({"name": sly}), tmp_path / "list.xlsx")
    assert sheet_rows(tmp_path / "list.xlsx")[1:] == [[text] for text in sly]


def test_workbook_does_not_tell_the_time(tmp_path):
    write_list(sample(), tmp_path / "list.xlsx")
    book = openpyxl.load_workbook(tmp_path / "list.xlsx")
    assert (book.properties.created, book.properties.modified) == (datetime(1980, 1, 1), datetime(1980, 1, 1))
    book.close()
