"""``retain score``: the list of a day, one row per customer, highest value at stake first."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from retain.commands import ConfigOption, JsonOption, QuietOption
from retain.console import Screen

if TYPE_CHECKING:
    from datetime import date

    import pandas as pd

    from features.publish import Manifest
    from retain.config import Project
    from training.models.bundle import Bundle

__all__ = ["score"]


def score(
    path: ConfigOption = Path("retain.toml"),
    as_of: Annotated[
        str | None, typer.Option("--as-of", metavar="DATE", help="Everything before this day is past.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="FILE", help="The list: .csv, .xlsx or .parquet; by default in out_dir."
        ),
    ] = None,
    raw: Annotated[
        bool, typer.Option("--raw", help="For programs: text cells as they are, not safe in Excel.")
    ] = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Score every customer and write the list."""
    from retain.config import load_config

    screen = Screen(json=json, quiet=quiet)
    screen.result(*_run(screen, load_config(path), as_of, out, raw))


def _run(
    screen: Screen, project: Project, as_of: str | None, out: Path | None, raw: bool
) -> tuple[dict[str, Any], str]:
    from features.load import load
    from retain.as_of import as_of_day
    from retain.list_summary import list_summary
    from serving.lists import write_list
    from serving.scorer import Scorer

    with ExitStack() as held:
        if out is not None:
            held.enter_context(_hold(out, screen))
        bundle = _champion(project)
        scorer = Scorer(bundle, project.strategies, currency=project.config.data.currency)
        progress = held.enter_context(screen.progress()) or _silent
        tables = load(project.config.data, base=project.base, progress=progress).tables
        day = as_of_day(tables, project.config.run, as_of)
        if out is None:
            out = _default_place(project, day)
            held.enter_context(_hold(out, screen))
        progress("scoring", 0.5)
        found = scorer.score(tables, day)
        progress("writing the list", 0.9)
        manifest = write_list(found, out, raw=raw)
        _remember(project, bundle, day, found, manifest)
    document = {
        "file": str(out),
        "as_of": day.isoformat(),
        "model_version": bundle.version,
        "rows": len(found),
    }
    return {**document, "sha256": manifest.sha256, **list_summary(found)}, _told(out, day, found)


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


def _silent(stage: str, share: float) -> None:
    """Progress that nobody watches."""


def _champion(project: Project) -> Bundle:
    """The champion on this disk; fetched from MLflow when there is none yet."""
    from features.errors import ModelError
    from training.models.bundle import Bundle, champion_path
    from training.tracking import champion_bundle, point_to

    if not (project.models_dir / "champion").is_file():
        project.models_dir.mkdir(parents=True, exist_ok=True)
        found = champion_bundle(project.config.tracking, project.models_dir, uri=project.tracking_uri)
        if found is None:
            raise ModelError("no model yet: run `retain train` first")
        point_to(project.models_dir, found.version)
    return Bundle.load(champion_path(project.models_dir))


def _default_place(project: Project, day: date) -> Path:
    project.lists_dir.mkdir(parents=True, exist_ok=True)
    return project.lists_dir / f"scored-{day.isoformat()}.csv"


def _remember(project: Project, bundle: Bundle, day: date, found: pd.DataFrame, manifest: Manifest) -> None:
    """Keeps the rows for look-ups by id: the endpoint answers from them."""
    import hashlib
    from datetime import UTC, datetime

    from serving.store import RunInfo, Store

    text = project.config.model_dump_json().encode()
    project.out_dir.mkdir(parents=True, exist_ok=True)
    store = Store(project.store_url)
    try:
        store.save_run(
            RunInfo(
                run_id=f"{day.isoformat()}-{bundle.version}",
                as_of=day,
                model_version=bundle.version,
                config_hash=hashlib.sha256(text).hexdigest(),
                rows=len(found),
                created_at=datetime.now(UTC),
                list_sha256=manifest.sha256,
            ),
            found,
        )
    finally:
        store.close()


def _told(target: Path, day: date, found: pd.DataFrame) -> str:
    counts = found["status"].value_counts()
    parts = ", ".join(f"{counts.get(s, 0):,} {s}" for s in ("active", "lapsed", "lost"))
    return f"{target}: {len(found):,} customers as of {day.isoformat()} ({parts})"
