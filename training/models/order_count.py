"""How many orders a customer places: none with a chance of its own, else one and a random number of further ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import betainc, nbdtrik

__all__ = ["OrderCount"]

Floats = npt.NDArray[np.float64]
_EDGE = 1e-12
# A root found to the last digits may lie just above the whole number that it is.
_ROOM = 1e-9


@dataclass(frozen=True)
class OrderCount:
    """The distribution of each customer's number of orders within a horizon.

    Parameters
    ----------
    none : array
        P(no order), in (0, 1).
    further : array
        Expected orders beyond the first, where there is one, ≥ 0.
    shape : array
        Shape of the gamma distribution of what is not known about a customer's rate, > 0.

    Notes
    -----
    A hurdle: zero has the chance that the churn probability tells, and N − 1 is negative binomial where N ≥ 1, a
    Poisson number of a gamma rate with mean m (`further`) and shape s::

        P(N ≤ n) = P₀ + (1 − P₀) · I_{s/(s+m)}(s, n),    n ≥ 1

    With s = 1 + purchase days seen, its variation is the one that `training.models.intervals` gives the count of
    purchases. A shared error σ of the level (log scale) widens the rate: 1/s = 1/(1 + seen) + e^{σ²} − 1.

    References
    ----------
    Mullahy (1986), Specification and testing of some modified count data models, Journal of Econometrics 33(3).

    Examples
    --------
    >>> count = OrderCount.of(np.array([1.5]), np.array([0.4]), seen=np.array([4.0]))
    >>> count.at_most(np.array([0.0])).tolist(), count.quantile(np.array([0.9])).tolist()
    ([0.4], [4.0])
    """

    none: Floats
    further: Floats
    shape: Floats

    @classmethod
    def of(cls, orders: Floats, none: Floats, *, seen: Floats, shared: Floats | float = 0.0) -> OrderCount:
        """The distribution with this mean and this chance of none.

        Parameters
        ----------
        orders : array
            Expected orders, at least the chance of one.
        none : array
            P(no order), in (0, 1).
        seen : array
            Purchase days seen, ≥ 0.
        shared : array or float
            Standard deviation of the error that all customers share, log scale.
        """
        further = np.maximum(orders / (1.0 - none) - 1.0, 0.0)
        shape = 1.0 / (1.0 / (1.0 + seen) + np.expm1(shared * np.asarray(shared)))
        return cls(
            none, further, shape if shape.shape == further.shape else np.broadcast_to(shape, further.shape)
        )

    def at_most(self, orders: Floats) -> Floats:
        """P(N ≤ orders) for whole numbers; 0 below 0."""
        more = betainc(self.shape, np.maximum(orders, 1.0), self.shape / (self.shape + self.further))
        some = np.where(orders >= 1.0, more, 0.0)
        return np.where(orders < 0.0, 0.0, self.none + (1.0 - self.none) * some)

    def quantile(self, level: Floats) -> Floats:
        """The smallest whole number that is not exceeded with the chance `level`, in [0, 1].

        Leading dimensions of `level` are kept: (levels, customers) gives as many rows.
        """
        inside = np.minimum((level - self.none) / (1.0 - self.none), 1.0 - _EDGE)
        alone = np.exp(-self.shape * np.log1p(self.further / self.shape))
        found = (inside > 0.0).astype(np.float64)
        # The root takes longer than all else: only where more than one order is likely enough.
        many = inside > alone
        if np.count_nonzero(many):
            at = many.nonzero()
            customers = at[many.ndim - self.shape.ndim :]
            shape, further = self.shape[customers], self.further[customers]
            root = nbdtrik(inside[at], shape, shape / (shape + further))
            found[at] = 1.0 + np.maximum(np.ceil(root - _ROOM), 0.0)
        return found
