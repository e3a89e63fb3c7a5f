"""What the buy-till-you-die models share: their interface, input checks, row compression and optimiser.

A customer is summarised by three numbers in one unit of time: ``x`` repeat purchases, ``t_x`` the time
of the last one, ``T`` the time observed, both counted from the first purchase. Thousands of customers
share the same three numbers, so a likelihood is computed once per distinct row and weighted.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize

from features.errors import InputError, ModelError, NotEnoughData

__all__ = [
    "Floats",
    "Objective",
    "PurchaseModel",
    "check_horizon",
    "check_params",
    "check_summary",
    "check_weights",
    "column",
    "horizon_rows",
    "maximise",
    "params_from_json",
    "rounded",
    "thin",
    "unique_rows",
]

Floats = NDArray[np.float64]
Objective = Callable[[Floats], tuple[float, Floats]]

# Parameters are searched between exp(-12) and exp(12) on data scaled to mean 1: beyond that the
# likelihood is flat to the last digit, and inside it no gamma function overflows.
LOG_BOUND = 12.0


@runtime_checkable
class PurchaseModel(Protocol):
    """A fitted model of how often customers buy and when they stop.

    All arrays are one-dimensional float64, all times in the unit of the fit (days in Retain).
    """

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
        """Parameters of greatest likelihood."""
        ...

    def log_likelihood(self, x: ArrayLike, t_x: ArrayLike, T: ArrayLike) -> Floats:
        """Log-likelihood of each customer."""
        ...

    def p_alive(self, x: ArrayLike, t_x: ArrayLike, T: ArrayLike) -> Floats:
        """Probability that the customer has not stopped for good by ``T``."""
        ...

    def expected_orders(self, x: ArrayLike, t_x: ArrayLike, T: ArrayLike, horizon_days: ArrayLike) -> Floats:
        """Expected purchases in the ``horizon_days`` after ``T``; one horizon for all, or one each."""
        ...

    def p_order_within(self, x: ArrayLike, t_x: ArrayLike, T: ArrayLike, horizon_days: ArrayLike) -> Floats:
        """Probability of at least one purchase in the ``horizon_days`` after ``T``."""
        ...

    def expected_between(
        self, x: ArrayLike, t_x: ArrayLike, T: ArrayLike, start: float, end: float
    ) -> Floats:
        """Expected purchases in (T + start, T + end]; intervals that meet add up.

        Parameters
        ----------
        start, end : 0 ≤ start ≤ end, time after ``T``

        Raises
        ------
        InputError
            If the interval ends before it starts.
        """
        if check_horizon(end) < check_horizon(start):
            raise InputError(f"the interval ends ({end:g}) before it starts ({start:g}); exchange the two")
        until = self.expected_orders(x, t_x, T, end)
        return np.maximum(until - self.expected_orders(x, t_x, T, start), 0.0)

    def to_json(self) -> dict[str, Any]:
        """Model name and parameters, ready for ``json.dumps``."""
        ...

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """The model that ``to_json`` described."""
        ...


def column(values: ArrayLike, name: str) -> Floats:
    """One contiguous float64 column without gaps.

    Raises
    ------
    InputError
        If it is not one-dimensional, not numeric, or holds a missing or infinite value.
    """
    try:
        array = np.ascontiguousarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name}: expected numbers, got something else; pass a column of floats") from error
    if array.ndim != 1:
        raise InputError(f"{name}: expected one column, got {array.ndim} dimensions; pass a 1-d array")
    # With one customer the checks would take longer than the model: plain numbers are sooner looked at, and
    # counting asks for less than `any` and `all`.
    if array.size == 1 and math.isfinite(array.item()):
        return array
    known = np.isfinite(array)
    if np.count_nonzero(known) < array.size:
        bad = ~known
        example = array[int(bad.argmax())]
        raise InputError(
            f"{name}: {int(bad.sum())} of {array.size} values are missing or infinite, "
            f"for example {example}; leave these customers out or fill them first"
        )
    return array


def check_summary(x: ArrayLike, t_x: ArrayLike, T: ArrayLike) -> tuple[Floats, Floats, Floats]:
    """Purchase summaries as float64, or one error that lists every fault.

    Parameters
    ----------
    x : repeat purchases, whole numbers ≥ 0
    t_x : time from first to last purchase, 0 ≤ t_x ≤ T, and 0 where x = 0
    T : time from first purchase to the cut, ≥ 0, in the unit of ``t_x``

    Raises
    ------
    InputError
        If lengths differ or a row breaks one of these rules.

    Examples
    --------
    >>> check_summary([2], [30], [60])
    (array([2.]), array([30.]), array([60.]))
    """
    x, t_x, T = column(x, "x"), column(t_x, "t_x"), column(T, "T")
    if not x.size == t_x.size == T.size:
        sizes = f"{x.size}, {t_x.size} and {T.size}"
        raise InputError(f"x, t_x and T need one value per customer, got {sizes} values")
    if x.size == 1 and _possible(x.item(), t_x.item(), T.item()):
        return x, t_x, T
    rules = {
        "x must be a whole number ≥ 0": (x < 0) | (x != np.floor(x)),
        "t_x and T must be ≥ 0": (t_x < 0) | (T < 0),
        "the last purchase (t_x) must not lie after the cut (T)": t_x > T,
        "a customer without repeat purchase (x = 0) must have t_x = 0": (x == 0) & (t_x > 0),
    }
    faults = []
    for rule, bad in rules.items():
        if np.count_nonzero(bad):
            i = int(bad.argmax())
            row = f"x={x[i]:g}, t_x={t_x[i]:g}, T={T[i]:g}"
            faults.append(f"{rule}: {int(bad.sum())} of {x.size} rows break this, for example {row}")
    if faults:
        raise InputError("; ".join(faults))
    return x, t_x, T


def _possible(x: float, t_x: float, T: float) -> bool:
    """The rules of `check_summary` for one customer."""
    return 0.0 <= t_x <= T and x >= 0.0 and x.is_integer() and (x > 0.0 or t_x == 0.0)


def check_weights(weights: ArrayLike | None, size: int) -> Floats:
    """Customers each row stands for: positive numbers, 1 when not given."""
    if size == 0:
        raise NotEnoughData("the model needs at least one customer to fit, got none")
    if weights is None:
        return np.ones(size)
    w = column(weights, "weights")
    if w.size != size:
        raise InputError(f"weights: expected {size} values, one per row, got {w.size}")
    if (w <= 0).any():
        raise InputError(f"weights: {int((w <= 0).sum())} of {size} are not positive; leave such rows out")
    return w


def check_horizon(horizon_days: ArrayLike, customers: int | None = None) -> Floats:
    """Horizons as finite floats ≥ 0: one for all, or one for each customer.

    Examples
    --------
    >>> check_horizon(90), check_horizon([30, 90], customers=2)
    (array(90.), array([30., 90.]))
    """
    try:
        horizon = np.asarray(horizon_days, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"horizon_days: expected a number of days, got {horizon_days!r}") from error
    if not (np.isfinite(horizon) & (horizon >= 0)).all():
        raise InputError(f"horizon_days: expected finite numbers ≥ 0, got {horizon_days!r}")
    if horizon.ndim and horizon.shape != (customers,):
        raise InputError(f"horizon_days: expected one number, or one for each customer, got {horizon.shape}")
    return horizon


@lru_cache(maxsize=256)
def horizon_rows(horizons_days: tuple[float, ...]) -> Floats:
    """Checked horizons as rows to be met by customers as columns, shape (horizons, 1); made once, not to be changed.

    Examples
    --------
    >>> horizon_rows((30, 90)).tolist()
    [[30.0], [90.0]]
    """
    rows = check_horizon(horizons_days, len(horizons_days))[:, None]
    rows.flags.writeable = False
    return rows


def check_params(model: str, params: Mapping[str, float]) -> None:
    """Refuse parameters that are not positive and finite.

    Raises
    ------
    ModelError
        With the name and value of the first wrong one.
    """
    for name, value in params.items():
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not (number and math.isfinite(value) and value > 0):
            raise ModelError(f"{model}: parameter {name} must be a positive number, got {value!r}; fit again")


def params_from_json(data: Mapping[str, Any], model: str, names: Iterable[str]) -> dict[str, float]:
    """Parameters called ``names`` of a stored ``model``.

    Raises
    ------
    ModelError
        If the record is of another model or a parameter is missing.
    """
    if data.get("model") != model:
        found = data.get("model")
        raise ModelError(f"expected a stored {model} model, got {found!r}; train the bundle again")
    missing = [name for name in names if name not in data]
    if missing:
        raise ModelError(f"stored {model} model lacks {', '.join(missing)}; train the bundle again")
    return {name: data[name] for name in names}


def unique_rows(*columns: Floats) -> tuple[tuple[Floats, ...], NDArray[np.intp]]:
    """Distinct rows in ascending order, and for each input row the index of its distinct one.

    Examples
    --------
    >>> (x, T), inverse = unique_rows(np.array([1.0, 0.0, 1.0]), np.array([9.0, 8.0, 9.0]))
    >>> x, T, inverse
    (array([0., 1.]), array([8., 9.]), array([1, 0, 1]))
    """
    size = columns[0].size
    if size <= 1:
        return columns, np.zeros(size, dtype=np.intp)
    order = np.lexsort(columns[::-1])
    new = np.zeros(size, dtype=bool)
    new[:1] = True
    for values in columns:
        ordered = values[order]
        new[1:] |= ordered[1:] != ordered[:-1]
    inverse = np.empty(size, dtype=np.intp)
    inverse[order] = np.cumsum(new) - 1
    chosen = order[new]
    return tuple(values[chosen] for values in columns), inverse


def rounded(times: Floats, bits: int = 11) -> Floats:
    """Times rounded to ``bits`` significant bits; whole numbers up to 2**bits stay as they are.

    Examples
    --------
    >>> rounded(np.array([0.0, 2047.0, 4097.0]))
    array([   0., 2047., 4096.])
    """
    mantissa, exponent = np.frexp(times)
    return np.ldexp(np.rint(np.ldexp(mantissa, bits)), exponent - bits)


def thin(size: int, keep: int = 20_000) -> NDArray[np.intp]:
    """Evenly spaced row numbers, at most ``keep``: a cheap stand-in for all rows while starts compete."""
    if size <= keep:
        return np.arange(size)
    return np.linspace(0, size - 1, keep).astype(np.intp)


@lru_cache(maxsize=1)
def _linear_algebra() -> Any:
    """The loaded linear algebra, looked for once: that reads the map of the whole process."""
    from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

    return ThreadpoolController()


def maximise(
    log_likelihood: Objective, starts: Iterable[ArrayLike], *, ridge: float, weight: float
) -> Floats:
    """Logarithms of the parameters with the greatest (penalised) likelihood.

    Parameters
    ----------
    log_likelihood : maps log-parameters to the total log-likelihood and its gradient
    starts : log-parameters to start from; the best end point wins
    ridge : ≥ 0, precision of a normal prior around 0 on each log-parameter (of scaled data)
    weight : > 0, customers behind the likelihood; the objective is divided by it

    Notes
    -----
    Minimises −(ℓ(θ) − ridge·Σθ²/2) / weight by L-BFGS-B within ±12. As a prior its pull fades as
    customers are added; at 0 the result is plain maximum likelihood. Linear algebra is held to one thread:
    the matrices have three or four columns, and on busy cores more threads took up to forty times as long.
    """
    if not (math.isfinite(ridge) and ridge >= 0):
        raise InputError(f"ridge: expected a finite number ≥ 0, got {ridge}")

    def loss(theta: Floats) -> tuple[float, Floats]:
        value, gradient = log_likelihood(theta)
        penalty = 0.5 * ridge * float(np.sum(theta * theta))
        return -(value - penalty) / weight, -(gradient - ridge * theta) / weight

    options = {"maxiter": 500, "maxfun": 1000, "ftol": 1e-13, "gtol": 1e-8}
    ends = []
    with _linear_algebra().limit(limits=1, user_api="blas"):
        for start in starts:
            theta = np.clip(np.asarray(start, dtype=np.float64), -LOG_BOUND, LOG_BOUND)
            bounds = [(-LOG_BOUND, LOG_BOUND)] * theta.size
            ends.append(minimize(loss, theta, jac=True, method="L-BFGS-B", bounds=bounds, options=options))
    best = min(ends, key=lambda end: float(end.fun))
    return np.asarray(best.x, dtype=np.float64)
