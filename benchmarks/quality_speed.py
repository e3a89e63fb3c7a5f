"""Seconds on one core: Online Retail II from file to scores, one prediction, and the closed form beside lifetimes.

``quality_speed.py scores CONFIG OUT`` is the measured process: start of Python, imports, reading, panel, fit,
prediction and writing all count; what it measures after them does not.
"""

from __future__ import annotations

import gc
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

import psutil
from steps import measure, one_size

__all__ = ["million", "retail"]

AS_OF = date(2011, 12, 9)
WINDOW, HORIZONS = 90, (30, 90, 180, 365)


def retail(file: Path) -> dict[str, Any]:
    """Seconds and peak memory from the file to written scores, of one prediction, and of the BG/NBD fits."""
    with tempfile.TemporaryDirectory(prefix="retain-speed-") as name, one_core():
        folder = Path(name)
        horizons = ",".join(map(str, HORIZONS))
        options = ["--churn-window", str(WINDOW), "--horizons", horizons, "--as-of", AS_OF.isoformat()]
        init = [sys.executable, "-m", "retain", "init", str(file.resolve()), *options, "--out-dir", "out"]
        subprocess.run(init, cwd=folder, check=True, capture_output=True)
        job = [sys.executable, str(Path(__file__)), "scores", "retain.toml", "scores.parquet"]
        found = measure("scores", job, folder, lines=0, timeout=600)
        if found.exit_code:
            raise RuntimeError(f"scores failed: {found.last_line}")
        return json.loads(found.last_line) | {"peak_mb": found.peak_mb}


def million() -> list[dict[str, Any]]:
    """A million customers and more than 20 million lines, every step a process of its own."""
    with one_core():
        steps = one_size(20_000_000, 1, 3_600)
    for found in steps:
        if found.exit_code:
            raise RuntimeError(f"{found.step} failed: {found.last_line}")
    return [asdict(found) for found in steps]


@contextmanager
def one_core() -> Iterator[None]:
    """This process and those it starts on one core, where the system can do that."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def scores(config: str, out: str) -> dict[str, Any]:
    """From the file to scores as a user's nightly run does it without the judging; seconds by stage."""
    # As the command line does.
    gc.set_threshold(10_000)
    from quality_peers import know, settings_for

    from features.load import load
    from features.pipeline import FEATURES
    from retain.config import load_config
    from training.build import build_bundle, evidence_for
    from training.models.prepared import Prepared
    from training.models.rows import Rows

    marks = [time.perf_counter()]
    project = load_config(Path(config))
    tables = load(project.config.data, base=project.base, describe=False).tables
    marks.append(time.perf_counter())
    known = know(tables, AS_OF, settings_for(WINDOW, HORIZONS))
    marks.append(time.perf_counter())
    rung = evidence_for(known.panel, WINDOW)[0]
    bundle = build_bundle(known.panel, known.settings, evidence=rung)
    marks.append(time.perf_counter())
    bundle.predict(known.now, AS_OF).to_parquet(out)
    marks.append(time.perf_counter())
    seconds = time.time() - psutil.Process().create_time()
    one = known.now[list(FEATURES)].iloc[[0]]
    row = Rows(FEATURES, one.to_numpy(float))
    prepared, vector = Prepared(bundle, AS_OF), one.to_numpy(float)[0]
    stages = dict(
        zip(("load", "panel", "fit", "predict and write"), map(_less, marks, marks[1:]), strict=True)
    )
    many = known.now.iloc[:1_000]
    return {
        "seconds": seconds,
        "stages": stages,
        "customers": len(known.now),
        "evidence": bundle.evidence,
        "one_risk_ms": _median_ms(lambda: prepared.churn_probability(vector), 1_000),
        "one_ms": _median_ms(lambda: bundle.predict(one, AS_OF), 50),
        "one_answers_ms": _median_ms(lambda: bundle.answers(row, AS_OF), 50),
        "one_of_many_ms": _median_ms(lambda: bundle.predict(many, AS_OF), 10) / len(many),
        **_closed_forms(known),
    }


def _closed_forms(known: Any) -> dict[str, Any]:
    """Seconds to fit BG/NBD and Gamma-Gamma on the same customers: ours, and lifetimes where it runs."""
    import numpy as np
    from quality_outside import ask
    from quality_peers import CouldNotRun

    from training.models.bg_nbd import BgNbd
    from training.models.gamma_gamma import GammaGamma

    x, t_x, T, m = (
        known.now[n].to_numpy(np.float64) for n in ("frequency", "recency", "T", "monetary_value")
    )
    began = time.perf_counter()
    BgNbd.fit(x, t_x, T)
    GammaGamma.fit(x, m)
    found: dict[str, Any] = {"bg_nbd_ours": time.perf_counter() - began}
    try:
        found["bg_nbd_lifetimes"] = ask("lifetimes", "bg_nbd", known, (WINDOW,))[1]["seconds"]
    except CouldNotRun as error:
        found["bg_nbd_lifetimes_absent"] = str(error)
    return found


def _less(before: float, after: float) -> float:
    return after - before


def _median_ms(job: Callable[[], object], times: int) -> float:
    found = []
    for _ in range(times):
        began = time.perf_counter()
        job()
        found.append(time.perf_counter() - began)
    return statistics.median(found) * 1_000


if __name__ == "__main__":
    if sys.argv[1:2] != ["scores"] or len(sys.argv) != 4:
        raise SystemExit("quality_speed.py scores CONFIG OUT")
    print(json.dumps(scores(*sys.argv[2:])))
