"""Bounds learned from past days whose outcome is known, and how often bounds held.

Past days are predicted as they could have been on the day: each snapshot's closed form was fitted on its own
history, and its level comes from the outcomes known by then. The customers' scatter around their shared level
is read off one day, the one a year ago where there is one, because it has the season ahead; the error of the
level itself is read off all past days.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.optimize import brentq

from training.head_kind import HeadKind
from training.levels import level_curve, realised_error, realised_errors, recent_kind
from training.models.anchor import Anchor
from training.models.intervals import LEVELS, Calibration, Intervals, Outlook
from training.panel import Panel

__all__ = ["coverage", "fit_intervals"]

Floats = npt.NDArray[np.float64]
_YEAR = timedelta(days=365)
_NEAR = timedelta(days=20)
_GROUPS, _GROUP_ROWS, _LEAST_ROWS, _MOST_ROWS = 5, 100, 20, 20_000
_BACK_TESTS = 12
_PRIOR = Calibration().total
_HALVINGS = 40
# Beyond that a level says nothing, and a bound of ten to the forty says no more.
_MOST_ERROR = float(np.log(100.0))
_RARE = 1e-12


def fit_intervals(panel: Panel, anchor: Anchor, horizons_days: tuple[int, ...]) -> Intervals:
    """Calibrates the bounds of value and orders at every horizon that a past outcome reaches.

    Parameters
    ----------
    panel : Panel
        From `training.fit.anchored`.
    anchor : Anchor
        The closed form of ``panel.as_of``.
    horizons_days : tuple of int
        Horizons of the value curve.

    Returns
    -------
    Intervals
        With a calibration for each horizon that had wholly passed since one of the panel's days.

    Notes
    -----
    Level of a day: e = ln(what came / closed form), against the level expected there; the root mean square of
    the residuals, with one prior observation of a quarter, is the error of a cohort's total. What a handful of
    large customers explain of it, Σ(y − ŷ)² / (Σŷ)², is not shared and is taken off for single customers. A shop
    that has not met the season ahead may be off by another quarter (log scale).

    Each of `LEVELS` is re-read so that, on the day met, that share of the customers stayed at or below it,
    with the finite-sample correction (n + 1) / n of conformal prediction, in up to five groups of equally many
    customers by expected value. A customer who bought nothing counts for all levels up to their chance of no
    order in equal parts (the non-randomised integral transform), so that no random number is drawn; with orders, so
    does every number. Customers count by their weight for the horizon where contacts chose them, see
    `training.treated`; the n of the correction is then (Σw)² / Σw².

    References
    ----------
    Chernozhukov, Wüthrich, Zhu (2021), Distributional conformal prediction, PNAS 118(48). Czado, Gneiting, Held
    (2009), Predictive model assessment for count data, Biometrics 65(4), equation 2.
    """
    reach = max(1, (panel.as_of - panel.first_day).days)
    shape = Intervals(anchor.spending.p, anchor.spending.q, reach)
    levels = replace(panel, frame=panel.frame[["as_of", "gap_mean", "tenure_days"]])
    past = {h: _snapshots(panel, h) for h in horizons_days}
    value, orders = (
        {
            h: _Past(
                levels, days, shape, anchor.orders_per_day, HeadKind(name, h), _recent(panel, name, h)
            ).calibration()
            for h, days in past.items()
            if days
        }
        for name in ("value", "orders")
    )
    return replace(shape, calibrations=value, order_calibrations=orders)


def _recent(panel: Panel, name: str, horizon_days: int) -> dict[date, tuple[date, float]]:
    """Errors at the horizon known first, with the day each was known: `training.levels.recent_kind`."""
    kind = recent_kind(HeadKind(name, horizon_days), panel)
    errors = realised_errors(panel.labelled(kind.horizon_days, by=panel.as_of), kind)
    return {d: (d + timedelta(days=kind.horizon_days), error) for d, error in errors.items()}


def _snapshots(panel: Panel, horizon_days: int) -> dict[date, pd.DataFrame]:
    """What the calibration needs of each day whose horizon had passed and that had any value, rising.

    Customers whose weight is 0 are left out: what they did is not what such customers do when left alone.
    """
    h = horizon_days
    closed = [f"btyd_{kind}_{h}" for kind in ("value", "orders", "no_order")]
    names = ["as_of", "purchase_days", "value_mean", f"value_ahead_{h}", f"orders_ahead_{h}", *closed]
    rows = panel.labelled(h, by=panel.as_of)
    weight = HeadKind("value", h).weight(rows)
    rows = rows[names].assign(**{f"weight_{h}": weight})[weight > 0]
    found = {pd.Timestamp(str(day)).date(): part for day, part in rows.groupby("as_of", sort=True)}
    return {d: part for d, part in found.items() if (part[f"value_ahead_{horizon_days}"] > 0).any()}


@dataclass(frozen=True)
class _Past:
    """What one horizon's labelled days have to tell.

    ``snapshots`` holds the days whose horizon had passed and that had any value; ``panel`` the few columns that
    a level rests on; ``recent`` the errors known first.
    """

    panel: Panel
    snapshots: dict[date, pd.DataFrame]
    shape: Intervals
    orders_per_day: float
    kind: HeadKind
    recent: dict[date, tuple[date, float]]

    def calibration(self) -> Calibration:
        """The horizon's calibration, from days with a history as long as the horizon where there are any."""
        horizon_days = self.kind.horizon_days
        first = self.panel.first_day + timedelta(days=horizon_days)
        days = [d for d in self.snapshots if d >= first] or list(self.snapshots)
        errors = {d: self._error(d) for d in days}
        recent = days[-_BACK_TESTS:]
        residuals = np.array([errors[d] - self._expected(errors, d) for d in recent])
        single = np.array([self._single(d, errors[d]) for d in recent])
        tests = min(float(len(recent)), 1.0 + (recent[-1] - recent[0]).days / horizon_days)
        shared = np.maximum(residuals**2 - single, 0.0)
        met = self._same_season(days)
        unseen = 0.0 if met else _PRIOR
        cuts, levels = self._levels(met or days[-1], errors[met or days[-1]])
        each, total = (float(np.hypot(_size(e, tests), unseen)) for e in (shared, residuals**2))
        return Calibration(cuts, levels, each, total, tests)

    def _error(self, day: date) -> float:
        kind, rows = self.kind, self.snapshots[day]
        return realised_error(kind, kind.closed_form(rows), kind.target(rows), kind.weight(rows))

    def _expected(self, errors: dict[date, float], day: date) -> float:
        """The level that could be expected on `day`, from the errors known by then."""
        known = {d: e for d, e in errors.items() if d + timedelta(days=self.kind.horizon_days) <= day}
        if not known:
            return 0.0
        then = replace(self.panel, frame=self.panel.labelled(0, by=day), as_of=day)
        recent = {d: e for d, (told, e) in self.recent.items() if told <= day}
        return level_curve(known, then, self.kind.horizon_days, recent=recent).at(day)

    def _single(self, day: date, error: float) -> float:
        """Variance of the log total that comes from single customers."""
        rows = self.snapshots[day]
        expected, weight = self._column(rows, self.kind.name) * np.exp(error), self.kind.weight(rows)
        scatter = weight * (self.kind.target(rows) - expected)
        return float(np.square(scatter).sum() / (weight @ expected) ** 2)

    def _same_season(self, days: list[date]) -> date | None:
        """The day a year ago, give or take; None where the season ahead was never met."""
        year_ago = self.panel.as_of - _YEAR
        near = [d for d in days if abs(d - year_ago) <= _NEAR]
        return min(near, key=lambda d: abs(d - year_ago), default=None)

    def _levels(self, day: date, error: float) -> tuple[tuple[float, ...], tuple[tuple[float, ...], ...]]:
        """Cuts between groups of customers, and what to read for each group."""
        rows = self.snapshots[day]
        rows = rows.iloc[:: -(-len(rows) // _MOST_ROWS)]
        if len(rows) < _LEAST_ROWS:
            return (), (LEVELS,)
        met = self._met(rows, error, self._single(day, error))
        groups = max(1, min(_GROUPS, len(rows) // _GROUP_ROWS))
        cuts = np.unique(np.quantile(met.expected, np.arange(1, groups) / groups))
        group = np.searchsorted(cuts, met.expected, side="right")
        found = []
        for g in range(len(cuts) + 1):
            those = group == g if (group == g).sum() >= _LEAST_ROWS else np.ones(len(group), dtype=bool)
            found.append(_read_levels(met.below[those], met.reached[those], met.weight[those]))
        return tuple(float(c) for c in cuts), tuple(found)

    def _met(self, rows: pd.DataFrame, error: float, single: float) -> _Met:
        """The customers at the level that came, as far as that was shared and not single customers'."""
        shift = error * max(0.0, 1.0 - single / error**2) if error else 0.0
        came, weight = self.kind.target(rows), self.kind.weight(rows)
        log_factor, none = self._none(rows, weight)
        expected = self._column(rows, self.kind.name) * np.exp(shift)
        if self.kind.name == "orders":
            expected = np.maximum(expected, 1.0 - none)
            count = self.shape.order_count(rows, expected, none)
            return _Met(expected, count.at_most(came - 1.0), count.at_most(came), weight)
        purchases = self._column(rows, "orders") * np.exp(log_factor) / self.orders_per_day
        reached = self.shape.reached(rows, Outlook(expected, purchases, none), came)
        below, upto = np.where(came > 0, reached, 0.0), np.where(came > 0, reached, none)
        return _Met(expected, below, upto, weight)

    def _none(self, rows: pd.DataFrame, weight: Floats) -> tuple[float, Floats]:
        """Chance of no order at the level that came, and the logarithm of what the hazard took for it."""
        hazard = -np.log(self._column(rows, "no_order"))
        edge, nothing = 0.5 / len(rows), self.kind.target(rows) == 0
        share = float(np.clip(np.average(nothing, weights=weight), edge, 1.0 - edge))

        def missed(log_factor: float) -> float:
            return float(np.average(np.exp(-np.exp(log_factor) * hazard), weights=weight)) - share

        log_factor = float(brentq(missed, -30.0, 30.0))
        return log_factor, np.clip(np.exp(-np.exp(log_factor) * hazard), 1e-9, 1.0 - 1e-9)

    def _column(self, rows: pd.DataFrame, kind: str) -> Floats:
        return rows[f"btyd_{kind}_{self.kind.horizon_days}"].to_numpy(np.float64)


@dataclass(frozen=True)
class _Met:
    """Customers of a past day: what was expected, the levels of the shape below and at what came, their weights."""

    expected: Floats
    below: Floats
    reached: Floats
    weight: Floats


def _size(squares: Floats, tests: float) -> float:
    """Root mean square over so many independent tests, with one prior observation; at most a factor of 100."""
    return min(_MOST_ERROR, float(np.sqrt((tests * squares.mean() + _PRIOR**2) / (tests + 1.0))))


def _read_levels(below: Floats, reached: Floats, weight: Floats) -> tuple[float, ...]:
    """Where to read the shape so that each of `LEVELS` held on these customers.

    What came counts for the levels between `below` and `reached` in equal parts; the two are one where what came
    could have been any amount.
    """
    size = float(weight.sum() ** 2 / np.square(weight).sum())
    levels, width = np.array(LEVELS), np.maximum(reached - below, _RARE)
    wanted = np.where(levels < 0.5, ((size + 1) * levels - 1.0) / size, (size + 1) * levels / size)
    low, high = np.zeros(len(levels)), np.ones(len(levels))
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        held = np.clip((middle[:, None] - below) / width, 0.0, 1.0)
        held[middle[:, None] >= reached] = 1.0
        enough = np.average(held, axis=1, weights=weight) >= wanted
        low, high = np.where(enough, low, middle), np.where(enough, middle, high)
    return tuple(float(u) for u in np.maximum.accumulate(high))


def coverage(
    value: Floats, bounds: Mapping[float, Floats], value_class: npt.NDArray[np.str_]
) -> pd.DataFrame:
    """How often what came lay within the bounds, over all customers and by value class.

    Parameters
    ----------
    value : array, shape (customers,)
        What came, value or orders; net returns count as nothing bought, as the bounds take them.
    bounds : dict of float to array
        Level to the bound of each customer; the levels of 0.05, 0.10, 0.90 and 0.95.
    value_class : array of str
        Class of each customer.

    Returns
    -------
    pandas.DataFrame
        One row for ``all`` and one per class: ``value_class``, ``customers``, and for 80 and 90 % the share
        covered (``covered_80``), the share the bounds claim (``claimed_80``) and the mean width (``width_80``,
        currency); ``below_p05`` and ``above_p95``, the shares outside.

    Notes
    -----
    Nobody can come below a lower bound of 0, so that such a customer's bounds claim all that the upper one
    does: 0.90 for p10 to p90, 0.95 for p05 to p95. Where most customers buy nothing the share covered by 80 %
    bounds is therefore near 0.90.

    Examples
    --------
    >>> bounds = {0.05: np.zeros(2), 0.10: np.zeros(2), 0.90: np.full(2, 8.0), 0.95: np.full(2, 9.0)}
    >>> coverage(np.array([0.0, 8.5]), bounds, np.array(["gold", "lead"]))["covered_80"].tolist()
    [0.5, 1.0, 0.0]
    """
    came = np.maximum(value, 0.0)
    measures = pd.DataFrame({"value_class": value_class})
    for percent, (low, high) in ((80, (0.10, 0.90)), (90, (0.05, 0.95))):
        measures[f"covered_{percent}"] = (came >= bounds[low]) & (came <= bounds[high])
        measures[f"claimed_{percent}"] = np.where(bounds[low] > 0, high - low, high)
        measures[f"width_{percent}"] = bounds[high] - bounds[low]
    measures["below_p05"], measures["above_p95"] = came < bounds[0.05], came > bounds[0.95]
    everyone = measures.assign(value_class="all")
    both = pd.concat([everyone, measures], ignore_index=True)
    grouped = both.astype({"value_class": object}).groupby("value_class", sort=False)
    found = grouped.mean().astype(np.float64)
    found.insert(0, "customers", grouped.size())
    ordered = ["all", *sorted(set(value_class))]
    return found.loc[[name for name in ordered if name in found.index]].reset_index()
