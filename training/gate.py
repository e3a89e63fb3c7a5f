"""The gate: whether a challenger beat what it wants to replace, by more than the customers' noise.

Everything that could make a model worse on the next day (a rung, a calibrator, a level shift, a new champion, other
settings) passes here, on days that neither side has learned from.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import xlogy

from features.errors import InputError
from training.meeting import Forecast, Meeting
from training.metrics import row_log_loss

__all__ = ["Decision", "RowLoss", "churn_loss", "decide", "orders_loss", "value_loss", "wins"]

Floats = npt.NDArray[np.float64]
RowLoss = Callable[[Meeting, Forecast], Floats]
_NORMAL_95 = 1.959963984540054
# A forecast of nothing that turns out wrong costs much, not infinitely much.
_SMALLEST_SHARE = 1e-6


@dataclass(frozen=True)
class Decision:
    """Mean loss of the challenger less that of the incumbent, and what may be concluded.

    Parameters
    ----------
    difference : float
        In units of the loss; negative where the challenger is better.
    se : float
        Its standard error over customers; infinite with fewer than two.
    customers, rows : int
        Customers, and customers times days.
    errors : float
        How many standard errors a difference has to exceed to count.

    Examples
    --------
    >>> Decision(-0.01, 0.004, customers=900, rows=2700).better
    True
    >>> Decision(-0.01, 0.02, customers=900, rows=2700).better
    False
    """

    difference: float
    se: float
    customers: int
    rows: int
    errors: float = 1.0

    @property
    def better(self) -> bool:
        """The challenger's loss is lower by more than `errors` standard errors."""
        return self.difference < -self.errors * self.se

    @property
    def worse(self) -> bool:
        """The challenger's loss is higher by more than `errors` standard errors."""
        return self.difference > self.errors * self.se

    @property
    def low(self) -> float:
        """Lower end of the 95 % interval of the difference."""
        return self.difference - _NORMAL_95 * self.se

    @property
    def high(self) -> float:
        """Upper end of the 95 % interval of the difference."""
        return self.difference + _NORMAL_95 * self.se


def decide(
    challenger: Floats, incumbent: Floats, customer: npt.ArrayLike, *, errors: float = 1.0
) -> Decision:
    """Compares the losses of two models on the same rows, drawn by customer.

    Parameters
    ----------
    challenger, incumbent : array, shape (rows,)
        Loss of each row under each model; lower is better.
    customer : array-like, shape (rows,)
        Whose row it is: rows of one customer are not independent of each other.
    errors : float
        Standard errors that count, ≥ 0; 1 is the one-standard-error rule.

    Returns
    -------
    Decision
        Neither better nor worse where there are fewer than two customers.

    Raises
    ------
    InputError
        When lengths differ or a loss is missing or infinite.

    Notes
    -----
    With d the row's difference, n_c rows and D_c = Σ d of customer c, G customers and N rows:
    difference = Σ D_c / N, and se² = G/(G − 1) · Σ (D_c − difference · n_c)² / N², the linearised variance
    of a ratio of sums.

    References
    ----------
    Cochran (1977), Sampling Techniques, section 9A.3 (clusters of unequal size).
    Breiman, Friedman, Olshen & Stone (1984), Classification and Regression Trees, section 3.4.3.

    Examples
    --------
    >>> found = decide(np.array([0.1, 0.2, 0.3]), np.array([0.3, 0.5, 0.4]), ["a", "a", "b"])
    >>> round(found.difference, 6), found.better, found.customers
    (-0.2, True, 2)
    """
    new, old, who = np.asarray(challenger, float), np.asarray(incumbent, float), np.asarray(customer)
    if not new.shape == old.shape == who.shape or new.ndim != 1:
        raise InputError(
            f"a paired comparison needs one loss of each model and one customer per row, got shapes "
            f"{new.shape}, {old.shape} and {who.shape}"
        )
    gain = new - old
    if not np.isfinite(gain).all():
        bad = int((~np.isfinite(gain)).sum())
        raise InputError(f"losses: {bad} of {gain.size} rows are missing or infinite; score these rows first")
    if not gain.size:
        return Decision(0.0, math.inf, 0, 0, errors)
    _, group = np.unique(who, return_inverse=True)
    rows, sums = np.bincount(group), np.bincount(group, weights=gain)
    difference = float(sums.sum() / gain.size)
    if rows.size < 2:
        return Decision(difference, math.inf, rows.size, gain.size, errors)
    squares = float(np.square(sums - difference * rows).sum())
    se = math.sqrt(rows.size / (rows.size - 1) * squares) / gain.size
    return Decision(difference, se, rows.size, gain.size, errors)


def churn_loss(meeting: Meeting, forecast: Forecast) -> Floats:
    """Log loss of each customer's churn probability, in nats; certainties are kept 1e-15 from the end."""
    return row_log_loss(meeting.churned, forecast.churn_probability)


def value_loss(horizon_days: int, *, power: float = 1.5) -> RowLoss:
    """Tweedie deviance of each customer's expected value over a horizon.

    Parameters
    ----------
    horizon_days : int
        One of the meeting's horizons.
    power : float
        In (1, 2): 1 is Poisson, 2 gamma. Losses of different scale of money are comparable only as ratios.

    Notes
    -----
    2 · (y^(2−p) / ((1−p)(2−p)) − y μ^(1−p) / (1−p) + μ^(2−p) / (2−p)); net returns count as nothing bought, and
    μ is at least a millionth of the mean outcome.

    References
    ----------
    Jørgensen (1997), The Theory of Dispersion Models, chapter 4.
    """

    def loss(meeting: Meeting, forecast: Forecast) -> Floats:
        y = np.maximum(meeting.value[horizon_days], 0.0)
        mu = _above_nothing(forecast.expected_value[horizon_days], y)
        a, b = 1.0 - power, 2.0 - power
        return np.asarray(2.0 * (y**b / (a * b) - y * mu**a / a + mu**b / b))

    return loss


def orders_loss(horizon_days: int) -> RowLoss:
    """Poisson deviance of each customer's expected orders over a horizon: 2 · (y log(y/μ) − y + μ)."""

    def loss(meeting: Meeting, forecast: Forecast) -> Floats:
        y = meeting.orders[horizon_days]
        mu = _above_nothing(forecast.expected_orders[horizon_days], y)
        return np.asarray(2.0 * (xlogy(y, y / mu) - y + mu))

    return loss


def wins(
    meetings: Sequence[Meeting],
    challenger: str,
    incumbent: str,
    *,
    loss: RowLoss = churn_loss,
    errors: float = 1.0,
) -> Decision:
    """Compares two forecasts of the same meetings, all days together, drawn by customer.

    Parameters
    ----------
    meetings : sequence of Meeting
        Days that neither model has learned from; each needs both forecasts.
    challenger, incumbent : str
        Names of forecasts.
    loss : callable
        `churn_loss`, `value_loss` or `orders_loss` of a horizon, or any loss per row.
    errors : float
        Standard errors that count, ≥ 0.

    Raises
    ------
    InputError
        When a meeting lacks one of the forecasts.
    """
    for meeting in meetings:
        for name in (challenger, incumbent):
            if name not in meeting.forecasts:
                known = ", ".join(meeting.forecasts)
                raise InputError(
                    f"{name!r} has no forecast at {meeting.day.isoformat()}; there are {known}: "
                    "compare the days on which both have one"
                )
    new, old = (
        np.concatenate([loss(m, m.forecasts[name]) for m in meetings] or [np.empty(0)])
        for name in (challenger, incumbent)
    )
    who = np.concatenate([m.customer for m in meetings] or [np.empty(0, dtype=np.int64)])
    return decide(new, old, who, errors=errors)


def _above_nothing(expected: Floats, came: Floats) -> Floats:
    least = _SMALLEST_SHARE * max(float(came.mean()) if came.size else 0.0, _SMALLEST_SHARE)
    return np.maximum(expected, least)
