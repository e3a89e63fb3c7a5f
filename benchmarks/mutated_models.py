"""Damaged copies of a model, and a service that is pointed at one after the other.

Four kinds of damage (cut short, one byte changed, twenty bytes set to digits, 64 bytes taken out), each with the
hashes as they were, which is what a bad disk or a careless hand leaves behind, and with hashes and name made anew,
so that the damage reaches LightGBM's own reader. The trials fork from one process that has loaded the libraries;
everything else is what a server does: the gate, its limits, the watch, the swap.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import random
import resource
import shutil
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import pandas as pd

import serving.model_gate as gate
from serving.live import LiveSettings
from serving.model_watch import ModelWatch
from training.models.bundle import Bundle
from training.models.text_files import json_text, point_at, pointed

__all__ = ["Mutant", "Outcome", "mutants", "run"]

KINDS = ("cut short", "one byte changed", "20 bytes to digits", "64 bytes taken out")
_POINTER, _MANIFEST = "champion", "manifest.json"
_DIGITS = b"0123456789"
_LIBRARIES = ["serving.model_gate", "serving.scorer", "features.plan", "lightgbm"]
_PEOPLE = 5_000
_LIMITS = gate.Limits(read_seconds=2.0, seconds=20.0)


@dataclass(frozen=True)
class Mutant:
    """One damaged copy: what was done to which file, and whether the hashes were made anew."""

    kind: str
    file: str
    remade: bool
    files: dict[str, bytes]


@dataclass(frozen=True)
class Outcome:
    """How the service took it: served or not, what the trial ended with, and the reason given.

    ``differs`` is true when it was served and answers otherwise than the original.
    """

    mutant: Mutant
    served: bool
    differs: bool
    end: str
    reason: str


def mutants(folder: Path, count: int, *, seed: int = 1) -> Iterator[Mutant]:
    """So many damaged copies of the trees in a bundle's folder; every second one has its hashes made anew."""
    chance = random.Random(seed)
    whole = {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
    trees = [name for name in whole if name.endswith(".txt")]
    for number in range(count):
        kind, name = KINDS[number // 2 % len(KINDS)], chance.choice(trees)
        files = {**whole, name: _damaged(whole[name], kind, chance)}
        remade = bool(number % 2)
        yield Mutant(kind, name, remade, _with_hashes(files) if remade else files)


def _damaged(text: bytes, kind: str, chance: random.Random) -> bytes:
    at = chance.randrange(len(text) - 64)
    if kind == "cut short":
        return text[:at]
    if kind == "64 bytes taken out":
        return text[:at] + text[at + 64 :]
    if kind == "one byte changed":
        return text[:at] + bytes([text[at] ^ chance.randrange(1, 128)]) + text[at + 1 :]
    # Other digits than those there, so that the copy is never the original.
    digits = bytes(chance.choice(_DIGITS.replace(text[i : i + 1], b"")) for i in range(at, at + 20))
    return text[:at] + digits + text[at + 20 :]


def _with_hashes(files: dict[str, bytes]) -> dict[str, bytes]:
    manifest = json.loads(files[_MANIFEST])
    manifest["files"] = {n: hashlib.sha256(files[n]).hexdigest() for n in manifest["files"]}
    return {**files, _MANIFEST: json_text(manifest).encode()}


def run(settings: LiveSettings, version: str, count: int, *, seed: int = 1) -> Iterator[Outcome]:
    """Serve the champion of a models folder, and point at damaged copies of another version one after the other.

    The folder is changed; give a copy of your own.
    """
    models = settings.models
    good = pointed(models, _POINTER, train="retain train").name
    watch = ModelWatch(settings)
    watch.start()
    # Looked at below, after every change.
    watch.stop()
    original = Bundle.load(models / version)
    people = _people(original)
    wanted = original.predict(people, original.trained_as_of)
    ends: list[str] = []
    gate._tried = _Trials(ends)  # type: ignore[assignment]
    for mutant in list(mutants(models / version, count, seed=seed)):
        ends.clear()
        folder = _put(models, version, mutant)
        point_at(models, _POINTER, folder.name)
        watch.look()
        refused = watch.state()["refused"] or {"reason": ""}
        served = watch.served.version == folder.name
        if not served and watch.served.version != good:
            raise RuntimeError(f"{watch.served.version} is served, which nobody pointed at")
        differs = False
        if served:
            found = watch.served.scorer.bundle.predict(people, original.trained_as_of)
            differs = not found.equals(wanted)
        yield Outcome(mutant, served, differs, ends[0] if ends else "wrong hash", refused["reason"])
        point_at(models, _POINTER, good)
        watch.look()
        shutil.rmtree(folder)


def _people(bundle: Bundle) -> pd.DataFrame:
    """Made-up customers: every feature drawn by itself from those of the golden rows."""
    golden = pd.DataFrame(bundle.golden["rows"], columns=bundle.golden["columns"]).astype(np.float64)
    chance = np.random.default_rng(1)
    drawn = {name: chance.choice(golden[name], _PEOPLE) for name in golden}
    # These hang together.
    whole = golden.iloc[chance.integers(0, len(golden), _PEOPLE)].reset_index(drop=True)
    told = ["frequency", "recency", "T", "purchase_days", "value_mean"]
    return pd.DataFrame(drawn).assign(**{name: whole[name] for name in told})


def _put(models: Path, version: str, mutant: Mutant) -> Path:
    """The copy under the name that its manifest gives it; one with old hashes has the name of the original."""
    name = hashlib.sha256(mutant.files[_MANIFEST]).hexdigest()[:12] if mutant.remade else version
    folder = models / name
    folder.mkdir(mode=0o700, exist_ok=True)
    for file, content in mutant.files.items():
        (folder / file).write_bytes(content)
    return folder


class _Trials:
    """Trials as `serving.model_gate` holds them, but forked from a process that has loaded the libraries."""

    def __init__(self, ends: list[str]) -> None:
        self.ends = ends
        self.context = multiprocessing.get_context("forkserver")
        self.context.set_forkserver_preload(_LIBRARIES)

    def __call__(self, settings: LiveSettings, version: str, _: gate.Limits) -> str:
        here, there = self.context.Pipe(duplex=False)
        given = (there, settings.model_dump_json(), version)
        process = self.context.Process(target=_life, args=given)
        process.start()
        there.close()
        process.join(_LIMITS.seconds)
        process.kill()
        process.join()
        code = process.exitcode or 0
        try:
            said = here.recv_bytes() if here.poll() else b""
        except EOFError:
            said = b""
        self.ends.append(signal.Signals(-code).name if code < 0 else "a verdict")
        return gate._reason(version, code, said, _LIMITS)


def _life(verdict: Connection, settings: str, version: str) -> None:
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (_LIMITS.memory_bytes, _LIMITS.memory_bytes))
    said = gate.examine(LiveSettings.model_validate_json(settings), version, limits=_LIMITS)
    verdict.send_bytes(said.encode())
    os._exit(0)
