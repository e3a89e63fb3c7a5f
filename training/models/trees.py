"""Boosted trees as text: LightGBM's own format, read and asked with fixed column names, never pickled."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from training.models.rows import Rows, matrix_of

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

    @cached_property
    def booster(self) -> Any:
        """The parsed model. Only parse text whose hash was checked: a damaged one can end the process."""
        import lightgbm as lgb

        return lgb.Booster(model_str=self.text)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Columns the trees were grown on, in their order."""
        return tuple(self.booster.feature_name())

    def raw(self, features: pd.DataFrame | Rows) -> Floats:
        """Raw scores (log-odds or log), one per row."""
        return self._ask(features)

    def contributions(self, features: pd.DataFrame) -> pd.DataFrame:
        """Exact contributions to the raw score (Lundberg & Lee 2017): a column per feature, and ``base``."""
        return self.parts(features).frame(features.index)

    def parts(self, features: pd.DataFrame | Rows) -> Rows:
        """The same as a matrix with names."""
        return Rows((*self.names, "base"), self._ask(features, pred_contrib=True))

    def _ask(self, features: pd.DataFrame | Rows, **options: Any) -> Floats:
        matrix = matrix_of(features, self.names)
        if len(matrix) == 0:
            return np.empty((0, len(self.names) + 1) if options else 0)
        return np.asarray(self.booster.predict(matrix, raw_score=not options, num_threads=1, **options))
