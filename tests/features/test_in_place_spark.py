"""Tables that stand in Spark: checked by a session of this machine, with the findings of DuckDB."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import pytest

from features.load import load
from features.settings import DataSettings, TableSource

TODAY = date(2026, 2, 1)


@pytest.mark.spark
@pytest.mark.filterwarnings("ignore")  # of the libraries beneath
def test_faults_are_counted_and_times_are_brought_into_the_zone_by_spark(spark_session: Any):
    rows = [
        (f"c{n % 9}", datetime(2025, 1 + n % 12, 1 + n % 28, 23, 30), float(n), n % 7 == 0) for n in range(60)
    ]
    rows[0], rows[1] = (None, *rows[0][1:]), ("  ", *rows[1][1:])
    rows[2], rows[3] = ("a\nb", *rows[2][1:]), (rows[3][0], rows[3][1], float("inf"), False)
    rows[4], rows[5] = (rows[4][0], None, 4.0, False), (" c5", *rows[5][1:])
    columns = "customer_id string, time timestamp_ntz, amount double, returned boolean"
    spark_session.createDataFrame(rows, columns).createOrReplaceTempView("shop_orders")
    source = TableSource(url="spark://local", table="shop_orders")
    loaded = load(DataSettings(in_place=True, orders=source), today=TODAY, strict=False)
    counts = {(f.column, f.rule): f.rows for f in loaded.report.findings}
    expected = {
        ("customer_id", "no_customer"): 2,
        ("customer_id", "bad_id"): 1,
        ("customer_id", "id_blanks_kept"): 1,
        ("amount", "not_finite"): 1,
        ("time", "missing"): 1,
        ("amount", "negated_return"): 8,
    }
    assert {key: counts.get(key) for key in expected} == expected
    assert loaded.tables.con.to_pyarrow(loaded.tables.orders.count()).as_py() == 55
    assert loaded.report.facts["first_day"] == "2025-01-09"
