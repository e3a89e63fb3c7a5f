"""``retain score``: the list of a day, one row per customer, highest value at stake first."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from retain.commands import AsOfOption, ConfigOption, JsonOption, QuietOption
from retain.console import Screen
from retain.reading import read_tables

if TYPE_CHECKING:
    from datetime import date, datetime

    import pandas as pd
    import pyarrow as pa

    from features.tables import Tables
    from retain.config import Project
    from serving.compared import Comparison
    from serving.explained import Scored
    from serving.scorer import Scorer
    from serving.store import RunInfo, Store
    from training.models.bundle import Bundle

__all__ = ["score"]

_MANY = 300_000
_EACH_BYTES = 3_200
"""Memory that a customer of a list in one file takes."""


def score(
    path: ConfigOption = Path("retain.toml"),
    as_of: AsOfOption = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="FILE",
            help="The list: .csv, .xlsx or .parquet, by default in out_dir; a name without an ending is a folder "
            "of Parquet files, for lists of any length.",
        ),
    ] = None,
    reasons: Annotated[
        str | None,
        typer.Option(
            "--reasons",
            metavar="N",
            help="In a folder: tell why of the N customers with most at stake, by default 10000; all or none.",
        ),
    ] = None,
    raw: Annotated[
        bool, typer.Option("--raw", help="For programs: text cells as they are, not safe in Excel.")
    ] = False,
    snapshot: Annotated[
        Path | None, typer.Option("--snapshot", metavar="FILE", help="Score the rows of one flat table.")
    ] = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Score every customer and write the list."""
    from features.errors import ConfigError
    from retain.config import load_config
    from retain.streamed_runs import is_folder, score_streamed

    screen = Screen(json=json, quiet=quiet)
    if reasons is not None and not is_folder(out):
        raise ConfigError("--reasons is for lists in a folder: give --out a name without an ending")
    if snapshot is not None:
        from retain.flat_runs import flat_project, score_flat

        screen.result(*score_flat(screen, flat_project(path), snapshot, out, raw))
        return
    project = load_config(path)
    if project.config.churn.kind == "contract":
        from retain.contract_runs import score_contract_tables

        screen.result(*score_contract_tables(screen, project, as_of, out, raw))
        return
    if is_folder(out):
        screen.result(*score_streamed(screen, project, as_of, out, reasons))
        return
    screen.result(*_run(screen, project, as_of, out, raw))


def _run(
    screen: Screen, project: Project, as_of: str | None, out: Path | None, raw: bool
) -> tuple[dict[str, Any], str]:
    from dataclasses import replace
    from datetime import UTC, datetime

    from features.progress import silent
    from retain.as_of import as_of_day
    from retain.champion import champion_scorer
    from retain.list_summary import list_summary, total_bounds, total_told
    from serving.histories import Histories
    from serving.lists import write_list
    from serving.scorer import together
    from serving.store import Store

    with ExitStack() as held:
        if out is not None:
            held.enter_context(_hold(out, screen))
        scorer = champion_scorer(project)
        bundle = scorer.bundle
        project.out_dir.mkdir(parents=True, exist_ok=True)
        begun, (events_seen, unwilling) = datetime.now(UTC), _told_before(project)
        progress = held.enter_context(screen.progress()) or silent
        tables = read_tables(screen, project, progress)
        day = as_of_day(tables, project.config.run, as_of)
        run = _record(project, bundle, day, begun, events_seen)
        if out is None:
            out = _default_place(project, day)
            held.enter_context(_hold(out, screen))
        store = held.enter_context(closing(Store(project.store_url)))
        before = store.run_before(day)
        progress("scoring", 0.5)
        earlier = None if before is None else _earlier(project, bundle, before.model_version, screen)
        refused = _refused(tables, day, unwilling)
        histories = held.enter_context(closing(Histories(project.store_url)))
        if project.config.serving.histories:
            histories.save(tables, run, left_out=refused)
        with _features(tables, day, out, screen) as known, _compared(store, before, scorer) as comparison:
            parts = scorer.parts(known, day, earlier=earlier, left_out=refused)
            scored = together(map(_unmoved if comparison is None else comparison.compared, parts), day)
        found = scored.rows
        progress("writing the list", 0.9)
        manifest = write_list(found, out, raw=raw)
        run = replace(run, rows=len(found), list_sha256=manifest.sha256)
        store.save_run(run, found, scored.explained, left_out=refused)
        histories.drop_others()
    moved = None if comparison is None else comparison.summary()
    document = {
        "file": str(out),
        "as_of": day.isoformat(),
        "model_version": bundle.version,
        "rows": len(found),
        "opted_out": len(refused),
    }
    intervals = bundle.curve.intervals
    told = _told(out, day, found) + "\n" + total_told(found, intervals, bundle.window_days)
    if len(refused):
        told += f"\n{len(refused):,} customers want no contact and are on no list"
    told += "" if moved is None else "\n" + _told_moves(moved)
    bounds = {"totals_80": total_bounds(found, intervals)}
    return {**document, "sha256": manifest.sha256, **list_summary(found), **bounds, "moved": moved}, told


def _tell_size(screen: Screen, customers: int) -> None:
    """A list in one file is held in memory; who has many customers learns of the other way."""
    if customers > _MANY:
        screen.note(
            f"{customers:,} customers in one file take some {customers * _EACH_BYTES / 1e9:.1f} GB of memory; a folder "
            "of files takes about one: give --out a name without an ending"
        )


@contextmanager
def _features(tables: Tables, day: date, out: Path, screen: Screen) -> Iterator[Iterator[pa.RecordBatch]]:
    """Features of everybody, some customers at a time, from a private file beside the list; the tables are let go."""
    from features.files import explained
    from features.publish import scratch_folder
    from features.streams import stream_features
    from serving.list_batches import equal_batches
    from serving.scorer import CHUNK
    from serving.spilled import spill, spilled

    with scratch_folder(out.with_name(f".{out.name}.{os.getpid()}.part")) as scratch:
        file = scratch / "features.arrow"
        batches = stream_features(tables, [day], by_customer=True, rows=CHUNK)
        with explained(out):
            rows = spill(equal_batches(batches, CHUNK), file)
        tables.con.disconnect()  # the list takes the memory that the tables took
        _tell_size(screen, rows)
        yield spilled(file)


@contextmanager
def _hold(out: Path, screen: Screen) -> Iterator[None]:
    """The list's place is refused, or is ours for the whole run and cleared of what a dead run left."""
    from features.publish import output_lock, sweep_parts
    from serving.lists import check_list

    check_list(out)
    for done in sweep_parts(out.parent):
        screen.note(done)
    with output_lock(out):
        yield


def _default_place(project: Project, day: date) -> Path:
    project.lists_dir.mkdir(parents=True, exist_ok=True)
    return project.lists_dir / f"scored-{day.isoformat()}.csv"


def _earlier(project: Project, bundle: Bundle, version: str, screen: Screen) -> Bundle | None:
    """The model of the run before, when it is another one and can still be asked."""
    from features.errors import ModelError
    from training.models.anchor_parts import UsualCustomer
    from training.models.bundle import Bundle

    if version == bundle.version:
        return None
    try:
        found = Bundle.load(project.models_dir / version)
        UsualCustomer.from_json(found.reference.get("usual_customer"))
        return found
    except ModelError as error:
        screen.note(
            f"the model of the last list cannot be asked any more, so every move counts as the new one's: {error}"
        )
        return None


@contextmanager
def _compared(store: Store, before: RunInfo | None, scorer: Scorer) -> Iterator[Comparison | None]:
    """What tells why scores moved since the run before; None where there was none."""
    from serving.compared import Comparison

    if before is None:
        yield None
        return
    same = before.model_version == scorer.bundle.version
    with store.explaining(before.run_id) as explained:
        yield Comparison(explained, before.as_of, same_model=same, currency=scorer.currency)


def _unmoved(part: Scored) -> Scored:
    """Rows of a first list, which has nothing to compare with."""
    from dataclasses import replace

    return replace(part, rows=part.rows.assign(moved="", moved_zh=""))


def _told_before(project: Project) -> tuple[int, set[str]]:
    """Place of the last event that came before the data is read, and who told that they want no contact."""
    from serving.event_log import EventLog

    with closing(EventLog(project.store_url, project.config.data.timezone)) as log:
        return log.position(), log.opted_out()


def _record(project: Project, bundle: Bundle, day: date, begun: datetime, events_seen: int) -> RunInfo:
    """The record of this run; its rows are kept beside it, and the endpoint answers look-ups from them."""
    import hashlib

    from serving.store import RunInfo

    text = project.config.model_dump_json().encode()
    return RunInfo(
        run_id=f"{day.isoformat()}-{bundle.version}",
        as_of=day,
        model_version=bundle.version,
        config_hash=hashlib.sha256(text).hexdigest(),
        rows=0,
        created_at=begun,
        events_seen=events_seen,
    )


def _refused(tables: Tables, day: date, unwilling: set[str]) -> set[str]:
    """Customers who want no contact, as the customers table or an event told."""
    from features.customer_facts import customer_facts, opted_out

    return unwilling.union(opted_out(customer_facts(tables, day)))


def _told(target: Path, day: date, found: pd.DataFrame) -> str:
    counts = found["status"].value_counts()
    parts = ", ".join(f"{counts.get(s, 0):,} {s}" for s in ("active", "lapsed", "lost"))
    evidence = ", ".join(f"{count:,} {name}" for name, count in found["evidence"].value_counts().items())
    return f"{target}: {len(found):,} customers as of {day.isoformat()} ({parts}); evidence: {evidence or 'none'}"


def _told_moves(moved: dict[str, Any]) -> str:
    """How many scores moved, and what moved them most often."""
    from serving.moved import POINTS_OF_NEWS, group_name

    causes = [f"{group_name(code, 'en')} ({count:,})" for code, count in list(moved["by"].items())[:3]]
    text = (
        f"risk moved by {POINTS_OF_NEWS} points or more since {moved['since']}: {moved['up']:,} up, "
        f"{moved['down']:,} down, of {moved['compared']:,} customers in both lists"
    )
    return text + (f"; mostly {', '.join(causes)}" if causes else "")
