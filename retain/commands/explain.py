"""``retain explain``: what stands behind one customer's score in the latest list, and why it moved."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from retain.commands import ConfigOption, JsonOption, LangOption, QuietOption
from retain.console import Screen

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import RenderableType

    from serving.explained import Explained
    from serving.store import RunInfo, Store

__all__ = ["explain"]

_WORDS: dict[str, dict[str, str]] = {
    "en": {
        "title": "Customer {id} as of {day}: risk {risk} (log-odds {score:+.2f}), model {version}",
        "columns": "what;in words;contribution",
        "change": "change since {day}",
        "start": "starting point",
        "start_says": "a customer of whom nothing is told",
        "sum": "together",
        "sum_says": "log-odds of churn; as a probability {risk}",
        "model_says": "what another model sees differently",
        "was": "risk {then} on {since}, {risk} on {day}",
    },
    "zh": {
        "title": "客户{id}，基准日{day}：风险{risk}（对数几率{score:+.2f}），模型{version}",
        "columns": "因素;说明;贡献",
        "change": "自{day}以来的变化",
        "start": "起点",
        "start_says": "对其一无所知的客户",
        "sum": "合计",
        "sum_says": "流失的对数几率；换算为概率{risk}",
        "model_says": "新模型看法的不同",
        "was": "{since}风险{then}，{day}风险{risk}",
    },
}


def explain(
    customer_id: Annotated[str, typer.Argument(metavar="CUSTOMER_ID", help="Exactly as in the list.")],
    path: ConfigOption = Path("retain.toml"),
    lang: LangOption = "en",
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Tell what one customer's score is made of, and why it moved."""
    from features.errors import InputError
    from retain.config import load_config
    from serving.store import Store

    project = load_config(path)
    with closing(Store(project.store_url)) as store:
        run = store.latest_run()
        if run is None:
            raise InputError("no list has been scored yet: run `retain score` first")
        now = store.explained(run.run_id, [customer_id])
        before = _before(store, run, customer_id)
    if now.groups.empty:
        raise InputError(
            f"the latest list, of {run.as_of.isoformat()}, explains no such customer; give the id exactly as in "
            "the list, or score again if the list was made by an earlier version"
        )
    document = _document(run, now, before, currency=project.config.data.currency, lang=lang)
    Screen(json=json, quiet=quiet).result(
        {"customer_id": customer_id, **document}, *_human(customer_id, document, lang)
    )


def _before(store: Store, run: RunInfo, customer_id: str) -> tuple[RunInfo, Explained] | None:
    """The run before and what it said of this customer, when it knew them."""
    earlier = store.run_before(run.as_of)
    if earlier is None:
        return None
    found = store.explained(earlier.run_id, [customer_id])
    return None if found.groups.empty else (earlier, found)


def _document(
    run: RunInfo,
    now: Explained,
    before: tuple[RunInfo, Explained] | None,
    *,
    currency: str,
    lang: Literal["en", "zh"],
) -> dict[str, Any]:
    """Every group with its words and contribution, and what they add up to."""
    from serving.explain import log_odds, phrases_of, probability

    texts = phrases_of(now.quantities, now.groups, lang=lang, currency=currency).iloc[0]
    found: dict[str, Any] = {
        "as_of": run.as_of.isoformat(),
        "model_version": run.model_version,
        "churn_probability": float(probability(now.groups)[0]),
        "log_odds": float(log_odds(now.groups)[0]),
        "starting_point": float(now.groups["base"].iloc[0]),
        "groups": _groups(now, texts, lang),
        "moved": None,
    }
    if before is not None and now.moved is not None:
        earlier, then = before
        found["moved"] = {
            "since": earlier.as_of.isoformat(),
            "churn_probability": float(probability(then.groups)[0]),
            "log_odds": float(log_odds(then.groups)[0]),
            "changes": {str(k): float(v) for k, v in now.moved.iloc[0].items()},
        }
    return found


def _groups(now: Explained, texts: pd.Series, lang: Literal["en", "zh"]) -> list[dict[str, Any]]:
    """The groups, the weightiest first."""
    from serving.moved import group_name

    weights = now.groups.iloc[0].drop("base")
    order = weights.abs().sort_values(ascending=False, kind="stable").index
    return [
        {
            "group": str(code),
            "name": group_name(str(code), lang),
            "text": str(texts[code]),
            "contribution": float(weights[code]),
        }
        for code in order
    ]


def _human(customer_id: str, document: dict[str, Any], lang: Literal["en", "zh"]) -> list[RenderableType]:
    """A heading, the table that adds up, and the risk before and now."""
    from rich import box
    from rich.table import Table

    from serving.explain import share

    words, moved, day = _WORDS[lang], document["moved"], document["as_of"]
    risk, score = share(document["churn_probability"]), document["log_odds"]
    version = document["model_version"]
    title = words["title"].format(id=customer_id, day=day, risk=risk, score=score, version=version)
    headings = words["columns"].split(";")
    if moved is not None:
        headings.append(words["change"].format(day=moved["since"]))
    table = Table(*headings, box=box.SIMPLE_HEAD)
    for row in _lines(document, words, lang):
        table.add_row(*row[: len(headings)])
    if moved is None:
        return [title, table]
    then = share(moved["churn_probability"])
    return [title, table, words["was"].format(then=then, since=moved["since"], risk=risk, day=day)]


def _lines(document: dict[str, Any], words: dict[str, str], lang: Literal["en", "zh"]) -> Iterator[list[str]]:
    """The table's rows: what moved or moves the score, the starting point, the sum."""
    from serving.explain import share
    from serving.moved import group_name

    moved = document["moved"] or {"changes": {}, "log_odds": document["log_odds"]}
    changes = moved["changes"]
    for group in document["groups"]:
        weight, change = group["contribution"], changes.get(group["group"], 0.0)
        if weight or change:
            yield [group["name"], group["text"], f"{weight:+.2f}", f"{change:+.2f}"]
    if changes.get("model"):
        yield [group_name("model", lang), words["model_says"], "", f"{changes['model']:+.2f}"]
    yield [words["start"], words["start_says"], f"{document['starting_point']:+.2f}", ""]
    score = document["log_odds"]
    says = words["sum_says"].format(risk=share(document["churn_probability"]))
    yield [words["sum"], says, f"{score:+.2f}", f"{score - moved['log_odds']:+.2f}"]
