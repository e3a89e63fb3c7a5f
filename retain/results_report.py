"""What ``retain results`` says: one JSON document, or tables and sentences in either language."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import RenderableType
    from rich.table import Table

    from serving.campaign_results import CampaignResults

__all__ = ["document", "records", "told"]

_WORDS: Final[dict[str, dict[str, str]]] = {
    "en": {
        "head": "{runs} run(s), {days} days after each decision; effects per customer treated{currency}, with 95 % "
        "intervals that hold together within each table; every figure measured",
        "money": ", money in {currency}",
        "all": "all offers",
        "offer": "offer",
        "value_class": "value class",
        "channel": "channel",
        "columns": "treated;left alone;churn, points;orders per 100;margin less cost;verdict",
        "rates": "treated;reported;reached;accepted;cost",
        "finance": "campaign;cost;margin brought;present value;payback;return;rate a year;kept;cost per kept",
        "stop": "stop: {names} (the whole interval of the margin less cost lies below 0)",
        "waiting": "run {run}: counts from {day} on",
        "anyway": "{count:,} customers who were to be left alone were reached all the same; effects look smaller for it",
        "note": "{group}: {note}",
    },
    "zh": {
        "head": "{runs}批活动，决策后{days}天；每位被处理客户的效果{currency}；"
        "每表区间同时成立的概率为95%；所有数字均为实测",
        "money": "，金额单位{currency}",
        "all": "全部措施",
        "offer": "措施",
        "value_class": "价值细分",
        "channel": "渠道",
        "columns": "处理人数;对照人数;流失率(百分点);每百人订单;人均毛利减成本;结论",
        "rates": "处理人数;回执率;触达率;接受率;成本",
        "finance": "活动;成本;增量毛利;净现值;回本天数;回报率;年内部收益率;多留客户;每留一客成本",
        "stop": "停止：{names}（毛利减成本的区间全部低于0）",
        "waiting": "批次{run}：{day}起计入",
        "anyway": "{count:,}名本应不打扰的客户仍被触达，效果因此被低估",
        "note": "{group}：{note}",
    },
}
_SHOWN: Final = {"churn": (100.0, 1), "orders": (100.0, 1), "net_margin": (1.0, 2)}
_FASTEST = 10.0


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows for JSON: what is missing or infinite is null."""
    return [
        {str(k): None if isinstance(v, float) and not isfinite(v) else v for k, v in row.items()}
        for row in table.to_dict("records")
    ]


def document(found: CampaignResults) -> dict[str, Any]:
    """The report as one JSON document."""
    return {
        "horizon_days": found.horizon_days,
        "runs": list(found.runs),
        "waiting": {run: day.isoformat() for run, day in found.waiting.items()},
        "stopped": list(found.stopped),
        "contacted_anyway": found.contacted_anyway,
        "effects": records(found.effects),
        "rates": records(found.rates),
        "finance": records(found.finance),
    }


def told(found: CampaignResults, lang: str, currency: str) -> list[RenderableType]:
    """The report for people."""
    words = _WORDS[lang]
    money = words["money"].format(currency=currency) if currency else ""
    head = words["head"].format(runs=len(found.runs), days=found.horizon_days, currency=money)
    said: list[RenderableType] = [head]
    dimensions = ("all", "offer", "value_class", "channel")
    said += [_effects(found, dimension, lang) for dimension in dimensions]
    said += _notes(found, lang)
    said += [_rates(found, lang), _finance(found, lang), *_money_notes(found, lang)]
    if found.stopped:
        said.append(words["stop"].format(names=", ".join(found.stopped)))
    if found.contacted_anyway:
        said.append(words["anyway"].format(count=found.contacted_anyway))
    waits = found.waiting.items()
    return [*said, *(words["waiting"].format(run=run, day=day.isoformat()) for run, day in waits)]


def _table(*headings: str) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD)
    for place, heading in enumerate(headings):
        table.add_column(heading, justify="left" if place == 0 else "right")
    return table


def _effects(found: CampaignResults, dimension: str, lang: str) -> Table:
    from strategies.result_notes import VERDICTS

    words = _WORDS[lang]
    table = _table(words[dimension], *words["columns"].split(";"))
    rows = found.effects[found.effects["dimension"] == dimension]
    for group, some in rows.groupby("group", sort=False):
        by = {row["outcome"]: row for row in some.to_dict("records")}
        cells = [_bounds(by[outcome], *how) for outcome, how in _SHOWN.items()]
        net = by["net_margin"]
        counts = (f"{net['treated']:,}", f"{net['held_out']:,}")
        name = words["all"] if dimension == "all" else str(group)
        table.add_row(name, *counts, *cells, VERDICTS[net["verdict"]][lang])
    return table


def _bounds(row: dict[Any, Any], scale: float, digits: int) -> str:
    figures = [scale * row[name] for name in ("effect", "low", "high")]
    effect, low, high = (f"{figure:+,.{digits}f}" for figure in figures)
    if not isfinite(figures[0]):
        return "–"
    return f"{effect} ({low}…{high})" if isfinite(figures[1]) else effect


def _rates(found: CampaignResults, lang: str) -> Table:
    words = _WORDS[lang]
    table = _table(words["offer"], *words["rates"].split(";"))
    for row in found.rates[found.rates["dimension"] == "offer"].to_dict("records"):
        shares = [f"{row[n]:.0%}" if isfinite(row[n]) else "–" for n in ("reported", "reached", "accepted")]
        table.add_row(row["group"], f"{row['treated']:,}", *shares, f"{row['cost']:,.2f}")
    return table


def _finance(found: CampaignResults, lang: str) -> Table:
    table = _table(*_WORDS[lang]["finance"].split(";"))
    for row in records(found.finance):
        money = [_figure(row[name], "{:,.2f}") for name in ("cost", "margin", "npv")]
        days, gain = _figure(row["payback_days"], "{:,.0f}"), _figure(row["return_on_cost"], "{:,.0%}")
        rate = row["internal_rate"]
        yearly = f"> {_FASTEST:,.0%}" if rate is not None and rate > _FASTEST else _figure(rate, "{:,.0%}")
        kept, each = (_figure(row[name], "{:,.1f}") for name in ("customers_kept", "cost_per_kept"))
        table.add_row(str(row["campaign"]), *money, days, gain, yearly, kept, each)
    return table


def _figure(value: float | None, form: str) -> str:
    return "–" if value is None else form.format(value)


def _money_notes(found: CampaignResults, lang: str) -> list[str]:
    """What stands behind a dash of the table of finance, and the price of a kept customer in words."""
    said = []
    for row in records(found.finance):
        texts = [row[f"{name}_{lang}"] for name in ("payback_days", "internal_rate", "cost_per_kept")]
        joined = "; ".join(text for text in texts if text)
        if joined:
            said.append(_WORDS[lang]["note"].format(group=row["campaign"], note=joined))
    return said


def _notes(found: CampaignResults, lang: str) -> list[str]:
    words, rows = _WORDS[lang], found.effects
    net = rows[(rows["outcome"] == "net_margin") & (rows["dimension"] != "channel")]
    return [
        words["note"].format(group=words["all"] if row["dimension"] == "all" else row["group"], note=text)
        for row in net.to_dict("records")
        if (text := row[f"note_{lang}"])
    ]
