"""Damaged models against a running service, counted.

``python benchmarks/endpoint_faults.py models --config retain.toml --count 500`` copies the models of a project,
makes damaged copies of its champion and points a service at each. Of every damage it prints how many copies there
were, what stopped them, how many were served, and how often the serving process died (it is this one, so a table
at the end means never). ``--json`` prints the counts for programs.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from mutated_models import KINDS, Outcome, run

from retain.champion import live_settings
from retain.config import load_config
from training.models.bundle import POINTER, Bundle, champion_path
from training.models.text_files import point_at

__all__ = ["main", "twin"]


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["models"])
    parser.add_argument("--config", type=Path, default=Path("retain.toml"))
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        outcomes = _mutations(given.config, Path(folder) / "models", given.count, given.seed)
    if given.json:
        print(json.dumps(_counts(outcomes)))
    else:
        _table(_counts(outcomes))


def _mutations(config: Path, models: Path, count: int, seed: int) -> list[Outcome]:
    """Outcomes for damaged copies of the champion, while its twin with another margin is served."""
    project = load_config(config)
    settings = live_settings(project).model_copy(update={"models": models})
    champion = Bundle.load(champion_path(project.models_dir))
    models.mkdir()
    shutil.copytree(project.models_dir / champion.version, models / champion.version)
    point_at(models, POINTER, twin(champion).save(models).version)
    return list(run(settings, champion.version, count, seed=seed))


def twin(bundle: Bundle) -> Bundle:
    """Another whole model: the same with another margin."""
    rate = bundle.curve.margin.rate / 2
    golden = pd.DataFrame(bundle.golden["rows"], columns=bundle.golden["columns"]).astype(np.float64)
    curve = replace(bundle.curve, margin=replace(bundle.curve.margin, rate=rate))
    return replace(bundle, curve=curve).with_golden(golden)


def _counts(outcomes: list[Outcome]) -> list[dict[str, Any]]:
    """A row for each kind of damage and of hashes: copies, what stopped them, how many were served."""
    rows = []
    for remade in (False, True):
        for kind in KINDS:
            some = [o for o in outcomes if (o.mutant.kind, o.mutant.remade) == (kind, remade)]
            ends = Counter(_end(o) for o in some)
            rows.append({"damage": kind, "hashes": "new" if remade else "old", "copies": len(some), **ends})
    return rows


def _end(outcome: Outcome) -> str:
    """A wrong hash, a signal that ended the trial, the reader, or the golden predictions."""
    if outcome.served:
        return "served, other answers" if outcome.differs else "served, same answers"
    if outcome.end != "a verdict":
        return outcome.end
    return "golden rows" if "golden" in outcome.reason else "reader"


def _table(rows: list[dict[str, Any]]) -> None:
    first = ("damage", "hashes", "copies")
    ends = sorted({name for row in rows for name in row if name not in first})
    print(" | ".join([*first, *ends]))
    for row in rows:
        print(" | ".join(str(row.get(name, 0)) for name in (*first, *ends)))


if __name__ == "__main__":
    main()
