"""One training run on a flat table with a label: leaks, judgement, the model of all rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from features.progress import Progress, part_of, silent
from training.contracts.snapshot_fit import MIN_RARE, fit_snapshot_model
from training.contracts.snapshot_judge import Judged, judge_learners, repeats_for
from training.contracts.snapshot_table import SnapshotTable
from training.data_hash import data_hash
from training.leaks import check_leaks
from training.models.snapshot_bundle import SnapshotBundle

__all__ = ["SnapshotTrained", "train_snapshot"]


@dataclass(frozen=True)
class SnapshotTrained:
    """What one run made: an unsaved bundle, its judgement, and what the user should know."""

    bundle: SnapshotBundle
    judged: Judged | None
    notes: tuple[str, ...]


def train_snapshot(
    table: SnapshotTable,
    *,
    allow: Sequence[str] = (),
    repeats: int | None = None,
    seed: int = 20260101,
    num_threads: int = 1,
    progress: Progress | None = None,
) -> SnapshotTrained:
    """Trains on all labelled rows, and judges by cross-validation with every choice nested in it.

    Parameters
    ----------
    table : SnapshotTable
        From `training.contracts.snapshot_table`.
    allow : sequence of str
        Columns that the leak guard lets pass.
    repeats : int, optional
        Repeats of the 5-fold cross-validation; without it as many as the size of the table asks for.
    seed : int
    num_threads : int
        Folds worked on at the same time; the figures are the same whatever the number.
    progress : callable, optional
        Told the stage and its share done.

    Raises
    ------
    InputError
        A column alone tells who left too well to have been known beforehand.
    """
    tell = progress or silent
    check_leaks(table.features, table.left, allow=allow)
    judged = judge_learners(
        table,
        repeats=repeats or repeats_for(len(table.left)),
        seed=seed,
        num_threads=num_threads,
        progress=part_of(tell, 0.0, 0.9),
    )
    tell("fitting all rows", 0.9)
    model = fit_snapshot_model(table.columns, table.features, table.left, seed=seed)
    grid = np.quantile(model.predict(table.features), np.linspace(0.0, 1.0, 101))
    notes = [*table.notes, *_told(table, judged, model.evidence)]
    card = {
        "rows": len(table.left),
        "left": int(table.left.sum()),
        "columns": [column.name for column in table.columns],
        "allowed": sorted(allow),
        "seed": seed,
        "data_hash": data_hash(table.features.assign(**{"\0left": table.left})),
        "evidence": model.evidence,
        "notes": notes,
        "judged": None if judged is None else judged.to_json(),
    }
    bundle = SnapshotBundle(
        model, table.id_column, table.label, table.positive, tuple(map(float, grid)), card
    )
    tell("done", 1.0)
    return SnapshotTrained(bundle, judged, tuple(notes))


def _told(table: SnapshotTable, judged: Judged | None, evidence: str) -> list[str]:
    rare = int(min(table.left.sum(), len(table.left) - table.left.sum()))
    notes = []
    if evidence == "base_rate":
        why = (
            f"{rare} rows of the rarer outcome, a model needs at least {MIN_RARE}"
            if rare < MIN_RARE
            else "no column made it better out of fold"
        )
        notes.append(f"every customer gets the base rate: {why}")
    if judged is None:
        notes.append(f"not judged: {rare} rows of the rarer outcome are too few for cross-validation")
    return notes
