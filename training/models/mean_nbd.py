"""The mean of two closed forms, MBG/NBD and Pareto/NBD, for shops whose past cannot tell which is better.

The two differ in when a customer may leave: at a purchase, or at any time. Where no past day has the horizon after
it, nothing can choose between them, and the mean of forecasts is seldom worse than the better of the two.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit

from training.models.btyd import Floats, column, thin
from training.models.mbg_nbd import MbgNbd
from training.models.pareto_nbd import ParetoNbd

__all__ = ["MeanNbd"]

# Four parameters are sure enough on so many; Pareto/NBD on all would take longer than the rest of the training.
_ENOUGH = 5_000
_SURE = 1e-12


@dataclass(frozen=True)
class MeanNbd:
    """Both models, and the mean of what they say.

    Parameters
    ----------
    at_purchase : MbgNbd
        Customers leave at a purchase.
    any_time : ParetoNbd
        Customers leave at any time.

    Notes
    -----
    Probabilities of no order are averaged as log-odds, expected orders geometrically, P(alive) plainly.

    References
    ----------
    Clemen (1989), Combining forecasts: a review and annotated bibliography. International Journal of Forecasting
    5(4), 559-583.

    Examples
    --------
    >>> model = MeanNbd(MbgNbd(0.5, 20.0, 0.9, 2.5), ParetoNbd(0.5, 20.0, 0.6, 30.0))
    >>> one = [m.expected_orders([2], [30], [40], 90)[0] for m in (model.at_purchase, model.any_time)]
    >>> bool(np.isclose(model.expected_orders([2], [30], [40], 90)[0], np.sqrt(one[0] * one[1])))
    True
    """

    at_purchase: MbgNbd
    any_time: ParetoNbd

    name: ClassVar[str] = "mean_nbd"

    @classmethod
    def fit(cls, x: ArrayLike, t_x: ArrayLike, T: ArrayLike, *, ridge: float = 0.0) -> Self:
        """Both fitted on the same customers, Pareto/NBD on 5,000 of them, evenly drawn, where there are more."""
        rows = [column(v, name) for v, name in ((x, "x"), (t_x, "t_x"), (T, "T"))]
        some = thin(rows[0].size, keep=_ENOUGH)
        return cls(MbgNbd.fit(*rows, ridge=ridge), ParetoNbd.fit(*(v[some] for v in rows), ridge=ridge))

    def p_order_within(self, x: ArrayLike, t_x: ArrayLike, T: ArrayLike, horizon_days: ArrayLike) -> Floats:
        """Probability of at least one purchase in (T, T + horizon_days], in [0, 1]."""
        return _mean_chance(*(m.p_order_within(x, t_x, T, horizon_days) for m in self._both))

    def expected_orders(self, x: ArrayLike, t_x: ArrayLike, T: ArrayLike, horizon_days: ArrayLike) -> Floats:
        """Expected number of purchases in (T, T + horizon_days], ≥ 0."""
        one, other = (m.expected_orders(x, t_x, T, horizon_days) for m in self._both)
        return np.sqrt(one * other)

    def ahead(
        self, x: ArrayLike, t_x: ArrayLike, T: ArrayLike, horizons_days: tuple[float, ...]
    ) -> tuple[Floats, Floats, Floats]:
        """P(alive), and by horizon `p_order_within` and `expected_orders`, bit for bit, in one call.

        Returns
        -------
        float64 arrays of shape (customers,), (horizons, customers) and (horizons, customers).
        """
        (alive, some, orders), (living, any_, count) = (m.ahead(x, t_x, T, horizons_days) for m in self._both)
        return 0.5 * (alive + living), _mean_chance(some, any_), np.sqrt(orders * count)

    def to_json(self) -> dict[str, Any]:
        """Model name and both models' parameters, ready for ``json.dumps``."""
        models = {"at_purchase": self.at_purchase.to_json(), "any_time": self.any_time.to_json()}
        return {"model": self.name, **models}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """The model that `to_json` described.

        Raises
        ------
        ModelError
            If a part is another model's record, or a parameter is missing or not positive.
        """
        parts = (data.get("at_purchase", {}), data.get("any_time", {}))
        return cls(MbgNbd.from_json(parts[0]), ParetoNbd.from_json(parts[1]))

    @property
    def _both(self) -> tuple[MbgNbd, ParetoNbd]:
        return self.at_purchase, self.any_time


def _mean_chance(one: Floats, other: Floats) -> Floats:
    odds = [np.log(p) - np.log1p(-p) for p in (np.clip(q, _SURE, 1.0 - _SURE) for q in (one, other))]
    return np.asarray(expit(0.5 * (odds[0] + odds[1])))
