from __future__ import annotations

from tests.features.feature_runs import orders, row, run

BASKET = "customer_id time amount product discount known_at"


def test_the_first_basket_is_the_first_purchase_day():
    rows = [("2026-01-01", -9.0, "R", None), ("2026-01-05", 8.0, "P", 2.0), ("2026-01-05", 7.0, "P", None)]
    rows += [("2026-01-05", 1.0, "Q", None), ("2026-01-05", -3.0, "Z", None), ("2026-01-09", 99.0, "S", 1.0)]
    found = row({"orders": orders(*[("a", *r, None) for r in rows], columns=BASKET)}, "2026-01-31")
    assert (found["first_order_value"], found["first_order_lines"], found["first_order_products"]) == (
        16.0,
        3,
        2,
    )
    assert found["first_order_discount_share"] == 2.0 / 18.0
    assert (found["one_time_buyer"], found["tenure_days"]) == (0, 30)


def test_one_time_buyers():
    lines = orders(("a", "2026-01-01", 1.0), ("a", "2026-01-01 12:00", 1.0), ("b", "2026-01-01", -1.0))
    found = run({"orders": lines}, "2026-01-31")
    assert found["one_time_buyer"].tolist() == [1, 1]
    assert found["first_order_value"].tolist() == [2.0, 0.0]
    assert found["first_order_lines"].isna().tolist() == [False, True]


def test_products_of_a_first_day_that_arrives_late():
    rows = [("2026-01-01", 1.0, "P", None, "2026-02-01"), ("2026-01-10", 1.0, "P", None, None)]
    rows += [("2026-01-10", 1.0, "Q", None, None)]
    found = run({"orders": orders(*[("a", *r) for r in rows], columns=BASKET)}, "2026-01-31", "2026-03-01")
    assert found["first_order_products"].tolist() == [2, 1]
    assert found["products"].tolist() == [2, 2]
