"""``retain card``: how good the champion is, from A to E, beside simple methods."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from retain.commands import ConfigOption, JsonOption, LangOption, QuietOption
from retain.console import Screen

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["card"]


def card(
    path: ConfigOption = Path("retain.toml"),
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write the card as one page of HTML.")
    ] = None,
    lang: LangOption = "en",
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Show the quality card of the champion: profit, ranking, probabilities, totals, stability."""
    from features.publish import check_writable
    from retain.config import load_config

    screen = Screen(json=json, quiet=quiet)
    if html is not None:
        check_writable(html)
    version, found = _quality(load_config(path).models_dir)
    if html is not None:
        _write(found, version, html)
    told = [*_told(found, version, lang), *([] if html is None else [f"{html}: written"])]
    screen.result({"model_version": version, "quality": found}, *told)


def _quality(models_dir: Path) -> tuple[str, dict[str, Any]]:
    from features.errors import NotEnoughData
    from training.models.bundle import Bundle, champion_path

    bundle = Bundle.load(champion_path(models_dir))
    found = bundle.card.get("quality")
    if not found:
        raise NotEnoughData(
            f"model {bundle.version}: has no quality card, because no past day could be judged when it was "
            "trained; bring more history or a shorter churn window, then run `retain train`"
        )
    return bundle.version, dict(found)


def _write(found: dict[str, Any], version: str, html: Path) -> None:
    from features.publish import publish_file
    from training.card_page import card_page

    page = card_page(found, version=version)

    def write(part: Path) -> None:
        part.write_text(page, encoding="utf-8")

    publish_file(html, write, kind="quality card")


def _told(found: dict[str, Any], version: str, lang: str) -> list[Any]:
    head = f"{found['grade']}  {version}: {found['headline'][lang]}"
    limits = [line["text"][lang] for line in (*found["suspect"], *found["caps"])]
    verdicts = [f"{part['title'][lang]}: {part['text'][lang]}" for part in found["parts"]]
    return [head, *limits, _table(found, lang), *verdicts]


def _table(found: dict[str, Any], lang: str) -> Table:
    """Quality of every model by part, ours with its interval."""
    from rich import box
    from rich.table import Table

    models = {name: m["title"][lang] for part in found["parts"] for name, m in part["models"].items()}
    table = Table(box=box.SIMPLE_HEAD, title={"en": "0 chance, 100 perfect", "zh": "0 随机,100 完美"}[lang])
    table.add_column("")
    table.add_column({"en": "grade", "zh": "等级"}[lang])
    for title in models.values():
        table.add_column(title, justify="right")
    for part in found["parts"]:
        cells = [_cell(part["models"].get(name)) for name in models]
        table.add_row(part["title"][lang], part["grade"] or "–", *cells)
    return table


def _cell(figure: dict[str, Any] | None) -> str:
    if figure is None or figure["figure"] is None:
        return "–"
    if figure["low"] is None:
        return f"{figure['figure']:.1f}"
    return f"{figure['figure']:.1f} ({figure['low']:.1f} … {figure['high']:.1f})"
