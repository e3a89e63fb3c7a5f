"""Damaged models put before a service one after the other, counted.

``python benchmarks/abuse_models.py --config retain.toml --count 500`` prints for programs, by kind of damage, how many
copies there were, what stopped them and how many were served; ``benchmarks/endpoint_abuse.py`` has it as a part. The
service is this process: a table at the end means that it never died.
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
from abuse_target import Figure, Target
from mutated_models import KINDS, Outcome, run

from retain.champion import live_settings
from retain.config import load_config
from training.models.bundle import POINTER, Bundle, champion_path
from training.models.text_files import point_at

__all__ = ["main", "models", "twin"]


def models(target: Target) -> list[Figure]:
    """Damaged copies of the shop's champion: none may be served with other answers."""
    count = target.count(500, 40)
    rows = counted(target.shop.config, target.folder / "damaged", count=count, seed=1)
    ends = Counter[str]()
    for row in rows:
        ends.update(
            {name: number for name, number in row.items() if name not in ("damage", "hashes", "copies")}
        )
    other = ends["served, other answers"]
    stopped = ", ".join(f"{name} {number}" for name, number in ends.most_common())
    copies = sum(row["copies"] for row in rows)
    return [
        Figure(f"of {count} damaged models, served with other answers", str(other), "0", not other),
        Figure(
            "the serving process after them", f"lives, {copies} looked at", f"lives, {count}", copies == count
        ),
        Figure("what stopped them", stopped, "", met=True),
    ]


def counted(config: Path, folder: Path, *, count: int, seed: int) -> list[dict[str, Any]]:
    """A row for each kind of damage and of hashes: copies, what stopped them, how many were served."""
    folder.mkdir(parents=True)
    outcomes = _mutations(config, folder / "models", count, seed)
    rows = []
    for remade in (False, True):
        for kind in KINDS:
            some = [o for o in outcomes if (o.mutant.kind, o.mutant.remade) == (kind, remade)]
            ends = Counter(_end(o) for o in some)
            rows.append({"damage": kind, "hashes": "new" if remade else "old", "copies": len(some), **ends})
    return rows


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


def _end(outcome: Outcome) -> str:
    """A wrong hash, a signal that ended the trial, the reader, or the golden predictions."""
    if outcome.served:
        return "served, other answers" if outcome.differs else "served, same answers"
    if outcome.end != "a verdict":
        return outcome.end
    return "golden rows" if "golden" in outcome.reason else "reader"


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", type=Path, default=Path("retain.toml"))
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(counted(given.config, Path(folder) / "damaged", count=given.count, seed=given.seed)))


if __name__ == "__main__":
    main()
