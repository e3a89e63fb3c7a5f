"""Parquet in place under damage: every fault is told by file before a figure is made of it."""

from __future__ import annotations

import os
from datetime import date, datetime, timedelta
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from features.contract import TABLES
from features.errors import ConfigError, InputError
from features.findings import Ledger
from features.load import Loaded, load
from features.parquet_scan import scan_parquet
from features.plan import fetch_features
from features.settings import DataSettings, TableSource

TODAY = date(2026, 6, 1)


def month_of_lines(month: int, **columns) -> pa.Table:
    """Thirty lines of a month of 2025; columns may be replaced, or left out with None."""
    days = [datetime(2025, month, 1 + n % 28, 12) for n in range(30)]
    rows = {
        "customer_id": [f"c{n % 9}" for n in range(30)],
        "time": days,
        "amount": [n + 0.25 for n in range(30)],
    }
    rows |= {"channel": ["web"] * 30, **columns}
    return pa.table({name: values for name, values in rows.items() if values is not None})


def write_months(base: Path, months=range(1, 7), **odd) -> Path:
    """A folder of partitions by year and month; `odd` holds tables by the name ``m3``."""
    for month in months:
        folder = base / "orders" / "year=2025" / f"month={month:02d}"
        folder.mkdir(parents=True)
        table = odd.get(f"m{month}", month_of_lines(month))
        pq.write_table(table, folder / "part-0.parquet", compression="none", write_page_checksum=True)
    return base


def read(base: Path, *, in_place=True, path="orders", **source) -> Loaded:
    orders = TableSource(path=(path,), **source)
    return load(DataSettings(in_place=in_place, orders=orders), base=base, today=TODAY)


def part(base: Path, month: int) -> Path:
    return base / "orders" / "year=2025" / f"month={month:02d}" / "part-0.parquet"


def found(loaded: Loaded, rule: str):
    return next((f for f in loaded.report.findings if f.rule == rule), None)


def orders_of(loaded: Loaded):
    rows = loaded.tables.con.to_pyarrow(loaded.tables.orders).to_pandas()
    return rows[sorted(rows)].sort_values(sorted(rows), ignore_index=True)


def test_torn_parts_are_all_named(tmp_path):
    write_months(tmp_path)
    for month, keep in ((2, 900), (5, 0)):
        path = part(tmp_path, month).rename(part(tmp_path, month).with_name(f"torn-{month}.parquet"))
        path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(InputError, match="damaged or cut off") as failure:
        read(tmp_path)
    assert "torn-2.parquet" in str(failure.value)
    assert "torn-5.parquet" in str(failure.value)


def test_a_flipped_bit_in_a_checksummed_page_is_caught(tmp_path):
    path = part(write_months(tmp_path), 4)
    content = bytearray(path.read_bytes())
    chunk = pq.read_metadata(path).row_group(0).column(2)
    content[(chunk.dictionary_page_offset or chunk.data_page_offset) + 60] ^= 4
    path.write_bytes(content)
    assert duckdb.sql(f"SELECT sum(amount) > 0 FROM '{path}'").fetchone() == (
        True,
    )  # the engine sees nothing
    with pytest.raises(InputError, match="1 page of column 'amount'"):
        read(tmp_path)


def test_a_missing_partition_is_a_warning_that_names_the_month(tmp_path):
    loaded = read(write_months(tmp_path, [1, 2, 3, 5, 6]))
    assert "No partition for 2025-04" in found(loaded, "missing_partition").en
    assert "No line at all in 2025-04" in found(loaded, "empty_months").en


def test_a_month_without_lines_is_told_of_files_too(tmp_path):
    loaded = read(write_months(tmp_path, [1, 2, 3, 5, 6]), in_place=False)
    assert "No line at all in 2025-04" in found(loaded, "empty_months").en
    assert (
        found(read(tmp_path, in_place=False, path="orders/year=2025/month=0[1-3]/*"), "empty_months") is None
    )


def test_a_column_absent_in_one_part_is_missing_there_and_told(tmp_path):
    write_months(tmp_path, m3=month_of_lines(3, channel=None))
    loaded = read(tmp_path)
    assert found(loaded, "absent_in_parts").rows == 30
    assert "month=03/part-0.parquet" in found(loaded, "absent_in_parts").en
    assert orders_of(loaded)["channel"].isna().sum() == 30
    assert orders_of(loaded).equals(orders_of(read(tmp_path, in_place=False)))


def test_a_required_column_absent_in_one_part_is_refused(tmp_path):
    write_months(tmp_path, m3=month_of_lines(3, amount=None))
    with pytest.raises(InputError, match=r"'amount' \(for amount\) is missing in month=03/part-0\.parquet"):
        read(tmp_path)


def test_another_type_in_one_part_is_refused_unless_it_is_the_same_in_meaning(tmp_path):
    write_months(tmp_path, m3=month_of_lines(3, amount=["1"] * 30))
    with pytest.raises(InputError, match=r"is VARCHAR in month=03/part-0\.parquet and DOUBLE elsewhere"):
        read(tmp_path)
    pq.write_table(month_of_lines(3, amount=list(range(30))), part(tmp_path, 3))
    loaded = read(tmp_path)
    assert "BIGINT in month=03" in found(loaded, "types_differ").en
    assert orders_of(loaded).equals(orders_of(read(tmp_path, in_place=False)))


def test_zoned_and_local_times_in_one_table_are_refused(tmp_path):
    zoned = pa.array(month_of_lines(3)["time"].to_pylist(), pa.timestamp("us", "UTC"))
    with pytest.raises(InputError, match="TIMESTAMP WITH TIME ZONE in month=03"):
        read(write_months(tmp_path, m3=month_of_lines(3, time=zoned)))


def test_a_folder_without_parquet_is_refused(tmp_path):
    (tmp_path / "orders").mkdir()
    with pytest.raises(InputError, match="no table found in 'orders'"):
        read(tmp_path)
    (tmp_path / "orders" / "a.csv").write_text("customer_id,time,amount\n")
    with pytest.raises(InputError, match=r"a\.csv: in place only Parquet"):
        read(tmp_path)


def test_a_file_replaced_after_the_checks_is_refused_when_features_are_made(tmp_path):
    loaded = read(write_months(tmp_path))
    assert fetch_features(loaded.tables, [date(2025, 7, 1)]).num_rows == 9
    fresh = tmp_path / "fresh.parquet"
    pq.write_table(month_of_lines(3, amount=[1e6] * 30), fresh)
    fresh.replace(part(tmp_path, 3))
    with pytest.raises(InputError, match="the file changed while it was read"):
        fetch_features(loaded.tables, [date(2025, 7, 1)])


def test_partition_keys_are_columns_in_place_and_read(tmp_path):
    day = date(2025, 1, 1)
    for n, place in enumerate(
        ["region=New%20York/day=", "region=007/day=", "region=__HIVE_DEFAULT_PARTITION__/day="]
    ):
        folder = tmp_path / f"orders/{place}{day + timedelta(days=n)}"
        folder.mkdir(parents=True)
        pq.write_table(pa.table({"customer_id": ["a", "b"], "amount": [1.0, 2.0]}), folder / "p.parquet")
    source = {"columns": {"time": "day", "channel": "region"}}
    placed, loaded = (
        read(tmp_path, in_place=there, path="orders/**/*.parquet", **source) for there in (True, False)
    )
    assert orders_of(placed).equals(orders_of(loaded))
    assert set(orders_of(placed)["channel"].dropna()) == {"New York", "007"}
    assert len(orders_of(placed)) == 6


def test_unfinished_parts_under_a_glob_are_passed_by(tmp_path):
    base = write_months(tmp_path)
    hidden = base / "orders" / "year=2025" / "_temporary" / "0"
    hidden.mkdir(parents=True)
    pq.write_table(month_of_lines(1), hidden / "part-9.parquet")
    for there in (True, False):
        assert len(orders_of(read(base, in_place=there, path="orders/**/*.parquet"))) == 180


def test_files_of_one_name_are_told_apart_in_findings(tmp_path):
    amounts = [float("inf")] + [1.5] * 29
    write_months(tmp_path, m2=month_of_lines(2, amount=amounts), m5=month_of_lines(5, amount=amounts))
    aside = [f for f in read(tmp_path).report.findings if f.rule == "not_finite"]
    assert [(f.source, f.lines, f.rows) for f in aside] == [
        (os.path.join("month=02", "part-0.parquet"), (1,), 1),  # noqa: PTH118
        (os.path.join("month=05", "part-0.parquet"), (1,), 1),  # noqa: PTH118
    ]


@pytest.mark.parametrize(("scheme", "extension"), [("s3", "httpfs"), ("https", "httpfs"), ("az", "azure")])
def test_an_object_store_without_its_extension_says_how_to_get_it(tmp_path, scheme, extension):
    nowhere = {"extension_directory": str(tmp_path), "custom_extension_repository": "http://127.0.0.1:1"}
    source = TableSource(path=(f"{scheme}://bucket/orders/*.parquet",))
    with (
        duckdb.connect(config=nowhere) as con,
        pytest.raises(
            ConfigError, match=f"^{scheme}:// needs DuckDB's extension {extension}, which cannot be"
        ) as e,
    ):
        scan_parquet(con, TABLES["orders"], source, tmp_path, Ledger("orders"))
    assert f"duckdb.sql('INSTALL {extension}')" in str(e.value)


def test_object_stores_are_named_with_what_is_needed(tmp_path):
    with pytest.raises(InputError, match="set in_place = true"):
        read(tmp_path, in_place=False, path="s3://bucket/orders/*.parquet")
    with pytest.raises(ConfigError, match="ftp:// is not read in place"):
        read(tmp_path, path="ftp://host/orders.parquet")
