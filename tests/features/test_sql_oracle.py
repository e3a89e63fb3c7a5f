"""Every column, computed a second time in plain SQL over the raw rows, gives the same number."""

from __future__ import annotations

from datetime import date

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings

from features.catalogue import catalogue
from features.frames import tables_from_frames
from features.pipeline import customer_features
from tests.features.feature_runs import (
    LOOSE,
    assert_close,
    demo_shop,
    line_rows,
    lines_frame,
    random_events,
    random_shop,
    run,
    shop,
)
from tests.features.sql_oracle import COLUMNS, oracle_events, oracle_holidays, oracle_orders, raw_tables

DAYS = ("2024-03-01", "2025-01-01")
EVENTS = tuple(name for name in COLUMNS if name != "orders")


def check_orders(found: pd.DataFrame, frames: dict[str, pd.DataFrame], as_of: str) -> None:
    assert_close(found, oracle_orders(raw_tables({"orders": frames["orders"]}), as_of), LOOSE)


def check_events(found: pd.DataFrame, frames: dict[str, pd.DataFrame], as_of: str) -> None:
    con = raw_tables({name: frames[name] for name in EVENTS})
    for name in EVENTS:
        expected = oracle_events(con, name, as_of)
        both = expected.index.intersection(found.index)
        assert len(both) > 0
        assert_close(found.loc[both], expected.loc[both])


def test_the_oracle_covers_every_column_but_loyalty():
    con = raw_tables({name: pd.DataFrame(columns=list(COLUMNS[name])) for name in COLUMNS})
    covered = {*oracle_orders(con, DAYS[0]).columns, *oracle_holidays(con, DAYS[0], [DAYS[0]]).columns}
    for name in EVENTS:
        covered |= set(oracle_events(con, name, DAYS[0]).columns)
    assert {d.name for d in catalogue()} - covered == {
        f"loyalty{part}" for part in ("", "_behavioural", "_cognitive", "_affective", "_conative")
    }


@settings(max_examples=8)
@given(line_rows())
def test_drawn_order_lines(rows):
    frames = {"orders": lines_frame(rows)}
    found = run(frames, *DAYS)
    for day in DAYS:
        here = found[found.index.get_level_values("as_of") == pd.Timestamp(day).date()]
        check_orders(here.droplevel("as_of"), frames, day)


@pytest.mark.parametrize("seed", [1, 2])
def test_many_random_customers_with_late_rows_and_events(seed):
    frames = shop(random_shop(seed), **random_events(seed))
    found = run(frames, "2025-02-28")
    check_orders(found, frames, "2025-02-28")
    check_events(found, frames, "2025-02-28")


def test_random_customers_without_arrival_times():
    frames = {"orders": random_shop(3).drop(columns="known_at")}
    check_orders(run(frames, "2024-12-31"), frames, "2024-12-31")


def test_demo_shop():
    frames = demo_shop()
    for day in ("2023-05-01", "2024-01-01"):
        found = run(frames, day)
        check_orders(found, frames, day)
        check_events(found, frames, day)


@pytest.mark.data
def test_online_retail(shared_data):
    names = {"timestamp": "time"} | {n: n for n in ("amount", "order_id", "product", "quantity")}
    lines = pq.read_table(shared_data / "online_retail_ii_lines.parquet", columns=["customer_id", *names])
    lines = lines.filter(pc.is_valid(lines["customer_id"]))
    ids = {"customer_id": lines["customer_id"].cast(pa.string())}
    lines = pa.table(ids | {ours: lines[theirs] for theirs, ours in names.items()})
    loaded = tables_from_frames({"orders": lines})
    rows = loaded.con.to_pyarrow(customer_features(loaded, [date(2011, 6, 12)])).to_pandas()
    frames = {"orders": lines.to_pandas()}
    check_orders(rows.set_index("customer_id").sort_index(), frames, "2011-06-12")
