from __future__ import annotations

from tests.features.feature_runs import orders, row

DISCOUNT = "customer_id time amount discount"


def test_returns_are_negative_lines():
    lines = orders(("a", "2026-01-01", 40.0), ("a", "2026-01-05", -10.0), ("a", "2026-01-06", -5.0))
    found = row({"orders": lines}, "2026-04-05")
    assert (found["returns_count"], found["returns_value"], found["returns_share"]) == (2, 15.0, 0.375)
    assert found["returns_90d"] == 15.0
    assert row({"orders": lines}, "2026-04-06")["returns_90d"] == 5.0


def test_returns_of_older_purchases_may_exceed_spend():
    found = row({"orders": orders(("a", "2026-01-01", 5.0), ("a", "2026-01-02", -20.0))}, "2026-02-01")
    assert (found["returns_share"], found["value_total"]) == (4.0, -15.0)


def test_returns_without_spend_have_no_share():
    found = row({"orders": orders(("a", "2026-01-02", -20.0))}, "2026-02-01")
    assert (found["returns_count"], found["returns_value"]) == (1, 20.0)
    assert found["returns_share"] != found["returns_share"]


def test_discounts_are_of_the_list_price():
    rows = [(8.0, 2.0), (20.0, None), (0.0, 10.0), (-8.0, 2.0)]
    lines = orders(*[("a", "2026-01-01", *r) for r in rows], columns=DISCOUNT)
    found = row({"orders": lines}, "2026-02-01")
    assert (found["discount_value"], found["discount_share"]) == (12.0, 12.0 / 40.0)
    assert found["discounted_lines_share"] == 2 / 3


def test_shares_of_discount_stay_within_0_and_1_whatever_was_returned():
    rows = [
        ("a", "2026-01-01", 1.0, 0.5),
        *[("a", "2026-01-02", -1.0, 9.0)] * 5,
        ("a", "2026-01-03", 1.0, -0.5),
    ]
    found = row({"orders": orders(*rows, columns=DISCOUNT)}, "2026-02-01")
    assert found["discounted_lines_share"] == 1.0
    assert found["discount_share"] == 1.0 / 3.0
