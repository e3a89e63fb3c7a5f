"""Time and memory from small to large: the customer table, a panel of twelve days, peers, lists, nightly increments.

::

    python benchmarks/scale.py --out docs/benchmark_scale.md
    python benchmarks/scale.py --parts features --lines 1000000 5000000

Simulated order lines, 50 a customer, one Parquet file per size; every job is a process of its own, so that its start
and imports count. Ratios are to jobs of the same run on the same file. The exit code is 1 when a job failed.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

from quality_outside import PEERS, CouldNotRun, environment
from scale_page import page
from steps import WORKERS, Measured, measure, report, scrub

JOBS = Path(__file__).with_name("scale_jobs.py")
PARTS = ("features", "small", "peers", "score", "facts")
ORDERS_PER_YEAR = 11.0
"""Of a simulated customer; with it there are some 50 lines for each."""

PANEL_DAYS, PANEL_STEP = 12, 30
PEER_LINES = 5_000_000
SMALL_LINES, SMALL_MEMORY = 100_000_000, "2GB"
LARGEST_PANEL = 5_000_000
"""Lines up to which the panel is made: twelve tables of a million customers do not fit onto every disk."""

LARGEST_PANDAS = 50_000_000


@dataclass
class Found:
    """What was measured, by part, and what could not be."""

    features: list[Measured] = field(default_factory=list)
    small: list[Measured] = field(default_factory=list)
    peers: list[Measured] = field(default_factory=list)
    score: list[Measured] = field(default_factory=list)
    facts: list[Measured] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def failed(self) -> bool:
        """Whether any job failed."""
        parts = (self.features, self.small, self.peers, self.score, self.facts)
        return any(job.exit_code for part in parts for job in part)


def main(arguments: Sequence[str]) -> int:
    """Measure, write the page, and say by the exit code whether every job worked."""
    options = asked(arguments)
    found = Found()
    measured: dict[str, Callable[[Found, argparse.Namespace], None]] = {
        "features": features,
        "small": small,
        "peers": peers,
        "score": score,
        "facts": facts,
    }
    command = scrub(shlex.join(["python", "benchmarks/scale.py", *arguments]))
    plot = options.out.with_suffix(".svg") if options.out else None
    for part in options.parts:
        measured[part](found, options)
        # After every part: the last ones take long, and what was measured should not be lost with them.
        if options.out:
            options.out.write_text(page(found, command, plot), encoding="utf-8")
    if not options.out:
        print(page(found, command, plot))
    return int(found.failed)


def features(found: Found, options: argparse.Namespace) -> None:
    """One day and twelve, beside the least that DuckDB and pandas have to do with the same file."""
    for lines in options.lines:
        with simulated(found.features, lines) as (file, end):
            jobs = {"duckdb": worker("duckdb", file)}
            if lines <= LARGEST_PANDAS:
                jobs["pandas"] = worker("pandas", file)
            jobs["one day"] = ours(file, [end], options.memory)
            if lines <= LARGEST_PANEL:
                jobs["twelve days"] = ours(file, panel_days(end), options.memory)
            run(found.features, jobs, file.parent, lines)


def small(found: Found, options: argparse.Namespace) -> None:
    """More lines than memory."""
    with simulated(found.small, options.small_lines) as (file, end):
        jobs = {"duckdb": worker("duckdb", file), "one day": ours(file, [end], SMALL_MEMORY)}
        run(found.small, jobs, file.parent, options.small_lines)


def peers(found: Found, options: argparse.Namespace) -> None:
    """What others make of the same lines: their own summaries, and features equal to ours by hand."""
    with simulated(found.peers, PEER_LINES) as (file, end):
        run(found.peers, {"one day": ours(file, [end], options.memory)}, file.parent, PEER_LINES)
        for package in ("lifetimes", "featuretools", "polars"):
            try:
                python = environment(package)
            except CouldNotRun as error:
                found.notes.append(f"{package} could not run: {error}")
                continue
            script, out = PEERS / package / "summary.py", f"{package}.out"
            job = [str(python), str(script), str(file), out, end.isoformat()]
            run(found.peers, {package: job}, file.parent, PEER_LINES)
        if (file.parent / "polars.out").exists():
            run(
                found.peers,
                {"same": job_of("same", "features-1.parquet", "polars.out")},
                file.parent,
                PEER_LINES,
            )


def score(found: Found, options: argparse.Namespace) -> None:
    """From ready features to a list with a strategy for everybody."""
    for customers in options.customers:
        job = [sys.executable, str(Path(__file__).with_name("scale_score.py")), "--customers", str(customers)]
        with tempfile.TemporaryDirectory(prefix="retain-scale-") as name:
            run(found.score, {"score": job}, Path(name), customers)


def facts(found: Found, options: argparse.Namespace) -> None:
    """A night's new lines beside all of them anew."""
    job = [
        sys.executable,
        str(Path(__file__).with_name("scale_facts.py")),
        "--lines",
        str(options.night_lines),
    ]
    with tempfile.TemporaryDirectory(prefix="retain-scale-") as name:
        run(found.facts, {"facts": job}, Path(name), options.night_lines)


class simulated:  # noqa: N801 - used like a function
    """A folder with so many order lines for a while: the file, and the day after the last."""

    def __init__(self, kept: list[Measured], lines: int) -> None:
        self.kept, self.lines = kept, lines
        self.folder = tempfile.TemporaryDirectory(prefix="retain-scale-")

    def __enter__(self) -> tuple[Path, date]:
        folder = Path(self.folder.name)
        job = job_of("simulate", str(folder), str(self.lines), str(ORDERS_PER_YEAR))
        made = measure("simulate", job, folder, lines=self.lines, timeout=7_200)
        report(made)
        if made.exit_code:
            raise RuntimeError(f"the shop could not be made: {made.last_line}")
        told = json.loads(made.last_line)
        return folder / told["file"], date.fromisoformat(told["end"])

    def __exit__(self, *_: object) -> None:
        self.folder.cleanup()


def run(kept: list[Measured], jobs: dict[str, list[str]], folder: Path, lines: int) -> None:
    """Measure the jobs one after another."""
    for name, job in jobs.items():
        found = measure(name, job, folder, lines=lines, timeout=7_200)
        report(found)
        kept.append(found)


def ours(file: Path, days: Sequence[date], memory: str) -> list[str]:
    """The customer table of the days."""
    out = f"features-{len(days)}.parquet"
    return job_of("features", str(file), out, memory, *(day.isoformat() for day in days))


def panel_days(end: date) -> list[date]:
    """Twelve cut-offs, the last of them the end of the data."""
    return [end - timedelta(days=PANEL_STEP * k) for k in reversed(range(PANEL_DAYS))]


def job_of(name: str, *arguments: str) -> list[str]:
    """The command of a job of `scale_jobs`."""
    return [sys.executable, str(JOBS), name, *arguments]


def worker(name: str, file: Path) -> list[str]:
    """The command of a peer of `workers`."""
    return [sys.executable, str(WORKERS), name, str(file)]


def asked(arguments: Sequence[str]) -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument(
        "--lines", type=int, nargs="+", default=[1_000_000, 5_000_000, 20_000_000, 50_000_000]
    )
    parser.add_argument("--memory", default="6GB", help="memory limit of the engine in the part `features`")
    parser.add_argument("--small-lines", type=int, default=SMALL_LINES, help="lines of the part `small`")
    customers = "of the part `score`; memory of the last is told beside the first"
    parser.add_argument("--customers", type=int, nargs="+", default=[1_000_000], help=customers)
    parser.add_argument("--night-lines", type=int, default=5_000_000, help="lines of the part `facts`")
    parser.add_argument("--out", type=Path, help="markdown page to write; without it the page is printed")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
