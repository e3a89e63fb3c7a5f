"""Parquet, Excel and databases: damaged, swollen, mixed and locked ones."""

from __future__ import annotations

import random
from datetime import date, datetime
from decimal import Decimal

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from features import read_files
from features.errors import ConfigError, InputError
from features.load import load
from features.settings import DataSettings, TableSource

TODAY = date(2026, 2, 1)
SMALL = pa.table(
    {"customer_id": ["007", "7"], "time": [datetime(2026, 1, 5), datetime(2026, 1, 6)], "amount": [1.5, 2.0]}
)


def read(tmp_path, **source):
    settings = DataSettings(orders=TableSource(**source), timezone="Asia/Shanghai", max_quarantined_share=0.6)
    return load(settings, base=tmp_path, today=TODAY)


def values(loaded, *names):
    frame = loaded.tables.con.to_pyarrow(loaded.tables.orders)
    return sorted(zip(*(frame[name].to_pylist() for name in names), strict=True), key=repr)


def book(tmp_path, *rows, name="orders.xlsx", sheets=("Orders",)):
    workbook = openpyxl.Workbook()
    workbook.active.title = sheets[0]
    for title in sheets[1:]:
        workbook.create_sheet(title)
    for row in rows:
        workbook[sheets[0]].append(row)
    workbook.save(tmp_path / name)


def test_parquet_keeps_types_and_converts_zones(tmp_path):
    zoned = pa.array([datetime(2026, 1, 31, 20), None], pa.timestamp("ns")).cast(pa.timestamp("ns", "UTC"))
    table = pa.table(
        {"customer_id": pa.array([7, 8], pa.uint64()), "time": zoned, "amount": [Decimal("1.50"), Decimal(2)]}
    )
    pq.write_table(table, tmp_path / "o.parquet")
    loaded = read(tmp_path, path="o.parquet")
    assert values(loaded, "customer_id", "time", "amount") == [("7", datetime(2026, 2, 1, 4), 1.5)]
    assert [(row.line, row.rule) for row in loaded.quarantine] == [(2, "missing")]


def test_parquet_text_is_read_like_csv(tmp_path):
    table = pa.table(
        {"customer_id": ["a", "b"], "time": ["2026/1/5", "20260106"], "amount": ["1,234.50", "inf"]}
    )
    pq.write_table(table, tmp_path / "o.parquet")
    loaded = read(tmp_path, path="o.parquet")
    assert values(loaded, "customer_id", "day", "amount") == [("a", date(2026, 1, 5), 1234.5)]


def test_a_parquet_cut_anywhere_is_refused(tmp_path):
    pq.write_table(SMALL, tmp_path / "whole.parquet")
    raw = (tmp_path / "whole.parquet").read_bytes()
    for size in (len(raw) - 1, len(raw) // 2, 5):
        (tmp_path / "o.parquet").write_bytes(raw[:size])
        with pytest.raises(InputError, match="damaged or cut off"):
            read(tmp_path, path="o.parquet")


def test_flipped_bits_in_checksummed_pages_are_caught(tmp_path):
    path = tmp_path / "o.parquet"
    table = pa.table(
        {
            "customer_id": ["a"] * 500,
            "time": [datetime(2026, 1, 5)] * 500,
            "amount": [i / 7 for i in range(500)],
        }
    )
    pq.write_table(table, path, write_page_checksum=True, compression="none", use_dictionary=False)
    raw, dice = path.read_bytes(), random.Random(7)
    data_end = len(raw) - 8 - int.from_bytes(raw[-8:-4], "little")
    at = raw.find(b"\x00\x00\x00\x00", data_end // 2)
    for offset in [dice.randrange(at, data_end - 100) for _ in range(20)]:
        path.write_bytes(raw[:offset] + bytes([raw[offset] ^ 8]) + raw[offset + 1 :])
        with pytest.raises(InputError, match=r"o\.parquet"):
            read(tmp_path, path="o.parquet")


def test_a_parquet_bomb_is_refused_from_its_footer(tmp_path, monkeypatch):
    monkeypatch.setattr(read_files, "memory_budget", lambda: 4 * 2**20)
    count = 1_000_000
    table = pa.table(
        {"customer_id": ["a"] * count, "time": [datetime(2026, 1, 5)] * count, "amount": [1.0] * count}
    )
    pq.write_table(table, tmp_path / "o.parquet")
    assert (tmp_path / "o.parquet").stat().st_size < 100_000
    with pytest.raises(InputError, match="1,000,000 rows need about 30 MiB"):
        read(tmp_path, path="o.parquet")


def test_a_bomb_of_one_long_text_is_refused_while_reading(tmp_path, monkeypatch):
    monkeypatch.setattr(read_files, "memory_budget", lambda: 16 * 2**20)
    table = pa.table(
        {
            "customer_id": ["x" * 10_000] * 5_000,
            "time": [datetime(2026, 1, 5)] * 5_000,
            "amount": [1.0] * 5_000,
        }
    )
    pq.write_table(table, tmp_path / "o.parquet")
    with pytest.raises(InputError, match="more than 16 MiB of memory"):
        read(tmp_path, path="o.parquet")


def test_nested_columns_are_refused(tmp_path):
    pq.write_table(SMALL.set_column(2, "amount", [[[1.0], [2.0]]]), tmp_path / "o.parquet")
    with pytest.raises(InputError, match="'amount' holds lists"):
        read(tmp_path, path="o.parquet")


def test_text_without_a_label_must_be_utf8(tmp_path):
    for ids, message in (([b"007", b"\xe6\x9d\x8e"], ""), ([b"007", b"\xff"], "damaged")):
        pq.write_table(
            SMALL.set_column(0, "customer_id", [pa.array(ids, pa.binary())]), tmp_path / "o.parquet"
        )
        if message:
            with pytest.raises(InputError, match=message):
                read(tmp_path, path="o.parquet")
        else:
            assert values(read(tmp_path, path="o.parquet"), "customer_id") == [("007",), ("李",)]


def test_times_and_kinds_beyond_reading_are_refused(tmp_path):
    far = pa.array([2**62, 0], pa.int64()).cast(pa.timestamp("ms"))
    for column in (far, pa.array([1, 2], pa.duration("s"))):
        pq.write_table(SMALL.set_column(1, "time", [column]), tmp_path / "o.parquet", store_schema=True)
        with pytest.raises(InputError, match=r"orders\.time|o\.parquet"):
            read(tmp_path, path="o.parquet")


def test_an_empty_parquet_is_a_table_without_rows(tmp_path):
    pq.write_table(SMALL.slice(0, 0), tmp_path / "o.parquet")
    assert values(read(tmp_path, path="o.parquet"), "customer_id") == []


def test_excel_cells_keep_their_own_types(tmp_path):
    head = ["customer_id", "time", "amount"]
    rows = [
        ["007", datetime(2026, 1, 5, 9), 1.5],
        [7, "2026年1月6日", "1,200"],
        [7.5, date(2026, 1, 7), 2],
        [None, None, None],
    ]
    book(tmp_path, [None], head, *rows, ["x", "2026-01-08", True])
    loaded = read(tmp_path, path="orders.xlsx")
    assert values(loaded, "customer_id", "time", "amount") == [
        ("007", datetime(2026, 1, 5, 9), 1.5),
        ("7", datetime(2026, 1, 6), 1200.0),
    ]
    found = sorted((row.line, row.column, row.rule) for row in loaded.quarantine)
    assert found == [(5, "customer_id", "id_digits_lost"), (7, "amount", "not_a_number")]


def test_excel_sheets_are_named_not_guessed(tmp_path):
    book(tmp_path, ["customer_id", "time", "amount"], ["a", date(2026, 1, 5), 1], sheets=("Orders", "Notes"))
    with pytest.raises(InputError, match="several sheets"):
        read(tmp_path, path="orders.xlsx")
    with pytest.raises(InputError, match="no sheet 'Order'"):
        read(tmp_path, path="orders.xlsx", sheet="Order")
    assert values(read(tmp_path, path="orders.xlsx", sheet="Orders"), "customer_id") == [("a",)]


def test_broken_and_empty_workbooks_are_refused(tmp_path):
    (tmp_path / "orders.xlsx").write_bytes(b"not a workbook")
    with pytest.raises(InputError, match="not a whole Excel workbook"):
        read(tmp_path, path="orders.xlsx")
    book(tmp_path)
    with pytest.raises(InputError, match="the sheet is empty"):
        read(tmp_path, path="orders.xlsx")
    book(tmp_path, ["customer_id", "time", "amount"])
    assert values(read(tmp_path, path="orders.xlsx"), "customer_id") == []


def test_a_swollen_workbook_is_refused(tmp_path, monkeypatch):
    book(tmp_path, ["customer_id", "time", "amount"])
    monkeypatch.setattr(read_files, "memory_budget", lambda: 100)
    with pytest.raises(InputError, match="unpacks to"):
        read(tmp_path, path="orders.xlsx")


def database(tmp_path):
    url = f"sqlite:///{tmp_path}/shop.db"
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE sales (cid TEXT, at TEXT, amount NUMERIC, note TEXT)")
        lines = [
            ("007", "2026-01-05 10:00:00", 1.5, "x"),
            ("7", "2026-01-06", "bad", "y"),
            (None, "2026-01-06", 1, "z"),
        ]
        for line in lines:
            connection.exec_driver_sql("INSERT INTO sales VALUES (?, ?, ?, ?)", line)
    engine.dispose()
    return url


def test_a_database_table_is_read_by_url(tmp_path, monkeypatch):
    url = database(tmp_path)
    columns = {"customer_id": "cid", "time": "at"}
    loaded = read(tmp_path, url=url, table="sales", columns=columns)
    assert values(loaded, "customer_id", "time", "amount") == [("007", datetime(2026, 1, 5, 10), 1.5)]
    assert {row.rule for row in loaded.quarantine} == {"not_a_number", "no_customer"}
    monkeypatch.setenv("SHOP_URL", url)
    assert values(read(tmp_path, url="env:SHOP_URL", table="sales", columns=columns), "amount") == [(1.5,)]


def test_what_is_wrong_with_a_database_is_said_without_its_password(tmp_path):
    url = database(tmp_path)
    with pytest.raises(InputError, match="no table 'orders'"):
        read(tmp_path, url=url, table="orders")
    with pytest.raises(InputError, match="no SQLite file"):
        read(tmp_path, url=f"sqlite:///{tmp_path}/other.db", table="sales")
    with pytest.raises((ConfigError, InputError)) as caught:
        read(tmp_path, url="postgresql+psycopg://shop:s3cret@127.0.0.1:1/x", table="sales")
    assert "s3cret" not in str(caught.value)
    for source, message in (
        ({"url": url}, "without table"),
        ({"url": "env:NOT_SET", "table": "t"}, "NOT_SET"),
    ):
        with pytest.raises(ConfigError, match=message):
            read(tmp_path, **source)
    with pytest.raises(ConfigError, match="not a database address"):
        read(tmp_path, url="nonsense", table="t")
