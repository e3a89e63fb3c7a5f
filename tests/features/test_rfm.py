from __future__ import annotations

from datetime import date, timedelta

import pytest

from features.rfm import WINDOWS
from tests.features.feature_runs import orders, row, run

# Purchase days 1, 11 (twice) and 21 January; 5 came back on the 15th.
FOUR = orders(
    ("a", "2026-01-01 23:59", 10.0),
    ("a", "2026-01-11", 20.0),
    ("a", "2026-01-11", 4.5),
    ("a", "2026-01-15", -5.0),
    ("a", "2026-01-21", 30.0),
)


def test_btyd_summary_and_recency_of_both_kinds():
    found = row({"orders": FOUR}, "2026-01-31")
    assert (found["frequency"], found["recency"], found["T"], found["days_since_last"]) == (2, 20, 30, 10)
    assert found["monetary_value"] == (24.5 + 30.0) / 2
    assert (found["orders_total"], found["purchase_days"]) == (3, 3)
    assert (found["spend_total"], found["value_total"], found["value_365d"]) == (64.5, 59.5, 59.5)


def test_the_day_itself_is_not_known_yet():
    found = row({"orders": FOUR}, "2026-01-21")
    assert (found["frequency"], found["recency"], found["T"], found["days_since_last"]) == (1, 10, 20, 10)
    assert run({"orders": FOUR}, "2026-01-01").empty


def test_one_time_buyer():
    found = row({"orders": orders(("a", "2026-01-01", 10.0))}, "2026-01-31")
    assert (found["frequency"], found["recency"], found["T"], found["monetary_value"]) == (0, 0, 30, 0.0)


def test_returns_alone_leave_no_purchase_and_finite_numbers():
    found = row({"orders": orders(("a", "2026-01-01", -10.0), ("a", "2026-01-11", -1.0))}, "2026-01-31")
    assert (found["frequency"], found["recency"], found["T"], found["days_since_last"]) == (0, 0, 30, 20)
    assert (found["purchase_days"], found["spend_total"], found["value_total"]) == (0, 0.0, -11.0)
    assert found["monetary_value"] == 0.0


def test_a_return_before_the_first_purchase_does_not_start_the_clock():
    lines = orders(("a", "2026-01-01", -10.0), ("a", "2026-01-11", 5.0))
    found = row({"orders": lines}, "2026-01-31")
    assert (found["T"], found["tenure_days"], found["days_since_last"]) == (20, 30, 20)


@pytest.mark.parametrize("window", WINDOWS)
def test_windows_hold_exactly_their_days(window):
    lines = orders(("a", "2024-02-28", 10.0))
    last, after = (str(date(2024, 2, 28) + timedelta(days=window + k)) for k in (0, 1))
    found = run({"orders": lines}, last, after)
    assert found[f"spend_{window}d"].tolist() == [10.0, 0.0]
    assert found[f"orders_{window}d"].tolist() == [1, 0]


def test_two_orders_of_one_day_are_two_orders_and_one_purchase_day():
    lines = orders(
        ("a", "2026-01-01 09:00", 1.0, "7"),
        ("a", "2026-01-01 17:00", 2.0, "8"),
        columns="customer_id time amount order_id",
    )
    found = row({"orders": lines}, "2026-01-08")
    assert (found["orders_total"], found["orders_7d"], found["purchase_days"], found["frequency"]) == (
        2,
        2,
        1,
        0,
    )


def test_margin_is_missing_only_when_no_line_ever_had_a_cost():
    columns = "customer_id time amount cost"
    rows = [("a", "2026-01-01", 10.0, None), ("b", "2026-01-01", 10.0, 6.0), ("c", "2024-01-01", 10.0, 6.0)]
    found = run({"orders": orders(*rows, columns=columns)}, "2026-01-31")
    assert found["margin_365d"].isna().tolist() == [True, False, False]
    assert found["margin_365d"].tolist()[1:] == [4.0, 0.0]
