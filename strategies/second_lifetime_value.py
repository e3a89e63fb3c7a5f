"""Second lifetime value: what regaining a lost customer is expected to bring, and the queue of those worth it.

second lifetime value = P(regained) · margin expected if regained − cost of trying

==================  ==========  ========================================================================
queue               zh          for whom
==================  ==========  ========================================================================
``regain``          赢回        lost, and expected to bring more than trying costs
``do_not_regain``   不再挽回    lost, and not expected to pay; or let go on purpose
``not_lost``        未流失      active or lapsed: they never enter the queue, and have no second lifetime yet
==================  ==========  ========================================================================

Examples
--------
>>> people = pd.DataFrame({"customer_id": list("abc"), "status": ["lost", "lost", "active"],
...                        "regain_probability": [0.2, 0.1, 0.9], "regain_margin": [300.0, 50.0, 500.0]})
>>> found = SECOND_LIFETIME_VALUE.label(people, {}, SecondLifetimeSettings(cost=10.0), None)
>>> found.columns.values.tolist()
[[50.0, 'regain'], [-5.0, 'do_not_regain'], [nan, 'not_lost']]
"""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from pydantic import BaseModel, ConfigDict, Field

from features.errors import InputError
from strategies.columns import Numbers, as_numbers, check_probability, chosen, known
from strategies.damping import MARGIN, damped_steps, earlier
from strategies.framework import UNKNOWN, Cuts, Found, Framework

__all__ = ["SECOND_LIFETIME_VALUE", "SecondLifetimeSettings", "second_lifetime_value"]


class SecondLifetimeSettings(BaseModel):
    """``[frameworks.second_lifetime_value]``: money that trying to regain one customer costs, regained or not.

    Left out, ``cost`` is what the cheapest offer for ``win_back`` costs. A column ``regain_cost`` of the customer table
    (of the offer meant for each) goes before it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    cost: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    margin: float = Field(default=MARGIN, ge=0, lt=1)


def second_lifetime_value(
    regain_probability: ArrayLike | pd.Series, regain_margin: ArrayLike | pd.Series, cost: ArrayLike | float
) -> Numbers:
    """Expected discounted margin of trying to regain.

    Parameters
    ----------
    regain_probability : column of float
        In [0, 1].
    regain_margin : column of float
        Discounted margin expected of a customer who is regained, in money.
    cost : column of float, or one number
        Money that trying costs, 0 or more.

    Returns
    -------
    array of float
        P · margin − cost; missing where anything is.

    Raises
    ------
    InputError
        A probability outside [0, 1], or a cost below 0.

    References
    ----------
    Stauss, B. and Friege, C. (1999). Regaining service customers. Journal of Service Research 1(4): the second
    lifetime value starts anew, and is not what is left of the first.

    Examples
    --------
    >>> second_lifetime_value([0.2, None], [300.0, 300.0], 10.0).tolist()
    [50.0, nan]
    """
    chance, money = as_numbers(regain_probability), as_numbers(regain_margin)
    price = np.broadcast_to(np.asarray(cost, dtype=np.float64), chance.shape)
    check_probability(chance, step="second lifetime value")
    if (price < 0).any():
        raise InputError(
            f"second lifetime value: a cost of {price.min():g} in {int((price < 0).sum())} of {len(price)} rows; "
            "give 0 or more"
        )
    return chance * money - price


def _label(
    people: pd.DataFrame, cuts: Cuts, settings: SecondLifetimeSettings, before: pd.DataFrame | None
) -> Found:
    index = people.index
    status = people["status"] if "status" in people.columns else pd.Series("unknown", index=index)
    lost, still = (status == "lost").to_numpy(bool), status.isin(["active", "lapsed"]).to_numpy()
    chance, money = known(people, "regain_probability"), known(people, "regain_margin")
    chance = np.where(lost, np.clip(chance, 0.0, 1.0), np.nan)
    own = known(people, "regain_cost")
    cost = np.where(np.isnan(own) | (own < 0), settings.cost or 0.0, own)
    value = second_lifetime_value(chance, money, cost)
    last = earlier(before, "regain_queue", people)
    # The return per unit of cost stands near 1 where trying just pays; without a cost any margin pays.
    with np.errstate(divide="ignore", invalid="ignore"):
        pay = np.where(
            cost > 0, (value + cost) / cost, np.where(value > 0, np.inf, np.where(value <= 0, 0.0, np.nan))
        )
    steps = damped_steps(pay, [1.0], ("do_not_regain", "regain"), before=last, margin=settings.margin)
    reason = chosen(
        index,
        [still, ~lost, _let_go(people), np.isnan(value), steps == "regain"],
        ["not_lost", "no_status", "let_go", "no_win_back_model", "pays"],
        default="does_not_pay",
    )
    queue = chosen(
        index,
        [reason == "pays", reason.isin(["does_not_pay", "let_go"]), still],
        ["regain", "do_not_regain", "not_lost"],
        default="unknown",
    )
    columns = {"second_lifetime_value": pd.Series(value, index=index), "regain_queue": queue}
    return Found(pd.DataFrame(columns), reason)


def _let_go(people: pd.DataFrame) -> np.ndarray:
    if "defection_reason" not in people.columns:
        return np.zeros(len(people), dtype=np.bool_)
    return (people["defection_reason"] == "pushed_on_purpose").to_numpy(dtype=bool, na_value=False)


SECOND_LIFETIME_VALUE: Final = Framework(
    name="second_lifetime_value",
    texts={"en": "Second lifetime value", "zh": "重生终身价值"},
    columns={
        "second_lifetime_value": {
            "en": "Margin expected of trying to regain, less its cost",
            "zh": "重生终身价值(减去挽回成本)",
        },
        "regain_queue": {"en": "Queue of lost customers", "zh": "流失客户挽回队列"},
    },
    labels={
        "regain": {"en": "regain", "zh": "赢回"},
        "do_not_regain": {"en": "do not regain", "zh": "不再挽回"},
        "not_lost": {"en": "not lost", "zh": "未流失"},
        **UNKNOWN,
    },
    settings=SecondLifetimeSettings(),
    label=_label,
    reasons={
        "pays": {
            "en": "{regain_probability:.0%} chance of a second life worth {regain_margin:,.0f}: "
            "{second_lifetime_value:,.0f} to expect after cost",
            "zh": "{regain_probability:.0%} 的概率重生,价值 {regain_margin:,.0f};"
            "扣除成本后预期 {second_lifetime_value:,.0f}",
        },
        "does_not_pay": {
            "en": "{regain_probability:.0%} chance of a second life worth {regain_margin:,.0f}: "
            "{second_lifetime_value:,.0f} after cost does not pay",
            "zh": "{regain_probability:.0%} 的概率重生,价值 {regain_margin:,.0f};"
            "扣除成本后 {second_lifetime_value:,.0f},不值得挽回",
        },
        "let_go": {"en": "we let this customer go on purpose", "zh": "该客户系我方主动放手"},
        "not_lost": {"en": "not lost: there is no second life yet", "zh": "尚未流失,无重生价值"},
        "no_status": {"en": "whether the customer is lost is not known", "zh": "是否流失未知"},
        "no_win_back_model": {
            "en": "no win-back model: too few customers have come back yet to learn from",
            "zh": "尚无挽回模型:回流客户过少,无法学习",
        },
    },
    literature="Stauss & Friege (1999), Regaining Service Customers, Journal of Service Research 1(4)",
)
