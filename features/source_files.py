"""Files of order lines told apart by marks, so that one that is the same as before need not be read."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import ibis.expr.types as ir

from features.errors import InputError

__all__ = ["SourceFiles", "file_mark"]

_TAIL_BYTES = 2**16


@dataclass(frozen=True)
class SourceFiles:
    """Files of order lines that can be read one by one.

    Parameters
    ----------
    paths : sequence of Path
        All files of the table.
    read : callable
        Gives the lines of some of them as a table like ``tables.orders``, in the same engine.
    settings : str
        Whatever else the lines depend on; when it changes, everything is summed up anew.
    drop_alike : bool
        Whether lines that equal an earlier one are dropped, in whatever files they are.
    """

    paths: Sequence[Path]
    read: Callable[[Sequence[Path]], ir.Table]
    settings: str = ""
    drop_alike: bool = False

    def marks(self) -> dict[str, str]:
        """Mark of each file by path."""
        return {str(path): file_mark(path) for path in self.paths}


def file_mark(path: Path) -> str:
    """What a file is, without reading all of it: size, time of change, and a hash of its end.

    Raises
    ------
    InputError
        The file cannot be read.
    """
    try:
        seen = path.stat()
        with path.open("rb") as file:
            file.seek(max(0, seen.st_size - _TAIL_BYTES))
            digest = hashlib.sha256(file.read()).hexdigest()
    except OSError as error:
        raise InputError(f"{path.name}: cannot be read ({error.strerror})") from error
    return f"{seen.st_size}-{seen.st_mtime_ns}-{digest}"
