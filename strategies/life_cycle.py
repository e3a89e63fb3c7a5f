"""Life cycle of the relationship: awareness, exploration, expansion, commitment, dissolution.

==================  =======  ==================================================================================
stage               zh       shown by
==================  =======  ==================================================================================
``awareness``       认知     known, no purchase yet
``exploration``     考察     few purchases, or irregular ones that do not grow
``expansion``       形成     spend of the last half year clearly above the half year before
``commitment``      稳定     many purchases at the customer's own steady rhythm, over a year or more
``dissolution``     退化     the own rhythm is broken: silent for much longer than usual and longer than ever before;
                             or overdue, and spend has fallen to half; a one-time buyer beyond the lapse
==================  =======  ==================================================================================

Dissolution can follow any stage; ``degraded_from`` keeps the stage it fell from.

Examples
--------
>>> people = pd.DataFrame({"customer_id": list("abc"), "purchase_days": [2.0, 20.0, 20.0], "irregularity": [0.1, 0.4, 0.4],
...     "T": [40.0, 700.0, 700.0], "overdue_ratio": [0.5, 0.5, 3.0], "overdue_max_ratio": [0.4, 0.3, 1.8],
...     "spend_180d": [50.0, 300.0, 90.0], "spend_change_180d": [50.0, 10.0, -200.0], "days_since_last": [9.0, 9.0, 99.0],
...     "status": ["active", "active", "lapsed"]})
>>> LIFE_CYCLE.label(people, {}, LIFE_CYCLE.settings, None).columns.values.tolist()
[['exploration', 'none'], ['commitment', 'none'], ['dissolution', 'commitment']]
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

from strategies.columns import Columns, Flags, Labels, Numbers, Places
from strategies.damping import MARGIN, damped_places, earlier
from strategies.framework import UNKNOWN, Cuts, Found, Framework

__all__ = ["GONE", "LIFE_CYCLE", "STAGES", "LifeCycle", "LifeCycleSettings", "life_cycle"]

STAGES: Final = ("awareness", "exploration", "expansion", "commitment", "dissolution", "unknown")
GONE: Final = ("lapsed", "lost")
"""Statuses of who has been silent for long."""
_KNOWN: Final = ("unknown", "awareness", "unknown", "dissolution")
_STANDING: Final = ("exploration", "expansion", "commitment", "exploration")
_BROKEN: Final = ("dissolution_silent", "dissolution_fallen", "dissolution_once", "")
_NEEDED: Final = ("purchase_days", "days_since_last", "spend_180d", "spend_change_180d", "T")


class LifeCycleSettings(BaseModel):
    """``[frameworks.life_cycle]``: where one stage ends and the next begins.

    ``few`` purchase days are still exploration; ``overdue`` is the ratio of silence to the own usual gap from which
    the rhythm is broken; ``growth`` the rise of half-year spend from which a relationship expands; ``steady`` the
    largest irregularity (spread over mean of gaps) of a steady rhythm; ``committed_days`` the least time known.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    few: int = Field(default=3, ge=1)
    overdue: float = Field(default=2.0, gt=1)
    fallen: float = Field(default=0.5, gt=0, lt=1)
    growth: float = Field(default=0.25, gt=0)
    steady: float = Field(default=1.0, gt=0)
    committed_days: int = Field(default=365, ge=1)
    margin: float = Field(default=MARGIN, ge=0, lt=1)


@dataclass(frozen=True)
class LifeCycle:
    """What the purchases of customers tell.

    Parameters
    ----------
    stage : Labels
        Of `STAGES`.
    standing : Labels
        The stage but for the silence.
    broken : Labels
        Why the relationship dissolves, as a reason code; empty where it does not.
    """

    stage: Labels
    standing: Labels
    broken: Labels


def life_cycle(
    people: Columns, gone: Flags, settings: LifeCycleSettings, last: Places | None = None
) -> LifeCycle:
    """The stage of each customer.

    Parameters
    ----------
    people : Columns
        Features of customers; what is missing makes the stage unknown.
    gone : array of bool
        Whose status is one of `GONE`.
    settings : LifeCycleSettings
    last : array of int, optional
        Place in `STAGES` of the last run's stage, −1 for who was not in it.

    Examples
    --------
    >>> once = {"purchase_days": 1.0, "days_since_last": 99.0, "spend_180d": 9.0, "spend_change_180d": 9.0, "T": 99.0}
    >>> people = Columns({name: np.array([value]) for name, value in once.items()}, 1)
    >>> [life_cycle(people, np.array([flag]), LifeCycleSettings()).stage.texts() for flag in (False, True)]
    [['exploration'], ['dissolution']]
    """
    grown = _grown(people)
    broken = _broken(people, grown, gone, settings, last)
    bought = people["purchase_days"]
    incomplete = np.logical_or.reduce([np.isnan(people[name]) for name in _NEEDED])
    known = [np.isnan(bought), bought < 1, incomplete, ~broken.among("")]
    standing = _standing(people, grown, settings, last)
    return LifeCycle(
        Labels.first((*_KNOWN, *_STANDING), [*known, *standing]), Labels.first(_STANDING, standing), broken
    )


def _label(
    people: pd.DataFrame, cuts: Cuts, settings: LifeCycleSettings, before: pd.DataFrame | None
) -> Found:
    last = earlier(before, "lifecycle_stage", people)
    gone = np.zeros(len(people), dtype=np.bool_)
    if "status" in people.columns:
        gone = people["status"].isin(GONE).to_numpy(np.bool_)
    found = life_cycle(Columns.of(people), gone, settings, None if last is None else _places(last))
    left = found.stage.among("dissolution")
    columns = {
        "lifecycle_stage": found.stage.column(people.index),
        "degraded_from": _degraded_from(people, left, found.standing, before),
    }
    codes = tuple("no_history" if word == "unknown" else word for word in found.stage.words)
    reason = Labels(codes, found.stage.places).column(people.index)
    return Found(pd.DataFrame(columns), reason.where(~left, found.broken.column(people.index)))


def _places(last: pd.Series) -> Places:
    return pd.Index(STAGES).get_indexer(pd.Index(last.astype(object)))


def _grown(people: Columns) -> Numbers:
    """Rise of half-year spend, −1 when all is gone; 1 where there was none before."""
    now, change = people["spend_180d"], people["spend_change_180d"]
    past = now - change
    with np.errstate(divide="ignore", invalid="ignore"):
        rise = np.where(past > 0, change / past, np.where(now > 0, 1.0, 0.0))
    return np.where(np.isnan(change), np.nan, np.minimum(np.maximum(rise, -1.0), 1.0))


def _standing(
    people: Columns, grown: Numbers, settings: LifeCycleSettings, last: Places | None
) -> list[Flags]:
    """The conditions of `_STANDING`: the number, growth and steadiness of purchases, but for the silence."""
    few = people["purchase_days"] <= settings.few
    # Exploration and commitment stay, expansion grows; another stage is no memory of growth.
    past = None if last is None else np.array([-1, 0, 1, 0, -1, -1, -1])[last]
    grows = damped_places(grown, [settings.growth], past=past, margin=settings.margin) == 1
    steady = (people["irregularity"] <= settings.steady) & (people["T"] >= settings.committed_days)
    return [few, grows, steady]


def _broken(
    people: Columns, grown: Numbers, gone: Flags, settings: LifeCycleSettings, last: Places | None
) -> Labels:
    """Why the relationship dissolves, as a reason code; empty where it does not."""
    past = None if last is None else (last == STAGES.index("dissolution")).astype(np.intp)
    overdue = people["overdue_ratio"]
    silent = damped_places(overdue, [settings.overdue], past=past, margin=settings.margin) == 1
    longest = people["overdue_max_ratio"] > 1
    fallen = (grown <= -settings.fallen) & (overdue > 1)
    return Labels.first(_BROKEN, [silent & longest, fallen, (people["purchase_days"] == 1) & gone])


def _degraded_from(
    people: pd.DataFrame, left: Flags, standing: Labels, before: pd.DataFrame | None
) -> pd.Series:
    """The stage of the last run that was no dissolution; without a memory, what the purchases look like."""
    found = standing.column(people.index).astype(object)
    for column in ("degraded_from", "lifecycle_stage"):
        last = earlier(before, column, people)
        if last is not None:
            found = last.where(last.isin(STAGES[:4]), found)
    return found.where(left, "none").astype("str")


_LABELS: Final = {
    "awareness": {"en": "awareness", "zh": "认知期"},
    "exploration": {"en": "exploration", "zh": "考察期"},
    "expansion": {"en": "expansion", "zh": "形成期"},
    "commitment": {"en": "commitment", "zh": "稳定期"},
    "dissolution": {"en": "dissolution", "zh": "退化期"},
    "none": {"en": "none", "zh": "无"},
    **UNKNOWN,
}

LIFE_CYCLE: Final = Framework(
    name="life_cycle",
    texts={"en": "Life cycle", "zh": "客户关系生命周期"},
    columns={
        "lifecycle_stage": {"en": "Stage of the relationship", "zh": "关系生命周期阶段"},
        "degraded_from": {"en": "Stage it fell from", "zh": "退化前阶段"},
    },
    labels=_LABELS,
    settings=LifeCycleSettings(),
    label=_label,
    reasons={
        "awareness": {"en": "known, no purchase yet", "zh": "已知客户,尚无购买"},
        "exploration": {
            "en": "{purchase_days:.0f} purchase days, rhythm not steady yet",
            "zh": "购买 {purchase_days:.0f} 天,节奏尚未稳定",
        },
        "expansion": {
            "en": "spend of the last half year {spend_180d:,.0f}, {spend_change_180d:+,.0f} on the half year before",
            "zh": "近半年消费 {spend_180d:,.0f},较前半年 {spend_change_180d:+,.0f}",
        },
        "commitment": {
            "en": "{purchase_days:.0f} purchase days over {T:.0f} days at a steady rhythm",
            "zh": "{T:.0f} 天内购买 {purchase_days:.0f} 天,节奏稳定",
        },
        "dissolution_silent": {
            "en": "no purchase for {days_since_last:.0f} days, {overdue_ratio:.1f} usual gaps and longer than ever",
            "zh": "已 {days_since_last:.0f} 天未购买,为通常间隔的 {overdue_ratio:.1f} 倍,且为历史最长",
        },
        "dissolution_fallen": {
            "en": "overdue, and spend of the last half year fell by {spend_change_180d:,.0f} to {spend_180d:,.0f}",
            "zh": "已逾期,近半年消费变动 {spend_change_180d:,.0f},降至 {spend_180d:,.0f}",
        },
        "dissolution_once": {
            "en": "bought once, {days_since_last:.0f} days ago",
            "zh": "仅购买一次,距今 {days_since_last:.0f} 天",
        },
        "no_history": {"en": "the purchase history is not known", "zh": "购买历史未知"},
    },
    literature="Dwyer, Schurr & Oh (1987), Developing Buyer-Seller Relationships, Journal of Marketing 51(2)",
)
