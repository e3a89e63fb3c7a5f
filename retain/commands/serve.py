"""``retain serve``: answer score requests over HTTP with the champion model."""

from __future__ import annotations

import sys
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from retain.commands import ConfigOption, JsonOption, QuietOption
from retain.console import Screen

if TYPE_CHECKING:
    from retain.config import Project
    from serving.live import LiveSettings

__all__ = ["serve"]


def serve(
    path: ConfigOption = Path("retain.toml"),
    host: Annotated[
        str | None, typer.Option("--host", help="Address to listen on; [serving] host by default.")
    ] = None,
    port: Annotated[
        int | None, typer.Option("--port", min=0, max=65535, help="Port; 0 takes a free one.")
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option("--workers", min=1, max=64, help="Processes that answer; [serving] workers by default."),
    ] = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Answer score requests with the champion model until Ctrl-C or SIGTERM."""
    from retain.champion import live_settings
    from retain.config import load_config
    from serving.run_server import serve as run
    from training.models.bundle import champion_path

    screen = Screen(json=json, quiet=quiet)
    project = load_config(path)
    given = {"host": host, "port": port, "workers": workers}
    settings = live_settings(project, **{name: value for name, value in given.items() if value is not None})
    screen.note(f"Checking the model {champion_path(settings.models).name} …")
    file = project.out_dir.absolute() / "service.json"
    agent = partial(_fetch, screen, project) if settings.serving.pull_seconds else None
    run(settings, file, announce=lambda address: _announce(screen, settings, address), agent=agent)


def _fetch(screen: Screen, project: Project) -> None:
    """What ``retain agent`` does, told on standard error: standard output has the address."""
    from retain.agent import follow

    follow(project, project.config.serving.pull_seconds, lambda step: screen.note(step.said))


def _announce(screen: Screen, settings: LiveSettings, address: str) -> None:
    from serving.keys import KeyStore
    from training.models.bundle import champion_path

    with closing(KeyStore(settings.store_url)) as store:
        keyed = bool(store.snapshot())
    document = {"address": address, "model_version": champion_path(settings.models).name, "keys": keyed}
    screen.result(
        document, f"Answering at {address} (POST /v1/score; {address}/docs lists the routes). Ctrl-C ends."
    )
    # A program that reads the address through a pipe waits for it.
    sys.stdout.flush()
