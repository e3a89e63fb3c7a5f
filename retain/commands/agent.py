"""``retain agent``: follow the champion of MLflow, and let serving have it once it is proved."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from retain.commands import ConfigOption, JsonOption, QuietOption
from retain.console import Screen

if TYPE_CHECKING:
    from retain.agent import Step

__all__ = ["agent"]

_SECONDS = 60.0


def agent(
    path: ConfigOption = Path("retain.toml"),
    once: Annotated[bool, typer.Option("--once", help="Look once and end.")] = False,
    every: Annotated[
        float | None,
        typer.Option(
            "--every", min=1.0, max=86_400.0, help="Seconds between two looks; [serving] pull_seconds, or 60."
        ),
    ] = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Fetch the champion from MLflow, prove it, and point serving at it; until Ctrl-C or SIGTERM."""
    from retain.agent import Agent, follow
    from retain.config import load_config

    screen = Screen(json=json, quiet=quiet)
    project = load_config(path)
    if not once:
        seconds = every or project.config.serving.pull_seconds or _SECONDS
        follow(project, seconds, lambda step: _tell(screen, step))
        return
    step = Agent(project).step()
    _tell(screen, step)
    raise typer.Exit(step.exit_code)


def _tell(screen: Screen, step: Step) -> None:
    """One line; what went wrong on standard error, where other commands say it too."""
    if screen.json or step.exit_code == 0:
        screen.result(asdict(step), step.said)
        # A program that reads through a pipe waits for it.
        sys.stdout.flush()
    else:
        screen.note(step.said)
