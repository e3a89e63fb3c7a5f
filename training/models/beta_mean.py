"""Expected orders of a customer who is alive, averaged over the beta distribution of dropout after an order."""

from __future__ import annotations

import cmath
import math

import numpy as np

from training.models.btyd import Floats

__all__ = ["orders_by_phase", "orders_while_alive"]

NODES = 128
_PLACES = np.arange(NODES, dtype=np.float64)
CHUNK = 4096
STEP = 256
# Where a customer is all but sure to stop after the next order, (1 − p) is held at this.
LEAST_LOYAL = 1e-8


def orders_while_alive(a: float | Floats, b_x: Floats, shape: Floats, ratio: Floats) -> Floats:
    """Expected purchases within a horizon of customers alive at its start.

    Parameters
    ----------
    a : > 0, first parameter of p ~ Beta(a, b_x), for all customers or one each
    b_x : > 0, second parameter, one per customer
    shape : > 0, of the rate λ ~ Gamma(shape, A)
    ratio : ≥ 0, horizon divided by A

    Returns
    -------
    float64 array ≥ 0, relative error below 1e-8.

    Notes
    -----
    Given λ and p the expected count is (1 − e^(−λph))/p; averaged over λ it is g(p) below, and what is
    wanted is the mean of g over the beta distribution, with z the ratio and s the shape::

        g(p) = (1 − (1 + pz)^(−s)) / p
        E[g] = (a+b_x−1)/(a−1) · [1 − (1+z)^(−s) ₂F₁(s, b_x; a+b_x−1; z/(1+z))]

    The second line is the published closed form. It has a pole at a = 1 and at a + b_x = 1, cancels for
    small z and overflows for large s. The integral has none of these troubles: everything in it is
    positive. On the scale y = log(p/(1−p)) the integrand is analytic in a strip of constant width, so
    equally spaced points converge geometrically (Trefethen & Weideman 2014). The grid spans the mass of
    the beta density; where the density is wider than any change of g, its exponential tails are summed as
    geometric series.

    References
    ----------
    Fader, Hardie & Lee (2005), "Counting your customers" the easy way, equation 10.
    Trefethen & Weideman (2014), The exponentially convergent trapezoidal rule.

    Examples
    --------
    >>> orders_while_alive(1.0, np.array([1.0]), np.array([1.0]), np.array([1.0])).round(6)
    array([0.693147])
    """
    result, each = np.empty(b_x.size), np.empty(b_x.size)
    each[:] = a
    for start in range(0, b_x.size, STEP):
        rows = slice(start, start + STEP)
        log_p, _, density = _beta_grid(each[rows], b_x[rows], shape[rows], ratio[rows])
        p = np.exp(log_p)
        count = -np.expm1(-shape[rows][:, None] * np.log1p(p * ratio[rows][:, None])) / p
        result[rows] = np.add.reduce(density * count, axis=1) / np.add.reduce(density, axis=1)
    return result


def orders_by_phase(k: int, a: float, b_x: Floats, shape: Floats, ratio: Floats) -> Floats:
    """Expected purchases within a horizon where an order takes k phases, by phases passed at its start.

    Parameters
    ----------
    k : ≥ 1, phases per order
    a, b_x, ratio : as in `orders_while_alive`
    shape : > 0, of the rate of a customer with no phase passed; each phase passed adds 1

    Returns
    -------
    float64 array of shape (customers, k), column i for i phases passed.

    Notes
    -----
    M phases, negative binomial, make n = ⌊(M+i)/k⌋ chances, of which (1 − (1−p)^n)/p become orders. With ρ the
    k-th root of 1−p and ω of 1, a mean over the roots z = ρω^l picks out the whole part, and leaves powers
    whose means are known, E[z^M] = (1 + (1−z)·ratio)^−shape::

        g_i(p) = 1/p − Σ_l z^(i+1) / (k (1−p)(1−z)) · (1 + (1−z)·ratio)^−(shape+i)

    l = 0 carries the trend and is joined with 1/p so that nothing cancels for small p; the other roots are the
    rhythm, and fade. The mean over p is taken on the grid of `orders_while_alive`.
    """
    result, each, step = np.empty((b_x.size, k)), np.empty(b_x.size), max(CHUNK // (4 * k), 1)
    each[:] = a
    for start in range(0, b_x.size, step):
        rows = slice(start, start + step)
        _, log_q, density = _beta_grid(each[rows], b_x[rows], shape[rows], ratio[rows])
        root = np.maximum(log_q, math.log(LEAST_LOYAL)) / k
        orders = _trend(k, root, shape[rows][:, None], ratio[rows][:, None])
        for turn in range(1, k // 2 + 1):
            _subtract_rhythm(orders, turn, root, shape[rows][:, None], ratio[rows][:, None])
        whole = density.sum(axis=1)
        for i in range(k):
            result[rows, i] = (density * orders[i]).sum(axis=1) / whole
    result[ratio <= 0] = 0.0
    return result


def _trend(k: int, root: Floats, shape: Floats, ratio: Floats) -> list[Floats]:
    p = -np.expm1(k * root)
    growth = np.log1p(-np.expm1(root) * ratio)
    powers = {j: -np.expm1(j * root) for j in range(1 - k, k)}
    found = []
    for i in range(k):
        fallen = np.expm1(-(shape + i) * growth)
        short = sum((powers[j + i + 1 - k] for j in range(k)), np.zeros_like(p)) / k
        found.append(((1.0 + fallen) * short - fallen) / p)
    return found


def _subtract_rhythm(orders: list[Floats], turn: int, root: Floats, shape: Floats, ratio: Floats) -> None:
    k = len(orders)
    # ω = −1 is real and its own conjugate; the others come in pairs with the same real part.
    alone = 2 * turn == k
    omega = -1.0 if alone else cmath.exp(2j * math.pi * turn / k)
    z = np.exp(root) * omega
    far = 1.0 + (1.0 - z) * ratio
    term = (
        (1.0 if alone else 2.0)
        * np.exp((1 - k) * root)
        * omega
        / (k * (1.0 - z))
        * np.exp(-shape * np.log(far))
    )
    step = z / far
    for i in range(k):
        orders[i] -= term.real
        if i + 1 < k:
            term = term * step


def _beta_grid(a: Floats, b_x: Floats, shape: Floats, ratio: Floats) -> tuple[Floats, Floats, Floats]:
    """log p, log(1 − p) and the weight of each point; rows are customers."""
    low, high = _grid_ends(a, b_x, shape, ratio)
    step = (high - low) / (NODES - 1)
    y = low[:, None] + step[:, None] * _PLACES
    log_q = -np.log1p(np.exp(y))
    log_p = y + log_q
    log_density = a[:, None] * log_p + b_x[:, None] * log_q
    density = np.exp(log_density - np.maximum.reduce(log_density, axis=1, keepdims=True))
    density[:, 0] /= -np.expm1(-a * step)
    density[:, -1] /= -np.expm1(-b_x * step)
    return log_p, log_q, density


def _grid_ends(a: Floats, b_x: Floats, shape: Floats, ratio: Floats) -> tuple[Floats, Floats]:
    """Ends of the grid in y: beyond them the density is below e^−32 of its peak, or g is constant.

    The log-density's curvature falls no faster than e^−δ at distance δ from the mode, so it has dropped
    by u/variance where δ − 1 + e^−δ ≥ u, which δ = u + √(2u) satisfies. On the right b_x·log(1+e^y)
    gives a closer bound when a is small.
    """
    mode, spread = np.log(a / b_x), 32.0 * (1.0 / a + 1.0 / b_x)
    reach = spread + np.sqrt(2.0 * spread)
    decay = (37.0 + 3.0 * a) / b_x
    high = np.minimum(np.minimum(mode + reach, decay + np.log(-np.expm1(-decay))), 25.0)
    low = np.maximum(mode - reach, -25.0 - np.log1p((shape + 1.0) * ratio))
    return np.minimum(low, high - np.minimum(reach, 10.0)), high
