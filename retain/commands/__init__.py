"""The commands of ``retain``, one module each, and the options they share.

A command's module imports nothing heavy at its top: ``retain --help`` reads them all.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from retain.own_folder import with_own_features

__all__ = ["AsOfOption", "ConfigOption", "JsonOption", "LangOption", "QuietOption"]

AsOfOption = Annotated[
    str | None, typer.Option("--as-of", metavar="DATE", help="Everything before this day is past.")
]

ConfigOption = Annotated[
    Path,
    typer.Option("-c", "--config", metavar="FILE", callback=with_own_features, help="Configuration file."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")]
QuietOption = Annotated[bool, typer.Option("--quiet", help="No notes, no progress.")]
LangOption = Annotated[Literal["en", "zh"], typer.Option("--lang", help="Language of the texts.")]
