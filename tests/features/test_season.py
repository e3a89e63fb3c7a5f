from __future__ import annotations

from math import cos, pi, sin

import pytest

from tests.features.feature_runs import orders, row, run


@pytest.mark.parametrize(("as_of", "day"), [("2024-02-29", 60), ("2024-12-31", 366), ("2025-12-31", 365)])
def test_place_in_the_year(as_of, day):
    found = row({"orders": orders(("a", "2020-01-01", 1.0))}, as_of)
    assert found["season_sin"] == pytest.approx(sin(2 * pi * day / 365.25))
    assert found["season_cos"] == pytest.approx(cos(2 * pi * day / 365.25))
    assert found["first_season_sin"] == pytest.approx(sin(2 * pi / 365.25))


def test_the_first_season_is_that_of_the_first_purchase():
    lines = orders(("a", "2026-01-01", -5.0), ("a", "2026-07-01", 5.0), ("b", "2026-07-01", -5.0))
    found = run({"orders": lines}, "2026-08-01")
    assert found["first_season_cos"].tolist() == pytest.approx([cos(2 * pi * 182 / 365.25)] * 2)


def test_a_year_ago_starts_365_days_before_and_is_half_open():
    rows = [
        ("a", "2023-01-01", 1.0),
        ("a", "2024-02-29", 10.0),
        ("a", "2024-03-29", 5.0),
        ("a", "2024-03-30", 2.0),
    ]
    found = run({"orders": orders(*rows)}, "2025-02-28", "2025-03-01")
    assert found["spend_year_ago_30d"].tolist() == [15.0, 7.0]
    assert found["spend_year_ago_90d"].tolist() == [17.0, 7.0]


def test_customers_younger_than_a_year_have_no_year_ago():
    lines = orders(
        ("a", "2025-01-02", 1.0),
        ("b", "2025-01-01", 1.0),
        ("c", "2024-06-01", -1.0),
        ("c", "2025-02-01", 1.0),
    )
    found = run({"orders": lines}, "2026-01-01")
    assert found["spend_year_ago_30d"].isna().tolist() == [True, False, True]
    assert found.loc["b", "spend_year_ago_30d"] == 1.0
