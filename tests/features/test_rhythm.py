from __future__ import annotations

from math import sqrt

import pytest

from tests.features.feature_runs import orders, row, run


def days(customer, *times):
    return [(customer, t, 10.0) for t in times]


def test_gaps_of_a_regular_and_an_irregular_customer():
    regular = days("a", "2026-01-01", "2026-01-11", "2026-01-21")
    uneven = days("b", "2026-01-01", "2026-01-03", "2026-01-04", "2026-01-21")
    found = run({"orders": orders(*regular, *uneven)}, "2026-01-26")
    columns = ["gap_mean", "gap_median", "gap_sd", "gap_max", "gap_last", "irregularity"]
    assert found.loc["a", columns].tolist() == [10, 10, 0, 10, 10, 0]
    mean = 20 / 3
    sd = sqrt(((2 - mean) ** 2 + (1 - mean) ** 2 + (17 - mean) ** 2) / 2)
    assert found.loc["b", columns].tolist() == pytest.approx([mean, 2, sd, 17, 17, sd / mean])


def test_overdue_ratios_measure_in_own_gaps():
    lines = orders(*days("a", "2026-01-01", "2026-01-11", "2026-01-31"))
    found = row({"orders": lines}, "2026-03-02")
    assert found["overdue_ratio"] == 30 / 15
    assert found["overdue_max_ratio"] == 30 / 20
    assert found["gap_last_ratio"] == 20 / 15


def test_one_time_buyers_have_no_rhythm():
    found = run(
        {"orders": orders(*days("a", "2026-01-01", "2026-01-01"), *days("b", "2026-01-01"))}, "2026-03-01"
    )
    assert found.filter(regex="gap|overdue|irregularity").isna().all(axis=None)


def test_one_gap_has_no_spread():
    found = row({"orders": orders(*days("a", "2026-01-01", "2026-01-08"))}, "2026-01-15")
    assert found["overdue_ratio"] == 1.0
    assert found["gap_sd"] != found["gap_sd"]
    assert found["irregularity"] != found["irregularity"]


def test_returns_make_no_gap():
    lines = orders(*days("a", "2026-01-01", "2026-01-31"), ("a", "2026-01-10", -10.0))
    found = row({"orders": lines}, "2026-02-10")
    assert (found["gap_mean"], found["days_since_last"]) == (30.0, 10)


def test_gaps_cross_the_leap_day_and_the_year():
    lines = orders(*days("a", "2023-12-31", "2024-01-01", "2024-02-28", "2024-03-01"))
    found = row({"orders": lines}, "2024-03-02")
    assert (found["gap_max"], found["gap_last"], found["gap_median"]) == (58, 2, 2)


def test_a_late_purchase_splits_the_gap_only_once_it_is_known():
    columns = "customer_id time amount known_at"
    rows = [
        ("a", "2026-01-01", 1.0, None),
        ("a", "2026-01-11", 1.0, "2026-02-01"),
        ("a", "2026-01-21", 1.0, None),
    ]
    found = run({"orders": orders(*rows, columns=columns)}, "2026-02-01", "2026-02-02")
    assert found["gap_max"].tolist() == [20.0, 10.0]
    assert found["frequency"].tolist() == [1, 2]
