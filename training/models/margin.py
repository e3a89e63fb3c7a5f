"""What share of a customer's value is margin: their own where their orders carry costs, drawn to the shop's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

__all__ = ["Margin"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Margin:
    """Margin rates of a shop's customers.

    Parameters
    ----------
    rate : float
        The shop's margin over its net spend, in [0, 1].
    weight : float
        Net spend, currency, with which the shop's rate counts beside a customer's own; 0 where costs are not
        known, and then everybody has the shop's.

    Notes
    -----
    A customer whose orders of the last year brought margin g on net spend s has::

        rate = (g + weight · shop's rate) / (s + weight), kept in [0, 1]

    The weight is the yearly net spend of an average customer with known costs: half of the rate of such a
    customer is their own. Who sold below cost is taken to bring nothing rather than less than nothing, so that
    the curve of margin rises with the horizon as the curve of value does.

    Examples
    --------
    >>> people = pd.DataFrame({"margin_365d": [60.0, 0.0, None], "value_365d": [100.0, 0.0, 0.0]})
    >>> Margin(0.4, 100.0).rates(people).tolist()
    [0.5, 0.4, 0.4]
    >>> Margin(0.3).rates(people).tolist()
    [0.3, 0.3, 0.3]
    """

    rate: float
    weight: float = 0.0

    @classmethod
    def fit(cls, features: pd.DataFrame, configured: float) -> Margin:
        """The shop's rate over the last year; what was bought at no known cost counts at the configured one.

        Parameters
        ----------
        features : pandas.DataFrame
            ``margin_365d`` and ``value_365d`` of the customers.
        configured : float
            ``[value] margin_rate``, in (0, 1].
        """
        margin = features["margin_365d"].to_numpy(np.float64)
        value = features["value_365d"].to_numpy(np.float64)
        known = np.isfinite(margin) & (value > 0)
        if not known.any():
            return cls(configured)
        costed, others = float(value[known].sum()), float(np.maximum(value[~known], 0.0).sum())
        rate = (float(margin[known].sum()) + configured * others) / (costed + others)
        return cls(float(np.clip(rate, 0.0, 1.0)), costed / int(known.sum()))

    def rates(self, features: pd.DataFrame | Mapping[str, Floats]) -> Floats:
        """Margin rate of each customer, in [0, 1]."""
        margin = np.asarray(features["margin_365d"], dtype=np.float64)
        if self.weight <= 0:
            return np.full(len(margin), self.rate)
        value = np.asarray(features["value_365d"], dtype=np.float64)
        known = np.isfinite(margin) & (value > 0)
        own = np.where(known, margin, 0.0) + self.weight * self.rate
        rates = own / (np.where(known, value, 0.0) + self.weight)
        return np.minimum(np.maximum(rates, 0.0), 1.0)

    def to_json(self) -> dict[str, float]:
        """Plain values for the bundle."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Margin:
        """The margin written by `to_json`."""
        return cls(float(values["rate"]), float(values["weight"]))
