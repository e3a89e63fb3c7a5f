"""One predicted quantity: a closed form, its expected level error, and trees.

On the head's scale (logit for probabilities, log for orders and value), by the rung that a back-test allowed::

    closed form   answer = closed form + level
    anchored      answer = closed form + level + constant + trees
    averaged      answer = level + mean of (closed form + constant + trees) and (constant + trees of their own)

The level is told of the closed form, so both constants keep its total on the day of training: trees tell
customers apart, and what they say of everybody at once on a day they have not met is no knowledge.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from training.models.level import LevelCurve
from training.models.rows import Rows
from training.models.trees import Trees

__all__ = ["Head", "logit", "sigmoid"]

Floats = npt.NDArray[np.float64]


def logit(p: Floats) -> Floats:
    """Log-odds of probabilities in (0, 1)."""
    return np.log(p) - np.log1p(-p)


def sigmoid(z: Floats) -> Floats:
    """Probabilities of log-odds, without overflow."""
    return 1.0 / (1.0 + np.exp(-np.minimum(np.maximum(z, -700.0), 700.0)))


@dataclass(frozen=True)
class Head:
    """A fitted head.

    Parameters
    ----------
    trees : Trees or None
        Grown on top of the closed form; None when they did not beat it.
    level : LevelCurve
        Season and level of the closed form.
    anchor_mean : float
        Mean of the closed form over the reference customers, the zero point of its contribution.
    free : Trees or None
        Grown without the closed form, averaged with the others; None when the average did not beat them.
    free_base : float
        Constant the free trees start from.
    trees_base : float
        Constant beside the trees on top of the closed form.
    """

    trees: Trees | None = None
    level: LevelCurve = field(default_factory=LevelCurve)
    anchor_mean: float = 0.0
    free: Trees | None = None
    free_base: float = 0.0
    trees_base: float = 0.0

    @property
    def anchor_weight(self) -> float:
        """Weight of the closed form in the answer."""
        return 1.0 if self.free is None else 0.5

    @cached_property
    def _levels(self) -> dict[date, float]:
        return {}

    def _level(self, as_of: date) -> float:
        """The level of a day, looked up once: with one customer that takes longer than the closed form."""
        if as_of not in self._levels:
            self._levels[as_of] = self.level.at(as_of)
        return self._levels[as_of]

    def raw(self, anchor: Floats, features: pd.DataFrame | Rows, as_of: date) -> Floats:
        """The answer on the head's scale; `anchor` is the closed form on that scale."""
        score = anchor if self.trees is None else anchor + (self.trees_base + self.trees.raw(features))
        if self.free is not None:
            score = 0.5 * (score + (self.free_base + self.free.raw(features)))
        return score + self._level(as_of)

    def contributions(self, anchor: Floats, features: pd.DataFrame | Rows, as_of: date) -> Rows:
        """Contribution of every feature, ``anchor`` (closed form), ``season`` and ``base``; rows add up to `raw`."""
        found = Rows(("base",), np.zeros((len(anchor), 1)))
        if self.trees is not None:
            found = self.trees.parts(features)
        if self.free is not None:
            # Both sets of trees are grown on the same columns.
            found = Rows(found.names, 0.5 * (found.matrix + self.free.parts(features).take(found.names)))
        values = np.empty((len(anchor), len(found.names) + 2))
        values[:, :-2] = found.matrix
        base = values[:, found.names.index("base")]
        if self.free is not None:
            base += 0.5 * self.free_base
        base += self.anchor_weight * (self.anchor_mean + (0.0 if self.trees is None else self.trees_base))
        values[:, -2] = self.anchor_weight * (anchor - self.anchor_mean)
        values[:, -1] = self._level(as_of)
        return Rows((*found.names, "anchor", "season"), values)

    def to_json(self, name: str) -> tuple[dict[str, Any], dict[str, str]]:
        """Plain values, and the tree texts by file name."""
        texts = {f"{name}.txt": self.trees, f"{name}_free.txt": self.free}
        values = {n: getattr(self, n) for n in ("anchor_mean", "free_base", "trees_base")}
        return {"level": self.level.to_json(), **values}, {
            n: t.text for n, t in texts.items() if t is not None
        }

    @classmethod
    def from_json(cls, name: str, values: dict[str, Any], files: dict[str, str]) -> Head:
        """The head written by `to_json`."""
        trees, free = (Trees(files[n]) if n in files else None for n in (f"{name}.txt", f"{name}_free.txt"))
        level = LevelCurve.from_json(values["level"])
        # Heads written before the trees had a constant of their own have none.
        bases = float(values["free_base"]), float(values.get("trees_base", 0.0))
        return cls(trees, level, float(values["anchor_mean"]), free, *bases)
