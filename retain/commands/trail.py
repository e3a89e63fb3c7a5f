"""``retain trail``: the audit trail of the endpoint."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from retain.commands import ConfigOption, JsonOption, QuietOption
from retain.console import Screen

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

__all__ = ["trail"]

_USUAL = timedelta(days=1)

trail = typer.Typer(
    help="Check and show who asked the endpoint for what, with which model.",
    rich_markup_mode=None,
    no_args_is_help=True,
)


@trail.command("verify")
def verify(
    path: ConfigOption = Path("retain.toml"),
    head: Annotated[
        str,
        typer.Option(
            "--head", metavar="HASH", help="The head that an earlier verify gave: it must be there."
        ),
    ] = "",
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Check that nothing was changed, moved, put in or taken out; note the head it gives for the next time."""
    from retain.config import load_config
    from serving.trail import Trail

    with closing(Trail(load_config(path).store_url)) as opened:
        found = opened.verify(head)
    document = {"blocks": found.blocks, "entries": found.entries, "head": found.head}
    told = (
        f"whole: {found.entries:,} entries in {found.blocks:,} blocks. Note its head elsewhere: {found.head}"
    )
    Screen(json=json, quiet=quiet).result(document, told)


@trail.command("show")
def show(
    path: ConfigOption = Path("retain.toml"),
    since: Annotated[
        str | None,
        typer.Option(
            "--since", metavar="TIME", help="2026-01-05 or 2026-01-05T12:30; the last 24 hours by default."
        ),
    ] = None,
    key: Annotated[str, typer.Option("--key", metavar="ID", help="Requests with this key only.")] = "",
    most: Annotated[int, typer.Option("--most", min=1, metavar="N", help="Show at most so many.")] = 1000,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Show entries, the oldest first."""
    from zoneinfo import ZoneInfo

    from retain.access_report import entry_document, entry_table
    from retain.config import load_config
    from serving.trail import Trail

    screen, project = Screen(json=json, quiet=quiet), load_config(path)
    zone = ZoneInfo(project.config.data.timezone)
    start = datetime.now(UTC) - _USUAL if since is None else _moment(since, zone)
    with closing(Trail(project.store_url)) as opened, closing(opened.entries(since=start)) as entries:
        wanted = (entry for entry in entries if key in ("", entry.key_id))
        found = list(islice(wanted, most + 1))
    shown, more = found[:most], len(found) > most
    if more:
        screen.note(
            f"There are more than {most:,}; --since {shown[-1].time.isoformat()} goes on, --most shows more."
        )
    screen.result(
        {"entries": [entry_document(entry) for entry in shown], "more": more}, entry_table(shown, zone)
    )


def _moment(text: str, zone: ZoneInfo) -> datetime:
    from features.errors import ConfigError

    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError(
            f"--since {text}: write a day or a time as 2026-01-05 or 2026-01-05T12:30"
        ) from None
    return found if found.tzinfo is not None else found.replace(tzinfo=zone)
