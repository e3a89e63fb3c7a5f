"""What a run has finished so far, in a private folder beside its output, so that whoever is killed goes on from there.

Every file gets its name whole or not at all, and has a SHA-256 in the record of the run. A folder is made for a key, which
names all that the files depend on besides their sources; what was made for another key is thrown away.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from features.files import explained, new_file, rename, settle
from features.publish import sha256_file

__all__ = ["WorkFolder"]

_KEY = "key.json"


class WorkFolder:
    """The folder with what is finished of one output.

    Parameters
    ----------
    out : Path
        The output to be; the folder stands beside it, private. The caller holds the output's lock.
    key : mapping
        What all files depend on besides their sources.
    """

    def __init__(self, out: Path, key: Mapping[str, Any]) -> None:
        self._out = out
        self.path = self.beside(out)
        self.key = json.dumps(key, sort_keys=True)
        with explained(out):
            if not self.path.is_dir() or self.text(_KEY) != self.key:
                self.drop()
                self.path.mkdir(mode=0o700)
                self.keep(_KEY, self.key)
            for left in self.path.glob(".*.part"):
                left.unlink()

    @staticmethod
    def beside(out: Path) -> Path:
        """Where the work of an output stands."""
        return out.with_name(f".{out.name}.work")

    def text(self, name: str) -> str | None:
        """The text of a file; None where there is none."""
        try:
            return (self.path / name).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            return None

    def keep(self, name: str, text: str) -> None:
        """Keep a text."""
        self.write(name, lambda part: part.write_text(text, encoding="utf-8"))

    def write(self, name: str, fill: Callable[[Path], object]) -> Path:
        """Keep a file that `fill` writes; returns where it stands."""
        file = self.path / name
        part = file.with_name(f".{name}.{os.getpid()}.part")
        with explained(self._out):
            part.unlink(missing_ok=True)
            fill(new_file(part))
            settle(part)
            rename(part, file)
        return file

    def has(self, name: str, sha256: str) -> bool:
        """Whether a file is there and whole."""
        file = self.path / name
        return file.is_file() and sha256_file(file) == sha256

    def drop(self) -> None:
        """Throw everything away."""
        if self.path.is_symlink() or self.path.is_file():
            self.path.unlink()
        elif self.path.exists():
            shutil.rmtree(self.path)
