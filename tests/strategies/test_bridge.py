"""Wider, longer, deeper: parts that add up to the last unit, by hand and for any base."""

from __future__ import annotations

from datetime import date
from itertools import permutations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings

from strategies.bridge import PARTS, bridge, levers
from strategies.lenses import Period, customer_groups
from tests.strategies.base_facts import FIRST, LAST, any_facts, facts

H1, H2 = Period(FIRST, date(2025, 7, 1)), Period(date(2025, 7, 1), LAST)


def groups_of(*rows: tuple[str, str, int, int]) -> pd.DataFrame:
    return customer_groups(facts(rows), H1, H2)


def test_the_bridge_of_a_small_shop() -> None:
    groups = groups_of(
        ("lost", "2025-01-02", 1, 40),
        ("kept", "2025-01-02", 1, 10),
        ("kept", "2025-08-02", 3, 30),
        ("new", "2025-08-02", 1, 25),
        ("gave", "2025-08-02", 0, -2),
    )
    found = bridge(levers(groups)).set_index("part")
    assert found.loc[["before", "after"], "amount"].tolist() == [50.0, 53.0]
    assert found.loc[["new", "lost", "returns_only"], "amount"].tolist() == [25.0, -40.0, -2.0]
    assert found.loc[["orders", "breadth", "spend"], "amount"].tolist() == [20.0, 0.0, 0.0]
    assert found.loc[["before", "after", "lost"], "customers"].tolist() == [2, 2, 1]


def test_new_segments_are_told_from_new_customers() -> None:
    groups = groups_of(
        ("a", "2025-01-02", 1, 5),
        ("b", "2025-08-02", 1, 7),
        ("c", "2025-08-02", 1, 9),
        ("d", "2025-08-02", 1, 1),
    )
    segments = pd.Series({"a": "shop", "b": "shop", "c": "school"})
    found = bridge(levers(groups, segments)).set_index("part")["amount"]
    assert (found["new"], found["new_segment"]) == (8.0, 9.0)


def walked(before: list[float], after: list[float]) -> list[float]:
    """Shapley's values by walking every order of change."""
    parts = np.zeros(3)
    for order in permutations(range(3)):
        now = list(before)
        for place in order:
            was = np.prod(now)
            now[place] = after[place]
            parts[place] += (np.prod(now) - was) / 6
    return parts.tolist()


def test_deeper_is_the_mean_over_all_orders_of_change() -> None:
    kept = pd.DataFrame(
        {"group": "kept", "orders_before": [2], "orders_after": [5], "breadth_before": [6], "breadth_after": [10],
         "revenue_u_before": [1_200_000], "revenue_u_after": [4_000_000]},
        index=["a"],
    )  # fmt: skip
    found = levers(kept)[["orders", "breadth", "spend"]].iloc[0].to_numpy()
    assert found == pytest.approx(walked([2, 3, 200_000], [5, 2, 400_000]), abs=100)
    assert found.sum() == 2_800_000


def test_without_categories_breadth_has_no_part() -> None:
    groups = groups_of(("a", "2025-01-02", 1, 5), ("a", "2025-08-02", 2, 30))
    bare = groups.drop(columns=["breadth_before", "breadth_after"])
    assert levers(bare)[["orders", "breadth", "spend"]].iloc[0].tolist() == [100_000, 0, 150_000]


def test_returns_may_outweigh_what_was_bought() -> None:
    groups = groups_of(("a", "2025-01-02", 1, 5), ("a", "2025-08-02", 1, 5), ("a", "2025-08-03", 0, -20))
    found = levers(groups)
    assert found[list(PARTS)].sum(axis=1).tolist() == [-200_000]


@settings(max_examples=12)
@given(any_facts())
def test_parts_add_up_for_each_customer_and_for_all(days: pd.DataFrame) -> None:
    groups = customer_groups(days, H1, H2)
    found = levers(groups)
    change = found["revenue_u_after"] - found["revenue_u_before"]
    assert (found[list(PARTS)].sum(axis=1) == change).all()
    steps = bridge(found).set_index("part")["amount"]
    ends = [int(period.of(days)["revenue_u"].sum()) for period in (H1, H2)]
    units = (steps * 10_000).round().astype("int64")
    assert [units["before"], units["after"]] == ends
    assert units.drop("after").sum() == units["after"]


@settings(max_examples=12)
@given(any_facts())
def test_turning_time_round_turns_the_parts_of_the_kept(days: pd.DataFrame) -> None:
    there, back = levers(customer_groups(days, H1, H2)), levers(customer_groups(days, H2, H1))
    kept = there["group"] == "kept"
    deeper = ["orders", "breadth", "spend"]
    assert (there.loc[kept, deeper] == -back.loc[kept, deeper]).all(axis=None)
