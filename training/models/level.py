"""Season and level: how far the closed-form expectation lay from what came, by cut-off day.

A customer-base model knows no calendar: before Christmas every one of its totals is too low, after it too
high. Each labelled snapshot gives one realised error, on the scale of the head (logit for churn, log for
orders and value). The error of a year ago is the best guess for the season ahead; how much of it is believed
is decided by a back-test on later snapshots.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np

__all__ = ["LevelCurve"]

_YEAR = timedelta(days=365)


@dataclass(frozen=True)
class LevelCurve:
    """Realised level errors over cut-off days, and the weight given to the one a year ago.

    Parameters
    ----------
    days : tuple of date
        Cut-off days with a realised error, rising.
    errors : tuple of float
        Realised minus expected on the head's scale, as far as the history of the day is to be believed.
    weight : float
        Trust in the error of a year ago, in [0, 1].
    drift : float
        What the last errors had beyond their year-ago ones, as far as it is expected to last.

    Examples
    --------
    >>> curve = LevelCurve((date(2025, 1, 1), date(2025, 1, 31)), (0.0, 0.3), weight=1.0)
    >>> round(curve.at(date(2026, 1, 11)), 3)
    0.1
    >>> curve.at(date(2027, 1, 1))
    0.0
    """

    days: tuple[date, ...] = ()
    errors: tuple[float, ...] = ()
    weight: float = 0.0
    drift: float = 0.0

    def year_ago(self, as_of: date) -> float | None:
        """The realised error a year before `as_of`, interpolated; None outside the curve."""
        day = as_of - _YEAR
        if not self.days or day < self.days[0] or day > self.days[-1]:
            return None
        axis = np.array([d.toordinal() for d in self.days], dtype=np.float64)
        return float(np.interp(float(day.toordinal()), axis, np.array(self.errors)))

    def at(self, as_of: date) -> float:
        """The level error expected for `as_of`: none where there is no year-ago one."""
        error = self.year_ago(as_of)
        return 0.0 if error is None else self.weight * error + self.drift

    def to_json(self) -> dict[str, Any]:
        """Plain values for the bundle."""
        return {
            "days": [d.isoformat() for d in self.days],
            "errors": list(self.errors),
            "weight": self.weight,
            "drift": self.drift,
        }

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> LevelCurve:
        """The curve written by `to_json`."""
        days = tuple(date.fromisoformat(d) for d in values["days"])
        return cls(days, tuple(values["errors"]), float(values["weight"]), float(values["drift"]))
