"""Streamed features are those made at once, bit for bit, however they are cut up, interrupted and gone on with."""

from __future__ import annotations

import errno
import json
from datetime import date
from pathlib import Path

import pandas as pd
import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import features.tables
from features.errors import LockedError, PublishError
from features.files import output_lock
from features.frames import tables_from_frames
from features.load import load
from features.plan import fetch_features
from features.publish import verify
from features.settings import DataSettings, TableSource
from features.tables import Tables
from serving.list_folder import RECORD, verify_list_folder
from serving.lists import write_list
from serving.streamed_features import WrittenFeatures, write_feature_file, write_feature_folder
from tests.features.feature_runs import random_events, random_shop

DAY = date(2025, 3, 1)
ORDERS = random_shop(4, 60)[["customer_id", "time", "amount"]]
LAST = max(ORDERS["customer_id"])


@pytest.fixture(autouse=True)
def small_shares(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three shares of some twenty customers."""
    monkeypatch.setattr(features.tables, "SHARE_GROUPS", 20)


def shop(orders: pd.DataFrame = ORDERS) -> Tables:
    return tables_from_frames({"orders": orders})


def at_once(tables: Tables) -> pa.Table:
    return fetch_features(tables, [DAY]).sort_by("customer_id").replace_schema_metadata(None)


@pytest.fixture(scope="module")
def plain() -> pa.Table:
    return at_once(shop())


def read(folder: Path) -> pa.Table:
    return pa.concat_tables(pq.read_table(file) for file in sorted(folder.glob("*.parquet")))


def written(out: Path, tables: Tables | None = None, *, batch_rows: int = 7) -> WrittenFeatures:
    return write_feature_folder(tables or shop(), DAY, out, batch_rows=batch_rows)


def stopped(out: Path, share: float, tables: Tables | None = None) -> None:
    """A run that is stopped once so much is done."""

    def stop(_: str, done: float) -> None:
        if done >= share:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_feature_folder(tables or shop(), DAY, out, progress=stop, batch_rows=7)


def test_file_has_the_bytes_of_the_one_written_from_memory(tmp_path: Path) -> None:
    tables = tables_from_frames({"orders": random_shop(4, 60), **random_events(4, 60)}, country="DE")
    made = write_feature_file(tables, DAY, tmp_path / "streamed.parquet", batch_rows=7)
    known = write_list(at_once(tables).to_pandas(), tmp_path / "whole.parquet")
    assert (made.sha256, made.rows) == (known.sha256, known.rows)
    assert (tmp_path / "streamed.parquet").read_bytes() == (tmp_path / "whole.parquet").read_bytes()
    assert verify(tmp_path / "streamed.parquet").rows == known.rows


@pytest.mark.parametrize("batch_rows", [7, 10_000])
def test_folder_has_the_same_rows_in_order_and_a_record(
    tmp_path: Path, plain: pa.Table, batch_rows: int
) -> None:
    made = written(tmp_path / "day", batch_rows=batch_rows)
    assert read(tmp_path / "day").equals(plain)
    record = verify_list_folder(tmp_path / "day", "features")
    assert (record["rows"], record["as_of"]) == (made.rows, "2025-03-01")
    assert (made.rows, made.files, made.kept) == (plain.num_rows, len(record["files"]), 0)
    assert [path.name for path in tmp_path.iterdir()] == ["day"]


def test_who_was_stopped_goes_on_with_the_shares_that_are_finished(tmp_path: Path, plain: pa.Table) -> None:
    stopped(tmp_path / "day", 0.6)
    assert [path.name for path in tmp_path.iterdir()] == [".day.work"]
    made = written(tmp_path / "day")
    assert 2 <= made.kept < made.files
    assert read(tmp_path / "day").equals(plain)
    assert [path.name for path in tmp_path.iterdir()] == ["day"]


def test_a_share_of_other_rows_is_made_again(tmp_path: Path) -> None:
    orders = ORDERS.copy()
    one = orders.index[orders["customer_id"] == min(orders["customer_id"])][0]
    orders.loc[one, "amount"] += 1.0
    stopped(tmp_path / "day", 1.0)
    other = shop(orders)
    made = written(tmp_path / "day", other)
    assert 0 < made.kept < made.files
    assert read(tmp_path / "day").equals(at_once(other))


def test_nothing_is_gone_on_with_on_another_day(tmp_path: Path) -> None:
    stopped(tmp_path / "day", 1.0)
    made = write_feature_folder(shop(), date(2025, 3, 2), tmp_path / "day", batch_rows=7)
    assert made.kept == 0
    assert set(read(tmp_path / "day")["as_of"].to_pylist()) == {date(2025, 3, 2)}


def test_damage_to_a_finished_share_is_made_good(tmp_path: Path, plain: pa.Table) -> None:
    stopped(tmp_path / "day", 1.0)
    file = tmp_path / ".day.work" / "share-00000-00000.parquet"
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    (file.parent / ".share-00001-00000.parquet.1.part").write_bytes(b"half")
    (file.parent / "share-00002.json").write_text("[")
    made = written(tmp_path / "day")
    assert 0 < made.kept < made.files / 2
    assert read(tmp_path / "day").equals(plain)


def test_earlier_features_are_replaced_in_one_step_and_all_else_is_refused(tmp_path: Path) -> None:
    out = tmp_path / "day"
    written(out)
    made = written(out, shop(ORDERS[ORDERS["customer_id"] != LAST]))
    assert verify_list_folder(out, "features")["rows"] == made.rows
    with pytest.raises(PublishError, match="so it is no whole list"):
        verify_list_folder(out)
    record = json.loads((out / RECORD).read_text())
    (out / RECORD).write_text(json.dumps({**record, "kind": "list"}))
    with pytest.raises(PublishError, match="no part of a table of features"):
        written(out)


def test_a_second_run_on_one_folder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with output_lock(tmp_path / "day"):
        # another process is another holder
        monkeypatch.setattr("os.getpid", lambda: 1)
        with pytest.raises(LockedError):
            written(tmp_path / "day")
        monkeypatch.undo()


def test_a_full_disk_leaves_the_earlier_features(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "day"
    known = written(out)

    def full_disk(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("serving.streamed_features.write_part", full_disk)
    with pytest.raises(PublishError, match="No space left"):
        written(out, batch_rows=5)
    assert verify_list_folder(out, "features")["rows"] == known.rows


def test_file_systems_without_second_names_are_fine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOTSUP, "Operation not supported")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    assert written(tmp_path / "day").rows == read(tmp_path / "day").num_rows


def test_a_day_before_all_orders_has_the_columns(tmp_path: Path, plain: pa.Table) -> None:
    day = date(1999, 1, 1)
    made = write_feature_folder(shop(), day, tmp_path / "day")
    assert (made.rows, made.files) == (0, 1)
    assert read(tmp_path / "day").schema.equals(plain.schema)
    assert write_feature_file(shop(), day, tmp_path / "day.parquet").rows == 0


def test_customers_of_a_server_stand_in_the_order_of_their_bytes(postgres_url: str, tmp_path: Path) -> None:
    ids = ["b", "A", "a", "B", "é", "10", "9"]
    with psycopg.connect(postgres_url.replace("+psycopg", ""), autocommit=True) as con:
        con.execute(
            'CREATE TABLE orders (customer_id text COLLATE "und-x-icu", "time" timestamp, amount float8)'
        )
        lines = [(name, date(2025, 1, 1), 5.0 + n) for n, name in enumerate(ids)]
        con.cursor().executemany("INSERT INTO orders VALUES (%s, %s, %s)", lines)
    source = TableSource(url=postgres_url, table="orders")
    tables = load(DataSettings(in_place=True, orders=source, currency="EUR"), strict=False).tables
    made = write_feature_folder(tables, DAY, tmp_path / "day", batch_rows=2)
    assert read(tmp_path / "day")["customer_id"].to_pylist() == sorted(ids)
    assert read(tmp_path / "day").equals(at_once(tables))
    assert (made.rows, made.files) == (7, 4)
    tables.con.disconnect()
