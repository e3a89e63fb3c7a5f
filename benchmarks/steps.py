"""Time and peak memory of each step, beside plain pandas and bare DuckDB on the same file in the same run.

::

    python benchmarks/steps.py --lines 100000 1000000 5000000 --out docs/benchmark_steps.md

Each step is a process of its own: start of Python and imports count, as they do for a user. A step that fails
is shown as failed, with its exit code and last line, and the exit code is then 1.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shlex
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

WORKERS = Path(__file__).with_name("workers.py")
PEERS = ("pandas", "duckdb")
NAMES = {"pandas": "peer: plain pandas group-by", "duckdb": "peer: bare DuckDB aggregate"}
LIBRARIES = ("duckdb", "lightgbm", "pandas", "pyarrow")


@dataclass(frozen=True)
class Measured:
    """One step at one size: wall seconds, CPU seconds of all threads, peak resident memory in MB, how it ended."""

    lines: int
    step: str
    seconds: float
    peak_mb: float
    exit_code: int
    last_line: str = ""
    cpu_seconds: float = 0.0


def measure(step: str, command: Sequence[str], folder: Path, *, lines: int, timeout: float) -> Measured:
    """Run one command in `folder` and measure it."""
    log = folder / f"{step}.log"
    # This process imports nothing large: a child's peak also counts the moment before it became itself.
    with log.open("wb") as out:
        began = time.perf_counter()
        process = subprocess.Popen(command, cwd=folder, stdout=out, stderr=subprocess.STDOUT)
        alarm = threading.Timer(timeout, process.kill)
        alarm.start()
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
        alarm.cancel()
    process.returncode = os.waitstatus_to_exitcode(status)
    said = [text for text in log.read_text(errors="replace").splitlines() if text.strip()]
    unit = 1 if sys.platform == "darwin" else 1024
    return Measured(
        lines=lines,
        step=step,
        seconds=seconds,
        peak_mb=usage.ru_maxrss * unit / 2**20,
        exit_code=process.returncode,
        last_line=said[-1].strip() if said else "",
        cpu_seconds=usage.ru_utime + usage.ru_stime,
    )


def commands(file: Path, end: str) -> dict[str, list[str]]:
    """The peers and the product's steps, in the order a user runs them."""
    retain = [sys.executable, "-m", "retain"]
    horizons = ["--churn-window", "90", "--horizons", "30,90,180,365"]
    configured = ["-c", "retain.toml"]
    return {
        **{peer: [sys.executable, str(WORKERS), peer, str(file)] for peer in PEERS},
        "init": [*retain, "init", str(file), *horizons, "--as-of", end, "--out-dir", "out"],
        "check": [*retain, "check", *configured],
        "features": [*retain, "features", *configured, "--as-of", end, "--out", "features.parquet"],
        "train": [*retain, "train", *configured],
        "score": [*retain, "score", *configured, "--as-of", end, "--out", "list.parquet"],
    }


def one_size(lines: int, repeat: int, timeout: float) -> list[Measured]:
    """Simulate one file and measure every step on it, `repeat` times in fresh folders."""
    runs: dict[str, list[Measured]] = {}
    with tempfile.TemporaryDirectory(prefix="retain-steps-") as name:
        folder = Path(name)
        job = [sys.executable, str(WORKERS), "simulate", str(folder), str(lines)]
        made = measure("simulate", job, folder, lines=lines, timeout=timeout)
        report(made)
        if made.exit_code:
            return [made]
        facts = json.loads(made.last_line)
        for turn in range(repeat):
            work = folder / str(turn)
            work.mkdir()
            for step, command in commands(folder / facts["file"], facts["end"]).items():
                found = measure(step, command, work, lines=lines, timeout=timeout)
                report(found)
                runs.setdefault(step, []).append(found)
    check_peers(runs)
    return [made, *(summary(turns) for turns in runs.values())]


def summary(turns: list[Measured]) -> Measured:
    """Median times and largest peak of the repetitions; the failure, where one failed."""
    failed = [t for t in turns if t.exit_code]
    times = {n: statistics.median(getattr(t, n) for t in turns) for n in ("seconds", "cpu_seconds")}
    kept = asdict((failed or turns)[0])
    return Measured(**(kept | times | {"peak_mb": max(t.peak_mb for t in turns)}))


def check_peers(runs: dict[str, list[Measured]]) -> None:
    """Refuse a comparison in which the two peers did not compute the same."""
    turns = [runs[p][0] for p in PEERS]
    if any(t.exit_code for t in turns):
        return
    one, two = (json.loads(t.last_line) for t in turns)
    same = one["customers"] == two["customers"] and one["lines"] == two["lines"]
    # Sums of floats differ in the last digits with the order of adding.
    if not same or abs(one["spend"] - two["spend"]) > 0.01 + 1e-9 * abs(one["spend"]):
        raise SystemExit(f"the peers disagree about the same file: {one} and {two}")


def report(found: Measured) -> None:
    """One line of progress on standard error."""
    state = f"failed ({found.exit_code}): {scrub(found.last_line)}" if found.exit_code else "ok"
    print(
        f"{found.lines:>12,} {found.step:<9} {found.seconds:8.2f} s {found.cpu_seconds:8.2f} s CPU "
        f"{found.peak_mb:8.0f} MB  {state}",
        file=sys.stderr,
    )


def scrub(text: str) -> str:
    """Text without folders of this machine, fit for a table."""
    return re.sub(r"(?<![\w.])(?:/[\w.@+-]+)+/", "", text).replace("|", "/")


def machine() -> str:
    """The facts that a time depends on, and nothing that names the machine."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    libraries = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    python = platform.python_version()
    return f"{cores} cores, {memory:.0f} GB of memory, {platform.machine()}, Python {python}, {libraries}"


def table(results: list[Measured]) -> str:
    """The results as a markdown table, one row per size and step."""
    rows = [
        "| lines | step | seconds | CPU s | peak MB | × pandas | × DuckDB |",
        "|--:|---|--:|--:|--:|--:|--:|",
    ]
    for lines in dict.fromkeys(r.lines for r in results):
        here = [r for r in results if r.lines == lines]
        peers = {r.step: r.seconds for r in here if r.step in PEERS and not r.exit_code}
        rows += [row(r, peers) for r in [*here, *total(here)]]
    return "\n".join(rows)


def row(found: Measured, peers: dict[str, float]) -> str:
    """One row; a failed step says so in place of its figures."""
    step = NAMES.get(found.step, found.step)
    if found.exit_code:
        return (
            f"| {found.lines:,} | {step} | failed, exit {found.exit_code}: {scrub(found.last_line)} | | | | |"
        )
    ratios = " | ".join(f"{found.seconds / peers[p]:.1f}" if p in peers else "" for p in PEERS)
    times = f"{found.seconds:.2f} | {found.cpu_seconds:.2f}"
    return f"| {found.lines:,} | {step} | {times} | {found.peak_mb:,.0f} | {ratios} |"


def total(here: list[Measured]) -> list[Measured]:
    """From the file to the list: sum of the times, largest peak; nothing when a step failed."""
    steps = [r for r in here if r.step not in (*PEERS, "simulate")]
    if not steps or any(r.exit_code for r in steps):
        return []
    peak = max(r.peak_mb for r in steps)
    cpu, wall = (sum(getattr(r, name) for r in steps) for name in ("cpu_seconds", "seconds"))
    return [Measured(steps[0].lines, "**all steps**", wall, peak, 0, cpu_seconds=cpu)]


def page(results: list[Measured], command: str, repeat: int) -> str:
    """The page for the docs."""
    return "\n".join(
        [
            "# Time and memory of each step",
            "",
            "Simulated order lines, one Parquet file per size; every step is a process of its own, so that",
            "its start and imports count. The peers read the same file in the same run and compute count,",
            "sum, first and last per customer.",
            f"Runs of each step: {repeat}; seconds are the median on the wall clock, CPU s those of all threads",
            "together, which tell more on a machine that others use too; memory is the largest peak.",
            "",
            table(results),
            "",
            f"Machine: {machine()}.",
            "",
            "```bash",
            command,
            "```",
            "",
        ]
    )


def asked(arguments: Sequence[str]) -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--lines", type=int, nargs="+", default=[100_000, 1_000_000, 5_000_000])
    parser.add_argument("--repeat", type=int, default=1, help="runs of each step; the median time is shown")
    parser.add_argument("--timeout", type=float, default=3_600, help="seconds after which a step is killed")
    parser.add_argument("--out", type=Path, help="markdown page to write; without it the page is printed")
    parser.add_argument("--json", type=Path, help="all figures as JSON")
    options = parser.parse_args(arguments)
    if min(options.lines) < 1 or options.repeat < 1:
        parser.error("--lines and --repeat take whole numbers from 1")
    return options


def main(arguments: Sequence[str]) -> int:
    """Measure, write, and say by the exit code whether every step worked."""
    options = asked(arguments)
    results = [r for lines in options.lines for r in one_size(lines, options.repeat, options.timeout)]
    command = scrub(shlex.join(["python", "benchmarks/steps.py", *arguments]))
    text = page(results, command, options.repeat)
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(text, encoding="utf-8")
    else:
        print(text)
    if options.json:
        found: dict[str, Any] = {
            "machine": machine(),
            "command": command,
            "results": [asdict(r) for r in results],
        }
        for result in found["results"]:
            result["last_line"] = scrub(result["last_line"])
        options.json.write_text(json.dumps(found, indent=1), encoding="utf-8")
    return int(any(r.exit_code for r in results))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
