"""Facts of many lines, some customers at a time, are the facts of the definition."""

from __future__ import annotations

import gc
import re
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import features.many_days
import features.sorted_numbers
import features.tables
from features.days import day_facts, settled_days
from features.errors import InputError
from features.frames import tables_from_frames
from retain.shop import ShopSettings, simulate
from tests.features.feature_runs import line_rows, lines_frame, random_shop, same_bits

KEYS = ("customer_id", "day", "known_day")
LACKING = ((), ("known_at",), ("order_id",), ("product",), ("category",), ("product", "category", "cost"))


@pytest.fixture(autouse=True)
def _every_shop_is_large(monkeypatch):
    monkeypatch.setattr(features.tables, "MANY_LINES", 0)


def both(frame):
    """Facts and settled days kept in the engine, and those of the definition."""
    tables = tables_from_frames({"orders": frame})
    facts = day_facts(tables.orders)
    found = [(tables.facts, tables.settled), (facts, settled_days(facts))]
    return [[rows_of(tables, rows) for rows in kind] for kind in found]


def rows_of(tables, found):
    keys = [(name, "ascending") for name in KEYS if name in found.columns]
    return tables.con.to_pyarrow(found).sort_by(keys)


def same(one, other):
    return all(same_bits(*rows) for rows in zip(one, other, strict=True))


@settings(max_examples=6)
@given(rows=line_rows(span=20))
def test_facts_of_many_lines_are_those_of_the_definition(rows):
    assert same(*both(lines_frame(rows)))


@pytest.mark.parametrize("lacking", LACKING)
def test_whatever_columns_a_shop_has(lacking):
    frame = random_shop(11, 80)
    assert same(*both(frame.drop(columns=[name for name in lacking if name in frame])))


@settings(max_examples=3)
@given(seed=st.integers(0, 10**6), late=st.sampled_from([0.0, 0.4]))
def test_simulated_shops_with_late_lines_and_returns(seed, late):
    shop = ShopSettings(customers=60, days=300, seed=seed, late_share=late, return_share=0.2)
    assert same(*both(simulate(shop).tables["orders"]))


@settings(max_examples=4)
@given(rows=line_rows(span=20), seed=st.integers(0, 10**6))
def test_blocks_of_any_size_give_the_same_rows(rows, seed):
    shop = lines_frame(rows)
    frame = pd.concat([shop, random_shop(seed, 9)[shop.columns]])
    found = []
    for blocks in (1, 3, 7):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(features.many_days, "BLOCK_LINES", max(1, len(frame) // blocks))
            patch.setattr(features.many_days, "BATCH_LINES", 1 + seed % 50)
            found.append(both(frame)[0])
    assert same(found[0], found[1])
    assert same(found[0], found[2])
    assert same(found[0], both(frame)[1])


@pytest.mark.parametrize("shares", [2, 3, 7])
def test_shares_of_any_number_give_the_same_rows(shares, monkeypatch):
    monkeypatch.setattr(features.many_days, "LINE_BYTES", 2**50)
    monkeypatch.setattr(features.many_days, "MOST_SHARES", shares)
    assert same(*both(random_shop(11, 80)))


def test_a_customer_with_more_lines_than_a_block_stays_whole(monkeypatch):
    monkeypatch.setattr(features.many_days, "BLOCK_LINES", 5)
    monkeypatch.setattr(features.many_days, "BATCH_LINES", 2)
    assert same(*both(random_shop(11, 80).assign(customer_id=lambda f: f.customer_id.str[:1])))


def test_numbers_too_wide_to_stand_in_one_are_ranked(monkeypatch):
    monkeypatch.setattr(features.sorted_numbers, "_BITS", 12)
    assert same(*both(random_shop(11, 80)))


def test_money_that_64_bits_do_not_hold_is_refused():
    frame = random_shop(11, 80)
    rows = pd.concat([frame.head(1).assign(amount=1e11)] * 10_000)
    tables = tables_from_frames({"orders": rows})
    with pytest.raises(InputError, match="more than 64 bits hold"):
        tables.facts.count()


def test_the_days_stand_in_private_files_that_go_with_the_engine():
    tables = tables_from_frames({"orders": random_shop(11, 80)})
    assert tables.facts.count().to_pyarrow().as_py() > 0
    assert tables.con.con.execute("SELECT count(*) FROM duckdb_tables()").fetchone() == (0,)
    (view,) = tables.con.con.execute(
        "SELECT sql FROM duckdb_views() WHERE sql LIKE '%moving_facts.parquet%'"
    ).fetchone()
    folder = Path(re.findall(r"'([^']+)/moving_facts.parquet'", view)[0])
    assert folder.stat().st_mode & 0o777 == 0o700
    del tables
    gc.collect()
    assert not folder.exists()


def test_the_definition_has_every_sum():
    """A sum that is not made would be 0 everywhere."""
    tables = tables_from_frames({"orders": random_shop(11, 80)})
    sums = [name for name in tables.facts.columns if name not in ("customer_id", "day", "known_day")]
    totals = tables.con.to_pyarrow(tables.facts.aggregate(**{n: tables.facts[n].sum() for n in sums}))
    assert [name for name in sums if not totals[name][0].as_py()] == []
