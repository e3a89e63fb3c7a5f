"""One customer answered in a moment, for who has the features at hand and asks in process."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt

from features.errors import ModelError
from features.pipeline import FEATURES
from training.models.bundle import Bundle
from training.models.rows import Rows

__all__ = ["Prepared"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Prepared:
    """A bundle asked about one customer at a time, without data frames; same bits as `Bundle.predict`.

    Parameters
    ----------
    bundle : Bundle
        The model.
    as_of : date
        The day the features describe.

    Notes
    -----
    `benchmarks/predict_one.py` tells how long it takes, beside LightGBM and scikit-learn on one row.
    """

    bundle: Bundle
    as_of: date

    def churn_probability(self, features: Floats) -> float:
        """P(no order within the churn window), in [0, 1].

        Parameters
        ----------
        features : array, shape (features,)
            float64 figures of one customer in the order of `features.pipeline.FEATURES`, NaN where missing.

        Raises
        ------
        ModelError
            When there are more or fewer figures than features.
        """
        return float(self.bundle.churn_probability(_rows(features), self.as_of)[0])

    def predict(self, features: Floats) -> dict[str, float]:
        """All numbers of `Bundle.predict` by name; `features` and errors as for `churn_probability`."""
        found = self.bundle.answers(_rows(features), self.as_of)
        return {name: float(values[0]) for name, values in found.items()}


def _rows(features: Floats) -> Rows:
    vector = np.asarray(features, dtype=np.float64)
    if vector.shape != (len(FEATURES),):
        raise ModelError(
            f"features: expected one figure for each of {len(FEATURES)} features, got shape {vector.shape}; "
            "pass them in the order of features.pipeline.FEATURES"
        )
    return Rows(FEATURES, vector[None, :])
