"""How far what comes may lie from what is expected: bounds of each customer's value and orders, calibrated.

The value of a horizon is nothing with the chance of no order, else lognormal around its mean; the number of orders
is nothing with the same chance, else one and a negative binomial number. Such shapes are never quite right, so
their levels are re-read on a past day whose outcome is known: where 95 % of the customers stayed below the level
0.97 of the shape, the bound of 95 % is read at 0.97.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import ndtr, ndtri, stdtrit

from training.models.order_count import OrderCount

__all__ = ["LEVELS", "Calibration", "Intervals", "Outlook", "bound_names"]

Floats = npt.NDArray[np.float64]
LEVELS = (0.05, 0.10, 0.90, 0.95)
_Z_LEVELS = ndtri(np.array(LEVELS))[:, None, None]
_MOST_MEANS = 1.0 / (1.0 - np.array(LEVELS))[:, None, None]
# A shape that nobody has checked is off by a quarter, and by as much again per doubling beyond the data.
_UNCHECKED = 0.25
_PER_DOUBLING = 0.25
_LEAST_VARIATION, _MOST_VARIATION = 1e-4, 25.0
_TINY = 1e-12


def bound_names(horizon_days: int, quantity: str = "value") -> dict[float, str]:
    """Column of each level's bound; `quantity` is ``value`` or ``orders``.

    Examples
    --------
    >>> bound_names(90)[0.1], bound_names(90, "orders")[0.9]
    ('expected_value_90d_p10', 'expected_orders_90d_p90')
    """
    return {level: f"expected_{quantity}_{horizon_days}d_p{round(100 * level):02d}" for level in LEVELS}


@dataclass(frozen=True)
class Outlook:
    """One horizon's expectation of each customer.

    Parameters
    ----------
    value : array
        Expected spend less returns, > 0, currency.
    purchases : array
        Expected purchase days, > 0.
    none : array
        P(no order), in (0, 1).
    """

    value: Floats
    purchases: Floats
    none: Floats


@dataclass(frozen=True)
class Calibration:
    """What one horizon's past outcome taught.

    Parameters
    ----------
    cuts : tuple of float
        Expected values (currency) or orders that part the groups of customers; rising, one fewer than groups.
    levels : tuple of tuple of float
        By group: where to read the shape for each of `LEVELS`, in [0, 1], rising.
    shared : float
        Standard deviation of the error that all customers share (season, level), on the log scale, ≥ 0.
    total : float
        The same of a cohort's total: the shared error, and single large customers.
    back_tests : float
        Independent past horizons behind the two, ≥ 0; overlapping ones count in part.
    """

    cuts: tuple[float, ...] = ()
    levels: tuple[tuple[float, ...], ...] = (LEVELS,)
    shared: float = _UNCHECKED
    total: float = _UNCHECKED
    back_tests: float = 0.0

    @cached_property
    def _arrays(self) -> tuple[Floats, Floats]:
        return np.array(self.cuts, dtype=np.float64), np.array(self.levels, dtype=np.float64)

    def read(self, value: Floats) -> Floats:
        """Levels of the shape, shape (levels, customers), for customers of these expected values or orders."""
        cuts, levels = self._arrays
        return np.ascontiguousarray(levels[np.searchsorted(cuts, value, side="right")].T)

    def stretched(self, times: float) -> Calibration:
        """For a horizon `times` as long, ≥ 1, that no past outcome reaches."""
        further = _PER_DOUBLING * float(np.log2(times))
        return Calibration(
            tuple(c * times for c in self.cuts),
            self.levels,
            float(np.hypot(self.shared, further)),
            float(np.hypot(self.total, further)),
            self.back_tests,
        )

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        names = ("shared", "total", "back_tests")
        plain: dict[str, Any] = {name: getattr(self, name) for name in names}
        return {"cuts": list(self.cuts), "levels": [list(row) for row in self.levels], **plain}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Calibration:
        """What `to_json` wrote."""
        levels = tuple(tuple(float(u) for u in row) for row in values["levels"])
        cuts = tuple(float(c) for c in values["cuts"])
        if len(levels) != len(cuts) + 1 or any(len(row) != len(LEVELS) for row in levels):
            raise ValueError(f"calibration: {len(levels)} rows of levels for {len(cuts)} cuts")
        rest = (float(values[name]) for name in ("shared", "total", "back_tests"))
        return cls(cuts, levels, *rest)


@dataclass(frozen=True)
class Intervals:
    """Bounds of each customer's value and orders, and of a cohort's total.

    Parameters
    ----------
    order_shape : float
        Shape p of a customer's spend per purchase day, > 0 (Gamma-Gamma).
    mean_shape : float
        Shape q of the customers' mean spend, > 1 (Gamma-Gamma).
    reach_days : int
        Days of history at training, ≥ 1.
    calibrations, order_calibrations : dict of int to Calibration
        Of value and of orders, by horizon, where a past outcome could be met.

    Notes
    -----
    With P₀ the chance of no order, m the expected value and σ² = ln(1 + c²)::

        F(y) = P₀ + (1 − P₀) Φ((ln y − ln(m / (1 − P₀)) + σ²/2) / σ),   y ≥ 0

    c² adds the variation of the count of purchases (Poisson after the first, and an unknown rate), of spend
    per purchase, and of what is not known about the customer's mean spend; the shared error of the level adds
    to σ² on the log scale. Net returns count as nothing bought, as everywhere a value is judged, so that no
    bound is below 0. Bounds above 0 are at least as far apart as the shared error alone would set them, and the bound
    of a level u is at most 1 / (1 − u) times the mean at the upper end of that error (Markov's inequality: no tenth
    of the customers can have more than ten times the mean). So what one absurd amount does to the levels of a past day
    has an end. The lower bounds lie below the mean, and the upper ones, where not 0, above it. A bound of a
    longer horizon is never below that of a shorter one. The expected value of a
    customer who will hardly come back can lie above p90: most such customers bring nothing at all. Bounds of
    orders are whole numbers, see `training.models.order_count`: at least so many stay at or below them.

    A horizon that no past outcome reaches takes the next shorter one's calibration, its scale widened by a
    quarter (log scale) per doubling; a shop without any takes the shape as it is, widened likewise from the
    length of its history on.

    References
    ----------
    Chernozhukov, Wüthrich, Zhu (2021), Distributional conformal prediction, PNAS 118(48): levels re-read from
    the probability integral transform. Fader & Hardie (2013), The Gamma-Gamma model: the variation of spend.

    Examples
    --------
    >>> outlook = Outlook(np.array([100.0]), np.array([2.0]), np.array([0.3]))
    >>> seen = pd.DataFrame({"purchase_days": [4.0], "value_mean": [50.0]})
    >>> bounds = Intervals(6.0, 4.0, 730).bounds(seen, {90: outlook})[90]
    >>> [round(float(b), 1) for b in bounds[:, 0]]
    [0.0, 0.0, 237.4, 305.7]
    """

    order_shape: float = 1.0
    mean_shape: float = 2.0
    reach_days: int = 1
    calibrations: Mapping[int, Calibration] = field(default_factory=dict)
    order_calibrations: Mapping[int, Calibration] = field(default_factory=dict)

    def calibration(self, horizon_days: int, quantity: str = "value") -> Calibration:
        """The horizon's own, else the nearest shorter one's widened, else the shape alone."""
        known = self.calibrations if quantity == "value" else self.order_calibrations
        shorter = [h for h in known if h <= horizon_days]
        if shorter:
            near = max(shorter)
            return known[near] if near == horizon_days else known[near].stretched(horizon_days / near)
        if known:
            return known[min(known)]
        return Calibration().stretched(max(1.0, horizon_days / self.reach_days))

    def bounds(
        self, features: pd.DataFrame | Mapping[str, Floats], outlooks: dict[int, Outlook]
    ) -> dict[int, Floats]:
        """Bounds by horizon, each of shape (levels, customers); rising with the level and with the horizon.

        Parameters
        ----------
        features : pandas.DataFrame or mapping of str to array
            ``purchase_days`` and ``value_mean`` of the customers.
        outlooks : dict of int to Outlook
            By horizon.
        """
        days = sorted(outlooks)
        known = [self.calibration(h) for h in days]
        value, purchases, none = (
            np.stack([getattr(outlooks[h], name) for h in days]) for name in ("value", "purchases", "none")
        )
        shared = np.array([[c.shared] for c in known])
        place, scale = self.shape(features, Outlook(value, purchases, none), shared)
        read = np.stack([c.read(v) for c, v in zip(known, value, strict=True)], axis=1)
        inside = (read - none) / (1.0 - none)
        z = ndtri(np.minimum(np.maximum(inside, _TINY), 1.0 - _TINY))
        found = np.where(inside > 0.0, np.exp(place + scale * z), 0.0)
        # However alike customers were on the day met, their level is known no better than its error.
        sure = value * np.exp(shared * _Z_LEVELS)
        wide = np.where(_Z_LEVELS < 0.0, np.minimum(found, sure), np.maximum(found, sure))
        found = np.where(found > 0.0, np.minimum(wide, sure * _MOST_MEANS), 0.0)
        rising = np.maximum.accumulate(found, axis=1)
        return {h: np.ascontiguousarray(rising[:, i]) for i, h in enumerate(days)}

    def order_bounds(
        self,
        features: pd.DataFrame | Mapping[str, Floats],
        orders: Mapping[int, Floats],
        none: Mapping[int, Floats],
    ) -> dict[int, Floats]:
        """Bounds of the number of orders, whole numbers; as `bounds` otherwise.

        Parameters
        ----------
        features : pandas.DataFrame or mapping of str to array
            ``purchase_days`` of the customers.
        orders, none : dict of int to array
            Expected orders, and P(no order), by horizon.
        """
        days = sorted(orders)
        known = [self.calibration(h, "orders") for h in days]
        expected = np.stack([orders[h] for h in days])
        shared = np.array([[c.shared] for c in known])
        count = self.order_count(features, expected, np.stack([none[h] for h in days]), shared)
        read = np.stack([c.read(v) for c, v in zip(known, expected, strict=True)], axis=1)
        found = count.quantile(read)
        sure = expected * np.exp(shared * _Z_LEVELS)
        wide = np.where(_Z_LEVELS < 0.0, np.minimum(found, np.ceil(sure)), np.maximum(found, np.floor(sure)))
        rising = np.maximum.accumulate(np.where(found > 0.0, wide, 0.0), axis=1)
        return {h: np.ascontiguousarray(rising[:, i]) for i, h in enumerate(days)}

    def order_count(
        self,
        features: pd.DataFrame | Mapping[str, Floats],
        orders: Floats,
        none: Floats,
        shared: Floats | float = 0.0,
    ) -> OrderCount:
        """Distribution of each customer's number of orders."""
        seen = np.asarray(features["purchase_days"], dtype=np.float64)
        return OrderCount.of(orders, none, seen=seen, shared=shared)

    def shape(
        self, features: pd.DataFrame | Mapping[str, Floats], outlook: Outlook, shared: Floats | float = 0.0
    ) -> tuple[Floats, Floats]:
        """Mean and standard deviation of the log of what comes, where anything comes."""
        some = 1.0 - outlook.none
        spread = np.log1p(self._variation(features, np.maximum(outlook.purchases / some, 1.0)))
        return np.log(outlook.value / some) - 0.5 * spread, np.sqrt(spread + shared * shared)

    def reached(self, features: pd.DataFrame, outlook: Outlook, came: Floats) -> Floats:
        """Level of the shape at what came: F(came), and 0 where nothing came."""
        place, scale = self.shape(features, outlook)
        positive = came > 0
        z = (np.log(np.where(positive, came, 1.0)) - place) / scale
        return np.where(positive, outlook.none + (1.0 - outlook.none) * ndtr(z), 0.0)

    def total_factors(self, horizon_days: int, coverage: float) -> tuple[float, float]:
        """What to multiply a cohort's expected total by for its lower and upper bound.

        Parameters
        ----------
        horizon_days : int
            Horizon of the total.
        coverage : float
            Share of totals between the two, in (0, 1).

        Notes
        -----
        exp(±t · s), s the realised log errors of past totals, t of Student's distribution with one degree of
        freedom more than there were independent past horizons.
        """
        known = self.calibration(horizon_days)
        width = float(stdtrit(known.back_tests + 1.0, 0.5 + coverage / 2.0)) * known.total
        return float(np.exp(-width)), float(np.exp(width))

    def _variation(self, features: pd.DataFrame | Mapping[str, Floats], purchases: Floats) -> Floats:
        """Squared coefficient of variation given at least one purchase."""
        mean = np.asarray(features["value_mean"], dtype=np.float64)
        seen = np.where(mean > 0, np.asarray(features["purchase_days"], dtype=np.float64), 0.0)
        p, q = self.order_shape, self.mean_shape
        count = (purchases - 1.0) / purchases**2
        rate = (1.0 - 1.0 / purchases) ** 2 / (1.0 + seen)
        spend = 1.0 / (p * purchases) + 1.0 / (p * seen + q - 1.0)
        return np.minimum(np.maximum(count + rate + spend, _LEAST_VARIATION), _MOST_VARIATION)

    def to_json(self) -> dict[str, Any]:
        """Plain values for the bundle."""
        both = ("calibrations", "order_calibrations")
        known = {n: {str(h): c.to_json() for h, c in sorted(getattr(self, n).items())} for n in both}
        names = ("order_shape", "mean_shape", "reach_days")
        return {**known, **{name: getattr(self, name) for name in names}}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Intervals:
        """The intervals written by `to_json`."""
        value, orders = (
            {int(h): Calibration.from_json(c) for h, c in values[name].items()}
            for name in ("calibrations", "order_calibrations")
        )
        shapes = float(values["order_shape"]), float(values["mean_shape"])
        return cls(*shapes, int(values["reach_days"]), value, orders)
