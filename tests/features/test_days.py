from __future__ import annotations

from datetime import date
from math import log

import pytest

from features.days import day_facts, line_facts, merge_days, with_ends, with_gaps
from features.frames import tables_from_frames
from features.snapshot import as_of_table, past
from tests.features.feature_runs import table

FULL = "customer_id time amount order_id product quantity discount cost known_at"


def facts(*rows, columns="customer_id time amount"):
    tables = tables_from_frames({"orders": table(columns, *rows)})
    days = with_gaps(day_facts(tables.orders), ["customer_id"])
    return (
        tables.con.to_pyarrow(days).sort_by([("customer_id", "ascending"), ("day", "ascending")]).to_pylist()
    )


def test_money_is_whole_numbers_of_a_hundredth_of_a_cent():
    (day,) = facts(("a", "2026-01-01", 0.1), ("a", "2026-01-01", 0.2), ("a", "2026-01-01", -0.05))
    assert (day["spend_u"], day["net_u"], day["returns_u"], day["returns"]) == (3_000, 2_500, 500, 1)
    assert (day["lines"], day["orders"], day["bought"]) == (2, 1, 1)


def test_orders_are_distinct_within_customer_and_day():
    rows = [("a", "7"), ("a", "7"), ("a", "8"), ("a", None), ("a", None), ("b", "7")]
    lines = [(c, "2026-01-01", 5.0, o) for c, o in rows] + [("a", "2026-01-02", 5.0, "7")]
    found = facts(*lines, columns="customer_id time amount order_id")
    assert [(d["customer_id"], d["orders"]) for d in found] == [("a", 3), ("a", 1), ("b", 1)]


def test_an_order_without_a_positive_line_is_none():
    found = facts(("a", "2026-01-01", -5.0), ("a", "2026-01-02", 0.0), ("a", "2026-01-04", 1.0))
    assert [(d["orders"], d["bought"], d["gap"], d["lines"]) for d in found] == [
        (0, 0, None, 0),
        (0, 0, None, 1),
        (1, 1, None, 1),
    ]


def test_gaps_run_between_purchase_days_only():
    found = facts(
        ("a", "2026-01-30", 1.0),
        ("a", "2026-02-10", -1.0),
        ("a", "2026-03-01", 1.0),
        ("b", "2026-03-02", 1.0),
    )
    assert [d["gap"] for d in found] == [None, None, 30, None]
    assert [d["new_month"] for d in found] == [1, 0, 1, 1]


def test_entropy_parts_add_up_to_n_log_n():
    products = ["P", "P", "Q", "P", None, "Q"]
    rows = [("a", f"2026-01-0{k + 1}", 1.0, p) for k, p in enumerate(products)]
    found = facts(*rows, ("a", "2026-01-01", -1.0, "R"), columns="customer_id time amount product")
    total = sum(d["product_nlogn"] for d in found) / 1e9
    assert total == pytest.approx(3 * log(3) + 2 * log(2), abs=1e-8)
    assert sum(d["new_products"] for d in found) == 2
    assert sum(d["product_lines"] for d in found) == 5


def test_a_discount_is_money_off_what_was_kept_however_it_is_signed():
    rows = [(10.0, 2.0), (10.0, -2.0), (10.0, None), (0.0, 5.0), (-10.0, 2.0)]
    (day,) = facts(*[("a", "2026-01-01", *r) for r in rows], columns="customer_id time amount discount")
    assert (day["discount_u"], day["discounted_lines"], day["lines"]) == (90_000, 3, 4)


@pytest.mark.parametrize("cost", [6.0, -6.0])
def test_a_return_gives_its_cost_back_however_it_is_signed(cost):
    rows = [(10.0, 6.0), (-10.0, cost), (5.0, None)]
    (day,) = facts(*[("a", "2026-01-01", *r) for r in rows], columns="customer_id time amount cost")
    assert (day["margin_u"], day["costed_lines"]) == (0, 2)


def test_only_lines_with_a_quantity_have_a_price():
    rows = [(10.0, 4.0), (10.0, None), (10.0, 0.0), (-5.0, -2.0), (7.0, -1.0)]
    (day,) = facts(*[("a", "2026-01-01", *r) for r in rows], columns="customer_id time amount quantity")
    assert (day["quantity_u"], day["priced_u"], day["spend_u"]) == (40_000, 100_000, 370_000)


def test_lines_of_one_day_that_arrive_on_two_are_two_facts_and_one_order():
    late = "2026-02-01"
    found = facts(
        ("a", "2026-01-01", 5.0, "7", "P", 1.0, None, None, None),
        ("a", "2026-01-01", 5.0, "7", "P", 1.0, None, None, late),
        columns=FULL,
    )
    assert sorted((d["known_day"], d["orders"], d["day_products"]) for d in found) == [
        (date(2026, 1, 1), 1, 1),
        (date(2026, 2, 1), 0, 0),
    ]


ENDS = (
    ("a", "2026-01-05", -1.0),
    ("a", "2026-01-10", 1.0),
    ("a", "2026-01-20", 1.0),
    ("a", "2026-02-01", 1.0),
)


@pytest.mark.parametrize(("as_of", "last"), [("2026-01-15", 10), ("2026-02-01", 20), ("2026-03-01", 1)])
@pytest.mark.parametrize("late", [False, True])
def test_the_first_and_the_last_purchase_day_before_the_cut_are_marked(as_of, last, late):
    tables = tables_from_frames({"orders": table("customer_id time amount", *ENDS)})
    cuts, days = as_of_table([date.fromisoformat(as_of)]), day_facts(tables.orders)
    if late:
        days = with_gaps(merge_days(past(days, cuts)), ["as_of", "customer_id"])
    else:
        days = past(with_gaps(days, ["customer_id"]), cuts)
    found = tables.con.to_pyarrow(with_ends(days)).to_pylist()
    assert [d["day"].day for d in found if d["first"]] == [10]
    assert [d["day"].day for d in found if d["last"]] == [last]


def test_lines_add_up_to_the_same_as_days():
    rows = [("a", "2026-01-01", 5.0, "7", "P", at) for at in ("2026-01-01", "2026-01-09")]
    tables = tables_from_frames({"orders": table("customer_id time amount order_id product known_at", *rows)})
    cuts = as_of_table([date(2026, 2, 1)])
    both = [merge_days(past(sum_up(tables.orders), cuts)) for sum_up in (day_facts, line_facts)]
    by_days, by_lines = (tables.con.to_pyarrow(days).to_pylist() for days in both)
    assert by_days == by_lines
    assert [(d["orders"], d["lines"], d["day_products"], d["spend_u"]) for d in by_days] == [
        (1, 2, 1, 100_000)
    ]
