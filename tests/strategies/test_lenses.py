"""The first two lenses: hand-made bases, and sums that reach every customer."""

from __future__ import annotations

from datetime import date

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strategies.lenses import (
    GROUPS,
    Period,
    by_customer,
    customer_groups,
    kept_movers,
    last_periods,
    one_period,
    order_counts,
    tenths,
    two_periods,
)
from tests.strategies.base_facts import FIRST, LAST, any_facts, facts

H1, H2 = Period(FIRST, date(2025, 7, 1)), Period(date(2025, 7, 1), LAST)
BASE = facts(
    [
        ("kept_up", "2025-02-01", 1, 10),
        ("kept_up", "2025-08-01", 2, 50),
        ("kept_down", "2025-03-01", 3, 90),
        ("kept_down", "2025-09-01", 1, 20),
        ("kept_same", "2025-03-01", 1, 7),
        ("kept_same", "2025-10-01", 1, 7),
        ("lost", "2025-06-30", 1, 40),
        ("lost", "2025-07-01", 0, -5),
        ("new", "2025-12-31", 1, 30),
        ("returns", "2025-04-01", 0, -8),
    ]
)


def test_a_period_ends_before_its_end() -> None:
    assert by_customer(BASE, H1)["revenue_u"].get("lost") == 400_000
    assert "new" not in by_customer(BASE, H1).index
    assert by_customer(BASE, H2).loc["lost", "revenue_u"] == -50_000


def test_figures_of_one_period() -> None:
    row = one_period(BASE, H1).iloc[0]
    assert (row["customers"], row["one_time"], row["returns_only"], row["orders"]) == (4, 3, 1, 6)
    assert (row["revenue"], row["margin"]) == (139.0, 69.5)
    assert (row["one_time_share"], row["orders_per_customer"]) == (0.75, 1.5)
    assert row["median_revenue"] == 25.0
    assert row["end"] == date(2025, 6, 30)


def test_nobody_in_a_period_has_no_averages() -> None:
    row = one_period(BASE, Period(date(2020, 1, 1), date(2021, 1, 1))).iloc[0]
    assert (row["customers"], row["revenue"]) == (0, 0.0)
    assert pd.isna(row["revenue_per_order"])


def test_tenths_are_equal_and_best_first() -> None:
    rows = [(f"c{i:02}", "2025-02-01", 1 + i % 3, 100 + i) for i in range(20)]
    found = tenths(facts(rows), H1)
    assert found["tenth"].tolist() == list(range(1, 11))
    assert set(found["customers"]) == {2}
    assert found["revenue"].iloc[0] == 118 + 119
    assert tenths(facts(rows), H1, by="orders")["orders"].iloc[:3].tolist() == [6, 6, 6]
    assert found["revenue_share"].sum() == pytest.approx(1.0)


def test_those_with_returns_only_stand_apart() -> None:
    assert tenths(BASE, H1).iloc[-1][["tenth", "customers", "revenue"]].tolist() == [0, 1, -8.0]
    counts = order_counts(BASE, H1)
    assert counts[["orders_from", "orders_to", "customers"]].values.tolist() == [
        [0, 0, 1],
        [1, 1, 3],
        [3, 3, 1],
    ]
    assert counts["customer_share"].iloc[1:].tolist() == [0.75, 0.25]


def test_what_became_of_everybody() -> None:
    found = customer_groups(BASE, H1, H2)["group"].to_dict()
    assert found == {
        "kept_up": "kept",
        "kept_down": "kept",
        "kept_same": "kept",
        "lost": "lost",
        "new": "new",
        "returns": "returns_only",
    }


def test_a_pause_of_a_period_is_regained() -> None:
    rows = facts([("a", "2024-12-31", 1, 5), ("a", "2025-08-01", 1, 6), ("b", "2025-08-01", 1, 6)])
    assert customer_groups(rows, H1, H2)["group"].to_dict() == {"a": "regained", "b": "new"}


def test_change_by_group_and_movers() -> None:
    groups = customer_groups(BASE, H1, H2)
    found = two_periods(groups).set_index("group")
    assert found["customers"].to_dict() == {"kept": 3, "new": 1, "regained": 0, "lost": 1, "returns_only": 1}
    assert found["revenue_change"].to_dict() == {
        "kept": -30.0,
        "new": 30.0,
        "regained": 0.0,
        "lost": -45.0,
        "returns_only": 8.0,
    }
    movers = kept_movers(groups).set_index("direction")
    assert movers["revenue_change"].to_dict() == {"up": 40.0, "same": 0.0, "down": -70.0}


@settings(max_examples=12)
@given(any_facts())
def test_every_table_holds_all_revenue(days: pd.DataFrame) -> None:
    whole = int(H2.of(days)["revenue_u"].sum())
    tables = [tenths(days, H2, by) for by in ("revenue", "orders", "margin")]
    tables += [order_counts(days, H2), one_period(days, H2)]
    assert [round(table["revenue"].sum() * 10_000) for table in tables] == [whole] * 5
    both = two_periods(customer_groups(days, H1, H2))
    assert set(both["group"]) == set(GROUPS)
    assert round(both["revenue_after"].sum() * 10_000) == whole


@settings(max_examples=12)
@given(any_facts())
def test_everybody_with_a_line_is_in_one_group(days: pd.DataFrame) -> None:
    groups = customer_groups(days, H1, H2)
    assert set(groups.index) == set(days["customer_id"])
    assert set(groups["group"]) <= set(GROUPS)


@pytest.mark.parametrize(
    ("first", "as_of", "months"),
    [
        (date(2024, 1, 1), date(2026, 1, 1), 12),
        (date(2024, 1, 2), date(2026, 1, 1), 6),
        (date(2025, 7, 1), date(2026, 1, 1), 3),
        (date(2025, 11, 1), date(2026, 1, 1), 1),
    ],
)
def test_the_longest_period_that_fits_twice(first: date, as_of: date, months: int) -> None:
    earlier, later = last_periods(first, as_of)
    assert (later.end, earlier.end) == (as_of, later.start)
    assert (as_of.year - later.start.year) * 12 + as_of.month - later.start.month == months
    assert earlier.start >= first


@given(st.dates(date(2000, 1, 1), date(2030, 1, 1)), st.integers(1, 2000))
def test_periods_touch_and_end_on_the_day(as_of: date, span: int) -> None:
    earlier, later = last_periods(as_of - pd.Timedelta(days=span), as_of)
    assert earlier.start < earlier.end == later.start < later.end == as_of
