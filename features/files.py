"""Files handled with care: private, forced to the disk, locked, and with errors that say what to do.

The steps that `features.publish` is made of. Everything made here is readable by its owner alone. Locks are
``flock``: they die with their process, so none is ever left behind. This needs a POSIX system.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path

from features.errors import LockedError, PublishError

__all__ = [
    "exchange",
    "explained",
    "identity",
    "new_file",
    "output_lock",
    "rename",
    "settle",
    "sync_folder",
]

# renameat2 of Linux and renamex_np of macOS agree on the number of "exchange the two"
_EXCHANGE = 2
_HERE = -100
_held: ContextVar[frozenset[tuple[int, Path]]] = ContextVar("held outputs", default=frozenset())


def new_file(path: Path) -> Path:
    """Create an empty file that only its owner can read; never follow or reuse what has the name already."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    os.close(os.open(path, flags, 0o600))
    return path


def settle(path: Path) -> None:
    """Make a written file private and force it to the disk."""
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise PublishError(f"{path.name}: only ordinary files can be published.")
        os.fchmod(handle, 0o600)
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_folder(folder: Path) -> None:
    """Force the names in a folder to the disk."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def rename(source: Path, target: Path) -> None:
    """Put `source` in the place of `target` in one step that outlives a power cut."""
    source.replace(target)
    sync_folder(target.parent)


def exchange(one: Path, other: Path) -> None:
    """Let two folders change places in one step that outlives a power cut; each is there at every instant.

    Raises
    ------
    OSError
        The operating system or the file system knows no such step (ENOTSUP), or refuses it.
    """
    library, names = ctypes.CDLL(None, use_errno=True), (os.fsencode(one), os.fsencode(other))
    if hasattr(library, "renameat2"):
        done = library.renameat2(_HERE, names[0], _HERE, names[1], _EXCHANGE)
    elif hasattr(library, "renamex_np"):
        done = library.renamex_np(*names, _EXCHANGE)
    else:
        raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP), str(other))
    if done != 0:
        code = ctypes.get_errno()
        code = errno.ENOTSUP if code in {errno.EINVAL, errno.ENOSYS} else code
        raise OSError(code, os.strerror(code), str(other))
    for folder in {one.parent, other.parent}:
        sync_folder(folder)


def identity(path: Path) -> tuple[int, ...] | None:
    """Tell one published file from its successor without reading it; None when there is none."""
    try:
        seen = path.stat()
    except FileNotFoundError:
        return None
    return seen.st_dev, seen.st_ino, seen.st_size, seen.st_mtime_ns


@contextmanager
def output_lock(path: Path) -> Iterator[None]:
    """Hold an output for this process; another publisher is told who holds it.

    Entering again for the same output in the same thread is fine, so a long job can lock first, work, and
    publish inside. The lock ends with the block or with the process, however that ends.

    Raises
    ------
    LockedError
        Another process (or thread) holds it; the message names its process id.
    PublishError
        The lock file cannot be made.
    """
    key = (os.getpid(), path.parent.resolve() / path.name)
    if key in _held.get():
        yield
        return
    lock = path.with_name(f".{path.name}.lock")
    with explained(path):
        handle = _take(lock, path)
    token = _held.set(_held.get() | {key})
    try:
        yield
    finally:
        _held.reset(token)
        with suppress(OSError):
            if _stands_at(handle, lock):
                lock.unlink()
        os.close(handle)


@contextmanager
def explained(path: Path, part: Path | None = None) -> Iterator[None]:
    """Turn a system error into one that names the file, the cause, what to do, and what stands now."""
    before, room = identity(path), _free_bytes(path.parent)
    try:
        yield
    except OSError as error:
        state = "The earlier file still stands" if before else "Nothing was published"
        if identity(path) != before:
            state = "The new file is in place, but may not survive a power cut"
        sizes = [p.stat().st_size for p in (path, part) if p is not None and p.is_file()]
        # the system's plain words; libraries wrap theirs around them
        cause = os.strerror(error.errno) if error.errno else str(error)
        if error.filename is not None and Path(str(error.filename)).parent != path.parent:
            cause = f"{cause} ({error.filename})"
        raise PublishError(
            f"{path}: {cause}. {_advice(path, error, max(sizes, default=0), room)} {state}."
        ) from error


def _free_bytes(folder: Path) -> int:
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return 0


def _advice(path: Path, error: OSError, size: int, room: int) -> str:
    """What to do; `size` of the part or the earlier file, `room` free when the work began, both in bytes."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return (
            f"The disk or the quota is full: the file needs about {max(size, room) / 1e6:,.1f} MB or more, "
            f"{room / 1e6:,.1f} MB were free. Free some space or choose another disk."
        )
    if error.errno == errno.EFBIG:
        return (
            f"The file needs about {size / 1e6:,.1f} MB or more, over the limit of this account (ulimit -f) "
            f"or file system: raise the limit."
        )
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return f"This account may not write in {path.parent}: change its rights or choose another folder."
    if error.errno == errno.ENOTSUP:
        return "This file system cannot swap two folders in one step: give the name of a new folder."
    if error.errno == errno.ENAMETOOLONG:
        return "Choose a shorter name."
    return "Look at the disk, then try again."


def _take(lock: Path, path: Path) -> int:
    """Open and lock the lock file; one that its holder removed meanwhile does not count."""
    while True:
        handle = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            if _sign(handle, lock, path):
                return handle
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)


def _sign(handle: int, lock: Path, path: Path) -> bool:
    """Lock an open lock file and leave our process id in it; False when it is gone from its place."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(handle, 20, 0).decode("ascii", "replace") or "of another process"
        raise LockedError(
            f"{path}: locked by pid {holder}. Wait until that run is done, or stop it."
        ) from None
    if not _stands_at(handle, lock):
        return False
    os.ftruncate(handle, 0)
    os.pwrite(handle, str(os.getpid()).encode(), 0)
    return True


def _stands_at(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), path.lstat())
    except FileNotFoundError:
        return False
