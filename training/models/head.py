"""One predicted quantity: a closed form, its expected level error, and trees.

On the head's scale (logit for probabilities, log for orders and value) there are up to three answers::

    closed form
    closed form + trees base + trees
    free base + free trees

Trees are grown on top of the closed form, free trees without it. The head's answer is their mean, weighted by quarters
that a past day chose (`training.stack`), plus a base and the level. Log-odds are averaged as they are, so that what
each feature contributes adds up; orders and value by their size, not by their logarithm: trees that have met few large
customers tell too little of them, and a geometric mean would follow those (linear and logarithmic opinion pools,
Genest & Zidek 1986).

The level is told of the closed form, so the bases keep its total on the day of training: trees tell customers apart,
and what they say of everybody at once on a day they have not met is no knowledge.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from training.models.level import LevelCurve
from training.models.opinions import mixed
from training.models.rows import Rows
from training.models.trees import Trees

__all__ = ["Head", "logit", "sigmoid"]

Floats = npt.NDArray[np.float64]
_NUMBERS = (
    "anchor_mean",
    "trees_weight",
    "free_weight",
    "trees_base",
    "free_base",
    "base",
    "by_size",
    "learned_days",
)


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
        Grown on top of the closed form; None when they did not help.
    level : LevelCurve
        Season and level of the closed form.
    anchor_mean : float
        Mean of the closed form over the reference customers, the zero point of its contribution.
    free : Trees or None
        Grown without the closed form; None when they did not help.
    trees_weight, free_weight : float
        How much either answer counts, in [0, 1] and no more than 1 together; the closed form counts the rest.
    trees_base, free_base, base : float
        Constants beside either answer and beside the mean.
    by_size : bool
        Whether the mean is one of sizes; of logarithms or log-odds otherwise.
    learned_days : int
        Horizon that the trees were grown for, days: that of the head, or the one it follows.

    Raises
    ------
    ValueError
        When there are trees and no such horizon, or free trees without a weight.
    """

    trees: Trees | None = None
    level: LevelCurve = field(default_factory=LevelCurve)
    anchor_mean: float = 0.0
    free: Trees | None = None
    trees_weight: float = 1.0
    free_weight: float = 0.0
    trees_base: float = 0.0
    free_base: float = 0.0
    base: float = 0.0
    by_size: bool = False
    learned_days: int = 0

    def __post_init__(self) -> None:
        if self.learned and self.learned_days < 1:
            raise ValueError("trees without the horizon they were grown for")
        if self.free is not None and not self.free_weight:
            raise ValueError("free trees that count nothing")

    @property
    def learned(self) -> bool:
        """Whether trees speak in it."""
        return self.trees is not None or self.free is not None

    @property
    def closed_weight(self) -> float:
        """How much the closed form's own answer counts."""
        used = (self.trees is not None) * self.trees_weight + (self.free is not None) * self.free_weight
        return 1.0 - used

    @property
    def anchor_weight(self) -> float:
        """Weight of the closed form in a mean of log-odds: in its own answer, and below the trees."""
        return 1.0 if self.free is None else 1.0 - self.free_weight

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
        return self.of(anchor, lambda trees: trees.raw(features), as_of)

    def of(self, anchor: Floats, said: Callable[[Trees], Floats], as_of: date) -> Floats:
        """The same from what sets of trees said, for who asks each only once."""
        return self.mean(anchor, said) + (self.base + self._level(as_of))

    def mean(self, anchor: Floats, said: Callable[[Trees], Floats]) -> Floats:
        """The mean of the answers, without base and level."""
        answers = [(self.closed_weight, anchor)]
        if self.trees is not None:
            answers.append((self.trees_weight, anchor + (self.trees_base + said(self.trees))))
        if self.free is not None:
            answers.append((self.free_weight, self.free_base + said(self.free)))
        weights, scores = zip(*((weight, score) for weight, score in answers if weight), strict=True)
        return mixed(weights, scores, by_size=self.by_size)

    def contributions(self, anchor: Floats, features: pd.DataFrame | Rows, as_of: date) -> Rows:
        """Contribution of every feature, ``anchor`` (closed form), ``season`` and ``base``; rows add up to `raw`.

        Raises
        ------
        ValueError
            When the mean is one of sizes: it is no sum.
        """
        if self.by_size:
            raise ValueError("the mean of sizes is no sum of contributions")
        found = self._parts(features, len(anchor))
        values = np.empty((len(anchor), len(found.names) + 2))
        values[:, :-2] = found.matrix
        values[:, found.names.index("base")] += self._constant + self.anchor_weight * self.anchor_mean
        values[:, -2] = self.anchor_weight * (anchor - self.anchor_mean)
        values[:, -1] = self._level(as_of)
        return Rows((*found.names, "anchor", "season"), values)

    @property
    def _constant(self) -> float:
        """All constants of a mean of log-odds."""
        trees = 0.0 if self.trees is None else self.trees_weight * self.trees_base
        return self.base + trees + (0.0 if self.free is None else self.free_weight * self.free_base)

    def _parts(self, features: pd.DataFrame | Rows, size: int) -> Rows:
        """What the trees say by feature, and their ``base``; both sets are grown on the same columns."""
        found: Rows | None = None
        for trees, weight in ((self.trees, self.trees_weight), (self.free, self.free_weight)):
            if trees is None:
                continue
            parts = trees.parts(features)
            before = 0.0 if found is None else found.matrix
            matrix = parts.matrix if found is None else parts.take(found.names)
            found = Rows(parts.names if found is None else found.names, before + weight * matrix)
        return Rows(("base",), np.zeros((size, 1))) if found is None else found

    def to_json(self, kind: str) -> tuple[dict[str, Any], dict[str, str]]:
        """Plain values, and the tree texts by file name; heads that share trees name the same files."""
        named = zip(self._files(kind, self.learned_days), (self.trees, self.free), strict=True)
        texts = {name: trees.text for name, trees in named if trees is not None}
        numbers = {name: getattr(self, name) for name in _NUMBERS}
        return {"level": self.level.to_json(), **numbers, "trees": list(texts)}, texts

    @classmethod
    def from_json(cls, kind: str, values: dict[str, Any], trees: Mapping[str, Trees]) -> Head:
        """The head written by `to_json`, given all sets of trees by file name."""
        told = {name: trees[name] for name in values["trees"]}
        anchored, free = map(told.get, cls._files(kind, int(values["learned_days"])))
        level = LevelCurve.from_json(values["level"])
        return cls(anchored, level, free=free, **{name: values[name] for name in _NUMBERS})

    @staticmethod
    def _files(kind: str, days: int) -> tuple[str, str]:
        return f"{kind}_{days}.txt", f"{kind}_{days}_free.txt"
