"""The business day on every engine, case by case: a gap and a fold of the clocks, 29 February, week 53, the year's turn.

Instants are stored in the user's own tables and brought into the zone by the engine that holds them. The clocks of
Cairo changed at midnight: on 26 April 2024 from 00:00 to 01:00, on 31 October 2024 from 24:00 back to 23:00.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from features.labels import labels
from features.load import Loaded, load
from features.plan import fetch_features
from features.settings import DataSettings, TableSource

TODAY = date(2026, 2, 1)
# Case: the instant in UTC, and what the clock on the wall in Cairo says.
CASES = {
    "week 53, its last moment": ("2021-01-03T21:59:59.999999", "2021-01-03T23:59:59.999999"),
    "week 1 after it": ("2021-01-03T22:00:00", "2021-01-04T00:00:00"),
    "year still old in UTC": ("2020-12-31T22:30:00", "2021-01-01T00:30:00"),
    "29 February, its first moment": ("2024-02-28T22:00:00", "2024-02-29T00:00:00"),
    "29 February, its last moment": ("2024-02-29T21:59:59.999999", "2024-02-29T23:59:59.999999"),
    "1 March": ("2024-02-29T22:00:00", "2024-03-01T00:00:00"),
    "before the gap": ("2024-04-25T21:59:59", "2024-04-25T23:59:59"),
    "after the gap": ("2024-04-25T22:00:00", "2024-04-26T01:00:00"),
    "fold, the first time": ("2024-10-31T20:30:00", "2024-10-31T23:30:00"),
    "fold, the second time": ("2024-10-31T21:30:00", "2024-10-31T23:30:00"),
    "after the fold": ("2024-10-31T22:00:00", "2024-11-01T00:00:00"),
}
LONG_AGO = datetime(2019, 6, 1, 9, tzinfo=UTC)
# A day: the cases that come on it (labels of one day), and those whose latest order was the day before (features).
DAYS = {
    date(2021, 1, 1): ({"year still old in UTC"}, set()),
    date(2021, 1, 4): ({"week 1 after it"}, {"week 53, its last moment"}),
    date(2024, 2, 29): ({"29 February, its first moment", "29 February, its last moment"}, set()),
    date(2024, 3, 1): ({"1 March"}, {"29 February, its first moment", "29 February, its last moment"}),
    date(2024, 4, 26): ({"after the gap"}, {"before the gap"}),
    date(2024, 11, 1): ({"after the fold"}, {"fold, the first time", "fold, the second time"}),
}


def instants() -> pa.Table:
    """Each case is a customer, who bought long ago and at the instant."""
    at = [datetime.fromisoformat(utc).replace(tzinfo=UTC) for utc, _ in CASES.values()]
    times = pa.array([LONG_AGO] * len(CASES) + at, pa.timestamp("us", "UTC"))
    return pa.table({"customer_id": [*CASES] * 2, "time": times, "amount": [5.0] * len(times)})


def placed(source: TableSource, base: Path = Path()) -> Loaded:
    settings = DataSettings(in_place=True, timezone="Africa/Cairo", orders=source)
    return load(settings, base=base, today=TODAY, describe=False)


def hold(loaded: Loaded) -> None:
    """The wall clock of every case, then what labels and features make of the days."""
    tables = loaded.tables
    rows = tables.con.to_pyarrow(tables.orders.filter(tables.orders.day > date(2020, 1, 1))).to_pylist()
    clock = {row["customer_id"]: (row["time"].replace(tzinfo=None), row["day"]) for row in rows}
    told = {case: datetime.fromisoformat(local) for case, (_, local) in CASES.items()}
    assert clock == {case: (local, local.date()) for case, local in told.items()}
    ahead = tables.con.to_pyarrow(labels(tables, list(DAYS), [1])).to_pylist()
    known = fetch_features(tables, list(DAYS)).to_pylist()
    for day, (come, gone) in DAYS.items():
        assert {row["customer_id"] for row in ahead if row["as_of"] == day and row["orders_1d"]} == come, day
        latest = {row["customer_id"]: row["days_since_last"] for row in known if row["as_of"] == day}
        assert {case for case, days in latest.items() if days == 1} == gone, day
        assert all(latest[case] > 300 for case in come), day


def test_on_duckdb(tmp_path: Path) -> None:
    pq.write_table(instants(), tmp_path / "orders.parquet")
    hold(placed(TableSource(path=("orders.parquet",)), tmp_path))


def test_on_postgresql(postgres_url: str) -> None:
    with psycopg.connect(postgres_url.replace("+psycopg", ""), autocommit=True) as con:
        con.execute("SET TIME ZONE 'America/New_York'")  # a session may have any
        con.execute("CREATE TABLE orders (customer_id text, time timestamptz, amount double precision)")
        rows = [tuple(row.values()) for row in instants().to_pylist()]
        con.cursor().executemany("INSERT INTO orders VALUES (%s, %s, %s)", rows)
    loaded = placed(TableSource(url=postgres_url, table="orders"))
    hold(loaded)
    loaded.tables.con.disconnect()


@pytest.mark.spark
@pytest.mark.filterwarnings("ignore")  # of the libraries beneath
def test_on_spark(spark_session: Any) -> None:
    spark_session.createDataFrame(instants()).createOrReplaceTempView("zoned_orders")
    hold(placed(TableSource(url="spark://local", table="zoned_orders")))
