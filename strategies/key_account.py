"""Key accounts: two rankings joined, so that a loyal customer with little revenue is not overlooked.

1. Revenue: the largest customers of the last year (the top 50, or the top share in a large base) are accounts; the
   first fifth of them is A, the next three tenths B, the rest C.
2. Non-monetary rank: loyalty 忠诚, stability of purchases 稳定, tolerance of problems 宽容, feedback given 反馈,
   referrals 推荐, with weights that sum to 1 (rescaled over what is known).
3. An account whose non-monetary rank is among the top rises by one class.

Examples
--------
>>> people = pd.DataFrame({"customer_id": list("abcde"), "value_365d": [900.0, 500.0, 400.0, 300.0, 0.0],
...                        "loyalty": [0.2, 0.3, 0.2, 0.99, 0.1]})
>>> settings = KeyAccountSettings(top=4, top_share=0.9)
>>> KEY_ACCOUNT.label(people, KEY_ACCOUNT.cuts(people, settings), settings, None).columns["key_account"].tolist()
['A', 'B', 'C', 'B', 'none']
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, model_validator

from strategies.columns import Numbers, chosen, known
from strategies.damping import MARGIN, damped_steps, earlier
from strategies.framework import UNKNOWN, Cuts, Found, Framework
from strategies.ranks import mean_rank, rank_cuts, rank_in

__all__ = ["KEY_ACCOUNT", "KeyAccountSettings"]

_CLASSES: Final = ("none", "C", "B", "A")


class KeyAccountSettings(BaseModel):
    """``[frameworks.key_account]``: how many accounts, their classes, and the weights of the non-monetary rank."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    top: int = Field(default=50, ge=1)
    top_share: float = Field(default=0.01, gt=0, lt=1)
    a_share: float = Field(default=0.2, gt=0, lt=1)
    b_share: float = Field(default=0.3, gt=0, lt=1)
    overlooked_rank: float = Field(default=0.9, gt=0, lt=1)
    loyalty: float = Field(default=0.3, ge=0, le=1)
    stability: float = Field(default=0.2, ge=0, le=1)
    tolerance: float = Field(default=0.2, ge=0, le=1)
    feedback: float = Field(default=0.1, ge=0, le=1)
    referrals: float = Field(default=0.2, ge=0, le=1)
    margin: float = Field(default=MARGIN, ge=0, lt=1)

    @property
    def weights(self) -> dict[str, float]:
        """Weight by part of the non-monetary rank."""
        names = ("loyalty", "stability", "tolerance", "feedback", "referrals")
        return {name: float(getattr(self, name)) for name in names}

    @model_validator(mode="after")
    def _sums(self) -> KeyAccountSettings:
        if not math.isclose(sum(self.weights.values()), 1.0, abs_tol=1e-9):
            raise ValueError(f"weights must sum to 1; they sum to {sum(self.weights.values()):g}")
        if self.a_share + self.b_share >= 1:
            raise ValueError("a_share and b_share leave nothing for class C")
        return self


def _parts(people: pd.DataFrame) -> dict[str, Numbers]:
    """What is known of the non-monetary side, one column each; larger is better."""

    complaint, last = known(people, "complaint_days"), known(people, "days_since_last")
    found = {
        "loyalty": known(people, "loyalty"),
        "stability": -known(people, "irregularity"),
        # Bought again after the last complaint: the fault was forgiven.
        "tolerance": np.where(np.isnan(complaint), np.nan, (last < complaint).astype(np.float64)),
        "feedback": (~np.isnan(known(people, "survey_days"))).astype(np.float64),
        "referrals": known(people, "referrals_total"),
    }
    return {name: values for name, values in found.items() if np.isfinite(values).any()}


def _non_monetary(people: pd.DataFrame, cuts: Cuts, settings: KeyAccountSettings) -> Numbers:
    parts = {n: v for n, v in _parts(people).items() if f"{n}_00" in cuts and settings.weights[n] > 0}
    if not parts:
        return np.full(len(people), np.nan)
    ranks = [rank_in(name, values, cuts) for name, values in parts.items()]
    return mean_rank(ranks, [settings.weights[name] for name in parts])


def _cuts(people: pd.DataFrame, settings: KeyAccountSettings) -> dict[str, float]:
    found: dict[str, float] = {}
    revenue = known(people, "value_365d")
    largest = np.sort(revenue[np.isfinite(revenue) & (revenue > 0)])[::-1]
    if largest.size:
        accounts = min(largest.size, max(settings.top, math.ceil(settings.top_share * len(people))))
        for name, share in (("A", settings.a_share), ("B", settings.a_share + settings.b_share), ("C", 1.0)):
            place = max(1, round(accounts * share))
            # Strictly above the first who is out: ties at the edge stay out together.
            found[name] = float(largest[place]) if place < largest.size else 0.0
    for name, values in _parts(people).items():
        found |= rank_cuts(name, values)
    ranks = _non_monetary(people, found, settings)
    if np.isfinite(ranks).any():
        found["overlooked"] = float(np.nanquantile(ranks, settings.overlooked_rank))
    return found


def _label(
    people: pd.DataFrame, cuts: Cuts, settings: KeyAccountSettings, before: pd.DataFrame | None
) -> Found:
    rank = _non_monetary(people, cuts, settings)
    if "A" not in cuts or "value_365d" not in people:
        unknown = pd.Series("unknown", index=people.index, dtype="str")
        columns = pd.DataFrame({"key_account": unknown, "non_monetary_rank": rank}, index=people.index)
        return Found(columns, pd.Series("no_revenue", index=people.index, dtype="str"))
    thresholds = [cuts["C"], cuts["B"], cuts["A"]]
    last = earlier(before, "key_account", people)
    plain = damped_steps(people["value_365d"], thresholds, _CLASSES, before=last, margin=settings.margin)
    place = pd.Index([*_CLASSES, "unknown"]).get_indexer(pd.Index(plain))
    raised = (rank > cuts.get("overlooked", np.inf)) & ((place == 1) | (place == 2))
    found = np.array([*_CLASSES, "unknown"], dtype=object)[place + raised]
    columns = pd.DataFrame({"key_account": found, "non_monetary_rank": rank}, index=people.index)
    reason = chosen(
        people.index,
        [plain == "unknown", raised, plain == "none"],
        ["no_revenue", "raised", "small"],
        default="by_revenue",
    )
    return Found(columns.astype({"key_account": "str"}), reason)


KEY_ACCOUNT: Final = Framework(
    name="key_account",
    texts={"en": "Key account", "zh": "大客户"},
    columns={
        "key_account": {"en": "Class of key account", "zh": "大客户级别"},
        "non_monetary_rank": {"en": "Non-monetary rank, 0 to 1", "zh": "非货币评分(0 至 1)"},
    },
    labels={
        "A": {"en": "A", "zh": "A 级"},
        "B": {"en": "B", "zh": "B 级"},
        "C": {"en": "C", "zh": "C 级"},
        "none": {"en": "none", "zh": "非大客户"},
        **UNKNOWN,
    },
    settings=KeyAccountSettings(),
    cuts=_cuts,
    label=_label,
    reasons={
        "by_revenue": {
            "en": "revenue of the last year {value_365d:,.0f}: class {key_account}",
            "zh": "近一年收入 {value_365d:,.0f}:{key_account}",
        },
        "raised": {
            "en": "revenue of the last year {value_365d:,.0f}, raised to {key_account} for loyalty and the like "
            "(rank {non_monetary_rank:.2f} of 1)",
            "zh": "近一年收入 {value_365d:,.0f},因忠诚等非货币评分 {non_monetary_rank:.2f} 升为 {key_account}",
        },
        "small": {
            "en": "revenue of the last year {value_365d:,.0f} is not among the largest",
            "zh": "近一年收入 {value_365d:,.0f},不在最大客户之列",
        },
        "no_revenue": {"en": "the revenue of the last year is not known", "zh": "近一年收入未知"},
    },
    literature="Woodburn & McDonald (2011), Key Account Management",
)
