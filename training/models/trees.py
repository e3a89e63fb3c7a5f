"""Boosted trees as text: LightGBM's own format, read and asked with fixed column names, never pickled."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from training.models.one_row import OneRow
from training.models.rows import Places, Rows, matrix_of, places_of
from training.models.tree_shares import TreeShares

__all__ = ["Trees"]

Floats = npt.NDArray[np.float64]


class Trees:
    """A LightGBM model in its text form.

    Parameters
    ----------
    text : str
        What ``Booster.model_to_string`` wrote.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self._free: list[OneRow] = []
        self._found: tuple[tuple[str, ...], Places] | None = None

    @cached_property
    def booster(self) -> Any:
        """The parsed model. Only parse text whose hash was checked: a damaged one can end the process."""
        import lightgbm as lgb

        return lgb.Booster(model_str=self.text)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Columns the trees were grown on, in their order."""
        return tuple(self.booster.feature_name())

    @cached_property
    def _shares(self) -> TreeShares | None:
        return TreeShares.of(self.booster)

    def raw(self, features: pd.DataFrame | Rows) -> Floats:
        """Raw scores (log-odds or log), one per row."""
        matrix = self._columns(features)
        return self._one(matrix[0]) if len(matrix) == 1 else self._ask(matrix)

    def contributions(self, features: pd.DataFrame) -> pd.DataFrame:
        """Exact contributions to the raw score (Lundberg & Lee 2017): a column per feature, and ``base``."""
        return self.parts(features).frame(features.index)

    def parts(self, features: pd.DataFrame | Rows) -> Rows:
        """The same as a matrix with names."""
        matrix = self._columns(features)
        shares = self._shares
        found = self._ask(matrix, pred_contrib=True) if shares is None else shares(matrix)
        return Rows((*self.names, "base"), found)

    def _columns(self, features: pd.DataFrame | Rows) -> Floats:
        """The trees' columns; looking up a hundred names takes as long as the trees do, so places are kept."""
        if isinstance(features, pd.DataFrame):
            return matrix_of(features, self.names)
        found = self._found
        if found is None or found[0] is not features.names:
            found = self._found = (features.names, places_of(features.names, self.names))
        return features.matrix.take(found[1], axis=1)

    def _one(self, row: Floats) -> Floats:
        # Threads that ask at the same time have one each; it is there for the next who asks.
        try:
            ready = self._free.pop()
        except IndexError:
            ready = OneRow(self.booster, len(self.names))
        score = ready.raw(row)
        self._free.append(ready)
        return score

    def _ask(self, matrix: Floats, **options: Any) -> Floats:
        if len(matrix) == 0:
            return np.empty((0, len(self.names) + 1) if options else 0)
        return np.asarray(self.booster.predict(matrix, raw_score=not options, num_threads=1, **options))
