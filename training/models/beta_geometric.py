"""The core of BG/NBD and MBG/NBD, which differ in one thing: when a customer may first stop.

While alive, a customer buys as a Poisson process of rate λ ~ Gamma(r, α). After a purchase the customer
stops for good with probability p ~ Beta(a, b). In BG/NBD this can happen after each *repeat* purchase,
in MBG/NBD after the first purchase as well.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import digamma, expit, gammaln

from training.models.beta_mean import orders_while_alive
from training.models.btyd import (
    Floats,
    PurchaseModel,
    check_horizon,
    check_params,
    check_summary,
    check_weights,
    maximise,
    params_from_json,
    thin,
    unique_rows,
)

__all__ = ["BetaGeometric"]

# (r, a, b) to start from; α follows from r and the observed rate. They lie in different valleys:
# uneven customers who leave early, even customers who seldom leave, and in between.
STARTS = ((0.3, 0.8, 2.5), (1.0, 0.3, 3.0), (4.0, 0.05, 1.0))


@dataclass(frozen=True)
class BetaGeometric(PurchaseModel):
    """Purchases by a Poisson process with gamma rates, dropout by a beta-geometric choice.

    Parameters
    ----------
    r, alpha : shape and rate of the purchase rate λ; ``alpha`` is in units of time
    a, b : of the dropout probability p

    Notes
    -----
    ``m`` (0 in BG/NBD, 1 in MBG/NBD) counts the chance to stop right after the first purchase. The
    likelihood is the sum of the two stories behind (x, t_x, T), alive and stopped after the last purchase::

        L = Γ(r+x) α^r / Γ(r) · [ B(a, b+x+m)/B(a,b) · (α+T)^−(r+x)
                                + B(a+1, b+x+m−1)/B(a,b) · (α+t_x)^−(r+x) ]

    with the second term only where x + m > 0.
    """

    r: float
    alpha: float
    a: float
    b: float

    name: ClassVar[str]
    chances_at_first: ClassVar[int]

    def __post_init__(self) -> None:
        check_params(self.name, asdict(self))

    @classmethod
    def fit(
        cls,
        x: ArrayLike,
        t_x: ArrayLike,
        T: ArrayLike,
        *,
        weights: ArrayLike | None = None,
        ridge: float = 0.0,
    ) -> Self:
        """Parameters of greatest likelihood.

        Parameters
        ----------
        x : repeat purchases, whole numbers ≥ 0
        t_x, T : times from the first to the last purchase and to the cut, one unit for both
        weights : customers each row stands for, > 0; one each by default
        ridge : ≥ 0; strength of a normal prior on the log-parameters (time in units of mean T). The
            default 0 is plain maximum likelihood. A base of one-time buyers alone has no finite
            optimum: the fit then ends at the edge of the search, unless a small ridge such as 1 holds it.

        Raises
        ------
        InputError, NotEnoughData
            If a row contradicts itself, or there is none.
        """
        x, t_x, T = check_summary(x, t_x, T)
        w = check_weights(weights, x.size)
        (x, t_x, T), inverse = unique_rows(x, t_x, T)
        w = np.bincount(inverse, weights=w).astype(np.float64)
        scale = float(np.sum(w * T) / np.sum(w)) or 1.0
        full = _Likelihood(x, t_x / scale, T / scale, w, cls.chances_at_first)
        rate = max(float(np.sum(w * x) / np.sum(w)), 1e-3)
        starts = [np.log([r, r / rate, a, b]) for r, a, b in STARTS]
        rows = thin(x.size)
        part = full if rows.size == x.size else full.rows(rows)
        theta = maximise(part, starts, ridge=ridge, weight=part.weight)
        if part is not full:
            theta = maximise(full, [theta], ridge=ridge, weight=full.weight)
        r, alpha, a, b = np.exp(theta).tolist()
        return cls(r=r, alpha=alpha * scale, a=a, b=b)

    def log_likelihood(self, x: ArrayLike, t_x: ArrayLike, T: ArrayLike) -> Floats:
        """Log-likelihood of each customer; its sum is what ``fit`` makes greatest.

        Returns
        -------
        float64 array, one value per customer. It depends on the unit of time.
        """
        x, t_x, T = check_summary(x, t_x, T)
        r, alpha, a, b = self.r, self.alpha, self.a, self.b
        chances = x + self.chances_at_first
        counts = gammaln(r + x) - gammaln(r) + r * np.log(alpha)
        survivals = gammaln(a + b) - gammaln(b) + gammaln(b + chances) - gammaln(a + b + chances)
        alive = -(r + x) * np.log(alpha + T)
        return counts + survivals + alive + np.logaddexp(0.0, self._log_odds_stopped(x, t_x, T))

    def p_alive(self, x: ArrayLike, t_x: ArrayLike, T: ArrayLike) -> Floats:
        """Probability that the customer has not stopped for good by ``T``.

        Returns
        -------
        float64 array in [0, 1], one value per customer. It is *not* a churn score: see ``p_order_within``.

        Notes
        -----
        ``1 / (1 + a/(b+x+m−1) · ((α+T)/(α+t_x))^(r+x))``, and 1 where there was no chance to stop yet.
        """
        return expit(-self._log_odds_stopped(*check_summary(x, t_x, T)))

    def p_order_within(self, x: ArrayLike, t_x: ArrayLike, T: ArrayLike, horizon_days: ArrayLike) -> Floats:
        """Probability of at least one purchase in (T, T + horizon_days]; one minus it is the churn score.

        Returns
        -------
        float64 array in [0, 1], one value per customer.

        Notes
        -----
        Stopping happens only after a purchase, so the *next* purchase of a customer who is alive comes at
        rate λ whatever p is. Given the past, λ ~ Gamma(r+x, α+T), hence with h the horizon::

            P(alive) · (1 − E[e^(−λh)]) = P(alive) · (1 − ((α+T)/(α+T+h))^(r+x))
        """
        x, t_x, T = check_summary(x, t_x, T)
        ratio = check_horizon(horizon_days, x.size) / (self.alpha + T)
        return expit(-self._log_odds_stopped(x, t_x, T)) * -np.expm1(-(self.r + x) * np.log1p(ratio))

    def expected_orders(self, x: ArrayLike, t_x: ArrayLike, T: ArrayLike, horizon_days: ArrayLike) -> Floats:
        """Expected number of purchases in (T, T + horizon_days].

        Returns
        -------
        float64 array ≥ 0, one value per customer.

        Notes
        -----
        P(alive) times ``orders_while_alive`` with the posterior λ ~ Gamma(r+x, α+T), p ~ Beta(a, b+x+m).
        """
        x, t_x, T = check_summary(x, t_x, T)
        ratio = check_horizon(horizon_days, x.size) / (self.alpha + T)
        (count, distinct), inverse = unique_rows(x, ratio)
        b_x = self.b + self.chances_at_first + count
        orders = orders_while_alive(self.a, b_x, self.r + count, distinct)
        return expit(-self._log_odds_stopped(x, t_x, T)) * orders[inverse]

    def to_json(self) -> dict[str, Any]:
        """Model name and parameters, ready for ``json.dumps``; floats survive the round trip unchanged."""
        return {"model": self.name, **asdict(self)}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """The model that ``to_json`` described.

        Raises
        ------
        ModelError
            If it is another model's record, or a parameter is missing or not positive.
        """
        return cls(**params_from_json(data, cls.name, ("r", "alpha", "a", "b")))

    def _log_odds_stopped(self, x: Floats, t_x: Floats, T: Floats) -> Floats:
        chances = x + self.chances_at_first
        growth = (self.r + x) * np.log1p((T - t_x) / (self.alpha + t_x))
        odds = np.log(self.a) - np.log(np.where(chances > 0, self.b + chances - 1, 1.0)) + growth
        return np.where(chances > 0, odds, -np.inf)


class _Likelihood:
    """Total log-likelihood and its gradient in (log r, log α, log a, log b).

    Gamma functions depend on x alone and are taken once per distinct x; per row remain two logarithms
    and one exponential.
    """

    def __init__(self, x: Floats, t_x: Floats, T: Floats, w: Floats, chances_at_first: int) -> None:
        self.x, self.t_x, self.T, self.w, self.m = x, t_x, T, w, chances_at_first
        self.weight = float(np.sum(w))
        (self.counts,), self.at = unique_rows(x)
        self.at_weight = np.bincount(self.at, weights=w)

    def rows(self, chosen: NDArray[np.intp]) -> _Likelihood:
        """The same likelihood over some of the rows."""
        return _Likelihood(self.x[chosen], self.t_x[chosen], self.T[chosen], self.w[chosen], self.m)

    def __call__(self, theta: Floats) -> tuple[float, Floats]:
        r, alpha, a, b = np.exp(theta)
        total, gradient = self._by_count(r, alpha, a, b)
        chances = self.counts + self.m
        with_chance = chances > 0
        left = np.where(with_chance, b + chances - 1, np.inf)
        rate = r + self.x
        growth = np.log1p((self.T - self.t_x) / (alpha + self.t_x))
        log_odds = np.log(a) - np.log(left)[self.at] + rate * growth
        small = np.exp(-np.abs(log_odds))
        stopped = np.where(log_odds > 0, 1.0, small) / (1.0 + small)
        late = np.log(alpha + self.T)
        total += float(np.sum(self.w * (np.log1p(small) + np.maximum(log_odds, 0.0) - rate * late)))
        gone = self.w * stopped
        gradient[0] += np.sum(gone * growth - self.w * late)
        gradient[1] -= np.sum(rate * ((self.w - gone) / (alpha + self.T) + gone / (alpha + self.t_x)))
        gradient[2] += np.sum(gone) / a
        gradient[3] -= np.sum(np.bincount(self.at, weights=gone) / left)
        return total, gradient * np.array([r, alpha, a, b])

    def _by_count(self, r: float, alpha: float, a: float, b: float) -> tuple[float, Floats]:
        x, chances, w = self.counts, self.counts + self.m, self.at_weight
        purchases = gammaln(r + x) - gammaln(r) + r * np.log(alpha)
        survivals = gammaln(a + b) - gammaln(b) + gammaln(b + chances) - gammaln(a + b + chances)
        lost = digamma(a + b) - digamma(a + b + chances)
        gradient = np.array(
            [
                np.sum(w * (digamma(r + x) - digamma(r) + np.log(alpha))),
                np.sum(w) * r / alpha,
                np.sum(w * lost),
                np.sum(w * (lost + digamma(b + chances) - digamma(b))),
            ]
        )
        return float(np.sum(w * (purchases + survivals))), gradient
