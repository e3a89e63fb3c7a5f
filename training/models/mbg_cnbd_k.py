"""MBG/CNBD-k: as MBG/NBD, but customers have a rhythm: gaps between purchases are Erlang-k, not exponential."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import reduce
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betainc, digamma, expit, gammaln, xlogy

from features.errors import InputError, ModelError
from training.models.beta_mean import orders_by_phase
from training.models.btyd import (
    Floats,
    PurchaseModel,
    check_horizon,
    check_params,
    check_summary,
    check_weights,
    column,
    horizon_rows,
    maximise,
    params_from_json,
    thin,
    unique_rows,
)

__all__ = ["MbgCnbdK"]

# (r, a, b) to start from; α follows from r, k and the observed rate.
STARTS = ((0.3, 0.8, 2.5), (1.0, 0.3, 3.0), (4.0, 0.05, 1.0))
MOST, LARGEST = 4, 12


@dataclass(frozen=True)
class MbgCnbdK(PurchaseModel):
    """The modified beta-geometric / condensed negative-binomial model of a customer base.

    Parameters
    ----------
    k : regularity, a whole number from 1 (no rhythm: MBG/NBD) to 12
    r, alpha : shape and rate of the gamma distribution of phase rates, > 0; alpha in units of time
    a, b : of the beta distribution of dropout probabilities, > 0

    Notes
    -----
    A purchase takes k phases, each exponential with rate λ ~ Gamma(r, α), so that a gap has mean k/λ and
    coefficient of variation 1/√k. After each purchase, the first included, a customer stops with
    probability p ~ Beta(a, b). Someone silent for τ = T − t_x has passed fewer than k phases. With c_j the
    weight of j of them and S their sum, and without the factor of the gaps (see ``log_likelihood``)::

        c_j = Γ(r+kx+j) / (Γ(r+kx) j!) · (τ/(α+T))^j,    j = 0 … k−1
        L = Γ(r+kx)/Γ(r) α^r · [ B(a, b+x+1)/B(a,b) · S/(α+T)^(r+kx) + B(a+1, b+x)/B(a,b) /(α+t_x)^(r+kx) ]
        P(alive) = 1 / (1 + a/(b+x) · ((α+T)/(α+t_x))^(r+kx) / S)

    Regular customers who are overdue are given up sooner, and those who have just bought are not expected
    back at once.

    References
    ----------
    Platzer & Reutterer (2016), Ticking away the moments: timing regularity helps to better predict customer
    activity. Marketing Science 35(5), 779-799.

    Examples
    --------
    >>> model = MbgCnbdK(k=3, r=2.0, alpha=15.0, a=0.8, b=2.5)
    >>> model.p_alive([4, 4], [90, 90], [95, 150]).round(3)
    array([0.887, 0.225])
    >>> model.p_order_within([4, 4], [90, 90], [95, 150], horizon_days=14).round(3)
    array([0.385, 0.136])
    """

    k: int
    r: float
    alpha: float
    a: float
    b: float

    name: ClassVar[str] = "mbg_cnbd_k"

    def __post_init__(self) -> None:
        if isinstance(self.k, bool) or not isinstance(self.k, int) or not 1 <= self.k <= LARGEST:
            raise ModelError(
                f"{self.name}: k must be a whole number from 1 to {LARGEST}, got {self.k!r}; fit again"
            )
        check_params(self.name, {n: getattr(self, n) for n in ("r", "alpha", "a", "b")})

    @classmethod
    def fit(
        cls,
        x: ArrayLike,
        t_x: ArrayLike,
        T: ArrayLike,
        *,
        weights: ArrayLike | None = None,
        ridge: float = 0.0,
        k: int | None = None,
        log_gaps: ArrayLike | None = None,
    ) -> Self:
        """Parameters of greatest likelihood, with the k of greatest likelihood unless one is given.

        Parameters
        ----------
        x : repeat purchases, whole numbers ≥ 0
        t_x, T : times from the first to the last purchase and to the cut, one unit for both
        weights : customers each row stands for, > 0; one each by default
        ridge : ≥ 0; strength of a normal prior on the log-parameters (time in units of mean T)
        k : phases per purchase, 1 to 12; by default 1, 2, … up to 4 are tried while the likelihood rises, and a
            rhythm is believed if its gain over k = 1 is more than its standard error over customers (of at most
            20,000, evenly drawn)
        log_gaps : sum of the logarithms of each customer's gaps, in the same unit of time; where known, k is
            chosen by the likelihood of all purchase times, else by that of (x, t_x) alone

        Raises
        ------
        InputError, NotEnoughData
            If a row contradicts itself, k is out of range, or there is no row.
        """
        x, t_x, T = check_summary(x, t_x, T)
        w = check_weights(weights, x.size)
        gaps = _check_log_gaps(log_gaps, x.size)
        if k is not None:
            return cls._fit_k(x, t_x, T, w, ridge=ridge, k=_check_k(k))
        some = thin(x.size)
        best = cls._choose(x[some], t_x[some], T[some], w[some], ridge=ridge, log_gaps=_of(gaps, some))
        if some.size == x.size:
            return best
        return cls._fit_k(x, t_x, T, w, ridge=ridge, k=best.k, near=best)

    @classmethod
    def _choose(
        cls, x: Floats, t_x: Floats, T: Floats, w: Floats, *, ridge: float, log_gaps: Floats | None
    ) -> Self:
        best = plain = cls._fit_k(x, t_x, T, w, ridge=ridge, k=1)
        most = none = plain.log_likelihood(x, t_x, T, log_gaps=log_gaps)
        for tried in range(2, MOST + 1):
            model = cls._fit_k(x, t_x, T, w, ridge=ridge, k=tried, near=best)
            found = model.log_likelihood(x, t_x, T, log_gaps=log_gaps)
            if np.sum(w * found) <= np.sum(w * most):
                break
            best, most = model, found
        return best if _surely_above(most - none, w) else plain

    @classmethod
    def _fit_k(
        cls, x: Floats, t_x: Floats, T: Floats, w: Floats, *, ridge: float, k: int, near: Self | None = None
    ) -> Self:
        (x, t_x, T), inverse = unique_rows(x, t_x, T)
        w = np.bincount(inverse, weights=w).astype(np.float64)
        scale = float(np.sum(w * T) / np.sum(w)) or 1.0
        full = _Likelihood(x, t_x / scale, T / scale, w, k)
        rate = k * max(float(np.sum(w * x) / np.sum(w)), 1e-3)
        starts = [np.log([r, r / rate, a, b]) for r, a, b in STARTS]
        if near is not None:
            starts = [np.log([near.r, near.alpha / scale * near.k / k, near.a, near.b])]
        rows = thin(x.size)
        part = full if rows.size == x.size else full.rows(rows)
        theta = maximise(part, starts, ridge=ridge, weight=part.weight)
        if part is not full:
            theta = maximise(full, [theta], ridge=ridge, weight=full.weight)
        r, alpha, a, b = np.exp(theta).tolist()
        return cls(k=k, r=r, alpha=alpha * scale, a=a, b=b)

    def log_likelihood(
        self, x: ArrayLike, t_x: ArrayLike, T: ArrayLike, *, log_gaps: ArrayLike | None = None
    ) -> Floats:
        """Log-likelihood of each customer, comparable between different k.

        Returns
        -------
        float64 array, one value per customer, in the unit of time of the fit; with k = 1 that of MBG/NBD. It is
        −inf where k > 1 and purchases coincide (x > 0 and t_x = 0), which a rhythm rules out.

        Notes
        -----
        With the logarithms of the gaps Δ their factor is Π Δ^(k−1)/Γ(k). Without, the purchase times between
        first and last are averaged out, which leaves t_x^((k−1)x) Γ(x)/Γ(kx); neither depends on r, α, a, b.
        """
        x, t_x, T = check_summary(x, t_x, T)
        gaps = _check_log_gaps(log_gaps, x.size)
        r, alpha, a, b, k = self.r, self.alpha, self.a, self.b, self.k
        shape = r + k * x
        if gaps is None:
            bought = np.maximum(x, 1.0)
            timing = np.where(x > 0, xlogy((k - 1) * x, t_x) + gammaln(bought) - gammaln(k * bought), 0.0)
        else:
            timing = (k - 1) * gaps - x * gammaln(k)
        counts = gammaln(shape) - gammaln(r) + r * np.log(alpha)
        survivals = gammaln(a + b) - gammaln(b) + gammaln(b + x + 1) - gammaln(a + b + x + 1)
        silent = _silence(k, shape, (T - t_x) / (alpha + T)).sum(axis=0)
        alive = np.log(silent) - shape * np.log(alpha + T)
        return timing + counts + survivals + alive + np.logaddexp(0.0, self._log_odds(x, t_x, T, silent))

    def p_alive(self, x: ArrayLike, t_x: ArrayLike, T: ArrayLike) -> Floats:
        """Probability that the customer has not stopped for good by ``T``.

        Returns
        -------
        float64 array in [0, 1], one value per customer. It is *not* a churn score: see ``p_order_within``.
        """
        x, t_x, T = check_summary(x, t_x, T)
        return self._phases(x, t_x, T)[0]

    def p_order_within(self, x: ArrayLike, t_x: ArrayLike, T: ArrayLike, horizon_days: ArrayLike) -> Floats:
        """Probability of at least one purchase in (T, T + horizon_days]; one minus it is the churn score.

        Returns
        -------
        float64 array in [0, 1], one value per customer.

        Notes
        -----
        Closed form. Someone alive who has passed j phases (weight c_j/S) buys when k − j more have come; their
        number within h is negative binomial, its tail a regularised incomplete beta function::

            P(alive) · Σ_j c_j/S · I_{h/(α+T+h)}(k−j, r+kx+j)
        """
        x, t_x, T = check_summary(x, t_x, T)
        alive, phases = self._phases(x, t_x, T)
        return alive * self._some(x, T, check_horizon(horizon_days, x.size), phases)

    def expected_orders(self, x: ArrayLike, t_x: ArrayLike, T: ArrayLike, horizon_days: ArrayLike) -> Floats:
        """Expected number of purchases in (T, T + horizon_days].

        Returns
        -------
        float64 array ≥ 0, one value per customer.

        Notes
        -----
        P(alive) times the mean of ``orders_by_phase`` over the phases passed: exact, where the paper
        approximates. At least ``p_order_within``, which settles the last digits of very short horizons.
        """
        x, t_x, T = check_summary(x, t_x, T)
        alive, phases = self._phases(x, t_x, T)
        horizon = check_horizon(horizon_days, x.size)
        (count, distinct), inverse = unique_rows(x, horizon / (self.alpha + T))
        expected = alive * _weighed(phases, self._orders_by_phase(count, distinct)[:, inverse])
        return np.maximum(expected, alive * self._some(x, T, horizon, phases))

    def ahead(
        self, x: ArrayLike, t_x: ArrayLike, T: ArrayLike, horizons_days: tuple[float, ...]
    ) -> tuple[Floats, Floats, Floats]:
        """``p_alive``, and by horizon ``p_order_within`` and ``expected_orders``, bit for bit, in one call.

        Returns
        -------
        float64 arrays of shape (customers,), (horizons, customers) and (horizons, customers).
        """
        x, t_x, T = check_summary(x, t_x, T)
        alive, phases = self._phases(x, t_x, T)
        horizons = horizon_rows(horizons_days)
        some = alive * self._some(x, T, horizons, phases)
        # Customers alike are told apart once, not once per horizon.
        (count, age), inverse = unique_rows(x, T)
        ratio = horizons / (self.alpha + age)
        by_phase = self._orders_by_phase(np.concatenate([count] * len(horizons)), ratio.ravel())
        orders = by_phase.reshape(self.k, *ratio.shape).take(inverse, axis=2)
        return alive, some, np.maximum(alive * _weighed(phases, orders), some)

    def _some(self, x: Floats, T: Floats, horizon: Floats, phases: Floats) -> Floats:
        """P(at least one purchase) of customers who are alive."""
        share, shape = horizon / (self.alpha + T + horizon), self.r + self.k * x
        tails = [betainc(self.k - j, shape + j, share) for j in range(self.k)]
        return np.minimum(_weighed(phases, tails), 1.0)

    def _orders_by_phase(self, count: Floats, ratio: Floats) -> Floats:
        """Expected purchases by phases passed, of customers who are alive; shape (k, customers)."""
        return orders_by_phase(self.k, self.a, self.b + 1 + count, self.r + self.k * count, ratio).T

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
        params: dict[str, Any] = {**params_from_json(data, cls.name, ("k", "r", "alpha", "a", "b"))}
        return cls(**params)

    def _log_odds(self, x: Floats, t_x: Floats, T: Floats, silent: Floats) -> Floats:
        growth = (self.r + self.k * x) * np.log1p((T - t_x) / (self.alpha + t_x))
        return np.log(self.a) - np.log(self.b + x) + growth - np.log(silent)

    def _phases(self, x: Floats, t_x: Floats, T: Floats) -> tuple[Floats, Floats]:
        """P(alive), and how likely it is to have passed 0 … k−1 phases since the last purchase, if alive."""
        weights = _silence(self.k, self.r + self.k * x, (T - t_x) / (self.alpha + T))
        silent = reduce(np.add, weights)
        return expit(-self._log_odds(x, t_x, T, silent)), weights / silent


def _silence(k: int, shape: Floats, share: Floats) -> Floats:
    """Weights c_j of 0 … k−1 phases in a silence; shape (k, customers)."""
    weights = np.ones((k, shape.size))
    for j in range(1, k):
        weights[j] = weights[j - 1] * ((shape + (j - 1)) / j * share)
    return weights


def _weighed(phases: Floats, values: Sequence[Floats] | Floats) -> Floats:
    """Mean of values over the phases passed, added in their order: so a customer alone gets the bits of a batch."""
    parts = (phase * value for phase, value in zip(phases, values, strict=True))
    return reduce(np.add, parts)


def _surely_above(gains: Floats, w: Floats) -> bool:
    """Whether the weighted sum of the gains is more than its standard error above 0."""
    total = float(np.sum(w * gains))
    spread = gains - total / np.sum(w)
    return bool(total > np.sqrt(np.sum(w * spread * spread)))


def _check_k(k: int) -> int:
    if isinstance(k, bool) or not isinstance(k, int) or not 1 <= k <= LARGEST:
        raise InputError(f"k: expected a whole number of phases from 1 to {LARGEST}, got {k!r}")
    return k


def _check_log_gaps(log_gaps: ArrayLike | None, size: int) -> Floats | None:
    if log_gaps is None:
        return None
    gaps = column(log_gaps, "log_gaps")
    if gaps.size != size:
        raise InputError(f"log_gaps: expected {size} values, one per customer, got {gaps.size}")
    return gaps


def _of(values: Floats | None, rows: NDArray[np.intp]) -> Floats | None:
    return None if values is None else values[rows]


class _Likelihood:
    """Total log-likelihood without the factor of the gaps, and its gradient in (log r, log α, log a, log b)."""

    def __init__(self, x: Floats, t_x: Floats, T: Floats, w: Floats, k: int) -> None:
        self.x, self.t_x, self.T, self.w, self.k = x, t_x, T, w, k
        self.weight = float(np.sum(w))
        (self.counts,), self.at = unique_rows(x)
        self.at_weight = np.bincount(self.at, weights=w)

    def rows(self, chosen: NDArray[np.intp]) -> _Likelihood:
        """The same likelihood over some of the rows."""
        return _Likelihood(self.x[chosen], self.t_x[chosen], self.T[chosen], self.w[chosen], self.k)

    def __call__(self, theta: Floats) -> tuple[float, Floats]:
        r, alpha, a, b = np.exp(theta)
        total, gradient = self._by_count(r, alpha, a, b)
        shape, late = r + self.k * self.x, alpha + self.T
        silent, by_r, by_alpha = self._silence(shape, late)
        growth = np.log1p((self.T - self.t_x) / (alpha + self.t_x))
        left = b + self.counts
        log_silent = np.log(silent)
        log_odds = np.log(a) - np.log(left)[self.at] + shape * growth - log_silent
        small = np.exp(-np.abs(log_odds))
        gone = self.w * np.where(log_odds > 0, 1.0, small) / (1.0 + small)
        alive, log_late = self.w - gone, np.log(late)
        rows = np.log1p(small) + np.maximum(log_odds, 0.0) + log_silent - shape * log_late
        total += float(np.sum(self.w * rows))
        gradient[0] += np.sum(gone * growth - self.w * log_late + alive * by_r / silent)
        gradient[1] -= np.sum(shape * (alive / late + gone / (alpha + self.t_x)) + alive * by_alpha / silent)
        gradient[2] += np.sum(gone) / a
        gradient[3] -= np.sum(np.bincount(self.at, weights=gone) / left)
        return total, gradient * np.array([r, alpha, a, b])

    def _silence(self, shape: Floats, late: Floats) -> tuple[Floats, Floats, Floats]:
        """S of each row, its slope by r, and minus its slope by α."""
        share = (self.T - self.t_x) / late
        weight, harmonic = np.ones(shape.size), np.zeros(shape.size)
        silent, by_r, by_alpha = np.ones(shape.size), np.zeros(shape.size), np.zeros(shape.size)
        for j in range(1, self.k):
            before = shape + (j - 1)
            weight, harmonic = weight * (before / j * share), harmonic + 1.0 / before
            silent += weight
            by_r += weight * harmonic
            by_alpha += weight * j / late
        return silent, by_r, by_alpha

    def _by_count(self, r: float, alpha: float, a: float, b: float) -> tuple[float, Floats]:
        x, w, shape = self.counts, self.at_weight, r + self.k * self.counts
        purchases = gammaln(shape) - gammaln(r) + r * np.log(alpha)
        survivals = gammaln(a + b) - gammaln(b) + gammaln(b + x + 1) - gammaln(a + b + x + 1)
        lost = digamma(a + b) - digamma(a + b + x + 1)
        gradient = np.array(
            [
                np.sum(w * (digamma(shape) - digamma(r) + np.log(alpha))),
                np.sum(w) * r / alpha,
                np.sum(w * lost),
                np.sum(w * (lost + digamma(b + x + 1) - digamma(b))),
            ]
        )
        return float(np.sum(w * (purchases + survivals))), gradient
