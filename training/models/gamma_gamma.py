"""Gamma-Gamma: what an order of a customer is worth on average, given the few seen so far."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import digamma, gammaln

from features.errors import InputError, NotEnoughData
from training.models.btyd import (
    Floats,
    check_params,
    check_weights,
    column,
    maximise,
    params_from_json,
    thin,
    unique_rows,
)

__all__ = ["GammaGamma"]

# (p, q) to start from; v follows from them and the observed mean.
STARTS = ((6.0, 4.0), (1.0, 2.0), (2.0, 10.0))


@dataclass(frozen=True)
class GammaGamma:
    """The gamma-gamma model of spend per order.

    Parameters
    ----------
    p : shape of a customer's order values, > 0
    q, v : shape (> 0) and rate (> 0, in money) of the gamma distribution of the scale across customers

    Notes
    -----
    Order values of a customer scatter as Gamma(p, ν); ν ~ Gamma(q, v) across customers, independent of
    how often they buy. With x orders of mean m, the density of m and the expected mean value are::

        f(m) = Γ(px+q) / (Γ(px) Γ(q)) · v^q m^(px−1) x^(px) / (v + mx)^(px+q)
        E[M | x, m] = p (v + mx) / (px + q − 1)

    The mean across customers, pv/(q−1), exists for q > 1 only; ``fit`` keeps q above 1. As in the
    published example, x counts *repeat* purchase days and m is the mean spend of those days: the first
    purchase is left out, and several orders of a day are one.

    References
    ----------
    Fader & Hardie (2013), The Gamma-Gamma model of monetary value; density in equation 1a, conditional
    mean in equation 5.

    Examples
    --------
    >>> model = GammaGamma(p=6.25, q=3.74, v=15.44)
    >>> model.conditional_value([0, 2, 20], [0, 100, 100]).round(2)
    array([35.22, 88.35, 98.61])
    """

    p: float
    q: float
    v: float

    def __post_init__(self) -> None:
        check_params("gamma_gamma", asdict(self))

    @classmethod
    def fit(cls, x: ArrayLike, m: ArrayLike, *, weights: ArrayLike | None = None, ridge: float = 0.0) -> Self:
        """Parameters of greatest likelihood, from customers with repeat purchases of positive value.

        Parameters
        ----------
        x : repeat purchases, ≥ 0; rows with 0 say nothing and are left out
        m : mean value of these purchases, money; rows with m ≤ 0 are outside the model and left out
        weights : customers each row stands for, > 0; one each by default
        ridge : ≥ 0; strength of a normal prior on log p, log(q − 1) and log v (money in units of the
            mean). One customer, or customers who all spend the same, need it to stay away from the edge.

        Raises
        ------
        InputError, NotEnoughData
            If a value is impossible, or no customer has a repeat purchase of positive value.
        """
        x, m = _check_values(x, m)
        w = check_weights(weights, x.size)
        used = (x > 0) & (m > 0)
        if not used.any():
            raise NotEnoughData(
                f"none of {x.size} customers has a repeat purchase of positive value, so values of orders "
                "cannot be modelled; add history or use the plain mean"
            )
        x, m, w = x[used], m[used], w[used]
        scale = float(np.sum(w * m) / np.sum(w))
        full = _Likelihood(x, m / scale, w)
        starts = [np.log([p, q - 1, (q - 1) / p]) for p, q in STARTS]
        order = np.lexsort((m, x))[thin(x.size)]
        part = _Likelihood(x[order], m[order] / scale, w[order])
        theta = maximise(part, starts, ridge=ridge, weight=part.weight)
        if order.size < x.size:
            theta = maximise(full, [theta], ridge=ridge, weight=full.weight)
        p, above_one, v = np.exp(theta).tolist()
        return cls(p=p, q=1.0 + above_one, v=v * scale)

    def log_likelihood(self, x: ArrayLike, m: ArrayLike) -> Floats:
        """Log-density of each customer's mean value; 0 for rows outside the model (x = 0 or m ≤ 0).

        Returns
        -------
        float64 array, one value per customer. It depends on the unit of money.
        """
        x, m = _check_values(x, m)
        used = (x > 0) & (m > 0)
        safe_x, safe_m = np.where(used, x, 1.0), np.where(used, m, 1.0)
        return np.where(used, _log_density(self.p, self.q, self.v, safe_x, safe_m), 0.0)

    def conditional_value(self, x: ArrayLike, m: ArrayLike) -> Floats:
        """Expected mean value of a customer's future orders.

        Parameters
        ----------
        x : repeat purchases, ≥ 0; with 0 the answer is the mean across customers
        m : mean value of these purchases; a negative one (more returned than bought) counts as 0

        Returns
        -------
        float64 array > 0, money.

        Raises
        ------
        InputError
            If a value is impossible, or q ≤ 1 and so the mean across customers does not exist.
        """
        if self.q <= 1:
            raise InputError(f"q = {self.q:g}: the mean across customers exists for q > 1 only; fit again")
        x, m = _check_values(x, m)
        return self.p * (self.v + x * np.maximum(m, 0.0)) / (self.p * x + (self.q - 1.0))

    def to_json(self) -> dict[str, Any]:
        """Model name and parameters, ready for ``json.dumps``; floats survive the round trip unchanged."""
        return {"model": "gamma_gamma", **asdict(self)}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """The model that ``to_json`` described.

        Raises
        ------
        ModelError
            If it is another model's record, or a parameter is missing or not positive.
        """
        return cls(**params_from_json(data, "gamma_gamma", ("p", "q", "v")))


def _check_values(x: ArrayLike, m: ArrayLike) -> tuple[Floats, Floats]:
    x, m = column(x, "x"), column(m, "m")
    if x.size != m.size:
        raise InputError(f"x and m need one value per customer, got {x.size} and {m.size} values")
    if np.count_nonzero(x < 0):
        raise InputError(f"x: {int((x < 0).sum())} of {x.size} purchase counts are negative; expected ≥ 0")
    return x, m


def _log_density(p: float, q: float, v: float, x: Floats, m: Floats) -> Floats:
    # px·log(mx) − px·log(v+mx) is one log1p: nothing cancels for a customer with a million orders.
    shapes = gammaln(p * x + q) - gammaln(p * x) - gammaln(q)
    return shapes - p * x * np.log1p(v / (x * m)) - np.log(m) + q * (np.log(v) - np.log(v + x * m))


class _Likelihood:
    """Total log-likelihood and its gradient in (log p, log(q − 1), log v).

    Gamma functions depend on x alone and are taken once per distinct x.
    """

    def __init__(self, x: Floats, m: Floats, w: Floats) -> None:
        self.x, self.w, self.spent, self.log_m = x, w, x * m, np.log(m)
        self.weight = float(np.sum(w))
        (self.counts,), self.at = unique_rows(x)

    def __call__(self, theta: Floats) -> tuple[float, Floats]:
        p, above_one, v = np.exp(theta)
        q, x, w, at = 1.0 + above_one, self.x, self.w, self.at
        known, far = p * self.counts, np.log(v + self.spent)
        shapes = (gammaln(known + q) - gammaln(known) - gammaln(q))[at]
        short = np.log1p(v / self.spent)
        total = float(np.sum(w * (shapes - p * x * short - self.log_m + q * (np.log(v) - far))))
        both = digamma(known + q)
        by_p = np.sum(w * x * ((both - digamma(known))[at] - short))
        by_q = np.sum(w * (both[at] - digamma(q) + np.log(v) - far))
        by_v = np.sum(w * (q / v - (p * x + q) / (v + self.spent)))
        return total, np.array([by_p * p, by_q * above_one, by_v * v])
