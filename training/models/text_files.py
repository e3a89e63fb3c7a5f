"""A folder of texts with their hashes: written whole or not at all, read only as it was written.

``manifest.json`` lists every other file with its SHA-256; the version is the hash of the manifest. Nothing in such
a folder can run code.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from features.errors import ModelError
from features.publish import publish_dir, publish_file

__all__ = ["Texts", "json_text", "parsing", "point_at", "pointed", "read_kind", "read_texts", "write_texts"]

_MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Texts:
    """The files of one version, as they were written.

    Parameters
    ----------
    version : str
        12 hex digits of the hash of the manifest.
    head : dict
        What the manifest says besides the files.
    files : dict
        Text by file name.
    """

    version: str
    head: dict[str, Any]
    files: dict[str, str]


def json_text(values: Any) -> str:
    """Strict JSON in one way of writing, so that equal values have equal hashes."""
    text = json.dumps(values, sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text + "\n"


def write_texts(folder: Path, files: Mapping[str, str], head: Mapping[str, Any]) -> str:
    """Writes the files to ``folder/<version>``; the same files always have the same version.

    Parameters
    ----------
    folder : Path
        Folder of all versions.
    files : mapping of file name to text
    head : mapping
        What the manifest says of the files, checked when they are read.

    Returns
    -------
    str
        The version, 12 hex digits.
    """
    hashes = {name: _sha256(text.encode()) for name, text in sorted(files.items())}
    manifest = json_text({**head, "files": hashes})
    version = _sha256(manifest.encode())[:12]

    def write(target: Path) -> None:
        for name, text in {**files, _MANIFEST: manifest}.items():
            (target / name).write_bytes(text.encode())

    publish_dir(folder / version, write)
    return version


def read_texts(path: Path) -> Texts:
    """The files of one version, after every hash was checked: what is returned are the very bytes that were hashed.

    Raises
    ------
    ModelError
        A file is missing, changed or not listed.
    """
    manifest, raw = _manifest(path)
    hashes = manifest.pop("files")
    strangers = sorted(p.name for p in path.iterdir() if p.name not in {*hashes, _MANIFEST})
    if strangers:
        raise ModelError(
            f"bundle {path.name}: {strangers[0]} is not listed in {_MANIFEST}; train or pull again"
        )
    files = {}
    for name, wanted in hashes.items():
        data = _content(path, name)
        if data is None or _sha256(data) != wanted:
            raise ModelError(f"bundle {path.name}: {name} is missing or changed; train or pull it again")
        files[name] = data.decode()
    return Texts(_sha256(raw)[:12], manifest, files)


def read_kind(path: Path, kind: str) -> dict[str, str]:
    """The files of a version that bears its own name and whose manifest says that it is of this kind.

    Raises
    ------
    ModelError
        As `read_texts`, or the folder holds something else.
    """
    texts = read_texts(path)
    if texts.head != {"kind": kind} or texts.version != path.name:
        found = texts.head.get("kind", "another one")
        raise ModelError(
            f"bundle {path.name}: a {kind} model is expected, this is {found} or changed; run `retain train`"
        )
    return texts.files


@contextmanager
def parsing(name: str) -> Iterator[None]:
    """Tells whatever goes wrong while whole files become a model as one error of the bundle called `name`."""
    try:
        yield
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        raise ModelError(
            f"bundle {name}: its files are whole but not what this code writes "
            f"({type(error).__name__}); run `retain train` again"
        ) from error


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
        raise ModelError(f"no model yet: run `{train}` first")
    version = file.read_text(encoding="utf-8").strip()
    if not version or version == ".." or Path(version).name != version:
        raise ModelError(f"the pointer file `{pointer}` does not name a model; run `{train}`")
    return models_dir / version


def _manifest(path: Path) -> tuple[dict[str, Any], bytes]:
    """The manifest and its bytes, when those are the ones this code would write."""
    try:
        raw = (path / _MANIFEST).read_bytes()
        manifest = json.loads(raw)
        whole = isinstance(manifest["files"], dict) and json_text(manifest).encode() == raw
    except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
        raise ModelError(
            f"bundle {path.name}: {_MANIFEST} is missing or damaged; train or pull it again"
        ) from error
    if not whole:
        raise ModelError(f"bundle {path.name}: {_MANIFEST} is changed; train or pull it again")
    return manifest, raw


def _content(path: Path, name: str) -> bytes | None:
    """Bytes of an ordinary file right in the folder; None for anything else."""
    file = path / name
    if Path(name).name != name or file.is_symlink() or not file.is_file():
        return None
    return file.read_bytes()


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
