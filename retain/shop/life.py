"""How long each customer stays: satisfaction, complaints, and the hidden end.

The hazard of leaving is the customer's own, times exp(−0.45 · (satisfaction − 7)), times what a campaign did.
Satisfaction falls with each complaint and heals with a half-life of a quarter year, unless the complaint
stays unresolved: then part of the fall remains.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from retain.shop.arrays import Cumulative, Flags, Floats, Ints
from retain.shop.campaigns import NOTHING, Contacts, factors
from retain.shop.clock import Clock
from retain.shop.customers import Traits
from retain.shop.settings import ShopSettings

__all__ = ["Life", "live"]

_WEIGHT = 0.45
_FALL = 1.6
_LASTING_FALL = 1.4
_HEAL = 0.5 ** (1 / 13)
_COMPLAINTS_PER_ORDER = 0.05
_RESOLVED_SHARE = 0.72


@dataclass(frozen=True)
class Life:
    """The hidden course of one block of customers.

    Parameters
    ----------
    satisfaction : array, shape (customers, weeks)
        Satisfaction in each week, 1 to 10.
    hazard, rate : array, shape (customers, weeks)
        Hazard and purchase rate per week as they would be without campaigns.
    risk, purchases : Cumulative
        Hazard and purchase rate with the campaigns that really reached the customer.
    died : array
        Clock time of the hidden end; infinite when it lies after the data.
    complaint_row, complaint_clock, complaint_resolved : array
        Complaints before the hidden end.
    """

    satisfaction: Floats
    hazard: Floats
    rate: Floats
    risk: Cumulative
    purchases: Cumulative
    died: Floats
    complaint_row: Ints
    complaint_clock: Floats
    complaint_resolved: Flags

    def until(self, end: float) -> Floats:
        """Clock time up to which each customer buys."""
        return np.minimum(self.died, end)


def live(settings: ShopSettings, clock: Clock, traits: Traits, contacts: Contacts) -> Life:
    """Let each customer live: complaints, satisfaction, hazard, end."""
    rng = traits.rng(settings, "life")
    rows = np.arange(len(traits.number))
    rate = traits.rate[:, None] * clock.season * clock.grown(settings.order_growth)
    row, when, resolved = _complaints(rng, clock, traits, rate)
    satisfaction = _satisfaction(traits, clock, (row, when, resolved))
    hazard = traits.hazard[:, None] * np.exp(-_WEIGHT * (satisfaction - 7))
    by_response = factors(settings)
    risk = Cumulative(hazard * _changed(contacts, clock, by_response[0]))
    endurance = rng.exponential(1.0, len(rows))
    died = risk.invert(rows, risk.at(rows, traits.born) + endurance)
    died = np.where(died < clock.end, died, np.inf)
    kept = when < died[row]
    return Life(
        satisfaction=satisfaction,
        hazard=hazard,
        rate=rate,
        risk=risk,
        purchases=Cumulative(rate * _changed(contacts, clock, by_response[1])),
        died=died,
        complaint_row=row[kept],
        complaint_clock=when[kept],
        complaint_resolved=resolved[kept],
    )


def _complaints(
    rng: np.random.Generator, clock: Clock, traits: Traits, rate: Floats
) -> tuple[Ints, Floats, Flags]:
    """Complaints as they would come up to the end of the data: row, clock time, whether ever resolved."""
    per_order = _COMPLAINTS_PER_ORDER * np.exp(-0.3 * (traits.satisfaction - 7))
    process = Cumulative(rate * per_order[:, None])
    rows = np.arange(len(traits.number))
    row, when = process.events(rng, rows, (traits.born, np.full(len(rows), clock.end)))
    return row, when, rng.random(len(row)) < _RESOLVED_SHARE


def _satisfaction(traits: Traits, clock: Clock, complaints: tuple[Ints, Floats, Flags]) -> Floats:
    row, when, resolved = complaints
    shape = (len(traits.number), clock.weeks)
    # Within a week nothing changes: the fall starts with the week after, never before the complaint.
    week = np.floor(when).astype(np.int64) + 1
    seen = week < clock.weeks
    at = row[seen] * clock.weeks + week[seen]
    fall = np.bincount(at, minlength=shape[0] * shape[1]).reshape(shape) * _FALL
    lasting = np.bincount(at, weights=~resolved[seen], minlength=shape[0] * shape[1]).reshape(shape)
    for w in range(1, clock.weeks):
        fall[:, w] += fall[:, w - 1] * _HEAL
    total = fall + np.cumsum(lasting, axis=1) * _LASTING_FALL
    return np.clip(traits.satisfaction[:, None] - total, 1.0, 10.0)


def _changed(contacts: Contacts, clock: Clock, by_response: Floats) -> Floats:
    """Factor, shape (customers, weeks), of the campaigns that reached each customer."""
    running = contacts.running(np.arange(clock.weeks))
    changed = np.ones((len(contacts.eligible), clock.weeks))
    weeks = np.flatnonzero(running >= 0)
    response = np.where(contacts.treated, contacts.response, NOTHING)
    changed[:, weeks] = by_response[response][:, running[weeks]]
    return changed
