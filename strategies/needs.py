"""Needs type: does the customer look for a low price, for value, or for both.

==================  ============  =========================================================
type                zh            shown by
==================  ============  =========================================================
``price_oriented``  价格取向      buys on discount or in the lowest third of prices
``composite``       复合价值      neither clearly
``value_oriented``  价值取向      buys in the highest third of prices, and without discount
==================  ============  =========================================================

Examples
--------
>>> people = pd.DataFrame({"customer_id": ["a", "b"], "discounted_lines_share": [0.7, 0.0],
...                        "price_low_share": [0.2, 0.1], "price_high_share": [0.1, 0.8]})
>>> NEEDS.label(people, {}, NEEDS.settings, None).columns["needs_type"].tolist()
['price_oriented', 'value_oriented']
"""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

from strategies.columns import chosen, known
from strategies.damping import MARGIN, damped_steps, earlier
from strategies.framework import UNKNOWN, Cuts, Found, Framework

__all__ = ["NEEDS", "NeedsSettings"]

_TYPES: Final = ("value_oriented", "composite", "price_oriented")


class NeedsSettings(BaseModel):
    """``[frameworks.needs]``: pull from which a customer is price- or value-oriented, in (0, 1)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    pull: float = Field(default=0.3, gt=0, lt=1)
    margin: float = Field(default=MARGIN, ge=0, lt=1)


def _label(people: pd.DataFrame, cuts: Cuts, settings: NeedsSettings, before: pd.DataFrame | None) -> Found:
    """Price pull is the larger of the shares on discount and in the lowest third; value pull the share in the
    highest third that was bought without discount. Their difference decides."""
    discounted = known(people, "discounted_lines_share")
    low, high = known(people, "price_low_share"), known(people, "price_high_share")
    price_pull = np.fmax(discounted, low)
    value_pull = high * (1.0 - np.where(np.isnan(discounted), 0.0, discounted))
    score = pd.Series(price_pull - np.where(np.isnan(value_pull), 0.0, value_pull), index=people.index)
    last = earlier(before, "needs_type", people)
    steps = damped_steps(score, [-settings.pull, settings.pull], _TYPES, before=last, margin=settings.margin)
    columns = pd.DataFrame({"needs_type": steps, "needs_score": score}, index=people.index)
    reason = chosen(
        people.index,
        [np.isnan(price_pull), np.isnan(low)],
        ["no_prices_no_discounts", "by_discounts"],
        default="by_prices",
    )
    return Found(columns, reason)


NEEDS: Final = Framework(
    name="needs",
    texts={"en": "Needs type", "zh": "需求取向"},
    columns={
        "needs_type": {"en": "Needs type", "zh": "需求取向"},
        "needs_score": {"en": "Price pull less value pull, -1 to 1", "zh": "价格倾向减价值倾向(-1 至 1)"},
    },
    labels={
        "price_oriented": {"en": "price-oriented", "zh": "价格取向"},
        "value_oriented": {"en": "value-oriented", "zh": "价值取向"},
        "composite": {"en": "composite value", "zh": "复合价值"},
        **UNKNOWN,
    },
    settings=NeedsSettings(),
    label=_label,
    reasons={
        "by_prices": {
            "en": "{price_low_share:.0%} of spend in the lowest third of prices, {price_high_share:.0%} in the highest",
            "zh": "最低价位消费占 {price_low_share:.0%},最高价位占 {price_high_share:.0%}",
        },
        "by_discounts": {
            "en": "{discounted_lines_share:.0%} of lines bought on discount; prices per piece are not known",
            "zh": "折扣购买占 {discounted_lines_share:.0%},单价未知",
        },
        "no_prices_no_discounts": {
            "en": "neither prices per piece nor discounts are known",
            "zh": "单价与折扣均未知",
        },
    },
)
