"""Peers that live in environments of their own: made on demand, spoken to by files, never guessed.

Each folder of ``benchmarks/peers`` holds ``requirements.txt`` and ``forecast.py``; a package that is here for its data
has no forecast. The environment is made once under the user's cache folder and kept by the hash of the requirements. A
peer that cannot be installed or that fails is told by its reason.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from quality_peers import CouldNotRun, Known, Peer

from training.meeting import Forecast

__all__ = ["OUTSIDE", "cache_folder", "environment", "outside"]

PEERS = Path(__file__).with_name("peers")
_INSTALL_SECONDS = 900
_RUN_SECONDS = 600
_RETRY_SECONDS = 3_600


def cache_folder() -> Path:
    """Where environments are kept; ``XDG_CACHE_HOME`` moves it."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "retain-benchmarks"


def environment(package: str) -> Path:
    """Python of the package's environment, made if it is not there.

    Raises
    ------
    CouldNotRun
        With the last line of the installer, when it fails; it is tried again after an hour.
    """
    wanted = PEERS / package / "requirements.txt"
    key = hashlib.sha256(wanted.read_bytes() + sys.version.encode()).hexdigest()[:12]
    folder = cache_folder() / f"{package}-{key}"
    failed = folder.with_suffix(".failed")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("w") as lock:
        # Parts run side by side; one of them installs, the others wait.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if failed.exists() and time.time() - failed.stat().st_mtime < _RETRY_SECONDS:
            raise CouldNotRun(failed.read_text(encoding="utf-8"))
        if not (folder / "ready").exists():
            try:
                _install(package, folder, wanted)
            except CouldNotRun as error:
                failed.write_text(str(error), encoding="utf-8")
                raise
    return folder / "bin" / "python"


def _install(package: str, folder: Path, wanted: Path) -> None:
    print(f"installing {package} into {folder.name} of the cache ...", file=sys.stderr, flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    _called([sys.executable, "-m", "venv", str(folder)], _INSTALL_SECONDS, f"{package} has no environment")
    python = str(folder / "bin" / "python")
    install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", str(wanted)]
    _called(install, _INSTALL_SECONDS, f"{package} cannot be installed")
    (folder / "ready").touch()


def outside(package: str, model: str) -> Peer:
    """A model of a package as a peer."""

    def peer(known: Known, judged: tuple[int, ...]) -> Forecast:
        found, _ = ask(package, model, known, judged)
        return Forecast(
            np.clip(found["no_order"].to_numpy(np.float64), 0.0, 1.0),
            {h: found[f"orders_{h}"].to_numpy(np.float64) for h in judged},
            {h: found[f"value_{h}"].to_numpy(np.float64) for h in judged},
        )

    return peer


def ask(
    package: str, model: str, known: Known, judged: tuple[int, ...]
) -> tuple[pd.DataFrame, dict[str, object]]:
    """Predictions of all customers, and what the peer says of its fit.

    Raises
    ------
    CouldNotRun
        When it fails, or an answer is missing or infinite: a gap is not filled with a guess.
    """
    python = environment(package)
    names = {"frequency": "x", "recency": "t_x", "T": "T", "monetary_value": "m"}
    rows = known.now[list(names)].rename(columns=names).reset_index(drop=True)
    # The packages write 0 where there is no repeat purchase to take the mean of.
    rows["m"] = rows["m"].fillna(0.0).clip(lower=0.0)
    with tempfile.TemporaryDirectory(prefix="retain-peer-") as name:
        given, wanted = Path(name) / "in.csv", Path(name) / "out.csv"
        rows.to_csv(given, index=False)
        script = str(PEERS / package / "forecast.py")
        call = [str(python), script, model, str(given), str(wanted), str(known.window), *map(str, judged)]
        said = _called(call, _RUN_SECONDS, f"{package} failed")
        found = pd.read_csv(wanted)
    bad = int((~np.isfinite(found.to_numpy(np.float64))).any(axis=1).sum())
    if bad:
        raise CouldNotRun(f"{package}: {bad} of {len(found)} customers have no finite answer")
    return found, json.loads(said.splitlines()[-1])


def _called(command: list[str], seconds: int, failure: str) -> str:
    """What a command prints; its last line of complaint as the reason when it fails."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "VIRTUAL_ENV"))}
    clean |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=seconds, check=False, env=clean
        )
    except subprocess.TimeoutExpired as error:
        raise CouldNotRun(f"{failure}: not done after {seconds} s") from error
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()] or ["no message"]
        raise CouldNotRun(f"{failure}: {lines[-1].strip()[:200]}")
    return done.stdout


OUTSIDE: dict[str, Peer] = {
    "BG/NBD, lifetimes": outside("lifetimes", "bg_nbd"),
    "Pareto/NBD, lifetimes": outside("lifetimes", "pareto_nbd"),
    "BG/NBD, pymc-marketing": outside("pymc_marketing", "bg_nbd"),
    "Pareto/NBD, pymc-marketing": outside("pymc_marketing", "pareto_nbd"),
}
"""Models of other packages, live."""
