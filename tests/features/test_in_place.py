"""Tables read where they stand give what tables read into memory give: the same rows, findings and features."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from features.errors import ConfigError, InputError
from features.load import Loaded, load
from features.plan import fetch_features
from features.settings import DataSettings, TableSource

TODAY = date(2026, 2, 1)
_WITHOUT_LINES = {"ends_first", "off_scale", "outlier_amount"}


def clean_orders(rows: int = 6_000) -> pa.Table:
    """Order lines as a careful exporter writes them: typed, zoned, some marked as returned."""
    draw = np.random.default_rng(7)
    seconds = draw.integers(0, 700 * 86_400, rows).astype("timedelta64[s]")
    return pa.table(
        {
            "Kunde": [f"c{i}" for i in draw.integers(0, 300, rows)],
            "time": pa.array(np.datetime64("2024-01-01") + seconds).cast(pa.timestamp("us", "UTC")),
            "amount": np.round(draw.normal(30, 20, rows), 2),
            "product": [f"p{i}" for i in draw.integers(0, 50, rows)],
            "order_id": draw.integers(0, 3_000, rows),
            "returned": draw.random(rows) < 0.02,
            "category": [f" k{i}" for i in draw.integers(0, 5, rows)],
            "cost": pa.array([Decimal(i % 900) / 100 for i in range(rows)], pa.decimal128(9, 2)),
        }
    )


def both(base: Path, *, today: date = TODAY, **settings) -> tuple[Loaded, Loaded]:
    """The same tables, read into memory and in place."""
    read, placed = (
        load(DataSettings(in_place=there, **settings), base=base, today=today, strict=False)
        for there in (False, True)
    )
    return read, placed


def features_of(loaded: Loaded) -> pa.Table:
    found = fetch_features(loaded.tables, [date(2025, 6, 1), date(2025, 10, 1)])
    return found.sort_by([("as_of", "ascending"), ("customer_id", "ascending")])


def told(loaded: Loaded) -> set[tuple]:
    return {
        (f.table, f.column, f.state, f.rule, f.rows, f.source, f.example, f.en)
        + (() if f.rule in _WITHOUT_LINES else (f.lines,))
        for f in loaded.report.findings
    }


def frame(loaded: Loaded, name: str):
    rows = loaded.tables.con.to_pyarrow(getattr(loaded.tables, name)).to_pandas()
    return rows[sorted(rows)].sort_values(sorted(rows), ignore_index=True)


def test_clean_parquet_gives_the_same_bits(tmp_path):
    rows = clean_orders()
    for part in range(3):
        folder = tmp_path / "orders" / f"part={part}"
        folder.mkdir(parents=True)
        pq.write_table(rows.slice(part * 2_000, 2_000), folder / "lines.parquet", write_page_checksum=True)
    orders = TableSource(path=("orders/**/*.parquet",), columns={"customer_id": "Kunde"})
    read, placed = both(tmp_path, orders=orders, timezone="Europe/London", country="GB")
    assert features_of(placed).equals(features_of(read))
    assert placed.report.facts == read.report.facts
    assert told(placed) == told(read)
    assert placed.tables.orders.schema() == read.tables.orders.schema()


def test_a_duckdb_file_gives_the_same_bits_in_place_and_read(tmp_path):
    with duckdb.connect(tmp_path / "shop.duckdb") as con:
        con.register("rows", clean_orders())
        con.execute("CREATE SCHEMA sales")
        con.execute("CREATE TABLE sales.orders AS FROM rows")
    before = (tmp_path / "shop.duckdb").read_bytes()
    names = {"customer_id": "Kunde"}
    source = TableSource(url="duckdb:///shop.duckdb", table="sales.orders", columns=names)
    read, placed = both(tmp_path, orders=source, timezone="Asia/Shanghai")
    assert features_of(placed).equals(features_of(read))
    assert (tmp_path / "shop.duckdb").read_bytes() == before


def faulty_orders() -> pa.Table:
    n = 200
    ids: list = [f"c{i % 40}" for i in range(n)]
    time: list = [datetime(2025, 1 + i % 12, 1 + i % 28, 10) for i in range(n)]
    amount: list = [10.0 + i % 7 for i in range(n)]
    ids[:8] = [None, "", "  ", "a\nb", "x" * 300, " c5", "lost", "c\x007"]
    time[6:10] = [None, datetime(1950, 1, 1), datetime(2030, 1, 1), None]
    amount[10:15] = [float("inf"), float("nan"), None, 1e12, 9e10]
    ids[13] = None
    quantity = [1.0] * n
    quantity[20:22] = [float("-inf"), float("nan")]
    known: list = [None] * n
    known[30:32] = [datetime(2040, 1, 1), datetime(2025, 12, 31)]
    returned: list = [False] * n
    returned[40:43], returned[0], amount[41] = [True, True, None], True, -4.0
    currency: list = ["GBP"] * n
    currency[50:53], currency[0] = ["eur", None, " gbp "], "USD"
    product = [f"p{i % 9}" for i in range(n)]
    product[60:62] = ["p\r1", " "]
    order = [float(i // 2) for i in range(n)]
    order[70:73] = [1.5, float("nan"), float("inf")]
    return pa.table(
        {
            "customer_id": ids,
            "time": pa.array(time, pa.timestamp("ms")),
            "amount": amount,
            "quantity": quantity,
            "known_at": pa.array(known, pa.timestamp("ns")),
            "returned": returned,
            "currency": currency,
            "product": product,
            "order_id": order,
        }
    )


def write_faulty(folder: Path) -> dict[str, TableSource]:
    (folder / "orders").mkdir()
    rows = faulty_orders()
    pq.write_table(rows.slice(0, 100), folder / "orders" / "a.parquet")
    pq.write_table(rows.slice(100), folder / "orders" / "b.parquet")
    day = datetime(2025, 1, 1)
    tables = {
        "surveys": {"customer_id": ["a", "b", "c"], "time": [day] * 3, "score": [5, 11, float("nan")]},
        "contracts": {
            "customer_id": ["a", "b", "c"],
            "start": [date(2025, 1, 1), date(2025, 1, 1), date(2031, 1, 1)],
            "end": [date(2024, 1, 1), None, date(2032, 1, 1)],
            "contract_id": pa.array([Decimal(1), Decimal(2), None], pa.decimal128(20, 0)),
        },
        "customers": {
            "customer_id": [1, 2, 3],
            "joined_at": pa.array([day, day, datetime(2039, 1, 1)], pa.timestamp("us", "UTC")),
            "region": [" N", "", None],
            "opted_out": [0, 1, 7],
        },
    }
    for name, columns in tables.items():
        pq.write_table(pa.table(columns), folder / f"{name}.parquet")
    paths = {"orders": "orders"} | {name: f"{name}.parquet" for name in tables}
    return {name: TableSource(path=(path,)) for name, path in paths.items()}


def test_planted_faults_are_counted_alike_by_rule(tmp_path):
    read, placed = both(tmp_path, timezone="Asia/Shanghai", currency="GBP", **write_faulty(tmp_path))
    assert told(placed) == told(read)
    assert len({f.rule for f in placed.report.findings}) == 16
    for name in ("orders", "customers", "contracts", "surveys"):
        assert frame(placed, name).equals(frame(read, name)), name
    assert placed.quarantine.rows.equals(read.quarantine.rows)
    assert placed.unused.combine_chunks().equals(read.unused.combine_chunks())


def test_too_many_rows_set_aside_are_refused_as_from_files(tmp_path):
    orders = write_faulty(tmp_path)["orders"]
    read, placed = both(tmp_path, currency="GBP", max_quarantined_share=0.01, orders=orders)
    assert {f.en for f in placed.report.errors} == {f.en for f in read.report.errors}
    assert placed.report.errors[0].rule == "too_many_set_aside"


def test_exact_copies_are_dropped_when_asked(tmp_path):
    rows = clean_orders(500)
    pq.write_table(pa.concat_tables([rows, rows.slice(0, 20)]), tmp_path / "orders.parquet")
    orders = TableSource(path=("orders.parquet",), columns={"customer_id": "Kunde"})
    read, placed = both(tmp_path, orders=orders, exact_duplicates="drop")
    # Arrow's floats of decimals are a last bit off.
    pd.testing.assert_frame_equal(frame(placed, "orders"), frame(read, "orders"), rtol=1e-15)
    assert told(placed) == told(read)
    assert placed.unused.combine_chunks().equals(read.unused.combine_chunks())


def test_amounts_are_computed_where_no_column_carries_them(tmp_path):
    rows = {
        "customer_id": ["a"] * 30,
        "time": [date(2025, 1, i + 1) for i in range(30)],
        "quantity": [2] * 30,
    }
    pq.write_table(pa.table({**rows, "unit_price": [4.5] * 29 + [9e10]}), tmp_path / "o.parquet")
    read, placed = both(tmp_path, orders=TableSource(path=("o.parquet",)))
    assert frame(placed, "orders").equals(frame(read, "orders"))
    assert told(placed) == told(read)


@pytest.mark.parametrize(("other", "rule"), [("c5", "id_blanks_kept"), ("c9", "id_blanks")])
def test_blanks_around_ids_go_only_where_no_two_ids_become_one(tmp_path, other, rule):
    ids = [" c5", other] * 20
    rows = {"customer_id": ids, "time": [date(2025, 1, 1)] * 40, "amount": [1.0] * 40}
    pq.write_table(pa.table(rows), tmp_path / "o.parquet")
    read, placed = both(tmp_path, orders=TableSource(path=("o.parquet",)))
    assert frame(placed, "orders").equals(frame(read, "orders"))
    assert [f.rule for f in placed.report.findings if "blanks" in f.rule] == [rule]


def test_several_currencies_without_a_configured_one_are_refused(tmp_path):
    rows = {"customer_id": ["a"] * 4, "time": [date(2025, 1, 1)] * 4, "amount": [1.0] * 4}
    pq.write_table(pa.table({**rows, "currency": ["eur", "USD", None, "EUR "]}), tmp_path / "o.parquet")
    read, placed = both(tmp_path, orders=TableSource(path=("o.parquet",)))
    assert placed.report.errors == read.report.errors
    assert placed.report.errors[0].rows == 3


def test_amounts_in_cents_in_some_months_are_told(tmp_path):
    days = [date(2025, 1, 1) + timedelta(days=i % 300) for i in range(3_000)]
    amounts = [round(20.5 + i % 13, 2) * (100 if day.month > 7 else 1) for i, day in enumerate(days)]
    rows = {"customer_id": [f"c{i % 99}" for i in range(3_000)], "time": days, "amount": amounts}
    pq.write_table(pa.table(rows), tmp_path / "o.parquet")
    read, placed = both(tmp_path, orders=TableSource(path=("o.parquet",)))
    found = next(f for f in placed.report.findings if f.rule == "maybe_cents")
    same = next(f for f in read.report.findings if f.rule == "maybe_cents")
    assert (found.rows, found.en) == (same.rows, same.en)


def test_texts_where_a_time_or_number_is_needed_are_refused_with_what_to_do(tmp_path):
    rows = {"customer_id": ["a"], "time": ["2025-01-01"], "amount": ["12,5"]}
    pq.write_table(pa.table(rows), tmp_path / "o.parquet")
    settings = DataSettings(in_place=True, orders=TableSource(path=("o.parquet",)))
    with pytest.raises(InputError) as failure:
        load(settings, base=tmp_path, today=TODAY)
    for part in (
        "'time' (for time) is string",
        "CAST(time AS TIMESTAMP)",
        "CAST(amount AS DOUBLE)",
        "in_place = false",
    ):
        assert part in str(failure.value)


def test_tables_in_two_places_and_files_that_are_no_parquet_are_refused(tmp_path):
    (tmp_path / "o.csv").write_text("customer_id,time,amount\na,2025-01-01,3\n")
    file = TableSource(path=("o.csv",))
    base = TableSource(url="duckdb:///shop.duckdb", table="customers")
    with pytest.raises(ConfigError, match="in place all tables stand in one"):
        load(DataSettings(in_place=True, orders=file, customers=base), base=tmp_path)
    with pytest.raises(InputError, match=r"o\.csv: in place only Parquet and databases"):
        load(DataSettings(in_place=True, orders=file), base=tmp_path)
    with pytest.raises(ConfigError, match="SQLite has neither"):
        load(DataSettings(in_place=True, orders=TableSource(url="sqlite:///a.db", table="o")), base=tmp_path)


def test_a_wrong_table_and_a_file_that_is_no_database_are_told(tmp_path):
    with duckdb.connect(tmp_path / "shop.duckdb") as con:
        con.execute("CREATE TABLE other AS SELECT 1 AS x")
    (tmp_path / "junk.duckdb").write_bytes(b"no database at all" * 999)
    for url, cause in [
        ("duckdb:///shop.duckdb", "there is no table 'orders'"),
        ("duckdb:///junk.duckdb", "no DuckDB database|cannot be opened"),
        ("duckdb:///absent.duckdb", "there is no file"),
    ]:
        source = TableSource(url=url, table="orders")
        for there in (True, False):
            with pytest.raises(InputError, match=cause if there or "junk" not in url else "cannot read"):
                load(DataSettings(in_place=there, orders=source), base=tmp_path)


def test_contracts_alone_are_enough_in_place(tmp_path):
    pq.write_table(pa.table({"customer_id": ["a"], "start": [date(2026, 1, 1)]}), tmp_path / "c.parquet")
    _, placed = both(tmp_path, contracts=TableSource(path=("c.parquet",)))
    assert placed.tables.con.to_pyarrow(placed.tables.orders.count()).as_py() == 0


def test_an_empty_table_is_a_warning(tmp_path):
    rows = pa.table({"customer_id": ["a"], "time": [date(2026, 1, 1)], "amount": [1.0]}).slice(0, 0)
    pq.write_table(rows, tmp_path / "o.parquet")
    read, placed = both(tmp_path, orders=TableSource(path=("o.parquet",)))
    assert told(placed) == told(read)


def test_limits_of_the_engine_are_those_configured(tmp_path):
    pq.write_table(clean_orders(100), tmp_path / "o.parquet")
    orders = TableSource(path=("o.parquet",), columns={"customer_id": "Kunde"})
    for loaded in both(tmp_path, orders=orders, memory_limit="1GB", threads=1):
        limits = "SELECT current_setting('memory_limit'), current_setting('threads')"
        assert loaded.tables.con.con.execute(limits).fetchone() == ("953.0 MiB", 1)


def test_a_run_that_only_uses_the_tables_need_not_wait_for_facts(tmp_path):
    pq.write_table(clean_orders(100), tmp_path / "o.parquet")
    orders = TableSource(path=("o.parquet",), columns={"customer_id": "Kunde"})
    for there in (True, False):
        found = load(DataSettings(in_place=there, orders=orders), base=tmp_path, describe=False, today=TODAY)
        assert set(found.report.facts) == {"timezone", "currency", "country"}
