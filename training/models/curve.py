"""One consistent value curve per customer: expected orders and value by horizon, and the lifetime after it.

A horizon with its own head uses it. One the data cannot teach takes the nearest shorter taught horizon times
the ratio of the closed form between the two. Both curves rise with the horizon.

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

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from training.models.anchor import Anchor
from training.models.head import Head
from training.models.intervals import LEVELS, Intervals, Outlook, bound_names
from training.models.margin import Margin
from training.models.rows import Rows, matrix_of

__all__ = ["ValueCurve", "no_order_curve"]

Floats = npt.NDArray[np.float64]
_YEAR = 365
_HALF = float(np.log(2.0))
_FEATURES = ("margin_365d", "value_365d", "purchase_days", "value_mean")
_RARE = 1e-9
_LEAST_FACTOR, _MOST_FACTOR = 1e-6, 1e6


def no_order_curve(
    known: Mapping[str, Floats], probability: Floats, window_days: int, orders: dict[int, Floats]
) -> dict[int, Floats]:
    """P(no order) by horizon, in (0, 1), falling with it and equal to `probability` at the churn window.

    Parameters
    ----------
    known : mapping of str to array
        ``btyd_no_order_{h}`` and ``btyd_orders_{h}`` for the horizons, the former for the window too.
    probability : array
        P(no order within the window), in (0, 1).
    window_days : int
        Churn window.
    orders : dict of int to array
        Expected orders by horizon.

    Notes
    -----
    At a horizon h that is not the window w the hazard of buying is the closed form's, scaled by the geometric
    mean of what the churn probability and the expected orders say of it::

        ln P₀(h) = ln closed(h) · √(ln probability / ln closed(w) · orders(h) / closed orders(h))
    """
    at_window = np.clip(probability, _RARE, 1.0 - _RARE)
    hazard = {window_days: -np.log(at_window)}
    by_churn = hazard[window_days] / -np.log(known[f"btyd_no_order_{window_days}"])
    for h in orders:
        if h != window_days:
            by_orders = orders[h] / known[f"btyd_orders_{h}"]
            factor = np.clip(np.sqrt(by_churn * by_orders), _LEAST_FACTOR, _MOST_FACTOR)
            hazard[h] = -np.log(known[f"btyd_no_order_{h}"]) * factor
    days = sorted(hazard)
    place = days.index(window_days)
    for before, h in zip(days[place:], days[place + 1 :], strict=False):
        hazard[h] = np.maximum(hazard[h], hazard[before])
    for after, h in zip(days[place:0:-1], days[place - 1 :: -1] if place else [], strict=False):
        hazard[h] = np.minimum(hazard[h], hazard[after])
    return {
        h: at_window if h == window_days else np.clip(np.exp(-hazard[h]), _RARE, 1.0 - _RARE) for h in days
    }


@dataclass(frozen=True)
class ValueCurve:
    """Heads by horizon, and the money rules.

    Parameters
    ----------
    horizons_days : tuple of int
        Horizons asked for, rising, days.
    orders, value : dict of int to Head
        Heads of the horizons that could be taught.
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
        self, anchor: Anchor, rows: pd.DataFrame | Rows, as_of: date, probability: Floats, window_days: int
    ) -> dict[str, Floats]:
        """Columns of the curve by name; see `Bundle.predict`.

        Parameters
        ----------
        anchor : Anchor
            The closed form, for what lies beyond the horizons.
        rows : pandas.DataFrame or Rows
            Features and the closed form's columns.
        as_of : date
            The day the features describe.
        probability : array
            P(no order within the churn window), in (0, 1).
        window_days : int
            Churn window.
        """
        known = self._known(rows, window_days)
        orders = self._quantity("orders", known, rows, as_of)
        value = self._quantity("value", known, rows, as_of)
        none = no_order_curve(known, probability, window_days, orders)
        # Nobody's expected number of orders is below the chance of at least one.
        orders = {h: np.maximum(orders[h], 1.0 - none[h]) for h in self.horizons_days}
        rate = self.margin.rates(known)
        found = {f"expected_orders_{h}d": orders[h] for h in self.horizons_days}
        found |= {f"expected_value_{h}d": value[h] for h in self.horizons_days}
        found |= {f"expected_margin_{h}d": value[h] * rate for h in self.horizons_days}
        further = self._further(anchor, rows)
        found["expected_margin_year"] = self._year(further, known, value) * rate
        lifetime = self._lifetime(further, known, value)
        found["clv"] = lifetime * rate
        purchases = {h: orders[h] / anchor.orders_per_day for h in self.horizons_days}
        outlooks = {h: Outlook(value[h], purchases[h], none[h]) for h in self.horizons_days}
        for h, bounds in self.intervals.order_bounds(known, orders, none).items():
            found |= dict(zip(bound_names(h, "orders").values(), bounds, strict=True))
        for h, bounds in self.intervals.bounds(known, outlooks).items():
            found |= dict(zip(bound_names(h).values(), bounds, strict=True))
        found |= self._lifetime_bounds(known, outlooks, lifetime, rate)
        found["expected_next_order_days"] = _median_wait(none)
        return found

    def _known(self, rows: pd.DataFrame | Rows, window_days: int) -> dict[str, Floats]:
        """The columns the curve reads, taken out at once: one by one takes longer than predicting a customer."""
        names = _read(self.horizons_days, window_days)
        return dict(zip(names, np.ascontiguousarray(matrix_of(rows, names).T), strict=True))

    @cached_property
    def _stops(self) -> tuple[int, ...]:
        """Days beyond the horizons to which the closed form is asked: year by year, to the end of the lifetime."""
        ends = range(self.horizons_days[-1] + _YEAR, self.lifetime_days + _YEAR, _YEAR)
        return tuple(min(end, self.lifetime_days) for end in ends)

    def _further(self, anchor: Anchor, rows: pd.DataFrame | Rows) -> dict[int, Floats]:
        """The closed form's orders at the stops, and at a year where that is no horizon."""
        year = () if _YEAR in self.horizons_days else (_YEAR,)
        asked = tuple(sorted({*self._stops, *year}))
        return anchor.expected_orders_by(rows, asked) if asked else {}

    def _quantity(
        self, kind: str, known: Mapping[str, Floats], rows: pd.DataFrame | Rows, as_of: date
    ) -> dict[int, Floats]:
        heads = self.orders if kind == "orders" else self.value
        found: dict[int, Floats] = {}
        floor = np.zeros_like(known["value_mean"])
        taught: int | None = None
        for h in self.horizons_days:
            closed = known[f"btyd_{kind}_{h}"]
            if h in heads:
                answer = np.exp(heads[h].raw(np.log(closed), rows, as_of))
                taught = h
            elif taught is not None:
                answer = found[taught] * (closed / known[f"btyd_{kind}_{taught}"])
            else:
                answer = closed
            floor = np.maximum(floor, answer)
            found[h] = floor
        return found

    def _lifetime(
        self, further: dict[int, Floats], known: Mapping[str, Floats], value: dict[int, Floats]
    ) -> Floats:
        nothing = np.zeros_like(known["value_mean"])
        total, before, start = nothing, nothing, 0
        for h in self.horizons_days:
            stop = min(h, self.lifetime_days)
            if stop <= start:
                break
            share = (stop - start) / (h - start)
            total = total + (value[h] - before) * share * self._discount(start, stop)
            before, start = value[h], h
        closed = known[f"btyd_orders_{start}"]
        scale = value[start] / closed
        for stop in self._stops:
            more = np.maximum(further[stop] - closed, 0.0)
            total = total + more * scale * self._discount(start, stop)
            closed, start = further[stop], stop
        return total

    def _lifetime_bounds(
        self, known: Mapping[str, Floats], outlooks: dict[int, Outlook], lifetime: Floats, rate: Floats
    ) -> dict[str, Floats]:
        """``clv_p10`` and ``clv_p90``: the lifetime taken as one more horizon, as sure as the longest is.

        Whoever has not left orders again the more surely the longer the life; whoever has, never.
        """
        inside = [h for h in self.horizons_days if h <= self.lifetime_days] or [self.horizons_days[0]]
        longest = outlooks[inside[-1]]
        times = lifetime / longest.value
        left = np.maximum(longest.none**times, 1.0 - known["btyd_alive"])
        none = np.minimum(longest.none, np.maximum(left, _RARE))
        ahead = Outlook(lifetime, longest.purchases * times, none)
        bounds = self.intervals.bounds(known, {self.lifetime_days: ahead})[self.lifetime_days]
        return {"clv_p10": bounds[LEVELS.index(0.10)] * rate, "clv_p90": bounds[LEVELS.index(0.90)] * rate}

    def _year(
        self, further: dict[int, Floats], known: Mapping[str, Floats], value: dict[int, Floats]
    ) -> Floats:
        """Value of the next 365 days: a horizon's own, else the nearest one's by the closed form's ratio."""
        if _YEAR in value:
            return value[_YEAR]
        shorter = [h for h in self.horizons_days if h < _YEAR]
        longer = [h for h in self.horizons_days if h > _YEAR]
        near = shorter[-1] if shorter else longer[0]
        ratio = further[_YEAR] / known[f"btyd_orders_{near}"]
        found = value[near] * (np.maximum(ratio, 1.0) if shorter else np.minimum(ratio, 1.0))
        return np.minimum(found, value[longer[0]]) if longer else found

    def _discount(self, start: int, end: int) -> float:
        return float((1.0 + self.discount_rate) ** (-(start + end) / 2.0 / 365.0))

    def to_json(self) -> tuple[dict[str, Any], dict[str, str]]:
        """Plain values, and the tree texts by file name."""
        files: dict[str, str] = {}
        heads: dict[str, Any] = {}
        for kind, group in (("orders", self.orders), ("value", self.value)):
            for h, head in group.items():
                heads[f"{kind}_{h}"], texts = head.to_json(f"{kind}_{h}")
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
    def from_json(cls, values: dict[str, Any], files: dict[str, str]) -> ValueCurve:
        """The curve written by `to_json`."""
        groups: dict[str, dict[int, Head]] = {"orders": {}, "value": {}}
        for name, head in values["heads"].items():
            kind, h = name.split("_")
            groups[kind][int(h)] = Head.from_json(name, head, files)
        return cls(
            tuple(values["horizons_days"]),
            Margin.from_json(values["margin"]),
            float(values["discount_rate"]),
            int(values["lifetime_days"]),
            **groups,
            intervals=Intervals.from_json(values["intervals"]),
        )


@lru_cache(maxsize=64)
def _read(horizons_days: tuple[int, ...], window_days: int) -> tuple[str, ...]:
    closed = (f"btyd_{kind}_{h}" for kind in ("no_order", "orders", "value") for h in horizons_days)
    return tuple(dict.fromkeys((*_FEATURES, "btyd_alive", f"btyd_no_order_{window_days}", *closed)))


def _median_wait(none: dict[int, Floats]) -> Floats:
    """Day by which half of such customers have ordered, where that is within the longest horizon.

    The hazard of buying is taken as constant between two horizons.
    """
    size = len(next(iter(none.values())))
    days, done = np.full(size, np.nan), np.zeros(size, dtype=bool)
    before, start = np.zeros(size), 0
    for h in sorted(none):
        hazard = np.maximum(-np.log(none[h]), before)
        reached = ~done & (hazard >= _HALF)
        slope = np.where(hazard > before, hazard - before, 1.0)
        days = np.where(reached, start + (_HALF - before) / slope * (h - start), days)
        done, before, start = done | reached, hazard, h
    return np.ceil(days)
