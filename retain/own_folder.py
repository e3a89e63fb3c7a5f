"""The folder of own features that a configuration names, told to the process before anything asks for features."""

from __future__ import annotations

import tomllib
from contextlib import suppress
from pathlib import Path

__all__ = ["with_own_features"]


def with_own_features(path: Path) -> Path:
    """The same path; `[features] folder` of the file there is registered.

    A command line reads its options before a command imports anything that features are asked of. Whatever is wrong
    with the file or its folder is told by `retain.config.load_config`, which registers it again; errors of Retain's
    are ValueErrors.

    Examples
    --------
    >>> with_own_features(Path("absent.toml")).name
    'absent.toml'
    """
    with suppress(OSError, ValueError, AttributeError):
        folder = tomllib.loads(path.read_bytes().decode("utf-8-sig")).get("features", {}).get("folder")
        if isinstance(folder, str):
            from features.own_features import register_folder

            register_folder(path.parent / folder)
    return path
