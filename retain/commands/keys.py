"""``retain keys``: who may ask the endpoint, for what, about whom, until when."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from retain.commands import ConfigOption, JsonOption, QuietOption
from retain.console import Screen

if TYPE_CHECKING:
    from retain.config import Project
    from serving.keys import Key

__all__ = ["keys"]

_NO_KEYS = "No keys: only callers on this machine are answered. `retain keys add --role score` makes one."
KeyArgument = Annotated[str, typer.Argument(metavar="ID", help="As `retain keys list` shows it.")]

keys = typer.Typer(
    help="Make, list, revoke and replace the keys of the endpoint.",
    rich_markup_mode=None,
    no_args_is_help=True,
)


@keys.command("add")
def add(
    path: ConfigOption = Path("retain.toml"),
    roles: Annotated[
        list[str] | None,
        typer.Option("--role", help="score, decide, events or admin; may stand several times."),
    ] = None,
    scope: Annotated[
        list[str] | None,
        typer.Option(
            "--scope",
            metavar="LABEL=VALUE,...",
            help="Only customers with these labels, e.g. value_class=gold,platinum; may stand several times.",
        ),
    ] = None,
    label: Annotated[str, typer.Option("--label", metavar="TEXT", help="Whose key it is.")] = "",
    expires: Annotated[
        str | None,
        typer.Option("--expires", metavar="DAY", help="The first day on which it opens nothing any more."),
    ] = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Make a key. Its text goes to standard output, once, and is kept nowhere."""
    from retain.config import load_config
    from serving.keys import KeyStore
    from serving.scope import read_scope

    screen = Screen(json=json, quiet=quiet)
    project = load_config(path)
    ends = None if expires is None else _start_of(expires, project)
    with closing(KeyStore(project.store_url)) as store:
        text, key = store.add(roles or [], scope=read_scope(scope or []), label=label, expires_at=ends)
    _hand_over(screen, text, key)
    _record(project, "retain keys add", key.key_id)


@keys.command("list")
def listed(
    path: ConfigOption = Path("retain.toml"), json: JsonOption = False, quiet: QuietOption = False
) -> None:
    """Show all keys that were ever made; never their texts."""
    from zoneinfo import ZoneInfo

    from retain.access_report import key_table, record_document
    from retain.config import load_config
    from serving.keys import KeyStore

    project, now = load_config(path), datetime.now(UTC)
    with closing(KeyStore(project.store_url)) as store:
        found = store.listed()
    shown = key_table(found, now, ZoneInfo(project.config.data.timezone)) if found else _NO_KEYS
    Screen(json=json, quiet=quiet).result({"keys": [record_document(record, now) for record in found]}, shown)


@keys.command("revoke")
def revoke(
    key_id: KeyArgument,
    path: ConfigOption = Path("retain.toml"),
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """End a key at once; running endpoints know within a second."""
    from retain.config import load_config
    from serving.keys import KeyStore

    screen = Screen(json=json, quiet=quiet)
    project = load_config(path)
    with closing(KeyStore(project.store_url)) as store:
        store.revoke(key_id)
        left = sum(record.state(datetime.now(UTC)) == "valid" for record in store.listed())
    _record(project, "retain keys revoke", key_id)
    if not left:
        screen.note("No key is left: the endpoint answers nobody until `retain keys add` makes one.")
    screen.result({"key_id": key_id, "left": left}, f"{key_id} opens nothing any more; keys left: {left}")


@keys.command("rotate")
def rotate(
    key_id: KeyArgument,
    path: ConfigOption = Path("retain.toml"),
    grace_hours: Annotated[
        float, typer.Option("--grace-hours", min=0, max=8760, help="Hours for which the old key opens still.")
    ] = 24.0,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Make a key beside an old one that allows the same; the old one ends after the hours of grace."""
    from retain.config import load_config
    from serving.keys import KeyStore

    screen = Screen(json=json, quiet=quiet)
    project = load_config(path)
    with closing(KeyStore(project.store_url)) as store:
        text, key = store.rotate(key_id, timedelta(hours=grace_hours))
    _hand_over(screen, text, key)
    screen.note(f"{key_id} ends in {grace_hours:g} hours at the latest.")
    _record(project, "retain keys rotate", key_id, key.key_id)


def _hand_over(screen: Screen, text: str, key: Key) -> None:
    from retain.access_report import key_document

    screen.result({"key": text, **key_document(key)}, text)
    screen.note(
        f"{key.key_id}: the key stands above and is shown only this once; `retain keys list` has the rest."
    )


def _record(project: Project, done: str, *key_ids: str) -> None:
    """Note in the audit trail which key came or went."""
    from serving.trail import Entry, Trail

    with closing(Trail(project.store_url)) as trail:
        trail.append([Entry(datetime.now(UTC), key_id, done, "", "", 0, 0) for key_id in key_ids])


def _start_of(day: str, project: Project) -> datetime:
    from datetime import date
    from zoneinfo import ZoneInfo

    from features.errors import ConfigError

    try:
        found = date.fromisoformat(day)
    except ValueError:
        raise ConfigError(f"--expires {day}: write a day as 2026-12-31") from None
    return datetime(found.year, found.month, found.day, tzinfo=ZoneInfo(project.config.data.timezone))
