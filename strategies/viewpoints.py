"""One relationship from four viewpoints, each scored from 0 to 1.

=======================  ==============  ==========================================================================
column                   zh              mean of
=======================  ==============  ==========================================================================
``view_development``     关系发展        up, level or down: half-year spend against the half year before
``view_quality``         关系质量        satisfaction, trust, affective and conative loyalty, as far as known
``view_behaviour``       关系行为        rank of exchange (orders of a year) and of interaction (contacts of a year)
``view_value``           关系价值        rank of lifetime value, and the probability to stay
=======================  ==============  ==========================================================================

Examples
--------
>>> people = pd.DataFrame({"customer_id": ["a"], "spend_180d": [150.0], "spend_change_180d": [50.0],
...                        "churn_probability": [0.2], "satisfaction": [8.0]})
>>> VIEWPOINTS.label(people, {}, VIEWPOINTS.settings, None).columns.round(2).iloc[0].to_dict()
{'view_development': 0.75, 'view_quality': 0.8, 'view_behaviour': nan, 'view_value': 0.8}
"""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict

from strategies.columns import Numbers, chosen, known
from strategies.framework import Cuts, Found, Framework
from strategies.ranks import mean_rank, rank_cuts, rank_in

__all__ = ["VIEWPOINTS", "ViewpointSettings"]

_RANKED: Final = ("orders_365d", "contacts_365d", "clv")
_TRUST: Final = {"calculus": 0.0, "knowledge": 0.5, "identification": 1.0}


class ViewpointSettings(BaseModel):
    """``[frameworks.viewpoints]`` has nothing to set."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def _cuts(people: pd.DataFrame, settings: ViewpointSettings) -> dict[str, float]:
    found: dict[str, float] = {}
    for name in _RANKED:
        found |= rank_cuts(name, known(people, name))
    return found


def _development(people: pd.DataFrame) -> Numbers:
    now, change = known(people, "spend_180d"), known(people, "spend_change_180d")
    past = now - change
    with np.errstate(divide="ignore", invalid="ignore"):
        rise = np.where(past > 0, change / past, np.where(now > 0, 1.0, 0.0))
    return np.where(np.isnan(change), np.nan, 0.5 + 0.5 * np.clip(rise, -1.0, 1.0))


def _label(
    people: pd.DataFrame, cuts: Cuts, settings: ViewpointSettings, before: pd.DataFrame | None
) -> Found:
    trust = people.get("trust_stage", pd.Series("unknown", index=people.index)).map(_TRUST)
    quality = mean_rank(
        [
            known(people, "satisfaction") / 10.0,
            trust.to_numpy(np.float64, na_value=np.nan),
            known(people, "loyalty_affective"),
            known(people, "loyalty_conative"),
        ]
    )
    ranks = {name: rank_in(name, known(people, name), cuts) for name in _RANKED}
    views = {
        "view_development": _development(people),
        "view_quality": quality,
        "view_behaviour": mean_rank([ranks["orders_365d"], ranks["contacts_365d"]]),
        "view_value": mean_rank([ranks["clv"], 1.0 - known(people, "churn_probability")]),
    }
    columns = pd.DataFrame(views, index=people.index)
    reason = chosen(people.index, [columns.isna().all(axis=1)], ["nothing_known"], default="by_views")
    return Found(columns, reason)


VIEWPOINTS: Final = Framework(
    name="viewpoints",
    texts={"en": "Four viewpoints", "zh": "客户关系四视角"},
    columns={
        "view_development": {"en": "Development, 0 to 1", "zh": "关系发展(0–1)"},
        "view_quality": {"en": "Quality, 0 to 1", "zh": "关系质量(0–1)"},
        "view_behaviour": {"en": "Behaviour, 0 to 1", "zh": "关系行为(0–1)"},
        "view_value": {"en": "Value, 0 to 1", "zh": "关系价值(0–1)"},
    },
    settings=ViewpointSettings(),
    cuts=_cuts,
    label=_label,
    reasons={
        "by_views": {
            "en": "development {view_development:.2f}, quality {view_quality:.2f}, behaviour {view_behaviour:.2f}, "
            "value {view_value:.2f}",
            "zh": "发展 {view_development:.2f},质量 {view_quality:.2f},行为 {view_behaviour:.2f},价值 {view_value:.2f}",
        },
        "nothing_known": {"en": "none of the four can be seen", "zh": "四个视角均无法判断"},
    },
    source="orders, surveys, interactions",
)
