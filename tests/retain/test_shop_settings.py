"""The demo shop's settings: what is refused, and what the clock makes of them."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest
from pydantic import ValidationError

from retain.shop import ShopSettings, simulate
from retain.shop.clock import Clock


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("customers", 0),
        ("days", 0),
        ("seed", -1),
        ("seasonality", 2.0),
        ("treated_share", 1.0),
        ("colour", "red"),
    ],
)
def test_bad_setting_is_refused_by_name(field: str, value: object) -> None:
    with pytest.raises(ValidationError, match=field):
        ShopSettings.model_validate({field: value})


def test_overlapping_campaign_effects_are_refused() -> None:
    with pytest.raises(
        ValidationError, match=r"effect_weeks \(9\) is longer than campaign_every_weeks \(8\)"
    ):
        ShopSettings(campaign_every_weeks=8, effect_weeks=9)


def test_unknown_zone_and_odd_year_are_refused() -> None:
    with pytest.raises(ValidationError, match="timezone 'Mars/Base' is unknown"):
        ShopSettings(timezone="Mars/Base")
    with pytest.raises(ValidationError, match="year 1066"):
        ShopSettings(start=date(1066, 1, 1))


def test_clock_of_a_shop_that_opens_on_wednesday() -> None:
    clock = Clock.of(ShopSettings(start=date(2023, 1, 4), days=12, seasonality=0))
    assert clock.monday == np.datetime64("2023-01-02")
    assert (clock.weeks, clock.start, clock.end) == (2, pytest.approx(2 / 7), 2.0)
    assert clock.of_day(date(2023, 1, 10)) == pytest.approx(8 / 7)


def test_clock_keeps_order_and_opening_hours() -> None:
    clock = Clock.of(ShopSettings(start=date(2024, 3, 25), days=28))
    times = clock.times(np.linspace(0, 4, 5_000, endpoint=False))
    hours = (times - times.astype("datetime64[D]")) / np.timedelta64(1, "h")
    assert (np.diff(times) >= np.timedelta64(0)).all()
    assert hours.min() >= 7
    assert hours.max() < 23
    assert times[0].astype("datetime64[D]") == np.datetime64("2024-03-25")
    assert times[-1].astype("datetime64[D]") == np.datetime64("2024-04-21")


def test_season_has_mean_one_over_a_year_and_peaks_in_december() -> None:
    clock = Clock.of(ShopSettings(start=date(2023, 1, 2), days=364, seasonality=1.0))
    assert clock.season.mean() == pytest.approx(1.0, abs=0.01)
    assert clock.monday + int(clock.season.argmax()) * 7 == np.datetime64("2023-12-04")


def test_no_seasonality_is_flat() -> None:
    clock = Clock.of(ShopSettings(days=400, seasonality=0))
    assert clock.season == pytest.approx(1.0)
    assert np.diff(clock.weekdays) == pytest.approx(1 / 7)


def orders_by_year(settings: ShopSettings) -> list[int]:
    time = simulate(settings).tables["orders"]["time"].to_numpy()
    return np.bincount((time.astype("datetime64[Y]").astype(int) - 53), minlength=3)[:3].tolist()


def test_order_growth_changes_orders_over_the_years() -> None:
    steady = {"customers": 1_500, "growth": -0.9, "lifetime_days": 100_000, "campaign_effect": 0.0, "seed": 3}
    _, second, third = orders_by_year(ShopSettings(order_growth=1.0, **steady))
    grown = third / second
    _, second, third = orders_by_year(ShopSettings(order_growth=-0.5, **steady))
    # Doubling against halving each year: a factor of four, whatever the inflow does.
    assert grown / (third / second) == pytest.approx(4.0, rel=0.1)


def test_uneven_rates_leave_most_with_one_order() -> None:
    def once(shape: float) -> float:
        found = simulate(ShopSettings(customers=800, rate_shape=shape, orders_per_year=2.0, seed=4))
        orders = found.tables["orders"].to_pandas()
        return float((orders.groupby("customer_id")["order_id"].nunique() == 1).mean())

    assert once(0.3) > once(10.0) + 0.2
