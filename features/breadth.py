"""How wide the customer buys: products, categories, their mixture, repeats, price band."""

from __future__ import annotations

from typing import Any

import ibis
import ibis.expr.types as ir

from features.exact import FINE, at_least, only, ratio
from features.family import ColumnDoc, Family

__all__ = ["BREADTH"]

_DOCS = (
    ColumnDoc(
        "products",
        "Different products bought",
        "购买过的商品数",
        "products",
        "all",
        "distinct products; missing without products",
    ),
    ColumnDoc(
        "products_new_90d",
        "Products bought for the first time in the last 90 days",
        "近90天首次购买的商品数",
        "products",
        "90 days",
        "products whose first known purchase lies in [as_of - 90, as_of); missing without products",
    ),
    ColumnDoc(
        "products_entropy",
        "Mixture of products",
        "商品多样性(熵)",
        "nats",
        "all",
        "-Σ p ln p over products, p = share of lines bought; missing without products",
    ),
    ColumnDoc(
        "products_repeat_share",
        "Share of lines that repeat a product",
        "重复购买商品占比",
        "share",
        "all",
        "1 - products / lines bought with a product; missing without products",
    ),
    ColumnDoc(
        "categories",
        "Different categories bought",
        "购买过的品类数",
        "categories",
        "all",
        "distinct categories; missing without categories",
    ),
    ColumnDoc(
        "categories_entropy",
        "Mixture of categories",
        "品类多样性(熵)",
        "nats",
        "all",
        "-Σ p ln p over categories, p = share of lines bought; missing without categories",
    ),
    ColumnDoc(
        "lines_per_order",
        "Lines per order",
        "每单行数",
        "lines",
        "all",
        "lines but returns / orders; missing without an order",
    ),
    ColumnDoc(
        "price_mean",
        "Mean price per piece",
        "平均单件价格",
        "currency",
        "all",
        "spend / quantity of the lines bought that have a quantity; missing without one",
    ),
    ColumnDoc(
        "weekend_share",
        "Share of purchase days on a weekend",
        "周末购买占比",
        "share",
        "all",
        "purchase days on Saturday or Sunday / purchase days; missing without a purchase",
    ),
)


def _measures(days: ir.Table) -> dict[str, Any]:
    weekend = (days.day.day_of_week.index() >= 5) & (days.bought == 1)
    return {
        "_products": days.new_products.sum(),
        "_product_lines": days.product_lines.sum(),
        "_product_nlogn": days.product_nlogn.sum(),
        "_products_new": only(days.new_products, days.age <= 90).sum().fill_null(0),
        "_categories": days.new_categories.sum(),
        "_category_lines": days.category_lines.sum(),
        "_category_nlogn": days.category_nlogn.sum(),
        "_quantity": days.quantity_u.sum(),
        "_priced": days.priced_u.sum(),
        "_weekend": weekend.cast("int64").sum(),
    }


def _entropy(lines: Any, nlogn: Any) -> Any:
    n = lines.cast("float64")
    return at_least(n.nullif(0.0).ln() - ratio(nlogn.cast("float64") / FINE, n), 0.0)


def _derived(t: ir.Table) -> dict[str, Any]:
    with_product, with_category = t._product_lines > 0, t._category_lines > 0
    missing = ibis.null("float64")
    return {
        "products": ibis.ifelse(with_product, t._products.cast("float64"), missing),
        "products_new_90d": ibis.ifelse(with_product, t._products_new.cast("float64"), missing),
        "products_entropy": _entropy(t._product_lines, t._product_nlogn),
        "products_repeat_share": 1.0 - ratio(t._products, t._product_lines),
        "categories": ibis.ifelse(with_category, t._categories.cast("float64"), missing),
        "categories_entropy": _entropy(t._category_lines, t._category_nlogn),
        "lines_per_order": ratio(t._lines, t.orders_total),
        "price_mean": ratio(t._priced, t._quantity),
        "weekend_share": ratio(t._weekend, t.purchase_days),
    }


BREADTH = Family("orders", _DOCS, _measures, _derived)
