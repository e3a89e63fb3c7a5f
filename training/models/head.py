"""One predicted quantity: a closed form, its expected level error, and trees grown on top of the two.

On the head's scale (logit for probabilities, log for orders and value)::

    answer = closed form + level + trees
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from training.models.level import LevelCurve
from training.models.trees import Trees

__all__ = ["Head", "logit", "sigmoid"]

Floats = npt.NDArray[np.float64]


def logit(p: Floats) -> Floats:
    """Log-odds of probabilities in (0, 1)."""
    return np.log(p) - np.log1p(-p)


def sigmoid(z: Floats) -> Floats:
    """Probabilities of log-odds, without overflow."""
    return 1.0 / (1.0 + np.exp(-np.clip(z, -700.0, 700.0)))


@dataclass(frozen=True)
class Head:
    """A fitted head.

    Parameters
    ----------
    trees : Trees or None
        Grown on top of the closed form; None when the data did not suffice.
    level : LevelCurve
        Season and level of the closed form.
    anchor_mean : float
        Mean of the closed form over the reference customers, the zero point of its contribution.
    """

    trees: Trees | None = None
    level: LevelCurve = field(default_factory=LevelCurve)
    anchor_mean: float = 0.0

    @property
    def anchor_weight(self) -> float:
        """Weight of the closed form in the answer."""
        return 1.0

    def raw(self, anchor: Floats, features: pd.DataFrame, as_of: date) -> Floats:
        """The answer on the head's scale; `anchor` is the closed form on that scale."""
        score = anchor + self.level.at(as_of)
        return score if self.trees is None else score + self.trees.raw(features)

    def contributions(self, anchor: Floats, features: pd.DataFrame, as_of: date) -> pd.DataFrame:
        """Contribution of every feature, ``anchor`` (closed form), ``season`` and ``base``; rows add up to `raw`."""
        base = self.anchor_mean + self.level.base
        if self.trees is None:
            parts = pd.DataFrame({"base": base}, index=features.index)
        else:
            parts = self.trees.contributions(features)
            parts["base"] += base
        parts["anchor"] = anchor - self.anchor_mean
        parts["season"] = self.level.at(as_of) - self.level.base
        return parts

    def to_json(self, name: str) -> tuple[dict[str, Any], dict[str, str]]:
        """Plain values, and the tree texts by file name."""
        files = {} if self.trees is None else {f"{name}.txt": self.trees.text}
        return {"level": self.level.to_json(), "anchor_mean": self.anchor_mean}, files

    @classmethod
    def from_json(cls, name: str, values: dict[str, Any], files: dict[str, str]) -> Head:
        """The head written by `to_json`."""
        text = files.get(f"{name}.txt")
        level = LevelCurve.from_json(values["level"])
        return cls(None if text is None else Trees(text), level, values["anchor_mean"])
