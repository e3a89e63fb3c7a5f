"""A small simulated shop with campaigns whose true effect is known to the cent.

Each customer has an own rate of orders and an own basket; both are skewed, as they are in shops. After the decision
the rate drifts, and some customers are gone. A policy means an
offer for everybody by value class, a lot holds some of them out, and an offer that reaches a customer adds an order
with a known chance, or takes one away. Both worlds of every customer are drawn, so the truth is the difference of
the two and not an estimate.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta

import numpy as np
import numpy.typing as npt
import pandas as pd

Floats = npt.NDArray[np.float64]
CLASSES = ("lead", "iron", "gold", "platinum")
PLAN = {"lead": "mail", "iron": "voucher", "gold": "call", "platinum": "call"}
CHANNELS = {"mail": "post", "voucher": "email", "call": "phone"}
MARGIN = 0.3
YEAR = 365
GONE = 0.15


@dataclass(frozen=True)
class World:
    """How large the shop is, how strong its offers are, and how many are held out.

    ``effects`` is the chance of one order more (less, where negative) by offer; ``costs`` is money per contact.
    """

    customers: int = 4000
    runs: int = 1
    hold_out: float = 0.15
    horizon_days: int = 60
    effects: Mapping[str, float] = field(
        default_factory=lambda: {"mail": 0.0, "voucher": -0.08, "call": 0.25}
    )
    costs: Mapping[str, float] = field(default_factory=lambda: {"mail": 0.5, "voucher": 0.1, "call": 2.0})
    first: date = date(2026, 1, 5)

    def draw(self, seed: int) -> Drawn:
        """One course of events."""
        rng = np.random.default_rng(seed)
        rate = rng.gamma(1.3, 1.2, self.customers)
        basket = np.exp(rng.normal(3.6, 0.6, self.customers))
        worth = rate * basket
        place = np.searchsorted(np.quantile(worth, [0.4, 0.7, 0.9]), worth)
        parts = [self._run(rng, number, rate, basket, place) for number in range(self.runs)]
        log = pd.concat([part[0] for part in parts], ignore_index=True)
        # what came before a later run is on the log; in the order file it would fall into an earlier run's time
        orders = pd.concat([parts[0][1], *(part[2] for part in parts)], ignore_index=True)
        return Drawn(self, log, orders)

    def _run(
        self,
        rng: np.random.Generator,
        number: int,
        rate: Floats,
        basket: Floats,
        place: npt.NDArray[np.int64],
    ) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
        """Decisions of one run with both worlds, and the orders before and after it."""
        count, h = self.customers, self.horizon_days
        as_of = self.first + timedelta(days=2 * h * number)
        classes = np.array(CLASSES, dtype=object)[place]
        planned = np.array([PLAN[name] for name in classes], dtype=object)
        held = rng.random(count) < self.hold_out
        strength = np.array([self.effects[offer] for offer in planned])
        happens = np.where(rng.random(count) < np.abs(strength), np.sign(strength), 0.0)
        before = rng.poisson(rate * YEAR / h)
        drift = np.where(rng.random(count) < GONE, 0.0, rng.gamma(2.0, 0.5, count))
        alone = rng.poisson(rate * drift)
        treated = np.maximum(0, alone + happens).astype(np.int64)
        ids = np.array([f"C{i:06d}" for i in range(count)], dtype=object)
        past, _ = _lines(rng, ids, before, basket, (as_of - timedelta(days=YEAR), YEAR))
        both, sums = _lines(rng, ids, np.maximum(alone, treated), basket, (as_of, h))
        after = np.where(held, alone, treated)
        seen = both[both["nth"].to_numpy() < np.repeat(after, np.maximum(alone, treated))]
        log = pd.DataFrame({"decision_id": [f"{number:02d}-{i:06d}" for i in range(count)]})
        log = log.assign(run_id=f"run-{number}", as_of=as_of, customer_id=ids, policy_version="simulated")
        log = log.assign(strategy="observe", value_class=classes, planned_offer=planned)
        log["offer"] = np.where(held, "leave_alone", planned)
        log["channel"] = [CHANNELS.get(offer, "none") for offer in log["offer"]]
        cost = np.array([self.costs[offer] for offer in planned])
        log["cost"] = np.where(held, 0.0, cost)
        log["arm"] = np.where(held, "hold_out", "treat")
        log["propensity"] = np.where(held, self.hold_out, 1 - self.hold_out)
        log["churn_probability"], log["value_at_stake"] = (
            np.exp(-rate),
            np.exp(-rate) * rate * basket * MARGIN,
        )
        log["margin_before"] = (
            MARGIN * past.groupby("customer_id")["amount"].sum().reindex(ids).fillna(0).to_numpy()
        )
        log["orders_before"] = before.astype(np.float64)
        gone = {"orders": (alone, treated), "churn": (alone == 0, treated == 0)}
        gone["margin"] = (MARGIN * _first(sums, alone), MARGIN * _first(sums, treated))
        for name, (left, made) in gone.items():
            log[f"true_{name}"] = np.asarray(made, np.float64) - np.asarray(left, np.float64)
            log[name] = np.where(held, left, made).astype(np.float64)
        log["true_net_margin"] = log["true_margin"] - cost
        log["net_margin"] = log["margin"] - log["cost"]
        return log, past.drop(columns="nth"), seen.drop(columns="nth")


@dataclass(frozen=True)
class Drawn:
    """The log with outcomes and, as columns ``true_…``, each customer's own effect; and all orders."""

    world: World
    log: pd.DataFrame
    orders: pd.DataFrame

    def truth(self, outcome: str) -> pd.Series:
        """Mean effect by offer on those it was meant for."""
        return self.log.groupby("planned_offer")[f"true_{outcome}"].mean()

    def decisions(self) -> pd.DataFrame:
        """What `retain decide` would have logged."""
        outcomes = ("orders", "churn", "margin", "net_margin", "margin_before", "orders_before")
        drop = [name for name in map(str, self.log) if name.startswith("true_") or name in outcomes]
        return self.log.drop(columns=drop)


def _lines(
    rng: np.random.Generator,
    ids: npt.NDArray[np.object_],
    counts: npt.NDArray[np.int64],
    basket: Floats,
    span: tuple[date, int],
) -> tuple[pd.DataFrame, list[Floats]]:
    """One line per order, and per customer the running sum of amounts."""
    first, days = span
    who = np.repeat(np.arange(len(counts)), counts)
    starts = np.cumsum(counts) - counts
    nth = np.arange(len(who)) - np.repeat(starts, counts)
    amount = np.round(basket[who] * np.exp(rng.normal(0, 0.4, len(who))), 2)
    offset = rng.integers(0, days, len(who))
    time = pd.to_datetime(first) + pd.to_timedelta(offset, unit="D") + pd.to_timedelta(8 + nth % 12, unit="h")
    frame = pd.DataFrame({"customer_id": ids[who], "time": time, "amount": amount, "nth": nth})
    frame["order_id"] = first.toordinal() * 1_000_000 + np.arange(len(frame))
    total = np.concatenate([[0.0], np.cumsum(amount)])
    return frame, [total, starts.astype(np.float64)]


def _first(sums: list[Floats], counts: npt.NDArray[np.int64]) -> Floats:
    """Sum of each customer's first orders."""
    total, starts = sums
    begin = starts.astype(np.int64)
    return total[begin + counts] - total[begin]
