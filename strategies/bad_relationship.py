"""Bad relationships: customers who cost more than they will ever bring. They go to *release*, never silently.

A candidate has a negative whole-life profit *and* no potential: nothing to speak of is still expected.

Examples
--------
>>> people = pd.DataFrame({"customer_id": list("ab"), "whole_life_profit": [-80.0, 500.0],
...                        "growth_potential": [0.0, 0.0], "returns_share": [0.7, 0.0]})
>>> found = BAD_RELATIONSHIP.label(people, {}, BAD_RELATIONSHIP.settings, None)
>>> found.columns["release_candidate"].tolist(), found.reason.tolist()
(['yes', 'no'], ['returns', 'profitable'])
"""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

from strategies.columns import chosen, known
from strategies.framework import UNKNOWN, Cuts, Found, Framework

__all__ = ["BAD_RELATIONSHIP", "BadRelationshipSettings"]


class BadRelationshipSettings(BaseModel):
    """``[frameworks.bad_relationship]``: what counts as no potential (margin a year) and as many returns or contacts."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    potential: float = Field(default=0.0, ge=0)
    returns_share: float = Field(default=0.5, gt=0, le=1)
    contacts: int = Field(default=12, ge=1)


def _label(
    people: pd.DataFrame, cuts: Cuts, settings: BadRelationshipSettings, before: pd.DataFrame | None
) -> Found:
    profit, growth = known(people, "whole_life_profit"), known(people, "growth_potential")
    losing, hopeless = profit < 0, growth <= settings.potential
    candidate = chosen(
        people.index,
        [np.isnan(profit) | (losing & np.isnan(growth)), losing & hopeless],
        ["unknown", "yes"],
        default="no",
    )
    returns = known(people, "returns_share") >= settings.returns_share
    contacts = known(people, "contacts_365d") >= settings.contacts
    reason = chosen(
        people.index,
        [candidate == "unknown", ~losing, candidate == "no", returns, contacts],
        ["no_profit", "profitable", "potential", "returns", "service"],
        default="costs",
    )
    columns = pd.DataFrame({"release_candidate": candidate})
    return Found(columns, reason)


_LOSS_EN: Final = "whole-life profit {whole_life_profit:,.0f} and no growth to expect"
_LOSS_ZH: Final = "全生命周期利润 {whole_life_profit:,.0f},且无增值潜力"

BAD_RELATIONSHIP: Final = Framework(
    name="bad_relationship",
    texts={"en": "Bad relationship", "zh": "恶性关系"},
    columns={"release_candidate": {"en": "Candidate for release", "zh": "放手候选"}},
    labels={"yes": {"en": "yes", "zh": "是"}, "no": {"en": "no", "zh": "否"}, **UNKNOWN},
    settings=BadRelationshipSettings(),
    label=_label,
    reasons={
        "returns": {
            "en": f"{_LOSS_EN}; {{returns_share:.0%}} of purchases returned",
            "zh": f"{_LOSS_ZH};退货占 {{returns_share:.0%}}",
        },
        "service": {
            "en": f"{_LOSS_EN}; {{contacts_365d:.0f}} contacts in a year",
            "zh": f"{_LOSS_ZH};一年内互动 {{contacts_365d:.0f}} 次",
        },
        "costs": {"en": _LOSS_EN, "zh": _LOSS_ZH},
        "potential": {
            "en": "whole-life profit {whole_life_profit:,.0f}, but growth of {growth_potential:,.0f} a year to expect",
            "zh": "全生命周期利润 {whole_life_profit:,.0f},但年增值潜力 {growth_potential:,.0f}",
        },
        "profitable": {
            "en": "whole-life profit {whole_life_profit:,.0f}",
            "zh": "全生命周期利润 {whole_life_profit:,.0f}",
        },
        "no_profit": {
            "en": "whole-life profit or growth potential is not known",
            "zh": "全生命周期利润或增值潜力未知",
        },
    },
    literature="Haenlein & Kaplan (2009), Unprofitable customers and their management, Business Horizons 52",
)
