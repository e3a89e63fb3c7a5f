"""The commands of ``retain``, one module each, and the options they share.

A command's module imports nothing heavy at its top: ``retain --help`` reads them all.
"""

from __future__ import annotations

import tomllib
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Literal

import typer

__all__ = ["AsOfOption", "ConfigOption", "JsonOption", "LangOption", "QuietOption"]

AsOfOption = Annotated[
    str | None, typer.Option("--as-of", metavar="DATE", help="Everything before this day is past.")
]


def _with_own_features(path: Path) -> Path:
    """Register the folder of own features before a command imports anything that asks for features.

    Whatever is wrong with the file or its folder is told by `retain.config.load_config`, which registers it again.
    Errors of Retain's are ValueErrors.
    """
    with suppress(OSError, ValueError, AttributeError):
        folder = tomllib.loads(path.read_bytes().decode("utf-8-sig")).get("features", {}).get("folder")
        if isinstance(folder, str):
            from features.own_features import register_folder

            register_folder(path.parent / folder)
    return path


ConfigOption = Annotated[
    Path,
    typer.Option("-c", "--config", metavar="FILE", callback=_with_own_features, help="Configuration file."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")]
QuietOption = Annotated[bool, typer.Option("--quiet", help="No notes, no progress.")]
LangOption = Annotated[Literal["en", "zh"], typer.Option("--lang", help="Language of the texts.")]
