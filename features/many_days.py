"""Day facts of many lines: each kind summed up on its own, from no more columns than it needs.

`features.days.day_facts` carries every line, with all that is summed up of it, through a sort for each kind of thing
that is told apart. That is quick for the lines of one customer and slow for those of a million. Here money is summed
up without any sort, and what is sorted are lines of a few numbers: customers, products and categories are numbered
first. The sums are the same whole numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ibis
import ibis.expr.operations as ops
import ibis.expr.types as ir

from features.days import day_facts, money_of_lines, nlogn_step

__all__ = ["THINGS", "many_day_facts"]

THINGS = ("product", "category")
"""Columns whose different values are counted."""

_MANY = {"product": "products", "category": "categories"}
_KEYS = ("customer_id", "day", "known_day")
_NUMBERED = ("customer_no", "day", "known_day")


def many_day_facts(orders: ir.Table, customers: ir.Table, bought: ir.Table) -> ir.Table:
    """The rows of `features.days.day_facts`, in no particular order.

    Parameters
    ----------
    orders : ir.Table
        Contract table ``orders`` with ``day`` and ``known_day``.
    customers : ir.Table
        ``customer_id, customer_no``: a number for each customer of the orders.
    bought : ir.Table
        ``customer_no, day, known_day`` and, where the orders have them, ``product`` and ``category`` of each line
        with a positive amount, products and categories as numbers, missing where they are missing.
    """
    lines = orders.join(customers, "customer_id")
    found = _beside(_money(lines), _orders(lines))
    things = [thing for thing in THINGS if thing in bought.columns]
    if things:
        found = _beside(found, _told_apart(bought, things))
    if "product" in things:
        first = found.new_products
        if "known_at" in orders.columns:
            found = _beside(found, _late_day_products(bought))
            first = found.new_day_products.fill_null(0) + found.late_day_products.fill_null(0)
        found = found.mutate(day_products=first)
    found = found.join(customers, "customer_no")
    zero = ibis.literal(0, "int64")
    sums = [name for name in day_facts(orders).schema().names if name not in _KEYS]
    columns = {name: found[name].fill_null(0) if name in found.columns else zero for name in sums}
    return found.select(*_KEYS, **columns)


def _money(lines: ir.Table) -> ir.Table:
    money = money_of_lines(lines)
    lines = lines.select(*_NUMBERED, **money)
    return lines.group_by(_NUMBERED).aggregate(**{name: _total(lines[name]) for name in money})


def _orders(lines: ir.Table) -> ir.Table:
    """Different orders of a day, each counted where its first line arrived; without order ids a day is one order."""
    lines = lines.filter(lines.amount > 0)
    names = [name for name in ("customer_no", "day", "order_id") if name in lines.columns]
    first = lines.group_by(names).aggregate(known_day=lines.known_day.min())
    return first.group_by(_NUMBERED).aggregate(orders=first.count())


def _told_apart(bought: ir.Table, things: Sequence[str]) -> ir.Table:
    """Lines of known things, first lines of each, and what each line adds to Σ n·ln n."""
    order = ["known_day", "day"]
    windows = {thing: ibis.window(group_by=["customer_no", thing], order_by=order) for thing in things}
    columns: dict[str, Any] = {
        f"nth_{thing}": ibis.row_number().over(mine) for thing, mine in windows.items()
    }
    if "product" in windows:
        columns["before"] = bought.day.lag().over(windows["product"])
    lines = bought.mutate(**columns)
    found: dict[str, Any] = {}
    for thing in things:
        known, nth = lines[thing].notnull(), lines[f"nth_{thing}"]
        found[f"new_{_MANY[thing]}"] = _total((known & (nth == 0)).cast("int64"))
        found[f"{thing}_lines"] = lines[thing].count()
        found[f"{thing}_nlogn"] = _total(ibis.ifelse(known & (nth > 0), nlogn_step(nth), 0))
    if "product" in windows:
        # Of lines that arrived on their day the one before is of an earlier day, or of the same.
        first = (lines.known_day == lines.day) & (lines.before.isnull() | (lines.before != lines.day))
        found["new_day_products"] = _total((lines["product"].notnull() & first).cast("int64"))
    return lines.group_by(_NUMBERED).aggregate(**found)


def _late_day_products(bought: ir.Table) -> ir.Table:
    """Products of a day of which no line arrived on that day, counted where the first one did."""
    keys = ["customer_no", "day", "product"]
    lines = bought.filter(bought["product"].notnull()).select(*_NUMBERED, "product")
    late = lines.filter(lines.known_day > lines.day)
    there = lines.filter(lines.known_day == lines.day).semi_join(late, keys)
    first = late.anti_join(there, keys).group_by(keys).aggregate(known_day=lambda t: t.known_day.min())
    return first.group_by(_NUMBERED).aggregate(late_day_products=first.count())


def _beside(days: ir.Table, found: ir.Table) -> ir.Table:
    return days.left_join(found, _NUMBERED).drop(*(f"{name}_right" for name in _NUMBERED))


def _total(values: Any) -> Any:
    """A sum in 64 bits: the engine makes it wider, and a cast to the type it has by the books would be left out."""
    return ops.Cast(values.sum(), "int64").to_expr()
