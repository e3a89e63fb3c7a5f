"""``retain backtest``: ours beside three baselines on past days, every figure by cut-off and model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from features.progress import Progress
from retain.commands import ConfigOption, JsonOption, QuietOption
from retain.console import Screen
from retain.reading import read_tables

if TYPE_CHECKING:
    from features.tables import Tables
    from retain.config import Project
    from training.metrics import Interval
    from training.panel import Panel
    from training.settings import TrainingSettings

__all__ = ["backtest"]


def backtest(
    report: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="With --json: where to write the document.")
    ] = None,
    path: ConfigOption = Path("retain.toml"),
    as_of: Annotated[
        str | None, typer.Option("--as-of", metavar="DATE", help="Nothing at or after this day is used.")
    ] = None,
    cut_offs: Annotated[int, typer.Option("--cut-offs", min=1, max=36, help="How many past days.")] = 3,
    staying_power: Annotated[
        bool, typer.Option("--staying-power", help="Also ask old models again, 1 to 4 windows later.")
    ] = False,
    history_curve: Annotated[
        bool, typer.Option("--history-curve", help="Also train on the last 6, 12, 18 … months only.")
    ] = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Train as of past days and compare with what came; `--json FILE` writes the whole report."""
    from retain.config import load_config
    from retain.contract_runs import refuse_contracts

    screen = Screen(json=json and report is None, quiet=quiet)
    if report is not None:
        from features.publish import check_writable

        check_writable(report)
    wanted = [n for n, yes in (("staying_power", staying_power), ("history_curve", history_curve)) if yes]
    project = load_config(path)
    refuse_contracts(project, "retain backtest", "`retain train` judges contracts by date")
    document, told = _run(screen, project, as_of, cut_offs, wanted)
    if report is not None:
        _write(document, report)
        told.append(f"{report}: written")
    screen.result(document, *told)


def _run(
    screen: Screen, project: Project, as_of: str | None, count: int, wanted: Sequence[str]
) -> tuple[dict[str, Any], list[Any]]:
    """The document, and what a person is told."""
    from retain.as_of import as_of_day
    from retain.metric_table import difference_table, metric_table
    from training.backtest import back_test, plain
    from training.bootstrap import against_peers
    from training.fit import anchored
    from training.panel import build_panel

    config = project.config
    settings = config.training
    horizons = sorted({settings.churn.window_days, *settings.value.horizons_days})
    with screen.progress() as progress:
        tables = read_tables(screen, project, progress)
        panel = anchored(build_panel(tables, as_of_day(tables, config.run, as_of), horizons))
        found = back_test(panel, settings, count=count, progress=progress)
        if progress:
            progress("drawing customers again", 1.0)
        differences = against_peers(found.meetings, seed=settings.seed)
        document = {**found.to_json(), "differences": _intervals(differences)}
        told: list[Any] = [*map(metric_table, found.cut_offs), difference_table(differences)]
        for name in wanted:
            document[name], more = _further(name, panel, tables, settings, count=count, progress=progress)
            told.append(more)
    return dict(plain(document)), told


def _further(
    name: str,
    panel: Panel,
    tables: Tables,
    settings: TrainingSettings,
    *,
    count: int,
    progress: Progress | None,
) -> tuple[dict[str, Any], Any]:
    """Staying power or history curve as a document and a table; a history too short for it is told in both."""
    from features.errors import NotEnoughData
    from retain.metric_table import history_table, staying_table
    from training.history_curve import history_curve
    from training.staying_power import staying_power

    try:
        if name == "staying_power":
            decay = staying_power(panel, settings, count=count, progress=progress)
            return decay.to_json(), staying_table(decay)
        curve = history_curve(panel, tables, settings, progress=progress)
        return curve.to_json(), history_table(curve)
    except NotEnoughData as error:
        return {"absent": str(error)}, str(error)


def _intervals(differences: dict[str, dict[str, Interval]]) -> dict[str, Any]:
    return {peer: {name: i._asdict() for name, i in found.items()} for peer, found in differences.items()}


def _write(document: dict[str, Any], report: Path) -> None:
    import json as json_module

    from features.publish import publish_file

    text = json_module.dumps(document, indent=2, allow_nan=False) + "\n"

    def write(part: Path) -> None:
        part.write_text(text, encoding="utf-8")

    publish_file(report, write, rows=len(document["cut_offs"]), kind="back-test")
