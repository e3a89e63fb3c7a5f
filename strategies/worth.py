"""Worth: what a customer brought after all costs, and over the whole life.

=====================  ==================  =======================================================
column                 zh                  definition
=====================  ==================  =======================================================
``net_current_value``  当前净价值          margin of the last 365 days − service cost − campaign cost
``past_margin``        历史毛利            margin of all time, less campaign cost
``whole_life_profit``  全生命周期利润      past margin − acquisition cost + customer lifetime value
=====================  ==================  =======================================================

A cost that the data do not tell is not taken off, and the reason says which.

Examples
--------
>>> people = pd.DataFrame({"customer_id": ["a"], "current_value": [100.0], "margin_total": [400.0], "clv": [250.0],
...                        "contacts_365d": [2.0], "campaign_cost_365d": [10.0], "campaign_cost_total": [30.0],
...                        "acquisition_cost": [40.0]})
>>> found = WORTH.label(people, {}, WorthSettings(service_cost_per_contact=5.0), None).columns
>>> found.iloc[0].to_dict()
{'net_current_value': 80.0, 'past_margin': 370.0, 'whole_life_profit': 580.0}
"""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

from strategies.columns import Numbers, chosen, known
from strategies.framework import Cuts, Found, Framework

__all__ = ["WORTH", "WorthSettings"]


class WorthSettings(BaseModel):
    """``[frameworks.worth]``: what one contact costs. ``[value] margin_rate`` is used where orders tell no cost."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    service_cost_per_contact: float = Field(default=0.0, ge=0)


def _label(people: pd.DataFrame, cuts: Cuts, settings: WorthSettings, before: pd.DataFrame | None) -> Found:
    def cost(name: str) -> Numbers:
        return np.nan_to_num(known(people, name))

    service = cost("contacts_365d") * settings.service_cost_per_contact
    net = known(people, "current_value") - service - cost("campaign_cost_365d")
    with_costs = known(people, "margin_total")
    margin = np.where(
        np.isnan(with_costs), known(people, "value_total") * known(people, "margin_rate"), with_costs
    )
    past = margin - cost("campaign_cost_total")
    life = past - cost("acquisition_cost") + known(people, "clv")
    columns = {"net_current_value": net, "past_margin": past, "whole_life_profit": life}
    acquired = ~np.isnan(known(people, "acquisition_cost"))
    reason = chosen(
        people.index,
        [np.isnan(life), ~acquired & np.isnan(with_costs), ~acquired, np.isnan(with_costs)],
        ["no_forecast", "no_costs", "no_acquisition_cost", "no_cost_of_goods"],
        default="all_costs",
    )
    return Found(pd.DataFrame(columns, index=people.index), reason)


_SUM_EN: Final = (
    "margin so far {past_margin:,.0f}, still expected {clv:,.0f}, whole life {whole_life_profit:,.0f}"
)
_SUM_ZH: Final = "历史毛利 {past_margin:,.0f},预期价值 {clv:,.0f},全生命周期利润 {whole_life_profit:,.0f}"

WORTH: Final = Framework(
    name="worth",
    texts={"en": "Worth", "zh": "客户价值"},
    columns={
        "net_current_value": {
            "en": "Margin of the last year less service and campaign cost",
            "zh": "近一年毛利减服务与营销成本",
        },
        "past_margin": {"en": "Margin so far less campaign cost", "zh": "历史毛利减营销成本"},
        "whole_life_profit": {
            "en": "Past margin less acquisition cost plus lifetime value",
            "zh": "历史毛利减获客成本加终生价值",
        },
    },
    settings=WorthSettings(),
    label=_label,
    reasons={
        "all_costs": {"en": _SUM_EN, "zh": _SUM_ZH},
        "no_acquisition_cost": {
            "en": f"{_SUM_EN}; the cost of acquisition is not known and not taken off",
            "zh": f"{_SUM_ZH};获客成本未知,未扣除",
        },
        "no_cost_of_goods": {
            "en": f"{_SUM_EN}; margin by the configured rate",
            "zh": f"{_SUM_ZH};毛利按配置的毛利率计算",
        },
        "no_costs": {
            "en": f"{_SUM_EN}; margin by the configured rate, cost of acquisition not known and not taken off",
            "zh": f"{_SUM_ZH};毛利按配置的毛利率计算,获客成本未知且未扣除",
        },
        "no_forecast": {"en": "past margin or lifetime value is not known", "zh": "历史毛利或终生价值未知"},
    },
    source="orders, customers, campaigns, interactions",
)
