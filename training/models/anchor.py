"""The closed-form expectation every learned model starts from: MBG/NBD for orders, Gamma-Gamma for spend.

Where the customers of the shop have a rhythm, MBG/CNBD-k takes the place of MBG/NBD; the day's own history
decides. Where nothing will be learned on top of it, its mean with Pareto/NBD does. Fitted on one snapshot's own
history. It answers for any horizon, for new customers too, and it is what remains when there is too little data
to learn more.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.errors import NotEnoughData
from training.models.btyd import thin
from training.models.gamma_gamma import GammaGamma
from training.models.mbg_cnbd_k import MbgCnbdK
from training.models.mbg_nbd import MbgNbd
from training.models.mean_nbd import MeanNbd
from training.models.regularity import regularity
from training.models.rows import Rows, matrix_of

__all__ = ["Ahead", "Anchor"]

Floats = npt.NDArray[np.float64]
Buying = MbgNbd | MbgCnbdK | MeanNbd
_KINDS: dict[str, type[Buying]] = {MbgNbd.name: MbgNbd, MbgCnbdK.name: MbgCnbdK, MeanNbd.name: MeanNbd}
# Customers enough to tell a rhythm from none; looking at more would cost time at every snapshot.
_TELLING = 1_000
_LEAST_PHASES = 2.0
_HISTORY, _SPEND = ("frequency", "recency", "T"), ("purchase_days", "value_mean")


@dataclass(frozen=True)
class Ahead:
    """What the closed form expects of customers, horizon by horizon.

    Parameters
    ----------
    horizons_days : tuple of int
        Horizons, each once.
    alive : array, shape (customers,)
        P(not gone for good).
    order_value : array, shape (customers,)
        Expected spend less returns per order, currency, > 0.
    no_order : array, shape (horizons, customers)
        P(no order), in (0, 1).
    orders, value : array, shape (horizons, customers)
        Expected orders, > 0, and spend less returns, > 0, currency.
    orders_per_day : float
        Orders per purchase day in the customer base, at least 1.
    """

    horizons_days: tuple[int, ...]
    alive: Floats
    order_value: Floats
    no_order: Floats
    orders: Floats
    value: Floats
    orders_per_day: float = 1.0

    def at(self, horizons_days: tuple[int, ...]) -> Ahead:
        """The same for some of the horizons, in this order."""
        if horizons_days == self.horizons_days:
            return self
        rows = _places(self.horizons_days, horizons_days)
        no_order, orders, value = (m.take(rows, axis=0) for m in (self.no_order, self.orders, self.value))
        return Ahead(
            horizons_days, self.alive, self.order_value, no_order, orders, value, self.orders_per_day
        )

    def rows(self) -> Rows:
        """All as columns ``btyd_*``."""
        found = np.empty((self.alive.size, 2 + 3 * len(self.horizons_days)))
        found[:, 0], found[:, 1] = self.alive, self.order_value
        found[:, 2::3], found[:, 3::3], found[:, 4::3] = self.no_order.T, self.orders.T, self.value.T
        return Rows(_names(self.horizons_days), found)


@dataclass(frozen=True)
class Anchor:
    """Expected orders and value of a customer, from counts and times alone.

    Parameters
    ----------
    buying : MbgNbd, MbgCnbdK or MeanNbd
        Purchase days per customer, time in days; MBG/CNBD-k where the customers have a rhythm.
    spending : GammaGamma
        Spend per purchase day, fitted on customers with two or more.
    orders_per_day : float
        Orders per purchase day in the customer base, at least 1.
    kept_share : float
        Share of spend that is not returned, in [0, 1].
    """

    buying: Buying
    spending: GammaGamma
    orders_per_day: float
    kept_share: float

    @classmethod
    def fit(cls, features: pd.DataFrame, *, ridge: float = 1e-3, alone: bool = False) -> Anchor:
        """Fits both models on the features of one snapshot.

        Parameters
        ----------
        features : pandas.DataFrame
            Customers with the order features of one day.
        ridge : float
            Pull of the log-parameters towards plain values, ≥ 0; about 1 for a handful of customers.
        alone : bool
            Nothing will be learned on top: the mean of MBG/NBD and Pareto/NBD in place of MBG/NBD.

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
            _buying(x, t_x, T, ridge, rhythm=_rhythm(features), alone=alone),
            GammaGamma.fit(days, mean, ridge=ridge),
            max(1.0, per_day),
            min(1.0, max(0.0, kept)),
        )

    def no_order_probability(self, features: pd.DataFrame | Rows, horizon_days: int) -> Floats:
        """P(no purchase day within the horizon), in (0, 1)."""
        return self._no_order(self.buying.p_order_within(*_history(features), horizon_days))

    def expected_orders(self, features: pd.DataFrame, horizon_days: int) -> Floats:
        """Expected orders within the horizon, ≥ 0."""
        return self._orders(self.buying.expected_orders(*_history(features), horizon_days))

    def value_per_order(self, features: pd.DataFrame | Rows) -> Floats:
        """Expected spend less returns per order, currency."""
        per_day = self.spending.conditional_value(*_spend(features))
        return np.maximum(per_day * self.kept_share / self.orders_per_day, 1e-9)

    def columns(self, features: pd.DataFrame, horizons_days: tuple[int, ...]) -> pd.DataFrame:
        """Expectations as columns ``btyd_*`` for each horizon."""
        return self.rows(features, horizons_days).frame(features.index)

    def rows(self, features: pd.DataFrame | Rows, horizons_days: tuple[int, ...]) -> Rows:
        """The same as a matrix with names."""
        return self.ahead(features, horizons_days).rows()

    def ahead(self, features: pd.DataFrame | Rows, horizons_days: tuple[int, ...]) -> Ahead:
        """All that is expected within the horizons, asked for at once: a call costs more than its arithmetic."""
        alive, some, days = self.buying.ahead(*_history(features), horizons_days)
        value = self.value_per_order(features)
        no_order, orders = self._no_order(some), self._orders(days)
        return Ahead(horizons_days, alive, value, no_order, orders, orders * value, self.orders_per_day)

    def _no_order(self, some: Floats) -> Floats:
        return np.minimum(np.maximum(1.0 - some, 1e-9), 1 - 1e-9)

    def _orders(self, days: Floats) -> Floats:
        return np.maximum(days, 1e-12) * self.orders_per_day

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
            _KINDS.get(values["buying"].get("model"), MbgNbd).from_json(values["buying"]),
            GammaGamma.from_json(values["spending"]),
            float(values["orders_per_day"]),
            float(values["kept_share"]),
        )


def _rhythm(features: pd.DataFrame) -> float | None:
    """Regularity of the gaps; None where too few customers have some."""
    names = ("frequency", "gap_mean", "gap_sd")
    if not set(names) <= set(features.columns):
        return None
    return regularity(*(_column(features, name) for name in names))


def _buying(x: Floats, t_x: Floats, T: Floats, ridge: float, *, rhythm: float | None, alone: bool) -> Buying:
    """MBG/CNBD-k with the k that (evenly drawn) customers speak for; MBG/NBD where they have no rhythm.

    The likelihood of counts and last purchases takes a young history for a rhythm; the gaps, where enough are known,
    must show at least two phases too.
    """
    some = thin(x.size, keep=_TELLING)
    even = rhythm is None or rhythm >= _LEAST_PHASES
    k = MbgCnbdK.fit(x[some], t_x[some], T[some], ridge=ridge).k if even else 1
    if k == 1:
        return (MeanNbd if alone else MbgNbd).fit(x, t_x, T, ridge=ridge)
    return MbgCnbdK.fit(x, t_x, T, ridge=ridge, k=k)


@lru_cache(maxsize=64)
def _names(horizons_days: tuple[int, ...]) -> tuple[str, ...]:
    kinds = ("no_order", "orders", "value")
    return ("btyd_alive", "btyd_order_value", *(f"btyd_{k}_{h}" for h in horizons_days for k in kinds))


@lru_cache(maxsize=256)
def _places(horizons_days: tuple[int, ...], wanted: tuple[int, ...]) -> npt.NDArray[np.intp]:
    return np.array([horizons_days.index(h) for h in wanted], dtype=np.intp)


def _history(features: pd.DataFrame | Rows) -> tuple[Floats, Floats, Floats]:
    x, t_x, T = np.ascontiguousarray(matrix_of(features, _HISTORY).T)
    return x, t_x, T


def _spend(features: pd.DataFrame | Rows) -> tuple[Floats, Floats]:
    """Purchase days and mean spend; the first one counts, so that one-time buyers tell too."""
    days, mean = np.ascontiguousarray(matrix_of(features, _SPEND).T)
    mean = np.fmax(mean, 0.0)
    return np.where(mean > 0, days, 0.0), mean


def _column(features: pd.DataFrame, name: str) -> Floats:
    return np.ascontiguousarray(features[name].to_numpy(np.float64))
