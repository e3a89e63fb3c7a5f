"""The quality card as one page of HTML: no script, nothing from elsewhere, drawn from the card's JSON alone.

English and Chinese are both in the page; two radio buttons and style rules choose which one shows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from features.html_page import Text, both, document, figures, plain_table, warning
from training.card_plots import card_pictures
from training.card_style import STYLE

__all__ = ["card_page"]

_TITLES: dict[str, Text] = {
    "profit": {"en": "Profit by share contacted", "zh": "利润与联系比例"},
    "gains": {"en": "Leavers found", "zh": "找到的流失客户"},
    "calibration": {"en": "Probability against what came", "zh": "概率与实际"},
    "by_day": {"en": "Ranking quality by day", "zh": "各回测日排序质量"},
}


def card_page(card: Mapping[str, Any], *, version: str = "") -> str:
    """The page of a card.

    Parameters
    ----------
    card : mapping
        `QualityCard.to_json`, or what `card.json` of a bundle has under ``quality``.
    version : str, optional
        Version of the model, shown in the head.

    Returns
    -------
    str
        A whole HTML document.
    """
    pictures = card_pictures(card)
    body = [
        _head(card, version),
        *(warning(s["text"]) for s in card["suspect"]),
        *(_note(c["text"]) for c in card["caps"] if c["reason"] != "suspect"),
        *(_part(part) for part in card["parts"]),
        _campaign(card),
        '<section class="pictures">',
        *(
            f"<figure><figcaption>{both(_TITLES[n])}</figcaption>{svg}</figure>"
            for n, svg in pictures.items()
        ),
        "</section>",
        _coverage(card["coverage"]),
        _days(card["meetings"]),
        f"<footer>{both(_FOOT)}</footer>",
    ]
    return document("Retain: quality card", body, style=STYLE)


def _head(card: Mapping[str, Any], version: str) -> str:
    title = both({"en": "Quality card", "zh": "质量卡"})
    model = f' <span class="version">{escape(version)}</span>' if version else ""
    return (
        f"<header>{_badge(card['grade'], 'big')}<div><h1>{title}{model}</h1>"
        f"<p>{both(card['headline'])}</p></div></header>"
    )


def _part(part: Mapping[str, Any]) -> str:
    rows = "".join(_bar(name, found) for name, found in part["models"].items())
    return (
        f'<section class="part">{_badge(part["grade"])}<div><h2>{both(part["title"])}</h2>'
        f'<p>{both(part["text"])}</p><table class="bars">{rows}</table>{_extra(part)}</div></section>'
    )


def _bar(name: str, found: Mapping[str, Any]) -> str:
    """One model's figure with its interval, on a scale of 0 to 100."""
    kind = "ours" if name == "retain" else "theirs"
    if found["figure"] is None:
        return f'<tr class="{kind}"><th>{both(found["title"])}</th><td></td><td>–</td></tr>'
    figure = found["figure"]
    low, high = (figure if found[key] is None else found[key] for key in ("low", "high"))
    left, right, dot = (min(100.0, max(0.0, v)) for v in (low, high, figure))
    line = (
        f'<svg viewBox="0 0 100 6" preserveAspectRatio="none" role="img" aria-label="{figure:.1f}">'
        f'<rect class="rail" x="0" y="2.5" width="100" height="1"/>'
        f'<rect class="range" x="{left:.2f}" y="1.5" width="{max(0.4, right - left):.2f}" height="3"/>'
        f'<rect class="point" x="{max(0.0, dot - 0.4):.2f}" y="0" width="0.8" height="6"/></svg>'
    )
    return (
        f'<tr class="{kind}"><th>{both(found["title"])}</th><td>{line}</td>'
        f"<td>{_number(figure)} <small>({_number(low)} … {_number(high)})</small></td></tr>"
    )


def _extra(part: Mapping[str, Any]) -> str:
    """Plain figures below a part."""
    details = part["details"]
    if part["name"] == "profit":
        money = details["money_per_thousand"]
        return figures(
            {
                "en": "Money per 1,000 customers: {} by this model, {} by chance, {} at best.",
                "zh": "每千名客户收益:本模型 {},随机 {},最佳 {}。",
            },
            *(_money(money[name]) for name in ("retain", "random", "perfect")),
        )
    if part["name"] == "lift":
        told = {"en": "AUC {}; the best tenth {} of 100.", "zh": "AUC {};前十分之一 {} / 100。"}
        return figures(
            told, _cell(details["auc"]["retain"], ".3f"), _cell(details["top_tenth"]["retain"]["figure"])
        )
    if part["name"] == "calibration":
        told = {
            "en": "Log loss {}; calibration error {}, of which {} is chance.",
            "zh": "对数损失 {};校准误差 {},其中 {} 属随机。",
        }
        ours = details["retain"]
        return figures(told, *(_cell(ours[key], ".3f") for key in ("log_loss", "error", "by_chance")))
    if part["name"] == "level":
        told = {"en": "Value, forecast against what came: {}.", "zh": "金额预测与实际之差:{}。"}
        bias = details["total_bias"]["value"]
        return figures(told, ", ".join(f"{h} d {_cell(v, '+.1%')}" for h, v in bias.items()) or "–")
    told = {
        "en": "Population shift {}; left of the quality with age: {}.",
        "zh": "人群漂移 {};随时间保留的质量:{}。",
    }
    return figures(told, _cell(details["population_shift"], ".3f"), _cell(details["kept"], ".0%"))


def _campaign(card: Mapping[str, Any]) -> str:
    campaign = card["campaign"]
    told = {
        "en": "Assumed, not measured: {} of the customers are contacted, {} of the leavers among them are kept, a "
        "contact costs {}, margin {} of revenue.",
        "zh": "以下为假设而非测量:联系 {} 的客户,其中 {} 的流失者被挽留,每次联系成本 {},毛利率 {}。",
    }
    shares = (f"{campaign[key]:.0%}" for key in ("budget_share", "assumed_effect"))
    return figures(told, *shares, f"{campaign['contact_cost']:g}", f"{campaign['margin_rate']:.0%}")


def _coverage(rows: Sequence[Mapping[str, Any]]) -> str:
    if not rows:
        return ""
    heads = (
        {"en": "Horizon", "zh": "期限"},
        {"en": "Class", "zh": "类别"},
        {"en": "Interval", "zh": "区间"},
        {"en": "Held", "zh": "实际覆盖"},
        {"en": "Width / mean", "zh": "宽度 / 均值"},
    )
    cells = (
        (
            f"{r['horizon_days']} d",
            r["value_class"],
            f"{r['nominal']:.0%}",
            f"{r['covered']:.0%}",
            _cell(r["width"]),
        )
        for r in rows
    )
    return plain_table({"en": "What the intervals of value held", "zh": "价值区间的覆盖"}, heads, cells)


def _days(rows: Sequence[Mapping[str, Any]]) -> str:
    heads = (
        {"en": "Judged on", "zh": "回测日"},
        {"en": "Customers", "zh": "客户数"},
        {"en": "Churn rate", "zh": "流失率"},
        {"en": "Evidence", "zh": "依据"},
    )
    cells = ((r["day"], f"{r['customers']:,}", f"{r['churn_rate']:.1%}", r["evidence"]) for r in rows)
    return plain_table({"en": "Judged days", "zh": "回测日期"}, heads, cells)


def _note(text: Text) -> str:
    return f'<p class="note">{both(text)}</p>'


def _badge(grade: str | None, size: str = "") -> str:
    return f'<span class="badge {size} grade-{grade or "none"}">{grade or "–"}</span>'


def _number(value: float) -> str:
    return f"{round(value, 1) + 0.0:.1f}"


def _money(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f}"


def _cell(value: float | None, form: str = ".1f") -> str:
    return "–" if value is None else format(value, form)


_FOOT: Text = {
    "en": "Bars run from 0 (chance) to 100 (perfect); the pale part is the 95 % interval over draws of customers. "
    "No customer is in this page; every bin holds ten or more.",
    "zh": "横条从 0(随机)到 100(完美);浅色部分为对客户重抽样的 95 % 区间。本页不含任何客户数据;每组至少十人。",
}
