from __future__ import annotations

from datetime import date, timedelta
from math import exp, log, sqrt

import pytest

from tests.features.feature_runs import orders, row, run


def test_changes_compare_a_window_with_the_one_before():
    lines = orders(("a", "2026-01-31", 40.0), ("a", "2026-01-02", 10.0), ("a", "2026-01-01", 12.0))
    found = row({"orders": lines}, "2026-02-01")
    assert found["spend_change_30d"] == 50.0 - 12.0
    assert found["orders_change_30d"] == 2 - 1
    assert found["basket_change_30d"] == 25.0 / 12.0
    assert found["spend_change_90d"] == 62.0
    assert found["basket_change_90d"] != found["basket_change_90d"]


@pytest.mark.parametrize("window", [30, 90, 180, 365])
def test_the_window_before_ends_at_twice_its_length(window):
    lines = orders(("a", "2024-02-28", 10.0))
    after = [
        str(date(2024, 2, 28) + timedelta(days=k)) for k in (window, window + 1, 2 * window, 2 * window + 1)
    ]
    found = run({"orders": lines}, *after)
    assert found[f"spend_change_{window}d"].tolist() == [10.0, -10.0, -10.0, 0.0]
    assert found[f"orders_change_{window}d"].tolist() == [1, -1, -1, 0]


def test_smoothed_levels_fade_with_age():
    lines = orders(("a", "2026-01-01", 100.0), ("a", "2026-01-31", 50.0))
    found = row({"orders": lines}, "2026-02-01")
    assert found["spend_ewma_30d"] == pytest.approx((100 * exp(-31 / 30) + 50 * exp(-1 / 30)) / 30, abs=1e-5)
    assert found["orders_ewma_90d"] == pytest.approx((exp(-31 / 90) + exp(-1 / 90)) / 90, abs=1e-10)


def test_levels_of_spend_per_purchase_day():
    lines = orders(
        ("a", "2026-01-01", 30.0),
        ("a", "2026-01-05", 60.0),
        ("a", "2026-01-05", 15.0),
        ("a", "2026-01-09", -9.0),
    )
    found = row({"orders": lines}, "2026-02-01")
    assert (found["value_mean"], found["value_last"], found["value_max"]) == (52.5, 75.0, 75.0)
    assert found["value_last_ratio"] == 75.0 / 52.5
    assert found["value_log_sd"] == pytest.approx(abs(log(76) - log(31)) / sqrt(2), abs=1e-6)


def test_slope_is_relative_growth_per_day_and_needs_three_days():
    rows = [("a", "2026-01-01", 10.0), ("a", "2026-01-11", 20.0), ("a", "2026-01-21", 30.0)]
    assert row({"orders": orders(*rows)}, "2026-02-01")["value_slope"] == pytest.approx(1 / 20)
    short = row({"orders": orders(*rows[:2])}, "2026-02-01")
    assert short["value_slope"] != short["value_slope"]


def test_constant_spend_has_no_slope_and_no_spread():
    rows = [("a", f"2026-01-{d:02}", 7.77) for d in range(1, 30, 3)]
    found = row({"orders": orders(*rows)}, "2026-02-01")
    assert found["value_slope"] == pytest.approx(0.0, abs=1e-12)
    assert found["value_log_sd"] == pytest.approx(0.0, abs=1e-6)


def test_active_months_are_calendar_months():
    days = ["2026-01-31", "2026-02-01", "2026-03-01"]
    lines = orders(*[("a", d, 10.0) for d in days])
    found = run({"orders": lines}, "2026-03-01", "2026-03-02", "2026-04-02")
    assert found["months_active"].tolist() == [2, 3, 3]
    assert found["months_active_share"].tolist() == [1.0, 1.0, 0.75]


def test_months_of_two_years_are_different_months():
    lines = orders(("a", "2024-12-31", 10.0), ("a", "2025-12-31", 10.0), ("a", "2026-01-01", 10.0))
    found = row({"orders": lines}, "2026-01-02")
    assert (found["months_active"], found["months_active_share"]) == (3, 3 / 14)


def test_returns_alone_have_no_level():
    found = row({"orders": orders(("a", "2026-01-01", -9.0))}, "2026-02-01")
    assert (found["value_last"], found["value_max"], found["months_active"]) == (0.0, 0.0, 0)
    assert found["months_active_share"] == 0.0
    assert found["value_mean"] != found["value_mean"]
