"""The first basket: all that is known about a one-time buyer, and how the customer began."""

from __future__ import annotations

from typing import Any

import ibis.expr.types as ir

from features.exact import from_units, only, ratio
from features.family import ColumnDoc, Family

__all__ = ["FIRST_BASKET"]

_DOCS = (
    ColumnDoc(
        "tenure_days",
        "Days since the first event",
        "客户存续天数",
        "days",
        "all",
        "as_of - first order or return",
    ),
    ColumnDoc(
        "first_order_value",
        "Spend on the first purchase day",
        "首购金额",
        "currency",
        "all",
        "spend of the first day",
    ),
    ColumnDoc(
        "first_order_lines",
        "Lines on the first purchase day",
        "首购行数",
        "lines",
        "all",
        "lines of the first day that are no returns; missing without a purchase",
    ),
    ColumnDoc(
        "first_order_products",
        "Products on the first purchase day",
        "首购商品数",
        "products",
        "all",
        "distinct products of the first day; missing when its lines have none",
    ),
    ColumnDoc(
        "first_order_discount_share",
        "Share of the first basket taken off",
        "首购折扣率",
        "share",
        "all",
        "discount / (spend + discount) of the first day; missing without a purchase",
    ),
    ColumnDoc(
        "one_time_buyer",
        "Bought on one day only",
        "是否一次性购买",
        "0 or 1",
        "all",
        "1 when purchase_days ≤ 1",
    ),
)


def _measures(days: ir.Table) -> dict[str, Any]:
    def first(column: str) -> Any:
        return only(days[column], days["first"]).sum()

    return {
        "tenure_days": days.age.max(),
        "first_order_value": from_units(first("spend_u")),
        "first_order_lines": first("lines").cast("float64"),
        "first_order_products": first("day_products").cast("float64").nullif(0.0),
        "_first_discount": from_units(first("discount_u")),
    }


def _derived(t: ir.Table) -> dict[str, Any]:
    return {
        "first_order_discount_share": ratio(t._first_discount, t._first_discount + t.first_order_value),
        "one_time_buyer": (t.purchase_days <= 1).cast("int64"),
    }


FIRST_BASKET = Family("orders", _DOCS, _measures, _derived)
