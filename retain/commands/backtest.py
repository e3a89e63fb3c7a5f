"""``retain backtest``: ours beside three baselines on past days, every figure by cut-off and model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from retain.commands import ConfigOption, JsonOption, QuietOption
from retain.console import Screen

if TYPE_CHECKING:
    from retain.config import Project
    from training.backtest import BackTest

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
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Train as of past days and compare with what came; `--json FILE` writes the whole report."""
    from retain.config import load_config
    from retain.metric_table import metric_table

    screen = Screen(json=json and report is None, quiet=quiet)
    if report is not None:
        from features.publish import check_writable

        check_writable(report)
    found = _run(screen, load_config(path), as_of, cut_offs)
    if report is not None:
        _write(found, report)
    tables = [metric_table(c) for c in found.cut_offs]
    screen.result(found.to_json(), *tables, *([] if report is None else [f"{report}: written"]))


def _run(screen: Screen, project: Project, as_of: str | None, count: int) -> BackTest:
    from features.load import load
    from retain.as_of import as_of_day
    from training.backtest import back_test
    from training.fit import anchored
    from training.panel import build_panel

    config = project.config
    settings = config.training
    horizons = sorted({settings.churn.window_days, *settings.value.horizons_days})
    with screen.progress() as progress:
        tables = load(config.data, base=project.base, progress=progress).tables
        panel = anchored(build_panel(tables, as_of_day(tables, config.run, as_of), horizons))
        return back_test(panel, settings, count=count, progress=progress)


def _write(found: BackTest, report: Path) -> None:
    import json as json_module

    from features.publish import publish_file

    text = json_module.dumps(found.to_json(), indent=2, allow_nan=False) + "\n"

    def write(part: Path) -> None:
        part.write_text(text, encoding="utf-8")

    publish_file(report, write, rows=len(found.cut_offs), kind="back-test")
