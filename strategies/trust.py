"""Trust: what it rests on, from reckoning over knowing each other to feeling as one.

====================  ==========  =================================================================
stage                 zh          shown by
====================  ==========  =================================================================
``calculus``          基于计算    a short or thin history: every order is weighed anew
``knowledge``         基于认知    a year or more and many purchases: each knows what to expect
``identification``    基于认同    knowledge, and the customer commits: a contract, a referral, or would recommend; and no
                                  complaint is left open
====================  ==========  =================================================================

Examples
--------
>>> people = pd.DataFrame({"customer_id": list("ab"), "tenure_days": [30.0, 900.0], "purchase_days": [2.0, 30.0],
...                        "referrals_total": [0.0, 2.0]})
>>> TRUST.label(people, {}, TRUST.settings, None).columns["trust_stage"].tolist()
['calculus', 'identification']
"""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

from strategies.columns import chosen, known
from strategies.framework import UNKNOWN, Cuts, Found, Framework

__all__ = ["TRUST", "TrustSettings"]


class TrustSettings(BaseModel):
    """``[frameworks.trust]``: days and purchase days from which each side knows the other, and who recommends."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    known_days: int = Field(default=365, ge=1)
    known_purchases: int = Field(default=6, ge=1)
    recommends: float = Field(default=8.5, ge=0, le=10)


def _label(people: pd.DataFrame, cuts: Cuts, settings: TrustSettings, before: pd.DataFrame | None) -> Found:
    tenure, bought = known(people, "tenure_days"), known(people, "purchase_days")
    knows = (tenure >= settings.known_days) & (bought >= settings.known_purchases)
    contract = known(people, "contracts_active") > 0
    speaks = (known(people, "referrals_total") > 0) | (known(people, "recommend_mean") > settings.recommends)
    open_complaint = known(people, "complaints_open") > 0
    stage = chosen(
        people.index,
        [np.isnan(tenure) | np.isnan(bought), knows & (contract | speaks) & ~open_complaint, knows],
        ["unknown", "identification", "knowledge"],
        default="calculus",
    )
    reason = chosen(
        people.index,
        [stage == "unknown", stage == "calculus", knows & open_complaint, stage == "knowledge", contract],
        ["no_history", "thin_history", "open_complaint", "long_history", "contract"],
        default="speaks_for_us",
    )
    columns = pd.DataFrame({"trust_stage": stage})
    return Found(columns, reason)


_HISTORY_EN: Final = "{purchase_days:.0f} purchase days in {tenure_days:.0f} days"
_HISTORY_ZH: Final = "{tenure_days:.0f} 天内购买 {purchase_days:.0f} 天"

TRUST: Final = Framework(
    name="trust",
    texts={"en": "Trust", "zh": "客户信任"},
    columns={"trust_stage": {"en": "Stage of trust", "zh": "信任阶段"}},
    labels={
        "calculus": {"en": "calculus-based", "zh": "基于计算的信任"},
        "knowledge": {"en": "knowledge-based", "zh": "基于认知的信任"},
        "identification": {"en": "identification-based", "zh": "基于认同的信任"},
        **UNKNOWN,
    },
    settings=TrustSettings(),
    label=_label,
    reasons={
        "thin_history": {"en": _HISTORY_EN, "zh": _HISTORY_ZH},
        "long_history": {"en": _HISTORY_EN, "zh": _HISTORY_ZH},
        "contract": {"en": f"{_HISTORY_EN}, and a contract", "zh": f"{_HISTORY_ZH},且有合同"},
        "speaks_for_us": {
            "en": f"{_HISTORY_EN}, and speaks for us to others",
            "zh": f"{_HISTORY_ZH},且愿意推荐",
        },
        "open_complaint": {
            "en": f"{_HISTORY_EN}, but a complaint is left open",
            "zh": f"{_HISTORY_ZH},但有未解决投诉",
        },
        "no_history": {"en": "the purchase history is not known", "zh": "购买历史未知"},
    },
    source="orders, contracts, referrals, surveys, interactions",
    literature="Lewicki & Bunker (1996), Developing and Maintaining Trust in Work Relationships",
)
