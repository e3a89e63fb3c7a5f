"""Order lines summed up to one row per customer and day: whole numbers that add up exactly.

All features on orders read these facts, never the lines. Counts of distinct things are made additive by
marking the line on which a thing is seen for the first time. The entropy of what a customer buys needs
Σ n·ln n over products; it is written as a sum of increments, f(n) - f(n-1) with f(n) = n·ln n for the n-th
line of a product, so that it adds up too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ibis
import ibis.expr.operations as ops
import ibis.expr.types as ir

from features.exact import FINE, to_units

__all__ = [
    "day_facts",
    "line_facts",
    "merge_days",
    "money_of_lines",
    "narrow",
    "nlogn_step",
    "settled_days",
    "with_ends",
    "with_gaps",
]

_SUMS = (
    "orders",
    "lines",
    "spend_u",
    "net_u",
    "returns_u",
    "returns",
    "discount_u",
    "discounted_lines",
    "margin_u",
    "costed_lines",
    "quantity_u",
    "priced_u",
    "new_products",
    "day_products",
    "product_lines",
    "product_nlogn",
    "new_categories",
    "category_lines",
    "category_nlogn",
)


def day_facts(orders: ir.Table) -> ir.Table:
    """One row per customer, day and arrival day.

    Parameters
    ----------
    orders : ir.Table
        Contract table ``orders`` with ``day`` and ``known_day``.

    Returns
    -------
    ir.Table
        Keys ``customer_id, day, known_day``; whole-number sums: orders (distinct within the day, with a
        positive line), lines that are no returns, spend (positive amounts), net (all amounts), returns,
        discount, margin, quantity and the spend it was bought for, and the additive parts of distinct
        counts and entropies. Money in 1/10,000 of the currency.

    Notes
    -----
    However the source signs them: a discount takes money off a line that is no return, and a return gives
    its cost back.
    """
    lines = line_facts(orders)
    sums = {name: lines[name].sum().cast("int64") for name in _SUMS}
    return lines.group_by(["customer_id", "day", "known_day"]).aggregate(**sums)


def line_facts(orders: ir.Table) -> ir.Table:
    """The order lines with what each adds to the sums of `day_facts`; `merge_days` takes them as well."""
    lines = _placed(orders)
    return lines.mutate(
        **money_of_lines(lines),
        orders=_first(lines.bought_line, lines.nth_of_order),
        **_distinct(lines, "product", "new_products", "product_lines", "product_nlogn"),
        **_distinct(lines, "category", "new_categories", "category_lines", "category_nlogn"),
        day_products=_first(_known(lines, "product"), lines.nth_of_day_product),
    )


def merge_days(days: ir.Table, of_as_of: Sequence[str] = ()) -> ir.Table:
    """Facts of one ``as_of``, customer and day whose lines arrived on different days, added up.

    Columns `of_as_of` say something of the cut-off day and are kept.
    """
    found = {name: days[name].sum().cast("int64") for name in _SUMS}
    found |= {name: days[name].max() for name in of_as_of}
    return days.group_by(["as_of", "customer_id", "day", "age"]).aggregate(**found)


def settled_days(facts: ir.Table) -> ir.Table:
    """What is known of each customer's days once all has arrived: facts of a day added up, `with_gaps`.

    No day of ``as_of`` plays a part, so that it is done once for all of them; it holds at those for which nothing of
    the customer's is still on its way (`features.snapshot.unsettled`).
    """
    keys = ["customer_id", "day"]
    late = facts.filter(facts.known_day > facts.day).select(*keys).distinct()
    several = facts.semi_join(late, keys)
    added = several.group_by(keys).aggregate(**{name: several[name].sum() for name in _SUMS})
    days = facts.anti_join(late, keys).select(*keys, *_SUMS).union(narrow(added))
    return with_gaps(days, ["customer_id"])


def narrow(days: ir.Table) -> ir.Table:
    """The sums in 64 bits, though the engine made them wider: beside rows of 64 bits they would make all rows wide."""
    # A cast to the type that a sum has by the books would be left out.
    return days.mutate(**{name: ops.Cast(days[name], "int64").to_expr() for name in _SUMS})


def with_gaps(days: ir.Table, keys: list[str]) -> ir.Table:
    """Adds ``bought`` (1 on a purchase day), ``gap`` (days since the purchase day before), ``following`` (the purchase
    day after it), ``new_month``.
    """
    days = days.mutate(bought=(days.orders > 0).cast("int64"))
    before = ibis.window(group_by=[*keys, "bought"], order_by="day")
    previous = ibis.ifelse(days.bought == 1, days.day.lag().over(before), ibis.null("date"))
    days = days.mutate(previous=previous, following=days.day.lead().over(before))
    fresh = days.previous.isnull() | (days.previous.truncate("M") != days.day.truncate("M"))
    return days.mutate(
        gap=days.day.delta(days.previous, unit="day"),
        new_month=((days.bought == 1) & fresh).cast("int64"),
    ).drop("previous")


def with_ends(days: ir.Table) -> ir.Table:
    """Adds ``first`` and ``last``: whether it is the first, or the last, purchase day before ``as_of``."""
    bought = days.bought == 1
    return days.mutate(
        first=bought & days.gap.isnull(),
        last=bought & (days.following.isnull() | (days.following >= days.as_of)),
    ).drop("following")


def _placed(orders: ir.Table) -> ir.Table:
    """The lines with their places among those of the same order, product and category, before anything is added.

    Without order ids a day is one order.
    """
    lines = orders.mutate(bought_line=(orders.amount > 0).cast("int64"))
    has = set(orders.columns)
    order = [name for name in ("order_id",) if name in has]
    places: dict[str, Any] = {"nth_of_order": _nth(["day", "bought_line", *order], ["known_day"])}
    for thing in ("product", "category"):
        if thing in has:
            places[f"nth_of_{thing}"] = _nth([thing, "bought_line"], ["known_day", "day"])
    # On its first day a product is new, unless lines arrive out of order.
    late = {"product", "known_at"} <= has
    new = places.get("nth_of_product", ibis.literal(0, "int64"))
    places["nth_of_day_product"] = _nth(["day", "product", "bought_line"], ["known_day"]) if late else new
    return lines.mutate(**places)


def _nth(things: list[str], order: list[str]) -> Any:
    """Place of a line among its customer's lines that agree in `things`, from 0.

    The engine treats customers apart and sorts each customer's lines once. Asked to treat the lines of each thing
    apart, it would set up a sort for every few of them.
    """
    place = ibis.row_number().over(ibis.window(group_by="customer_id", order_by=[*things, *order]))
    start = ibis.rank().over(ibis.window(group_by="customer_id", order_by=things))
    return place - start


def money_of_lines(lines: ir.Table) -> dict[str, Any]:
    """What lines add to the sums of money, pieces and lines, by the name of the sum."""
    amount = lines.amount
    bought, kept = amount > 0, amount >= 0
    cost = _optional(lines, "cost")
    cost = ibis.ifelse(kept, cost, -cost.abs())
    discount = ibis.ifelse(kept, _optional(lines, "discount").abs().fill_null(0.0), 0.0)
    quantity = _optional(lines, "quantity")
    priced = bought & (quantity > 0).fill_null(False)
    net, nothing = to_units(amount), ibis.literal(0, "int64")
    return {
        "lines": kept.cast("int64"),
        "spend_u": ibis.ifelse(bought, net, nothing),
        "net_u": net,
        "returns_u": ibis.ifelse(amount < 0, -net, nothing),
        "returns": (amount < 0).cast("int64"),
        "discount_u": to_units(discount),
        "discounted_lines": (discount > 0).cast("int64"),
        "margin_u": to_units(ibis.ifelse(cost.notnull(), amount - cost, 0.0)),
        "costed_lines": cost.notnull().cast("int64"),
        "quantity_u": to_units(ibis.ifelse(priced, quantity, 0.0)),
        "priced_u": ibis.ifelse(priced, net, nothing),
    }


def _optional(orders: ir.Table, name: str) -> Any:
    return orders[name] if name in orders.columns else ibis.null("float64")


def _known(lines: ir.Table, thing: str) -> Any:
    """1 on a line bought of a known thing, else 0."""
    if thing not in lines.columns:
        return ibis.literal(0, "int64")
    return ((lines.bought_line == 1) & lines[thing].notnull()).cast("int64")


def _first(counted: Any, nth: Any) -> Any:
    return ((counted == 1) & (nth == 0)).cast("int64")


def _distinct(lines: ir.Table, thing: str, first: str, count: str, nlogn: str) -> dict[str, Any]:
    zero = ibis.literal(0, "int64")
    if thing not in lines.columns:
        return {first: zero, count: zero, nlogn: zero}
    counted, nth = _known(lines, thing), lines[f"nth_of_{thing}"]
    return {
        first: _first(counted, nth),
        count: counted,
        nlogn: ibis.ifelse(counted == 1, nlogn_step(nth), zero),
    }


def nlogn_step(nth: Any) -> Any:
    """What the line with the place `nth`, from 0, adds to n·ln n of its thing, in `FINE` units."""
    n = nth.cast("float64")
    step = (n + 1.0) * (n + 1.0).ln() - ibis.ifelse(n > 0, n * ibis.greatest(n, 1.0).ln(), 0.0)
    return to_units(step, FINE)
