"""Public holidays: known in advance, the same for the list and the endpoint, absent without a country."""

from __future__ import annotations

from datetime import date, timedelta

import holidays
import pandas as pd
import pytest

from features.errors import ConfigError
from features.frames import tables_from_frames
from features.pipeline import FEATURES
from features.plan import FeatureEngine, fetch_features
from features.public_holidays import HOLIDAYS, calendar_rows, check_country
from features.settings import DataSettings
from tests.features.feature_runs import assert_close, orders, random_shop
from tests.features.sql_oracle import oracle_holidays, raw_tables

NAMES = list(HOLIDAYS.names)


def found(lines: pd.DataFrame, country: str, *days: date) -> pd.DataFrame:
    tables = tables_from_frames({"orders": lines.dropna(axis="columns", how="all")}, country=country)
    rows = fetch_features(tables, list(days)).to_pandas()
    return rows.set_index("customer_id").sort_index()


def test_by_hand_around_christmas() -> None:
    """Holidays in the United Kingdom: 25 and 26 December 2025, 1 January and 3 April 2026."""
    rows = [
        ("a", "2025-12-18", 5.0),
        ("a", "2025-12-17", 5.0),
        ("a", "2025-12-10", 5.0),
        ("b", "2025-12-26", 1.0),
    ]
    lines = orders(*rows)
    seen = found(lines, "GB", date(2025, 12, 30))
    assert seen.loc["a", NAMES].astype(float).tolist() == [1.0, 1.0, 2.0, 4.0, 1 / 3, 2 / 3]
    assert seen.loc["b", ["holiday_share_7d", "holiday_share_14d"]].tolist() == [1.0, 1.0]
    on_the_day = found(lines, "GB", date(2025, 12, 26)).loc["a", NAMES[:4]]
    assert on_the_day.astype(float).tolist() == [2.0, 2.0, 0.0, 1.0]


def test_without_a_country_nothing_is_known() -> None:
    seen = found(orders(("a", "2025-12-18", 5.0)), "", date(2026, 1, 1))
    assert seen[NAMES].isna().all(axis=None)
    assert set(NAMES) <= set(FEATURES)


def test_another_calculation_agrees() -> None:
    lines = random_shop(8, 60)
    free = [day.isoformat() for day in sorted(holidays.country_holidays("DE", years=range(2022, 2028)))]
    for day in ("2024-03-29", "2025-02-28"):
        expected = oracle_holidays(raw_tables({"orders": lines}), day, free)
        assert_close(found(lines, "DE", date.fromisoformat(day))[NAMES], expected)


def test_the_endpoint_gives_the_same_bits() -> None:
    lines, day = random_shop(9, 20), date(2025, 4, 17)
    alone = FeatureEngine("UTC", "US").fetch(lines, day).to_pandas().set_index("customer_id").sort_index()
    whole = found(lines, "US", day)
    pd.testing.assert_frame_equal(alone, whole, check_exact=True)
    assert whole[NAMES].notna().any().all()


@pytest.mark.parametrize("country", ["GB", "CN", "ID"])
def test_a_calendar_has_every_day_once_and_no_guess_beyond_its_years(country: str) -> None:
    days = calendar_rows(country).to_pandas()
    gaps = pd.to_datetime(days["calendar_day"]).diff().dropna()
    assert (gaps == timedelta(days=1)).all()
    assert (days[["holiday_ahead", "holidays_30", "holidays_90"]] >= 0).all(axis=None)
    assert (days["holiday_behind"] >= 1).all()
    assert ((days["holiday_ahead"] < 30) == (days["holidays_30"] > 0)).all()


def test_an_unknown_country_is_refused_with_examples() -> None:
    for code in ("UK", "gb", "Germany"):
        with pytest.raises(ConfigError, match="is unknown; use a two-letter code such as 'GB'"):
            check_country(code)
    with pytest.raises(ValueError, match="country 'UK' is unknown"):
        DataSettings(country="UK")
    assert DataSettings(country="CN").country == "CN"
