"""Sums and counts of a few lines, by hand, and of lines that go on from others."""

from __future__ import annotations

from datetime import date

import pyarrow as pa
import pytest

from features.day_sums import DaySums

DAYS = {"1": date(2026, 1, 1), "2": date(2026, 1, 2), "3": date(2026, 1, 3)}
EPOCH = date(1970, 1, 1)
STEPS = [0, 10, 100, 1_000, 10_000]
KEYS = ("customer_id", "product")


def day_sums(*rows, **before):
    """Of rows "customer day arrival product", all bought; before tells counts by kind."""
    ids, days, known, products = zip(*[row.split() for row in rows], strict=True)
    columns = {
        "customer_id": ids,
        "day": [DAYS[d] for d in days],
        "known_day": [DAYS[d] for d in known],
        "bought": pa.array([1] * len(rows), pa.int8()),
        "product": [None if p == "-" else p for p in products],
        "known_at": [True] * len(rows),
    }
    return DaySums(
        pa.table(columns | {f"before_in_{k}": v for k, v in before.items()}),
        lambda n: pa.array(STEPS[:n]).to_numpy(),
    )


def of(sums, *names):
    found = sums.facts()
    return [tuple(row) for row in zip(*[found[name].to_pylist() for name in names], strict=True)]


def counted(sums, kind="products", keys=KEYS, until="3", floor="1"):
    until, floor = ((DAYS[d] - EPOCH).days for d in (until, floor))
    found = sums.counts(kind, keys, until, floor)
    return [tuple(row) for row in zip(*[pa.array(found[k]).to_pylist() for k in (*keys, "n")], strict=True)]


def test_lines_of_a_product_are_told_apart_by_arrival():
    sums = day_sums("a 1 3 tea", "a 2 2 tea", "a 2 2 cup", "b 1 1 -")
    names = ("orders", "new_products", "day_products", "product_lines", "product_nlogn")
    assert of(sums, *names) == [(1, 0, 1, 1, 10), (1, 2, 2, 2, 0), (1, 0, 0, 0, 0)]


def test_lines_that_go_on_are_not_the_first_ones():
    sums = day_sums(
        "a 2 2 tea", "a 2 2 tea", "a 3 3 cup", products=[2, 2, 0], orders=[1, 1, 0], day_products=[1, 1, 0]
    )
    names = ("orders", "new_products", "day_products", "product_lines", "product_nlogn")
    assert of(sums, *names) == [(0, 0, 0, 2, 1_100), (1, 1, 1, 1, 0)]


def test_counts_of_things_until_a_day():
    sums = day_sums("a 1 1 tea", "a 2 2 tea", "a 2 3 tea", "a 3 3 cup", "b 1 1 -", "b 2 2 cup")
    assert counted(sums) == [("a", "tea", 3), ("a", "cup", 1), ("b", "cup", 1)]
    assert counted(sums, until="2") == [("a", "tea", 2), ("b", "cup", 1)]


@pytest.mark.parametrize(("floor", "expected"), [("1", [1, 2, 1, 1, 1]), ("2", [2, 1, 1]), ("3", [1])])
def test_things_of_a_day_count_from_a_day_on(floor, expected):
    sums = day_sums("a 1 1 tea", "a 2 2 tea", "a 2 3 tea", "a 3 3 cup", "b 1 1 -", "b 2 2 cup")
    orders = counted(sums, "orders", ("customer_id", "day"), floor=floor)
    assert [count for *_, count in orders] == expected


def test_nothing_bought_counts_nothing():
    sums = day_sums("a 1 1 -")
    assert counted(sums) == []
