"""The shop as a whole: all tables of all blocks, and the truth beside them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import pyarrow as pa

from retain.shop.campaigns import campaigns_table
from retain.shop.contracts import contracts_table
from retain.shop.customers import customers_table
from retain.shop.hidden import Hidden, blocks
from retain.shop.orders import draw_purchases, orders_table
from retain.shop.referrals import acquisition_found, draw_referrals, referrals_table
from retain.shop.service import interactions_table, surveys_table
from retain.shop.settings import ShopSettings
from retain.shop.truth import campaign_truth, customer_truth

__all__ = ["Shop", "gather", "simulate"]


@dataclass(frozen=True)
class Shop:
    """A simulated shop.

    Parameters
    ----------
    settings : ShopSettings
        What was asked for.
    tables : dict of str to pyarrow.Table
        The tables a business would have, by contract name, in the contract's columns.
    truth : dict of str to pyarrow.Table
        ``customers`` and ``campaigns``: what only the simulator knows.
    """

    settings: ShopSettings
    tables: dict[str, pa.Table]
    truth: dict[str, pa.Table]


def simulate(settings: ShopSettings) -> Shop:
    """Draw a whole shop into memory, about 200 bytes per order line.

    Examples
    --------
    >>> shop = simulate(ShopSettings(customers=10, days=100, seed=1))
    >>> shop.tables["customers"].num_rows, sorted(shop.truth)
    (10, ['campaigns', 'customers'])
    """
    return gather(settings, blocks(settings))


def gather(settings: ShopSettings, hidden: Iterable[Hidden]) -> Shop:
    """The tables and truth of some blocks, one block after the other."""
    made = [_block(h) for h in hidden]
    return Shop(
        settings=settings,
        tables={name: pa.concat_tables(tables[name] for tables, _ in made) for name in made[0][0]},
        truth={name: pa.concat_tables(truth[name] for _, truth in made) for name in made[0][1]},
    )


def _block(hidden: Hidden) -> tuple[dict[str, pa.Table], dict[str, pa.Table]]:
    settings, clock, traits = hidden.settings, hidden.clock, hidden.traits
    purchases = draw_purchases(hidden)
    sender = draw_referrals(hidden)
    tables = {
        "orders": orders_table(hidden, purchases),
        "customers": customers_table(settings, clock, traits, acquisition_found(traits, sender)),
        "contracts": contracts_table(hidden),
        "interactions": interactions_table(hidden, purchases),
        "surveys": surveys_table(hidden, purchases),
        "campaigns": campaigns_table(settings, clock, traits, hidden.contacts),
        "referrals": referrals_table(hidden, sender),
    }
    return tables, {"customers": customer_truth(hidden), "campaigns": campaign_truth(hidden)}
