"""Pictures of the quality card, drawn from its JSON alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from features.pictures import BLUE, GREY, INK, ORANGE, blank, finished, svg

__all__ = ["card_pictures", "picture_files"]

_COLOURS = {"retain": BLUE, "recency_rule": "#8a8a8a", "carry_forward": "#b9a46b", "closed_form": ORANGE}
_LABELS = {"retain": "this model", "carry_forward": "carry-forward", "closed_form": "closed-form BTYD"}
_CHINESE = {
    "this model": "本模型",
    "recency rule": "近期规则",
    "carry-forward": "沿用过去",
    "closed-form BTYD": "闭式 BTYD",
    "perfect choice": "完美选择",
    "random choice": "随机选择",
    "random": "随机",
    "budget": "预算",
    "right on average": "平均正确",
    "this model, by bin": "本模型(分组)",
    "share of customers contacted": "联系客户的比例",
    "profit, money per 1,000 customers": "每千名客户利润",
    "share of customers, highest probability first": "客户比例(概率从高到低)",
    "share of leavers found": "找到的流失客户比例",
    "predicted probability": "预测概率",
    "share that left": "实际流失比例",
    "ranking quality, 0 to 100": "排序质量(0 至 100)",
}


def card_pictures(card: Mapping[str, Any]) -> dict[str, str]:
    """SVG texts by name: ``profit``, ``gains``, ``calibration``, ``by_day``; one without data is left out.

    Parameters
    ----------
    card : mapping
        `QualityCard.to_json`.
    """
    draw: dict[str, Callable[[Mapping[str, Any]], Figure]] = {
        "profit": _profit,
        "gains": _gains,
        "calibration": _calibration,
        "by_day": _by_day,
    }
    return {
        name: svg(name, make(card), _CHINESE) for name, make in draw.items() if card["pictures"].get(name)
    }


def picture_files(card: Mapping[str, Any]) -> dict[str, str]:
    """The same pictures as files of their own, by file name, with English words only."""
    style = "<style>.zh { display: none }</style><defs>"
    return {f"{name}.svg": svg.replace("<defs>", style, 1) for name, svg in card_pictures(card).items()}


def _profit(card: Mapping[str, Any]) -> Figure:
    figure, axes = blank("share of customers contacted", "profit, money per 1,000 customers")
    curves = card["pictures"]["profit"]
    grid = np.linspace(0.0, 1.0, len(curves["retain"]))
    axes.plot(grid, curves["perfect"], color=GREY, linestyle=":", label="perfect choice")
    axes.plot(grid, curves["retain"], color=BLUE, linewidth=2, label="this model")
    axes.plot(grid, curves["random"], color=GREY, linestyle="--", linewidth=1, label="random choice")
    axes.axvline(card["campaign"]["budget_share"], color=ORANGE, linewidth=1, label="budget")
    axes.yaxis.set_major_formatter("{x:,.10g}")
    return finished(figure, axes)


def _gains(card: Mapping[str, Any]) -> Figure:
    figure, axes = blank("share of customers, highest probability first", "share of leavers found")
    for name, curve in card["pictures"]["gains"].items():
        width = 2.0 if name == "retain" else 1.2
        grid = np.linspace(0.0, 1.0, len(curve))
        axes.plot(grid, curve, color=_COLOURS.get(name, INK), linewidth=width, label=_label(name))
    axes.plot([0, 1], [0, 1], color=GREY, linestyle="--", linewidth=1, label="random")
    axes.set(xlim=(0, 1), ylim=(0, 1.02))
    return finished(figure, axes)


def _calibration(card: Mapping[str, Any]) -> Figure:
    figure, axes = blank("predicted probability", "share that left")
    bins = card["pictures"]["calibration"]
    said, came, rows = (np.array([b[key] for b in bins]) for key in ("probability", "churned", "rows"))
    # Two binomial standard errors: what chance alone would do to a bin of this size.
    slack = 2.0 * np.sqrt(said * (1.0 - said) / rows)
    axes.plot([0, 1], [0, 1], color=GREY, linestyle="--", linewidth=1, label="right on average")
    axes.errorbar(said, came, yerr=slack, color=BLUE, marker="o", capsize=2, label="this model, by bin")
    axes.set(xlim=(0, 1), ylim=(0, 1))
    return finished(figure, axes)


def _by_day(card: Mapping[str, Any]) -> Figure:
    figure, axes = blank("", "ranking quality, 0 to 100")
    days = [m["day"] for m in card["meetings"]]
    for name, values in card["pictures"]["by_day"].items():
        shown = [np.nan if v is None else v for v in values]
        width = 2.0 if name == "retain" else 1.2
        axes.plot(
            range(len(days)), shown, "o-", color=_COLOURS.get(name, INK), linewidth=width, label=_label(name)
        )
    axes.set_xticks(range(len(days)), days)
    axes.set_ylim(top=100)
    return finished(figure, axes)


def _label(name: str) -> str:
    return _LABELS.get(name, name.replace("_", " "))
