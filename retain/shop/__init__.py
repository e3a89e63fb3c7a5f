"""The demo shop: a simulated retailer whose truth is known.

Each customer is born with hidden traits (`customers`): how often they buy, how long they would stay, how
much they spend, what they like, how they take to being contacted. Campaigns with a random hold-out reach some
of them (`campaigns`) and really change what they do. Complaints lower satisfaction, and low satisfaction
shortens the stay (`life`). What shows of it are the tables a business has: orders (`orders`, `assortment`),
customers, contracts, interactions, surveys (`service`), campaigns, referrals. What does not show is kept as
truth (`truth`): hidden ends, and for each contact the expected outcome with it and without it (`outcomes`).

::

    shop = simulate(ShopSettings(customers=2_000, seed=1))     # in memory
    write_shop(shop, Path("demo"))                             # as files, the truth in demo/truth/
    write_orders(ShopSettings(), Path("bench"), lines=1_000_000)

Time runs on a clock of weeks (`clock`); customers are drawn in blocks (`hidden`), so that memory is bounded
at any size and the same settings always give the same bytes.
"""

from __future__ import annotations

from retain.shop.settings import ShopSettings
from retain.shop.shop import Shop, simulate
from retain.shop.truth import future_truth
from retain.shop.write import write_orders, write_shop

__all__ = ["Shop", "ShopSettings", "future_truth", "simulate", "write_orders", "write_shop"]
