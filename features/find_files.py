"""The files behind a configured path: single files, folders and globs, each content once."""

from __future__ import annotations

import glob
import hashlib
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from features.errors import InputError
from features.findings import Ledger

__all__ = ["KINDS", "file_kind", "find_files", "unchanged"]

KINDS = {
    ".csv": "text",
    ".tsv": "text",
    ".txt": "text",
    ".csv.gz": "text",
    ".tsv.gz": "text",
    ".txt.gz": "text",
    ".xlsx": "excel",
    ".xlsm": "excel",
    ".parquet": "parquet",
    ".pq": "parquet",
}


def file_kind(path: Path) -> str | None:
    """``"text"``, ``"excel"``, ``"parquet"``, or None for a file that is not read here."""
    name = path.name.lower()
    return next((kind for suffix, kind in KINDS.items() if name.endswith(suffix)), None)


def find_files(patterns: Sequence[str], base: Path, ledger: Ledger) -> list[Path]:
    """All files that `patterns` name, in name order; copies of the same content are left out and noted.

    Parameters
    ----------
    patterns : sequence of str
        Files, folders (searched to the bottom) or globs, relative to `base` or absolute.
    base : Path
    ledger : Ledger

    Raises
    ------
    InputError
        A pattern that finds nothing; something that is no regular file; a single file of unknown kind.
    """
    found: dict[Path, None] = {}
    for pattern in patterns:
        for path in _expand(pattern, base, ledger):
            found.setdefault(path.resolve(), None)
    return _without_copies(list(found), ledger)


@contextmanager
def unchanged(path: Path) -> Iterator[None]:
    """Refuses a file that is written or replaced while it is read.

    Raises
    ------
    InputError
        When size, time of change or identity differ afterwards.
    """
    before = _mark(path)
    yield
    if _mark(path) != before:
        raise InputError(
            f"{path.name}: the file changed while it was read; load it again when it is complete"
        )


def _mark(path: Path) -> tuple[int, int, int]:
    try:
        found = path.stat()
    except FileNotFoundError:
        return (0, 0, 0)
    return (found.st_ino, found.st_size, found.st_mtime_ns)


def _expand(pattern: str, base: Path, ledger: Ledger) -> list[Path]:
    path = base / pattern
    if path.is_dir():
        files = sorted(p for p in path.rglob("*") if p.is_file() and not _hidden(p, path))
        return _known(files, pattern, ledger)
    if path.exists():
        return [_regular(path)]
    matches = sorted(Path(p) for p in glob.glob(os.fspath(path), recursive=True))  # noqa: PTH207
    if not matches:
        raise InputError(
            f"no file found at {pattern!r}; check the path (it is relative to the configuration file)"
        )
    return _known([_regular(p) for p in matches if not p.is_dir()], pattern, ledger)


def _hidden(path: Path, folder: Path) -> bool:
    parts = path.relative_to(folder).parts
    return any(part.startswith((".", "_")) for part in parts) or path.name.endswith(".manifest.json")


def _regular(path: Path) -> Path:
    if not stat.S_ISREG(path.stat().st_mode):
        raise InputError(
            f"{path.name}: not a regular file (a pipe or device); copy the data into a file first"
        )
    if file_kind(path) is None:
        raise InputError(f"{path.name}: unknown kind of file; known endings are {', '.join(KINDS)}")
    return path


def _known(files: list[Path], pattern: str, ledger: Ledger) -> list[Path]:
    for path in files:
        if file_kind(path) is None:
            ledger.note("skipped_file", "warning", 0, source=path.name)
    known = [path for path in files if file_kind(path) is not None]
    if not known:
        raise InputError(f"no table found in {pattern!r}; known endings are {', '.join(KINDS)}")
    return known


def _without_copies(files: list[Path], ledger: Ledger) -> list[Path]:
    sizes: dict[int, list[Path]] = {}
    for path in files:
        sizes.setdefault(path.stat().st_size, []).append(path)
    first: dict[str, Path] = {}
    copies: set[Path] = set()
    for alike in sizes.values():
        for path in alike if len(alike) > 1 else []:
            original = first.setdefault(_digest(path), path)
            if original != path:
                copies.add(path)
                ledger.note("fed_twice", "warning", 0, source=path.name, detail=original.name)
    return [path for path in files if path not in copies]


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
