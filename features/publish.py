"""Publishing: a file or folder appears whole or not at all, and a manifest says what it is.

One way for every output: write a hidden *part* beside the target, force it to the disk, rename it into place.
A rename is one step for every reader, so a list is whole and old, or whole and new, at every instant.

A file and its manifest are two names, so there is an instant between two renames. The manifest's part is
therefore complete on disk **before** the first rename. Whoever comes next can tell where a dead publisher
stopped, from the bytes alone:

==================================  =====================================  =========================
left behind                         meaning                                `sweep_parts`
==================================  =====================================  =========================
a manifest part that fits the file  the new file is in place, not its      renames the manifest part
                                    manifest                               into place: all new
any other part                      the new file never got into place      removes it: all old
==================================  =====================================  =========================

`verify` reads the same evidence, so it is right also in that instant. Parts, locks and outputs are readable
by their owner alone.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from features.errors import LockedError, PublishError
from features.files import exchange, explained, identity, new_file, output_lock, rename, settle, sync_folder

__all__ = [
    "Manifest",
    "check_writable",
    "manifest_path",
    "output_lock",
    "publish_dir",
    "publish_file",
    "scratch_folder",
    "sha256_file",
    "sweep_parts",
    "verify",
]

MANIFEST = ".manifest.json"
# ".<output>.<pid>.part", or with one word before "part" for scratch files of the same publication
_PART = re.compile(r"\.(?P<name>.+)\.(?P<pid>\d+)(?:\.[a-z]+)?\.part", re.DOTALL)
_LOCK = re.compile(r"\.(?P<name>.+)\.lock", re.DOTALL)


@dataclass(frozen=True)
class Manifest:
    """What a published file is.

    Parameters
    ----------
    file : str
        Name of the file, without folder.
    rows : int or None
        Rows it holds (header not counted), where that has a meaning.
    sha256 : str
        SHA-256 of its bytes, 64 hex digits.
    bytes : int
        Its size.
    kind : str
        What it holds, e.g. ``"list"``.
    created_by : str
        Program and version; no time, so that the same content has the same manifest.
    """

    file: str
    rows: int | None
    sha256: str
    bytes: int
    kind: str
    created_by: str


def manifest_path(path: Path) -> Path:
    """Where the manifest of `path` stands.

    Examples
    --------
    >>> manifest_path(Path("out/list.csv")).name
    'list.csv.manifest.json'
    """
    return path.with_name(path.name + MANIFEST)


def sha256_file(path: Path) -> str:
    """SHA-256 of a file's bytes as 64 hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_writable(path: Path) -> None:
    """Refuse an output that could not be published, before any work is done for it.

    Parameters
    ----------
    path : Path
        The output to be. Its folder must exist and allow new files; an earlier file there is fine.

    Raises
    ------
    PublishError
        The folder is missing or read-only, the name is taken by a folder, a symbolic link or a device, or
        the name is too long or kept for manifests.
    """
    _check_place(path)
    if path.is_dir():
        raise PublishError(f"{path}: is a folder. Give a file name, for example {path / 'list.csv'}.")
    if path.exists() and not path.is_file():
        raise PublishError(f"{path}: is not an ordinary file (a device or pipe). Give another name.")


def publish_file(
    path: Path, write: Callable[[Path], None], *, rows: int | Callable[[], int] | None = None, kind: str = ""
) -> Manifest:
    """Write a file whole and put it, with its manifest, in the place of the earlier one.

    Parameters
    ----------
    path : Path
        The output.
    write : callable
        Called with the path of an empty file (mode 0600) beside the output; fills it.
    rows : int or callable, optional
        Rows the file holds; called once it is written.
    kind : str, optional
        What the file holds.

    Returns
    -------
    Manifest
        As stored beside the file.

    Raises
    ------
    PublishError
        The output cannot be written; the message says whether the earlier file still stands.
    LockedError
        Another process publishes the same output.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     out = Path(folder) / "list.txt"
    ...     made = publish_file(out, lambda part: part.write_text("7\\n") and None, rows=1)
    ...     verify(out) == made, made.bytes, sorted(p.name for p in Path(folder).iterdir())
    (True, 2, ['list.txt', 'list.txt.manifest.json'])
    """
    check_writable(path)
    part, pending = _part(path), _part(manifest_path(path))
    with output_lock(path):
        try:
            with explained(path, part):
                _recover(path)
                write(new_file(part))
                settle(part)
                count = rows() if callable(rows) else rows
                made = Manifest(path.name, count, sha256_file(part), part.stat().st_size, kind, _program())
                new_file(pending).write_text(json.dumps(asdict(made), indent=2) + "\n", encoding="utf-8")
                settle(pending)
                sync_folder(path.parent)
                rename(part, path)
                rename(pending, manifest_path(path))
        except BaseException:
            with suppress(OSError):
                _recover(path)
            raise
    return made


def publish_dir(path: Path, write: Callable[[Path], None], *, replace: bool = False) -> None:
    """Write a folder whole and put it in place under a name that is new, or in one step in the place of another.

    Unless they are replaced, published folders never change: name them by version. A folder that is already there
    with the same content is then left as it is; with other content it is never touched.

    Parameters
    ----------
    path : Path
        The folder to be.
    write : callable
        Called with an empty folder (mode 0700) beside it; fills it with ordinary files and folders.
    replace : bool, default False
        Take the place of a folder with other content, which is lost: the two change places in one step.

    Raises
    ------
    PublishError
        The folder cannot be written, or stands there already with other content.
    LockedError
        Another process publishes the same folder.
    """
    _check_place(path)
    part = _part(path)
    with output_lock(path), explained(path):
        _recover(path)
        try:
            part.mkdir(mode=0o700)
            write(part)
            made = _settle_tree(part)
            filled = path.exists() and (not path.is_dir() or any(path.iterdir()))
            if filled and replace and path.is_dir():
                exchange(part, path)
            elif filled:
                _refuse_other_content(path, made)
            else:
                rename(part, path)
        finally:
            shutil.rmtree(part, ignore_errors=True)


@contextmanager
def scratch_folder(part: Path) -> Iterator[Path]:
    """Lend a writer a private folder for its temporary files, beside the part it fills.

    Parameters
    ----------
    part : Path
        As given to the ``write`` function of `publish_file`.

    Notes
    -----
    Customers' data must not stay in a shared folder for temporary files when a writer is killed; this folder
    is swept with the part.
    """
    folder = part.with_name(f"{part.name.removesuffix('part')}work.part")
    folder.mkdir(mode=0o700)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def verify(path: Path) -> Manifest:
    """Hold a published file against its manifest.

    Returns
    -------
    Manifest
        The one the file's bytes agree with: of the earlier publication or of the newer, never of a mixture.

    Raises
    ------
    PublishError
        The file or its manifest is missing or damaged, or they do not belong together.
    """
    while True:
        try:
            seen, digest = identity(path), sha256_file(path)
            # pending parts before the final manifest: a publisher at work moves them in that direction
            found = [_read_manifest(p) for p in [*_pending(path), manifest_path(path)]]
        except OSError as error:
            raise PublishError(f"{path}: cannot be read: {error.strerror}. Publish it first.") from error
        for manifest in found:
            if manifest is not None and manifest.sha256 == digest:
                return manifest
        if seen == identity(path):  # otherwise it was replaced meanwhile: look again
            raise PublishError(_mismatch(path, digest, found[-1]))


def sweep_parts(folder: Path) -> list[str]:
    """Clear up after publishers that died, in one folder; those alive are left alone.

    Returns
    -------
    list of str
        One sentence for each thing done; empty when there was nothing to do.
    """
    names = sorted(p.name for p in folder.iterdir()) if folder.is_dir() else []
    locks = {m["name"] for n in names if (m := _LOCK.fullmatch(n))}
    parts = {m["name"].removesuffix(MANIFEST) for n in names if (m := _PART.fullmatch(n))}
    done: list[str] = []
    for name in sorted(locks | parts):
        with suppress(LockedError), explained(folder / name), output_lock(folder / name):
            done += _recover(folder / name)
            if name in locks:
                done.append(f"{name}: removed the lock of a process that is gone")
    return done


def _recover(path: Path) -> list[str]:
    """Finish or undo what a dead publisher left; the caller holds the lock."""
    digest = sha256_file(path) if path.is_file() and _pending(path) else None
    done = []
    for part in _leftovers(path):
        manifest = _read_manifest(part) if part in _pending(path) else None
        if manifest is not None and manifest.sha256 == digest:
            rename(part, manifest_path(path))
            done.append(f"{path.name}: the new file was in place; put its manifest beside it")
        else:
            shutil.rmtree(part) if part.is_dir() and not part.is_symlink() else part.unlink(missing_ok=True)
            done.append(f"{path.name}: removed the unfinished {part.name}")
    return done


def _leftovers(path: Path) -> list[Path]:
    """All parts, of any process, that belong to `path`."""
    names = {path.name, path.name + MANIFEST}
    found = ((p, _PART.fullmatch(p.name)) for p in path.parent.iterdir())
    return sorted(p for p, match in found if match and match["name"] in names)


def _pending(path: Path) -> list[Path]:
    """The parts that may be complete manifests of `path`."""
    return [p for p in _leftovers(path) if p.name.startswith(f".{path.name}{MANIFEST}.")]


def _part(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}.part")


def _settle_tree(folder: Path) -> dict[str, str]:
    """Settle every file and folder below; return what is there, by relative name."""
    content = _tree(folder)
    for name, digest in content.items():
        if digest:
            settle(folder / name)
        else:
            (folder / name).chmod(0o700)
            sync_folder(folder / name)
    sync_folder(folder)
    return content


def _tree(folder: Path) -> dict[str, str]:
    """Relative name to SHA-256 of each file, ``""`` for folders."""
    content = {}
    for entry in sorted(folder.rglob("*")):
        if entry.is_symlink() or not (entry.is_file() or entry.is_dir()):
            raise PublishError(f"{entry.name}: only ordinary files and folders can be published.")
        content[entry.relative_to(folder).as_posix()] = sha256_file(entry) if entry.is_file() else ""
    return content


def _refuse_other_content(path: Path, made: dict[str, str]) -> None:
    there = _tree(path) if path.is_dir() else {}
    differing = sorted(n for n in made.keys() | there.keys() if made.get(n) != there.get(n))
    if differing or not path.is_dir():
        raise PublishError(
            f"{path}: is there already with other content ({len(differing)} entries differ, for example "
            f"{differing[0] if differing else path.name}). Published folders never change: use a new name."
        )


def _read_manifest(path: Path) -> Manifest | None:
    try:
        return Manifest(**json.loads(path.read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError, TypeError):
        return None


def _mismatch(path: Path, digest: str, manifest: Manifest | None) -> str:
    if manifest is None:
        return f"{path}: its manifest {path.name}{MANIFEST} is missing or unreadable. Publish the file again."
    return (
        f"{path}: does not fit its manifest: {path.stat().st_size:,} bytes with SHA-256 {digest[:12]}…, "
        f"expected {manifest.bytes:,} bytes with {manifest.sha256[:12]}…. It was changed or damaged after "
        f"it was published: publish it again."
    )


def _program() -> str:
    try:
        return f"retain {version('retain')}"
    except PackageNotFoundError:
        return "retain (not installed)"


def _check_place(path: Path) -> None:
    """Refuse a name, a link or a folder in which nothing can be published."""
    folder = path.parent
    if path.name in {"", "..", "."} or path.name.endswith(MANIFEST):
        raise PublishError(f"{path}: cannot be an output; names ending in {MANIFEST} are kept for manifests.")
    if path.is_symlink():
        raise PublishError(f"{path}: is a symbolic link. Give the name of the real file or folder.")
    if not folder.is_dir():
        raise PublishError(f"{path}: the folder {folder} does not exist. Create it first: mkdir -p {folder}")
    probe = path.with_name(f".{path.name}{MANIFEST}.{os.getpid()}.probe.part")
    with explained(path):
        os.close(os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
        probe.unlink(missing_ok=True)
