"""A campaign that contacts the longest silent of a shop and saves many of them.

It is held on a shop that is already drawn: whom it contacts depends on the orders that were seen before its
day, and the shop without it tells what each customer would have done if left alone. Campaigns one after the
other are held by calling `win_back` again, days rising.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date

import numpy as np
import pandas as pd
import pyarrow as pa

from retain.shop.arrays import rng_for
from retain.shop.shop import Shop

__all__ = ["WinBack", "win_back"]


@dataclass(frozen=True)
class WinBack:
    """How a win-back campaign is held.

    Parameters
    ----------
    share : float
        Share of the known customers who are chosen, the longest silent first, in (0, 1].
    hold_out : float
        Share of the chosen who are left alone at random and recorded as hold-out, in [0, 1).
    saved : float
        Chance that a contact brings the customer back, in [0, 1].
    effect_days : int
        Days after the contact within which a saved customer orders, ≥ 1.
    orders : float
        Mean number of orders of a saved customer: one, and Poisson(orders - 1) more, ≥ 1.
    """

    share: float = 0.3
    hold_out: float = 0.0
    saved: float = 0.9
    effect_days: int = 60
    orders: float = 1.0


def win_back(shop: Shop, day: date, plan: WinBack) -> Shop:
    """The shop as it would be had the campaign been held on `day`.

    Parameters
    ----------
    shop : Shop
        The shop without the campaign.
    day : date
        Day of the contacts, six in the morning.
    plan : WinBack
        Whom to choose and what a contact does.

    Returns
    -------
    Shop
        With contacts and hold-out added to ``campaigns``, the orders of the saved added to ``orders`` (their
        lines are those of an own earlier order), and ``truth["win_back"]``: customer_id, day, arm, saved.

    Examples
    --------
    >>> from retain.shop import ShopSettings, simulate
    >>> calm = simulate(ShopSettings(customers=50, days=400, seed=1, campaign_every_weeks=520))
    >>> held = win_back(calm, date(2023, 9, 1), WinBack(share=0.5, hold_out=0.2))
    >>> held.tables["campaigns"].num_rows == held.truth["win_back"].num_rows > 0
    True
    """
    rng = rng_for(shop.settings.seed, "win-back", day.toordinal())
    orders = shop.tables["orders"].to_pandas()
    known = orders["known_at"].fillna(orders["time"])
    sold = orders[(orders["amount"] > 0) & (orders["time"] < pd.Timestamp(day)) & (known < pd.Timestamp(day))]
    last = sold.groupby("customer_id")["time"].max().sort_values(kind="stable")
    chosen = last.index[: round(plan.share * len(last))].to_numpy()
    treated = rng.random(len(chosen)) >= plan.hold_out
    saved = treated & (rng.random(len(chosen)) < plan.saved)
    extra = _extra_orders(sold, chosen[saved], day, plan, rng)
    extra = extra[extra["time"] < pd.Timestamp(shop.settings.end)]
    truth = pa.table(
        {
            "customer_id": pa.array(chosen),
            "day": pa.array([day] * len(chosen)),
            "arm": pa.array(np.where(treated, "treat", "hold-out")),
            "saved": pa.array(saved),
        }
    )
    tables = dict(shop.tables)
    tables["orders"] = _appended(tables["orders"], extra)
    tables["campaigns"] = _appended(tables["campaigns"], _contacts(chosen, treated, day))
    before = shop.truth.get("win_back")
    both = truth if before is None else pa.concat_tables([before, truth])
    return replace(shop, tables=tables, truth={**shop.truth, "win_back": both})


def _extra_orders(
    sold: pd.DataFrame, customers: np.ndarray, day: date, plan: WinBack, rng: np.random.Generator
) -> pd.DataFrame:
    """Orders of the saved: each repeats the lines of the customer's last order at a later time."""
    own = sold[sold["customer_id"].isin(customers)]
    lines = own[own["order_id"] == own.groupby("customer_id")["order_id"].transform("last")]
    customer = np.repeat(customers, 1 + rng.poisson(plan.orders - 1.0, len(customers)))
    minute = rng.integers(7 * 60, plan.effect_days * 1440, len(customer))
    number = pd.Series(np.arange(len(customer))).astype(str)
    visits = pd.DataFrame(
        {
            "customer_id": customer,
            "new_time": (pd.Timestamp(day) + pd.to_timedelta(minute, unit="min")).astype("datetime64[s]"),
            "new_id": f"W{day:%Y%m%d}-" + number,
        }
    )
    found = lines.merge(visits, on="customer_id")
    found = found.assign(time=found["new_time"], order_id=found["new_id"])
    found["known_at"] = pd.Series(pd.NaT, index=found.index, dtype=sold["known_at"].dtype)
    return found[sold.columns]


def _contacts(chosen: np.ndarray, treated: np.ndarray, day: date) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "customer_id": chosen,
            "time": pd.Series(pd.Timestamp(day) + pd.Timedelta(hours=6), index=range(len(chosen))),
            "campaign_id": f"W{day:%Y%m%d}",
            "offer": "win_back",
            "arm": np.where(treated, "treat", "hold-out"),
            "cost": 1.0 * treated,
            "channel": "email",
        }
    )


def _appended(table: pa.Table, rows: pd.DataFrame) -> pa.Table:
    both = pa.concat_tables([table, pa.Table.from_pandas(rows, schema=table.schema, preserve_index=False)])
    return both.sort_by("time")
