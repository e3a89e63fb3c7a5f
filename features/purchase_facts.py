"""How a customer's purchases differ from everybody's, and what could be bought next: facts for strategies.

These compare a customer with the customer base of the day, so they belong to a run over all customers and are no
features of a model.
"""

from __future__ import annotations

from datetime import date
from typing import Any, Final

import ibis
import ibis.expr.types as ir
import numpy as np
import numpy.typing as npt
import pandas as pd

from features.snapshot import as_of_table, known_before, past
from features.tables import Tables

__all__ = ["MIXES", "PURCHASE_FACTS", "mix_distance", "purchase_facts"]

Floats = npt.NDArray[np.float64]
MIXES: Final = ("category", "price_band", "channel")
PURCHASE_FACTS: Final = (
    *(f"{mix}_distance" for mix in MIXES),
    "price_low_share",
    "price_high_share",
    "margin_total",
    "campaign_cost_365d",
    "campaign_cost_total",
)
_BANDS: Final = ("low", "middle", "high")


def purchase_facts(tables: Tables, as_of: date) -> pd.DataFrame:
    """Facts about what customers bought and what was spent on them.

    Parameters
    ----------
    tables : Tables
        Loaded tables.
    as_of : date
        Everything before this day is past.

    Returns
    -------
    DataFrame
        By ``customer_id``, customers with a positive line: ``PURCHASE_FACTS``. ``category_distance``,
        ``price_band_distance`` and ``channel_distance`` are Jensen-Shannon distances in [0, 1] between the customer's
        spend and everybody's; ``price_low_share`` and ``price_high_share`` the share of spend on lines in the
        lowest and the highest third of prices of their category (of all lines without categories);
        ``margin_total`` the margin of all lines with a cost; ``campaign_cost_*`` what contacts cost. A column is
        missing where the shop has no such data.

    Examples
    --------
    >>> from features.frames import tables_from_frames
    >>> day = pd.Timestamp("2026-01-05")
    >>> orders = pd.DataFrame({"customer_id": ["a", "b"], "time": [day, day], "amount": [10.0, 10.0],
    ...                        "category": ["tea", "soap"]})
    >>> facts = purchase_facts(tables_from_frames({"orders": orders}), date(2026, 2, 1))
    >>> facts["category_distance"].round(3).tolist()
    [0.558, 0.558]
    """
    lines = _lines(tables, as_of)
    bought = lines.filter(lines.spent > 0)
    spent = _fetch(tables, bought.group_by("customer_id").agg(spent=bought.spent.sum()))
    found = spent.set_index("customer_id")[[]].sort_index()
    banded = _with_bands(bought)
    for mix in MIXES:
        if mix in banded.columns:
            found[f"{mix}_distance"] = _distance(tables, banded, mix)
    if "price_band" in banded.columns:
        found = found.join(_price_shares(tables, banded))
    if "cost" in lines.columns:
        found["margin_total"] = _margins(tables, lines)
    found = found.join(_campaign_costs(tables, as_of))
    return found.reindex(columns=list(PURCHASE_FACTS)).astype("float64")


def mix_distance(customer: npt.NDArray[np.intp], kind: npt.NDArray[np.intp], spent: Floats) -> Floats:
    """Jensen-Shannon distance between each customer's mix and everybody's.

    Parameters
    ----------
    customer : array of int, shape (rows,)
        Numbers 0 … n − 1; each pair of customer and kind once.
    kind : array of int, shape (rows,)
        Numbers 0 … m − 1.
    spent : array of float, shape (rows,)
        Money, > 0.

    Returns
    -------
    array, shape (n,)
        In [0, 1]: 0 for everybody's mix, near 1 for one that shares nothing with it.

    Notes
    -----
    With p the customer's shares, q everybody's, m = (p + q) / 2: JSD = ½ Σ p log₂(p/m) + ½ Σ q log₂(q/m), and the
    distance is its root. Kinds that the customer never bought add q / 2.

    References
    ----------
    Lin, J. (1991). Divergence measures based on the Shannon entropy. IEEE Trans. Information Theory 37, eq. 3.1.
    Endres, D. M., Schindelin, J. E. (2003), the root as a metric.

    Examples
    --------
    >>> mix_distance(np.array([0, 1]), np.array([0, 0]), np.array([5.0, 7.0])).tolist()
    [0.0, 0.0]
    """
    own = spent / np.bincount(customer, spent)[customer]
    everybody = (np.bincount(kind, spent) / spent.sum())[kind]
    middle = 0.5 * (own + everybody)
    terms = 0.5 * (own * np.log2(own / middle) + everybody * np.log2(everybody / middle))
    never = 0.5 * (1.0 - np.bincount(customer, everybody))
    found: Floats = np.sqrt(np.clip(np.bincount(customer, terms) + never, 0.0, 1.0))
    return np.where(found < 1e-6, 0.0, found)


def _fetch(tables: Tables, table: ir.Table) -> pd.DataFrame:
    return tables.con.to_pyarrow(table).to_pandas()


def _lines(tables: Tables, as_of: date) -> ir.Table:
    """Past lines with ``spent`` in ten-thousandths of the currency, whole numbers."""
    known = known_before(tables.orders, as_of)
    return known.mutate(spent=(known.amount * 10_000).round().cast("int64"))


def _with_bands(bought: ir.Table) -> ir.Table:
    """Lines with ``price_band``: the third of prices within the category, where prices are known."""
    if "unit_price" in bought.columns:
        price: Any = bought.unit_price
    elif "quantity" in bought.columns:
        price = bought.amount / bought.quantity.nullif(0.0)
    else:
        return bought
    priced = bought.mutate(price_=price)
    within = [priced.category] if "category" in bought.columns else []
    window = ibis.window(group_by=within, order_by=priced.price_)
    place = ibis.percent_rank().over(window)
    known = priced.price_.notnull()
    band = ibis.cases((known & (place < 1 / 3), "low"), (known & (place < 2 / 3), "middle"), (known, "high"))
    return priced.mutate(price_band=band)


def _distance(tables: Tables, bought: ir.Table, mix: str) -> pd.Series:
    known = bought.filter(bought[mix].notnull())
    rows = _fetch(tables, known.group_by(["customer_id", mix]).agg(spent=known.spent.sum()))
    rows = rows.sort_values(["customer_id", mix])
    customer, ids = pd.factorize(rows["customer_id"])
    kind, _ = pd.factorize(rows[mix], sort=True)
    return pd.Series(mix_distance(customer, kind, rows["spent"].to_numpy(np.float64)), index=pd.Index(ids))


def _price_shares(tables: Tables, banded: ir.Table) -> pd.DataFrame:
    known = banded.filter(banded.price_band.notnull())
    sums = {f"price_{b}": known.spent.sum(where=known.price_band == b).fill_null(0) for b in _BANDS}
    rows = _fetch(tables, known.group_by("customer_id").agg(**sums)).set_index("customer_id")
    total = rows.sum(axis=1).astype("float64")
    return pd.DataFrame({f"price_{b}_share": rows[f"price_{b}"] / total for b in ("low", "high")})


def _margins(tables: Tables, lines: ir.Table) -> pd.Series:
    known = lines.filter(lines.cost.notnull())
    margin = (known.spent - (known.cost * 10_000).round().cast("int64")).sum()
    rows = _fetch(tables, known.group_by("customer_id").agg(margin=margin))
    return rows.set_index("customer_id")["margin"].astype("float64") / 10_000


def _campaign_costs(tables: Tables, as_of: date) -> pd.DataFrame:
    """What contacts cost, by customer; 0 for those never contacted where costs are known at all."""
    names = ["campaign_cost_365d", "campaign_cost_total"]
    if tables.campaigns is None or "cost" not in tables.campaigns.columns:
        return pd.DataFrame(columns=names)
    events = past(tables.campaigns, as_of_table([as_of]))
    units = (events.cost * 10_000).round().cast("int64")
    year = units.sum(where=events.age <= 365).fill_null(0)
    rows = _fetch(tables, events.group_by("customer_id").agg(year=year, total=units.sum().fill_null(0)))
    rows = rows.set_index("customer_id").astype("float64") / 10_000
    return rows.set_axis(names, axis=1)
