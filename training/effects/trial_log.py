"""A randomised log: who could have got which offer with which chance, what they got, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.errors import InputError, NotEnoughData

__all__ = ["TrialLog"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
_LEAST_PER_ARM = 50
_LEAST_CHANCE = 1e-3


@dataclass(frozen=True)
class TrialLog:
    """Rows of one or several campaigns with known propensities.

    Parameters
    ----------
    features : DataFrame, shape (n, p)
        What was known of each customer before the offer.
    offers : tuple of str
        Codes of the k offers; *leave alone* (the hold-out) is not among them.
    given : array of int, shape (n,)
        What each row got: 0 leave alone, j for ``offers[j − 1]``.
    propensity : array, shape (n, k + 1)
        Chance of each arm for each row, in (0, 1), as it was drawn; rows sum to 1.
    outcome : array, shape (n,)
        Share (0 or 1 when binary) or currency.
    kind : {"binary", "money"}
    name : str
        What is counted, such as ``kept``.
    customers : array or None
        Who each row is: rows of one customer are kept in one fold and counted as one cluster.

    Raises
    ------
    InputError
        Shapes differ, a chance is not in (0, 1), a binary outcome is neither 0 nor 1, something is missing.
    NotEnoughData
        An arm has fewer than 50 rows.

    Examples
    --------
    >>> given = np.repeat([0, 1], 60)
    >>> log = TrialLog(pd.DataFrame({"x": np.zeros(120)}), ("call",), given, np.full((120, 2), 0.5), given * 1.0)
    >>> log.rows, log.arms
    (120, 2)
    """

    features: pd.DataFrame = field(repr=False)
    offers: tuple[str, ...]
    given: Ints = field(repr=False)
    propensity: Floats = field(repr=False)
    outcome: Floats = field(repr=False)
    kind: Literal["binary", "money"] = "binary"
    name: str = "kept"
    customers: npt.NDArray[np.generic] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        self._check_shapes()
        if np.any((self.given < 0) | (self.given >= self.arms)):
            raise InputError(f"effects: an offer is not among the {self.arms - 1} offers of the log")
        self._check_chances()
        if not np.isfinite(self.outcome).all():
            raise InputError(
                f"effects: {int((~np.isfinite(self.outcome)).sum())} of {self.rows} outcomes are missing; leave "
                "rows out only if the reason has nothing to do with the offer"
            )
        if self.kind == "binary" and not np.isin(self.outcome, (0.0, 1.0)).all():
            raise InputError("effects: a binary outcome must be 0 or 1; use kind 'money' for amounts")
        counts = np.bincount(self.given, minlength=self.arms)
        if counts.min() < _LEAST_PER_ARM:
            arm = ("leave alone", *self.offers)[int(counts.argmin())]
            raise NotEnoughData(
                f"effects: {arm!r} has {counts.min()} rows, at least {_LEAST_PER_ARM} are needed; keep the assumed "
                "effect until more results are in"
            )

    @property
    def rows(self) -> int:
        """n."""
        return len(self.features)

    @property
    def arms(self) -> int:
        """k + 1."""
        return len(self.offers) + 1

    def part(self, places: Ints) -> TrialLog:
        """The same log with only these rows."""
        who = None if self.customers is None else self.customers[places]
        return TrialLog(
            self.features.iloc[places].reset_index(drop=True),
            self.offers,
            self.given[places],
            self.propensity[places],
            self.outcome[places],
            self.kind,
            self.name,
            who,
        )

    def clusters(self) -> Ints:
        """Number of the customer of each row, from 0."""
        if self.customers is None:
            return np.arange(self.rows)
        return pd.factorize(pd.Series(self.customers))[0].astype(np.int64)

    def folds(self, number: int, seed: int) -> Ints:
        """Fold of each row, from 0: customers stay together, arms are spread evenly where rows are customers."""
        rng = np.random.default_rng(seed)
        if self.customers is not None:
            cluster = self.clusters()
            return (rng.permutation(cluster.max() + 1) % number)[cluster]
        fold = np.empty(self.rows, dtype=np.int64)
        order = rng.permutation(self.rows)
        order = order[np.argsort(self.given[order], kind="stable")]
        fold[order] = np.arange(self.rows) % number
        return fold

    def _check_shapes(self) -> None:
        shapes = {
            "given": (self.given.shape, (self.rows,)),
            "propensity": (self.propensity.shape, (self.rows, self.arms)),
            "outcome": (self.outcome.shape, (self.rows,)),
        }
        if self.customers is not None:
            shapes["customers"] = (self.customers.shape, (self.rows,))
        for name, (found, wanted) in shapes.items():
            if found != wanted:
                raise InputError(f"effects: {name} has shape {found}, expected {wanted}")

    def _check_chances(self) -> None:
        low = self.propensity < _LEAST_CHANCE
        if low.any() or np.isnan(self.propensity).any():
            raise InputError(
                f"effects: {int((low | np.isnan(self.propensity)).any(axis=1).sum())} of {self.rows} rows have an arm "
                f"that could not be drawn (chance below {_LEAST_CHANCE:g}); leave these rows out: without chance "
                "nothing can be learnt there"
            )
        off = np.abs(self.propensity.sum(axis=1) - 1) > 1e-6
        if off.any():
            raise InputError(f"effects: the chances of {int(off.sum())} of {self.rows} rows do not sum to 1")
