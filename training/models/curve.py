"""One consistent value curve per customer: expected orders and value by horizon, and the lifetime after it.

A horizon with its own head uses it. One the data cannot teach takes the nearest shorter taught horizon times
the ratio of the closed form between the two. Both curves rise with the horizon.

Notes
-----
Lifetime value is margin discounted continuously at rate d per year: each stretch of the curve counts at its
middle, and beyond the longest horizon the closed form continues, scaled to meet the curve there. A lifetime
that ends within a stretch counts its part of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from training.models.anchor import Anchor
from training.models.head import Head

__all__ = ["ValueCurve"]

Floats = npt.NDArray[np.float64]
_TAIL_STEP = 365
_HALF = float(np.log(2.0))


@dataclass(frozen=True)
class ValueCurve:
    """Heads by horizon, and the money rules.

    Parameters
    ----------
    horizons_days : tuple of int
        Horizons asked for, rising, days.
    orders, value : dict of int to Head
        Heads of the horizons that could be taught.
    margin_rate : float
        Share of value that is margin where orders carry no cost, in (0, 1].
    discount_rate : float
        Per year, in [0, 1).
    lifetime_days : int
        End of the remaining lifetime, days.
    """

    horizons_days: tuple[int, ...]
    margin_rate: float
    discount_rate: float
    lifetime_days: int
    orders: dict[int, Head] = field(default_factory=dict)
    value: dict[int, Head] = field(default_factory=dict)

    def predict(self, anchor: Anchor, rows: pd.DataFrame, as_of: date) -> pd.DataFrame:
        """``expected_orders_{h}d``, ``expected_value_{h}d``, ``clv``, ``expected_next_order_days``."""
        orders = self._quantity("orders", self.orders, rows, as_of)
        value = self._quantity("value", self.value, rows, as_of)
        found = {f"expected_orders_{h}d": orders[h] for h in self.horizons_days}
        found |= {f"expected_value_{h}d": value[h] for h in self.horizons_days}
        found["clv"] = self._lifetime(anchor, rows, value)
        found["expected_next_order_days"] = self._next_order(orders)
        return pd.DataFrame(found, index=rows.index)

    def _quantity(
        self, kind: str, heads: dict[int, Head], rows: pd.DataFrame, as_of: date
    ) -> dict[int, Floats]:
        found: dict[int, Floats] = {}
        floor = np.zeros(len(rows))
        taught: int | None = None
        for h in self.horizons_days:
            closed = rows[f"btyd_{kind}_{h}"].to_numpy(np.float64)
            if h in heads:
                answer = np.exp(heads[h].raw(np.log(closed), rows, as_of))
                taught = h
            elif taught is not None:
                answer = found[taught] * (closed / rows[f"btyd_{kind}_{taught}"].to_numpy(np.float64))
            else:
                answer = closed
            floor = np.maximum(floor, answer)
            found[h] = floor
        return found

    def _lifetime(self, anchor: Anchor, rows: pd.DataFrame, value: dict[int, Floats]) -> Floats:
        total, before, start = np.zeros(len(rows)), np.zeros(len(rows)), 0
        for h in self.horizons_days:
            stop = min(h, self.lifetime_days)
            if stop <= start:
                break
            share = (stop - start) / (h - start)
            total = total + (value[h] - before) * share * self._discount(start, stop)
            before, start = value[h], h
        closed = rows[f"btyd_orders_{start}"].to_numpy(np.float64)
        scale = value[start] / closed
        for end in range(start + _TAIL_STEP, self.lifetime_days + _TAIL_STEP, _TAIL_STEP):
            stop = min(end, self.lifetime_days)
            if stop <= start:
                break
            further = anchor.expected_orders(rows, stop)
            total = total + np.maximum(further - closed, 0.0) * scale * self._discount(start, stop)
            closed, start = further, stop
        return total * self.margin_rate

    def _discount(self, start: int, end: int) -> float:
        return float((1.0 + self.discount_rate) ** (-(start + end) / 2.0 / 365.0))

    def _next_order(self, orders: dict[int, Floats]) -> Floats:
        """Median wait: the day on which expected orders reach ln 2, taking orders as a Poisson stream."""
        size = len(next(iter(orders.values())))
        days, done = np.full(size, np.nan), np.zeros(size, dtype=bool)
        before, start = np.zeros(size), 0
        for h in self.horizons_days:
            reached = ~done & (orders[h] >= _HALF)
            slope = np.where(orders[h] > before, orders[h] - before, 1.0)
            days = np.where(reached, start + (_HALF - before) / slope * (h - start), days)
            done, before, start = done | reached, orders[h], h
        return np.ceil(days)

    def to_json(self) -> tuple[dict[str, Any], dict[str, str]]:
        """Plain values, and the tree texts by file name."""
        files: dict[str, str] = {}
        heads: dict[str, Any] = {}
        for kind, group in (("orders", self.orders), ("value", self.value)):
            for h, head in group.items():
                heads[f"{kind}_{h}"], texts = head.to_json(f"{kind}_{h}")
                files |= texts
        names = ("margin_rate", "discount_rate", "lifetime_days")
        values = {name: getattr(self, name) for name in names}
        return {"horizons_days": list(self.horizons_days), "heads": heads, **values}, files

    @classmethod
    def from_json(cls, values: dict[str, Any], files: dict[str, str]) -> ValueCurve:
        """The curve written by `to_json`."""
        groups: dict[str, dict[int, Head]] = {"orders": {}, "value": {}}
        for name, head in values["heads"].items():
            kind, h = name.split("_")
            groups[kind][int(h)] = Head.from_json(name, head, files)
        return cls(
            tuple(values["horizons_days"]),
            float(values["margin_rate"]),
            float(values["discount_rate"]),
            int(values["lifetime_days"]),
            **groups,
        )
