"""Forecasts of one past day beside what came: what every judgement of a model looks at."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date

import numpy as np
import numpy.typing as npt

__all__ = ["OURS", "Forecast", "Meeting"]

Floats = npt.NDArray[np.float64]
OURS = "retain"


@dataclass(frozen=True)
class Forecast:
    """What one model said about every customer of a day.

    Parameters
    ----------
    churn_probability : array, shape (customers,)
        P(no order within the churn window), in [0, 1].
    expected_orders, expected_value : dict of int to array
        By horizon in days; value is spend less returns, currency.
    bounds : dict of int to dict of float to array
        By horizon: quantile level in (0, 1) to the value not exceeded with that probability; empty where the
        model gives none.
    """

    churn_probability: Floats
    expected_orders: dict[int, Floats]
    expected_value: dict[int, Floats]
    bounds: dict[int, dict[float, Floats]] = field(default_factory=dict)

    def only(self, keep: npt.NDArray[np.bool_]) -> Forecast:
        """The forecast of some of the customers."""
        return Forecast(
            self.churn_probability[keep],
            {h: v[keep] for h, v in self.expected_orders.items()},
            {h: v[keep] for h, v in self.expected_value.items()},
            {h: {q: v[keep] for q, v in found.items()} for h, found in self.bounds.items()},
        )


@dataclass(frozen=True)
class Meeting:
    """One cut-off day: customers, what came, and what the models had said.

    Parameters
    ----------
    day : date
        Cut-off; forecasts rest on what was known before it.
    window_days : int
        Churn window.
    evidence : str
        Rung of our bundle.
    customer : array of int64, shape (customers,)
        Number of the customer, the same at every cut-off of one back-test: rows of one customer are drawn
        together in a bootstrap.
    churned : array
        1 where no order came within the window, else 0.
    orders, value : dict of int to array
        What came by horizon, for the horizons that had passed.
    value_class : array of str
        Class of the customer as our bundle had it on the day.
    forecasts : dict of str to Forecast
        Ours under `OURS`, and the peers.
    absent : dict of str to dict of int to str
        Peer and horizon to why it has no forecast there; a peer that cannot tell churn has none at all.
    left_out : int
        Customers of the day who are not judged, because contacts changed what they did.
    """

    day: date
    window_days: int
    evidence: str
    customer: npt.NDArray[np.int64]
    churned: Floats
    orders: dict[int, Floats]
    value: dict[int, Floats]
    value_class: npt.NDArray[np.str_]
    forecasts: dict[str, Forecast]
    absent: dict[str, dict[int, str]] = field(default_factory=dict)
    left_out: int = 0

    def only(self, keep: npt.NDArray[np.bool_]) -> Meeting:
        """The meeting of some of the customers."""
        return replace(
            self,
            customer=self.customer[keep],
            churned=self.churned[keep],
            orders={h: v[keep] for h, v in self.orders.items()},
            value={h: v[keep] for h, v in self.value.items()},
            value_class=self.value_class[keep],
            forecasts={name: forecast.only(keep) for name, forecast in self.forecasts.items()},
        )
