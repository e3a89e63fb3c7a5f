"""What is known of model versions on this machine: the verdicts of trials, and which versions were served.

They stand beside the models, in ``.verdicts``, so that many processes try a version once. A verdict counts for the
bytes it was given for, on this machine, by this code and these libraries; a refusal counts for an hour, because a
machine that was out of breath must not ban a good model for ever. A models folder that cannot be written keeps no
verdicts: every process then tries for itself.
"""

from __future__ import annotations

import hashlib
import json
import platform
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from importlib import metadata
from pathlib import Path

from features.errors import LockedError, ModelError, PublishError
from features.own_features import own_record
from features.publish import output_lock, publish_file

__all__ = ["NotTriedYet", "Verdict", "Verdicts"]

_ROOT = Path(__file__).resolve().parents[1]
_ROOMS = ("features", "strategies", "training/models", "serving")
_LIBRARIES = ("duckdb", "ibis-framework", "lightgbm", "numpy", "pandas", "pyarrow", "scipy")
_REFUSED_FOR = timedelta(hours=1)
_LOOK_AGAIN_SECONDS = 0.05


class NotTriedYet(ModelError):  # noqa: N818 - it says what is, not what went wrong
    """Whether a version may be served is not known yet: another process is still trying it."""


@dataclass(frozen=True)
class Verdict:
    """Whether one version may be served.

    Parameters
    ----------
    version : str
        Folder of the bundle.
    manifest_sha256 : str
        The whole hash of its manifest, of which the version is the beginning.
    reason : str
        Why it may not be served; empty when it may.
    code : str
        Hash of the code, the libraries and the machine that gave the verdict.
    at : str
        When it was given, ISO 8601 in UTC.
    """

    version: str
    manifest_sha256: str
    reason: str
    code: str
    at: str

    @classmethod
    def now(cls, version: str, manifest_sha256: str, reason: str) -> Verdict:
        """A verdict of this code on this machine."""
        return cls(version, manifest_sha256, reason, _code(), datetime.now(UTC).isoformat())

    @property
    def counts(self) -> bool:
        """Still counts for this code on this machine."""
        age = datetime.now(UTC) - datetime.fromisoformat(self.at)
        return self.code == _code() and (not self.reason or timedelta() <= age < _REFUSED_FOR)


class Verdicts:
    """The verdicts beside the models of one folder.

    Parameters
    ----------
    models : Path
        Folder of the versions.
    """

    def __init__(self, models: Path) -> None:
        self.folder = models / ".verdicts"

    def known(self, version: str, manifest_sha256: str) -> Verdict | None:
        """The verdict on these bytes, when one is kept that counts."""
        try:
            found = Verdict(**json.loads(self._file(version).read_bytes()))
            fits = (found.version, found.manifest_sha256) == (version, manifest_sha256)
            return found if fits and found.counts else None
        except (OSError, ValueError, TypeError, RecursionError):
            return None

    def keep(self, verdict: Verdict) -> None:
        """Keep a verdict in the place of an earlier one; where nothing can be written, keep none."""
        text = json.dumps(asdict(verdict), indent=2) + "\n"
        with suppress(PublishError):
            publish_file(self._file(verdict.version), lambda part: _write(part, text), kind="verdict")

    def note_served(self, version: str) -> None:
        """Remember that a version is being served, for a start at which a newer one turns out to be bad."""
        with suppress(OSError):
            (self.folder / f"{version}.served").touch(mode=0o600)

    def served(self) -> list[str]:
        """Versions that were served from this folder, the latest first."""
        marks = [(path.stat().st_mtime_ns, path.stem) for path in self.folder.glob("*.served")]
        return [version for _, version in sorted(marks, reverse=True)]

    @contextmanager
    def alone(self, version: str, seconds: float) -> Iterator[None]:
        """Only one process at a time is in here for a version; others wait for `seconds` at most.

        Raises
        ------
        NotTriedYet
            Another process took longer than that.
        """
        with ExitStack() as held:
            until = time.monotonic() + seconds
            while True:
                try:
                    self.folder.mkdir(mode=0o700, exist_ok=True)
                    held.enter_context(output_lock(self._file(version)))
                except LockedError:
                    if time.monotonic() > until:
                        text = (
                            f"bundle {version}: another process has been trying it for {seconds:.0f} seconds"
                        )
                        raise NotTriedYet(text) from None
                    time.sleep(_LOOK_AGAIN_SECONDS)
                    continue
                except (OSError, PublishError):
                    # Nothing can be written here: everybody tries for himself.
                    pass
                break
            yield

    def _file(self, version: str) -> Path:
        return self.folder / f"{version}.json"


def _write(part: Path, text: str) -> None:
    part.write_text(text, encoding="utf-8")


@lru_cache(maxsize=1)
def _code() -> str:
    """Hash of all code that a score goes through, of the libraries, and of the machine."""
    digest = hashlib.sha256()
    for room in _ROOMS:
        for path in sorted((_ROOT / room).rglob("*.py")):
            digest.update(path.relative_to(_ROOT).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    digest.update(json.dumps(own_record()).encode())
    libraries = [f"{name} {metadata.version(name)}" for name in _LIBRARIES]
    machine = [sys.version, platform.machine(), platform.node()]
    digest.update("\n".join(libraries + machine).encode())
    return digest.hexdigest()
