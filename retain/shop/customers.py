"""Who the customers are: what they know of themselves and no table says."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from retain.shop.arrays import Cumulative, Flags, Floats, Ints, numbered, rng_for, words
from retain.shop.clock import Clock
from retain.shop.settings import ShopSettings

__all__ = ["ACQUISITION", "CATEGORIES", "CHANNELS", "Traits", "customers_table", "draw_traits"]

CATEGORIES = ("home", "garden", "kitchen", "toys", "books", "sports", "beauty", "stationery")
CHANNELS = ("web", "app", "store")
REGIONS = ("north", "south", "east", "west")
SEGMENTS = ("private", "business")
ACQUISITION = ("search", "social", "store", "partner", "referral")
_ACQUISITION_SHARE = (0.34, 0.24, 0.18, 0.12, 0.12)
_ACQUISITION_COST = np.array([14.0, 9.0, 4.0, 20.0, 10.0])


@dataclass(frozen=True)
class Traits:
    """Hidden traits of one block of customers; arrays have one row per customer.

    ``born`` is the clock time of the first order; ``rate`` and ``hazard`` are per week, at season 1, on the
    first day of trade and at satisfaction 7; ``regularity`` is the Erlang shape of the gaps; ``satisfaction``
    (1 to 10) is the level when nothing went wrong; ``spend_level`` is standard normal, ``price_sensitivity``
    and ``aversion`` (to being contacted) lie in [0, 1]; ``taste`` and ``channels`` hold shares.
    """

    number: Ints
    born: Floats
    rate: Floats
    regularity: Ints
    hazard: Floats
    satisfaction: Floats
    spend_level: Floats
    price_sensitivity: Floats
    aversion: Floats
    return_rate: Floats
    taste: Floats
    channels: Floats
    region: Ints
    segment: Ints
    acquisition: Ints
    opted_out: Flags

    def rng(self, settings: ShopSettings, topic: str) -> np.random.Generator:
        """A generator of this block's own for one topic."""
        return rng_for(settings.seed, topic, int(self.number[0]))

    @property
    def ids(self) -> pa.Array:
        """Customer ids, in row order."""
        return numbered("C", self.number, 8)


def draw_traits(settings: ShopSettings, clock: Clock, first: int, count: int) -> Traits:
    """Hidden traits of `count` customers, `first` of whom came in blocks before.

    Notes
    -----
    Purchase rates and hazards are gamma (the hazards with shape 2; lifetimes are then Pareto), the
    heterogeneity that BTYD models assume.

    References
    ----------
    Schmittlein, Morrison, Colombo (1987), Counting Your Customers, Management Science 33(1).
    """
    rng = rng_for(settings.seed, "traits", first + 1)
    segment = (rng.random(count) < 0.12).astype(np.int64)
    regular, shape = settings.timing == "regular", settings.rate_shape
    sensitivity = rng.beta(2.0, 2.5, count)
    return Traits(
        number=np.arange(first, first + count) + 1,
        born=_births(settings, clock, rng, count),
        rate=np.maximum(rng.gamma(shape, settings.orders_per_year / shape, count) * 7 / 365.25, 1e-6),
        regularity=rng.integers(2, 9, count) if regular else np.ones(count, np.int64),
        hazard=np.maximum(rng.gamma(2.0, 7 / settings.lifetime_days / 2.0, count), 1e-9),
        satisfaction=np.clip(rng.normal(7.2, 1.3, count), 1.0, 10.0),
        spend_level=rng.normal(0.0, 1.0, count) + 0.6 * segment,
        price_sensitivity=sensitivity,
        aversion=rng.beta(2.0, 4.0, count),
        return_rate=settings.return_share * 2 * rng.beta(2.0, 2.0, count),
        taste=rng.dirichlet(np.full(len(CATEGORIES), 0.6), count),
        channels=rng.dirichlet((1.2, 0.8, 0.5), count),
        region=rng.choice(len(REGIONS), count, p=(0.22, 0.31, 0.17, 0.30)),
        segment=segment,
        acquisition=rng.choice(len(ACQUISITION), count, p=_ACQUISITION_SHARE),
        opted_out=rng.random(count) < 0.08,
    )


def customers_table(settings: ShopSettings, clock: Clock, traits: Traits, acquisition: Ints) -> pa.Table:
    """The customers table; `acquisition` is the channel after referrals found their sender."""
    rng = traits.rng(settings, "customers")
    cost = _ACQUISITION_COST[acquisition] * rng.uniform(0.6, 1.4, len(acquisition))
    return pa.table(
        {
            "customer_id": traits.ids,
            "joined_at": pa.array(clock.times(traits.born)),
            "region": words(REGIONS, traits.region),
            "segment": words(SEGMENTS, traits.segment),
            "acquisition_channel": words(ACQUISITION, acquisition),
            "acquisition_cost": pa.array(np.round(cost * settings.price_level, 2)),
            "opted_out": pa.array(traits.opted_out),
        }
    )


def _births(settings: ShopSettings, clock: Clock, rng: np.random.Generator, count: int) -> Floats:
    grown = clock.season * clock.grown(settings.growth)
    arrivals = Cumulative(grown[None, :])
    row = np.zeros(count, np.int64)
    low, high = arrivals.at(np.zeros(2, np.int64), np.array([clock.start, clock.end]))
    born = arrivals.invert(row, low + rng.random(count) * (high - low))
    return np.minimum(born, np.nextafter(clock.end, 0))
