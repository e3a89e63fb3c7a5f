"""Kept statements: the bits of the expression, whatever was asked before."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.contract import TABLES
from features.errors import ConfigError, InputError
from features.frames import empty_table, tables_from_frames
from features.pipeline import customer_features
from features.plan import FeatureEngine, fetch_features, live_plan
from retain.shop import ShopSettings, simulate
from tests.features.feature_runs import line_rows, lines_frame, random_events, random_shop

DAY = date(2025, 6, 1)


@pytest.fixture(scope="module")
def engine() -> FeatureEngine:
    return FeatureEngine()


def bits(found: pa.Table) -> dict[str, bytes | list[object]]:
    """Every column as its 64-bit patterns, missing ones apart, or as its texts; rows sorted by key."""
    rows = found.sort_by([("as_of", "ascending"), ("customer_id", "ascending")])
    return {name: _patterns(rows[name]) for name in rows.column_names}


def _patterns(column: pa.ChunkedArray) -> bytes | list[object]:
    if not (pa.types.is_floating(column.type) or pa.types.is_integer(column.type)):
        return column.to_pylist()
    values = column.combine_chunks()
    return (
        values.is_null().to_numpy(zero_copy_only=False).tobytes() + values.fill_null(0).to_numpy().tobytes()
    )


def fetched(orders: pd.DataFrame, day: date = DAY) -> dict[str, bytes | list[object]]:
    return bits(fetch_features(tables_from_frames({"orders": orders}), [day]))


def test_a_kept_statement_gives_the_bits_of_the_expression() -> None:
    frames = {"orders": random_shop(3, 60), **random_events(3, 60)}
    days = [date(2025, 1, 1), DAY]
    tables = tables_from_frames(frames)
    expected = tables.con.to_pyarrow(customer_features(tables, days))
    found = fetch_features(tables, days)
    assert found.schema == expected.schema
    assert found.num_rows > 100
    assert bits(found) == bits(expected)
    assert bits(fetch_features(tables_from_frames(frames), days)) == bits(expected)


@pytest.mark.parametrize("country", ["", "DE"])
def test_tables_that_do_not_stand_in_the_engine_are_compiled_as_they_are(country: str) -> None:
    lines = random_shop(4, 5)[["customer_id", "time", "amount"]]
    tables = tables_from_frames({"orders": lines}, country=country)
    both = fetch_features(tables, [DAY])
    chosen = replace(tables, orders=tables.orders.filter(tables.orders.customer_id == "3"))
    only = fetch_features(chosen, [DAY])
    assert only["customer_id"].to_pylist() == ["3"]
    assert bits(only) == bits(both.filter(pc.field("customer_id") == "3"))


def test_a_day_must_be_named() -> None:
    with pytest.raises(ConfigError, match="no as_of date given"):
        fetch_features(tables_from_frames({"orders": random_shop(4, 5)}), [])


@settings(max_examples=12)
@given(rows=line_rows())
def test_an_engine_gives_the_same_bits_and_empty_columns_may_be_left_out(engine, rows) -> None:
    orders = lines_frame(rows)
    expected = fetched(orders)
    assert bits(engine.fetch(orders, DAY)) == expected
    assert bits(engine.fetch(orders.dropna(axis="columns", how="all"), DAY)) == expected


def test_an_engine_answers_for_the_barest_lines_as_a_shop_without_other_columns(engine) -> None:
    orders = random_shop(5, 20)[["customer_id", "time", "amount"]]
    assert bits(engine.fetch(orders, DAY)) == fetched(orders)


def test_the_values_of_one_question_play_no_part_in_the_next(engine) -> None:
    """An engine that plans by the values it sees would cut ids and sums of another size."""
    small = random_shop(6, 20)
    large = small.assign(
        customer_id="客户-" + small["customer_id"] + "-" + "9" * 30, amount=small["amount"] * 1e8
    )
    large["time"] -= pd.Timedelta(days=9000)
    expected = [fetched(small), fetched(large)]
    for given_, wanted in zip(
        [small, large, small.head(0), small], [*expected, None, expected[0]], strict=True
    ):
        found = engine.fetch(given_, DAY)
        assert found.num_rows == 0 if wanted is None else bits(found) == wanted


def test_an_engine_can_be_asked_for_any_day(engine) -> None:
    orders = random_shop(7, 20)
    for day in (date(2024, 1, 1), DAY, date(2024, 6, 1)):
        assert bits(engine.fetch(orders, day)) == fetched(orders, day)
    assert engine.fetch(orders, date(1990, 1, 1)).num_rows == 0


def test_nothing_stays_behind_not_even_after_a_failure(engine) -> None:
    line = {"customer_id": ["a"], "time": [datetime(2025, 1, 5)], "amount": [9.5]}
    with pytest.raises(InputError, match="not finite"):
        engine.fetch(pd.DataFrame({**line, "amount": [np.inf]}), DAY)
    with pytest.raises(duckdb.ConversionException):
        engine.fetch(pd.DataFrame(line), "no day")
    found = engine.fetch(pd.DataFrame(line), DAY)
    assert found.select(["customer_id", "spend_total"]).to_pylist() == [
        {"customer_id": "a", "spend_total": 9.5}
    ]


def test_zoned_times_become_times_of_the_business() -> None:
    late = pa.array([datetime(2025, 5, 31, 20)], pa.timestamp("us", "UTC"))
    orders = pa.table({"customer_id": ["a"], "time": late, "amount": [1.0]})
    assert FeatureEngine("Asia/Shanghai").fetch(orders, DAY).num_rows == 0
    assert FeatureEngine("America/New_York").fetch(orders, DAY).num_rows == 1


@pytest.fixture(scope="module", params=["", "DE"])
def country(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def whole_engine(country) -> FeatureEngine:
    return FeatureEngine("Europe/Berlin", country, tuple(TABLES))


def of(tables: dict[str, pa.Table], who: list[str]) -> dict[str, pa.Table]:
    chosen = pa.array(who, pa.string())
    return {name: rows.filter(pc.is_in(rows["customer_id"], chosen)) for name, rows in tables.items()}


@settings(max_examples=4)
@given(seed=st.integers(0, 10**6), days=st.integers(250, 500))
def test_one_by_one_in_batches_or_all_at_once_give_the_bits_of_the_list(
    whole_engine, country, seed, days
) -> None:
    """Some orders and events come after the day, some before it but arrive later."""
    tables = dict(simulate(ShopSettings(customers=12, days=500, seed=seed, late_share=0.3)).tables)
    day = ShopSettings().start + timedelta(days=days)
    loaded = tables_from_frames(tables, timezone="Europe/Berlin", country=country)
    expected = fetch_features(loaded, [day])
    who = pc.unique(tables["orders"]["customer_id"]).to_pylist()
    for size in (1, 5, len(who)):
        parts = [whole_engine.fetch(of(tables, who[at : at + size]), day) for at in range(0, len(who), size)]
        assert bits(pa.concat_tables(parts)) == bits(expected)


def test_awkward_events_give_the_bits_of_the_list() -> None:
    frames = {"orders": random_shop(8, 60), **random_events(8, 60)}
    engine = FeatureEngine(tables=tuple(frames))
    assert bits(engine.fetch(frames, DAY)) == bits(fetch_features(tables_from_frames(frames), [DAY]))


def test_a_table_left_out_counts_as_empty_and_nothing_of_it_stays_behind(whole_engine) -> None:
    orders, events = random_shop(9, 5), random_events(9, 5)
    empty = {name: empty_table(TABLES[name]).drop_columns(["day", "known_day"]) for name in events}
    expected = bits(whole_engine.fetch({"orders": orders, **empty}, DAY))
    given_ = bits(whole_engine.fetch({"orders": orders, **events}, DAY))
    assert bits(whole_engine.fetch(orders, DAY)) == expected != given_
    assert whole_engine.fetch(events, DAY).num_rows == 0


@settings(max_examples=8)
@given(rows=line_rows())
def test_where_only_orders_have_rows_the_shorter_statement_gives_the_same_bits(whole_engine, rows) -> None:
    """The rows of somebody else keep the engine from taking the shorter one."""
    orders = lines_frame(rows)
    others = random_events(9, 5)
    others = {name: events.assign(customer_id="somebody else") for name, events in others.items()}
    expected = bits(whole_engine.fetch({"orders": orders, **others}, DAY))
    assert bits(whole_engine.fetch(orders, DAY)) == expected


def test_the_shorter_statement_reads_no_events() -> None:
    plan = live_plan("", tuple(TABLES))
    events = [f'"{name}"' for name in TABLES if name not in ("orders", "customers")]
    assert all(name in plan.statement and name not in plan.alone for name in events)


def test_tables_that_the_shop_has_not_are_refused(engine) -> None:
    orders = random_shop(4, 2)
    with pytest.raises(InputError, match="table 'surveys' is none of this shop's tables"):
        engine.fetch({"orders": orders, "surveys": random_events(4, 2)["surveys"]}, DAY)
    with pytest.raises(ConfigError, match="table 'returns' is unknown; the contract has orders"):
        FeatureEngine(tables=["returns"])
