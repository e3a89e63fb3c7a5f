"""The five marks of a loyal customer, beside the four dimensions of loyalty that are features.

regular repeat purchases 规律重复购买 · several product lines 跨产品线 · referrals 推荐他人 · immune to rivals, needs no
discount 抵抗竞争者诱惑 · forgiving: bought again after a complaint 容忍偶尔失误. A mark that the data cannot show (no
discounts recorded, never complained) is left out, and the share is of those that can be seen.

Examples
--------
>>> people = pd.DataFrame({"customer_id": ["a"], "loyalty": [0.7], "frequency": [9.0], "irregularity": [0.3],
...                        "categories": [4.0], "referrals_total": [0.0], "discounted_lines_share": [0.0]})
>>> LOYALTY_MARKS.label(people, {}, LOYALTY_MARKS.settings, None).columns.iloc[0].to_dict()
{'loyal': 'yes', 'loyalty_marks': 3.0, 'loyalty_marks_seen': 4.0}
"""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

from strategies.columns import Numbers, chosen, known
from strategies.damping import MARGIN, damped_steps, earlier
from strategies.framework import UNKNOWN, Cuts, Found, Framework

__all__ = ["LOYALTY_MARKS", "LoyaltySettings"]


class LoyaltySettings(BaseModel):
    """``[frameworks.loyalty_marks]``: lines of the marks; ``loyal`` is the loyalty (0 to 1) above which one is loyal."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    loyal: float = Field(default=0.5, gt=0, lt=1)
    repeats: int = Field(default=3, ge=1)
    regular: float = Field(default=1.0, gt=0)
    categories: int = Field(default=2, ge=2)
    products: int = Field(default=5, ge=2)
    discounted: float = Field(default=0.1, ge=0, lt=1)
    margin: float = Field(default=MARGIN / 2, ge=0, lt=1)


def _marks(people: pd.DataFrame, settings: LoyaltySettings) -> Numbers:
    """One row per mark: 1 shown, 0 not shown, missing where it cannot be seen."""
    again = known(people, "frequency") >= settings.repeats
    categories, products = known(people, "categories"), known(people, "products")
    discounted, complaint = known(people, "discounted_lines_share"), known(people, "complaint_days")
    marks = (
        (known(people, "frequency"), again & (known(people, "irregularity") <= settings.regular)),
        (
            np.fmax(categories, products),
            (categories >= settings.categories) | (products >= settings.products),
        ),
        (known(people, "referrals_total"), known(people, "referrals_total") > 0),
        (discounted, again & (discounted <= settings.discounted)),
        (complaint, known(people, "days_since_last") < complaint),
    )
    return np.array([np.where(np.isnan(seen), np.nan, shown) for seen, shown in marks], dtype=np.float64)


def _label(people: pd.DataFrame, cuts: Cuts, settings: LoyaltySettings, before: pd.DataFrame | None) -> Found:
    marks = _marks(people, settings)
    last = earlier(before, "loyal", people)
    loyalty = known(people, "loyalty")
    loyal = damped_steps(
        pd.Series(loyalty, index=people.index),
        [settings.loyal],
        ("no", "yes"),
        before=last,
        margin=settings.margin,
    )
    columns = {
        "loyal": loyal,
        "loyalty_marks": np.nansum(marks, axis=0),
        "loyalty_marks_seen": (~np.isnan(marks)).sum(axis=0).astype(np.float64),
    }
    reason = chosen(people.index, [np.isnan(loyalty)], ["no_loyalty"], default="by_marks")
    return Found(pd.DataFrame(columns, index=people.index), reason)


LOYALTY_MARKS: Final = Framework(
    name="loyalty_marks",
    texts={"en": "Loyalty", "zh": "客户忠诚"},
    columns={
        "loyal": {"en": "Loyal", "zh": "是否忠诚"},
        "loyalty_marks": {"en": "Marks of a loyal customer shown", "zh": "已显现的忠诚标志数"},
        "loyalty_marks_seen": {
            "en": "Marks that the data can show, of five",
            "zh": "可观察的忠诚标志数(共五项)",
        },
    },
    labels={"yes": {"en": "yes", "zh": "是"}, "no": {"en": "no", "zh": "否"}, **UNKNOWN},
    settings=LoyaltySettings(),
    label=_label,
    reasons={
        "by_marks": {
            "en": "loyalty {loyalty:.2f} of 1; {loyalty_marks:.0f} of {loyalty_marks_seen:.0f} marks that can be seen",
            "zh": "忠诚度 {loyalty:.2f};可观察的 {loyalty_marks_seen:.0f} 项标志中显现 {loyalty_marks:.0f} 项",
        },
        "no_loyalty": {"en": "loyalty cannot be seen from what is known", "zh": "忠诚度无法判断"},
    },
    source="orders, surveys, referrals, interactions",
    literature="Oliver (1999), Whence Consumer Loyalty?, Journal of Marketing 63; Griffin (1995), Customer Loyalty",
)
