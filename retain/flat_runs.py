"""Training on, and scoring of, one flat table: what ``--snapshot`` does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from features.errors import ConfigError
from retain.console import Screen

if TYPE_CHECKING:
    from retain.config import Project
    from training.contracts.snapshot_train import SnapshotTrained

__all__ = ["FlatOptions", "flat_project", "score_flat", "train_flat"]

_DEFAULT = Path("retain.toml")


@dataclass(frozen=True)
class FlatOptions:
    """What the command line said about a flat table."""

    file: Path
    label: str | None = None
    id_column: str | None = None
    positive: str | None = None
    drop: Sequence[str] = ()
    allow: Sequence[str] = ()
    repeats: int | None = None


def flat_project(path: Path) -> Project:
    """The configuration, or the defaults in the current folder: a flat table needs none."""
    from retain.config import Project, RetainConfig, load_config

    return Project(RetainConfig(), path) if path == _DEFAULT and not path.exists() else load_config(path)


def train_flat(screen: Screen, project: Project, options: FlatOptions) -> tuple[dict[str, Any], list[Any]]:
    """Trains, saves, logs and promotes the model of one flat table; its document and its texts."""
    from retain.flat_files import read_flat
    from retain.promotion import keep
    from training.contracts.contract_challenge import challenge_snapshot
    from training.contracts.snapshot_table import snapshot_table
    from training.contracts.snapshot_train import train_snapshot
    from training.models.snapshot_bundle import POINTER

    if options.label is None:
        raise ConfigError("--snapshot needs --label COLUMN: the column that says who left")
    table, told = read_flat(options.file)
    flat = snapshot_table(
        table, options.label, id_column=options.id_column, positive=options.positive, drop=options.drop
    )
    config = project.config
    with screen.progress() as progress:
        trained = train_snapshot(
            flat,
            allow=options.allow,
            repeats=options.repeats,
            seed=config.run.seed,
            num_threads=config.run.num_threads,
            progress=progress,
        )
    bundle, document, place = keep(
        project, trained.bundle, POINTER, lambda champion: challenge_snapshot(trained, champion)
    )
    notes = [*told, *trained.notes]
    rows = f"{len(flat.left):,} rows, {flat.left.mean():.1%} left"
    head = f"Model {bundle.version} of {rows}, evidence {bundle.evidence}"
    lines = [head, *(f"Note: {note}" for note in notes), *_figures(trained), place]
    return {**document, "notes": notes}, lines


def score_flat(
    screen: Screen, project: Project, file: Path, out: Path | None, raw: bool
) -> tuple[dict[str, Any], str]:
    """Writes the list of one flat table; its document and its text."""
    from retain.flat_files import read_flat
    from serving.lists import check_list, write_list
    from serving.snapshot_list import score_snapshot
    from training.models.snapshot_bundle import POINTER, SnapshotBundle
    from training.models.text_files import pointed

    if out is None:
        project.lists_dir.mkdir(parents=True, exist_ok=True)
        out = project.lists_dir / f"scored-{file.stem}.csv"
    check_list(out)
    train = "retain train --snapshot FILE --label COLUMN"
    bundle = SnapshotBundle.load(pointed(project.models_dir, POINTER, train=train))
    table, told = read_flat(file)
    for note in told:
        screen.note(note)
    found = score_snapshot(bundle, table)
    manifest = write_list(found, out, raw=raw)
    mean = float(found["churn_probability"].mean())
    document = {
        "file": str(out),
        "model_version": bundle.version,
        "rows": len(found),
        "sha256": manifest.sha256,
        "evidence": bundle.evidence,
        "mean_churn_probability": mean,
    }
    return document, f"{out}: {len(found):,} customers, {mean:.1%} of them expected to leave"


def _figures(trained: SnapshotTrained) -> list[Any]:
    from retain.flat_table import flat_table

    return [] if trained.judged is None else [flat_table(trained.judged)]
