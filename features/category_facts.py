"""What each customer may buy next: categories not bought lately, and dearer goods of the same categories.

These compare a customer with the customer base of the day and rest on predictions, so they are facts for strategies and no
features of a model. ``lately`` is the last 365 days; a chance is one of the coming 365 days.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any, Final

import ibis
import ibis.expr.types as ir
import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from features.adoption import Baskets, adoption_of, chances
from features.exact import MONEY, ratio, to_units
from features.price_bands import BAND_FACTS, BANDS, Moves, band_facts
from features.snapshot import as_of_table, past
from features.tables import Tables

__all__ = ["CATEGORY_FACTS", "MAX_CATEGORIES", "category_facts"]

MAX_CATEGORIES: Final = 50
CATEGORY_FACTS: Final = (
    "next_category",
    "next_category_probability",
    "next_category_margin",
    "new_category_margin",
    *BAND_FACTS,
)
_YEAR: Final = 365
_LONG: Final = 1_000_000
"""More days than any history has."""

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


def category_facts(tables: Tables, as_of: date, outlook: pd.DataFrame, *, margin_rate: float) -> pd.DataFrame:
    """What customers may buy next year beyond what they bought in the last.

    Parameters
    ----------
    tables : Tables
        Loaded tables.
    as_of : date
        Everything before this day is past.
    outlook : DataFrame
        By ``customer_id``: ``alive``, the chance that the customer still is one, and ``orders``, those of the coming 365
        days expected of one who is.
    margin_rate : float
        In (0, 1]; share of an amount that is margin where the line has no cost.

    Returns
    -------
    DataFrame
        By ``customer_id``, those of `outlook`: ``next_category``, the category most likely to be bought of those not
        bought lately (missing where none is left), ``next_category_probability`` in [0, 1], and
        ``next_category_margin``, the margin expected of it, money; ``new_category_margin``, the same summed over all
        categories not bought lately; ``next_band_probability`` in [0, 1] that the customer's usual price band rises,
        and ``next_band_margin``, the margin expected of that. Missing where orders tell no category (no price per
        piece), or the customer has no outlook.

    Notes
    -----
    The 50 categories with most orders are looked at. The margin expected of a category is the chance of its being
    bought times the mean margin that customers who took it up within the last year brought in it in that year, returns
    taken off, and never below 0. The chances are those of `features.adoption`.

    Examples
    --------
    >>> from features.frames import tables_from_frames
    >>> day = pd.Timestamp("2026-01-05")
    >>> orders = pd.DataFrame({"customer_id": ["a", "b", "b"], "time": [day, day, day], "amount": [10.0, 10.0, 5.0],
    ...                        "category": ["tea", "tea", "soap"]})
    >>> outlook = pd.DataFrame({"alive": [0.9, 0.9], "orders": [4.0, 4.0]}, index=["a", "b"])
    >>> tables = tables_from_frames({"orders": orders})
    >>> facts = category_facts(tables, date(2026, 2, 1), outlook, margin_rate=0.4)
    >>> facts["next_category"].fillna("-").tolist(), facts["new_category_margin"].round(2).tolist()
    (['soap', '-'], [0.9, 0.0])
    """
    days = _purchase_days(tables, as_of, margin_rate)
    expected = outlook.reindex(days.ids)[["alive", "orders"]].to_numpy(np.float64)
    parts = [_bands(days, *expected.T)] if days.lines else []
    if days.kinds:
        parts.append(_categories(days, *expected.T))
    found = (
        pd.concat([pd.DataFrame(part, index=days.ids) for part in parts], axis=1) if parts else pd.DataFrame()
    )
    found = found.reindex(index=outlook.index, columns=list(CATEGORY_FACTS))
    numbers = [name for name in CATEGORY_FACTS if name != "next_category"]
    return found.astype({"next_category": "str", **dict.fromkeys(numbers, "float64")})


@dataclass(frozen=True)
class _Days:
    """What was bought: one row per customer, category and day; customers and categories by number, money in whole units."""

    ids: pd.Index
    kinds: list[str]
    customer: Ints
    category: Ints
    age: Ints
    bought: Flags
    margin: Ints
    lines: list[Ints]

    @cached_property
    def _order_days(self) -> Ints:
        told = self.bought & ((self.category >= 0) if self.kinds else True)
        return pd.unique((self.customer * _LONG + self.age)[told])

    @property
    def orders(self) -> Floats:
        """Days with a purchase by customer; where categories are known, of lines that tell theirs."""
        return _sums(self._order_days // _LONG, np.ones(len(self._order_days)), len(self.ids))

    @property
    def orders_lately(self) -> Floats:
        """The same of the last year."""
        return _sums(self._order_days // _LONG, self._order_days % _LONG <= _YEAR, len(self.ids))


def _purchase_days(tables: Tables, as_of: date, margin_rate: float) -> _Days:
    lines = past(tables.orders, as_of_table([as_of]))
    kind = ["category"] if "category" in lines.columns else []
    banded = _banded(lines, kind)
    places = enumerate(BANDS) if "band_" in banded.columns else ()
    sums = {band: (banded.band_ == place).cast("int32").sum().fill_null(0) for place, band in places}
    rows = tables.con.to_pyarrow(
        banded.group_by(["customer_id", *kind, "age"]).agg(
            bought=(banded.amount > 0).any().cast("int8"),
            margin=_margin(banded, margin_rate).sum().cast("int64"),
            **{band: count.cast("int32") for band, count in sums.items()},
        )
    )
    customer, ids = _numbered(rows["customer_id"])
    category, kinds = _numbered(rows["category"]) if kind else (np.full(len(customer), -1), [])
    return _Days(
        pd.Index(ids, name="customer_id", dtype="str"),
        [str(name) for name in kinds],
        customer,
        category,
        age=rows["age"].to_numpy(),
        bought=rows["bought"].to_numpy() > 0,
        margin=rows["margin"].to_numpy(),
        lines=[rows[band].to_numpy() for band in sums],
    )


def _numbered(names: pa.ChunkedArray) -> tuple[Ints, list[Any]]:
    """Names by their place among the different ones, in their order; -1 where missing."""
    coded = names.combine_chunks().dictionary_encode()
    order = pc.sort_indices(coded.dictionary)
    place = np.empty(len(order) + 1, dtype=np.int64)
    place[order.to_numpy()] = np.arange(len(order))
    place[-1] = -1
    return place[coded.indices.fill_null(-1).to_numpy()], coded.dictionary.take(order).to_pylist()


def _sums(place: Ints, values: npt.NDArray[Any], count: int) -> Floats:
    found: Floats = np.bincount(place, values, count).astype(np.float64)
    return found


def _margin(lines: ir.Table, margin_rate: float) -> Any:
    """Margin of a line in whole units."""
    plain = to_units(lines.amount * margin_rate)
    if "cost" not in lines.columns:
        return plain
    return ibis.ifelse(lines.cost.notnull(), to_units(lines.amount) - to_units(lines.cost), plain)


def _banded(lines: ir.Table, kind: list[str]) -> ir.Table:
    """Lines with ``band_``, the third of prices of the category: 0 low, 1 middle, 2 high; as they are without prices."""
    if "unit_price" in lines.columns:
        price: Any = lines.unit_price
    elif "quantity" in lines.columns:
        price = ratio(lines.amount, lines.quantity)
    else:
        return lines
    priced = lines.mutate(price_=ibis.ifelse(lines.amount > 0, price, ibis.null("float64")))
    thirds = {"low_": priced.price_.quantile(1 / 3), "high_": priced.price_.quantile(2 / 3)}
    if kind:
        named = priced.group_by(kind).agg(**thirds).rename(kind_="category")
        joined = priced.left_join(named, priced.category.identical_to(named.kind_))
    else:
        joined = priced.cross_join(priced.agg(**thirds))
    over = (joined.price_ > joined.low_).cast("int8") + (joined.price_ > joined.high_).cast("int8")
    return joined.mutate(band_=over)


def _categories(days: _Days, alive: Floats, orders: Floats) -> dict[str, Any]:
    baskets, worth, kinds = _baskets(days)
    adoption = adoption_of(baskets)
    best = np.full(len(days.ids), -1)
    numbers = np.full((3, len(days.ids)), np.nan)
    for block in baskets.blocks():
        chance = chances(adoption, block, alive[block.rows], orders[block.rows])
        left = np.isfinite(chance)
        brings = np.where(left, chance * worth, 0.0)
        top = np.where(left, chance, -1.0).argmax(axis=1)
        row, some = np.arange(len(top)), left.any(axis=1)
        best[block.rows] = np.where(some, top, -1)
        numbers[0, block.rows] = np.where(some, chance[row, top], np.nan)
        numbers[1, block.rows] = np.where(some, brings[row, top], np.nan)
        numbers[2, block.rows] = np.where(np.isnan(alive[block.rows]), np.nan, brings.sum(axis=1))
    names = np.array([*kinds, None], dtype=object)
    return {"next_category": names[best], **dict(zip(CATEGORY_FACTS[1:4], numbers, strict=True))}


def _baskets(days: _Days) -> tuple[Baskets, Floats, list[str]]:
    """Who bought what in how many orders, the margin of each pair in the last year, and the categories kept."""
    size = np.bincount(days.category[(days.category >= 0) & days.bought], minlength=len(days.kinds))
    # Of two categories of one size the first by name is kept.
    kept = np.sort(np.argsort(-size, kind="stable")[:MAX_CATEGORIES])
    place = np.full(len(days.kinds) + 1, -1)
    place[kept] = np.arange(len(kept))
    own = place[days.category]
    pair = days.customer * len(kept) + own
    late = days.age <= _YEAR
    before = ~late & (days.age <= 2 * _YEAR)

    def table(mask: Flags, values: Ints | None = None) -> npt.NDArray[np.float32]:
        rows = mask & (own >= 0)
        shape = (len(days.ids), len(kept))
        weights = None if values is None else values[rows]
        return np.bincount(pair[rows], weights, shape[0] * shape[1]).astype(np.float32).reshape(shape)

    baskets = Baskets(
        ever=table(days.bought),
        lately=table(days.bought & late),
        lately_before=table(days.bought & before) > 0,
        orders=days.orders,
        orders_lately=days.orders_lately,
    )
    return (
        baskets,
        _worth(baskets, table(late, days.margin) / np.float32(MONEY)),
        [days.kinds[k] for k in kept],
    )


def _worth(baskets: Baskets, margin: npt.NDArray[np.float32]) -> Floats:
    """Mean margin of a year by category, of those who took it up within the last; of all buyers where nobody did."""
    buys = baskets.lately > 0
    took_up = buys & ~baskets.lately_before & (baskets.orders > baskets.orders_lately)[:, None]
    who = np.where(took_up.any(axis=0), took_up, buys)
    total = margin.sum(axis=0, dtype=np.float64, where=who)
    return np.maximum(total / np.maximum(who.sum(axis=0), 1), 0.0)


def _bands(days: _Days, alive: Floats, orders: Floats) -> dict[str, Floats]:
    rows, late = len(days.ids), days.age <= _YEAR

    def by_band(mask: Flags) -> Floats:
        return np.column_stack([_sums(days.customer, c * mask, rows) for c in days.lines])

    moves = Moves(
        by_band(~late),
        by_band(late),
        orders=days.orders_lately,
        margin=_sums(days.customer, days.margin * late, rows) / MONEY,
    )
    return band_facts(moves, alive, orders)
