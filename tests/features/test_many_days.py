"""Facts of many lines, each kind summed up on its own, are the facts of the definition."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import features.tables
from features.days import day_facts
from features.frames import tables_from_frames
from retain.shop import ShopSettings, simulate
from tests.features.feature_runs import line_rows, lines_frame, random_shop, same_bits

KEYS = [(name, "ascending") for name in ("customer_id", "day", "known_day")]
LACKING = ((), ("known_at",), ("order_id",), ("product",), ("category",), ("product", "category", "cost"))


@pytest.fixture(autouse=True)
def _every_shop_is_large(monkeypatch):
    monkeypatch.setattr(features.tables, "MANY_LINES", 0)


def both(frame):
    """The facts kept in the engine, and those of the definition."""
    tables = tables_from_frames({"orders": frame})
    found = (tables.con.to_pyarrow(facts) for facts in (tables.facts, day_facts(tables.orders)))
    return [facts.sort_by(KEYS) for facts in found]


@settings(max_examples=6)
@given(rows=line_rows(span=20))
def test_facts_of_many_lines_are_those_of_the_definition(rows):
    assert same_bits(*both(lines_frame(rows)))


@pytest.mark.parametrize("lacking", LACKING)
def test_whatever_columns_a_shop_has(lacking):
    frame = random_shop(11, 80)
    assert same_bits(*both(frame.drop(columns=[name for name in lacking if name in frame])))


@settings(max_examples=3)
@given(seed=st.integers(0, 10**6), late=st.sampled_from([0.0, 0.4]))
def test_simulated_shops_with_late_lines_and_returns(seed, late):
    shop = ShopSettings(customers=60, days=300, seed=seed, late_share=late, return_share=0.2)
    assert same_bits(*both(simulate(shop).tables["orders"]))


def test_working_tables_are_gone():
    tables = tables_from_frames({"orders": random_shop(11, 80)})
    assert tables.facts.count().to_pyarrow().as_py() > 0
    names = tables.con.con.execute("SELECT table_name FROM duckdb_tables()").fetchall()
    assert [name for (name,) in names if name.startswith(("ibis_numbered", "ibis_bought"))] == []
    assert len(names) == 1


def test_the_definition_has_every_sum():
    """A sum that is not made would be 0 everywhere."""
    tables = tables_from_frames({"orders": random_shop(11, 80)})
    sums = [name for name in tables.facts.columns if name not in ("customer_id", "day", "known_day")]
    totals = tables.con.to_pyarrow(tables.facts.aggregate(**{n: tables.facts[n].sum() for n in sums}))
    assert [name for name in sums if not totals[name][0].as_py()] == []
