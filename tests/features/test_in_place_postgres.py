"""Tables that stand in PostgreSQL: checked, featured and labelled by the server, equal to the same rows in DuckDB."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from decimal import Decimal

import numpy as np
import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from features.errors import ConfigError, InputError
from features.labels import labels
from features.load import Loaded, load
from features.pipeline import with_calendar
from features.plan import fetch_features
from features.settings import DataSettings, TableSource
from features.snapshot import as_of_table

TODAY = date(2026, 2, 1)
ORDERS = """
CREATE TABLE orders (kunde varchar(20), "time" timestamptz, amount numeric(12, 2), product text, order_id bigint,
                     returned boolean, quantity double precision, currency char(3), known_at timestamp)
"""


def rows_of(count: int) -> list[tuple]:
    draw = np.random.default_rng(3)
    start = np.datetime64("2024-03-01T00:00:00")
    times = start + draw.integers(0, 660 * 86_400, count).astype("timedelta64[s]")
    amounts = draw.normal(30, 20, count).round(2)
    return [
        (f"c{c}", t.item(), Decimal(str(a)), f"p{p}", int(o), bool(r), float(q), "EUR", None)
        for c, t, a, p, o, r, q in zip(
            draw.integers(0, 80, count),
            times,
            amounts,
            draw.integers(0, 20, count),
            draw.integers(0, 700, count),
            draw.random(count) < 0.03,
            draw.integers(1, 4, count),
            strict=True,
        )
    ]


def fill(url: str, rows: list[tuple]) -> None:
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as con:
        con.execute("SET TIME ZONE 'UTC'")
        con.execute(ORDERS)
        con.cursor().executemany(f"INSERT INTO orders VALUES ({', '.join(['%s'] * 9)})", rows)


def as_parquet(rows: list[tuple], path) -> None:
    names = ("kunde", "time", "amount", "product", "order_id", "returned", "quantity", "currency", "known_at")
    table = pa.table({name: [row[i] for row in rows] for i, name in enumerate(names)})
    naive = table.set_column(1, "time", table["time"].cast(pa.timestamp("us", "UTC")))
    pq.write_table(naive.set_column(8, "known_at", naive["known_at"].cast(pa.timestamp("us"))), path)


@pytest.fixture
def place(postgres_url) -> Iterator[Callable[..., Loaded]]:
    """Loads the table of orders in place, and leaves the server afterwards."""
    opened: list[Loaded] = []

    def placed(**settings) -> Loaded:
        source = TableSource(url=postgres_url, table="orders", columns={"customer_id": "kunde"})
        opened.append(load(DataSettings(in_place=True, orders=source, **settings), today=TODAY, strict=False))
        return opened[-1]

    yield placed
    for loaded in opened:
        loaded.tables.con.disconnect()


def sorted_rows(table: pa.Table) -> pa.Table:
    return table.sort_by([("as_of", "ascending"), ("customer_id", "ascending")])


def test_features_labels_and_facts_are_those_of_duckdb(postgres_url, place, tmp_path):
    rows = rows_of(1_500)
    fill(postgres_url, rows)
    as_parquet(rows, tmp_path / "o.parquet")
    settings = {"timezone": "Europe/Berlin", "currency": "EUR"}
    there = place(**settings)
    source = TableSource(path=("o.parquet",), columns={"customer_id": "kunde"})
    here = load(DataSettings(in_place=True, orders=source, **settings), base=tmp_path, today=TODAY)
    days = [date(2025, 10, 26)]
    assert there.report.facts == here.report.facts
    told, same = ({(f.rule, f.column, f.rows) for f in x.report.findings} for x in (there, here))
    assert told == same
    found, wanted = (sorted_rows(fetch_features(x.tables, days)) for x in (there, here))
    for name in wanted.column_names[2:]:
        np.testing.assert_allclose(
            found[name].to_numpy(), wanted[name].to_numpy(), rtol=1e-9, atol=1e-9, err_msg=name
        )
    ahead, known = (
        sorted_rows(x.tables.con.to_pyarrow(labels(x.tables, days, [30, 90]))) for x in (there, here)
    )
    assert ahead.equals(known)


def test_planted_faults_are_counted_by_the_server(postgres_url, place):
    rows = [list(row) for row in rows_of(300)]
    rows[0][0], rows[1][0], rows[2][0] = None, "  ", "a\nb"
    rows[3][1], rows[4][2], rows[5][2] = None, None, Decimal("NaN")
    rows[6][7], rows[7][6], rows[8][6] = "usd", float("inf"), float("nan")
    rows[9][0] = " c1"
    fill(postgres_url, [tuple(row) for row in rows])
    loaded = place(timezone="Europe/Berlin", currency="EUR")
    counts = {(f.column, f.rule): f.rows for f in loaded.report.findings}
    expected = {
        ("customer_id", "no_customer"): 2,
        ("customer_id", "bad_id"): 1,
        ("time", "missing"): 1,
        ("amount", "missing"): 2,
        ("currency", "foreign_currency"): 1,
        ("quantity", "not_finite"): 1,
        ("customer_id", "id_blanks_kept"): 1,
    }
    assert {key: counts.get(key) for key in expected} == expected
    assert loaded.tables.con.to_pyarrow(loaded.tables.orders.count()).as_py() == 293
    assert len(loaded.quarantine) == 7
    assert loaded.unused.to_pandas()["rows"].sum() == 7


def test_the_database_is_left_as_it_was(postgres_url, place):
    fill(postgres_url, rows_of(200))
    with psycopg.connect(postgres_url.replace("+psycopg", ""), autocommit=True) as con:
        listed = "SELECT relname FROM pg_class WHERE relpersistence = 'p' ORDER BY 1"
        rows = "SELECT count(*), sum(amount), max(xmin::text::bigint) FROM orders"
        before = con.execute(listed).fetchall(), con.execute(rows).fetchall()
        tables = place(country="DE").tables
        tables.con.to_pyarrow(with_calendar(as_of_table([date(2025, 3, 30)]), tables))
        assert (con.execute(listed).fetchall(), con.execute(rows).fetchall()) == before


def test_texts_and_wrong_tables_are_refused_without_the_password(postgres_url):
    fill(postgres_url, rows_of(2))
    wrong = TableSource(
        url=postgres_url, table="orders", columns={"customer_id": "kunde", "amount": "product"}
    )
    with pytest.raises(InputError, match=r"column 'product' \(for amount\) is string"):
        load(DataSettings(in_place=True, orders=wrong))
    absent = TableSource(url=postgres_url, table="lines")
    with pytest.raises(InputError, match="there is no table 'lines'") as failure:
        load(DataSettings(in_place=True, orders=absent))
    password = postgres_url.partition("://")[2].partition(":")[2].partition("@")[0]
    assert password not in str(failure.value)
    with pytest.raises(ConfigError, match="name the table to read"):
        load(DataSettings(in_place=True, orders=TableSource(url=postgres_url)))
