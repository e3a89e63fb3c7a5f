"""Satisfaction: perceived less expected where both were asked, else the score; and its level.

================  ==========  ==================================================
level             zh          shown by
================  ==========  ==================================================
``dissatisfied``  不满意      score below the line, or less perceived than expected
``satisfied``     满意        level 1
``rebuys``        愿再购      level 2: satisfied, and bought again since the answer or does so regularly
``recommends``    愿推荐      level 3: satisfied, and would recommend or has referred
================  ==========  ==================================================

Examples
--------
>>> people = pd.DataFrame({"customer_id": list("ab"), "satisfaction_last": [3.0, 9.0], "recommend_mean": [2.0, 9.5]})
>>> SATISFACTION.label(people, {}, SATISFACTION.settings, None).columns["satisfaction_level"].tolist()
['dissatisfied', 'recommends']
"""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

from strategies.columns import Numbers, chosen, known
from strategies.damping import MARGIN, damped_steps, earlier
from strategies.framework import UNKNOWN, Cuts, Found, Framework

__all__ = ["SATISFACTION", "SatisfactionSettings", "perceived"]


class SatisfactionSettings(BaseModel):
    """``[frameworks.satisfaction]``: the score (0 to 10) above which a customer is satisfied, and recommends."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    satisfied: float = Field(default=6.5, ge=0, le=10)
    recommends: float = Field(default=8.5, ge=0, le=10)
    margin: float = Field(default=MARGIN / 2, ge=0, lt=1)


def perceived(score: Numbers, gap: Numbers) -> Numbers:
    """Satisfaction, 0 to 10: the last score, and half of what it lies above or below what was expected.

    Expectation moves the line: less perceived than expected counts against the score, more for it.

    Examples
    --------
    >>> perceived(np.array([8.0, 8.0]), np.array([np.nan, -3.0])).tolist()
    [8.0, 6.5]
    """
    return np.minimum(np.maximum(np.where(np.isnan(gap), score, score + 0.5 * gap), 0.0), 10.0)


def _label(
    people: pd.DataFrame, cuts: Cuts, settings: SatisfactionSettings, before: pd.DataFrame | None
) -> Found:
    score, gap = known(people, "satisfaction_last"), known(people, "satisfaction_gap")
    satisfaction = perceived(score, gap)
    last = earlier(before, "satisfaction_level", people)
    memory = (
        None if last is None else last.map(lambda s: s if s in ("dissatisfied", "unknown") else "content")
    )
    content = damped_steps(
        satisfaction, [settings.satisfied], ("dissatisfied", "content"), before=memory, margin=settings.margin
    ).to_numpy(object)
    recommends = (known(people, "recommend_mean") > settings.recommends) | (
        known(people, "referrals_total") > 0
    )
    rebuys = known(people, "days_since_last") < known(people, "survey_days")
    level = chosen(
        people.index,
        [content == "unknown", content == "dissatisfied", recommends, rebuys],
        ["unknown", "dissatisfied", "recommends", "rebuys"],
        default="satisfied",
    )
    columns = {
        "satisfaction": satisfaction,
        "satisfaction_level": level,
    }
    reason = chosen(
        people.index, [np.isnan(score), np.isnan(gap)], ["no_surveys", "by_score"], default="by_gap"
    )
    return Found(pd.DataFrame(columns, index=people.index), reason)


SATISFACTION: Final = Framework(
    name="satisfaction",
    texts={"en": "Satisfaction", "zh": "客户满意"},
    columns={
        "satisfaction": {"en": "Satisfaction, 0 to 10, expectation counted", "zh": "满意度(0–10,计入期望)"},
        "satisfaction_level": {"en": "Level of satisfaction", "zh": "满意级别"},
    },
    labels={
        "dissatisfied": {"en": "dissatisfied", "zh": "不满意"},
        "satisfied": {"en": "satisfied", "zh": "满意"},
        "rebuys": {"en": "satisfied, buys again", "zh": "满意且再购"},
        "recommends": {"en": "satisfied, recommends", "zh": "满意且愿推荐"},
        **UNKNOWN,
    },
    settings=SatisfactionSettings(),
    label=_label,
    reasons={
        "by_score": {
            "en": "last answer {satisfaction_last:.1f} of 10, {survey_days:.0f} days ago",
            "zh": "最近满意度 {satisfaction_last:.1f}/10,{survey_days:.0f} 天前",
        },
        "by_gap": {
            "en": "last answer {satisfaction_last:.1f} of 10, {satisfaction_gap:+.1f} on what was expected",
            "zh": "最近满意度 {satisfaction_last:.1f}/10,较期望 {satisfaction_gap:+.1f}",
        },
        "no_surveys": {"en": "the customer never answered a survey", "zh": "客户未答过满意度调查"},
    },
    source="surveys",
    literature="Oliver (1980), expectation and disconfirmation, Journal of Marketing Research 17(4)",
)
