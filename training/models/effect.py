"""What is kept of measured effects: per offer an average and, where it was found, how the effect differs by customer.

Plain values, nothing that could run. `training.effects` makes it from a randomised log.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.errors import ModelError
from training.models.flat_column import FlatColumn
from training.models.head import sigmoid
from training.models.text_files import json_text, parsing

__all__ = ["EffectModel", "EffectPolicy", "Line", "OfferEffect", "Score", "read_design"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
_VERSION = 1


@dataclass(frozen=True)
class Line:
    """A regularised regression on `read_design`.

    Parameters
    ----------
    intercept : float
    weights : tuple of float
        One per column of the design.
    logit : bool
        Whether the sum is log-odds of a yes.

    Examples
    --------
    >>> Line(0.0, (1.0, 2.0), logit=True).value(np.array([[0.0, 0.0], [2.0, -1.0]])).tolist()
    [0.5, 0.5]
    """

    intercept: float
    weights: tuple[float, ...]
    logit: bool = False

    def value(self, design: Floats) -> Floats:
        """Expected outcome, one per row."""
        raw: Floats = self.intercept + design @ np.array(self.weights)
        return sigmoid(raw) if self.logit else raw

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Line:
        """The line written by ``asdict``."""
        return cls(float(values["intercept"]), tuple(map(float, values["weights"])), bool(values["logit"]))


@dataclass(frozen=True)
class Score:
    """How much more than average one arm brings than another for a customer, in units of the outcome.

    Parameters
    ----------
    treated, base : Line
        Expected outcome under the arm, and under the one it is held against.
    line : Line
        Ridge regression of doubly robust scores.
    mean : float
        Of the score over the customers of the log, taken off.

    Notes
    -----
    score = ½ (treated − base) + ½ line − mean: two views of the same difference whose errors are partly
    independent. The first sees bends and floors of the outcome, the second is unbiased whatever the outcome does.
    """

    treated: Line
    base: Line
    line: Line
    mean: float = 0.0

    def value(self, design: Floats) -> Floats:
        """One per row of the design; zero on average over the log."""
        difference = self.treated.value(design) - self.base.value(design)
        return 0.5 * difference + 0.5 * self.line.value(design) - self.mean

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Score:
        """The score written by ``asdict``."""
        lines = {name: Line.from_json(values[name]) for name in ("treated", "base", "line")}
        return cls(**lines, mean=float(values["mean"]))


@dataclass(frozen=True)
class OfferEffect:
    """The measured effect of one offer on one outcome.

    Parameters
    ----------
    offer : str
    average, low, high : float
        Incremental outcome per customer of the log, and its 95 % interval.
    found : {"helps", "harms", "none"}
        Whether the average differs from zero, with the chance of a false alarm shared among all offers.
    p_heterogeneity : float
        One-sided p value that the scores tell customers apart.
    slope : float
        In [0, 1]: how much of the scores out of sample was real; scores are shrunk by it.
    heterogeneous : bool
        Whether the effect differs by customer as far as the log can tell; else everybody has the average.
    score : Score or None
        None where nothing was found.
    """

    offer: str
    average: float
    low: float
    high: float
    found: Literal["helps", "harms", "none"]
    p_heterogeneity: float
    slope: float
    heterogeneous: bool
    score: Score | None = field(default=None, repr=False)

    def predict(self, design: Floats) -> Floats:
        """Incremental outcome per row."""
        if not self.heterogeneous or self.score is None:
            return np.full(len(design), self.average)
        return self.average + self.slope * self.score.value(design)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> OfferEffect:
        """The effect written by `to_json`."""
        score = None if values["score"] is None else Score.from_json(values["score"])
        return cls(**{**values, "score": score})


@dataclass(frozen=True)
class EffectPolicy:
    """The best single offer, and whom the lower bound allows to treat otherwise.

    Parameters
    ----------
    best : int
        Place of the best single offer; 0 is *leave alone*.
    threshold : float
        Least advantage, units of the outcome, at which a customer gets another; infinite where nobody does.
    gain, low : float
        Measured gain per customer of the log over giving everybody the best, and its lower bound.
    scores : tuple
        One per place: (average, slope, Score) of the advantage over the best; None for the best itself.
    """

    best: int
    threshold: float
    gain: float
    low: float
    scores: tuple[tuple[float, float, Score] | None, ...] = field(default=(), repr=False)

    @property
    def deviates(self) -> bool:
        """Whether anybody may get another offer than the best one."""
        return bool(np.isfinite(self.threshold))

    def choose(self, design: Floats) -> Ints:
        """Place of the offer of each row."""
        chosen = np.full(len(design), self.best, dtype=np.int64)
        if not self.deviates:
            return chosen
        advantage = self.advantages(design)
        other = advantage.argmax(axis=1)
        return np.where(advantage.max(axis=1) > self.threshold, other, chosen)

    def advantages(self, design: Floats) -> Floats:
        """Expected advantage of every offer over the best one, shape (rows, offers + 1)."""
        columns = [
            np.zeros(len(design)) if s is None else s[0] + s[1] * s[2].value(design) for s in self.scores
        ]
        return np.column_stack(columns)

    def to_json(self) -> dict[str, Any]:
        """Plain values; an infinite threshold is None."""
        return {
            "best": self.best,
            "threshold": self.threshold if self.deviates else None,
            "gain": self.gain,
            "low": self.low,
            "scores": [None if s is None else [s[0], s[1], asdict(s[2])] for s in self.scores],
        }

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> EffectPolicy:
        """The policy written by `to_json`."""
        threshold = np.inf if values["threshold"] is None else float(values["threshold"])
        scores = tuple(
            None if s is None else (float(s[0]), float(s[1]), Score.from_json(s[2])) for s in values["scores"]
        )
        return cls(int(values["best"]), threshold, float(values["gain"]), float(values["low"]), scores)


@dataclass(frozen=True)
class EffectModel:
    """Measured effects of several offers on one outcome.

    Parameters
    ----------
    outcome : str
        What is counted, such as ``kept`` or ``margin``.
    kind : {"binary", "money"}
    columns : tuple of FlatColumn
        What the model reads of a customer.
    offers : tuple of OfferEffect
    policy : EffectPolicy
        Places count *leave alone* as 0 and the offers from 1.
    """

    outcome: str
    kind: Literal["binary", "money"]
    columns: tuple[FlatColumn, ...]
    offers: tuple[OfferEffect, ...]
    policy: EffectPolicy

    @property
    def codes(self) -> tuple[str, ...]:
        """Codes of the offers, in the order of `predict`."""
        return tuple(effect.offer for effect in self.offers)

    def predict(self, features: pd.DataFrame) -> Floats:
        """Incremental outcome against leaving alone, before costs.

        Parameters
        ----------
        features : DataFrame, shape (n, any)
            Must hold the columns of the log.

        Returns
        -------
        array, shape (n, k)
            Column j belongs to ``codes[j]``; a share of customers (binary) or currency (money).

        Raises
        ------
        ModelError
            Columns are missing.
        """
        design = read_design(self.columns, features)
        return np.column_stack([effect.predict(design) for effect in self.offers])

    def choose(self, features: pd.DataFrame) -> Ints:
        """Place of the offer the safe policy gives to each row: 0 leave alone, j + 1 for ``codes[j]``."""
        return self.policy.choose(read_design(self.columns, features))

    def to_text(self) -> str:
        """Strict JSON; equal models have equal texts."""
        return json_text(
            {
                "version": _VERSION,
                "outcome": self.outcome,
                "kind": self.kind,
                "columns": [column.to_json() for column in self.columns],
                "offers": [effect.to_json() for effect in self.offers],
                "policy": self.policy.to_json(),
            }
        )

    @classmethod
    def from_text(cls, text: str) -> EffectModel:
        """The model written by `to_text`.

        Raises
        ------
        ModelError
            The text is not what this code writes.
        """
        with parsing("effects"):
            values = json.loads(text)
            version = values["version"]
        if version != _VERSION:
            raise ModelError(
                f"effects: the file is of version {version}, {_VERSION} is read here; measure the effects again"
            )
        with parsing("effects"):
            return cls(
                values["outcome"],
                values["kind"],
                tuple(FlatColumn.from_json(column) for column in values["columns"]),
                tuple(OfferEffect.from_json(effect) for effect in values["offers"]),
                EffectPolicy.from_json(values["policy"]),
            )


def read_design(columns: Sequence[FlatColumn], features: pd.DataFrame) -> Floats:
    """The bases of all columns side by side, shape (n, width).

    Raises
    ------
    ModelError
        Columns are missing: how many, and the first of them.
    """
    missing = [column.name for column in columns if column.name not in features.columns]
    if missing:
        raise ModelError(
            f"effects: {len(missing)} of {len(columns)} columns of the log are missing, such as {missing[0]!r}; "
            "give the same columns, or measure the effects again"
        )
    if not columns:
        return np.empty((len(features), 0))
    return np.hstack([column.basis(column.read(features[column.name])) for column in columns])
