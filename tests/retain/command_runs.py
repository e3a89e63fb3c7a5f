"""Running commands in this process as a shell would see them, and small order files to run them on."""

from __future__ import annotations

import csv
import io
import json
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from features.load import load
from retain import cli
from retain.config import Project, load_config
from retain.shop import ShopSettings, simulate
from training.build import Evidence, build_bundle
from training.fit import anchored
from training.models.bundle import POINTER
from training.models.text_files import point_at
from training.panel import build_panel

# Each of these has been read as a number, as missing, as a formula or as another customer somewhere.
ODD_IDS = ("007", "7", "NA", "12345678901234567890123", "null", "1e5", "客户1", "=1+1", 'o\'neil, "x"', "-5")
Line = tuple[str, date, float]


@dataclass(frozen=True)
class Said:
    """How a command ended: exit code, standard output, and all that reached standard error."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """The one JSON document on standard output."""
        found: dict[str, Any] = json.loads(self.out)
        return found


def retain(*words: object) -> Said:
    """Run ``retain WORDS``."""
    out, err = io.StringIO(), io.StringIO()
    with _native_stderr() as native, redirect_stdout(out), redirect_stderr(err):
        code = cli.run([str(word) for word in words])
    return Said(code, out.getvalue(), err.getvalue() + native.read())


@contextmanager
def _native_stderr() -> Iterator[Any]:
    """What libraries write past Python, to the file descriptor itself; to be read afterwards."""
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile("w+") as caught:
        os.dup2(caught.fileno(), 2)
        text = io.StringIO()
        try:
            yield text
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            caught.seek(0)
            text.write(caught.read())
            text.seek(0)


def write_orders(path: Path, lines: Iterable[Line]) -> Path:
    """An order file with three columns."""
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("customer_id", "time", "amount"), *lines])
    return path


def write_demo_orders(path: Path, *, customers: int, days: int, seed: int = 3) -> Path:
    """The orders of a simulated shop, whose first customers bear `ODD_IDS`."""
    lines = simulate(ShopSettings(customers=customers, days=days, seed=seed)).tables["orders"].to_pylist()
    names = dict(zip(sorted({line["customer_id"] for line in lines}), ODD_IDS, strict=False))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, lines[0])
        writer.writeheader()
        writer.writerows({**line, "customer_id": names.get(i := line["customer_id"], i)} for line in lines)
    return path


def make_model(config: Path, day: date, *, evidence: Evidence) -> Project:
    """A champion without judgement, MLflow or plots: seconds less than ``retain train``."""
    project = load_config(config)
    training = project.config.training
    tables = load(project.config.data, base=project.base).tables
    horizons = {training.churn.window_days, *training.value.horizons_days}
    panel = anchored(build_panel(tables, day, sorted(horizons)))
    project.models_dir.mkdir(parents=True)
    bundle = build_bundle(panel, training, evidence=evidence, strategies=project.strategies)
    point_at(project.models_dir, POINTER, bundle.save(project.models_dir).version)
    return project


def regular_lines(ids: Iterable[str], first: date, *, every: int, times: int) -> list[Line]:
    """Customers who order every so many days."""
    return [
        (name, first + timedelta(days=place % every + every * n), 10.0 + place)
        for place, name in enumerate(ids)
        for n in range(times)
    ]
