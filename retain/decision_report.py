"""What a run of decisions says on the screen and in JSON."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from retain.results_report import records

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import RenderableType
    from rich.table import Table

    from serving.decide import Decided, Policy
    from serving.segments import Segments
    from strategies.framework import Language

__all__ = ["document", "told"]

_WORDS: dict[str, dict[str, str]] = {
    "en": {
        "columns": "offer;channel;customers;cost;expected gain;effect;known by",
        "assumed": "assumed",
        "measured": "measured",
        "stopped": "stopped: measured to do harm",
        "total": "{made:,} of {all:,} customers are made an offer for {cost:,.2f} {currency}; expected gain {gain:,.2f}",
        "arms": "{held:,} held out and {explored:,} exploring by lot, so that the results can be read later",
        "simpler": "without the lot {planned:,.2f}, at least {share:.1%} of the best possible within the limits; "
        "handing out by value earns {value:,.2f}, by return {return:,.2f}, by risk {risk:,.2f}",
        "next": "the next {step:,.0f} spent earns at most {earns:,.2f}; from {best:,.2f} on, more money earns nothing",
        "enough": "money is no limit: {best:,.2f} is the best campaign size",
        "written": "{place}: the work queue",
        "dry": "a dry run: nothing was written or logged",
        "aside": "{count:,} customers want no contact and were left out",
        "fair": "{attribute}: {offer} goes to {rate:.1%} of {group}, {ratio:.2f} of the rate of the group that gets it "
        "most; the attribute decided nothing, but somebody should look why",
    },
    "zh": {
        "columns": "优惠;渠道;客户数;成本;预期收益;效果;依据",
        "assumed": "假设",
        "measured": "实测",
        "stopped": "已停用:实测有害",
        "total": "{all:,} 位客户中 {made:,} 位获得优惠,成本 {cost:,.2f} {currency};预期收益 {gain:,.2f}",
        "arms": "随机留出 {held:,} 位、探索 {explored:,} 位,以便事后评估",
        "simpler": "若不抽签为 {planned:,.2f},至少达约束内最优的 {share:.1%};"
        "同样约束下按价值 {value:,.2f},按回报率 {return:,.2f},按风险 {risk:,.2f}",
        "next": "再花 {step:,.0f} 最多增收 {earns:,.2f};超过 {best:,.2f} 后不再增收",
        "enough": "预算不构成限制:最佳规模为 {best:,.2f}",
        "written": "{place}:工作清单",
        "dry": "试运行:未写入任何内容",
        "aside": "{count:,} 位客户拒绝联系,已排除",
        "fair": "{attribute}:{group} 中有 {rate:.1%} 获得 {offer},仅为最高组的 {ratio:.2f};"
        "决策未使用该属性,但应有人查明原因",
    },
}
_STEP = 1_000.0


def document(
    found: Decided, segments: Segments, run_id: str, written: Path | None, fair: pd.DataFrame
) -> dict[str, Any]:
    """The run as plain values."""
    rows = found.rows
    offers = rows.groupby("offer", sort=True).agg(
        customers=("offer", "size"), cost=("cost", "sum"), expected_gain=("expected_gain", "sum")
    )
    beliefs = found.beliefs.set_index("offer").to_dict("index")
    return {
        "run_id": run_id,
        "as_of": segments.as_of.isoformat(),
        "policy_version": str(rows["policy_version"].iloc[0]),
        "customers": len(rows),
        "opted_out": segments.opted_out,
        "offers": {
            str(code): {**row, **beliefs.get(code, {})} for code, row in offers.to_dict("index").items()
        },
        "arms": {str(arm): int(n) for arm, n in rows["arm"].value_counts().items()},
        "strategies": {str(s): int(n) for s, n in rows["strategy"].value_counts().items()},
        "cost": float(rows["cost"].sum()),
        "expected_gain": float(rows["expected_gain"].sum()),
        "planned": {
            "cost": found.allocation.spent,
            "expected_gain": found.allocation.total_gain,
            "bound": found.allocation.bound,
        },
        "simpler": found.simpler,
        "curve": found.curve.points.to_dict("records"),
        "best_budget": found.curve.best_budget,
        "fairness": records(fair),
        "file": None if written is None else str(written),
    }


def told(
    found: Decided,
    segments: Segments,
    policy: Policy,
    written: Path | None,
    fair: pd.DataFrame,
    *,
    lang: Language,
    currency: str,
) -> list[RenderableType]:
    """The table of offers and what is to be said of the run."""
    words, rows, planned = _WORDS[lang], found.rows, found.allocation
    arms = rows["arm"].value_counts()
    share = planned.total_gain / planned.bound if planned.bound > 0 else 1.0
    lines = [
        words["total"].format(
            made=int((rows["offer"] != "leave_alone").sum()),
            all=len(rows),
            cost=float(rows["cost"].sum()),
            currency=currency,
            gain=float(rows["expected_gain"].sum()),
        ),
        words["arms"].format(held=arms.get("hold_out", 0), explored=arms.get("explore", 0)),
        words["simpler"].format(planned=planned.total_gain, share=share, **found.simpler),
        _next_money(found, policy, words),
    ]
    lines += [
        words["fair"].format(**{str(k): v for k, v in one.items()})
        for one in fair[fair["alarm"]].to_dict("records")
    ]
    if segments.opted_out:
        lines.append(words["aside"].format(count=segments.opted_out))
    lines.append(words["dry"] if written is None else words["written"].format(place=written))
    return [_table(found, policy, words, lang), "\n".join(lines)]


def _next_money(found: Decided, policy: Policy, words: dict[str, str]) -> str:
    """What the next money earns; from the price of the budget."""
    price = found.allocation.prices.get(("budget", ""), 0.0)
    if policy.settings.budget is None or price <= 0:
        return words["enough"].format(best=found.curve.best_budget)
    missing = max(0.0, found.curve.best.bound - found.allocation.total_gain)
    return words["next"].format(step=_STEP, earns=min(price * _STEP, missing), best=found.curve.best_budget)


def _table(found: Decided, policy: Policy, words: dict[str, str], lang: Language) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD)
    for place, heading in enumerate(words["columns"].split(";")):
        table.add_column(heading, justify="left" if place < 2 or place > 5 else "right")
    given = found.rows.groupby("offer").agg(
        n=("offer", "size"), cost=("cost", "sum"), gain=("expected_gain", "sum")
    )
    for one, belief in zip(policy.catalogue.offers, found.beliefs.to_dict("records"), strict=True):
        n, cost, gain = given.loc[one.code] if one.code in given.index else (0, 0.0, 0.0)
        source = words["stopped"] if belief["stop"] else words[belief["effect_source"]]
        effect = f"{belief['effect']:.1%} [{belief['effect_low']:.1%}, {belief['effect_high']:.1%}]"
        name = one.text_en if lang == "en" else one.text_zh
        table.add_row(
            name or one.code, one.channel, f"{n:,.0f}", f"{cost:,.2f}", f"{gain:,.2f}", effect, source
        )
    return table
