"""What ``retain demo`` says at its end: how right the model was, what the list says, how to serve it."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import RenderableType
    from rich.table import Table

__all__ = ["told"]

Lang = Literal["en", "zh"]
_TOP = 5
_TEXTS: dict[str, dict[str, str]] = {
    "en": {
        "shop": "A simulated shop, nobody in it exists: {customers:,} customers, {orders:,} orders, "
        "{first} to {last}",
        "judged": "How right the model was: built as of {day}, compared with the {window} days that came",
        "unjudged": "The model could not be judged: the shop is too small or too young",
        "model": "model",
        "roc_auc": "ROC-AUC",
        "log_loss": "log loss",
        "lift": "lift, top 10 %",
        "gini": "value: Gini",
        "bias": "value: bias",
        "counts": "The list: {rows:,} customers as of {day}; {status}",
        "strategies": "Strategies: {strategies}",
        "top": "Highest value at stake",
        "columns": "customer; strategy; churn; at stake ({currency}); reasons",
        "files": "Lists: {files}",
        "serve": "Serve it:   {command}",
        "ask": "Then ask:   {command}",
        "took": "{seconds:.0f} seconds in all",
    },
    "zh": {
        "shop": "模拟商店(无真实人物):{customers:,} 位客户,{orders:,} 笔订单,{first} 至 {last}",
        "judged": "模型有多准:以 {day} 为界建模,与其后 {window} 天的实际情况对比",
        "unjudged": "模型未能评估:商店太小或历史太短",
        "model": "模型",
        "roc_auc": "ROC-AUC",
        "log_loss": "对数损失",
        "lift": "前10%提升度",
        "gini": "价值:基尼",
        "bias": "价值:偏差",
        "counts": "名单:{day} 共 {rows:,} 位客户;{status}",
        "strategies": "策略:{strategies}",
        "top": "在险价值最高",
        "columns": "客户; 策略; 流失概率; 在险价值({currency}); 原因",
        "files": "名单文件:{files}",
        "serve": "启动服务: {command}",
        "ask": "然后查询: {command}",
        "took": "共用 {seconds:.0f} 秒",
    },
}
_MODELS: dict[str, dict[str, str]] = {
    "en": {
        "retain": "Retain",
        "recency_rule": "days since the last order alone",
        "carry_forward": "the past carried forward",
        "closed_form": "BG/NBD + Gamma-Gamma",
    },
    "zh": {
        "retain": "Retain",
        "recency_rule": "仅看距上次下单天数",
        "carry_forward": "沿用过去",
        "closed_form": "BG/NBD + Gamma-Gamma",
    },
}


def told(document: dict[str, Any], found: pd.DataFrame, *, lang: Lang) -> list[RenderableType]:
    """The texts and tables of the end.

    Parameters
    ----------
    document : dict
        The demo's answer to programs.
    found : pandas.DataFrame
        The list.
    lang : {"en", "zh"}
        Language of the texts.

    Returns
    -------
    list
        What `retain.console.Screen.result` prints.
    """
    text, facts, scored = _TEXTS[lang], document["check"]["facts"], document["score"]
    said = {"customers": facts["customers"], "orders": facts["orders"]}
    shop = text["shop"].format(**said, first=facts["first_day"], last=facts["last_day"])
    status, strategies = (_counts(scored[name]) for name in ("status", "strategy"))
    return [
        shop,
        *_judged(document["train"]["judged"], document["init"]["window_days"], lang),
        text["counts"].format(rows=scored["rows"], day=scored["as_of"], status=status),
        text["strategies"].format(strategies=strategies),
        _top(found, lang, currency=facts["currency"]),
        text["files"].format(files=", ".join(document["lists"].values())),
        *_serving(Path(document["config"]), str(found["customer_id"].iloc[0]), lang),
        text["took"].format(seconds=document["seconds"]),
    ]


def _counts(found: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in found.items())


def _judged(judged: dict[str, Any] | None, window: int, lang: Lang) -> list[RenderableType]:
    from rich import box
    from rich.table import Table

    text = _TEXTS[lang]
    if judged is None:
        return [text["unjudged"]]
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column(text["model"])
    for name in ("roc_auc", "log_loss", "lift", "gini", "bias"):
        table.add_column(text[name], justify="right")
    for model, metrics in judged["models"].items():
        churn = metrics.get("churn", {})
        value = metrics["value"][max(metrics["value"], key=int)] if metrics["value"] else {}
        cells = [_cell(churn.get(key)) for key in ("roc_auc", "log_loss", "top_decile_lift")]
        cells += [_cell(value.get("normalised_gini")), _cell(value.get("total_bias"), "+.1%")]
        table.add_row(_MODELS[lang].get(model, model), *cells)
    return [text["judged"].format(day=judged["cut_off"], window=window), table]


def _cell(value: float | None, form: str = ".3f") -> str:
    return "–" if value is None else format(value, form)


def _top(found: pd.DataFrame, lang: Lang, *, currency: str) -> Table:
    from rich import box
    from rich.table import Table

    text = _TEXTS[lang]
    table = Table(box=box.SIMPLE_HEAD, title=text["top"], title_justify="left")
    for place, heading in enumerate(text["columns"].format(currency=currency).split("; ")):
        table.add_column(heading, justify="right" if place in (2, 3) else "left", overflow="fold")
    reasons = "reasons" if lang == "en" else "reasons_zh"
    for row in found.head(_TOP).to_dict("records"):
        churn, stake = f"{row['churn_probability']:.0%}", f"{row['value_at_stake']:,.2f}"
        table.add_row(str(row["customer_id"]), str(row["strategy"]), churn, stake, str(row[reasons]))
    return table


def _serving(config: Path, customer: str, lang: Lang) -> list[str]:
    from retain.config import load_config

    text, port = _TEXTS[lang], load_config(config).config.serving.port
    body = shlex.quote(f'{{"customer_id": "{customer}"}}')
    address = f"http://127.0.0.1:{port}/v1/score"
    ask = f"curl -s -H 'Content-Type: application/json' --data {body} {address}"
    serve = f"{_program()} serve -c {shlex.quote(str(config))}"
    return [text["serve"].format(command=serve), text["ask"].format(command=ask)]


def _program() -> str:
    """How to call ``retain`` from where the user stands."""
    beside = Path(sys.executable).with_name("retain")
    on_path = shutil.which("retain")
    if not beside.exists() or (on_path is not None and Path(on_path).samefile(beside)):
        return "retain"
    here = Path.cwd()
    shown = beside.relative_to(here) if beside.is_relative_to(here) else beside
    return shlex.quote(str(shown))
