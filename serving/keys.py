"""Keys of the endpoint: who may ask.

A key is 32 random bytes written as text; the file holds only SHA-256 digests, one per line, so that reading
the file gives nobody a key. Blank lines and lines that start with ``#`` are skipped; several keys stand side
by side while one is being replaced by another.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
import stat
from dataclasses import dataclass, field
from pathlib import Path

from features.errors import ConfigError, UnsafeError

__all__ = ["Keys", "digest_of", "load_keys", "new_key"]

_DIGEST = re.compile(r"[0-9a-fA-F]{64}")
_MAX_FILE_BYTES = 1_048_576
_MAX_KEY_BYTES = 512


@dataclass(frozen=True)
class Keys:
    """Digests of the keys that may ask; none means that no key is needed.

    Examples
    --------
    >>> keys = Keys((digest_of("correct horse"),))
    >>> keys.allow("correct horse"), keys.allow("wrong horse")
    (True, False)
    """

    digests: tuple[bytes, ...] = field(default=(), repr=False)

    def __bool__(self) -> bool:
        return bool(self.digests)

    def allow(self, presented: str | bytes) -> bool:
        """Whether `presented` is one of the keys, in a time that does not depend on how much is right."""
        raw = presented.encode("utf-8", "surrogateescape") if isinstance(presented, str) else presented
        if not raw or len(raw) > _MAX_KEY_BYTES:
            return False
        digest = hashlib.sha256(raw).digest()
        # Every digest is compared, so that the answer takes as long whichever key it is.
        return bool(sum([hmac.compare_digest(digest, known) for known in self.digests]))


def digest_of(key: str) -> bytes:
    """The SHA-256 digest of a key, as the file holds it in hexadecimal."""
    return hashlib.sha256(key.encode()).digest()


def new_key() -> tuple[str, str]:
    """A fresh random key and the line for the keys file.

    Examples
    --------
    >>> key, line = new_key()
    >>> digest_of(key).hex() == line
    True
    """
    key = secrets.token_urlsafe(32)
    return key, digest_of(key).hex()


def load_keys(path: Path) -> Keys:
    """Read the keys file.

    Parameters
    ----------
    path : Path
        One SHA-256 digest of 64 hexadecimal digits per line; readable by its owner only.

    Returns
    -------
    Keys
        At least one key.

    Raises
    ------
    ConfigError
        The file cannot be read, holds no key, or lines of it are no digests (their numbers are named).
    UnsafeError
        Others than the owner may read or write the file, or it belongs to another user.
    """
    lines = _read_private(path).splitlines()
    wanted = {n: line.strip() for n, line in enumerate(lines, 1) if line.strip() and not line.startswith("#")}
    wrong = [str(n) for n, line in wanted.items() if not _DIGEST.fullmatch(line)]
    if wrong:
        raise ConfigError(
            f"keys file {path.name}: {len(wrong)} of {len(wanted)} lines are no SHA-256 digest of 64 "
            f"hexadecimal digits: line {', '.join(wrong[:10])}. It holds digests, never keys; "
            "make one with: printf %s \"$KEY\" | sha256sum | cut -d' ' -f1"
        )
    if not wanted:
        raise ConfigError(f"keys file {path.name} holds no key; add one SHA-256 digest per line")
    return Keys(tuple(bytes.fromhex(line) for line in dict.fromkeys(wanted.values())))


def _read_private(path: Path) -> str:
    try:
        # Without O_NONBLOCK a named pipe would hang the start.
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise ConfigError(f"keys file {path}: {error.strerror}; [serving] keys_file names it") from error
    try:
        _check_private(os.fstat(handle), path)
        raw = os.read(handle, _MAX_FILE_BYTES + 1)
    finally:
        os.close(handle)
    if len(raw) > _MAX_FILE_BYTES:
        raise ConfigError(f"keys file {path.name} is larger than {_MAX_FILE_BYTES} bytes")
    try:
        return raw.decode("ascii")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"keys file {path.name}: line {line} is not plain text") from None


def _check_private(info: os.stat_result, path: Path) -> None:
    if not stat.S_ISREG(info.st_mode):
        raise ConfigError(f"keys file {path.name} is not a regular file")
    if info.st_mode & 0o077:
        raise UnsafeError(
            f"keys file {path.name} may be read or written by others (mode "
            f"{stat.S_IMODE(info.st_mode):04o}); run: chmod 600 {path}"
        )
    if info.st_uid not in (os.geteuid(), 0):
        raise UnsafeError(f"keys file {path.name} belongs to another user; run: chown $(id -un) {path}")
