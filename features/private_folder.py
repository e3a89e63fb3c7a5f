"""Folders for what is too much for memory: nobody else can read them, and they go with what they were made for.

A process that is killed leaves its folders behind, with rows of customers in them. Whoever makes the next one clears
up: a folder in use is locked by ``flock``, and such a lock dies with its process. This needs a POSIX system.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import weakref
from pathlib import Path
from typing import Any

__all__ = ["private_folder"]

_PREFIX = "retain-private-"


def private_folder(owner: Any) -> Path:
    """Makes a folder that only this user can read, after those that killed processes left are removed.

    Parameters
    ----------
    owner : object
        The folder goes when this is collected, or when the process ends. It must take weak references.

    Returns
    -------
    Path
        In the directory for temporary files (``TMPDIR``).
    """
    _clear_up(Path(tempfile.gettempdir()))
    while True:
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        fcntl.flock(handle, fcntl.LOCK_SH)
        # Another process may have taken it for a left one in the moment before it was locked.
        if folder.exists():
            weakref.finalize(owner, _remove, folder, handle)
            return folder
        os.close(handle)


def _remove(folder: Path, handle: int) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    os.close(handle)


def _clear_up(place: Path) -> None:
    """Removes this user's folders that no process holds."""
    for folder in place.glob(f"{_PREFIX}*"):
        try:
            handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            continue  # Gone meanwhile, or another user's.
        try:
            if os.fstat(handle).st_uid == os.getuid():
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
        except BlockingIOError:
            continue  # In use.
        finally:
            os.close(handle)
