"""The files behind a configured path: single files, folders and globs, each content once."""

from __future__ import annotations

import glob
import hashlib
import os
import stat
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from features.errors import InputError
from features.findings import Ledger
from features.partitions import partition_keys

__all__ = ["KINDS", "Mark", "file_kind", "find_files", "mark_of", "unchanged"]

Mark = tuple[int, int, int]
"""Identity, size and time of change of a file."""

_END_BYTES = 64 * 1024

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


def find_files(
    patterns: Sequence[str], base: Path, ledger: Ledger, *, columns: Collection[str] = ()
) -> list[Path]:
    """All files that `patterns` name, in name order; copies of the same content are left out and noted.

    Parameters
    ----------
    patterns : sequence of str
        Files, folders (searched to the bottom) or globs (``**`` for folders at any depth), relative to `base` or
        absolute. In folders, and under ``**``, names that begin with a dot or an underscore are passed by.
    base : Path
    ledger : Ledger
    columns : collection of str
        Columns that may stand in the path (``region=north/``): the same content in two such folders is no copy.

    Raises
    ------
    InputError
        A pattern that finds nothing; something that is no regular file; a single file of unknown kind.
    """
    found: dict[Path, None] = {}
    for pattern in patterns:
        for path in _expand(pattern, base, ledger):
            found.setdefault(path.resolve(), None)
    return _without_copies(list(found), ledger, columns)


@contextmanager
def unchanged(path: Path) -> Iterator[None]:
    """Refuses a file that is written or replaced while it is read.

    Raises
    ------
    InputError
        When size, time of change or identity differ afterwards.
    """
    before = mark_of(path)
    yield
    if mark_of(path) != before:
        raise InputError(
            f"{path.name}: the file changed while it was read; load it again when it is complete"
        )


def mark_of(path: Path) -> Mark:
    """What changes when a file is written or replaced; zeros for one that is gone."""
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
    if "://" in pattern:
        raise InputError(
            f"{pattern!r}: object stores are read where they are; set in_place = true under [data]"
        )
    matches = sorted(Path(p) for p in glob.glob(os.fspath(path), recursive=True))  # noqa: PTH207
    if "**" in pattern:
        # A writer's unfinished parts stand in folders such as _temporary.
        top = Path(os.fspath(path).partition("*")[0]).parent
        matches = [found for found in matches if not _hidden(found, top)]
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


def _without_copies(files: list[Path], ledger: Ledger, columns: Collection[str]) -> list[Path]:
    copies: set[Path] = set()
    # Parts of one size are common and long; their ends, where Parquet keeps its statistics, tell most apart.
    for of_size in _alike(files, lambda path: path.stat().st_size):
        for of_end in _alike(of_size, _end):
            for same in _alike(of_end, lambda path: (_digest(path), _place(path, columns))):
                copies.update(same[1:])
                for path in same[1:]:
                    ledger.note("fed_twice", "warning", 0, source=path.name, detail=same[0].name)
    return [path for path in files if path not in copies]


def _alike(files: Sequence[Path], trait: Callable[[Path], object]) -> list[list[Path]]:
    """Groups of two and more files that share a trait."""
    groups: dict[object, list[Path]] = {}
    for path in files:
        groups.setdefault(trait(path), []).append(path)
    return [group for group in groups.values() if len(group) > 1]


def _place(path: Path, columns: Collection[str]) -> tuple[tuple[str, str | None], ...]:
    return tuple(item for item in partition_keys(os.fspath(path)).items() if item[0] in columns)


def _end(path: Path) -> bytes:
    with path.open("rb") as stream:
        stream.seek(max(0, path.stat().st_size - _END_BYTES))
        return hashlib.sha256(stream.read()).digest()


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
