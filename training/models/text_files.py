"""A folder of texts with their hashes: written whole or not at all, read only as it was written.

``manifest.json`` lists every other file with its SHA-256; the version is the hash of the manifest. Nothing in such
a folder can run code.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from features.errors import ModelError
from features.publish import publish_dir, publish_file

__all__ = ["json_text", "point_at", "pointed", "read_texts", "write_texts"]

_MANIFEST = "manifest.json"


def json_text(values: Any) -> str:
    """Strict JSON in one way of writing, so that equal values have equal hashes."""
    text = json.dumps(values, sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text + "\n"


def write_texts(folder: Path, kind: str, files: Mapping[str, str]) -> str:
    """Writes the files to ``folder/<version>``; the same files always have the same version.

    Parameters
    ----------
    folder : Path
        Folder of all versions.
    kind : str
        What the files are, checked when they are read.
    files : mapping of file name to text

    Returns
    -------
    str
        The version, 12 hex digits.
    """
    hashes = {name: _sha256(text.encode()) for name, text in sorted(files.items())}
    manifest = json_text({"kind": kind, "files": hashes})
    version = _sha256(manifest.encode())[:12]

    def write(target: Path) -> None:
        for name, text in {**files, _MANIFEST: manifest}.items():
            (target / name).write_bytes(text.encode())

    publish_dir(folder / version, write)
    return version


def read_texts(path: Path, kind: str) -> dict[str, str]:
    """The files of one version, after every hash was checked.

    Raises
    ------
    ModelError
        A file is missing, changed or unlisted, or the folder holds something else.
    """
    try:
        raw = (path / _MANIFEST).read_bytes()
        manifest = json.loads(raw)
        hashes = dict(manifest["files"])
        whole = json_text(manifest).encode() == raw and _sha256(raw)[:12] == path.name
    except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
        raise ModelError(
            f"model {path.name}: {_MANIFEST} is missing or damaged; run `retain train` again"
        ) from error
    if not whole or manifest.get("kind") != kind:
        found = manifest.get("kind", "another one")
        raise ModelError(
            f"model {path.name}: a {kind} model is expected, this is {found} or changed; run `retain train`"
        )
    strangers = sorted(p.name for p in path.iterdir() if p.name not in {*hashes, _MANIFEST})
    files = {name: _content(path / name) for name in hashes}
    wrong = [n for n, data in files.items() if data is None or _sha256(data) != hashes[n]] + strangers
    if wrong:
        raise ModelError(
            f"model {path.name}: {wrong[0]} is missing, changed or unlisted; run `retain train` again"
        )
    return {name: (data or b"").decode() for name, data in files.items()}


def point_at(models_dir: Path, pointer: str, version: str) -> None:
    """Writes the pointer file that scoring follows."""

    def write(path: Path) -> None:
        path.write_text(version + "\n", encoding="utf-8")

    publish_file(models_dir / pointer, write)


def pointed(models_dir: Path, pointer: str, *, train: str) -> Path:
    """Folder of the version that a pointer file names.

    Raises
    ------
    ModelError
        There is none yet; `train` is the command that makes one.
    """
    file = models_dir / pointer
    if not file.is_file():
        raise ModelError(f"no model of this kind yet: run `{train}` first")
    version = file.read_text(encoding="utf-8").strip()
    if not version or version == ".." or Path(version).name != version:
        raise ModelError(f"the pointer file `{pointer}` does not name a model; run `{train}`")
    return models_dir / version


def _content(file: Path) -> bytes | None:
    """Bytes of an ordinary file right in the folder; None for anything else."""
    if Path(file.name).name != file.name or file.is_symlink() or not file.is_file():
        return None
    return file.read_bytes()


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
