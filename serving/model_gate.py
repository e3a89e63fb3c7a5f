"""The gate before serving: a model version is read and tried in a process of its own, and the verdict is kept.

A damaged model text can end, hang or fill the process that reads it, so no process that answers requests is the
first to read one. `prove` checks the hashes itself, which is harmless. Then a fresh interpreter looks at the shape
of every tree, loads the version, holds its golden predictions against those it gives now, and takes one made-up
customer from order lines to a row. That process has limits on time and memory and says its verdict through a pipe;
when it says none, that is a verdict too. `serving.verdicts` keeps it.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import resource
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from features.errors import ConfigError, ModelError, RetainError
from features.own_features import register_folder
from serving.opening import open_scorer, try_scorer
from serving.tree_text import check_trees
from serving.verdicts import Verdict, Verdicts
from training.models.text_files import read_texts

if TYPE_CHECKING:
    from serving.live import LiveSettings

__all__ = ["Limits", "check_files", "examine", "prove"]

_ROOT = Path(__file__).resolve().parents[1]
_MOST_BYTES = 512 * 2**20
_LONGEST_WORDS = 200
# Trying a customer plans the features, which takes longer than reading the model.
_TRY_TIMES = 5
# For those who wait for another's verdict: what starting and ending a process takes.
_SPARE_SECONDS = 5.0
_CHILD = "import sys; sys.path.insert(0, sys.argv[1]); from serving.model_gate import _child; _child()"


@dataclass(frozen=True)
class Limits:
    """What the process that tries a model may take.

    Parameters
    ----------
    read_seconds : float
        Processor time to read the model and predict its golden rows; less than one second is usual.
    seconds : float
        Time on the clock for everything, from the start of the process to its verdict: a few seconds on a quiet
        machine, a minute on one that is out of breath, which is no fault of the model.
    memory_bytes : int
        Address space. Libraries reserve about 5 GiB of it and use a tenth.
    """

    read_seconds: float = 4.0
    seconds: float = 120.0
    memory_bytes: int = 8 * 2**30


_USUAL = Limits()


def prove(settings: LiveSettings, version: str, *, limits: Limits = _USUAL) -> None:
    """Return when a version may be served, raise when it may not.

    Parameters
    ----------
    settings : LiveSettings
        Where the models are, and what the made-up customer is scored with.
    version : str
        Folder in the models folder.
    limits : Limits
        For the process that tries it.

    Raises
    ------
    ModelError
        The version is missing, damaged, killed or hung the process that read it, does not give its golden
        predictions, or cannot score.
    ConfigError
        What the configuration names cannot be used, such as a strategy table; that is no verdict on the model.
    """
    manifest = check_files(settings.models, version)
    verdicts = Verdicts(settings.models)
    verdict = verdicts.known(version, manifest)
    if verdict is None:
        with verdicts.alone(version, limits.seconds + _SPARE_SECONDS):
            verdict = verdicts.known(version, manifest)
            if verdict is None:
                verdict = Verdict.now(version, manifest, _tried(settings, version, limits))
                verdicts.keep(verdict)
    if verdict.reason:
        raise ModelError(verdict.reason)


def examine(settings: LiveSettings, version: str, *, limits: Limits = _USUAL) -> str:
    """Read and try a version in this process, which may not survive it.

    Returns
    -------
    str
        One JSON object with ``kind``, which is ``good`` or the name of an error, and its ``reason``.
    """
    try:
        signal.setitimer(signal.ITIMER_PROF, limits.read_seconds)
        for name, text in read_texts(settings.models / version).files.items():
            if name.endswith(".txt"):
                check_trees(text, f"bundle {version}: {name}")
        scorer = open_scorer(settings, version)
        signal.setitimer(signal.ITIMER_PROF, _TRY_TIMES * limits.read_seconds)
        try_scorer(scorer, settings)
    except RetainError as error:
        return _said(type(error).__name__, str(error))
    except MemoryError:
        gib = limits.memory_bytes / 2**30
        return _said("ModelError", f"bundle {version}: needs more than {gib:.1f} GiB; train or pull it again")
    except Exception as error:  # noqa: BLE001 - whatever a damaged model brings about is a verdict on it
        # No customer is in a bundle nor in the trial, so the error may speak.
        words = f"{type(error).__name__}: {error}"[:_LONGEST_WORDS]
        return _said(
            "ModelError", f"bundle {version}: cannot be read and tried ({words}); run `retain train`"
        )
    return _said("good", "")


def _said(kind: str, reason: str) -> str:
    return json.dumps({"kind": kind, "reason": reason})


def _child() -> None:
    """The whole life of the process that tries a model: settings on its input, the verdict on its output."""
    given = json.load(sys.stdin)
    limits, folder = Limits(**given["limits"]), given["settings"]["own_features"]
    # What libraries print goes where errors go: the output is for the verdict alone.
    verdict = os.dup(1)
    os.dup2(2, 1)
    os.nice(5)
    try:
        register_folder(folder and Path(folder))
        _load_libraries()
    except ConfigError as error:
        os.write(verdict, _said(type(error).__name__, str(error)).encode())
        os._exit(0)
    from serving.live import LiveSettings

    # The clock ends this process even when nobody is left who waits for it.
    signal.setitimer(signal.ITIMER_REAL, limits.seconds)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_AS, (limits.memory_bytes, limits.memory_bytes))
    said = examine(LiveSettings.model_validate(given["settings"]), given["version"], limits=limits)
    os.write(verdict, said.encode())
    # Clearing up after a damaged model may still fail; the verdict is out.
    os._exit(0)


def _load_libraries() -> None:
    """Before the limits are set, which are for the model."""
    for name in ("lightgbm", "serving.scorer", "features.plan"):
        importlib.import_module(name)


def _tried(settings: LiveSettings, version: str, limits: Limits) -> str:
    """Why a process of its own refused the version; empty when it did not."""
    given = {"settings": settings.model_dump(mode="json"), "version": version, "limits": asdict(limits)}
    # One thread: there is one row, and the processors belong to those who answer.
    few = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    command, pipe = [sys.executable, "-P", "-c", _CHILD, str(_ROOT)], subprocess.PIPE
    with subprocess.Popen(  # noqa: S603 - our own interpreter and words
        command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, env={**os.environ, **few}
    ) as child:
        try:
            said, _ = child.communicate(json.dumps(given).encode(), timeout=limits.seconds)
        except subprocess.TimeoutExpired:
            said = b""
        finally:
            child.kill()
    return _reason(version, child.returncode, said, limits)


def _reason(version: str, code: int, said: bytes, limits: Limits) -> str:
    try:
        found = json.loads(said)
        kind, reason = str(found["kind"]), str(found["reason"])
    except (ValueError, TypeError, LookupError):
        return _death(version, code, limits)
    if kind == ConfigError.__name__:
        raise ConfigError(reason)
    return "" if kind == "good" else reason or f"bundle {version}: was refused without a reason ({kind})"


def _death(version: str, code: int, limits: Limits) -> str:
    if -code in (signal.SIGPROF, signal.SIGALRM, signal.SIGKILL):
        return (
            f"bundle {version}: was not read within {limits.read_seconds:g} seconds of work, or not tried within "
            f"{limits.seconds:g} seconds or the memory there is; train or pull it again"
        )
    end = signal.strsignal(-code) if code < 0 else f"exit code {code}"
    return f"bundle {version}: reading it ended the process that tried ({end}); train or pull it again"


def check_files(models: Path, version: str) -> str:
    """SHA-256 of the manifest, when every file is what it says and the folder bears the version of what it holds.

    Nothing but the manifest is parsed, so this can be done where requests are answered.

    Raises
    ------
    ModelError
        Something is missing, changed, too large or no ordinary file.
    """
    folder = models / version
    try:
        with os.scandir(folder) as entries:
            found = [(entry.is_file(follow_symlinks=False), entry.stat().st_size) for entry in entries]
        if not all(ordinary for ordinary, _ in found) or sum(size for _, size in found) > _MOST_BYTES:
            limit = f"{_MOST_BYTES // 2**20} MiB of ordinary files at most"
            raise ModelError(f"bundle {version}: {limit} are read; train or pull it again")
        held = read_texts(folder).version
        digest = hashlib.sha256((folder / "manifest.json").read_bytes()).hexdigest()
    except FileNotFoundError:
        raise ModelError(f"bundle {version}: is not in the models folder; train or pull it again") from None
    except (OSError, UnicodeDecodeError) as error:
        kind = type(error).__name__
        raise ModelError(f"bundle {version}: cannot be read ({kind}); train or pull it again") from None
    if not version == held == digest[: len(held)]:
        raise ModelError(
            f"bundle {version}: holds version {held}, so it was changed or renamed; train or pull it again"
        )
    return digest
