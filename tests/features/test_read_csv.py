from __future__ import annotations

import gzip

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from features import read_csv as module
from features.contract import TABLES
from features.errors import InputError
from features.findings import Ledger
from features.read_csv import read_csv
from features.settings import TableSource

HEAD = "customer_id,time,score\n"


def read(tmp_path, text, name="s.csv", **source):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    ledger = Ledger("surveys")
    rows = [
        row
        for piece in read_csv(path, TABLES["surveys"], TableSource(**source), ledger)
        for row in piece.to_pylist()
    ]
    return [(row["_line"], row["customer_id"], row["score"]) for row in rows], ledger


@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
def test_the_delimiter_is_found_in_the_header(tmp_path, mark):
    rows, _ = read(tmp_path, f"customer_id{mark}time{mark}score\na{mark}2026-01-05{mark}1\n")
    assert rows == [(2, "a", "1")]


def test_a_decimal_comma_does_not_move_columns(tmp_path):
    rows, _ = read(tmp_path, "customer_id;time;score\na;2026-01-05;12,5\n")
    assert rows == [(2, "a", "12,5")]


def test_a_declared_delimiter_is_used(tmp_path):
    rows, _ = read(tmp_path, "customer_id~time~score\na~2026-01-05~1,5\n", delimiter="~")
    assert rows == [(2, "a", "1,5")]
    with pytest.raises(InputError, match="must be one character"):
        read(tmp_path, HEAD, delimiter="~~")


def test_the_line_sep_is_taken_and_told(tmp_path):
    rows, ledger = read(tmp_path, "sep=;\ncustomer_id;time;score\na;2026-01-05;1\n")
    assert rows == [(3, "a", "1")]
    assert [f.rule for f in ledger.findings] == ["sep_line"]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_kind_of_line_end_is_read(tmp_path, end):
    rows, _ = read(tmp_path, end.join([HEAD.strip(), "a,t,1", "", "b,t,2", ""]))
    assert rows == [(2, "a", "1"), (4, "b", "2")]


def test_gzip_is_read_and_damage_refused(tmp_path):
    packed = gzip.compress((HEAD + "a,t,1\n").encode())
    assert read(tmp_path, packed, "s.csv.gz")[0] == [(2, "a", "1")]
    for broken in (packed[:-4], b"plain text", packed[:20] + b"xxxx" + packed[24:]):
        with pytest.raises(InputError, match="gzip file is damaged"):
            read(tmp_path, broken, "s.csv.gz")


def test_a_gzip_bomb_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_FREE_BYTES", 1024)
    with pytest.raises(InputError, match="unpacks to more than 200 times"):
        read(tmp_path, gzip.compress((HEAD + "a,t,1\n" * 1_000_000).encode()), "s.csv.gz")


def test_broken_utf16_is_refused(tmp_path):
    with pytest.raises(InputError, match="not valid utf-16"):
        read(tmp_path, (HEAD + "a,t,1\n").encode("utf-16")[:-1])


def test_lines_hold_across_chunks(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "CHUNK_ROWS", 3)
    text = HEAD + 'a,"t\nt",1\nb,t,2\nc,t\nd,t,4\ne,"t\n\n",5\nf,t,6\ng,t,7'
    rows, ledger = read(tmp_path, text)
    assert rows == [(2, "a", "1"), (4, "b", "2"), (6, "d", "4"), (7, "e", "5"), (10, "f", "6")]
    assert [(row.line, row.rule) for row in ledger.aside] == [(5, "ragged_row"), (11, "torn_last_line")]


def test_a_wild_quote_is_an_error_with_its_line(tmp_path):
    for row in ('"a"x,t,1', 'a,"t,1', "b," + '"' + "x" * 200_000):
        with pytest.raises(InputError, match="begins on line 3"):
            read(tmp_path, HEAD + "ok,t,1\n" + row + "\n")


@given(cells=st.lists(st.lists(st.text("ab,\"\n\r;' é", max_size=6), min_size=3, max_size=3), max_size=8))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_quoted_text_comes_back_as_it_was(tmp_path, cells):
    quoted = "".join(",".join('"' + c.replace('"', '""') + '"' for c in row) + "\r\n" for row in cells)
    rows, ledger = read(tmp_path, HEAD + quoted, encoding="utf-8")
    assert [(i, s) for _, i, s in rows] == [(row[0], row[2]) for row in cells]
    assert ledger.aside == []


@given(raw=st.binary(max_size=200) | st.text(max_size=100).map(str.encode), head=st.booleans())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_bytes_break_the_reader(tmp_path, raw, head):
    whole = (HEAD.encode() if head else b"") + raw
    for name in ("s.csv", "s.csv.gz"):
        told, rows = name, []
        try:
            rows, _ = read(tmp_path, whole, name)
        except InputError as error:
            told = str(error)
        assert told.startswith(name)
        assert all(line > 1 for line, _, _ in rows)
