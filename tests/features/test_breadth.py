from __future__ import annotations

from math import log

import pytest

from tests.features.feature_runs import orders, row, run

PRODUCTS = "customer_id time amount product category"


def test_products_and_categories_are_distinct_and_their_entropy_is_in_nats():
    rows = [("P", "X"), ("P", "X"), ("Q", "X"), ("R", "Y")]
    lines = orders(*[("a", "2026-01-01", 1.0, *r) for r in rows], columns=PRODUCTS)
    found = row({"orders": lines}, "2026-01-02")
    assert (found["products"], found["categories"], found["products_repeat_share"]) == (3, 2, 0.25)
    assert found["products_entropy"] == pytest.approx(0.5 * log(2) + 2 * 0.25 * log(4), abs=1e-8)
    assert found["categories_entropy"] == pytest.approx(0.75 * log(4 / 3) + 0.25 * log(4), abs=1e-8)


def test_returned_and_free_lines_widen_nothing():
    rows = [("P", 1.0), ("Q", -1.0), ("R", 0.0)]
    lines = orders(*[("a", "2026-01-01", v, p, None) for p, v in rows], columns=PRODUCTS)
    found = row({"orders": lines}, "2026-01-02")
    assert (found["products"], found["products_entropy"]) == (1, pytest.approx(0.0, abs=1e-8))


def test_without_products_their_columns_are_missing_not_zero():
    found = run({"orders": orders(("a", "2026-01-01", 1.0))}, "2026-01-02")
    assert found.filter(regex="^products|^categories|^price|first_order_products").isna().all(axis=None)


def test_new_products_were_first_bought_in_the_last_90_days():
    rows = [("2026-01-01", "P"), ("2026-03-31", "P"), ("2026-03-31", "Q"), ("2026-04-01", "Q")]
    lines = orders(*[("a", t, 1.0, p, None) for t, p in rows], columns=PRODUCTS)
    found = run({"orders": lines}, "2026-04-01", "2026-04-02", "2026-06-29", "2026-06-30")
    assert found["products_new_90d"].tolist() == [2, 1, 1, 0]
    assert found["products"].tolist() == [2, 2, 2, 2]


def test_lines_per_order_counts_what_was_kept():
    lines = orders(("a", "2026-01-01", 5.0), ("a", "2026-01-01", 3.0), ("a", "2026-01-04", -5.0))
    assert row({"orders": lines}, "2026-01-08")["lines_per_order"] == 2.0


def test_price_is_of_the_lines_that_have_a_quantity():
    rows = [(10.0, 4.0), (1000.0, None), (50.0, 0.0), (-10.0, -4.0), (2.0, 2.0)]
    lines = orders(*[("a", "2026-01-01", *r) for r in rows], columns="customer_id time amount quantity")
    assert row({"orders": lines}, "2026-01-08")["price_mean"] == 2.0


def test_weekend_share_is_of_purchase_days():
    friday_to_monday = [("a", f"2026-01-{d:02} 23:30", 1.0) for d in (2, 3, 4, 5)]
    found = row({"orders": orders(*friday_to_monday, ("a", "2026-01-10", -1.0))}, "2026-01-20")
    assert found["weekend_share"] == 0.5


def test_weekdays_hold_in_week_53_and_on_the_leap_day():
    saturdays = [("a", "2021-01-02", 1.0), ("a", "2020-02-29", 1.0)]
    assert (
        row({"orders": orders(*saturdays, ("a", "2020-12-31", 1.0))}, "2021-02-01")["weekend_share"] == 2 / 3
    )
