"""Differentiation matrix: how much customers are worth against how much their needs differ.

=====================  ==================  ===========================================
needs differ           little              much
=====================  ==================  ===========================================
value high             ``build_loyalty``   ``one_to_one``
                       建立忠诚、提升需求  一对一营销
value low              ``mass_market``     ``niche``
                       大众营销            利基营销
=====================  ==================  ===========================================

Needs difference is the mean Jensen-Shannon distance of a customer's mix of categories, price bands and channels
from everybody's (`features.purchase_facts`).

Examples
--------
>>> people = pd.DataFrame({"customer_id": list("abcd"), "current_value": [9.0, 9.0, 1.0, 1.0],
...                        "category_distance": [0.1, 0.9, 0.1, 0.9]})
>>> cuts = {"value": 5.0, "difference": 0.5}
>>> DIFFERENTIATION.label(people, cuts, DIFFERENTIATION.settings, None).columns["differentiation_cell"].tolist()
['build_loyalty', 'one_to_one', 'mass_market', 'niche']
"""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

from strategies.columns import as_numbers, chosen
from strategies.damping import MARGIN
from strategies.framework import UNKNOWN, Cuts, Found, Framework
from strategies.matrix import Axis, cells
from strategies.ranks import mean_rank

__all__ = ["DIFFERENTIATION", "DifferentiationSettings"]

_MIXES: Final = ("category_distance", "price_band_distance", "channel_distance")
_CELLS: Final = {
    "mass_market": ("low", "low"),
    "niche": ("low", "high"),
    "build_loyalty": ("high", "low"),
    "one_to_one": ("high", "high"),
}


class DifferentiationSettings(BaseModel):
    """``[frameworks.differentiation]``: shares of customers called high in value and in difference of needs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    high_value_share: float = Field(default=0.2, gt=0, lt=1)
    high_difference_share: float = Field(default=0.3, gt=0, lt=1)
    margin: float = Field(default=MARGIN, ge=0, lt=1)


def _difference(people: pd.DataFrame) -> pd.Series:
    known = [as_numbers(people[name]) for name in _MIXES if name in people]
    found = mean_rank(known) if known else np.full(len(people), np.nan)
    return pd.Series(found, index=people.index)


def _cuts(people: pd.DataFrame, settings: DifferentiationSettings) -> dict[str, float]:
    found = {}
    value = people["current_value"] if "current_value" in people else pd.Series(dtype="float64")
    for name, column, share in (
        ("value", value, settings.high_value_share),
        ("difference", _difference(people), settings.high_difference_share),
    ):
        known = as_numbers(column)
        known = known[np.isfinite(known)]
        if known.size:
            found[name] = float(np.quantile(known, 1.0 - share, method="lower"))
    return found


def _label(
    people: pd.DataFrame, cuts: Cuts, settings: DifferentiationSettings, before: pd.DataFrame | None
) -> Found:
    difference = _difference(people)
    value = people.get("current_value", pd.Series(np.nan, index=people.index))
    axes = (Axis(value, cuts.get("value")), Axis(difference, cuts.get("difference")))
    cell = cells("differentiation_cell", people, _CELLS, axes, before=before, margin=settings.margin)
    reason = chosen(
        people.index,
        [as_numbers(value) != as_numbers(value), difference.isna()],
        ["no_current_value", "no_mix"],
        default="by_value_and_mix",
    )
    columns = pd.DataFrame({"differentiation_cell": cell, "needs_difference": difference}, index=people.index)
    return Found(columns, reason)


DIFFERENTIATION: Final = Framework(
    name="differentiation",
    texts={"en": "Differentiation matrix", "zh": "客户差异矩阵"},
    columns={
        "differentiation_cell": {"en": "Cell of the differentiation matrix", "zh": "客户差异矩阵单元"},
        "needs_difference": {
            "en": "How far the mix differs from everybody's, 0 to 1",
            "zh": "需求差异度(0 至 1)",
        },
    },
    labels={
        "mass_market": {"en": "mass marketing", "zh": "大众营销"},
        "niche": {"en": "niche marketing", "zh": "利基营销"},
        "build_loyalty": {"en": "build loyalty and raise needs", "zh": "建立忠诚、提升需求"},
        "one_to_one": {"en": "one-to-one marketing", "zh": "一对一营销"},
        **UNKNOWN,
    },
    settings=DifferentiationSettings(),
    cuts=_cuts,
    label=_label,
    reasons={
        "by_value_and_mix": {
            "en": "margin of the last year {current_value:,.0f}; mix differs by {needs_difference:.2f} of 1",
            "zh": "近一年毛利 {current_value:,.0f};需求差异度 {needs_difference:.2f}",
        },
        "no_current_value": {"en": "the margin of the last year is not known", "zh": "近一年毛利未知"},
        "no_mix": {
            "en": "orders tell no category, no price per piece and no channel",
            "zh": "订单无品类、单价与渠道",
        },
    },
    literature="Peppers & Rogers (1997), Enterprise One to One",
)
