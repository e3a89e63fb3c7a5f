"""Days kept once for all cut-offs, beside the days as they were known at each: the same bits."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import features.tables
from features.days import settled_days
from features.frames import tables_from_frames
from features.pipeline import customer_features
from features.plan import fetch_features
from features.snapshot import as_of_table, unsettled
from features.streams import stream_features
from retain.shop import ShopSettings, simulate
from tests.features.feature_runs import random_events, random_shop, same_bits, table

KEYS = [("as_of", "ascending"), ("customer_id", "ascending")]
DAYS = [date(2024, 1, 15) + timedelta(days=47 * k) for k in range(9)]


def anew(tables, days):
    """Features without anything kept: what was known at each day, put together for that day."""
    return tables.con.to_pyarrow(customer_features(tables, days)).sort_by(KEYS)


@settings(max_examples=3)
@given(
    seed=st.integers(0, 10**6), late=st.sampled_from([0.0, 0.02, 0.4]), country=st.sampled_from(["", "DE"])
)
def test_many_days_at_once_have_the_bits_of_each_day_anew(seed, late, country):
    shop = simulate(ShopSettings(customers=25, days=600, seed=seed, late_share=late)).tables
    tables = tables_from_frames(dict(shop), timezone="Europe/Berlin", country=country)
    days = [ShopSettings().start + timedelta(days=n) for n in (90, 91, 250, 400, 599, 700)]
    assert same_bits(fetch_features(tables, days).sort_by(KEYS), anew(tables, days))


@pytest.mark.parametrize("seed", [1])
def test_awkward_shops_have_the_same_bits_in_shares_and_whole(seed, monkeypatch):
    frames = {"orders": random_shop(seed, 60), **random_events(seed, 60)}
    expected = anew(tables_from_frames(frames), DAYS)
    assert expected.num_rows > 200
    assert same_bits(fetch_features(tables_from_frames(frames), DAYS).sort_by(KEYS), expected)
    monkeypatch.setattr(features.tables, "SHARE_ROWS", 400)
    monkeypatch.setattr(features.tables, "SHARE_GROUPS", 100)
    shared = tables_from_frames(frames)
    batches = list(stream_features(shared, DAYS, by_customer=True, rows=7))
    found = pa.Table.from_batches(batches)
    assert found["customer_id"].to_pylist() == sorted(found["customer_id"].to_pylist())
    assert same_bits(found.sort_by(KEYS), expected)
    assert same_bits(fetch_features(tables_from_frames(frames), DAYS).sort_by(KEYS), expected)


def test_tables_that_do_not_stand_in_the_engine_have_the_same_bits():
    tables = tables_from_frames({"orders": random_shop(5, 20)})
    some = replace(tables, orders=tables.orders.filter(tables.orders.amount < 100))
    assert same_bits(fetch_features(some, DAYS).sort_by(KEYS), anew(some, DAYS))


def test_a_customer_is_unsettled_while_something_that_happened_has_not_arrived():
    rows = [("a", "2026-01-05", 1.0, "2026-01-09"), ("b", "2026-01-05", 1.0, None)]
    tables = tables_from_frames({"orders": table("customer_id time amount known_at", *rows)})
    days = [date(2026, 1, day) for day in range(4, 12)]
    found = tables.con.to_pyarrow(unsettled(tables.orders, as_of_table(days))).to_pylist()
    assert sorted((row["customer_id"], row["as_of"].day) for row in found) == [("a", d) for d in (6, 7, 8, 9)]


def test_what_arrived_on_several_days_is_one_settled_day():
    arrived = ["2026-01-09", None, "2026-02-01"]
    rows = [("a", "2026-01-05", 1.0, at) for at in arrived] + [("a", "2026-01-15", 4.0, None)]
    tables = tables_from_frames({"orders": table("customer_id time amount known_at", *rows)})
    found = tables.con.to_pyarrow(settled_days(tables.facts)).sort_by("day").to_pylist()
    assert [(row["day"].day, row["spend_u"], row["orders"], row["gap"]) for row in found] == [
        (5, 30_000, 1, None),
        (15, 40_000, 1, 10),
    ]


def test_kept_sums_have_64_bits_and_absurd_ones_as_many_as_they_need():
    """The age of a day times its spend, in 1/10,000, would not fit into 64 bits."""
    rows = pd.DataFrame({"customer_id": ["a"] * 400, "time": pd.Timestamp("1971-01-01"), "amount": 1e11})
    plain = tables_from_frames({"orders": rows.assign(amount=1.0)})
    absurd = tables_from_frames({"orders": rows})
    types = [t.con.con.execute(f"DESCRIBE {t.con.compile(t.facts)}").fetchall() for t in (plain, absurd)]
    assert [{row[1] for row in found} >= {"HUGEINT"} for found in types] == [False, True]
    found = fetch_features(absurd, [date(2026, 1, 1)])
    assert same_bits(found, anew(absurd, [date(2026, 1, 1)]))
    assert pc.sum(found["spend_total"]).as_py() == 4e13
