"""``retain features``: the customer table of a day, what its columns mean, and a test of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from retain.commands import AsOfOption, ConfigOption, JsonOption, LangOption, QuietOption
from retain.console import Screen
from retain.reading import read_tables

if TYPE_CHECKING:
    from datetime import date

    from features.progress import Progress
    from features.tables import Tables
    from retain.config import Project
    from serving.streamed_features import WrittenFeatures

__all__ = ["features"]

_USUAL = Path("retain.toml")


def features(
    path: ConfigOption = _USUAL,
    as_of: AsOfOption = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="FILE",
            help="Where to write: .parquet, .csv or .xlsx; a name without an ending is a folder of Parquet files.",
        ),
    ] = None,
    catalogue: Annotated[bool, typer.Option("--catalogue", help="Print what every column means.")] = False,
    test: Annotated[
        bool, typer.Option("--test", help="Hold all features, your own too, to their laws.")
    ] = False,
    lang: LangOption = "en",
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Write the customer table of a day.

    With --catalogue: print every column with meaning, unit, window, formula and source.
    With --test: compute all features, your own too, on a made-up shop in ways that must agree; exit code 1 when not.
    """
    from features.errors import ConfigError
    from retain.config import load_config

    screen = Screen(json=json, quiet=quiet)
    if catalogue or test:
        # Without a configuration there are the features of the package.
        if path.exists() or path != _USUAL:
            load_config(path)
        show = _print_test if test else _print_catalogue
        show(screen, lang)
        return
    if out is None:
        raise ConfigError(
            "--out says where to write the customer table: a file (.parquet, .csv or .xlsx) or a folder"
        )
    screen.result(*_write(screen, load_config(path), as_of, out))


def _write(screen: Screen, project: Project, as_of: str | None, out: Path) -> tuple[dict[str, Any], str]:
    from contextlib import ExitStack

    from features.progress import part_of, silent
    from features.publish import output_lock, sweep_parts
    from retain.as_of import as_of_day
    from retain.streamed_runs import is_folder
    from serving.list_folder import check_list_folder
    from serving.lists import check_list

    check_list_folder(out, "features") if is_folder(out) else check_list(out)
    for done in sweep_parts(out.parent):
        screen.note(done)
    with ExitStack() as held:
        held.enter_context(output_lock(out))
        progress = held.enter_context(screen.progress()) or silent
        tables = read_tables(screen, project, part_of(progress, 0.0, 0.4))
        day = as_of_day(tables, project.config.run, as_of)
        made = _written(tables, day, out, part_of(progress, 0.4, 1.0))
    document = {"file": str(out), "as_of": day.isoformat(), "rows": made.rows, "sha256": made.sha256}
    told = f"{out}: {made.rows:,} customers as of {day.isoformat()}"
    if is_folder(out):
        document["files"] = made.files
        told += f" in {made.files:,} files" if made.files > 1 else " in 1 file"
    if made.kept:
        told += f"\n{made.kept:,} files were there already from a run that was stopped"
    return document, told


def _written(tables: Tables, day: date, out: Path, progress: Progress) -> WrittenFeatures:
    """Streamed; but for CSV and Excel, which are written from memory."""
    from features.plan import fetch_features
    from retain.streamed_runs import is_folder
    from serving.lists import write_list
    from serving.streamed_features import WrittenFeatures, write_feature_file, write_feature_folder

    if is_folder(out) or out.suffix.lower() == ".parquet":
        write = write_feature_folder if is_folder(out) else write_feature_file
        return write(tables, day, out, progress=progress)
    found = fetch_features(tables, [day]).sort_by("customer_id")
    tables.con.disconnect()  # the file takes the memory that the tables took
    manifest = write_list(found.to_pandas(), out)
    return WrittenFeatures(found.num_rows, 1, 0, manifest.sha256)


def _print_catalogue(screen: Screen, lang: Literal["en", "zh"]) -> None:
    from dataclasses import asdict

    from rich import box
    from rich.table import Table

    from features.catalogue import catalogue

    columns = catalogue()
    table = Table(box=box.SIMPLE_HEAD, title=f"{len(columns)} columns")
    for heading in ("column", "meaning", "unit", "window", "formula", "source"):
        table.add_column(heading, overflow="fold")
    for doc in columns:
        meaning = doc.zh if lang == "zh" else doc.en
        table.add_row(doc.name, meaning, doc.unit, doc.window, doc.formula, doc.source)
    screen.result({"columns": [asdict(doc) for doc in columns]}, table)


def _print_test(screen: Screen, lang: Literal["en", "zh"]) -> None:
    from rich import box
    from rich.table import Table

    from features.invariants import LAWS
    from retain.own_check import check_all

    tested = check_all()
    failed = [one for one in tested if not one.holds]
    own = [one for one in tested if one.file]
    held = f"{len(tested) - len(failed)} of {len(tested)} features hold all {len(LAWS)} laws"
    table = Table(box=box.SIMPLE_HEAD, title=held)
    for heading in ("column", "meaning", "file", "holds", "what is broken", "note"):
        table.add_column(heading, overflow="fold")
    for one in [*own, *(one for one in failed if not one.file)]:
        broken = "\n".join(f"{LAWS[broken.law]}: {broken.example}" for broken in one.broken)
        meaning = one.doc.zh if lang == "zh" else one.doc.en
        table.add_row(one.doc.name, meaning, one.file, "yes" if one.holds else "no", broken, one.note)
    document = {"holds": not failed, "laws": LAWS, "features": [one.document for one in tested]}
    nothing = (
        "no own features: put a file into features/own, or name a folder by [features] folder in retain.toml"
    )
    screen.result(document, *([table] if own or failed else [f"{held}; {nothing}"]))
    if failed:
        raise typer.Exit(1)
