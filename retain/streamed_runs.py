"""``retain score --out FOLDER``: a list of any length, streamed into a folder of Parquet files."""

from __future__ import annotations

from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard

if TYPE_CHECKING:
    from retain.config import Project
    from retain.console import Screen
    from serving.streamed import Streamed
    from training.models.intervals import Intervals

__all__ = ["is_folder", "score_streamed"]

_COVERAGE = 0.80


def is_folder(out: Path | None) -> TypeGuard[Path]:
    """Whether a list's name asks for a folder: a name without an ending does.

    Examples
    --------
    >>> is_folder(Path("lists/tonight")), is_folder(Path("list.csv")), is_folder(None)
    (True, False, False)
    """
    return out is not None and not out.suffix


def score_streamed(
    screen: Screen, project: Project, as_of: str | None, out: Path, reasons: str | None = None
) -> tuple[dict[str, Any], str]:
    """Score every customer, some at a time, and publish the list as a folder.

    Parameters
    ----------
    screen : Screen
        Where notes and progress go.
    project : Project
        The configuration.
    as_of : str or None
        The day as given.
    out : Path
        The folder.
    reasons : str or None
        For how many customers to give the reasons: a number, ``all`` or ``none``; None for the usual number.

    Returns
    -------
    tuple of dict and str
        The result for programs and for people.
    """
    from dataclasses import replace

    from features.customer_facts import customer_facts, opted_out
    from features.progress import part_of, silent
    from features.publish import output_lock, sweep_parts
    from features.streams import stream_features
    from retain.as_of import as_of_day
    from retain.champion import champion_scorer
    from retain.reading import read_tables
    from serving.event_log import EventLog
    from serving.list_folder import check_list_folder
    from serving.streamed import StreamSettings, stream_list

    settings = StreamSettings(threads=project.config.run.num_threads)
    settings = settings if reasons is None else replace(settings, reasons=_number(reasons))
    check_list_folder(out)
    for done in sweep_parts(out.parent):
        screen.note(done)
    with ExitStack() as held:
        held.enter_context(output_lock(out))
        scorer = champion_scorer(project)
        project.out_dir.mkdir(parents=True, exist_ok=True)
        with closing(EventLog(project.store_url, project.config.data.timezone)) as log:
            unwilling = log.opted_out()
        progress = held.enter_context(screen.progress()) or silent
        tables = read_tables(screen, project, part_of(progress, 0.0, 0.3))
        day = as_of_day(tables, project.config.run, as_of)
        refused = unwilling.union(opted_out(customer_facts(tables, day)))
        found = stream_list(
            scorer,
            stream_features(tables, [day], by_customer=True, rows=settings.batch_rows),
            day,
            out,
            settings=settings,
            left_out=refused,
            progress=part_of(progress, 0.3, 1.0),
        )
    document = {
        "file": str(out),
        "as_of": day.isoformat(),
        "model_version": scorer.bundle.version,
        "rows": found.rows,
        "files": found.files,
        "opted_out": len(refused),
        "reasons": found.reasons,
        "sha256": found.sha256,
        **found.counts,
        "totals": found.totals,
        "totals_80": _bounds(found, scorer.bundle.curve.intervals),
    }
    return document, _told(out, found, document)


def _number(reasons: str) -> int | None:
    """How many customers get reasons; None for all."""
    from features.errors import ConfigError

    if reasons == "all":
        return None
    if reasons != "none" and not reasons.isdecimal():
        raise ConfigError(f"--reasons {reasons!r} is none of: a number of customers, all, none")
    return 0 if reasons == "none" else int(reasons)


def _bounds(found: Streamed, intervals: Intervals) -> dict[str, list[float]]:
    """Lower and upper 80 % bound of the total value of each horizon."""
    horizons = {
        name: int(name.removeprefix("expected_value_").removesuffix("d"))
        for name in found.totals
        if name.startswith("expected_value_")
    }
    factors = {name: intervals.total_factors(days, _COVERAGE) for name, days in horizons.items()}
    return {name: [found.totals[name] * factor for factor in factors[name]] for name in horizons}


def _told(out: Path, found: Streamed, document: dict[str, Any]) -> str:
    statuses = found.counts["status"]
    parts = ", ".join(f"{statuses.get(s, 0):,} {s}" for s in ("active", "lapsed", "lost"))
    files = "1 file" if found.files == 1 else f"{found.files:,} files"
    lines = [f"{out}: {found.rows:,} customers as of {document['as_of']} in {files} ({parts})"]
    if found.reasons < found.rows:
        lines.append(
            f"reasons: for the {found.reasons:,} customers with most at stake (--reasons all for everybody)"
        )
    if found.kept:
        lines.append(f"{found.kept:,} batches were scored already by a run that was stopped")
    if refused := document["opted_out"]:
        lines.append(f"{refused:,} customers want no contact and are on no list")
    lines.append(
        "look-ups, `retain explain` and why scores moved stay with the last list written as one file"
    )
    return "\n".join(lines)
