"""One consistent value curve per customer: expected orders and value by horizon, and the lifetime after it.

Trees learn at one horizon; the heads of the others follow them, each with its own closed form and level. Without
heads the closed form speaks. Both curves rise with the horizon.

Notes
-----
Lifetime value is margin discounted continuously at rate d per year: each stretch of the curve counts at its
middle, and beyond the longest horizon the closed form continues, scaled to meet the curve there. A lifetime
that ends within a stretch counts its part of it.

The chance of no order is the churn probability at the churn window, and follows the closed form, the churn
probability and the expected orders at every other horizon. The date of the next order and the bounds rest on
it: a customer with a churn probability below one half is expected back within the window.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cache, cached_property, lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from training.models.anchor import Ahead
from training.models.head import Head
from training.models.intervals import LEVELS, Intervals, Outlook, bound_names, rising
from training.models.margin import Margin
from training.models.rows import Rows, matrix_of
from training.models.trees import Trees

__all__ = ["ValueCurve", "no_order_curve"]

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.intp]
_YEAR = 365
_HALF = float(np.log(2.0))
_SEEN = ("margin_365d", "value_365d", "purchase_days", "value_mean")
_RARE = 1e-9
_LEAST_FACTOR, _MOST_FACTOR = 1e-6, 1e6


def no_order_curve(
    closed: Ahead, probability: Floats, window_days: int, horizons_days: tuple[int, ...], orders: Floats
) -> Floats:
    """P(no order) by horizon, in (0, 1), falling with it and equal to `probability` at the churn window.

    Parameters
    ----------
    closed : Ahead
        The closed form at the horizons and the window, rising.
    probability : array
        P(no order within the window), in (0, 1).
    window_days : int
        Churn window.
    horizons_days : tuple of int
        Horizons.
    orders : array, shape (horizons, customers)
        Expected orders.

    Returns
    -------
    array, shape (days of `closed`, customers)

    Notes
    -----
    At a horizon h that is not the window w the hazard of buying is the closed form's, scaled by the geometric
    mean of what the churn probability and the expected orders say of it::

        ln P₀(h) = ln closed(h) · √(ln probability / ln closed(w) · orders(h) / closed orders(h))
    """
    window, rows = _rows_of(closed.horizons_days, window_days, horizons_days)
    at_window = _chance(probability)
    hazard = -np.log(closed.no_order)
    by_churn = -np.log(at_window) / hazard[window]
    by_orders = orders / closed.orders[rows]
    hazard[rows] *= np.minimum(np.maximum(np.sqrt(by_churn * by_orders), _LEAST_FACTOR), _MOST_FACTOR)
    hazard[window] = -np.log(at_window)
    hazard[window:] = np.maximum.accumulate(hazard[window:], axis=0)
    hazard[window::-1] = np.minimum.accumulate(hazard[window::-1], axis=0)
    none = _chance(np.exp(-hazard))
    none[window] = at_window
    return none


@dataclass(frozen=True)
class ValueCurve:
    """Heads by horizon, and the money rules.

    Parameters
    ----------
    horizons_days : tuple of int
        Horizons asked for, rising, days.
    orders, value : dict of int to Head
        Heads by horizon; none where not even levels were looked for.
    intervals : Intervals
        Bounds of value and orders.
    margin : Margin
        What share of a customer's value is margin.
    discount_rate : float
        Per year, in [0, 1).
    lifetime_days : int
        End of the remaining lifetime, days.
    """

    horizons_days: tuple[int, ...]
    margin: Margin
    discount_rate: float
    lifetime_days: int
    orders: dict[int, Head] = field(default_factory=dict)
    value: dict[int, Head] = field(default_factory=dict)
    intervals: Intervals = field(default_factory=Intervals)

    @property
    def margin_rate(self) -> float:
        """The shop's margin over its net spend."""
        return self.margin.rate

    def predict(
        self, ahead: Ahead, rows: pd.DataFrame | Rows, as_of: date, probability: Floats, window_days: int
    ) -> dict[str, Floats]:
        """Columns of the curve by name; see `Bundle.predict`.

        Parameters
        ----------
        ahead : Ahead
            The closed form at all of `asked`.
        rows : pandas.DataFrame or Rows
            Features and the closed form's columns.
        as_of : date
            The day the features describe.
        probability : array
            P(no order within the churn window), in (0, 1).
        window_days : int
            Churn window.
        """
        seen = dict(zip(_SEEN, np.ascontiguousarray(matrix_of(rows, _SEEN).T), strict=True))
        days, horizons = _days(self.horizons_days, window_days), self.horizons_days
        closed = ahead.at(horizons)
        orders = self._quantity(self.orders, closed.orders, rows, as_of)
        value = self._quantity(self.value, closed.value, rows, as_of)
        waiting = no_order_curve(ahead.at(days), probability, window_days, horizons, orders)
        none = waiting[_rows_of(days, window_days, horizons)[1]]
        # Nobody's expected number of orders is below the chance of at least one.
        orders = np.maximum(orders, 1.0 - none)
        rate, lifetime = self.margin.rates(seen), self._lifetime(ahead, value)
        outlook = self._with_lifetime(
            Outlook(value, orders / ahead.orders_per_day, none), ahead.alive, lifetime
        )
        bounds = self.intervals.bounds(seen, (*horizons, self.lifetime_days), outlook)
        order_bounds = self.intervals.order_bounds(seen, horizons, orders, none)
        found = (
            *(*orders, *value, *(value * rate), self._year(ahead, value) * rate, lifetime * rate),
            *(*_by_horizon(rising(order_bounds)), *_by_horizon(rising(bounds[:, :-1]))),
            *(bounds[_P10, -1] * rate, bounds[_P90, -1] * rate, _median_wait(waiting, days)),
        )
        return dict(zip(_names(horizons), found, strict=True))

    def asked(self, window_days: int) -> tuple[int, ...]:
        """Horizons at which `predict` asks the closed form."""
        return tuple(sorted({*_days(self.horizons_days, window_days), *self._stops, _YEAR}))

    @cached_property
    def _stops(self) -> tuple[int, ...]:
        """Days beyond the horizons to which the closed form is asked: year by year, to the end of the lifetime."""
        ends = range(self.horizons_days[-1] + _YEAR, self.lifetime_days + _YEAR, _YEAR)
        return tuple(min(end, self.lifetime_days) for end in ends)

    def _quantity(
        self, heads: Mapping[int, Head], closed: Floats, rows: pd.DataFrame | Rows, as_of: date
    ) -> Floats:
        found, logs = closed.copy(), np.log(closed)
        said = cache(lambda trees: trees.raw(rows))
        for place, h in enumerate(self.horizons_days):
            if h in heads:
                found[place] = np.exp(heads[h].of(logs[place], said, as_of))
            if place:
                np.maximum(found[place], found[place - 1], out=found[place])
        return found

    @cached_property
    def _stretches(self) -> tuple[int, Floats, Floats]:
        """Horizons that begin within the lifetime, and of each stretch up to its end the share and the discount."""
        shares, discounts, start = [], [], 0
        for h in self.horizons_days:
            stop = min(h, self.lifetime_days)
            if stop <= start:
                break
            shares.append((stop - start) / (h - start))
            discounts.append(self._discount(start, stop))
            start = h
        inside = len(shares)
        for stop in self._stops:
            shares.append(1.0)
            discounts.append(self._discount(start, stop))
            start = stop
        return inside, np.array(shares)[:, None], np.array(discounts)[:, None]

    def _lifetime(self, ahead: Ahead, value: Floats) -> Floats:
        inside, share, discount = self._stretches
        gained = np.empty((len(share), value.shape[1]))
        gained[0] = value[0]
        gained[1:inside] = value[1:inside] - value[: inside - 1]
        if self._stops:
            orders = ahead.at((self.horizons_days[-1], *self._stops)).orders
            gained[inside:] = np.maximum(orders[1:] - orders[:-1], 0.0) * (value[-1] / orders[0])
        # Added in their order: a customer alone gets the bits of a batch.
        return np.add.accumulate(gained * share * discount, axis=0)[-1]

    def _with_lifetime(self, outlook: Outlook, alive: Floats, lifetime: Floats) -> Outlook:
        """The lifetime as one more horizon, as sure as the longest within it is.

        Whoever has not left orders again the more surely the longer the life; whoever has, never.
        """
        longest = max(bisect_right(self.horizons_days, self.lifetime_days) - 1, 0)
        value, purchases, none = outlook.value[longest], outlook.purchases[longest], outlook.none[longest]
        times = lifetime / value
        left = np.maximum(none**times, 1.0 - alive)
        last = lifetime, purchases * times, np.minimum(none, np.maximum(left, _RARE))
        before = outlook.value, outlook.purchases, outlook.none
        return Outlook(*(np.concatenate([some, one[None]]) for some, one in zip(before, last, strict=True)))

    def _year(self, ahead: Ahead, value: Floats) -> Floats:
        """Value of the next 365 days: a horizon's own, else the nearest one's by the closed form's ratio."""
        if _YEAR in self.horizons_days:
            return value[self.horizons_days.index(_YEAR)]
        shorter = [place for place, h in enumerate(self.horizons_days) if h < _YEAR]
        longer = [place for place, h in enumerate(self.horizons_days) if h > _YEAR]
        near = shorter[-1] if shorter else longer[0]
        year, there = ahead.at((_YEAR, self.horizons_days[near])).orders
        found = value[near] * (np.maximum(year / there, 1.0) if shorter else np.minimum(year / there, 1.0))
        return np.minimum(found, value[longer[0]]) if longer else found

    def _discount(self, start: int, end: int) -> float:
        return float((1.0 + self.discount_rate) ** (-(start + end) / 2.0 / 365.0))

    def to_json(self) -> tuple[dict[str, Any], dict[str, str]]:
        """Plain values, and the tree texts by file name."""
        files: dict[str, str] = {}
        heads: dict[str, Any] = {}
        for kind, group in (("orders", self.orders), ("value", self.value)):
            for h, head in group.items():
                heads[f"{kind}_{h}"], texts = head.to_json(kind)
                files |= texts
        values = {
            "horizons_days": list(self.horizons_days),
            "heads": heads,
            "margin": self.margin.to_json(),
            "discount_rate": self.discount_rate,
            "lifetime_days": self.lifetime_days,
            "intervals": self.intervals.to_json(),
        }
        return values, files

    @classmethod
    def from_json(cls, values: dict[str, Any], trees: Mapping[str, Trees]) -> ValueCurve:
        """The curve written by `to_json`, given all sets of trees by file name."""
        groups: dict[str, dict[int, Head]] = {"orders": {}, "value": {}}
        for name, head in values["heads"].items():
            kind, h = name.split("_")
            groups[kind][int(h)] = Head.from_json(kind, head, trees)
        return cls(
            tuple(values["horizons_days"]),
            Margin.from_json(values["margin"]),
            float(values["discount_rate"]),
            int(values["lifetime_days"]),
            **groups,
            intervals=Intervals.from_json(values["intervals"]),
        )


_P10, _P90 = LEVELS.index(0.10), LEVELS.index(0.90)


@lru_cache(maxsize=64)
def _names(horizons_days: tuple[int, ...]) -> tuple[str, ...]:
    plain = (f"expected_{kind}_{h}d" for kind in ("orders", "value", "margin") for h in horizons_days)
    bounds = (n for kind in ("orders", "value") for h in horizons_days for n in bound_names(h, kind).values())
    return (*plain, "expected_margin_year", "clv", *bounds, "clv_p10", "clv_p90", "expected_next_order_days")


@lru_cache(maxsize=64)
def _days(horizons_days: tuple[int, ...], window_days: int) -> tuple[int, ...]:
    return tuple(sorted({*horizons_days, window_days}))


@lru_cache(maxsize=64)
def _rows_of(days: tuple[int, ...], window_days: int, horizons_days: tuple[int, ...]) -> tuple[int, Places]:
    """Rows of the window and of the horizons."""
    return days.index(window_days), np.array([days.index(h) for h in horizons_days], dtype=np.intp)


def _chance(p: Floats) -> Floats:
    """Neither sure nor impossible."""
    return np.minimum(np.maximum(p, _RARE), 1.0 - _RARE)


def _by_horizon(bounds: Floats) -> list[Floats]:
    """Each horizon's bounds, from the lowest level to the highest."""
    return [bounds[level, place] for place in range(bounds.shape[1]) for level in range(len(LEVELS))]


@lru_cache(maxsize=64)
def _starts(days: tuple[int, ...]) -> Floats:
    return np.array((0, *days), dtype=np.float64)


def _median_wait(none: Floats, days: tuple[int, ...]) -> Floats:
    """Day by which half of such customers have ordered, where that is within the longest horizon.

    Parameters
    ----------
    none : array, shape (days, customers)
        P(no order).
    days : tuple of int
        Horizons, rising; the hazard of buying is taken as constant between two of them.
    """
    people = np.arange(none.shape[1])
    hazard = np.zeros((len(days) + 1, len(people)))
    hazard[1:] = np.maximum.accumulate(-np.log(none), axis=0)
    first = (hazard[1:] >= _HALF).argmax(axis=0)
    before, more = hazard[first, people], hazard[first + 1, people] - hazard[first, people]
    starts = _starts(days)
    waited = (_HALF - before) / np.where(more > 0.0, more, 1.0) * (starts[first + 1] - starts[first])
    return np.where(hazard[-1] >= _HALF, np.ceil(starts[first] + waited), np.nan)
