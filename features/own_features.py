"""Features of your own: files that each hold one ``FAMILY``, found, checked and taken in once in a process.

They are looked for in the package `features.own`, and in one folder besides, which the configuration names
(``[features] folder``). Whoever reads a configuration registers its folder; which features there are is fixed when
they are first asked for, so that training, list and endpoint of one process cannot differ. What the expressions must
hold to is looked at when they are used (`features.own_expressions`).
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

from pydantic import BaseModel, ConfigDict

from features.contract import TABLES
from features.errors import ConfigError
from features.family import ColumnDoc, Family

__all__ = [
    "FeatureSettings",
    "OwnFile",
    "own_families",
    "own_files",
    "own_record",
    "read_files",
    "register_folder",
]

_PACKAGE = Path(__file__).resolve().parent / "own"
_SERVICE = "RETAIN_SERVICE"
_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
# Columns that stand beside the features in some table, now or when a horizon is another one.
_RESERVED = re.compile(
    r"as_of|customer_id|base|day|age|known_day|evidence.*|model_.*|btyd_.*|anchor_.*|.*_ahead_.*|churn.*|clv.*"
    r"|expected_.*|value_at_.*|value_class|rfm.*|strategy.*|segment.*|reasons.*|offer.*|season|other|own"
)
_SOURCES = (*(name for name in TABLES if name != "customers"), "all")
_TEXTS = ("en", "zh", "unit", "window", "formula")


class FeatureSettings(BaseModel):
    """``[features]``: the folder with features of your own, relative to ``retain.toml``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    folder: Path | None = None


@dataclass(frozen=True)
class OwnFile:
    """One file with features.

    Parameters
    ----------
    path : Path
        Where it lies.
    family : Family
        What it holds.
    sha256 : str
        Hash of its text, whatever its line ends.
    """

    path: Path
    family: Family
    sha256: str


@dataclass
class _Process:
    """What this process knows of its folder: nothing, or which one (None for none), for good."""

    told: bool = False
    folder: Path | None = None


_process = _Process()


def register_folder(folder: Path | None) -> None:
    """Say where this process finds features besides the package's; None for nowhere. The first word counts.

    Parameters
    ----------
    folder : Path or None
        Folder of files that each hold one ``FAMILY``.

    Raises
    ------
    ConfigError
        There is no such folder, or this process has another one already.
    """
    wanted = None if folder is None else folder.resolve()
    if wanted is not None and not wanted.is_dir():
        raise ConfigError(
            f"[features] folder {folder}: there is no such folder; make it, or take the line out of retain.toml"
        )
    if not _process.told:
        _process.told, _process.folder = True, wanted
    elif wanted != _process.folder:
        raise ConfigError(
            f"[features] folder: this process takes its own features from {_process.folder or 'no folder'} and "
            f"cannot change to {wanted or 'none'}. Read the configuration before anything else asks for features, "
            "and use a process of its own (in a notebook: restart the kernel) for another configuration"
        )


@lru_cache(maxsize=1)
def own_files() -> tuple[OwnFile, ...]:
    """The files with features, in the order of their names; read once, then fixed.

    Raises
    ------
    ConfigError
        All faults of all files at once: file, what is wrong, and what to do.
    """
    if not _process.told:
        register_folder(_folder_of_service())
    folders = [_PACKAGE] if _process.folder in (None, _PACKAGE) else [_PACKAGE, _process.folder]
    return read_files(folders)


def read_files(folders: Sequence[Path]) -> tuple[OwnFile, ...]:
    """The files of some folders, in the order of their names; what `own_files` does once in a process.

    Raises
    ------
    ConfigError
        All faults of all files at once.
    """
    paths = sorted((path for folder in folders for path in _files(folder)), key=lambda path: path.name)
    found, faults = [], list[str]()
    for path in paths:
        try:
            found.append(_taken_in(path))
        except ConfigError as error:
            faults.append(str(error))
    faults += [
        f"{name}: there are two files of this name, in {folders[0]} and in {folders[-1]}; rename one"
        for name, count in Counter(path.name for path in paths).items()
        if count > 1
    ]
    _refuse(faults)
    return tuple(found)


def own_families(built_in: Collection[str], files: Sequence[OwnFile] | None = None) -> tuple[Family, ...]:
    """The families of files, none of whose names is taken, ready for `features.pipeline`.

    Parameters
    ----------
    built_in : collection of str
        Names of the features that are there without them.
    files : sequence of OwnFile, optional
        Those of this process by default.

    Raises
    ------
    ConfigError
        As `own_files`, or a name is there twice.
    """
    files = own_files() if files is None else files
    owner = dict.fromkeys(built_in, "a feature of Retain's")
    faults = []
    for file in files:
        for name in file.family.names:
            if name in owner:
                faults.append(f"{file.path}: {name} is the name of {owner[name]} already; choose another")
            owner[name] = f"a feature of {file.path.name}"
    _refuse(faults)
    if not files:
        return ()
    from features.own_expressions import guarded

    return tuple(guarded(file.family, str(file.path)) for file in files)


def own_record() -> dict[str, dict[str, Any]]:
    """What a model keeps of the own features it was trained with, by file name; empty where there are none.

    Examples
    --------
    >>> own_record()
    {}
    """
    return {
        file.path.name: {"columns": list(file.family.names), "sha256": file.sha256} for file in own_files()
    }


def _folder_of_service() -> Path | None:
    """Where ``bentoml serve`` starts the endpoint, only the settings that `retain serve` wrote name the folder."""
    try:
        settings = json.loads(Path(os.environ[_SERVICE]).read_bytes())
        return Path(settings["own_features"]) if settings.get("own_features") else None
    except (KeyError, OSError, ValueError, AttributeError):
        # Whoever reads the settings says what is wrong with them.
        return None


def _files(folder: Path) -> Iterator[Path]:
    try:
        for path in folder.iterdir():
            if path.suffix == ".py" and path.name != "__init__.py" and not path.name.startswith("."):
                yield path
    except OSError as error:
        raise ConfigError(f"[features] folder {folder}: cannot be read ({error.strerror})") from None


def _taken_in(path: Path) -> OwnFile:
    """One file: read, run and looked at. What was hashed is what runs, so no compiled copy is kept."""
    if not _NAME.fullmatch(path.stem):
        raise ConfigError(f"{path}: name the file in lower snake case, such as month_start.py")
    try:
        text = path.read_text(encoding="utf-8-sig")
        code = compile(text, str(path), "exec", dont_inherit=True)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: not UTF-8 text; save it as UTF-8") from None
    except SyntaxError as error:
        raise ConfigError(f"{path}, line {error.lineno}: {error.msg}") from None
    module = ModuleType(f"features.own.{path.stem}")
    module.__file__ = str(path)
    sys.modules[module.__name__] = module
    try:
        exec(code, module.__dict__)  # noqa: S102 - a file of the user's own, which is there to be run
    except Exception as error:
        raise ConfigError(f"{path}{_line(error, path)}: {type(error).__name__}: {error}") from error
    family = _family_of(module, path)
    return OwnFile(path, family, hashlib.sha256(text.encode()).hexdigest())


def _family_of(module: ModuleType, path: Path) -> Family:
    family = getattr(module, "FAMILY", None)
    if not isinstance(family, Family):
        raise ConfigError(
            f"{path}: holds no FAMILY; end it with FAMILY = Family(source, docs, measures, derived), or move it "
            "elsewhere if it is no feature"
        )
    if family.source not in _SOURCES:
        raise ConfigError(
            f"{path}: source {family.source!r} has no rows to count; take one of {', '.join(_SOURCES)}"
        )
    if not (family.docs and all(isinstance(doc, ColumnDoc) for doc in family.docs)):
        raise ConfigError(f"{path}: docs must be a tuple of at least one ColumnDoc, one per column")
    if faults := [fault for doc in family.docs for fault in _doc_faults(doc)]:
        raise ConfigError(f"{path}: {'; '.join(faults)}")
    twice = [name for name, count in Counter(family.names).items() if count > 1]
    if unknown := sorted({*twice, *(set(family.fill) - set(family.names))}):
        what = "has two ColumnDocs" if twice else "stands in fill without a ColumnDoc"
        raise ConfigError(f"{path}: {unknown[0]} {what}; each column has one")
    return family


def _doc_faults(doc: ColumnDoc) -> Iterator[str]:
    if not isinstance(doc.name, str) or not _NAME.fullmatch(doc.name):
        yield f"column {doc.name!r} is not named in lower snake case, such as month_start_share"
    elif _RESERVED.fullmatch(doc.name):
        yield f"column {doc.name} bears a name of another table's; put your own word before it, such as my_{doc.name}"
    for field in _TEXTS:
        text = getattr(doc, field)
        if not isinstance(text, str) or not text.strip():
            yield f"column {doc.name} has no {field}; write what people shall read"
        elif field in ("en", "zh") and re.search(r"[;；{}\n]", text):
            yield f"column {doc.name}: {field} holds a semicolon, brace or line end, which reasons need; take a comma"


def _line(error: BaseException, path: Path) -> str:
    """Where in the file it was raised."""
    line, step = None, error.__traceback__
    while step is not None:
        if step.tb_frame.f_code.co_filename == str(path):
            line = step.tb_lineno
        step = step.tb_next
    return "" if line is None else f", line {line}"


def _refuse(faults: list[str]) -> None:
    if faults:
        head = f"own features have {len(faults)} fault{'s' if len(faults) > 1 else ''}:"
        raise ConfigError("\n  ".join([head, *faults]))
