"""Campaigns with a random hold-out, and what a contact does to each customer.

Each contact has one of three outcomes, drawn with chances that are a known function of the traits: it
*saves* (the hazard of leaving falls and orders come faster), it does nothing, or it *annoys* (the sleeping
dog wakes). A discount is given to everyone contacted, also to those who would have bought anyway.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from retain.shop.arrays import Flags, Floats, Ints, logistic, numbered, words
from retain.shop.clock import Clock
from retain.shop.customers import Traits
from retain.shop.settings import ShopSettings

__all__ = [
    "ANNOYED",
    "ARMS",
    "NOTHING",
    "OFFERS",
    "RESPONSES",
    "SAVED",
    "Contacts",
    "Offer",
    "campaigns_table",
    "draw_contacts",
    "factors",
]

RESPONSES = ("nothing", "saved", "annoyed")
NOTHING, SAVED, ANNOYED = 0, 1, 2
ARMS = ("hold-out", "treat")
_HAZARD = np.array([1.0, 0.15, 3.0])
_RATE = np.array([1.0, 1.5, 0.7])


@dataclass(frozen=True)
class Offer:
    """An offer: its channel, cost of one contact, share off all prices, and whom it appeals to.

    The chance that it saves is logistic(base + price · (price_sensitivity − 0.45) + service · (7 −
    satisfaction) + spend · spend_level).
    """

    name: str
    channel: str
    cost: float
    discount: float
    base: float
    price: float = 0.0
    service: float = 0.0
    spend: float = 0.0


OFFERS = (
    Offer("voucher_10", "email", 0.10, 0.10, base=-1.1, price=5.0),
    Offer("service_call", "phone", 4.00, 0.00, base=-1.2, service=0.9),
    Offer("gift", "post", 3.50, 0.00, base=-1.4, spend=0.9),
)


@dataclass(frozen=True)
class Contacts:
    """Campaigns of one block: per campaign its week and offer; per customer and campaign the rest.

    ``response`` is what a contact would do to the customer, drawn for the hold-out as well.
    """

    every: int
    lasts: int
    weeks: Ints
    offers: Ints
    eligible: Flags
    treated: Flags
    save: Floats
    annoy: Floats
    response: Ints

    def running(self, week: Ints) -> Ints:
        """Position of the campaign whose effect runs in each week; −1 for none."""
        campaign = week // self.every - 1
        runs = (campaign >= 0) & (campaign < len(self.weeks)) & (week % self.every < self.lasts)
        return np.where(runs, campaign, -1)

    def discount(self, row: Ints, clock: Floats) -> Floats:
        """Share off all prices that a customer has at a clock time, from the running campaign."""
        campaign = self.running(np.floor(clock).astype(np.int64))
        share = np.zeros(len(row))
        runs = np.flatnonzero(campaign >= 0)
        given = np.array([o.discount for o in OFFERS])[self.offers[campaign[runs]]]
        share[runs] = given * self.treated[row[runs], campaign[runs]]
        return share


def factors(settings: ShopSettings) -> tuple[Floats, Floats]:
    """Factors on the hazard and on the purchase rate for each of the three responses."""
    return _HAZARD**settings.campaign_effect, _RATE**settings.campaign_effect


def draw_contacts(settings: ShopSettings, clock: Clock, traits: Traits) -> Contacts:
    """Draw arms and responses; everyone known before the campaign who did not opt out is eligible."""
    rng = traits.rng(settings, "campaigns")
    weeks = np.arange(settings.campaign_every_weeks, clock.weeks, settings.campaign_every_weeks)
    weeks = weeks[weeks < clock.end]
    offers = np.arange(len(weeks)) % len(OFFERS)
    save, annoy = _chances(traits)
    shape = (len(traits.number), len(weeks))
    eligible = (traits.born[:, None] < weeks) & ~traits.opted_out[:, None]
    draw = rng.random(shape)
    saves, annoys = save[:, offers], annoy[:, offers]
    response = np.where(draw < saves, SAVED, np.where(draw < saves + annoys, ANNOYED, NOTHING))
    return Contacts(
        every=settings.campaign_every_weeks,
        lasts=settings.effect_weeks,
        weeks=weeks,
        offers=offers,
        eligible=eligible,
        treated=eligible & (rng.random(shape) < settings.treated_share),
        save=saves,
        annoy=annoys,
        response=response,
    )


def campaigns_table(settings: ShopSettings, clock: Clock, traits: Traits, contacts: Contacts) -> pa.Table:
    """The campaigns table: one row per eligible customer and campaign, hold-out rows at no cost."""
    rng = traits.rng(settings, "contact minutes")
    campaign, row = np.nonzero(contacts.eligible.T)
    treated = contacts.treated[row, campaign]
    # Contacts go out between six and seven, before the first order of the day that they may change.
    day = clock.monday + contacts.weeks[campaign] * np.timedelta64(7, "D")
    minute = rng.integers(360, 420, len(row)).astype("timedelta64[m]")
    time = day.astype("datetime64[s]") + minute
    order = np.lexsort((row, time))
    campaign, row, treated = campaign[order], row[order], treated[order]
    offers = contacts.offers[campaign]
    cost = np.array([o.cost for o in OFFERS])[offers] * treated
    return pa.table(
        {
            "customer_id": traits.ids.take(pa.array(row)),
            "time": pa.array(time[order]),
            "campaign_id": numbered("K", campaign + 1, 3),
            "offer": words([o.name for o in OFFERS], offers),
            "arm": words(ARMS, treated.astype(np.int64)),
            "cost": pa.array(np.round(cost, 2)),
            "channel": words([o.channel for o in OFFERS], offers),
        }
    )


def _chances(traits: Traits) -> tuple[Floats, Floats]:
    """Chances, shape (customers, offers), that a contact saves and that it annoys."""
    save = np.stack(
        [
            logistic(
                o.base
                + o.price * (traits.price_sensitivity - 0.45)
                + o.service * (7 - traits.satisfaction)
                + o.spend * traits.spend_level
            )
            for o in OFFERS
        ],
        axis=1,
    )
    annoy = (1 - save) * logistic(-3.0 + 5.0 * traits.aversion)[:, None]
    return save, annoy
