"""Tables written and summed up some rows at a time are the tables written at once."""

from __future__ import annotations

import gc
from datetime import date
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest

from features.engine import keep_compact, told_limits
from features.errors import ConfigError
from features.frames import connect
from features.load import load
from features.plan import fetch_features
from features.settings import DataSettings, TableSource

SLICED = (
    "stage.SLICE_ROWS",
    "cast.COMPACT_ROWS",
    "load.COMPACT_ROWS",
    "tables.SHARE_ROWS",
    "tables.MANY_LINES",
)


def loaded(folder, **settings):
    source = TableSource(path=(str(folder / "*.csv"),))
    limits = {"max_quarantined_share": 0.9} | settings
    return load(DataSettings(orders=source, **limits), today=date(2026, 7, 1))


def shop(folder, rows=600):
    """Two files whose columns have different types, with faults, returns and copies."""
    draw = np.random.default_rng(7)
    frame = pd.DataFrame(
        {
            "customer_id": draw.integers(0, 40, rows),
            "time": pd.Timestamp("2025-01-01") + pd.to_timedelta(draw.integers(0, 500, rows), unit="D"),
            "amount": draw.choice([5.0, 12.5, -3.0, 40.0], rows),
            "order_id": draw.integers(0, 200, rows),
            "product": draw.choice(["tea", "cup", "pot"], rows),
        }
    ).astype({"amount": object})
    frame.loc[[3, 50, 311], "amount"] = "?"
    frame.iloc[: rows // 2].to_csv(folder / "a.csv", index=False)
    frame.iloc[rows // 2 :].drop(columns="product").to_csv(folder / "b.csv", index=False)


def rows_of(tables, table):
    found = tables.con.to_pyarrow(table)
    return found.sort_by([(name, "ascending") for name in table.columns])


@pytest.mark.parametrize("duplicates", ["keep", "drop"])
def test_slices_change_nothing(tmp_path, monkeypatch, duplicates):
    shop(tmp_path)
    whole = loaded(tmp_path, exact_duplicates=duplicates)
    for limit in SLICED:
        monkeypatch.setattr(f"features.{limit}", 200)
    sliced = loaded(tmp_path, exact_duplicates=duplicates)
    assert sliced.quarantine.rows.equals(whole.quarantine.rows)
    assert sliced.unused.equals(whole.unused)
    assert sliced.report == whole.report
    one, other = (loaded.tables for loaded in (whole, sliced))
    assert rows_of(one, one.orders).equals(rows_of(other, other.orders))
    assert rows_of(one, one.facts).equals(rows_of(other, other.facts))
    found = [fetch_features(t, [date(2026, 1, 1)]).sort_by("customer_id") for t in (one, other)]
    assert found[0].equals(found[1])


def test_order_lines_keep_only_the_columns_of_the_contract(tmp_path):
    shop(tmp_path)
    names = loaded(tmp_path).tables.orders.columns
    assert set(names) == {"customer_id", "time", "amount", "order_id", "product", "day", "known_day"}


def test_what_does_not_fit_goes_to_a_private_folder_and_leaves_with_the_engine():
    con = connect()
    keep_compact(con, 2**26)
    folder = Path(con.con.execute("SELECT current_setting('temp_directory')").fetchone()[0])
    assert folder.stat().st_mode & 0o777 == 0o700
    con.con.execute("SET threads = 1")
    con.con.execute("CREATE TABLE t AS SELECT hash(range) AS h, range AS n FROM range(4_000_000)")
    rows = con.con.execute(
        "SELECT count(*) FROM (SELECT row_number() OVER (ORDER BY h) AS k, n FROM t) WHERE k > 0"
    ).fetchone()
    assert rows == (4_000_000,)
    con.disconnect()
    del con
    gc.collect()
    assert not folder.exists()


def test_memory_that_does_not_suffice_is_told_with_what_to_do():
    con = connect()
    con.con.execute("SET memory_limit = '16MB'")
    with (
        pytest.raises(
            ConfigError, match=r"memory of 15\.2 MiB ran out while days .* memory_limit under \[data\]"
        ),
        told_limits(con, "days were made"),
    ):
        con.con.execute("SELECT list(range) FROM range(5_000_000)").fetchall()


@pytest.mark.parametrize(
    "error", [OSError(28, "No space left on device"), duckdb.IOException("No space left: x")]
)
def test_a_full_disk_is_told_with_what_to_do(error):
    con = connect()
    with (
        pytest.raises(ConfigError, match=r"the disk of .* ran out while days were made .* GB are free"),
        told_limits(con, "days were made"),
    ):
        raise error


def test_other_errors_of_files_are_told_as_they_are():
    with pytest.raises(FileNotFoundError), told_limits(connect(), "days were made"):
        raise FileNotFoundError(2, "no such file")
