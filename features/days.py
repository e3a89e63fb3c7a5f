"""Order lines summed up to one row per customer and day: whole numbers that add up exactly.

All features on orders read these facts, never the lines. Counts of distinct things are made additive by
marking the line on which a thing is seen for the first time. The entropy of what a customer buys needs
Σ n·ln n over products; it is written as a sum of increments, f(n) - f(n-1) with f(n) = n·ln n for the n-th
line of a product, so that it adds up too.
"""

from __future__ import annotations

from typing import Any

import ibis
import ibis.expr.types as ir

from features.exact import FINE, to_units

__all__ = ["day_facts", "merge_days", "with_ends", "with_gaps"]

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
    lines = _marked(orders)
    sums = {name: lines[name].sum().cast("int64") for name in _SUMS}
    return lines.group_by(["customer_id", "day", "known_day"]).aggregate(**sums)


def merge_days(days: ir.Table) -> ir.Table:
    """Facts of one ``as_of``, customer and day whose lines arrived on different days, added up."""
    sums = {name: days[name].sum().cast("int64") for name in _SUMS}
    return days.group_by(["as_of", "customer_id", "day", "age"]).aggregate(**sums)


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


def _marked(orders: ir.Table) -> ir.Table:
    amount = orders.amount
    bought, kept = amount > 0, amount >= 0
    cost = _optional(orders, "cost")
    cost = ibis.ifelse(kept, cost, -cost.abs())
    discount = ibis.ifelse(kept, _optional(orders, "discount").abs().fill_null(0.0), 0.0)
    quantity = _optional(orders, "quantity")
    priced = bought & (quantity > 0).fill_null(False)
    facts: dict[str, Any] = {
        "bought_line": bought.cast("int64"),
        "lines": kept.cast("int64"),
        "spend_u": to_units(ibis.ifelse(bought, amount, 0.0)),
        "net_u": to_units(amount),
        "returns_u": to_units(ibis.ifelse(amount < 0, -amount, 0.0)),
        "returns": (amount < 0).cast("int64"),
        "discount_u": to_units(discount),
        "discounted_lines": (discount > 0).cast("int64"),
        "margin_u": to_units(ibis.ifelse(cost.notnull(), amount - cost, 0.0)),
        "costed_lines": cost.notnull().cast("int64"),
        "quantity_u": to_units(ibis.ifelse(priced, quantity, 0.0)),
        "priced_u": to_units(ibis.ifelse(priced, amount, 0.0)),
    }
    lines = orders.mutate(**facts)
    lines = _first_lines(lines)
    lines = _distinct(lines, "product", "new_products", "product_lines", "product_nlogn")
    lines = _distinct(lines, "category", "new_categories", "category_lines", "category_nlogn")
    return _products_of_day(lines)


def _optional(orders: ir.Table, name: str) -> Any:
    return orders[name] if name in orders.columns else ibis.null("float64")


def _first_lines(lines: ir.Table) -> ir.Table:
    """Marks the first known buying line of every order; without order ids a day is one order."""
    things = ["day", "bought_line"]
    if "order_id" in lines.columns:
        things.append("order_id")
    first = (lines.bought_line == 1) & (_nth(things, ["known_day"]) == 0)
    return lines.mutate(orders=first.cast("int64"))


def _nth(things: list[str], order: list[str]) -> Any:
    """Place of a line among its customer's lines that agree in `things`, from 0.

    The engine treats customers apart and sorts each customer's lines once. Asked to treat the lines of each thing
    apart, it would set up a sort for every few of them.
    """
    place = ibis.row_number().over(ibis.window(group_by="customer_id", order_by=[*things, *order]))
    start = ibis.rank().over(ibis.window(group_by="customer_id", order_by=things))
    return place - start


def _distinct(lines: ir.Table, thing: str, first: str, count: str, nlogn: str) -> ir.Table:
    if thing not in lines.columns:
        zero = ibis.literal(0, "int64")
        return lines.mutate(**{first: zero, count: zero, nlogn: zero})
    lines = lines.mutate(_nth=_nth([thing, "bought_line"], ["known_day", "day"]).cast("float64"))
    counted = (lines.bought_line == 1) & lines[thing].notnull()
    n = lines._nth
    step = (n + 1.0) * (n + 1.0).ln() - ibis.ifelse(n > 0, n * ibis.greatest(n, 1.0).ln(), 0.0)
    return lines.mutate(
        **{
            first: (counted & (n == 0)).cast("int64"),
            count: counted.cast("int64"),
            nlogn: ibis.ifelse(counted, to_units(step, FINE), ibis.literal(0, "int64")),
        }
    ).drop("_nth")


def _products_of_day(lines: ir.Table) -> ir.Table:
    """Marks each product once per day. On the first day all are new, unless lines arrive out of order."""
    if "product" not in lines.columns or "known_at" not in lines.columns:
        return lines.mutate(day_products=lines.new_products)
    first = (lines.product_lines > 0) & (_nth(["day", "product", "bought_line"], ["known_day"]) == 0)
    return lines.mutate(day_products=first.cast("int64"))
