"""Folders named key=value: their values, and the months or days that are missing between them."""

from __future__ import annotations

from datetime import date, timedelta

from features.partitions import gaps, partition_keys


def test_values_are_decoded_and_missing_ones_are_missing():
    path = "data/region=New%20York/day=2026-01-05/shop=__HIVE_DEFAULT_PARTITION__/x=y.parquet"
    assert partition_keys(path) == {"region": "New York", "day": "2026-01-05", "shop": None}
    assert partition_keys("orders/part-0.parquet") == {}


def test_a_missing_month_is_named_across_a_year():
    keys = [
        {"year": y, "month": m} for y, m in [("2025", "11"), ("2026", "01"), ("2026", "2"), ("2026", "3")]
    ]
    assert gaps(keys) == ["2025-12"]
    assert gaps([{"month": "2026-01"}, {"month": "2026-02"}]) == []
    assert gaps([{"region": "a"}, {"region": "b"}]) == []


def test_a_missing_day_is_named_unless_the_shop_is_closed_on_it():
    days = [date(2026, 1, 1) + timedelta(days=n) for n in range(120)]
    open_days = [d for d in days if d.weekday() != 6 and d != date(2026, 2, 11)]
    assert gaps([{"dt": d.isoformat()} for d in open_days]) == ["2026-02-11"]
    assert gaps([{"year": f"{d.year}", "month": f"{d.month}", "day": f"{d.day}"} for d in open_days]) == [
        "2026-02-11"
    ]


def test_partitions_that_are_mostly_missing_say_nothing():
    assert gaps([{"month": "2020-01"}, {"month": "2026-01"}]) == []
    assert gaps([{"dt": "2026-01-01"}, {"dt": "2026-03-01"}]) == []
    assert gaps([{"dt": "2026-13-01"}, {"dt": "2026-99-99"}]) == []
