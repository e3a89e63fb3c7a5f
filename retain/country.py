"""The country that a business zone lies in."""

from __future__ import annotations

from importlib.resources import files

from features.errors import ConfigError
from features.public_holidays import check_country

__all__ = ["country_of"]


def country_of(timezone: str) -> str:
    """ISO 3166 code of the one country whose zone this is; empty when there is none, or no holidays are known.

    Notes
    -----
    Read from ``zone.tab`` of the IANA time zone database, where each zone stands beside its country.

    Examples
    --------
    >>> country_of("Europe/London"), country_of("Asia/Shanghai"), country_of("UTC")
    ('GB', 'CN', '')
    """
    table = files("tzdata").joinpath("zoneinfo", "zone.tab").read_text(encoding="utf-8")
    rows = [line.split("\t") for line in table.splitlines() if not line.startswith("#")]
    found = {row[0] for row in rows if len(row) > 2 and row[2] == timezone}
    if len(found) != 1:
        return ""
    code = found.pop()
    try:
        check_country(code)
    except ConfigError:
        return ""
    return code
