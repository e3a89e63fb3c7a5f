"""``retain doctor``: is this machine, this folder and this configuration fit to run, and safe?"""

from __future__ import annotations

from pathlib import Path

import typer

from retain.commands import ConfigOption, JsonOption, QuietOption
from retain.console import Screen

__all__ = ["doctor"]

_STYLES = {"ok": "green", "warning": "yellow", "broken": "bold red", "unsafe": "bold magenta"}


def doctor(
    path: ConfigOption = Path("retain.toml"), json: JsonOption = False, quiet: QuietOption = False
) -> None:
    """Check machine, folder and configuration.

    Exit code 3 when something is unsafe, 1 when something is broken, else 0.
    """
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
    Screen(json=json, quiet=quiet).result(document, table)
    if code := 3 if "unsafe" in states else 1 if "broken" in states else 0:
        raise typer.Exit(code)
