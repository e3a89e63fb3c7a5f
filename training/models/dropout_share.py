"""Why a customer is silent for ever: the share of dropout among the two ways a silence of Pareto/NBD can end.

A silence ends with an order or with dropout, whichever comes first. Averaged over customers the two rates are
gamma distributed; the chance that dropout comes first is the one special function of Pareto/NBD.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from training.models.btyd import Floats

__all__ = ["Shares", "order_within", "shares"]

NODES = 64
CHUNK = 2048
# Beyond exp(-FLAT) of its start an integrand adds nothing to 64-bit sums; below NEAR it is constant.
FLAT, NEAR = 40.0, 1e-5
_TRAPEZOID = (np.arange(NODES) / (NODES - 1), np.full(NODES, 1.0 / (NODES - 1)))
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(NODES)
_GAUSS = (0.5 * (_NODES + 1.0), 0.5 * _WEIGHTS)


class Shares(NamedTuple):
    """Chances of the two ends of a silence and the slopes of the first; arrays of one length.

    ``dropout + order`` is 1; both are accurate in relative terms, however small. ``by_a``, ``by_s`` and
    ``by_log_kappa`` are the derivatives of ``dropout``.
    """

    dropout: Floats
    order: Floats
    by_a: Floats
    by_s: Floats
    by_log_kappa: Floats


def shares(a: Floats, s: Floats, kappa: Floats) -> Shares:
    """Chance that dropout, and that an order, ends a silence.

    Parameters
    ----------
    a : > 0, shape of the purchase rate λ ~ Gamma(a, A)
    s : > 0, shape of the dropout rate μ ~ Gamma(s, B)
    kappa : > 0, A/B

    Returns
    -------
    Shares
        Relative error below 1e-9 where shapes and kappa lie between 0.01 and 100.

    Notes
    -----
    In the notation of Gauss's function, with the argument below 1 for every kappa::

        E[μ/(λ+μ)] = s/(a+s) · ₂F₁(1, a; a+s+1; 1 − 1/κ)

    Library versions of ₂F₁ lose digits or fail for large shapes. The same quantity as an integral has
    positive terms only; for κ ≥ 1, with E = 1 − e^−v and ψ = (a+s)v + s·log(1 + (κ−1)E)::

        order   = ∫ a e^−ψ dv            dropout = ∫ sκ/(1 + (κ−1)E) e^−ψ dv        (0 ≤ v < ∞)

    For κ < 1 the two change places. On the scale log v, equally spaced points converge geometrically;
    the constant left end is summed as a geometric series, and slopes come from the same points.

    References
    ----------
    Fader & Hardie (2005), A note on deriving the Pareto/NBD model and related expressions, equation 14 f.
    Trefethen & Weideman (2014), The exponentially convergent trapezoidal rule. SIAM Review 56(3).

    Examples
    --------
    >>> shares(np.array([1.0]), np.array([1.0]), np.array([1.0])).dropout.round(9)
    array([0.5])
    """
    out = np.empty((5, a.size))
    for start in range(0, a.size, CHUNK):
        rows = slice(start, start + CHUNK)
        out[:, rows] = _share(a[rows], s[rows], kappa[rows])
    return Shares(*out)


def order_within(a: Floats, s: Floats, kappa: Floats, reach: Floats) -> Floats:
    """Chance that a silence ends with an order within a horizon.

    Parameters
    ----------
    a, s, kappa : as in `shares`
    reach : ≥ 0, log(1 + h/max(A, B)) for a horizon h, with B = A/kappa

    Returns
    -------
    float64 array in [0, 1]; at most ``shares(...).order``. Gauss-Legendre in log v of the integral of `shares`
    up to ``reach``, so that nothing cancels for short horizons.
    """
    out = np.empty(a.size)
    for start in range(0, a.size, CHUNK):
        rows = slice(start, start + CHUNK)
        out[rows] = _order_within(a[rows], s[rows], kappa[rows], reach[rows])
    return out


def _share(a: Floats, s: Floats, kappa: Floats) -> Floats:
    # p: shape of the rate with the larger scale; k ≥ 1 keeps the integrand analytic in a wide strip.
    turned = kappa < 1.0
    p, q = np.where(turned, s, a), np.where(turned, a, s)
    k = np.where(turned, 1.0 / kappa, kappa)
    v, gone, spread, growth, flow = _integrand(p, q, k, FLAT / (p + q), _TRAPEZOID)
    flow[:, 0] /= -np.expm1(-np.log(v[:, 1] / v[:, 0]))
    first, through = flow.sum(axis=1), flow / spread
    whole = p * first + q * k * through.sum(axis=1)
    first, scale = p * first / whole, p / whole
    by_p = first / p - scale * _dot(flow, v)
    by_q = -scale * (_dot(flow, v) + _dot(flow, growth))
    by_k = -scale * q * k * _dot(through, gone)
    second = q * k * through.sum(axis=1) / whole
    return np.stack(
        [
            np.where(turned, first, second),
            np.where(turned, second, first),
            np.where(turned, by_q, -by_p),
            np.where(turned, by_p, -by_q),
            -by_k,
        ]
    )


def _order_within(a: Floats, s: Floats, kappa: Floats, reach: Floats) -> Floats:
    turned = kappa < 1.0
    p, q = np.where(turned, s, a), np.where(turned, a, s)
    k = np.where(turned, 1.0 / kappa, kappa)
    none = reach <= 0
    end = np.minimum(np.where(none, 1.0, reach), FLAT / (p + q))
    _, _, spread, _, flow = _integrand(p, q, k, end, _GAUSS)
    flow[:, 0] += _low(p, q, k, end)
    found = np.where(turned, q * k * (flow / spread).sum(axis=1), p * flow.sum(axis=1))
    return np.where(none, 0.0, np.minimum(found, 1.0))


def _integrand(
    p: Floats, q: Floats, k: Floats, end: Floats, rule: tuple[Floats, Floats]
) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    """Points v up to ``end``; at them E, 1 + (k−1)E, its logarithm, and e^−ψ dv. Rows are customers."""
    low = _low(p, q, k, end)
    width = np.log(end / low)[:, None]
    v = low[:, None] * np.exp(width * rule[0])
    gone = 1.0 - np.exp(-v)
    spread = 1.0 + (k - 1.0)[:, None] * gone
    growth = np.log(spread)
    flow = np.exp(-(p + q)[:, None] * v - q[:, None] * growth)
    flow *= v
    flow *= width * rule[1]
    return v, gone, spread, growth, flow


def _low(p: Floats, q: Floats, k: Floats, end: Floats) -> Floats:
    return np.minimum(NEAR / (1.0 + p + q + k * (1.0 + q)), 1e-3 * end)


def _dot(one: Floats, other: Floats) -> Floats:
    return np.einsum("ij,ij->i", one, other)
