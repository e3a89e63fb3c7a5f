"""A trained model of a flat table with all that scoring another table needs, kept as texts with hashes."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.errors import ModelError
from training.models.snapshot_model import SnapshotModel
from training.models.text_files import json_text, parsing, read_kind, write_texts

__all__ = ["KIND", "POINTER", "SnapshotBundle"]

Floats = npt.NDArray[np.float64]
KIND = "snapshot"
POINTER = "champion-snapshot"
_GOLDEN_ROWS = 16


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
    golden : tuple of float
        P(leaves) of made-up rows, which loading must reproduce.
    version : str
        Hash of its files.
    """

    model: SnapshotModel
    id_column: str
    label: str
    positive: str
    grid: tuple[float, ...]
    card: dict[str, Any] = field(default_factory=dict)
    golden: tuple[float, ...] = ()
    version: str = "unsaved"

    def percentile(self, probability: Floats) -> Floats:
        """Share of the learned rows with a lower probability, 0 to 100."""
        places = np.searchsorted(np.array(self.grid), probability, side="left")
        return np.minimum(places, 100).astype(np.float64)

    def save(self, folder: Path) -> SnapshotBundle:
        """Writes the bundle to ``folder/<version>`` whole or not at all, and returns it with its version."""
        golden = tuple(map(float, self.model.predict(_golden_rows(self.model))))
        values, texts = self.model.to_json()
        made = {
            "model": values,
            "id_column": self.id_column,
            "label": self.label,
            "positive": self.positive,
            "grid": self.grid,
            "golden": golden,
        }
        files = {"model.json": json_text(made), "card.json": json_text(self.card), **texts}
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
                tuple(values["golden"]),
                path.name,
            )
        found._check_golden()
        return found

    def _check_golden(self) -> None:
        answer = self.model.predict(_golden_rows(self.model))
        if len(self.golden) != len(answer) or not np.allclose(answer, self.golden, rtol=1e-9, atol=1e-12):
            raise ModelError(
                f"model {self.version}: golden predictions differ; the libraries of this machine do not reproduce "
                "the model: train it here"
            )


def _golden_rows(model: SnapshotModel) -> pd.DataFrame:
    """Made-up rows: levels and knots in turn, and what is missing or unknown."""
    made: dict[str, pd.Series] = {}
    for at, column in enumerate(model.columns):
        if column.kind == "category":
            choices: list[Any] = [*column.levels, None, "\u2205"]
            values = pd.Series(
                [choices[(row + at) % len(choices)] for row in range(_GOLDEN_ROWS)], dtype=object
            )
        else:
            numbers = [*column.knots, column.centre, column.centre + column.scale, np.nan]
            values = pd.Series([numbers[(row * 3 + at) % len(numbers)] for row in range(_GOLDEN_ROWS)])
        made[column.name] = values
    return pd.DataFrame(made, index=range(_GOLDEN_ROWS))
