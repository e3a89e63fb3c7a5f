"""The truth that no table shows: hidden traits, hidden ends, and both outcomes of every campaign contact.

The product never reads it; tests and benchmarks compare with it.
"""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pyarrow as pa

from features.errors import ConfigError
from retain.shop.arrays import Floats, numbered, words
from retain.shop.assortment import Assortment, mean_basket
from retain.shop.campaigns import ANNOYED, ARMS, NOTHING, OFFERS, RESPONSES, SAVED, factors
from retain.shop.hidden import Hidden, blocks
from retain.shop.outcomes import expect, window
from retain.shop.settings import ShopSettings

__all__ = ["campaign_truth", "customer_truth", "future_truth"]

_MEASURES = ("orders", "churn", "value", "margin")


def customer_truth(hidden: Hidden) -> pa.Table:
    """One row per customer: hidden traits, first order and hidden end (null: after the data)."""
    traits, life, clock = hidden.traits, hidden.life, hidden.clock
    basket = mean_basket(hidden.settings, Assortment.of(hidden.settings), traits)
    alive = ~np.isfinite(life.died)
    return pa.table(
        {
            "customer_id": traits.ids,
            "born_at": pa.array(clock.times(traits.born)),
            "died_at": pa.array(clock.times(life.until(clock.end)), mask=alive),
            "orders_per_day": pa.array(traits.rate / 7),
            "regularity": pa.array(traits.regularity),
            "hazard_per_day": pa.array(traits.hazard / 7),
            "satisfaction": pa.array(traits.satisfaction),
            "satisfaction_end": pa.array(life.satisfaction[:, -1]),
            "spend_level": pa.array(traits.spend_level),
            "price_sensitivity": pa.array(traits.price_sensitivity),
            "aversion": pa.array(traits.aversion),
            "basket_value": pa.array(basket.value()),
            "basket_margin": pa.array(basket.margin()),
        }
    )


def campaign_truth(hidden: Hidden) -> pa.Table:
    """One row per eligible customer and campaign: arm, propensity, and both expected outcomes.

    Returns
    -------
    pyarrow.Table
        ``arm``, ``propensity`` (of treat), ``p_saved``, ``p_annoyed``, ``response`` (drawn, also for the
        hold-out), ``alive`` at the start, ``start`` and ``until`` (exclusive) of the window, and with suffix
        ``_y0`` (left alone) and ``_y1`` (contacted): ``orders`` expected orders, ``churn`` probability of no
        order, ``value`` expected spend net of returns, ``margin`` expected margin less the contact's cost.

    Notes
    -----
    Outcomes are expectations over order times, lifetimes and responses, given the customer's traits, course
    of complaints and state when the campaign starts. Exact for irregular timing, see `outcomes.expect`.
    """
    contacts, clock = hidden.contacts, hidden.clock
    campaign, row = np.nonzero(contacts.eligible.T)
    ends = np.minimum(contacts.weeks + contacts.lasts, clock.end)
    outcomes = _outcomes(hidden, ends)
    pick = (row, campaign)
    monday = clock.monday.astype("datetime64[s]")
    start = monday + contacts.weeks * np.timedelta64(7, "D")
    # The window ends at a week's border or with the data, both at the start of a day.
    until = np.minimum(start + contacts.lasts * np.timedelta64(7, "D"), hidden.end)
    alive = (hidden.life.died[:, None] > contacts.weeks) & contacts.eligible
    return pa.table(
        {
            "customer_id": hidden.traits.ids.take(pa.array(row)),
            "campaign_id": numbered("K", campaign + 1, 3),
            "offer": words([o.name for o in OFFERS], contacts.offers[campaign]),
            "start": pa.array(start[campaign]),
            "until": pa.array(until[campaign]),
            "arm": words(ARMS, contacts.treated[pick].astype(np.int64)),
            "propensity": pa.array(np.full(len(row), hidden.settings.treated_share)),
            "p_saved": pa.array(contacts.save[pick]),
            "p_annoyed": pa.array(contacts.annoy[pick]),
            "response": words(RESPONSES, contacts.response[pick]),
            "alive": pa.array(alive[pick]),
            **{name: pa.array(values[pick]) for name, values in outcomes.items()},
        }
    )


def future_truth(settings: ShopSettings, as_of: date, horizon_days: int) -> pa.Table:
    """What each customer known before `as_of` can be expected to do in [as_of, as_of + horizon_days).

    Parameters
    ----------
    settings : ShopSettings
        The shop, drawn again from its seed.
    as_of : date
        First day of the horizon, within the data.
    horizon_days : int
        Length of the horizon in days, at least 1; it must end within the data.

    Returns
    -------
    pyarrow.Table
        ``customer_id, alive, churn_probability, expected_orders, expected_value`` (net of returns).

    Raises
    ------
    ConfigError
        The horizon is not within the data.

    Examples
    --------
    >>> truth = future_truth(ShopSettings(customers=50, days=400), date(2023, 6, 1), 90)
    >>> truth.column_names
    ['customer_id', 'alive', 'churn_probability', 'expected_orders', 'expected_value']
    """
    until = as_of + timedelta(days=horizon_days)
    if horizon_days < 1 or as_of < settings.start or until > settings.end:
        raise ConfigError(
            f"the horizon {as_of} + {horizon_days} days is not within the shop's data, "
            f"{settings.start} to {settings.end} (exclusive); choose an earlier date or a shorter horizon"
        )
    return pa.concat_tables(_future(hidden, as_of, until) for hidden in blocks(settings))


def _future(hidden: Hidden, as_of: date, until: date) -> pa.Table:
    start, end = hidden.clock.of_day(as_of), hidden.clock.of_day(until)
    weeks, lengths = window(start, end)
    life, known = hidden.life, np.flatnonzero(hidden.traits.born < start)
    expected = expect(life.purchases.rates[known, weeks], life.risk.rates[known, weeks], lengths)
    alive = life.died[known] >= start
    basket = mean_basket(hidden.settings, Assortment.of(hidden.settings), hidden.traits)
    everyone, value = np.arange(hidden.rows), np.zeros(len(known))
    for piece, week in enumerate(range(weeks.start, weeks.stop)):
        voucher = hidden.contacts.discount(everyone, np.full(hidden.rows, float(week)))
        value += expected.orders[:, piece] * basket.value(voucher)[known]
    return pa.table(
        {
            "customer_id": hidden.traits.ids.take(pa.array(known)),
            "alive": pa.array(alive),
            "churn_probability": pa.array(np.where(alive, expected.silent, 1.0)),
            "expected_orders": pa.array(expected.orders.sum(axis=1) * alive),
            "expected_value": pa.array(value * alive),
        }
    )


def _outcomes(hidden: Hidden, ends: Floats) -> dict[str, Floats]:
    """Expected outcomes, each of shape (customers, campaigns), by measure and arm."""
    contacts = hidden.contacts
    basket = mean_basket(hidden.settings, Assortment.of(hidden.settings), hidden.traits)
    found = {f"{m}_{y}": np.zeros(contacts.eligible.shape) for m in _MEASURES for y in ("y0", "y1")}
    for k, start in enumerate(contacts.weeks):
        weeks, lengths = window(float(start), float(ends[k]))
        alive = hidden.life.died > start
        orders, silent = _by_response(hidden, weeks, lengths)
        orders, silent = orders * alive[:, None], np.where(alive[:, None], silent, 1.0)
        chance = np.stack(
            [1 - contacts.save[:, k] - contacts.annoy[:, k], contacts.save[:, k], contacts.annoy[:, k]]
        )
        offer = OFFERS[contacts.offers[k]]
        arms = {"y0": (orders[:, NOTHING], silent[:, NOTHING], 0.0, 0.0)}
        arms["y1"] = (
            (orders * chance.T).sum(axis=1),
            (silent * chance.T).sum(axis=1),
            offer.discount,
            offer.cost,
        )
        for arm, (n, churn, discount, cost) in arms.items():
            found[f"orders_{arm}"][:, k] = n
            found[f"churn_{arm}"][:, k] = churn
            found[f"value_{arm}"][:, k] = n * basket.value(discount)
            found[f"margin_{arm}"][:, k] = n * basket.margin(discount) - cost
    return found


def _by_response(hidden: Hidden, weeks: slice, lengths: Floats) -> tuple[Floats, Floats]:
    """Expected orders and probability of silence, shape (customers, responses)."""
    rate, hazard = hidden.life.rate[:, weeks], hidden.life.hazard[:, weeks]
    by_hazard, by_rate = factors(hidden.settings)
    found = [expect(rate * by_rate[r], hazard * by_hazard[r], lengths) for r in (NOTHING, SAVED, ANNOYED)]
    return np.stack([e.orders.sum(axis=1) for e in found], axis=1), np.stack(
        [e.silent for e in found], axis=1
    )
