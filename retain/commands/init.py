"""``retain init``: look at the files, propose a configuration, say what was guessed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from retain.commands import ConfigOption, JsonOption, QuietOption
from retain.console import Screen

__all__ = ["init"]


def init(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="Order files and others, or folders.")
    ],
    path: ConfigOption = Path("retain.toml"),
    churn_window: Annotated[
        int | None, typer.Option(metavar="DAYS", help="Days without an order that count as churn.")
    ] = None,
    horizons: Annotated[
        str, typer.Option(metavar="DAYS,...", help="Horizons of the value forecast.")
    ] = "30,90,180,365",
    as_of: Annotated[
        str, typer.Option("--as-of", metavar="DATE", help="Everything before this day is past.")
    ] = "auto",
    out_dir: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Where models, runs and lists go.", show_default="retain-out"),
    ] = None,
    timezone: Annotated[str, typer.Option(metavar="ZONE", help="Business zone, e.g. Europe/London.")] = "",
    currency: Annotated[str, typer.Option(metavar="CODE", help="Currency of all amounts, e.g. CNY.")] = "",
    margin_rate: Annotated[float, typer.Option(metavar="SHARE", help="Margin as a share of revenue.")] = 0.3,
    date_format: Annotated[
        str, typer.Option(metavar="FORMAT", help="ymd, dmy, mdy, excel, epoch, or like %d/%m/%Y.")
    ] = "auto",
    encoding: Annotated[str, typer.Option(metavar="NAME", help="utf-8, gbk, utf-16, cp1252 ...")] = "auto",
    column: Annotated[
        list[str] | None,
        typer.Option("--map", metavar="NAME=COLUMN", help="Map a column yourself, e.g. amount=TOTAL."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing configuration.")] = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Look at your files and write retain.toml.

    Known data sets are recognised; of other files the columns are guessed from names (English, Chinese) and
    values. Nothing is overwritten without --force.
    """
    from retain.start import Asked, set_up

    asked = Asked(
        files=tuple(files),
        path=path,
        window_days=churn_window,
        horizons=horizons,
        as_of=as_of,
        out_dir=out_dir,
        timezone=timezone,
        currency=currency,
        margin_rate=margin_rate,
        date_format=date_format,
        encoding=encoding,
        mapping=tuple(column or ()),
        force=force,
    )
    screen = Screen(json=json, quiet=quiet)
    with screen.progress("reading ") as progress:
        done = set_up(asked, progress)
    screen.result(done.document(), *done.human())
