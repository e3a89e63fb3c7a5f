"""A trained model of a flat table with all that scoring another table needs, kept as texts with hashes."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from training.models.golden import check_golden, golden_of, made_up_rows
from training.models.snapshot_model import SnapshotModel
from training.models.text_files import json_text, parsing, read_kind, write_texts

__all__ = ["KIND", "POINTER", "SnapshotBundle"]

Floats = npt.NDArray[np.float64]
KIND = "snapshot"
POINTER = "champion-snapshot"


@dataclass(frozen=True)
class SnapshotBundle:
    """A model of a flat table.

    Parameters
    ----------
    model : SnapshotModel
    id_column, label, positive : str
        Column that names customers (empty: rows are numbered), the label, and its value that means left.
    grid : tuple of float
        101 quantiles of P(leaves) over the rows it learned from.
    card : dict
        How it was trained and judged.
    golden : dict
        Made-up rows and what they must give, from `training.models.golden`.
    version : str
        Hash of its files.
    """

    model: SnapshotModel
    id_column: str
    label: str
    positive: str
    grid: tuple[float, ...]
    card: dict[str, Any] = field(default_factory=dict)
    golden: dict[str, Any] = field(default_factory=dict)
    version: str = "unsaved"

    @property
    def evidence(self) -> str:
        """What the predictions rest on: ``base_rate``, ``linear``, ``trees`` or ``average``."""
        return self.model.evidence

    def percentile(self, probability: Floats) -> Floats:
        """Share of the learned rows with a lower probability, 0 to 100."""
        places = np.searchsorted(np.array(self.grid), probability, side="left")
        return np.minimum(places, 100).astype(np.float64)

    def save(self, folder: Path) -> SnapshotBundle:
        """Writes the bundle to ``folder/<version>`` whole or not at all, and returns it with its version."""
        golden = golden_of(made_up_rows(self.model.columns), self._predict)
        values, texts = self.model.to_json()
        made = {
            "model": values,
            "id_column": self.id_column,
            "label": self.label,
            "positive": self.positive,
            "grid": self.grid,
        }
        plain = {"model.json": made, "card.json": self.card, "golden.json": golden}
        files = {**{name: json_text(value) for name, value in plain.items()}, **texts}
        return replace(self, golden=golden, version=write_texts(folder, files, {"kind": KIND}))

    @classmethod
    def load(cls, path: Path) -> SnapshotBundle:
        """Reads a bundle after checking every hash, and what it predicts for the golden rows.

        Raises
        ------
        ModelError
            Files are missing or changed, or this machine's libraries do not reproduce the model.
        """
        files = read_kind(path, KIND)
        with parsing(path.name):
            values = json.loads(files["model.json"])
            model = SnapshotModel.from_json(values["model"], files)
            found = cls(
                model,
                values["id_column"],
                values["label"],
                values["positive"],
                tuple(values["grid"]),
                dict(json.loads(files["card.json"])),
                dict(json.loads(files["golden.json"])),
                path.name,
            )
        check_golden(found.golden, found._predict, found.version)
        return found

    def _predict(self, typed: pd.DataFrame) -> pd.DataFrame:
        return pd.DataFrame({"churn_probability": self.model.predict(typed)})
