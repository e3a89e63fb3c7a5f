"""Pictures of an audit, drawn from its tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from features.pictures import BLUE, GREY, INK, ORANGE, blank, finished, svg
from serving.audit_texts import label_of

__all__ = ["audit_pictures"]

GREEN, RED = "#2f8f5b", "#b5482f"
_PARTS = (
    "before",
    "new",
    "new_segment",
    "regained",
    "lost",
    "returns_only",
    "orders",
    "breadth",
    "spend",
    "after",
)
_CHINESE: dict[str, str] = {
    "tenth of the customers, best first": "客户十等分(从好到差)",
    "share of revenue": "收入占比",
    "share of margin": "毛利占比",
    "revenue": "收入",
    "margin": "毛利",
    "all alike": "完全平均",
    "share of customers, poorest first": "客户占比(从低到高)",
    "share of value": "价值占比",
    "steps since the first purchase": "首购以来的期数",
    "share active": "活跃占比",
    "revenue so far per customer": "人均累计收入",
    "not over yet": "尚未结束",
    "equity": "客户资产",
    **{label_of(part)["en"]: label_of(part)["zh"] for part in _PARTS},
}
_SHOWN_COHORTS = 8

Tables = Mapping[str, pd.DataFrame]


def audit_pictures(tables: Tables) -> dict[str, str]:
    """SVG texts by the name of the table they belong to; the words are text in both languages.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        Those of `serving.audit.Audit`.
    """
    draw: dict[str, Callable[[Tables], Figure]] = {
        "tenths": _tenths,
        "bridge": _bridge,
        "one_cohort": _one_cohort,
        "cohorts_compared": _compared,
        "whole_base": _whole_base,
        "concentration": _lorenz,
    }
    return {name: svg(name, make(tables), _CHINESE) for name, make in draw.items()}


def _tenths(tables: Tables) -> Figure:
    found = tables["tenths"]
    found = found[(found["by"] == "revenue") & (found["tenth"] > 0)]
    figure, axes = blank("tenth of the customers, best first", "")
    places = found["tenth"].to_numpy(np.float64)
    axes.bar(places - 0.2, found["revenue_share"], width=0.4, color=BLUE, label="share of revenue")
    axes.bar(places + 0.2, found["margin_share"], width=0.4, color=ORANGE, label="share of margin")
    axes.set_xticks(range(1, 11))
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    return finished(figure, axes)


def _bridge(tables: Tables) -> Figure:
    """A waterfall from the revenue before to the revenue after."""
    steps = tables["bridge"]
    steps = steps[steps["part"].isin(["before", "after"]) | (steps["amount"] != 0)]
    figure, axes = blank("", "revenue")
    amounts = steps["amount"].to_numpy(np.float64)
    ends = np.cumsum(amounts)
    bottoms = np.where(steps["part"].isin(["before", "after"]), 0.0, ends - amounts)
    colours = [_bar_colour(part, amount) for part, amount in zip(steps["part"], amounts, strict=True)]
    places = np.arange(len(steps))
    axes.bar(places, amounts, bottom=bottoms, color=colours, width=0.65)
    axes.set_xticks(places, [label_of(part)["en"] for part in steps["part"]], rotation=35, ha="right")
    axes.yaxis.set_major_formatter("{x:,.10g}")
    axes.axhline(0, color=INK, linewidth=0.8)
    heights = ends[:-1]  # the last bar stands on the ground, not on the others
    axes.set_ylim(1.05 * min(0.0, float(heights.min())), 1.05 * max(0.0, float(heights.max())))
    return figure


def _bar_colour(part: str, amount: float) -> str:
    return GREY if part in ("before", "after") else GREEN if amount > 0 else RED


def _one_cohort(tables: Tables) -> Figure:
    life = tables["one_cohort"]
    life = life[life["age"] >= 0]
    figure, axes = blank("steps since the first purchase", "share active")
    done = life[life["complete"]]
    axes.plot(done["age"], done["active_share"], "o-", color=BLUE, label="share active")
    open_ = life[~life["complete"]]
    if len(open_):
        axes.plot(open_["age"], open_["active_share"], "o", color=BLUE, mfc="white", label="not over yet")
    axes.set_ylim(0, 1.05)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    more = axes.twinx()
    more.plot(
        life["age"], life["revenue_so_far_per_customer"], color=ORANGE, label="revenue so far per customer"
    )
    more.set_ylabel("revenue so far per customer", color=INK)
    more.set_ylim(bottom=min(0.0, float(life["revenue_so_far_per_customer"].min())))
    more.yaxis.set_major_formatter("{x:,.10g}")
    more.spines[["top"]].set_visible(False)
    lines = [*axes.get_lines(), *more.get_lines()]
    axes.legend(
        lines, [str(line.get_label()) for line in lines], frameon=False, fontsize=8.5, loc="center right"
    )
    return figure


def _compared(tables: Tables) -> Figure:
    """Revenue so far by age, the latest cohorts in the strongest colour."""
    found = tables["cohorts_compared"]
    names = sorted(found["cohort"].unique())
    chosen = [name for name in names if (found["cohort"] == name).sum() > 1][-_SHOWN_COHORTS:]
    figure, axes = blank("steps since the first purchase", "revenue so far per customer")
    for name, colour in zip(chosen, _shades(len(chosen)), strict=True):
        life = found[found["cohort"] == name]
        axes.plot(life["age"], life["revenue_so_far_per_customer"], "o-", ms=3, color=colour, label=name)
    axes.yaxis.set_major_formatter("{x:,.10g}")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    return finished(figure, axes) if chosen else figure


def _whole_base(tables: Tables) -> Figure:
    """The customer cohort chart: revenue by period, one band for each cohort."""
    found = tables["whole_base"]
    cohorts = [name for name in found.columns if name in set(tables["cohorts"]["cohort"]) and name != "none"]
    figure, axes = blank("", "revenue")
    places, bottom = np.arange(len(found)), np.zeros(len(found))
    for name, colour in zip(cohorts, _shades(len(cohorts)), strict=True):
        # Returns alone would draw a band below zero; it is cut off here and stands in the table.
        height = np.maximum(found[name].to_numpy(np.float64), 0.0)
        axes.bar(places, height, bottom=bottom, width=0.92, color=colour, label=name)
        bottom += height
    axes.set_ylim(0.0, 1.08 * max(1.0, float(bottom.max())))
    every = max(1, len(found) // 8)
    axes.set_xticks(places[::every], found["period"].to_numpy()[::every], rotation=35, ha="right")
    axes.yaxis.set_major_formatter("{x:,.10g}")
    handles, labels = axes.get_legend_handles_labels()
    thinned = max(1, -(-len(labels) // _SHOWN_COHORTS))
    axes.legend(handles[::-thinned], labels[::-thinned], frameon=False, fontsize=7.5, loc="upper left")
    return figure


def _lorenz(tables: Tables) -> Figure:
    found = tables["lorenz"]
    figure, axes = blank("share of customers, poorest first", "share of value")
    axes.plot([0, 1], [0, 1], color=GREY, linestyle="--", linewidth=1, label="all alike")
    for name, colour in (("revenue", BLUE), ("margin", ORANGE)):
        curve = found[(found["value"] == name) & (found["over"] == "period")]
        axes.plot(curve["customer_share"], curve["value_share"], color=colour, linewidth=1.8, label=name)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    return finished(figure, axes)


def _shades(count: int) -> list[str]:
    """Colours from pale to strong, oldest first."""
    return [to_hex(colormaps["viridis"](place)) for place in np.linspace(0.92, 0.08, max(1, count))][:count]
