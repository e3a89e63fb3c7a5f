"""Portfolio matrix: customers as a portfolio of stars, cash cows, question marks and dogs.

==========================  ==================  ====================
customer's attractiveness   we are weak         we are strong
==========================  ==================  ====================
high                        ``question_mark``   ``star``
                            问题客户            明星客户
low                         ``dog``             ``cash_cow``
                            灰狗客户            金牛客户
==========================  ==================  ====================

Strength is our share of the customer's wallet; where the wallet is not known, the mean of the ranks of breadth
(categories, else products) and tenure. Attractiveness is the mean of the ranks of size (expected margin of the next
year) and growth (growth potential).

Examples
--------
>>> people = pd.DataFrame({"customer_id": list("ab"), "tenure_days": [900.0, 10.0], "products": [9.0, 1.0],
...                        "expected_margin_365d": [10.0, 500.0], "growth_potential": [0.0, 300.0]})
>>> cuts = PORTFOLIO.cuts(people, PORTFOLIO.settings)
>>> PORTFOLIO.label(people, cuts, PORTFOLIO.settings, None).columns["portfolio_cell"].tolist()
['cash_cow', 'question_mark']
"""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

from strategies.columns import Numbers, chosen
from strategies.damping import MARGIN
from strategies.framework import UNKNOWN, Cuts, Found, Framework
from strategies.matrix import Axis, cells
from strategies.ranks import mean_rank, rank_cuts, rank_in

__all__ = ["PORTFOLIO", "PortfolioSettings"]

_CELLS: Final = {
    "dog": ("low", "low"),
    "question_mark": ("low", "high"),
    "cash_cow": ("high", "low"),
    "star": ("high", "high"),
}
_STRENGTH: Final = (("categories", "products"), ("tenure_days",))
_ATTRACTION: Final = (("expected_margin_365d", "current_value"), ("growth_potential",))


class PortfolioSettings(BaseModel):
    """``[frameworks.portfolio]``: rank in (0, 1) above which strength and attractiveness are high."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    strong: float = Field(default=0.5, gt=0, lt=1)
    attractive: float = Field(default=0.5, gt=0, lt=1)
    margin: float = Field(default=MARGIN, ge=0, lt=1)


def _first(people: pd.DataFrame, names: tuple[str, ...]) -> str | None:
    """The first of the columns that is there and says something."""
    return next((n for n in names if n in people and people[n].notna().any()), None)


def _cuts(people: pd.DataFrame, settings: PortfolioSettings) -> dict[str, float]:
    found: dict[str, float] = {}
    for names in (("wallet_share",), *_STRENGTH, *_ATTRACTION):
        name = _first(people, names)
        if name is not None and name != "wallet_share":
            found |= rank_cuts(name, people[name])
    return found


def _score(people: pd.DataFrame, parts: tuple[tuple[str, ...], ...], cuts: Cuts) -> Numbers:
    ranks = []
    for names in parts:
        known = [n for n in names if n in people and f"{n}_00" in cuts]
        if known:
            ranks.append(rank_in(known[0], people[known[0]], cuts))
    return mean_rank(ranks) if ranks else np.full(len(people), np.nan)


def _label(
    people: pd.DataFrame, cuts: Cuts, settings: PortfolioSettings, before: pd.DataFrame | None
) -> Found:
    own = _score(people, _STRENGTH, cuts)
    if "wallet_share" in people:
        wallet = people["wallet_share"].to_numpy(np.float64, na_value=np.nan)
        own = np.where(np.isnan(wallet), own, wallet)
    strength = pd.Series(own, index=people.index)
    attraction = pd.Series(_score(people, _ATTRACTION, cuts), index=people.index)
    axes = (Axis(strength, settings.strong), Axis(attraction, settings.attractive))
    cell = cells("portfolio_cell", people, _CELLS, axes, before=before, margin=settings.margin)
    columns = pd.DataFrame(
        {"portfolio_cell": cell, "strength": strength, "attractiveness": attraction}, index=people.index
    )
    reason = chosen(people.index, [cell == "unknown"], ["no_ranks"], default="by_ranks")
    return Found(columns, reason)


PORTFOLIO: Final = Framework(
    name="portfolio",
    texts={"en": "Portfolio matrix", "zh": "客户组合矩阵"},
    columns={
        "portfolio_cell": {"en": "Cell of the portfolio matrix", "zh": "客户组合矩阵单元"},
        "strength": {"en": "Our strength with the customer, 0 to 1", "zh": "我方优势(0 至 1)"},
        "attractiveness": {"en": "The customer's attractiveness, 0 to 1", "zh": "客户吸引力(0 至 1)"},
    },
    labels={
        "star": {"en": "star", "zh": "明星客户"},
        "cash_cow": {"en": "cash cow", "zh": "金牛客户"},
        "question_mark": {"en": "question mark", "zh": "问题客户"},
        "dog": {"en": "dog", "zh": "灰狗客户"},
        **UNKNOWN,
    },
    settings=PortfolioSettings(),
    cuts=_cuts,
    label=_label,
    reasons={
        "by_ranks": {
            "en": "strength {strength:.2f} and attractiveness {attractiveness:.2f} of 1",
            "zh": "我方优势 {strength:.2f},客户吸引力 {attractiveness:.2f}(满分 1)",
        },
        "no_ranks": {
            "en": "neither wallet nor breadth and tenure, or no expected margin, are known",
            "zh": "钱包份额、购买广度与关系时长,或预期毛利未知",
        },
    },
    literature="Fiocca (1982), Account portfolio analysis; after the Boston Consulting Group matrix",
)
