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
    horizon_rows,
    maximise,
    params_from_json,
    thin,
    unique_rows,
)
from training.models.covariates import (
    Covariates,
    check_effects,
    covariate_matrix,
    effects_from_json,
    scaled_by,
)

__all__ = ["BetaGeometric"]

# (r, a, b) to start from; α follows from r and the observed rate. They lie in different valleys:
# uneven customers who leave early, even customers who seldom leave, and in between.
_PARAMS = ("r", "alpha", "a", "b")
_EFFECTS = ("rate_effects", "a_effects", "b_effects")
STARTS = ((0.3, 0.8, 2.5), (1.0, 0.3, 3.0), (4.0, 0.05, 1.0))


@dataclass(frozen=True)
class BetaGeometric(PurchaseModel):
    """Purchases by a Poisson process with gamma rates, dropout by a beta-geometric choice.

    Parameters
    ----------
    r, alpha : shape and rate of the purchase rate λ; ``alpha`` is in units of time
    a, b : of the dropout probability p
    rate_effects, a_effects, b_effects : effects γ of each covariate z; α becomes α·exp(−γ₁'z), a becomes
        a·exp(γ₂'z) and b becomes b·exp(γ₃'z) (Fader & Hardie 2007); none by default

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
    rate_effects: tuple[float, ...] = ()
    a_effects: tuple[float, ...] = ()
    b_effects: tuple[float, ...] = ()

    name: ClassVar[str]
    chances_at_first: ClassVar[int]

    def __post_init__(self) -> None:
        check_params(self.name, {n: getattr(self, n) for n in _PARAMS})
        check_effects(self.name, **{n: getattr(self, n) for n in _EFFECTS})

    @classmethod
    def fit(
        cls,
        x: ArrayLike,
        t_x: ArrayLike,
        T: ArrayLike,
        *,
        weights: ArrayLike | None = None,
        ridge: float = 0.0,
        covariates: ArrayLike | None = None,
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
        covariates : facts known from the start, shape (customers, covariates); none by default

        Raises
        ------
        InputError, NotEnoughData
            If a row contradicts itself, or there is none.
        """
        x, t_x, T = check_summary(x, t_x, T)
        w = check_weights(weights, x.size)
        if covariates is not None:
            return cls(*_fit_effects((x, t_x, T), w, covariates, ridge, cls.chances_at_first))
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

    def log_likelihood(
        self, x: ArrayLike, t_x: ArrayLike, T: ArrayLike, *, covariates: ArrayLike | None = None
    ) -> Floats:
        """Log-likelihood of each customer; its sum is what ``fit`` makes greatest.

        Returns
        -------
        float64 array, one value per customer. It depends on the unit of time.
        """
        x, t_x, T = check_summary(x, t_x, T)
        r, (alpha, a, b) = self.r, self._own(x.size, covariates)
        chances = x + self.chances_at_first
        counts = gammaln(r + x) - gammaln(r) + r * np.log(alpha)
        survivals = gammaln(a + b) - gammaln(b) + gammaln(b + chances) - gammaln(a + b + chances)
        alive = -(r + x) * np.log(alpha + T)
        return (
            counts + survivals + alive + np.logaddexp(0.0, self._log_odds_stopped(x, t_x, T, (alpha, a, b)))
        )

    def p_alive(
        self, x: ArrayLike, t_x: ArrayLike, T: ArrayLike, *, covariates: ArrayLike | None = None
    ) -> Floats:
        """Probability that the customer has not stopped for good by ``T``.

        Returns
        -------
        float64 array in [0, 1], one value per customer. It is *not* a churn score: see ``p_order_within``.

        Notes
        -----
        ``1 / (1 + a/(b+x+m−1) · ((α+T)/(α+t_x))^(r+x))``, and 1 where there was no chance to stop yet.
        """
        x, t_x, T = check_summary(x, t_x, T)
        return expit(-self._log_odds_stopped(x, t_x, T, self._own(x.size, covariates)))

    def p_order_within(
        self,
        x: ArrayLike,
        t_x: ArrayLike,
        T: ArrayLike,
        horizon_days: ArrayLike,
        *,
        covariates: ArrayLike | None = None,
    ) -> Floats:
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
        own = self._own(x.size, covariates)
        ratio = check_horizon(horizon_days, x.size) / (own[0] + T)
        return expit(-self._log_odds_stopped(x, t_x, T, own)) * -np.expm1(-(self.r + x) * np.log1p(ratio))

    def expected_orders(
        self,
        x: ArrayLike,
        t_x: ArrayLike,
        T: ArrayLike,
        horizon_days: ArrayLike,
        *,
        covariates: ArrayLike | None = None,
    ) -> Floats:
        """Expected number of purchases in (T, T + horizon_days].

        Returns
        -------
        float64 array ≥ 0, one value per customer.

        Notes
        -----
        P(alive) times ``orders_while_alive`` with the posterior λ ~ Gamma(r+x, α+T), p ~ Beta(a, b+x+m).
        """
        x, t_x, T = check_summary(x, t_x, T)
        own = self._own(x.size, covariates)
        ratio = check_horizon(horizon_days, x.size) / (own[0] + T)
        return expit(-self._log_odds_stopped(x, t_x, T, own)) * self._orders_while_alive(x, ratio, own)

    def ahead(
        self, x: ArrayLike, t_x: ArrayLike, T: ArrayLike, horizons_days: tuple[float, ...]
    ) -> tuple[Floats, Floats, Floats]:
        """``p_alive``, and by horizon ``p_order_within`` and ``expected_orders``, bit for bit, in one call.

        Of models without covariates only.

        Returns
        -------
        float64 arrays of shape (customers,), (horizons, customers) and (horizons, customers).
        """
        x, t_x, T = check_summary(x, t_x, T)
        alpha, a, b = self._own(x.size, None)
        alive = expit(-self._log_odds_stopped(x, t_x, T, (alpha, a, b)))
        horizons = horizon_rows(horizons_days)
        some = alive * -np.expm1(-(self.r + x) * np.log1p(horizons / (alpha + T)))
        # Customers alike are told apart once, not once per horizon.
        (count, age), inverse = unique_rows(x, T)
        ratio = horizons / (alpha + age)
        shape, b_x = self.r + count, b + self.chances_at_first + count
        if len(horizons) > 1:
            shape, b_x = (np.concatenate([each] * len(horizons)) for each in (shape, b_x))
        orders = orders_while_alive(a, b_x, shape, ratio.ravel()).reshape(ratio.shape)
        return alive, some, alive * orders.take(inverse, axis=1)

    def _orders_while_alive(self, x: Floats, ratio: Floats, own: tuple[Any, Any, Any]) -> Floats:
        if self.rate_effects:
            a, b = (np.broadcast_to(v, x.shape) for v in own[1:])
            (count, distinct, a, b), inverse = unique_rows(x, ratio, a, b)
        else:
            (count, distinct), inverse = unique_rows(x, ratio)
            _, a, b = own
        orders = orders_while_alive(a, b + self.chances_at_first + count, self.r + count, distinct)
        return orders[inverse]

    def to_json(self) -> dict[str, Any]:
        """Model name and parameters, ready for ``json.dumps``; floats survive the round trip unchanged."""
        return {"model": self.name, **{n: v for n, v in asdict(self).items() if v != ()}}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """The model that ``to_json`` described.

        Raises
        ------
        ModelError
            If it is another model's record, or a parameter is missing or not positive.
        """
        params: dict[str, Any] = {**params_from_json(data, cls.name, _PARAMS)}
        return cls(**params, **effects_from_json(data, *_EFFECTS))

    def _own(self, customers: int, covariates: ArrayLike | None) -> tuple[Any, Any, Any]:
        """α, a and b: of each customer, or of all where there are no covariates."""
        if not self.rate_effects and covariates is None:
            return self.alpha, self.a, self.b
        z = covariate_matrix(covariates, customers, len(self.rate_effects))
        return (
            scaled_by(self.alpha, self.rate_effects, z, -1.0),
            scaled_by(self.a, self.a_effects, z, 1.0),
            scaled_by(self.b, self.b_effects, z, 1.0),
        )

    def _log_odds_stopped(self, x: Floats, t_x: Floats, T: Floats, own: tuple[Any, Any, Any]) -> Floats:
        (alpha, a, b), chances = own, x + self.chances_at_first
        growth = (self.r + x) * np.log1p((T - t_x) / (alpha + t_x))
        if self.chances_at_first:
            return np.log(a) - np.log(b + chances - 1) + growth
        odds = np.log(a) - np.log(np.where(chances > 0, b + chances - 1, 1.0)) + growth
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


def _fit_effects(
    history: tuple[Floats, Floats, Floats], w: Floats, covariates: ArrayLike, ridge: float, chances: int
) -> tuple[Any, ...]:
    """Parameters and effects of greatest likelihood: r, α, a, b and the three kinds of effects."""
    x, t_x, T = history
    z = Covariates.of(covariates, w)
    width = z.spread.size
    scale = float(np.sum(w * T) / np.sum(w)) or 1.0
    target = _EffectsLikelihood(x, t_x / scale, T / scale, w, z.values, chances)
    rate = max(float(np.sum(w * x) / np.sum(w)), 1e-3)
    starts = [np.append(np.log([r, r / rate, a, b]), np.zeros(3 * width)) for r, a, b in STARTS]
    theta = maximise(target, starts, ridge=ridge, weight=float(np.sum(w)))
    (rates, on_alpha), (of_a, on_a), (of_b, on_b) = (z.unscale(g) for g in theta[4:].reshape(3, width))
    r, alpha, a, b = np.exp(theta[:4] + np.array([0.0, on_alpha, -on_a, -on_b])).tolist()
    return r, alpha * scale, a, b, rates, of_a, of_b


class _EffectsLikelihood:
    """As `_Likelihood`, with α, a and b of each customer; further elements of theta are the effects."""

    def __init__(
        self, x: Floats, t_x: Floats, T: Floats, w: Floats, z: Floats, chances_at_first: int
    ) -> None:
        self.x, self.t_x, self.T, self.w, self.z = x, t_x, T, w, z
        self.chances = x + chances_at_first

    def __call__(self, theta: Floats) -> tuple[float, Floats]:
        effects = theta[4:].reshape(3, -1) @ self.z.T
        r = np.exp(theta[0])
        alpha, a, b = (
            np.exp(theta[1] - effects[0]),
            np.exp(theta[2] + effects[1]),
            np.exp(theta[3] + effects[2]),
        )
        left = np.where(self.chances > 0, b + self.chances - 1, np.inf)
        rate, late = r + self.x, alpha + self.T
        growth = np.log1p((self.T - self.t_x) / (alpha + self.t_x))
        odds = np.log(a) - np.log(np.where(self.chances > 0, left, 1.0)) + rate * growth
        log_odds = np.where(self.chances > 0, odds, -np.inf)
        gone = expit(log_odds)
        rows = (
            gammaln(rate) - gammaln(r) + r * np.log(alpha) - rate * np.log(late) + np.logaddexp(0.0, log_odds)
        )
        rows += gammaln(a + b) - gammaln(b) + gammaln(b + self.chances) - gammaln(a + b + self.chances)
        lost = digamma(a + b) - digamma(a + b + self.chances)
        w = self.w
        by_r = w * r * (digamma(rate) - digamma(r) + np.log(alpha) - np.log(late) + gone * growth)
        by_alpha = w * (r - alpha * rate * ((1.0 - gone) / late + gone / (alpha + self.t_x)))
        by_a = w * (a * lost + gone)
        by_b = w * b * (lost + digamma(b + self.chances) - digamma(b) - gone / left)
        own = np.array([by_r.sum(), by_alpha.sum(), by_a.sum(), by_b.sum()])
        return float(np.sum(w * rows)), np.concatenate(
            [own, -by_alpha @ self.z, by_a @ self.z, by_b @ self.z]
        )
