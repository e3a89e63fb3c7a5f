"""Loyalty in four dimensions, each from 0 to 1, and their mean over the dimensions that can be seen.

Behavioural: how regular, how frequent and over how long a span. Cognitive: how little a discount is needed.
Affective: satisfaction, less complaints. Conative: the will to recommend, and referrals made. A dimension
whose data are missing is left out and the others are weighted up.
"""

from __future__ import annotations

from typing import Any

import ibis
import ibis.expr.types as ir

from features.exact import at_least, clip, ratio
from features.family import ColumnDoc, Family, nothing

__all__ = ["LOYALTY"]

_DOCS = (
    ColumnDoc(
        "loyalty_behavioural",
        "Behavioural loyalty",
        "行为忠诚",
        "0 to 1",
        "all",
        "mean of: 1 - exp(-orders_365d / 4); recency / T; 1 / (1 + irregularity) or 0",
    ),
    ColumnDoc(
        "loyalty_cognitive",
        "Cognitive loyalty",
        "认知忠诚",
        "0 to 1",
        "all",
        "1 - share of lines bought on discount; missing when the customer never had a discount",
    ),
    ColumnDoc(
        "loyalty_affective",
        "Affective loyalty",
        "情感忠诚",
        "0 to 1",
        "all",
        "satisfaction_mean / 10 - 0.1 per complaint of the last 365 days, at least 0; missing without a survey",
        "surveys",
    ),
    ColumnDoc(
        "loyalty_conative",
        "Conative loyalty",
        "意向忠诚",
        "0 to 1",
        "all",
        "recommend_mean / 10, at least 0.8 after a referral; missing without either",
        "surveys",
    ),
    ColumnDoc("loyalty", "Loyalty", "忠诚度", "0 to 1", "all", "mean of the dimensions that are known"),
)
_DIMENSIONS = ("behavioural", "cognitive", "affective", "conative")


def _dimensions(t: ir.Table) -> dict[str, Any]:
    frequent = 1.0 - (-(t.orders_365d.cast("float64")) / 4.0).exp()
    span = ratio(t.recency, t["T"]).fill_null(0.0)
    regular = (1.0 / (1.0 + t.irregularity)).fill_null(0.0)
    complaints = t.complaints_365d.fill_null(0).cast("float64")
    recommend = clip(t.recommend_mean / 10.0, 0.0, 1.0)
    referred = t.referrals_total.fill_null(0) > 0
    return {
        "loyalty_behavioural": (frequent + span + regular) / 3.0,
        "loyalty_cognitive": ibis.ifelse(
            t.discount_value > 0, 1.0 - t.discounted_lines_share, ibis.null("float64")
        ),
        "loyalty_affective": clip(t.satisfaction_mean / 10.0 - complaints / 10.0, 0.0, 1.0),
        "loyalty_conative": ibis.ifelse(referred, at_least(recommend.fill_null(0.0), 0.8), recommend),
    }


def _derived(t: ir.Table) -> dict[str, Any]:
    parts = _dimensions(t)
    total: Any = ibis.literal(0.0)
    known: Any = ibis.literal(0.0)
    for name in _DIMENSIONS:
        part = parts[f"loyalty_{name}"]
        total = total + part.fill_null(0.0)
        known = known + part.notnull().cast("float64")
    return {**parts, "loyalty": ratio(total, known)}


LOYALTY = Family("all", _DOCS, nothing, _derived)
