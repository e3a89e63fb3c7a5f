"""The ``[trees]`` section of ``retain.toml``: written without touching anything else in the file."""

from __future__ import annotations

import os
import re
from pathlib import Path

from features.errors import ConfigError
from features.files import explained, new_file, rename, settle
from retain.config import parse_config
from training.settings import TreeSettings

__all__ = ["trees_text", "with_trees", "write_trees"]

_HEADER = re.compile(r"[ \t]*\[[ \t]*trees[ \t]*\][ \t]*(#.*)?")
_ANY_HEADER = re.compile(r"[ \t]*\[")
_NOTE = (
    "# Found by `retain tune`: better on past days that the search had not seen · 由 `retain tune` 搜索得到"
)


def trees_text(trees: TreeSettings) -> str:
    """The section as text.

    Examples
    --------
    >>> trees_text(TreeSettings()).splitlines()[:2]
    ['[trees]', 'learning_rate = 0.1']
    """
    return "\n".join(["[trees]", *(f"{k} = {v}" for k, v in trees.model_dump().items())]) + "\n"


def with_trees(text: str, trees: TreeSettings, *, name: str = "retain.toml") -> str:
    """The file's text with these settings: the section is replaced where it stands, else added at the end.

    Parameters
    ----------
    text : str
        A configuration that `retain.config.parse_config` accepts.
    trees : TreeSettings
        What it shall say.
    name : str
        Name of the file, for the message.

    Raises
    ------
    ConfigError
        When the settings stand in the file in another form, such as an inline table.

    Examples
    --------
    >>> with_trees("[trees]\\nnum_leaves = 7\\n[run]\\n", TreeSettings()).splitlines()[-2:]
    ['', '[run]']
    """
    lines = text.splitlines()
    start = next((i for i, line in enumerate(lines) if _HEADER.fullmatch(line)), None)
    section = [_NOTE, *trees_text(trees).splitlines()]
    if start is None:
        new = [*lines, "", *section]
    else:
        end = next((i for i in range(start + 1, len(lines)) if _ANY_HEADER.match(lines[i])), len(lines))
        first = start - 1 if start and lines[start - 1] == _NOTE else start
        new = [*lines[:first], *section, *([""] if end < len(lines) else []), *lines[end:]]
    done = ("\r\n" if "\r\n" in text else "\n").join([*new, ""])
    try:
        right = parse_config(done) == parse_config(text).model_copy(update={"trees": trees})
    except ConfigError:
        right = False
    if not right:
        raise ConfigError(
            f"{name}: its [trees] settings are not a section of their own and are left as they are; "
            f"put these lines there yourself:\n{trees_text(trees)}"
        )
    return done


def write_trees(path: Path, trees: TreeSettings) -> None:
    """Writes the settings into the configuration file, whole or not at all.

    Raises
    ------
    ConfigError
        See `with_trees`.
    PublishError
        When the file cannot be written.
    """
    text = with_trees(path.read_bytes().decode("utf-8-sig"), trees, name=str(path))
    target = path.resolve()
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    with explained(target, part):
        try:
            new_file(part).write_bytes(text.encode())
            settle(part)
            rename(part, target)
        finally:
            part.unlink(missing_ok=True)
