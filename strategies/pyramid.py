"""The customer pyramid: the few who carry the business on top, the many at the bottom.

=============  =============  ======================
tier           zh             share of customers
=============  =============  ======================
``diamond``    钻石客户       the top 1 %
``gold``       黄金客户       the next 4 %
``silver``     白银客户       the next 15 %
``iron``       钢铁客户       the next 30 %
``lead``       乌铅客户       the rest
=============  =============  ======================

The account pyramid is the same ordering with other cuts: main 主客户 1 %, key 大客户 4 %, ordinary 普通客户 15 %,
small 小客户 80 %.

Examples
--------
>>> import pandas as pd
>>> people = pd.DataFrame({"customer_id": [f"c{i}" for i in range(200)], "current_value": range(200)})
>>> cuts = PYRAMID.cuts(people, PYRAMID.settings)
>>> best = PYRAMID.label(people.tail(3), cuts, PYRAMID.settings, None)
>>> best.columns["pyramid_tier"].tolist()
['gold', 'diamond', 'diamond']
"""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, model_validator

from strategies.columns import as_numbers
from strategies.damping import MARGIN, damped_steps, earlier
from strategies.framework import UNKNOWN, Cuts, Found, Framework

__all__ = ["PYRAMID", "PyramidSettings"]

_TIERS: Final = ("lead", "iron", "silver", "gold", "diamond")
_ACCOUNTS: Final = ("small", "ordinary", "key", "main")


class PyramidSettings(BaseModel):
    """``[frameworks.pyramid]``: shares of customers above each cut, from the top; the rest is the lowest tier."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tiers: tuple[float, float, float, float] = (0.01, 0.04, 0.15, 0.30)
    accounts: tuple[float, float, float] = (0.01, 0.04, 0.15)
    margin: float = Field(default=MARGIN, ge=0, lt=1)

    @model_validator(mode="after")
    def _leave_a_rest(self) -> PyramidSettings:
        for name, shares in (("tiers", self.tiers), ("accounts", self.accounts)):
            if min(shares) <= 0 or sum(shares) >= 1:
                raise ValueError(
                    f"{name} must be above 0 and sum below 1; found {', '.join(map(str, shares))}"
                )
        return self


def _cuts(people: pd.DataFrame, settings: PyramidSettings) -> dict[str, float]:
    """Current value that must be exceeded for each step; none where nobody's value is known."""
    value = as_numbers(people["current_value"]) if "current_value" in people else np.empty(0)
    known = np.sort(value[np.isfinite(value)])[::-1]
    if not known.size:
        return {}
    found = {}
    for name, steps, shares in (("tier", _TIERS, settings.tiers), ("account", _ACCOUNTS, settings.accounts)):
        for step, share in zip(reversed(steps[1:]), np.cumsum(shares), strict=True):
            # The tiny addend keeps 0.29 · 100 from counting as 28.999…
            above = min(known.size - 1, int(known.size * share + 1e-9))
            found[f"{name}_{step}"] = float(known[above])
    return found


def _label(people: pd.DataFrame, cuts: Cuts, settings: PyramidSettings, before: pd.DataFrame | None) -> Found:
    columns = {}
    for column, prefix, steps in (
        ("pyramid_tier", "tier", _TIERS),
        ("account_tier", "account", _ACCOUNTS),
    ):
        thresholds = [cuts.get(f"{prefix}_{step}", np.nan) for step in steps[1:]]
        if np.isnan(thresholds).any() or "current_value" not in people:
            columns[column] = pd.Series("unknown", index=people.index, dtype="str")
            continue
        last = earlier(before, column, people)
        columns[column] = damped_steps(
            people["current_value"], thresholds, steps, before=last, margin=settings.margin
        )
    known = columns["pyramid_tier"] != "unknown"
    reason = pd.Series(
        np.where(known, "by_current_value", "no_current_value"), index=people.index, dtype="str"
    )
    return Found(pd.DataFrame(columns, index=people.index), reason)


PYRAMID: Final = Framework(
    name="pyramid",
    texts={"en": "Customer pyramid", "zh": "客户金字塔"},
    columns={
        "pyramid_tier": {"en": "Tier of the customer pyramid", "zh": "客户金字塔层级"},
        "account_tier": {"en": "Level of the account pyramid", "zh": "大客户金字塔层级"},
    },
    labels={
        "diamond": {"en": "diamond", "zh": "钻石客户"},
        "gold": {"en": "gold", "zh": "黄金客户"},
        "silver": {"en": "silver", "zh": "白银客户"},
        "iron": {"en": "iron", "zh": "钢铁客户"},
        "lead": {"en": "lead", "zh": "乌铅客户"},
        "main": {"en": "main account", "zh": "主客户"},
        "key": {"en": "key account", "zh": "大客户"},
        "ordinary": {"en": "ordinary account", "zh": "普通客户"},
        "small": {"en": "small account", "zh": "小客户"},
        **UNKNOWN,
    },
    settings=PyramidSettings(),
    cuts=_cuts,
    label=_label,
    reasons={
        "by_current_value": {
            "en": "margin of the last year {current_value:,.0f}: tier {pyramid_tier}",
            "zh": "近一年毛利 {current_value:,.0f},层级 {pyramid_tier}",
        },
        "no_current_value": {"en": "the margin of the last year is not known", "zh": "近一年毛利未知"},
    },
    literature="Zeithaml, Rust & Lemon (2001), The Customer Pyramid, California Management Review 43(4); Curry (1992)",
)
