"""The closed-form expectation every learned model starts from: MBG/NBD for orders, Gamma-Gamma for spend.

Fitted on one snapshot's own history. It answers for any horizon, for new customers too, and it is what
remains when there is too little data to learn more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.errors import NotEnoughData
from training.models.gamma_gamma import GammaGamma
from training.models.mbg_nbd import MbgNbd

__all__ = ["Anchor"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Anchor:
    """Expected orders and value of a customer, from counts and times alone.

    Parameters
    ----------
    buying : MbgNbd
        Purchase days per customer, time in days.
    spending : GammaGamma
        Spend per purchase day, fitted on customers with two or more.
    orders_per_day : float
        Orders per purchase day in the customer base, at least 1.
    kept_share : float
        Share of spend that is not returned, in [0, 1].
    """

    buying: MbgNbd
    spending: GammaGamma
    orders_per_day: float
    kept_share: float

    @classmethod
    def fit(cls, features: pd.DataFrame, *, ridge: float = 1e-3) -> Anchor:
        """Fits both models on the features of one snapshot.

        Parameters
        ----------
        features : pandas.DataFrame
            Customers with the order features of one day.
        ridge : float
            Pull of the log-parameters towards plain values, ≥ 0; about 1 for a handful of customers.

        Raises
        ------
        NotEnoughData
            When nobody has bought anything.
        """
        x, t_x, T = _history(features)
        days, mean = _spend(features)
        if not (days > 0).any():
            raise NotEnoughData(
                f"orders: none of {len(features)} customers has a purchase with a positive amount before the "
                "day; check the amount column or choose a later --as-of"
            )
        spend = float(features["spend_total"].sum())
        kept = float(features["value_total"].sum()) / spend if spend > 0 else 1.0
        per_day = float(features["orders_total"].sum()) / max(1.0, float(features["purchase_days"].sum()))
        return cls(
            MbgNbd.fit(x, t_x, T, ridge=ridge),
            GammaGamma.fit(days, mean, ridge=ridge),
            max(1.0, per_day),
            min(1.0, max(0.0, kept)),
        )

    def no_order_probability(self, features: pd.DataFrame, horizon_days: int) -> Floats:
        """P(no purchase day within the horizon), in (0, 1)."""
        return np.clip(1.0 - self.buying.p_order_within(*_history(features), horizon_days), 1e-9, 1 - 1e-9)

    def alive_probability(self, features: pd.DataFrame) -> Floats:
        """P(alive): not a churn score, see the notes on churn; a feature only."""
        return self.buying.p_alive(*_history(features))

    def expected_orders(self, features: pd.DataFrame, horizon_days: int) -> Floats:
        """Expected orders within the horizon, ≥ 0."""
        days = self.buying.expected_orders(*_history(features), horizon_days)
        return np.maximum(days, 1e-12) * self.orders_per_day

    def value_per_order(self, features: pd.DataFrame) -> Floats:
        """Expected spend less returns per order, currency."""
        per_day = self.spending.conditional_value(*_spend(features))
        return np.maximum(per_day * self.kept_share / self.orders_per_day, 1e-9)

    def columns(self, features: pd.DataFrame, horizons_days: tuple[int, ...]) -> pd.DataFrame:
        """Expectations as columns ``btyd_*`` for each horizon."""
        value = self.value_per_order(features)
        found: dict[str, Floats] = {"btyd_alive": self.alive_probability(features), "btyd_order_value": value}
        for h in horizons_days:
            orders = self.expected_orders(features, h)
            found[f"btyd_no_order_{h}"] = self.no_order_probability(features, h)
            found[f"btyd_orders_{h}"] = orders
            found[f"btyd_value_{h}"] = orders * value
        return pd.DataFrame(found, index=features.index)

    def to_json(self) -> dict[str, Any]:
        """Plain values for the bundle."""
        return {
            "buying": self.buying.to_json(),
            "spending": self.spending.to_json(),
            "orders_per_day": self.orders_per_day,
            "kept_share": self.kept_share,
        }

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Anchor:
        """The anchor written by `to_json`."""
        return cls(
            MbgNbd.from_json(values["buying"]),
            GammaGamma.from_json(values["spending"]),
            float(values["orders_per_day"]),
            float(values["kept_share"]),
        )


def _history(features: pd.DataFrame) -> tuple[Floats, Floats, Floats]:
    return _column(features, "frequency"), _column(features, "recency"), _column(features, "T")


def _spend(features: pd.DataFrame) -> tuple[Floats, Floats]:
    """Purchase days and mean spend; the first one counts, so that one-time buyers tell too."""
    mean = np.nan_to_num(_column(features, "value_mean"), nan=0.0)
    return np.where(mean > 0, _column(features, "purchase_days"), 0.0), mean


def _column(features: pd.DataFrame, name: str) -> Floats:
    return np.ascontiguousarray(features[name].to_numpy(np.float64))
