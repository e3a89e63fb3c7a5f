"""Growth potential 增值潜力: what more there is to win with a customer, and by which lever 更宽/更远/更深.

========================  ==================  ======================================================================
column                    zh                  margin of the coming year expected from
========================  ==================  ======================================================================
``cross_sell_potential``  交叉销售潜力        categories not bought in the last year
``up_sell_potential``     追加销售潜力        a move of the usual price band upwards
``referral_potential``    推荐潜力            customers the customer will refer: referrals × lifetime value of a new one
``growth_deeper``         加深潜力            growth in what is bought already
``potential_value``       潜在价值            all four
========================  ==================  ======================================================================

The forecast behind the list's ``growth_potential`` counts everything a customer will buy, in whichever category and band.
Here it is told apart: ``growth_deeper`` = max(0, growth_potential − cross-sell − up-sell), so that nothing counts twice.
The list's column, and the value class whose cuts were frozen at training, stay what they are.

The lever is what brings most: ``wider`` 更宽 (cross-sell and referrals), ``longer`` 更远 (keeping: the value at stake) or
``deeper`` 更深 (up-sell and growth).

References
----------
Hwang, H., Jung, T., Suh, E. (2004). An LTV model and customer segmentation based on customer value. Expert Systems with
Applications 26, section 3: potential value = Σ probability × profit of what a customer does not use yet.

Examples
--------
>>> people = pd.DataFrame({"customer_id": ["a", "b"], "next_category": ["tea", None], "new_category_margin": [30.0, 0.0],
...                        "next_band_margin": [5.0, 2.0], "growth_potential": [40.0, 0.0], "value_at_stake": [10.0, 60.0]})
>>> found = GROWTH.label(people, {}, GROWTH.settings, None).columns
>>> found[["growth_deeper", "potential_value"]].values.tolist(), found["lever"].tolist()
([[5.0, 40.0], [0.0, 2.0]], ['wider', 'longer'])
"""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

from strategies.columns import Numbers, chosen, known, text_column
from strategies.damping import MARGIN, earlier
from strategies.framework import UNKNOWN, Cuts, Found, Framework

__all__ = ["GROWTH", "GrowthSettings"]

_LEVERS: Final = ("wider", "longer", "deeper")
_YEAR: Final = 365.0


class GrowthSettings(BaseModel):
    """``[frameworks.growth]``: years for which the base's rate of referrals counts beside a customer's own.

    ``margin`` is the share by which another lever must bring more before the lever changes.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    referral_years: float = Field(default=1.0, gt=0)
    margin: float = Field(default=MARGIN, ge=0, lt=1)


def _cuts(people: pd.DataFrame, settings: GrowthSettings) -> dict[str, float]:
    """Referrals per year of a customer, and the lifetime value of one who came within the last year."""
    years, referred, clv = _years(people), known(people, "referrals_total"), known(people, "clv")
    told = np.isfinite(referred) & (years > 0)
    new = np.isfinite(clv) & (known(people, "tenure_days") <= _YEAR)
    worth = clv[new if new.any() else np.isfinite(clv)]
    found = {"referral_rate": float(referred[told].sum() / years[told].sum())} if told.any() else {}
    return found | ({"new_customer_clv": float(worth.mean())} if len(worth) else {})


def _years(people: pd.DataFrame) -> Numbers:
    """Years since the customer became known: referring needs no purchase."""
    return np.maximum(known(people, "tenure_days"), 0.0) / _YEAR


def _referrals(people: pd.DataFrame, cuts: Cuts, settings: GrowthSettings) -> Numbers:
    """Referrals of a year, drawn to the base's rate, of a customer who may have left, times what a new one is worth."""
    if not {"referral_rate", "new_customer_clv"} <= set(cuts):
        return np.full(len(people), np.nan)
    weight = settings.referral_years
    rate = (known(people, "referrals_total") + cuts["referral_rate"] * weight) / (_years(people) + weight)
    stays = 1.0 - known(people, "churn_probability")
    return rate * stays * max(0.0, cuts["new_customer_clv"])


def _label(people: pd.DataFrame, cuts: Cuts, settings: GrowthSettings, before: pd.DataFrame | None) -> Found:
    cross, up = known(people, "new_category_margin"), known(people, "next_band_margin")
    referral = _referrals(people, cuts, settings)
    growth = known(people, "growth_potential")
    deeper = np.maximum(0.0, growth - np.nan_to_num(cross) - np.nan_to_num(up))
    parts = np.column_stack([cross, up, referral, deeper])
    potential = np.where(np.isnan(parts).all(axis=1), np.nan, np.nansum(parts, axis=1))
    stake = known(people, "value_at_stake")
    pairs = ((cross, referral), (stake, stake * 0.0), (up, deeper))
    brings = np.column_stack([np.nansum(pair, axis=0) for pair in pairs])
    brings[np.isnan(growth) & np.isnan(stake)] = np.nan
    columns = pd.DataFrame(
        {
            "cross_sell_potential": cross,
            "up_sell_potential": up,
            "referral_potential": referral,
            "growth_deeper": deeper,
            "potential_value": potential,
            "next_best_category": _category(people),
            "lever": _lever(people, brings, settings, before),
        },
        index=people.index,
    )
    return Found(columns, _reasons(columns))


def _category(people: pd.DataFrame) -> pd.Series:
    if "next_category" in people.columns:
        return people["next_category"].astype("str")
    return pd.Series(np.nan, index=people.index, dtype="str")


def _lever(
    people: pd.DataFrame, brings: Numbers, settings: GrowthSettings, before: pd.DataFrame | None
) -> pd.Series:
    """What brings most; the lever of the last run stays unless another brings more by the margin."""
    best = np.where(np.isnan(brings[:, 0]), -1, np.nan_to_num(brings).argmax(axis=1))
    last = earlier(before, "lever", people)
    if last is not None:
        past = pd.Index(_LEVERS).get_indexer(pd.Index(last.astype(object)))
        own = np.take_along_axis(brings, np.maximum(past, 0)[:, None], axis=1)[:, 0]
        stays = (past >= 0) & (best >= 0) & (own > 0) & (brings.max(axis=1) <= own * (1.0 + settings.margin))
        best = np.where(stays, past, best)
    best = np.where((best >= 0) & ~(brings > 0).any(axis=1), len(_LEVERS), best)
    names = np.array([*_LEVERS, "none", "unknown"], dtype=object)
    return text_column(names[best], people.index)


def _reasons(found: pd.DataFrame) -> pd.Series:
    lever = found["lever"]
    no_category = found["cross_sell_potential"].isna()
    referral = found["referral_potential"].fillna(0.0) > found["cross_sell_potential"].fillna(0.0)
    up = found["up_sell_potential"].fillna(0.0) > found["growth_deeper"].fillna(0.0)
    wider, longer, deeper = (lever == name for name in _LEVERS)
    return chosen(
        found.index,
        [
            lever == "unknown",
            wider & referral,
            wider,
            longer & no_category,
            longer,
            deeper & up,
            deeper & no_category,
            deeper,
        ],
        [
            "no_forecast",
            "referral",
            "cross_sell",
            "keep_no_category",
            "keep",
            "up_sell",
            "grow_no_category",
            "grow",
        ],
        default="none",
    )


_KEEP_EN: Final = "keeping brings most: {value_at_stake:,.0f} at stake"
_KEEP_ZH: Final = "挽留收益最大,在险价值 {value_at_stake:,.0f}"
_GROW_EN: Final = "growth in what is bought already brings most: {growth_deeper:,.0f} a year"
_GROW_ZH: Final = "已购品类的增长收益最大,每年 {growth_deeper:,.0f}"

GROWTH: Final = Framework(
    name="growth",
    texts={"en": "Growth potential and levers", "zh": "增值潜力与杠杆"},
    columns={
        "cross_sell_potential": {
            "en": "Margin expected next year from categories not bought lately",
            "zh": "近一年未购品类的预期年毛利(交叉销售)",
        },
        "up_sell_potential": {
            "en": "Margin expected next year from a higher price band",
            "zh": "升至更高价位的预期年毛利(追加销售)",
        },
        "referral_potential": {
            "en": "Lifetime value of the customers expected to be referred in a year",
            "zh": "一年内预期推荐客户的终生价值",
        },
        "growth_deeper": {
            "en": "Growth of yearly margin expected in what is bought already",
            "zh": "已购品类的预期年毛利增长",
        },
        "potential_value": {
            "en": "Potential value: cross-sell, up-sell, referrals and growth",
            "zh": "潜在价值:交叉销售、追加销售、推荐与增长之和",
        },
        "next_best_category": {"en": "Category most likely to be bought next", "zh": "最可能新购的品类"},
        "lever": {"en": "What brings most: wider, longer or deeper", "zh": "收益最大的杠杆:更宽、更远或更深"},
    },
    free_text=("next_best_category",),
    labels={
        "wider": {"en": "wider", "zh": "更宽"},
        "longer": {"en": "longer", "zh": "更远"},
        "deeper": {"en": "deeper", "zh": "更深"},
        "none": {"en": "none", "zh": "无"},
        **UNKNOWN,
    },
    settings=GrowthSettings(),
    cuts=_cuts,
    label=_label,
    reasons={
        "cross_sell": {
            "en": (
                "new categories bring most: {cross_sell_potential:,.0f} a year, "
                "next {next_best_category} ({next_category_probability:.0%})"
            ),
            "zh": (
                "新品类收益最大:每年 {cross_sell_potential:,.0f},"
                "首选 {next_best_category}({next_category_probability:.0%})"
            ),
        },
        "referral": {
            "en": "referrals bring most: {referral_potential:,.0f} a year",
            "zh": "推荐收益最大:每年 {referral_potential:,.0f}",
        },
        "keep": {
            "en": f"{_KEEP_EN}, new categories {{cross_sell_potential:,.0f}} a year",
            "zh": f"{_KEEP_ZH},新品类每年 {{cross_sell_potential:,.0f}}",
        },
        "keep_no_category": {
            "en": f"{_KEEP_EN}; orders tell no category",
            "zh": f"{_KEEP_ZH};订单未含品类",
        },
        "up_sell": {
            "en": "dearer goods bring most: {up_sell_potential:,.0f} a year ({next_band_probability:.0%})",
            "zh": "更高价位收益最大:每年 {up_sell_potential:,.0f}({next_band_probability:.0%})",
        },
        "grow": {
            "en": f"{_GROW_EN}, new categories {{cross_sell_potential:,.0f}}",
            "zh": f"{_GROW_ZH},新品类 {{cross_sell_potential:,.0f}}",
        },
        "grow_no_category": {
            "en": f"{_GROW_EN}; orders tell no category",
            "zh": f"{_GROW_ZH};订单未含品类",
        },
        "none": {
            "en": "nothing more is expected of this customer",
            "zh": "预计该客户没有进一步的增长空间",
        },
        "no_forecast": {"en": "no forecast for this customer", "zh": "该客户没有预测"},
    },
    source="orders, referrals",
    literature="Hwang, Jung & Suh (2004), An LTV model and customer segmentation based on customer value",
)
