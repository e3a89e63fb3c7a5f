"""Satisfaction and loyalty: who is with us gladly, who only because there is no way out.

==================  ==================  ======================
loyal               dissatisfied        satisfied
==================  ==================  ======================
no                  ``saboteur``        ``mercenary``
                    破坏者              图利者
yes                 ``hostage``         ``apostle``
                    囚禁者              传道者
==================  ==================  ======================

Examples
--------
>>> people = pd.DataFrame({"customer_id": list("abcd"), "satisfaction": [2.0, 9.0, 2.0, 9.0],
...                        "loyalty": [0.2, 0.2, 0.8, 0.8]})
>>> found = SATISFACTION_LOYALTY.label(people, {}, SATISFACTION_LOYALTY.settings, None)
>>> found.columns["satisfaction_loyalty"].tolist()
['saboteur', 'mercenary', 'hostage', 'apostle']
"""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

from strategies.columns import Labels, Numbers, as_numbers, chosen
from strategies.damping import MARGIN
from strategies.framework import UNKNOWN, Cuts, Found, Framework
from strategies.matrix import Axis, cell_labels, cells
from strategies.satisfaction import SatisfactionSettings

__all__ = [
    "LOYALTY_CELLS",
    "SATISFACTION_LOYALTY",
    "SatisfactionLoyaltySettings",
    "satisfaction_loyalty_labels",
]

LOYALTY_CELLS: Final = ("saboteur", "mercenary", "hostage", "apostle", "unknown")
_CELLS: Final = {
    "saboteur": ("low", "low"),
    "mercenary": ("high", "low"),
    "hostage": ("low", "high"),
    "apostle": ("high", "high"),
}


class SatisfactionLoyaltySettings(BaseModel):
    """``[frameworks.satisfaction_loyalty]``: lines above which a customer is satisfied (0 to 10) and loyal (0 to 1)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    satisfied: float = Field(default=SatisfactionSettings().satisfied, ge=0, le=10)
    loyal: float = Field(default=0.5, gt=0, lt=1)
    margin: float = Field(default=MARGIN / 2, ge=0, lt=1)


def satisfaction_loyalty_labels(
    satisfaction: Numbers, loyalty: Numbers, settings: SatisfactionLoyaltySettings
) -> Labels:
    """The cells of plain arrays, without a memory of the last run."""
    axes = (satisfaction, settings.satisfied), (loyalty, settings.loyal)
    return cell_labels(_CELLS, axes, margin=settings.margin)


def _label(
    people: pd.DataFrame, cuts: Cuts, settings: SatisfactionLoyaltySettings, before: pd.DataFrame | None
) -> Found:
    nothing = pd.Series(np.nan, index=people.index)
    satisfaction, loyalty = people.get("satisfaction", nothing), people.get("loyalty", nothing)
    cell = cells(
        "satisfaction_loyalty",
        people,
        _CELLS,
        (Axis(satisfaction, settings.satisfied), Axis(loyalty, settings.loyal)),
        before=before,
        margin=settings.margin,
    )
    reason = chosen(
        people.index,
        [np.isnan(as_numbers(satisfaction)), np.isnan(as_numbers(loyalty))],
        ["no_surveys", "no_loyalty"],
        default="by_both",
    )
    return Found(pd.DataFrame({"satisfaction_loyalty": cell}), reason)


SATISFACTION_LOYALTY: Final = Framework(
    name="satisfaction_loyalty",
    texts={"en": "Satisfaction and loyalty", "zh": "满意/忠诚矩阵"},
    columns={"satisfaction_loyalty": {"en": "Cell of satisfaction and loyalty", "zh": "满意/忠诚矩阵单元"}},
    labels={
        "saboteur": {"en": "saboteur", "zh": "破坏者"},
        "mercenary": {"en": "mercenary", "zh": "图利者"},
        "hostage": {"en": "hostage", "zh": "囚禁者"},
        "apostle": {"en": "apostle", "zh": "传道者"},
        **UNKNOWN,
    },
    settings=SatisfactionLoyaltySettings(),
    label=_label,
    reasons={
        "by_both": {
            "en": "satisfaction {satisfaction:.1f} of 10, loyalty {loyalty:.2f} of 1",
            "zh": "满意度 {satisfaction:.1f}/10,忠诚度 {loyalty:.2f}/1",
        },
        "no_surveys": {"en": "the customer never answered a survey", "zh": "客户未答过满意度调查"},
        "no_loyalty": {"en": "loyalty cannot be seen from what is known", "zh": "忠诚度无法判断"},
    },
    source="surveys",
    literature="Jones & Sasser (1995), Why Satisfied Customers Defect, Harvard Business Review 73(6)",
)
