"""CPU and wall seconds of every stage from the order file to the written list, on one core, beside a plain peer.

::

    python benchmarks/speed.py ../shared/data/online_retail_ii_lines.parquet --as-of 2011-12-09
    python benchmarks/speed.py --full

The first is one process: reading and checking, panel, closed forms, three heads (churn, orders and value of one
horizon), features and predictions of everybody, the list. Its peer, in the same run on the same core, sums the
file up in DuckDB and fits BG/NBD and Gamma-Gamma: what an afternoon's script does. On a shared machine CPU
seconds tell more than the clock; the ratio tells more than both. The second simulates 20 million order lines
and runs ``retain train`` and ``retain score`` as a user does, all horizons and the judging included.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from steps import commands, machine, measure

WORKERS = Path(__file__).with_name("workers.py")
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class Clock:
    """CPU and wall seconds since the last mark, by stage."""

    def __init__(self) -> None:
        self.stages: dict[str, tuple[float, float]] = {}
        self._last = (time.process_time(), time.perf_counter())

    def mark(self, stage: str) -> None:
        """Ends a stage."""
        now = (time.process_time(), time.perf_counter())
        self.stages[stage] = (now[0] - self._last[0], now[1] - self._last[1])
        self._last = now


def stages(config: str, as_of: str, window: str, out: str) -> dict[str, Any]:
    """From the file to the written list; seconds by stage."""
    clock, day, days = Clock(), date.fromisoformat(as_of), int(window)
    from features.load import load
    from features.pipeline import FEATURES
    from features.plan import fetch_features
    from retain.config import load_config
    from serving.lists import write_list
    from training.build import build_bundle, evidence_for
    from training.fit import anchored
    from training.panel import build_panel
    from training.settings import ChurnSettings, TrainingSettings, ValueSettings

    churn, value = ChurnSettings(window_days=days), ValueSettings(horizons_days=(days,))
    settings = TrainingSettings(churn=churn, value=value, num_threads=1)
    project = load_config(Path(config))
    clock.mark("imports")
    tables = load(project.config.data, base=project.base).tables
    clock.mark("load and check")
    panel = build_panel(tables, day, [days])
    clock.mark("panel")
    panel = anchored(panel)
    clock.mark("closed forms")
    bundle = build_bundle(panel, settings, evidence=evidence_for(panel, days)[0])
    clock.mark("heads and bounds")
    now = fetch_features(tables, [day]).to_pandas()
    now = now[now["purchase_days"] > 0].sort_values("customer_id", ignore_index=True)
    predicted = bundle.predict(now[list(FEATURES)].astype(float), day)
    clock.mark("features and predictions")
    predicted.insert(0, "customer_id", now["customer_id"].astype(object).to_numpy())
    write_list(predicted, Path(out))
    clock.mark("list")
    threads = tables.con.con.execute("SELECT current_setting('threads')").fetchone()[0]
    return {
        "stages": clock.stages,
        "customers": len(predicted),
        "rows": len(panel.frame),
        "evidence": bundle.evidence,
        "engine_threads": threads,
    }


def peer(file: str, columns: str, as_of: str) -> dict[str, Any]:
    """A bare group-by of the same file in DuckDB, BG/NBD and Gamma-Gamma on it."""
    clock, names = Clock(), json.loads(columns)
    import duckdb
    import numpy as np

    from training.models.bg_nbd import BgNbd
    from training.models.gamma_gamma import GammaGamma

    clock.mark("imports")
    who, when, amount = (f'"{names[name]}"' for name in ("customer_id", "time", "amount"))
    found = duckdb.execute(
        f"""
        SELECT count(*) - 1 AS x, max(day) - min(day) AS t_x, CAST(? AS DATE) - min(day) AS T, avg(spend) AS m
        FROM (SELECT {who} AS who, CAST({when} AS DATE) AS day, sum({amount}) AS spend
              FROM read_parquet(?) WHERE {amount} > 0 AND {when} < CAST(? AS TIMESTAMP) AND {who} IS NOT NULL
              GROUP BY ALL)
        GROUP BY who
        """,
        [as_of, file, as_of],
    ).fetchnumpy()
    x, t_x, age, mean = (np.asarray(found[name], dtype=np.float64) for name in ("x", "t_x", "T", "m"))
    clock.mark("group by")
    BgNbd.fit(x, t_x, age).expected_orders(x, t_x, age, 90)
    GammaGamma.fit(x, mean)
    clock.mark("BG/NBD and Gamma-Gamma")
    return {"stages": clock.stages, "customers": len(x)}


def from_file(file: Path, as_of: date, window: int) -> dict[str, Any]:
    """Both paths, each a process of its own on one core."""
    with tempfile.TemporaryDirectory(prefix="retain-speed-") as name:
        folder = Path(name)
        options = ["--churn-window", str(window), "--horizons", str(window), "--as-of", as_of.isoformat()]
        init = [sys.executable, "-m", "retain", "init", str(file.resolve()), *options, "--out-dir", "out"]
        subprocess.run(init, cwd=folder, check=True, capture_output=True)
        from retain.config import load_config

        source = load_config(folder / "retain.toml").config.data.orders
        if source is None:
            raise SystemExit(f"{file.name}: has no orders")
        day = as_of.isoformat()
        jobs = {
            "peer": ["peer", str(file.resolve()), json.dumps(source.columns), day],
            "ours": ["stages", "retain.toml", day, str(window), "list.parquet"],
        }
        return {step: _measured(step, job, folder) for step, job in jobs.items()}


def _measured(step: str, job: list[str], folder: Path) -> dict[str, Any]:
    found = measure(step, [sys.executable, str(Path(__file__).resolve()), *job], folder, lines=0, timeout=900)
    if found.exit_code:
        raise SystemExit(f"{step} failed: {found.last_line}")
    return json.loads(found.last_line) | {"seconds": found.seconds, "peak_mb": found.peak_mb}


def full(lines: int) -> dict[str, Any]:
    """``retain train`` and ``retain score`` on so many simulated lines, each step a process of its own."""
    found: dict[str, Any] = {"lines": lines}
    with tempfile.TemporaryDirectory(prefix="retain-speed-") as name:
        folder = Path(name)
        made = measure(
            "simulate",
            [sys.executable, str(WORKERS), "simulate", name, str(lines)],
            folder,
            lines=lines,
            timeout=3_600,
        )
        facts = json.loads(made.last_line)
        for step, command in commands(folder / facts["file"], facts["end"]).items():
            if step not in ("init", "train", "score"):
                continue
            run = measure(step, command, folder, lines=lines, timeout=3_600)
            print(f"{step}: {run.seconds:.0f} s, {run.peak_mb:.0f} MB, exit {run.exit_code}", file=sys.stderr)
            if run.exit_code:
                raise SystemExit(f"{step} failed: {run.last_line}")
            found[step] = {"seconds": run.seconds, "peak_mb": run.peak_mb}
    return found


def table(found: dict[str, Any]) -> str:
    """The stages as a markdown table, totals beside the peer's."""
    rows = ["| stage | CPU s | wall s |", "|---|--:|--:|"]
    totals = {}
    for step, told in found.items():
        for stage, (cpu, wall) in told["stages"].items():
            rows.append(f"| {step}: {stage} | {cpu:.2f} | {wall:.2f} |")
        totals[step] = [sum(pair[k] for pair in told["stages"].values()) for k in (0, 1)]
        cpu, wall = totals[step]
        rows.append(f"| **{step}: all** ({told['peak_mb']:,.0f} MB) | **{cpu:.2f}** | **{wall:.2f}** |")
    ratio = totals["ours"][0] / totals["peer"][0]
    return "\n".join([*rows, "", f"Ours takes {ratio:.1f} times the CPU seconds of the peer. {machine()}."])


def one_core() -> None:
    """This process and those it starts on one core, one thread in every library."""
    os.environ.update(dict.fromkeys(THREADS, "1"))
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def main(arguments: Sequence[str]) -> None:
    """Measure and print."""
    jobs: dict[str, Callable[..., dict[str, Any]]] = {"stages": stages, "peer": peer}
    if arguments and arguments[0] in jobs:
        print(json.dumps(jobs[arguments[0]](*arguments[1:])))
        return
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("file", type=Path, nargs="?", help="order lines, Parquet")
    parser.add_argument("--as-of", type=date.fromisoformat, help="everything before this day is past")
    parser.add_argument("--window", type=int, default=90, help="days of the horizon")
    parser.add_argument("--full", action="store_true", help="simulate, train and score a large shop")
    parser.add_argument("--lines", type=int, default=20_000_000, help="with --full")
    options = parser.parse_args(arguments)
    if not options.full and (options.file is None or options.as_of is None):
        parser.error("name a file and --as-of, or --full")
    one_core()
    if options.full:
        print(json.dumps(full(options.lines), indent=1))
    else:
        print(table(from_file(options.file, options.as_of, options.window)))


if __name__ == "__main__":
    main(sys.argv[1:])
