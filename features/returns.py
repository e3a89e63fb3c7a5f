"""Returns and discounts: what came back, and how much of the spend needed a discount."""

from __future__ import annotations

from typing import Any

import ibis.expr.types as ir

from features.exact import from_units, only, ratio
from features.family import ColumnDoc, Family

__all__ = ["RETURNS"]

_DOCS = (
    ColumnDoc("returns_count", "Lines returned", "退货行数", "lines", "all", "lines with a negative amount"),
    ColumnDoc("returns_value", "Value returned", "退货金额", "currency", "all", "-sum of negative amounts"),
    ColumnDoc(
        "returns_90d",
        "Value returned in the last 90 days",
        "近90天退货金额",
        "currency",
        "90 days",
        "-sum of negative amounts in [as_of - 90, as_of)",
    ),
    ColumnDoc(
        "returns_share",
        "Share of spend returned",
        "退货占比",
        "share",
        "all",
        "returns_value / spend_total; missing without a purchase",
    ),
    ColumnDoc(
        "discount_value",
        "Discount received",
        "获得折扣金额",
        "currency",
        "all",
        "sum of discounts on lines that are no returns",
    ),
    ColumnDoc(
        "discount_share",
        "Share of the list price taken off",
        "折扣率",
        "share",
        "all",
        "discount / (spend + discount); missing when both are 0",
    ),
    ColumnDoc(
        "discounted_lines_share",
        "Share of lines bought on discount",
        "折扣购买行占比",
        "share",
        "all",
        "lines with a discount / lines, both without returns; missing without a line",
    ),
)


def _measures(days: ir.Table) -> dict[str, Any]:
    return {
        "returns_count": days.returns.sum(),
        "returns_value": from_units(days.returns_u.sum()),
        "returns_90d": from_units(only(days.returns_u, days.age <= 90).sum()),
        "discount_value": from_units(days.discount_u.sum()),
        "_discounted": days.discounted_lines.sum(),
    }


def _derived(t: ir.Table) -> dict[str, Any]:
    return {
        "returns_share": ratio(t.returns_value, t.spend_total),
        "discount_share": ratio(t.discount_value, t.spend_total + t.discount_value),
        "discounted_lines_share": ratio(t._discounted, t._lines),
    }


RETURNS = Family("orders", _DOCS, _measures, _derived)
