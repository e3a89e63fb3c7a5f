"""``retain doctor``: is this machine, this folder and this configuration fit to run, and safe?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from retain.commands import ConfigOption, JsonOption, QuietOption
from retain.console import Screen

__all__ = ["doctor"]

_STYLES = {"ok": "green", "warning": "yellow", "broken": "bold red", "unsafe": "bold magenta"}


BackendOption = Annotated[
    str | None,
    typer.Option(
        "--backend",
        metavar="URL",
        help="Check instead whether this engine gives the features and labels that DuckDB gives "
        "(postgresql://…, spark://local, sc://…, duckdb:///FILE, env:NAME).",
    ),
]


def doctor(
    path: ConfigOption = Path("retain.toml"),
    backend: BackendOption = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Check machine, folder and configuration; or, with --backend, an engine of your own.

    The engine is asked for your own features too, where the configuration names their folder.
    Exit code 3 when something is unsafe, 1 when something is broken or an engine differs, else 0.
    """
    screen = Screen(json=json, quiet=quiet)
    if backend is not None:
        _engine(backend, path, screen)
        return
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from retain.health import examine

    checks = examine(path)
    states = {check.state for check in checks}
    table = Table(box=box.SIMPLE_HEAD)
    for heading in ("check", "state", "found", "what to do"):
        table.add_column(heading, overflow="fold")
    for check in checks:
        if not (quiet and check.state == "ok"):
            state = Text(check.state, _STYLES[check.state])
            table.add_row(Text(check.name), state, Text(check.found), Text(check.advice))
    document = {"ok": not states & {"broken", "unsafe"}, "checks": [vars(check) for check in checks]}
    screen.result(document, table)
    if code := 3 if "unsafe" in states else 1 if "broken" in states else 0:
        raise typer.Exit(code)


def _engine(url: str, path: Path, screen: Screen) -> None:
    if path.exists():
        from retain.config import load_config

        load_config(path)  # a folder of own features that is not there, or another one, is told
    from retain.engine_report import examine_engine

    with screen.progress() as progress:
        report = examine_engine(url, progress=progress)
    screen.result(report.document, report.table(quiet=screen.quiet), report.summary)
    if not report.conformance.ok:
        raise typer.Exit(1)
