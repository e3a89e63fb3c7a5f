"""What a head predicts: the loss LightGBM uses, and the columns of its target and its closed form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from training.models.head import logit, sigmoid

__all__ = ["HeadKind"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class HeadKind:
    """A kind of head for one horizon.

    Parameters
    ----------
    name : {"churn", "orders", "value"}
        No order, number of orders, or spend less returns within the horizon.
    horizon_days : int
        Horizon, days.

    Examples
    --------
    >>> HeadKind("value", 90).loss["objective"]
    'tweedie'
    """

    name: str
    horizon_days: int

    @property
    def loss(self) -> dict[str, Any]:
        """LightGBM's objective. Value is compound Poisson-gamma, so that zeros and sums are one model."""
        losses: dict[str, dict[str, Any]] = {
            "churn": {"objective": "binary", "metric": "binary_logloss"},
            "orders": {"objective": "poisson", "metric": "poisson"},
            "value": {"objective": "tweedie", "tweedie_variance_power": 1.5, "metric": "tweedie"},
        }
        return losses[self.name]

    @property
    def is_size(self) -> bool:
        """Whether it is a size, not a chance."""
        return self.name != "churn"

    def answer(self, score: Floats) -> Floats:
        """Probability, orders or value of a raw score."""
        return sigmoid(score) if self.name == "churn" else np.exp(score)

    def constant(self, target: Floats) -> float:
        """The raw score that answers every row with the mean of what came."""
        mean = np.array([float(target.mean())])
        return float((logit(mean) if self.name == "churn" else np.log(mean))[0])

    def losses(self, target: Floats, score: Floats) -> Floats:
        """Loss of each row at a raw score: the negative log-likelihood that LightGBM minimises, up to a constant."""
        if self.name == "churn":
            return np.logaddexp(0.0, score) - target * score
        if self.name == "orders":
            return np.exp(score) - target * score
        return 2.0 * target * np.exp(-0.5 * score) + 2.0 * np.exp(0.5 * score)

    def target(self, rows: pd.DataFrame) -> Floats:
        """What came, from the panel's label columns; net returns count as nothing bought."""
        h = self.horizon_days
        if self.name == "churn":
            return (rows[f"orders_ahead_{h}"].to_numpy(np.float64) == 0).astype(np.float64)
        return np.maximum(rows[f"{self.name}_ahead_{h}"].to_numpy(np.float64), 0.0)

    def weight(self, rows: pd.DataFrame) -> Floats:
        """How much each row speaks for customers who are left alone; 1 where the panel says nothing of contacts."""
        name = f"weight_{self.horizon_days}"
        return rows[name].to_numpy(np.float64) if name in rows else np.ones(len(rows))

    def closed_form(self, rows: pd.DataFrame) -> Floats:
        """The anchor on the head's scale: log-odds or log."""
        if self.name == "churn":
            return logit(rows[f"btyd_no_order_{self.horizon_days}"].to_numpy(np.float64))
        return np.log(rows[f"btyd_{self.name}_{self.horizon_days}"].to_numpy(np.float64))
