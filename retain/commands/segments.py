"""``retain segments``: every customer through all frameworks, and who moved since the run before."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from retain.commands import AsOfOption, ConfigOption, JsonOption, LangOption, QuietOption
from retain.console import Screen
from retain.reading import read_tables

if TYPE_CHECKING:
    from rich.table import Table

    from retain.config import Project
    from serving.segments import Segments
    from strategies.framework import Language

__all__ = ["segments"]

_WORDS: dict[str, dict[str, str]] = {
    "en": {
        "columns": "framework;label;customers;share;margin of the last year;lifetime value",
        "moved": "{rows:,} labels of {customers:,} customers moved since {since}",
        "first": "the first run: nothing to compare with yet",
        "aside": "{count:,} customers want no contact and are in no output",
    },
    "zh": {
        "columns": "框架;标签;客户数;占比;近一年毛利;终生价值",
        "moved": "自 {since} 以来,{customers:,} 位客户的 {rows:,} 个标签有变动",
        "first": "首次运行,尚无可比较的结果",
        "aside": "{count:,} 位客户拒绝联系,不出现在任何输出中",
    },
}


def segments(
    path: ConfigOption = Path("retain.toml"),
    as_of: AsOfOption = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="All labels with reasons: .csv, .xlsx or .parquet."),
    ] = None,
    moved: Annotated[
        Path | None,
        typer.Option("--moved", metavar="FILE", help="Who changed label since the run before, and why."),
    ] = None,
    lang: LangOption = "en",
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Label every customer in every framework; print how many carry each label."""
    from retain.as_of import as_of_day
    from retain.champion import champion_scorer
    from retain.config import load_config
    from retain.second_lives import priced, second_lives
    from retain.unwilling import told_unwilling
    from serving.lists import check_list, write_list
    from serving.segments import exported, keep, segments_of

    screen = Screen(json=json, quiet=quiet)
    project = load_config(path)
    for place in (out, moved):
        if place is not None:
            check_list(place)
    scorer = champion_scorer(project)
    folder = project.out_dir / "segments"
    with screen.progress() as progress:
        tables = read_tables(screen, project, progress)
        day = as_of_day(tables, project.config.run, as_of)
        found = segments_of(
            scorer,
            tables,
            day,
            priced(project),
            folder=folder,
            lang=lang,
            win_back=second_lives(project),
            unwilling=told_unwilling(project),
        )
        keep(found, folder)
        if out is not None:
            write_list(exported(found, lang), out)
        if moved is not None:
            write_list(found.moved, moved)
    screen.result(*_told(project, found, lang, [p for p in (out, moved) if p is not None]))


def _told(
    project: Project, found: Segments, lang: Language, written: list[Path]
) -> tuple[dict[str, Any], Table, str]:
    from serving.segments import shares

    rows = shares(found, lang)
    document = {
        "as_of": found.as_of.isoformat(),
        "customers": len(found.found.people),
        "opted_out": found.opted_out,
        "segments": rows,
        "since": None if found.since is None else found.since.isoformat(),
        "moved": found.moved.groupby(["column", "from", "to"])
        .size()
        .rename("customers")
        .reset_index()
        .to_dict("records"),
        "files": [str(place) for place in written],
    }
    words = _WORDS[lang]
    last = (
        words["first"]
        if found.since is None
        else words["moved"].format(
            rows=len(found.moved),
            customers=found.moved["customer_id"].nunique(),
            since=found.since.isoformat(),
        )
    )
    if found.opted_out:
        last += "\n" + words["aside"].format(count=found.opted_out)
    return document, _table(rows, words, project.config.data.currency), last


def _table(rows: list[dict[str, Any]], words: dict[str, str], currency: str) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD)
    for place, heading in enumerate(words["columns"].split(";")):
        money = f" ({currency})" if place > 3 and currency else ""
        table.add_column(heading + money, justify="left" if place < 2 else "right")
    last = ""
    for row in rows:
        if row["column"] != last and last:
            table.add_section()
        name = f"{row['framework']} · {row['column']}" if row["column"] != last else ""
        last = row["column"]
        worth = (f"{row[c]:,.0f}" for c in ("current_value", "clv"))
        table.add_row(name, row["text"], f"{row['customers']:,}", f"{row['share']:.1%}", *worth)
    return table
