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

__all__ = ["LEVELS", "Calibration", "Intervals", "Outlook", "bound_names", "rising"]

Floats = npt.NDArray[np.float64]
LEVELS = (0.05, 0.10, 0.90, 0.95)
_Z_LEVELS = ndtri(np.array(LEVELS))[:, None, None]
_LOWER = _Z_LEVELS < 0.0
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
    """What is expected of each customer: of one horizon, or of several as rows.

    Parameters
    ----------
    value : array, shape (customers,) or (horizons, customers)
        Expected spend less returns, > 0, currency.
    purchases : array
        Expected purchase days, > 0; shape as `value`.
    none : array
        P(no order), in (0, 1); shape as `value`.
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
class _SideBySide:
    """The calibrations of several horizons as arrays, made once for all customers.

    Parameters
    ----------
    shared : array, shape (horizons, 1)
        The error that all customers share.
    off : array, shape (levels, horizons, 1)
        How far that error alone takes each level from the mean, as a factor.
    cuts : array, shape (cuts, horizons, 1)
        Where the groups of customers part; without end where a horizon has fewer.
    first : array, shape (horizons, 1)
        Place of the horizon's first group in `levels`.
    levels : array, shape (levels, groups of all horizons)
        Where to read the shape.
    """

    shared: Floats
    off: Floats
    cuts: Floats
    first: npt.NDArray[np.intp]
    levels: Floats

    @classmethod
    def of(cls, known: list[Calibration]) -> _SideBySide:
        shared = np.array([[c.shared] for c in known])
        cuts = np.full((max(len(c.cuts) for c in known), len(known), 1), np.inf)
        for place, c in enumerate(known):
            cuts[: len(c.cuts), place, 0] = c.cuts
        first = np.cumsum([0, *(len(c.levels) for c in known)])[:-1, None]
        levels = np.array([row for c in known for row in c.levels], dtype=np.float64)
        return cls(shared, np.exp(shared * _Z_LEVELS), cuts, first, np.ascontiguousarray(levels.T))

    def read(self, expected: Floats) -> Floats:
        """Levels of the shape, shape (levels, horizons, customers), where so much is expected."""
        groups = np.add.reduce(expected >= self.cuts, axis=0)
        return self.levels.take(groups + self.first, axis=1)


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
    has an end. The lower bounds lie below the mean, and the upper ones, where not 0, above it. The expected value of a
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
    >>> outlook = Outlook(np.array([[100.0]]), np.array([[2.0]]), np.array([[0.3]]))
    >>> seen = pd.DataFrame({"purchase_days": [4.0], "value_mean": [50.0]})
    >>> bounds = Intervals(6.0, 4.0, 730).bounds(seen, (90,), outlook)
    >>> [round(float(b), 1) for b in bounds[:, 0, 0]]
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

    @cached_property
    def _known(self) -> dict[tuple[str, tuple[int, ...]], _SideBySide]:
        return {}

    def _side_by_side(self, quantity: str, horizons_days: tuple[int, ...]) -> _SideBySide:
        key = quantity, horizons_days
        if key not in self._known:
            self._known[key] = _SideBySide.of([self.calibration(h, quantity) for h in horizons_days])
        return self._known[key]

    def bounds(
        self,
        features: pd.DataFrame | Mapping[str, Floats],
        horizons_days: tuple[int, ...],
        outlook: Outlook,
    ) -> Floats:
        """Bounds of the value, shape (levels, horizons, customers); rising with the level, see `rising`.

        Parameters
        ----------
        features : pandas.DataFrame or mapping of str to array
            ``purchase_days`` and ``value_mean`` of the customers.
        horizons_days : tuple of int
            Horizons, one per row of `outlook`.
        outlook : Outlook
            What is expected.
        """
        known = self._side_by_side("value", horizons_days)
        place, scale = self.shape(features, outlook, known.shared)
        inside = (known.read(outlook.value) - outlook.none) / (1.0 - outlook.none)
        z = ndtri(np.minimum(np.maximum(inside, _TINY), 1.0 - _TINY))
        found = np.where(inside > 0.0, np.exp(place + scale * z), 0.0)
        # However alike customers were on the day met, their level is known no better than its error.
        sure = outlook.value * known.off
        wide = np.where(_LOWER, np.minimum(found, sure), np.maximum(found, sure))
        return np.where(found > 0.0, np.minimum(wide, sure * _MOST_MEANS), 0.0)

    def order_bounds(
        self,
        features: pd.DataFrame | Mapping[str, Floats],
        horizons_days: tuple[int, ...],
        orders: Floats,
        none: Floats,
    ) -> Floats:
        """Bounds of the number of orders, whole numbers; as `bounds` otherwise.

        Parameters
        ----------
        features : pandas.DataFrame or mapping of str to array
            ``purchase_days`` of the customers.
        horizons_days : tuple of int
            Horizons, one per row of `orders` and `none`.
        orders, none : array, shape (horizons, customers)
            Expected orders, and P(no order).
        """
        known = self._side_by_side("orders", horizons_days)
        found = self.order_count(features, orders, none, known.shared).quantile(known.read(orders))
        sure = orders * known.off
        wide = np.where(_LOWER, np.minimum(found, np.ceil(sure)), np.maximum(found, np.floor(sure)))
        return np.where(found > 0.0, wide, 0.0)

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


def rising(bounds: Floats) -> Floats:
    """Bounds of horizons that rise from row to row: no longer horizon's is below that of a shorter one.

    Examples
    --------
    >>> rising(np.array([[[1.0], [0.0], [2.0]]])).tolist()
    [[[1.0], [1.0], [2.0]]]
    """
    return np.maximum.accumulate(bounds, axis=1)
