from __future__ import annotations

from datetime import date, timedelta

import ibis
import pyarrow as pa
import pytest

from features.errors import ConfigError
from features.snapshot import as_of_table, future, past

DAY = date(2024, 2, 29)


def events(*days: tuple[date, date]):
    return ibis.memtable(pa.table({"day": [d for d, _ in days], "known_day": [k for _, k in days]}))


def on(day: date):
    return events((day, day))


def test_cut_offs_are_distinct_and_sorted():
    days = [date(2026, 1, 2), date(2026, 1, 1), date(2026, 1, 2)]
    assert as_of_table(days).to_pyarrow()["as_of"].to_pylist() == [date(2026, 1, 1), date(2026, 1, 2)]


def test_no_cut_off_is_an_error_that_says_what_to_do():
    with pytest.raises(ConfigError, match="name at least one day"):
        as_of_table([])


@pytest.mark.parametrize(("before", "ages"), [(0, []), (1, [1]), (60, [60]), (366, [366])])
def test_past_ends_before_the_day_and_counts_leap_days(before, ages):
    found = past(on(DAY - timedelta(days=before)), as_of_table([DAY])).to_pyarrow()
    assert found["age"].to_pylist() == ages


def test_what_arrived_on_or_after_the_day_is_not_past():
    yesterday = DAY - timedelta(days=1)
    rows = events((yesterday, yesterday), (yesterday, DAY), (yesterday, DAY + timedelta(days=1)))
    assert past(rows, as_of_table([DAY])).count().to_pyarrow().as_py() == 1
    assert past(rows, as_of_table([DAY + timedelta(days=1)])).count().to_pyarrow().as_py() == 2


def test_future_is_half_open_and_starts_on_the_day_itself():
    rows = events(*[(DAY + timedelta(days=k),) * 2 for k in (-1, 0, 6, 7)])
    found = future(rows, as_of_table([DAY]), 7).to_pyarrow()
    assert sorted(found["ahead"].to_pylist()) == [0, 6]


def test_each_cut_off_sees_its_own_past():
    days = [DAY, DAY + timedelta(days=366)]
    found = past(on(DAY - timedelta(days=1)), as_of_table(days)).to_pyarrow().sort_by("as_of")
    assert found["as_of"].to_pylist() == days
    assert found["age"].to_pylist() == [1, 367]
