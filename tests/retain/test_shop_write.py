"""The demo shop on disk: formats, parts, exact sizes, identical bytes."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from features.contract import TABLES
from features.errors import ConfigError, PublishError
from features.publish import sha256_file, verify
from retain.shop import ShopSettings, simulate, write_orders, write_shop
from retain.shop import write as writing

SMALL = ShopSettings(customers=40, days=300)


def test_writes_each_table_and_the_truth_apart(tmp_path: Path) -> None:
    files = write_shop(SMALL, tmp_path / "demo")
    names = {f.relative_to(tmp_path / "demo").as_posix() for f in files}
    assert names == {f"{t}.csv" for t in TABLES} | {"truth/customers.csv", "truth/campaigns.csv"}
    assert all(verify(f).rows is not None for f in files)


def test_csv_reads_back_as_the_table(tmp_path: Path) -> None:
    shop = simulate(SMALL)
    write_shop(shop, tmp_path)
    found = pd.read_csv(tmp_path / "orders.csv", parse_dates=["time", "known_at"])
    made = shop.tables["orders"].to_pandas()
    assert list(found) == list(made)
    assert (found.amount == made.amount).all()
    assert (found.time == made.time).all()
    assert (tmp_path / "orders.csv").read_text().startswith("customer_id,time,amount,")


def test_settings_and_shop_give_the_same_bytes(tmp_path: Path) -> None:
    one = write_shop(SMALL, tmp_path / "a", format="parquet")
    two = write_shop(simulate(SMALL), tmp_path / "b", format="parquet")
    assert [sha256_file(f) for f in one] == [sha256_file(f) for f in two]
    made = simulate(SMALL).tables["orders"]
    assert pq.read_table(tmp_path / "a" / "orders.parquet").cast(made.schema) == made


def test_a_large_shop_comes_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "PART_BLOCKS", 1)
    asked = ShopSettings(customers=4_100, days=20)
    write_shop(asked, tmp_path, format="parquet")
    parts = sorted((tmp_path / "orders").glob("part-*.parquet"))
    assert [p.name for p in parts] == ["part-00000.parquet", "part-00001.parquet"]
    assert sum(pq.read_metadata(p).num_rows for p in parts) == simulate(asked).tables["orders"].num_rows
    with pytest.raises(PublishError, match="already holds parts of another shop"):
        write_shop(SMALL, tmp_path)


def test_unknown_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="'csv' or 'parquet'"):
        write_shop(SMALL, tmp_path, format="xml")  # type: ignore[arg-type]


@pytest.mark.parametrize("lines", [1, 500, 60_001, 150_000])
def test_orders_have_exactly_the_lines_asked_for(tmp_path: Path, lines: int) -> None:
    file = write_orders(SMALL.model_copy(update={"days": 1_095}), tmp_path, lines=lines)
    assert pq.read_metadata(file).num_rows == lines
    assert verify(file).rows == lines


def test_a_longer_orders_file_holds_the_shorter_ones_customers(tmp_path: Path) -> None:
    short = pq.read_table(write_orders(SMALL, tmp_path / "a", lines=100)).to_pandas()
    long = pq.read_table(write_orders(SMALL, tmp_path / "b", lines=2_000)).to_pandas()
    assert short.time.is_monotonic_increasing
    complete = sorted(short.customer_id.unique())[:-1]
    of = lambda t: t[t.customer_id.isin(complete)].reset_index(drop=True)  # noqa: E731
    pd.testing.assert_frame_equal(of(short), of(long))


def test_no_lines_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="lines is 0"):
        write_orders(SMALL, tmp_path, lines=0)
