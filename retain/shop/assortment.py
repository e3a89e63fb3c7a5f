"""What the shop sells, and what a basket of each customer is worth in expectation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from retain.shop.arrays import Floats, Ints, rng_for
from retain.shop.customers import CATEGORIES, Traits
from retain.shop.settings import ShopSettings

__all__ = ["DISCOUNTS", "Assortment", "Basket", "choose_rank", "mean_basket", "promo_share", "quantity_mean"]

PER_CATEGORY = 25
DISCOUNTS = np.array([0.1, 0.2, 0.3])
_BASE_PRICE = np.array([18.0, 24.0, 15.0, 12.0, 11.0, 30.0, 14.0, 5.0])


@dataclass(frozen=True)
class Assortment:
    """Products by category, cheapest first; prices and costs in cents, shape (categories, products)."""

    prices: Ints
    costs: Ints

    @classmethod
    def of(cls, settings: ShopSettings) -> Assortment:
        """The assortment of a shop: 200 products in eight categories."""
        rng = rng_for(settings.seed, "assortment")
        ladder = np.sort(rng.lognormal(0.0, 0.7, (len(CATEGORIES), PER_CATEGORY)), axis=1)
        prices = np.maximum(np.rint(ladder * _BASE_PRICE[:, None] * settings.price_level * 100), 1)
        share = rng.uniform(0.45, 0.65, prices.shape)
        return cls(prices.astype(np.int64), np.rint(prices * share).astype(np.int64))

    @property
    def names(self) -> list[str]:
        """Product numbers, in the order of the flattened price table."""
        return [f"{c[:2].upper()}{i:03d}" for c in CATEGORIES for i in range(1, PER_CATEGORY + 1)]


@dataclass(frozen=True)
class Basket:
    """Expected amount and cost, in money, of one order at a normal time, before and net of returns.

    ``gross`` is before any discount, ``amount`` after the usual promotions, ``cost`` the cost of the goods;
    all before returns, of which a share ``return_rate`` comes back.
    """

    gross: Floats
    amount: Floats
    cost: Floats
    return_rate: Floats

    def value(self, discount: Floats | float = 0.0) -> Floats:
        """Expected spend of one order net of its returns, with a further `discount` on all prices."""
        return (self.amount - discount * self.gross) * (1 - self.return_rate)

    def margin(self, discount: Floats | float = 0.0) -> Floats:
        """Expected spend less cost of goods of one order, net of its returns."""
        return self.value(discount) - self.cost * (1 - self.return_rate)


def choose_rank(traits: Traits, row: Ints, draw: Floats) -> Ints:
    """Rank of the product bought within its category: big spenders reach for the dear ones."""
    return np.floor(PER_CATEGORY * draw ** _tilt(traits)[row]).astype(np.int64)


def quantity_mean(traits: Traits) -> Floats:
    """Mean number of pieces beyond the first on a line."""
    return 0.3 * np.exp(0.4 * traits.spend_level)


def promo_share(traits: Traits) -> Floats:
    """Share of a customer's lines bought at a promotional price."""
    return 0.05 + 0.35 * traits.price_sensitivity


def mean_basket(settings: ShopSettings, assortment: Assortment, traits: Traits) -> Basket:
    """Expected basket of each customer, in closed form."""
    edges = np.linspace(0, 1, PER_CATEGORY + 1) ** (1 / _tilt(traits))[:, None]
    rank = np.diff(edges, axis=1)
    pieces = settings.lines_per_order * (1 + quantity_mean(traits)) / 100
    price = (rank @ assortment.prices.T * traits.taste).sum(axis=1)
    cost = (rank @ assortment.costs.T * traits.taste).sum(axis=1)
    promo = promo_share(traits) * DISCOUNTS.mean()
    return Basket(
        gross=pieces * price,
        amount=pieces * price * (1 - promo),
        cost=pieces * cost,
        return_rate=traits.return_rate,
    )


def _tilt(traits: Traits) -> Floats:
    return np.exp(-0.6 * traits.spend_level)
