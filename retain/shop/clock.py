"""The shop's clock: weeks since a Monday, with a season, a weekday and an hour of day.

Everything hidden lives in *clock* time, where a week is one unit and chances are even within it. Clock time
maps onto the calendar in order: quiet weekdays and hours get little of the unit, busy ones much.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np

from retain.shop.arrays import Floats, Times
from retain.shop.settings import ShopSettings

__all__ = ["Clock"]

_DAY = np.timedelta64(1, "D")
_WEEKDAY = np.array([-0.10, -0.18, -0.15, -0.05, 0.15, 0.45, -0.12])
# No event falls between 23:00 and 06:00, where clock changes make local times missing or double.
_HOURS = np.array([7.0, 10.0, 13.0, 17.0, 21.0, 23.0])
_BY_HOUR = np.array([0.0, 0.12, 0.33, 0.60, 0.92, 1.0])


@dataclass(frozen=True)
class Clock:
    """Maps clock time onto the calendar, and holds the season.

    Parameters
    ----------
    monday : datetime64[D]
        Day of clock time 0, the Monday on or before the first day.
    start, end : float
        Clock time of the first day and of the first day after the data.
    season : array, shape (weeks,)
        Factor on all rates in each week; its mean over a whole year is 1.
    weekdays : array, shape (8,)
        Cumulative share of a week's events at the start of each day, Monday first.
    """

    monday: np.datetime64
    start: float
    end: float
    season: Floats
    weekdays: Floats

    @classmethod
    def of(cls, settings: ShopSettings) -> Clock:
        """The clock of a shop."""
        offset = settings.start.weekday()
        monday = np.datetime64(settings.start) - offset * _DAY
        share = (1 + settings.seasonality * _WEEKDAY) / 7
        weekdays = np.concatenate([[0.0], np.cumsum(share)])
        weekdays[-1] = 1.0
        weeks = -(-(offset + settings.days) // 7)
        middles = monday + (np.arange(weeks) * 7 + 3) * _DAY
        last = offset + settings.days
        return cls(
            monday=monday,
            start=float(weekdays[offset]),
            end=float(last // 7 + weekdays[last % 7]),
            season=_season(middles, settings.seasonality),
            weekdays=weekdays,
        )

    @property
    def weeks(self) -> int:
        """Number of weeks that the data touch."""
        return len(self.season)

    def grown(self, per_year: float) -> Floats:
        """Factor, shape (weeks,), of a steady growth of `per_year` since clock time 0; 0.2 = 20 %."""
        return (1 + per_year) ** (np.arange(self.weeks) / 52.18)

    def of_day(self, day: date) -> float:
        """Clock time of the start of a day."""
        days = int((np.datetime64(day) - self.monday) / _DAY)
        return float(days // 7 + self.weekdays[days % 7])

    def times(self, clock: Floats) -> Times:
        """Calendar times, to the second."""
        week = np.floor(clock)
        rest = clock - week
        day = np.clip(np.searchsorted(self.weekdays, rest, side="right") - 1, 0, 6)
        share = (rest - self.weekdays[day]) / (self.weekdays[day + 1] - self.weekdays[day])
        hour = np.interp(share, _BY_HOUR, _HOURS)
        seconds = (week * 7 + day).astype(np.int64) * 86_400 + (hour * 3_600).astype(np.int64)
        return self.monday.astype("datetime64[s]") + seconds.astype("timedelta64[s]")


def _season(days: Times, strength: float) -> Floats:
    whole_year = np.datetime64("2023-01-01") + np.arange(365) * _DAY
    return _shape(days, strength) / _shape(whole_year, strength).mean()


def _shape(days: Times, strength: float) -> Floats:
    day_of_year = (days - days.astype("datetime64[Y]").astype("datetime64[D]")) / _DAY
    peak = np.exp(-0.5 * ((day_of_year - 338) / 18) ** 2)
    dip = np.exp(-0.5 * ((day_of_year - 215) / 30) ** 2)
    return np.exp(strength * (peak - 0.3 * dip))
