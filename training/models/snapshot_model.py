"""The model of a flat table: a regularised regression, small trees, or the average of both, on typed columns."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.errors import ModelError
from training.models.flat_column import FlatColumn
from training.models.head import sigmoid
from training.models.trees import Trees

__all__ = ["Linear", "SnapshotModel", "design", "tree_matrix"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Linear:
    """A logistic regression on the joined bases of all columns.

    Parameters
    ----------
    intercept : float
        Log-odds at the mean of every column.
    weights, means : tuple of float
        One of each per column of `design`.
    """

    intercept: float
    weights: tuple[float, ...]
    means: tuple[float, ...]

    def parts(self, matrix: Floats) -> Floats:
        """What each column of the design adds to the log-odds, against its mean."""
        return (matrix - np.array(self.means)) * np.array(self.weights)


@dataclass(frozen=True)
class SnapshotModel:
    """P(leaves) of a row of a flat table.

    Parameters
    ----------
    columns : tuple of FlatColumn
        What the model reads.
    base : float
        Log-odds of leaving over all rows.
    linear : Linear or None
    trees : Trees or None
        Grown on `tree_matrix`. With both parts the log-odds are averaged; without any they are `base`.

    Notes
    -----
    Log-odds are averaged, not probabilities: the parts' contributions stay exact, and by convexity the log loss of
    the average is never above the mean of the two.
    """

    columns: tuple[FlatColumn, ...]
    base: float
    linear: Linear | None = None
    trees: Trees | None = field(default=None, repr=False)

    @property
    def evidence(self) -> str:
        """What the predictions rest on: ``base_rate``, ``linear``, ``trees`` or ``average``."""
        if self.linear is not None and self.trees is not None:
            return "average"
        if self.linear is not None:
            return "linear"
        return "base_rate" if self.trees is None else "trees"

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the columns the model reads."""
        return tuple(column.name for column in self.columns)

    def read(self, table: pd.DataFrame) -> pd.DataFrame:
        """The columns of any table, typed as at training.

        Raises
        ------
        ModelError
            Columns are missing: how many, and the first of them.
        InputError
            A column holds texts where numbers were.
        """
        missing = [name for name in self.names if name not in table.columns]
        if missing:
            raise ModelError(
                f"the table lacks {len(missing)} of {len(self.names)} columns the model was trained on, such as "
                f"{missing[0]!r}; add them under their old names, or train again"
            )
        return pd.DataFrame({column.name: column.read(table[column.name]) for column in self.columns})

    def raw(self, typed: pd.DataFrame) -> Floats:
        """Log-odds of leaving, one per row of a table from `read`."""
        parts = []
        if self.linear is not None:
            parts.append(self.linear.intercept + self.linear.parts(design(self.columns, typed)).sum(axis=1))
        if self.trees is not None:
            parts.append(self.trees.raw(tree_matrix(self.columns, typed)))
        return np.mean(parts, axis=0) if parts else np.full(len(typed), self.base)

    def predict(self, typed: pd.DataFrame) -> Floats:
        """P(leaves), one per row of a table from `read`, in [0, 1]."""
        return sigmoid(self.raw(typed))

    def contributions(self, typed: pd.DataFrame) -> pd.DataFrame:
        """What each column adds to the log-odds, and ``base``; rows add up to `raw`."""
        found = np.zeros((len(typed), len(self.columns) + 1))
        share = 0.5 if self.evidence == "average" else 1.0
        if self.linear is not None:
            parts = self.linear.parts(design(self.columns, typed))
            starts = np.cumsum([0, *(column.width for column in self.columns)])[:-1]
            found[:, :-1] += share * np.add.reduceat(parts, starts, axis=1)
            found[:, -1] += share * self.linear.intercept
        if self.trees is not None:
            matrix = tree_matrix(self.columns, typed)
            found += share * self.trees.contributions(matrix)[[*matrix.columns, "base"]].to_numpy()
        if self.evidence == "base_rate":
            found[:, -1] = self.base
        return pd.DataFrame(found, columns=[*self.names, "base"], index=typed.index)

    def to_json(self) -> tuple[dict[str, Any], dict[str, str]]:
        """Plain values, and texts of trees by file name."""
        linear = self.linear
        values = {
            "columns": [column.to_json() for column in self.columns],
            "base": self.base,
            "linear": None
            if linear is None
            else {"intercept": linear.intercept, "weights": linear.weights, "means": linear.means},
        }
        return values, {} if self.trees is None else {"trees.txt": self.trees.text}

    @classmethod
    def from_json(cls, values: dict[str, Any], files: dict[str, str]) -> SnapshotModel:
        """The model written by `to_json`."""
        linear = values["linear"]
        return cls(
            tuple(FlatColumn.from_json(column) for column in values["columns"]),
            float(values["base"]),
            None
            if linear is None
            else Linear(linear["intercept"], tuple(linear["weights"]), tuple(linear["means"])),
            Trees(files["trees.txt"]) if "trees.txt" in files else None,
        )


def design(columns: tuple[FlatColumn, ...], typed: pd.DataFrame) -> Floats:
    """The bases of all columns side by side."""
    if not columns:
        return np.empty((len(typed), 0))
    return np.hstack([column.basis(typed[column.name]) for column in columns])


def tree_matrix(columns: tuple[FlatColumn, ...], typed: pd.DataFrame) -> pd.DataFrame:
    """What trees see: a column ``c0``, ``c1`` … each, as LightGBM refuses many names."""
    made = {f"c{at}": column.codes(typed[column.name]) for at, column in enumerate(columns)}
    return pd.DataFrame(made, index=typed.index)
