"""The season of a year ago: interpolation and weight by hand."""

from __future__ import annotations

import json
from datetime import date

import pytest

from training.models.level import LevelCurve

DAYS = (date(2025, 1, 1), date(2025, 1, 31), date(2025, 3, 2))
CURVE = LevelCurve(DAYS, (0.0, 0.3, -0.3), weight=0.8)


@pytest.mark.parametrize(
    ("as_of", "error"),
    [
        (date(2026, 1, 1), 0.0),
        (date(2026, 1, 11), 0.1),
        (date(2026, 1, 31), 0.3),
        (date(2026, 2, 15), 0.0),
        (date(2026, 3, 2), -0.3),
        (date(2025, 12, 31), None),
        (date(2026, 3, 3), None),
    ],
)
def test_the_error_of_a_year_ago_is_interpolated_and_never_extrapolated(as_of, error):
    assert CURVE.year_ago(as_of) == (None if error is None else pytest.approx(error, abs=1e-12))


def test_the_level_is_the_believed_part_of_the_year_ago_error():
    assert CURVE.at(date(2026, 1, 31)) == pytest.approx(0.8 * 0.3)
    assert CURVE.at(date(2027, 6, 1)) == 0.0
    assert LevelCurve(DAYS, (0.0, 0.3, -0.3), weight=0.8, drift=0.1).at(date(2026, 1, 31)) == pytest.approx(
        0.34
    )
    assert LevelCurve(drift=0.1).at(date(2026, 1, 1)) == 0.0


def test_a_year_is_365_days_also_over_a_29_february():
    curve = LevelCurve((date(2024, 2, 28), date(2024, 2, 29)), (1.0, 3.0), weight=1.0)
    assert curve.at(date(2025, 2, 28)) == 3.0
    assert curve.at(date(2025, 2, 27)) == 1.0


def test_json_keeps_every_bit():
    curve = LevelCurve(DAYS, (0.1 + 0.2, 1 / 3, -1e-17), weight=2 / 3, drift=1e-9)
    assert LevelCurve.from_json(json.loads(json.dumps(curve.to_json()))) == curve
