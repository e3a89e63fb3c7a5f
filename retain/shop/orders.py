"""Orders and their lines: when each customer buys, what, at which price, and what comes back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from retain.shop.arrays import Flags, Floats, Ints, Times, numbered, words
from retain.shop.assortment import (
    DISCOUNTS,
    PER_CATEGORY,
    Assortment,
    choose_rank,
    promo_share,
    quantity_mean,
)
from retain.shop.customers import CATEGORIES, CHANNELS, Traits
from retain.shop.hidden import Hidden

__all__ = ["Purchases", "draw_purchases", "orders_table"]

_DAY = np.timedelta64(1, "D")


@dataclass(frozen=True)
class Purchases:
    """Orders of one block, by time: customer row, clock time, calendar time."""

    row: Ints
    clock: Floats
    time: Times


def draw_purchases(hidden: Hidden) -> Purchases:
    """The first order at birth, then the customer's own process up to the hidden end.

    Notes
    -----
    Erlang gaps of shape k: every k-th event of a Poisson process with k times the rate.
    """
    rng, clock, traits = hidden.rng("purchases"), hidden.clock, hidden.traits
    rows = np.arange(hidden.rows)
    span = (traits.born, hidden.life.until(clock.end))
    faster = hidden.life.purchases.scaled(traits.regularity)
    row, when = faster.events(rng, rows, span)
    position = np.arange(len(row)) - np.searchsorted(row, row)
    kept = (position + 1) % traits.regularity[row] == 0
    row = np.concatenate([rows, row[kept]])
    when = np.concatenate([traits.born, when[kept]])
    order = np.lexsort((row, when))
    return Purchases(row[order], when[order], clock.times(when[order]))


@dataclass(frozen=True)
class _Lines:
    """Lines of one block; money in cents."""

    order: Ints
    time: Times
    product: Ints
    quantity: Ints
    price: Ints
    discount: Ints
    cost: Ints
    returned: Flags


def orders_table(hidden: Hidden, purchases: Purchases) -> pa.Table:
    """The orders table: one row per line, returns as negative rows of the same order, by time."""
    rng, settings, traits = hidden.rng("lines"), hidden.settings, hidden.traits
    count = len(purchases.row)
    lines = _with_returns(rng, traits, purchases.row, _sell(rng, hidden, purchases))
    late = np.where(rng.random(count) < settings.late_share, rng.integers(1, 11, count), 0)
    known = lines.time + late[lines.order] * _DAY
    # What happens or arrives after the last day is not in the data.
    by_time = np.lexsort((lines.returned, lines.order, lines.time))
    kept = by_time[known[by_time] < hidden.end]
    channel = (rng.random((count, 1)) > _cumulative(traits.channels)[purchases.row]).sum(axis=1)
    order = lines.order[kept]
    row = purchases.row[order]
    id_of = numbered("O", traits.number[0] * 10_000 + np.arange(count), 12)
    return pa.table(
        {
            "customer_id": traits.ids.take(pa.array(row)),
            "time": pa.array(lines.time[kept]),
            "amount": _money(lines.quantity * lines.price - lines.discount, kept),
            "order_id": id_of.take(pa.array(order)),
            "product": words(Assortment.of(settings).names, lines.product[kept]),
            "category": words(CATEGORIES, lines.product[kept] // PER_CATEGORY),
            "quantity": pa.array(lines.quantity[kept]),
            "unit_price": _money(lines.price, kept),
            "discount": _money(lines.discount, kept),
            "cost": _money(lines.cost, kept),
            "channel": words(CHANNELS, channel[order]),
            "currency": pa.repeat(settings.currency, len(kept)),
            "returned": pa.array(lines.returned[kept]),
            "known_at": pa.array(known[kept], mask=late[order] == 0),
        }
    )


def _sell(rng: np.random.Generator, hidden: Hidden, purchases: Purchases) -> _Lines:
    settings, traits = hidden.settings, hidden.traits
    voucher = hidden.contacts.discount(purchases.row, purchases.clock)
    count = 1 + rng.poisson(settings.lines_per_order - 1, len(purchases.row))
    order = np.repeat(np.arange(len(count)), count)
    row = purchases.row[order]
    draw = rng.random((4, len(order)))
    category = (draw[0][:, None] > _cumulative(traits.taste)[row]).sum(axis=1)
    product = category * PER_CATEGORY + choose_rank(traits, row, draw[1])
    assortment = Assortment.of(settings)
    quantity = 1 + rng.poisson(quantity_mean(traits)[row])
    price = assortment.prices.ravel()[product]
    cut = DISCOUNTS[(draw[3] * len(DISCOUNTS)).astype(np.int64)]
    promo = np.where(draw[2] < promo_share(traits)[row], cut, 0.0)
    off = np.rint(quantity * price * (promo + voucher[order])).astype(np.int64)
    return _Lines(
        order=order,
        time=purchases.time[order],
        product=product,
        quantity=quantity,
        price=price,
        discount=off,
        cost=quantity * assortment.costs.ravel()[product],
        returned=np.zeros(len(order), bool),
    )


def _with_returns(rng: np.random.Generator, traits: Traits, row: Ints, sold: _Lines) -> _Lines:
    """Append the lines that come back, 3 to 21 days later, with all figures negated."""
    back = np.flatnonzero(rng.random(len(sold.order)) < traits.return_rate[row[sold.order]])
    later = sold.time[back] + rng.integers(3, 22, len(back)) * _DAY
    return _Lines(
        order=np.concatenate([sold.order, sold.order[back]]),
        time=np.concatenate([sold.time, later]),
        product=np.concatenate([sold.product, sold.product[back]]),
        quantity=np.concatenate([sold.quantity, -sold.quantity[back]]),
        price=np.concatenate([sold.price, sold.price[back]]),
        discount=np.concatenate([sold.discount, -sold.discount[back]]),
        cost=np.concatenate([sold.cost, -sold.cost[back]]),
        returned=np.concatenate([sold.returned, np.ones(len(back), bool)]),
    )


def _cumulative(shares: Floats) -> Floats:
    """Inner borders of cumulative shares, so that the last choice takes what rounding leaves."""
    return np.cumsum(shares, axis=1)[:, :-1]


def _money(cents: Ints, kept: Ints) -> pa.Array:
    return pa.array(cents[kept] / 100)
