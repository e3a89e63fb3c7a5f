"""Pareto/NBD: purchases while alive are Poisson, and dropout can come at any time, not only after a purchase."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import digamma, exprel, gammaln

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
    rounded,
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
from training.models.dropout_share import order_within, shares

__all__ = ["ParetoNbd"]

# (r, s, β) to start from, time in units of mean T; α follows from r and the observed rate.
STARTS = ((0.6, 0.6, 0.6), (1.5, 0.3, 2.0), (0.3, 2.0, 1.0))
# More distinct rows than this are rounded in time, see `ParetoNbd.fit`.
MANY = 100_000
_EFFECTS = ("rate_effects", "dropout_effects")


@dataclass(frozen=True)
class ParetoNbd(PurchaseModel):
    """The Pareto / negative-binomial model of a customer base.

    Parameters
    ----------
    r, alpha : shape and rate of the gamma distribution of purchase rates, > 0; alpha in units of time
    s, beta : shape and rate of the gamma distribution of dropout rates, > 0; beta in units of time
    rate_effects, dropout_effects : effects γ of each covariate on the logarithm of the two rates; none by default

    Notes
    -----
    1. While alive, a customer buys as a Poisson process with rate λ ~ Gamma(r, α).
    2. Lifetimes are exponential with rate μ ~ Gamma(s, β), independent of λ.
    3. With covariates z, α and β become α·exp(−γ₁'z) and β·exp(−γ₂'z): a unit of z multiplies the mean rate by
       exp(γ).

    With S(t) = (α+t)^−(r+x) (β+t)^−s and π(t) the chance that a silence which begins at t ends with dropout
    (`training.models.dropout_share`), the likelihood is the sum of "stopped in (t_x, T]" and "alive at T",
    in a form where nothing cancels::

        L = Γ(r+x)/Γ(r) α^r β^s · [ S(t_x) π(t_x) + S(T) (1 − π(T)) ]
        P(alive) = S(T) / [ S(t_x) π(t_x) + S(T) (1 − π(T)) ]

    References
    ----------
    Schmittlein, Morrison & Colombo (1987), Counting your customers: who are they and what will they do
    next? Management Science 33(1), 1-24.
    Fader & Hardie (2005), A note on deriving the Pareto/NBD model and related expressions.
    Fader & Hardie (2007), Incorporating time-invariant covariates into the Pareto/NBD and BG/NBD models.

    Examples
    --------
    >>> model = ParetoNbd(r=0.553, alpha=10.578, s=0.606, beta=11.669)
    >>> model.p_alive([2, 0], [30.43, 0], [38.86, 38.86]).round(3)
    array([0.869, 0.295])
    >>> model.expected_orders([2], [30.43], [38.86], horizon_days=39).round(3)
    array([1.455])
    """

    r: float
    alpha: float
    s: float
    beta: float
    rate_effects: tuple[float, ...] = ()
    dropout_effects: tuple[float, ...] = ()

    name: ClassVar[str] = "pareto_nbd"

    def __post_init__(self) -> None:
        check_params(self.name, {n: getattr(self, n) for n in ("r", "alpha", "s", "beta")})
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
        ridge : ≥ 0; strength of a normal prior on the log-parameters (time in units of mean T) and on the
            effects of standardised covariates. One-time buyers alone have no finite optimum without it.
        covariates : facts known from the start, shape (customers, covariates); none by default

        Raises
        ------
        InputError, NotEnoughData
            If a row contradicts itself, or there is none.

        Notes
        -----
        The special function depends on (x, t) alone, t being t_x or T, and is computed once per distinct pair.
        Above 100,000 distinct rows times are rounded to 11 significant bits first (by less than 0.025 %); whole
        days below 2,048 stay exact.
        """
        x, t_x, T = check_summary(x, t_x, T)
        w = check_weights(weights, x.size)
        z = Covariates.of(covariates, w)
        scale = float(np.sum(w * T) / np.sum(w)) or 1.0
        rows, w = _distinct((x, t_x, T, *z.values.T), w)
        x, t_x, T = rows[0], rows[1] / scale, rows[2] / scale
        groups = np.stack(rows[3:], axis=1) if rows[3:] else np.zeros((x.size, 0))
        theta = _search(_Likelihood(x, t_x, T, w, groups), ridge)
        width = z.spread.size
        rate, at_rate = z.unscale(theta[4 : 4 + width])
        dropout, at_dropout = z.unscale(theta[4 + width :])
        r, alpha, s, beta = np.exp(theta[:4] + np.array([0.0, at_rate, 0.0, at_dropout])).tolist()
        return cls(r, alpha * scale, s, beta * scale, rate, dropout)

    def log_likelihood(
        self, x: ArrayLike, t_x: ArrayLike, T: ArrayLike, *, covariates: ArrayLike | None = None
    ) -> Floats:
        """Log-likelihood of each customer; its sum is what ``fit`` makes greatest.

        Returns
        -------
        float64 array, one value per customer. It depends on the unit of time.
        """
        x, t_x, T = check_summary(x, t_x, T)
        alpha, beta = self._scales(x.size, covariates)
        counts = gammaln(self.r + x) - gammaln(self.r) + self.r * np.log(alpha) + self.s * np.log(beta)
        alive, ended = self._stories(x, t_x, T, alpha, beta)
        late = (self.r + x) * np.log(alpha + T) + self.s * np.log(beta + T)
        return counts - late + np.logaddexp(alive, ended)

    def p_alive(
        self, x: ArrayLike, t_x: ArrayLike, T: ArrayLike, *, covariates: ArrayLike | None = None
    ) -> Floats:
        """Probability that the customer has not stopped for good by ``T``.

        Returns
        -------
        float64 array in [0, 1], one value per customer. It is *not* a churn score: see ``p_order_within``.
        """
        x, t_x, T = check_summary(x, t_x, T)
        return self._alive(x, t_x, T, *self._scales(x.size, covariates))

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
        Given the rates it is P(alive) · λ/(λ+μ) · (1 − e^−(λ+μ)h). Over the gamma posteriors the closed form
        is a difference of two ₂F₁, which cancels for short horizons; here it is one integral of positive terms
        by 64-point quadrature (`training.models.dropout_share.order_within`).
        """
        x, t_x, T = check_summary(x, t_x, T)
        horizon = check_horizon(horizon_days, x.size)
        alpha, beta = self._scales(x.size, covariates)
        return self._alive(x, t_x, T, alpha, beta) * self._ordered(x, alpha + T, beta + T, horizon)

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
        P(alive) times the mean rate times the mean time alive within the horizon::

            (r+x)/(α+T) · (β+T) y (e^((1−s)y) − 1)/((1−s)y),   y = log(1 + h/(β+T))

        which at s = 1 is the limit, not a division by zero (Fader & Hardie 2005, equation 41).
        """
        x, t_x, T = check_summary(x, t_x, T)
        horizon = check_horizon(horizon_days, x.size)
        alpha, beta = self._scales(x.size, covariates)
        rate = self._alive(x, t_x, T, alpha, beta) * (self.r + x) / (alpha + T)
        return rate * self._lived(beta + T, horizon)

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
        alpha, beta = self._scales(x.size, None)
        alive = self._alive(x, t_x, T, alpha, beta)
        horizons = [np.full(x.size, h) for h in horizon_rows(horizons_days).ravel()]
        rate = alive * (self.r + x) / (alpha + T)
        some = np.array([alive * self._ordered(x, alpha + T, beta + T, h) for h in horizons])
        return alive, some, np.array([rate * self._lived(beta + T, h) for h in horizons])

    def to_json(self) -> dict[str, Any]:
        """Model name and parameters, ready for ``json.dumps``; floats survive the round trip unchanged."""
        found: dict[str, Any] = {"model": self.name, "r": self.r, "alpha": self.alpha}
        found |= {"s": self.s, "beta": self.beta}
        return found | {n: list(getattr(self, n)) for n in _EFFECTS if getattr(self, n)}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """The model that ``to_json`` described.

        Raises
        ------
        ModelError
            If it is another model's record, or a parameter is missing or not positive.
        """
        params: dict[str, Any] = {**params_from_json(data, cls.name, ("r", "alpha", "s", "beta"))}
        return cls(**params, **effects_from_json(data, *_EFFECTS))

    def _scales(self, customers: int, covariates: ArrayLike | None) -> tuple[Floats, Floats]:
        z = covariate_matrix(covariates, customers, len(self.rate_effects))
        return (
            scaled_by(self.alpha, self.rate_effects, z, -1.0),
            scaled_by(self.beta, self.dropout_effects, z, -1.0),
        )

    def _ordered(self, x: Floats, A: Floats, B: Floats, horizon: Floats) -> Floats:
        """P(order within the horizon) of who is alive."""
        reach = np.log1p(horizon / np.maximum(A, B))
        return order_within(self.r + x, np.full(x.size, self.s), A / B, reach)

    def _lived(self, B: Floats, horizon: Floats) -> Floats:
        """Mean time alive within the horizon of who is alive."""
        y = np.log1p(horizon / B)
        return np.asarray(B * y * exprel((1.0 - self.s) * y))

    def _stories(
        self, x: Floats, t_x: Floats, T: Floats, alpha: Floats, beta: Floats
    ) -> tuple[Floats, Floats]:
        """Logarithms of "alive at T" and of "stopped since t_x", both relative to S(T)."""
        a, s = self.r + x, np.full(x.size, self.s)
        now = shares(a, s, (alpha + T) / (beta + T))
        then = shares(a, s, (alpha + t_x) / (beta + t_x))
        decline = a * np.log1p((T - t_x) / (alpha + t_x)) + s * np.log1p((T - t_x) / (beta + t_x))
        return np.log(now.order), decline + np.log(then.dropout)

    def _alive(self, x: Floats, t_x: Floats, T: Floats, alpha: Floats, beta: Floats) -> Floats:
        return np.minimum(np.exp(-np.logaddexp(*self._stories(x, t_x, T, alpha, beta))), 1.0)


def _distinct(columns: tuple[Floats, ...], w: Floats) -> tuple[tuple[Floats, ...], Floats]:
    rows, inverse = unique_rows(*columns)
    if rows[0].size > MANY:
        columns = (columns[0], rounded(columns[1]), rounded(columns[2]), *columns[3:])
        rows, inverse = unique_rows(*columns)
    return rows, np.bincount(inverse, weights=w).astype(np.float64)


def _search(full: _Likelihood, ridge: float) -> Floats:
    """The best of several starts on a thinned base, then all rows from there."""
    rate = max(float(np.sum(full.w * full.x) / full.weight), 1e-3)
    none = np.zeros(2 * full.z.shape[1])
    starts = [np.append(np.log([r, r / rate, s, beta]), none) for r, s, beta in STARTS]
    rows = thin(full.x.size, keep=5_000)
    if rows.size == full.x.size:
        return maximise(full, starts, ridge=ridge, weight=full.weight)
    part = _Likelihood(full.x[rows], full.t_x[rows], full.T[rows], full.w[rows], full.z[rows])
    best = maximise(part, starts, ridge=ridge, weight=part.weight)
    return maximise(full, [best], ridge=ridge, weight=full.weight)


class _Likelihood:
    """Total log-likelihood and its gradient in (log r, log α, log s, log β, effects on both rates)."""

    def __init__(self, x: Floats, t_x: Floats, T: Floats, w: Floats, z: Floats) -> None:
        self.x, self.t_x, self.T, self.w, self.z = x, t_x, T, w, z
        self.weight = float(np.sum(w))
        size, facts = x.size, z.T
        pairs = [np.concatenate(both) for both in ((x, x), (t_x, T), *((f, f) for f in facts))]
        (self.cell_x, self.cell_t, *cell_z), inverse = unique_rows(*pairs)
        self.then, self.now = inverse[:size], inverse[size:]
        self.cell_z = np.stack(cell_z, axis=1) if cell_z else np.zeros((self.cell_x.size, 0))
        self.customers = np.bincount(self.now, weights=w, minlength=self.cell_x.size)

    def __call__(self, theta: Floats) -> tuple[float, Floats]:
        r, _, s, _ = np.exp(theta[:4])
        width = self.z.shape[1]
        log_alpha = theta[1] - self.cell_z @ theta[4 : 4 + width]
        log_beta = theta[3] - self.cell_z @ theta[4 + width :]
        alpha, beta = np.exp(log_alpha), np.exp(log_beta)
        a, A, B = r + self.cell_x, alpha + self.cell_t, beta + self.cell_t
        found = shares(a, np.full(a.size, s), A / B)
        late = a * np.log(A) + s * np.log(B)
        ended = (np.log(found.dropout) - late)[self.then]
        alive = (np.log(found.order) - late)[self.now]
        ahead = ended - alive
        small = np.exp(-np.abs(ahead))
        rows = np.maximum(ended, alive) + np.log1p(small)
        gone = self.w * np.where(ahead > 0, 1.0, small) / (1.0 + small)
        stopped = np.bincount(self.then, weights=gone, minlength=a.size)
        living = np.bincount(self.now, weights=self.w - gone, minlength=a.size)
        pull, both = stopped / found.dropout - living / found.order, stopped + living
        n = self.customers
        counts = gammaln(a) - gammaln(r) + r * log_alpha + s * log_beta
        total = float(np.sum(self.w * rows) + np.sum(n * counts))
        by_r = n * (digamma(a) - digamma(r) + log_alpha) + pull * found.by_a - both * np.log(A)
        by_s = n * log_beta + pull * found.by_s - both * np.log(B)
        by_alpha = n * r + (pull * found.by_log_kappa - both * a) * (alpha / A)
        by_beta = n * s - (pull * found.by_log_kappa + both * s) * (beta / B)
        slope = [r * by_r.sum(), by_alpha.sum(), s * by_s.sum(), by_beta.sum()]
        return total, np.concatenate([slope, -by_alpha @ self.cell_z, -by_beta @ self.cell_z])
