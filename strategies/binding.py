"""Binding strategy: how closely company and customer adapt to each other.

============  ========  ==========================================  ==========================================
strategy      zh        how                                         for whom
============  ========  ==========================================  ==========================================
``buckle``    扣钩      standard contacts, the company leads        lead, and iron with usual needs
``zipper``    拉链      both adapt step by step                     gold, platinum with usual needs, iron with
                                                                    needs of its own
``velcro``    维可牢    the company adapts fully                    platinum and gold with needs of their own
============  ========  ==========================================  ==========================================

Examples
--------
>>> people = pd.DataFrame({"customer_id": list("ab"), "value_class": ["platinum", "lead"],
...                        "differentiation_cell": ["one_to_one", "mass_market"]})
>>> BINDING.label(people, {}, BINDING.settings, None).columns["binding"].tolist()
['velcro', 'buckle']
"""

from __future__ import annotations

from typing import Final

import pandas as pd
from pydantic import BaseModel, ConfigDict

from strategies.columns import chosen
from strategies.framework import Cuts, Found, Framework
from strategies.value_class import VALUE_CLASS_LABELS

__all__ = ["BINDING", "BindingSettings"]


class BindingSettings(BaseModel):
    """``[frameworks.binding]`` has nothing to set: value class and differentiation matrix decide."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def _label(people: pd.DataFrame, cuts: Cuts, settings: BindingSettings, before: pd.DataFrame | None) -> Found:
    nothing = pd.Series("unknown", index=people.index)
    worth = people.get("value_class", nothing).astype(object)
    own_needs = people.get("differentiation_cell", nothing).isin(("one_to_one", "niche"))
    rich, rising = worth.isin(("gold", "platinum")), worth == "iron"
    binding = chosen(
        people.index,
        [worth == "unknown", rich & own_needs, rich | (rising & own_needs)],
        ["unknown", "velcro", "zipper"],
        default="buckle",
    )
    reason = chosen(
        people.index,
        [binding == "unknown", own_needs],
        ["no_value_class", "own_needs"],
        default="usual_needs",
    )
    columns = pd.DataFrame({"binding": binding})
    return Found(columns, reason)


BINDING: Final = Framework(
    name="binding",
    texts={"en": "Binding strategy", "zh": "客户关系结合策略"},
    columns={"binding": {"en": "How closely to bind", "zh": "结合策略"}},
    labels={
        "buckle": {"en": "buckle", "zh": "扣钩策略"},
        "zipper": {"en": "zipper", "zh": "拉链策略"},
        "velcro": {"en": "velcro", "zh": "维可牢策略"},
        **VALUE_CLASS_LABELS,
    },
    settings=BindingSettings(),
    label=_label,
    reasons={
        "own_needs": {
            "en": "value class {value_class}, needs of their own",
            "zh": "价值类别 {value_class},需求独特",
        },
        "usual_needs": {
            "en": "value class {value_class}, usual needs",
            "zh": "价值类别 {value_class},需求普通",
        },
        "no_value_class": {"en": "the value class is not known", "zh": "价值类别未知"},
    },
    literature="Storbacka & Lehtinen (2001), Customer Relationship Management",
)
