"""Reasons of defection: why a customer who is silent or gone left, recorded or inferred.

==========================  ================  ===============================================================
reason                      zh                inferred from
==========================  ================  ===============================================================
``pushed_on_purpose``       蓄意摒弃          we let the customer go: a *release* contact, a release candidate
``pushed_unintentionally``  非蓄意摒弃        a service failure around the time of leaving: a complaint that is
                                              open or took long, a broken promise, a dissatisfied answer
``moved_away``              条件丧失          the need or situation ended: another region, a contract that ran out
``bought_away``             低价寻求          bought on discount as a rule, and the last time at the full price
``pulled_away``             被竞争对手吸引    spend ran down before the end without any of the above: it went elsewhere
``unknown``                 未知              nothing on record, and no event that speaks for one of them
``none``                    未离开            active: has not left
==========================  ================  ===============================================================

What is recorded counts before what is inferred, and the order of the table is the order of say: what the company
did itself is known best, a run-down spend is the weakest sign. ``defection_source`` says which it is.

Examples
--------
>>> people = pd.DataFrame({"customer_id": list("abc"), "status": ["lost", "lost", "active"],
...     "days_since_last": [200.0, 200.0, 5.0], "recorded_reason": ["bought_away", None, None],
...     "recorded_reason_days": [190.0, None, None], "complaints_open": [1.0, 1.0, 1.0],
...     "complaint_days": [210.0, 210.0, 3.0]})
>>> DEFECTION.label(people, {}, DEFECTION.settings, None).columns.values.tolist()
[['bought_away', 'recorded'], ['pushed_unintentionally', 'inferred'], ['none', 'none']]
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

from features.defection_facts import REASON_WORDS, reason_in
from strategies.columns import known
from strategies.framework import UNKNOWN, Cuts, Found, Framework

__all__ = ["DEFECTION", "DefectionSettings"]

Flags = npt.NDArray[np.bool_]
_GONE: Final = ("lapsed", "lost")


class DefectionSettings(BaseModel):
    """``[frameworks.defection_signs]``: which events around the time of leaving speak for which reason.

    ``around_days`` is how long before the last purchase an event may lie and still be a reason; ``slow_days`` the
    mean days to resolve a complaint from which it was long; ``dissatisfied`` the satisfaction (0 to 10) up to which a
    customer was; ``discount_buyer`` the share of lines on discount of one who buys for the price; ``faded`` the spend
    of the last half year over the one before up to which it ran down.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    around_days: int = Field(default=60, ge=0)
    slow_days: float = Field(default=7.0, ge=0)
    dissatisfied: float = Field(default=5.0, ge=0, le=10)
    discount_buyer: float = Field(default=0.5, gt=0, le=1)
    faded: float = Field(default=0.5, ge=0, lt=1)


def _label(
    people: pd.DataFrame, cuts: Cuts, settings: DefectionSettings, before: pd.DataFrame | None
) -> Found:
    # Damped by what it rests on: a reason is asked for when the customer has left, and events do not flicker.
    index = people.index
    status = people["status"] if "status" in people.columns else pd.Series("unknown", index=index)
    recorded = _recorded(people, settings)
    signs: dict[str, Flags] = {
        "active": (status == "active").to_numpy(bool),
        "no_status": ~status.isin(_GONE).to_numpy(bool),
        **{f"recorded_{reason}": (recorded == reason).to_numpy(bool) for reason in REASON_WORDS},
        **_inferred(people, settings),
        "recorded_unclear": recorded.notna().to_numpy(bool),
    }
    codes = [*signs, "no_sign"]
    place = np.select(list(signs.values()), list(range(len(signs))), default=len(signs))

    def told(words: Sequence[str]) -> pd.Series:
        return pd.Series(pd.array(words, dtype="str").take(place), index=index)

    columns = {
        "defection_reason": told([_MEANING[code] for code in codes]),
        "defection_source": told([_source(code) for code in codes]),
    }
    return Found(pd.DataFrame(columns), told(codes))


def _recorded(people: pd.DataFrame, settings: DefectionSettings) -> pd.Series:
    """A reason on record that is not older than the relationship's end; a refusal of an offer after it counts too."""
    nothing = pd.Series(None, index=people.index, dtype="str")
    found = people["recorded_reason"] if "recorded_reason" in people.columns else nothing
    found = found.where(_around(people, "recorded_reason_days", settings), None)
    if "refusal_reason" not in people.columns:
        return found
    refused = reason_in(people["refusal_reason"])
    return found.fillna(refused.where(refused.isin(list(REASON_WORDS))))


def _around(people: pd.DataFrame, days: str, settings: DefectionSettings) -> Flags:
    """Whether an event lies after the last purchase, or shortly before it."""
    with np.errstate(invalid="ignore"):
        found: Flags = known(people, days) <= known(people, "days_since_last") + settings.around_days
    return found


def _inferred(people: pd.DataFrame, settings: DefectionSettings) -> dict[str, Flags]:
    """Where each of the last events speaks for a reason, in the order of say."""
    candidate = people.get("release_candidate", pd.Series("", index=people.index)) == "yes"
    complained = _around(people, "complaint_days", settings)
    slow = known(people, "resolution_days") >= settings.slow_days
    unhappy = known(people, "satisfaction_last") <= settings.dissatisfied
    full_price = known(people, "last_day_discounted") <= 0
    return {
        "released": known(people, "released_days") <= known(people, "days_since_last"),
        "release_candidate": candidate.to_numpy(dtype=bool, na_value=False),
        "complaint_open": complained & (known(people, "complaints_open") > 0),
        "complaint_slow": complained & slow,
        "promise_broken": complained & (known(people, "sla_breaches") > 0),
        "dissatisfied": unhappy & _around(people, "survey_days", settings),
        "other_region": _texts(people, "region_before"),
        "contract_ended": _around(people, "contract_ended_days", settings),
        "full_price": full_price & (known(people, "discounted_lines_share") >= settings.discount_buyer),
        "faded": known(people, "spend_fade") <= settings.faded,
    }


def _texts(people: pd.DataFrame, column: str) -> Flags:
    if column not in people.columns:
        return np.zeros(len(people), dtype=np.bool_)
    found: Flags = people[column].notna().to_numpy()
    return found


def _source(code: str) -> str:
    if code.startswith("recorded_"):
        return "recorded"
    return {"active": "none", "no_status": "unknown", "no_sign": "unknown"}.get(code, "inferred")


_MEANING: Final = {
    "released": "pushed_on_purpose",
    "release_candidate": "pushed_on_purpose",
    "complaint_open": "pushed_unintentionally",
    "complaint_slow": "pushed_unintentionally",
    "promise_broken": "pushed_unintentionally",
    "dissatisfied": "pushed_unintentionally",
    "other_region": "moved_away",
    "contract_ended": "moved_away",
    "full_price": "bought_away",
    "faded": "pulled_away",
    **{f"recorded_{reason}": reason for reason in REASON_WORDS},
    "recorded_unclear": "unknown",
    "no_sign": "unknown",
    "no_status": "unknown",
    "active": "none",
}
_REASONS: Final = {
    "pushed_on_purpose": {"en": "pushed away on purpose", "zh": "蓄意摒弃"},
    "pushed_unintentionally": {"en": "pushed away unintentionally", "zh": "非蓄意摒弃"},
    "pulled_away": {"en": "pulled away by a rival", "zh": "被竞争对手吸引"},
    "bought_away": {"en": "bought away by price", "zh": "低价寻求"},
    "moved_away": {"en": "moved away", "zh": "条件丧失"},
}

DEFECTION: Final = Framework(
    name="defection_signs",
    texts={"en": "Reasons of defection", "zh": "叛逃原因"},
    columns={
        "defection_reason": {"en": "Why the customer left", "zh": "叛逃原因"},
        "defection_source": {"en": "Recorded or inferred", "zh": "原因来源"},
    },
    labels={
        **_REASONS,
        "recorded": {"en": "recorded", "zh": "有记录"},
        "inferred": {"en": "inferred", "zh": "推断"},
        "none": {"en": "has not left", "zh": "未离开"},
        **UNKNOWN,
    },
    settings=DefectionSettings(),
    label=_label,
    reasons={
        "released": {
            "en": "let go by us {released_days:.0f} days ago (inferred)",
            "zh": "{released_days:.0f} 天前由我方放手(推断)",
        },
        "release_candidate": {
            "en": "whole-life profit {whole_life_profit:,.0f}: a relationship we let go (inferred)",
            "zh": "全生命周期利润 {whole_life_profit:,.0f}:我方放手的关系(推断)",
        },
        "complaint_open": {
            "en": "{complaints_open:.0f} complaint(s) not solved, the last {complaint_days:.0f} days ago (inferred)",
            "zh": "{complaints_open:.0f} 件投诉未解决,最近一次在 {complaint_days:.0f} 天前(推断)",
        },
        "complaint_slow": {
            "en": "complaint {complaint_days:.0f} days ago, {resolution_days:.0f} days to solve (inferred)",
            "zh": "{complaint_days:.0f} 天前投诉,平均 {resolution_days:.0f} 天解决(推断)",
        },
        "promise_broken": {
            "en": "complaint {complaint_days:.0f} days ago, {sla_breaches:.0f} promise(s) broken (inferred)",
            "zh": "{complaint_days:.0f} 天前投诉,时限违约 {sla_breaches:.0f} 次(推断)",
        },
        "dissatisfied": {
            "en": "last answer {satisfaction_last:.1f} of 10, {survey_days:.0f} days ago (inferred)",
            "zh": "最近满意度 {satisfaction_last:.1f}/10,{survey_days:.0f} 天前(推断)",
        },
        "other_region": {
            "en": "lived in {region_before} before, now elsewhere (inferred)",
            "zh": "原在 {region_before},现已迁出(推断)",
        },
        "contract_ended": {
            "en": "the contract ran out {contract_ended_days:.0f} days ago (inferred)",
            "zh": "合同已于 {contract_ended_days:.0f} 天前到期(推断)",
        },
        "full_price": {
            "en": "{discounted_lines_share:.0%} of lines on discount, the last purchase at the full price (inferred)",
            "zh": "折扣购买占 {discounted_lines_share:.0%},最后一次为原价(推断)",
        },
        "faded": {
            "en": "spend ran down to {spend_fade:.0%} of the half year before, without a failure of ours (inferred)",
            "zh": "离开前半年消费降至此前的 {spend_fade:.0%},且无我方失误(推断)",
        },
        **{
            f"recorded_{reason}": {
                "en": f"recorded: {texts['en']}",
                "zh": f"有记录:{texts['zh']}",
            }
            for reason, texts in _REASONS.items()
        },
        "recorded_unclear": {
            "en": "a reason was recorded that names none of the known ones",
            "zh": "记录的原因无法归类",
        },
        "no_sign": {"en": "nothing recorded, and no event that tells why", "zh": "无记录,亦无可推断的事件"},
        "no_status": {"en": "whether the customer has left is not known", "zh": "是否流失未知"},
        "active": {
            "en": "last purchase {days_since_last:.0f} days ago",
            "zh": "{days_since_last:.0f} 天前购买",
        },
    },
    source="interactions",
    literature="Stauss & Friege (1999), Regaining Service Customers, Journal of Service Research 1(4)",
)
