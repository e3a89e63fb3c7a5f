"""Several tables together, and the real data sets."""

from __future__ import annotations

from datetime import date, datetime

import pyarrow.parquet as pq
import pytest

from features.errors import InputError
from features.load import Loaded, load
from features.settings import DataSettings, TableSource

TODAY = date(2026, 2, 1)


def rows(loaded: Loaded, *names: str, table: str = "orders") -> list[tuple]:
    frame = loaded.tables.con.to_pyarrow(getattr(loaded.tables, table)).select(list(names))
    return sorted(zip(*(frame[name].to_pylist() for name in names), strict=True), key=repr)


def test_other_tables_are_typed_by_the_contract(tmp_path):
    (tmp_path / "orders.csv").write_text("customer_id,time,amount\na,2026-01-05,1\n")
    (tmp_path / "customers.csv").write_text(
        "customer_id,region,opted_out,joined_at\na,北方,是,\nb,南方,,2025-12-31\n"
    )
    (tmp_path / "contracts.csv").write_text("customer_id,start,end\na,2026-01-01,2027-01-01\n")
    sources = {name: TableSource(path=(f"{name}.csv",)) for name in ("orders", "customers", "contracts")}
    loaded = load(DataSettings(**sources), base=tmp_path, today=TODAY)
    assert rows(loaded, "customer_id", "region", "opted_out", "known_day", table="customers") == [
        ("a", "北方", True, date(1970, 1, 1)),
        ("b", "南方", None, date(2025, 12, 31)),
    ]
    assert rows(loaded, "end", table="contracts") == [(datetime(2027, 1, 1),)]


def test_contracts_alone_are_enough(tmp_path):
    (tmp_path / "contracts.csv").write_text("customer_id,start\na,2026-01-01\n")
    loaded = load(DataSettings(contracts=TableSource(path=("contracts.csv",))), base=tmp_path, today=TODAY)
    assert rows(loaded, "customer_id") == []
    with pytest.raises(InputError, match="no orders and no contracts"):
        load(DataSettings())


def test_progress_is_told_and_ends_at_one(tmp_path):
    told = []
    (tmp_path / "orders.csv").write_text("customer_id,time,amount\na,2026-01-05,1\n")
    settings = DataSettings(orders=TableSource(path=("orders.csv",)))
    load(settings, base=tmp_path, progress=lambda name, share: told.append((name, share)), today=TODAY)
    assert told[0] == ("orders", 0.0)
    assert told[-1] == ("orders", 1.0)


def test_scores_off_their_scale_and_contracts_that_end_first_are_told(tmp_path):
    (tmp_path / "contracts.csv").write_text(
        "customer_id,start,end,cancelled_at\na,2025-01-01,2024-01-01,\nb,2025-01-01,2027-01-01,2024-05-01\n"
    )
    (tmp_path / "surveys.csv").write_text("customer_id,time,score\na,2025-01-05,7\nb,2025-01-05,88\n")
    sources = {name: TableSource(path=(f"{name}.csv",)) for name in ("contracts", "surveys")}
    found = load(DataSettings(**sources), base=tmp_path, today=TODAY).report.of("warning")
    assert [(f.table, f.column, f.rule, f.rows, f.lines) for f in found] == [
        ("contracts", "end", "ends_first", 1, (2,)),
        ("contracts", "cancelled_at", "ends_first", 1, (3,)),
        ("surveys", "score", "off_scale", 1, (3,)),
    ]
    assert found[2].example == "88.0"


@pytest.mark.data
def test_online_retail_is_read_whole(shared_data):
    source = TableSource(
        path=(str(shared_data / "online_retail_ii_lines.parquet"),), columns={"time": "timestamp"}
    )
    loaded = load(DataSettings(orders=source, timezone="Europe/London", currency="GBP"))
    facts = loaded.report.facts
    assert (facts["rows"], facts["customers"], len(loaded.quarantine)) == (
        1_044_848 - 235_287,
        5_942,
        235_287,
    )
    assert (facts["first_day"], facts["last_day"], facts["suggested_window_days"]) == (
        "2009-12-01",
        "2011-12-09",
        180,
    )


@pytest.mark.data
def test_cdnow_is_the_same_from_parquet_and_from_raw_text(shared_data, tmp_path):
    known = pq.read_table(shared_data / "cdnow_sample.parquet")
    parquet = TableSource(path=(str(shared_data / "cdnow_sample.parquet"),), columns={"time": "timestamp"})
    shape = " {master_id:05d} {customer_id:4d} {timestamp:%Y%m%d} {quantity:2d} {amount:7.2f}\n"
    lines = [shape.format(**row) for row in known.to_pylist()]
    (tmp_path / "CDNOW.txt").write_text("".join(lines))
    columns = {"customer_id": "2", "time": "3", "quantity": "4", "amount": "5"}
    text = TableSource(path=("CDNOW.txt",), delimiter="whitespace", columns=columns)
    one, two = (load(DataSettings(orders=s), base=tmp_path) for s in (parquet, text))
    names = ("customer_id", "time", "amount", "quantity")
    assert rows(one, *names) == rows(two, *names)
    assert one.report.facts["customers"] == 2_357


def test_a_quantity_beyond_all_measure_is_emptied_and_the_row_stays(tmp_path):
    text = "customer_id,time,amount,quantity\na,2026-01-05,10.5,1\nb,2026-01-06,12,1e20\n"
    path = tmp_path / "orders.csv"
    path.write_text(text, encoding="utf-8")
    loaded = load(DataSettings(orders=TableSource(path=(str(path),))), today=date(2026, 2, 1))
    kept = loaded.tables.con.to_pyarrow(loaded.tables.orders).sort_by("customer_id")
    assert kept["quantity"].to_pylist() == [1.0, None]
    assert "too_large" in {finding.rule for finding in loaded.report.findings}
