"""The page of `scale.py`: tables with targets, and the plot of cost by lines."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from matplotlib.ticker import FuncFormatter
from steps import Measured, machine, scrub

from features.pictures import BLUE, GREY, ORANGE, blank, finished, svg

if TYPE_CHECKING:
    from scale import Found

__all__ = ["page"]

SHOWN = {
    "duckdb": "bare DuckDB: count, sum, min, max per customer",
    "pandas": "plain pandas: the same",
    "one day": "**the customer table of a day**",
    "twelve days": "**the customer tables of twelve days**",
    "lifetimes": "lifetimes: its summary",
    "featuretools": "featuretools: its aggregates",
    "polars": "Polars: recency, frequency, value and rhythm by hand",
}
CURVES = (("one day", "the customer table of a day", BLUE), ("twelve days", "of twelve days", ORANGE))
_HEAD = ["| lines | job | seconds | CPU s | peak MB | × DuckDB |", "|--:|---|--:|--:|--:|--:|"]
_SMALL = "The engine may take 2 GB. The table of a day is the last point of the plot."


def page(found: Found, command: str, plot: Path | None) -> str:
    """The page; the plot is written beside it."""
    parts = [_features(found, plot), _small(found), _peers(found), _told(found.score, "score", _SCORE)]
    parts.append(_told(found.facts, "facts", _FACTS))
    text = [
        "# Time and memory by size",
        "",
        f"`{command}` on {machine()}.",
        "",
        "Simulated order lines, some 50 a customer, in one Parquet file. Every job is a process of its own: its start and "
        "imports count. Seconds are those of the wall clock, CPU s those of all threads together.",
    ]
    return "\n".join([*text, *(line for part in parts for line in part), *_notes(found)]) + "\n"


def _features(found: Found, plot: Path | None) -> list[str]:
    if not found.features:
        return []
    lines = ["", "## The customer table, read in place", "", *_HEAD]
    checks = []
    for size in dict.fromkeys(job.lines for job in found.features):
        here = {job.step: job for job in found.features if job.lines == size}
        lines += [_row(job, here.get("duckdb")) for step, job in here.items() if step in SHOWN]
        checks += list(_feature_checks(size, here))
    if plot is not None:
        plot.write_text(_picture([*found.features, *found.small]), encoding="utf-8")
        lines += ["", f"![Seconds by lines]({plot.name})"]
    return [*lines, "", *_check_table(checks)]


def _feature_checks(size: int, here: dict[str, Measured]) -> Iterator[tuple[str, float, float]]:
    """What was wanted: name, figure, the most it may be."""
    if any(job.exit_code for job in here.values()):
        return
    one = here["one day"]
    yield f"{size:,} lines: times the bare aggregate", one.seconds / here["duckdb"].seconds, 4
    if "pandas" in here:
        yield f"{size:,} lines: times plain pandas", one.seconds / here["pandas"].seconds, 1
    if "twelve days" in here:
        yield f"{size:,} lines: twelve days, times one", here["twelve days"].seconds / one.seconds, 3
    if size == 50_000_000:
        yield f"{size:,} lines: seconds", one.seconds, 90
        yield f"{size:,} lines: peak memory, GB", one.peak_mb / 1_024, 6


def _small(found: Found) -> list[str]:
    if not found.small:
        return []
    here = {job.step: job for job in found.small}
    rows = [_row(job, here.get("duckdb")) for step, job in here.items() if step in SHOWN]
    return ["", "## More lines than memory", "", _SMALL, "", *_HEAD, *rows]


def _peers(found: Found) -> list[str]:
    if not found.peers:
        return []
    here = {job.step: job for job in found.peers}
    lines = ["", "## Beside other libraries", "", *_HEAD]
    lines += [_row(job, None, columns=True) for step, job in here.items() if step in SHOWN]
    one = here["one day"]
    checks = [
        (f"times {name}", one.seconds / here[name].seconds, 1.0)
        for name in ("lifetimes", "featuretools", "polars")
        if name in here and not here[name].exit_code and not one.exit_code
    ]
    same = here.get("same")
    if same is not None and not same.exit_code:
        told = json.loads(same.last_line)
        apart = ", ".join(told["apart"]) or "none"
        lines += [
            "",
            f"Columns of the Polars table that differ from ours by more than 1e-9: {apart} of {told['columns']}.",
        ]
    return [*lines, "", *_check_table(checks)]


_SCORE = (
    "## From ready features to the list",
    {
        "seconds": ("{:,} customers: seconds", 60.0),
        "peak_gb": ("{:,} customers: peak memory, GB", 1.5),
    },
)
_FACTS = (
    "## A night's new lines",
    {"share": ("{:,} lines: 1 % more, share of the cost of all anew", 0.1)},
)


def _told(jobs: Sequence[Measured], step: str, texts: tuple[str, dict[str, tuple[str, float]]]) -> list[str]:
    """What the job itself told, held against what was wanted of it."""
    heading, wanted = texts
    checks, rows = [], []
    for job in jobs:
        if job.step != step:
            continue
        # A job that tells its figures and still fails missed one of them.
        if job.exit_code and not job.last_line.startswith("{"):
            rows.append(f"{job.lines:,}: failed, {scrub(job.last_line)}")
            continue
        told = {"seconds": job.seconds, "peak_gb": job.peak_mb / 1_024} | _flat(json.loads(job.last_line))
        if not rows:
            checks += [(text.format(job.lines), told[name], most) for name, (text, most) in wanted.items()]
        rows.append(f"{job.lines:,}: {_figures(told)}")
    if not rows:
        return []
    return [
        "",
        heading,
        "",
        *(f"- {row}" for row in rows),
        "",
        *_check_table([*checks, *_growth(jobs, step)]),
    ]


def _growth(jobs: Sequence[Measured], step: str) -> Iterator[tuple[str, float, float]]:
    """Memory of the largest beside the smallest list."""
    done = [job for job in jobs if job.step == step == "score" and not job.exit_code]
    if len(done) > 1:
        first, *_, last = (json.loads(job.last_line)["peak_gb"] for job in done)
        yield f"{done[-1].lines:,} customers: peak memory, times that of {done[0].lines:,}", last / first, 1.1


def _flat(told: dict[str, Any]) -> dict[str, Any]:
    """The figures; of the ways of a night only the one by files, in the names of the page."""
    way = told.get("by_files", {})
    return {name: value for name, value in told.items() if not isinstance(value, dict)} | way


def _figures(told: dict[str, Any]) -> str:
    return ", ".join(
        f"{name} {value:,.4g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in told.items()
    )


def _check_table(checks: Sequence[tuple[str, float, float]]) -> list[str]:
    if not checks:
        return []
    rows = [
        f"| {name} | {figure:.2f} | ≤ {most:g} | {'met' if figure <= most else '**missed**'} |"
        for name, figure, most in checks
    ]
    return ["| wanted | figure | at most | |", "|---|--:|--:|---|", *rows]


def _row(job: Measured, bare: Measured | None, *, columns: bool = False) -> str:
    name = SHOWN[job.step]
    if job.exit_code:
        return f"| {job.lines:,} | {name} | failed, exit {job.exit_code}: {scrub(job.last_line)} | | | |"
    if columns:
        name = f"{name}, {json.loads(job.last_line)['columns']} columns"
    ratio = f"{job.seconds / bare.seconds:.1f}" if bare is not None and not bare.exit_code else ""
    return f"| {job.lines:,} | {name} | {job.seconds:.1f} | {job.cpu_seconds:.1f} | {job.peak_mb:,.0f} | {ratio} |"


def _picture(jobs: Sequence[Measured]) -> str:
    """Seconds by lines, both on scales of powers; a straight line of slope one is linear cost."""
    figure, axes = blank("order lines", "seconds")
    for step, label, colour in (*CURVES, ("duckdb", "bare DuckDB aggregate", GREY)):
        here = [job for job in jobs if job.step == step and not job.exit_code]
        axes.plot([j.lines for j in here], [j.seconds for j in here], "o-", ms=4, color=colour, label=label)
    axes.set_xscale("log")
    axes.set_yscale("log")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.12g}"))
    return svg("scale", finished(figure, axes), {})


def _notes(found: Found) -> list[str]:
    return ["", *(f"- {note}" for note in found.notes)] if found.notes else []
