"""``retain tune``: search tree settings by back-test, and keep them only when they win on unseen days."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from retain.commands import ConfigOption, JsonOption, QuietOption
from retain.console import Screen
from retain.reading import read_tables

if TYPE_CHECKING:
    from retain.config import Project
    from training.search import Found, Plan

__all__ = ["parse_duration", "tune"]

_DURATION = re.compile(r"(?P<count>\d+(?:\.\d+)?)\s*(?P<unit>[smh]?)")
_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}
_DATABASE = "tune.db"


def tune(
    path: ConfigOption = Path("retain.toml"),
    as_of: Annotated[
        str | None, typer.Option("--as-of", metavar="DATE", help="Nothing at or after this day is used.")
    ] = None,
    trials: Annotated[
        int, typer.Option("--trials", min=1, max=10_000, help="Trials in all, earlier runs included.")
    ] = 40,
    time_budget: Annotated[
        str | None, typer.Option("--time-budget", metavar="TIME", help="Stop after 90s, 10m or 2h.")
    ] = None,
    write: Annotated[
        bool, typer.Option("--write", help="Write a winner into [trees] of the configuration.")
    ] = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Search tree settings on past days; they are kept only when they win on days not searched.

    Trials are kept: stop with Ctrl-C and the same command goes on. Without --write nothing is changed.
    """
    from retain.config import load_config
    from retain.contract_runs import refuse_contracts
    from retain.trees_section import trees_text, write_trees
    from training.search import Plan

    screen = Screen(json=json, quiet=quiet)
    seconds = None if time_budget is None else parse_duration(time_budget)
    project = load_config(path)
    refuse_contracts(project, "retain tune", "the model of contracts has nothing to set")
    found = _run(screen, project, as_of, Plan(project.out_dir / _DATABASE, trials, seconds))
    told = [_summary(found), _verdict(found)]
    written = write and found.verdict.better
    if written:
        write_trees(path, found.best)
        told.append(f"{path}: [trees] written; the next `retain train` uses it")
    elif found.verdict.better:
        told.append(f"Put this into {path}, or run again with --write:\n\n{trees_text(found.best)}")
    screen.result({**found.to_json(), "written": written}, *told)


def parse_duration(text: str) -> float:
    """Seconds of a time such as ``90s``, ``10m`` or ``2h``; a bare number is seconds.

    Raises
    ------
    ConfigError
        When it is no such time, or none at all.

    Examples
    --------
    >>> parse_duration("10m"), parse_duration("1.5h")
    (600.0, 5400.0)
    """
    from features.errors import ConfigError

    match = _DURATION.fullmatch(text.strip().lower())
    if not match or float(match["count"]) <= 0:
        raise ConfigError(f"--time-budget {text!r} is no time; write it as 90s, 10m or 2h")
    return float(match["count"]) * _UNITS[match["unit"]]


def _run(screen: Screen, project: Project, as_of: str | None, plan: Plan) -> Found:
    from retain.as_of import as_of_day
    from training.fit import anchored
    from training.panel import build_panel
    from training.search import search
    from training.search_study import require_optuna
    from training.search_tracking import tracked_search

    require_optuna()
    config, settings = project.config, project.config.training
    horizons = sorted({settings.churn.window_days, *settings.value.horizons_days})
    with screen.progress() as progress:
        tables = read_tables(screen, project, progress)
        panel = anchored(build_panel(tables, as_of_day(tables, config.run, as_of), horizons))
        with tracked_search(project.models_dir, config.tracking, uri=project.tracking_uri) as run:
            try:
                found = search(panel, settings, plan, on_trial=run.add, progress=progress)
            except KeyboardInterrupt:
                screen.note(f"stopped; the trials so far are in {plan.database}, the same command goes on")
                raise
            run.conclude(found)
    return found


def _summary(found: Found) -> str:
    searched, held = (
        ", ".join(d.isoformat() for d in days) for days in (found.days.searched, found.days.held_out)
    )
    earlier = f", {found.resumed} of them from earlier runs" if found.resumed else ""
    return (
        f"{found.trials} trials ({found.pruned} stopped early{earlier}) on {searched}; "
        f"best loss {found.loss:.4f} of the present settings' there.\nHeld out: {held}."
    )


def _verdict(found: Found) -> str:
    verdict = found.verdict
    if found.loss >= 1.0:
        return "The present settings stay: no trial was better on the searched days."
    if verdict.difference == 0 and verdict.se == 0:
        return "The present settings stay: on the held-out days the best trial predicts exactly the same."
    figures = f"{verdict.difference:+.2%} of the present loss (95 % interval {verdict.low:+.2%} to {verdict.high:+.2%})"
    if verdict.better:
        return f"The best trial wins on the held-out days: {figures}."
    return f"The present settings stay: on the held-out days the best trial makes {figures}."
