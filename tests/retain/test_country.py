"""The country of a business zone."""

from __future__ import annotations

import pytest

from retain.country import country_of


@pytest.mark.parametrize(
    ("zone", "country"),
    [("Europe/London", "GB"), ("Asia/Shanghai", "CN"), ("America/New_York", "US"), ("Europe/Berlin", "DE")],
)
def test_a_zone_of_one_country(zone: str, country: str) -> None:
    assert country_of(zone) == country


@pytest.mark.parametrize("zone", ["UTC", "Etc/GMT+3", "Europe/Atlantis", "America/Argentina"])
def test_no_country_no_guess(zone: str) -> None:
    assert country_of(zone) == ""
