"""``retain results``: what came of the offers, against those left alone by lot."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from retain.commands import ConfigOption, JsonOption, LangOption, QuietOption
from retain.console import Screen
from retain.reading import read_tables

if TYPE_CHECKING:
    from retain.config import Project
    from serving.campaign_results import CampaignResults
    from serving.decision_log import DecisionLog

__all__ = ["results"]


def results(
    path: ConfigOption = Path("retain.toml"),
    back: Annotated[
        list[Path] | None,
        typer.Option(
            "--import", metavar="FILE", help="A result file that came back; may stand several times."
        ),
    ] = None,
    as_of: Annotated[
        str | None, typer.Option("--as-of", metavar="DATE", help="Day of the report; by default as in [run].")
    ] = None,
    horizon: Annotated[
        int | None,
        typer.Option(
            "--horizon", metavar="DAYS", help="Days after a decision that count; else the churn window."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="All effects as a table: .csv, .xlsx or .parquet."),
    ] = None,
    lang: LangOption = "en",
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Import what came back, and tell what the offers changed and whether they paid."""
    from retain.config import load_config
    from retain.results_report import document, told
    from serving.decision_log import DecisionLog
    from serving.lists import check_list, write_list

    screen = Screen(json=json, quiet=quiet)
    if out is not None:
        check_list(out)
    project = load_config(path)
    with closing(DecisionLog(project.store_url)) as log:
        imported = [_imported(screen, project, log, file) for file in back or []]
        found = _measured(screen, project, log, as_of=as_of, horizon=horizon, alone=not imported)
    if found is not None and out is not None:
        write_list(found.effects, out)
    screen.result(
        {"imported": imported, **({} if found is None else document(found))},
        *[_told_import(one) for one in imported],
        *([] if found is None else told(found, lang, project.config.data.currency)),
        *([] if found is None or out is None else [f"{out}: written"]),
    )


def _imported(screen: Screen, project: Project, log: DecisionLog, file: Path) -> dict[str, Any]:
    """Take one file in; rejected rows are listed beside it."""
    from features.errors import InputError
    from serving.result_file import read_results, write_rejected

    if not file.is_file():
        raise InputError(f"{file}: there is no such file")
    found = read_results(file, project.config.data, log.decisions())
    listed = write_rejected(found, file)
    rejected = found.told(file.name)
    if rejected is not None:
        screen.note(f"{rejected}; all are listed in {listed}")
        if found.rows.empty:
            raise InputError(f"{rejected}. No row is left, nothing was imported.")
    saved = log.save_results(found.rows)
    return {
        "file": str(file),
        "new": saved.new,
        "corrected": saved.corrected,
        "known": saved.known,
        "repeated_in_file": found.repeated,
        "corrected_in_file": found.corrected,
        "rejected": int(found.rejected["line"].nunique()),
        "rejected_list": None if listed is None else str(listed),
    }


def _told_import(one: dict[str, Any]) -> str:
    parts = [f"{one['new']:,} new", f"{one['corrected']:,} corrected", f"{one['known']:,} known already"]
    parts += [f"{one['repeated_in_file']:,} repeated in the file"] if one["repeated_in_file"] else []
    later = one["corrected_in_file"]
    parts += [f"{later:,} replaced by a later row of the file"] if later else []
    parts += [f"{one['rejected']:,} rejected"] if one["rejected"] else []
    return f"{one['file']}: {', '.join(parts)}"


def _measured(
    screen: Screen,
    project: Project,
    log: DecisionLog,
    *,
    as_of: str | None,
    horizon: int | None,
    alone: bool,
) -> CampaignResults | None:
    """The report; None when files were imported and no run's time is over."""
    from features.errors import NotEnoughData
    from retain.as_of import as_of_day
    from serving.campaign_results import campaign_results

    config = project.config
    with screen.progress() as progress:
        tables = read_tables(screen, project, progress)
        try:
            return campaign_results(
                log,
                tables,
                as_of_day(tables, config.run, as_of),
                config.churn.window_days if horizon is None else horizon,
                margin_rate=config.value.margin_rate,
                discount_rate=config.value.discount_rate,
            )
        except NotEnoughData as error:
            if alone:
                raise
            screen.note(str(error))
            return None
