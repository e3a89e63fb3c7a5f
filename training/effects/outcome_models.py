"""Regularised regressions: what an outcome would be under each arm, and the ridge of the final stage."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from training.models.effect import Line
from training.models.head import sigmoid

__all__ = ["fit_line", "logistic", "ridge"]

Floats = npt.NDArray[np.float64]
_LEAST_OF_A_CLASS = 25
_STRENGTHS = (1000.0, 100.0, 10.0, 1.0)
_MOST_STEPS, _TOLERANCE, _LEAST_STEP = 30, 1e-8, 1e-6
# From hardly any to so much that only the mean is left.
_RIDGES = np.logspace(-4, 3, 29)
_FOLDS = 3


def fit_line(design: Floats, outcome: Floats, *, binary: bool) -> Line:
    """The expected outcome: logistic ridge for yes and no, where both are seen often enough, else linear ridge."""
    if binary and min(outcome.sum(), len(outcome) - outcome.sum()) >= _LEAST_OF_A_CLASS:
        return logistic(design, outcome)
    return ridge(design, outcome)


def ridge(design: Floats, outcome: Floats) -> Line:
    """Linear regression shrunk towards the mean, the strength by generalised cross-validation.

    Parameters
    ----------
    design : array, shape (n, p)
    outcome : array, shape (n,)

    Returns
    -------
    Line
        Constant where shrinking everything away foretells best.

    Notes
    -----
    With standardised columns Z = U S V', λ = n ρ: weights V (S² + λ)⁻¹ S U'(y − ȳ), and
    GCV(ρ) = (RSS/n) / (1 − (1 + Σ s²/(s² + λ))/n)² (Golub, Heath & Wahba 1979), compared with the mean alone.

    Examples
    --------
    >>> x = np.linspace(-1, 1, 200)[:, None]
    >>> line = ridge(x, 3.0 + 2.0 * x[:, 0])
    >>> round(line.intercept, 3), round(line.weights[0], 2)
    (3.0, 2.0)
    """
    n = len(outcome)
    mean, z, unit = _standard(design)
    level = float(outcome.mean())
    y = outcome - level
    values, vectors = np.linalg.eigh(z.T @ z)
    values = np.maximum(values, 0.0)
    along = vectors.T @ (z.T @ y)
    total = float(y @ y)
    best, weights = total / n / (1 - 1 / n) ** 2, np.zeros(design.shape[1])
    for strength in _RIDGES * n:
        shrunk = along / (values + strength)
        rest = max(total - 2 * float(along @ shrunk) + float(values @ shrunk**2), 0.0)
        freedom = 1 + float((values / (values + strength)).sum())
        score = rest / n / (1 - freedom / n) ** 2 if freedom < n else np.inf
        if score < best:
            best, weights = score, vectors @ shrunk
    weights = weights * unit
    return Line(level - float(mean @ weights), tuple(map(float, weights)))


def logistic(design: Floats, outcome: Floats) -> Line:
    """Logistic ridge regression with a free intercept, the strength by log loss in three folds."""
    mean, z, unit = _standard(design)
    z = np.column_stack([np.ones(len(z)), z])
    fold = np.empty(len(outcome), dtype=np.int64)
    fold[np.argsort(outcome, kind="stable")] = np.arange(len(outcome)) % _FOLDS
    losses = np.zeros(len(_STRENGTHS))
    for k in range(_FOLDS):
        out = fold == k
        for at, found in enumerate(_path(z[~out], outcome[~out], _STRENGTHS)):
            losses[at] += _loss(z[out], outcome[out], found)
    best = int(losses.argmin())
    found = _path(z, outcome, _STRENGTHS[: best + 1])[-1]
    weights = found[1:] * unit
    return Line(float(found[0] - mean @ weights), tuple(map(float, weights)), logit=True)


def _standard(design: Floats) -> tuple[Floats, Floats, Floats]:
    """Means, standardised columns, and one over the spread (0 for constant columns)."""
    mean, spread = design.mean(axis=0), design.std(axis=0)
    unit = np.divide(1.0, spread, out=np.zeros_like(spread), where=spread > 1e-12)
    return mean, (design - mean) * unit, unit


def _path(z: Floats, outcome: Floats, strengths: tuple[float, ...]) -> list[Floats]:
    """Weights (intercept first, not shrunk) from the strongest to the weakest, each started from the one before."""
    share = outcome.mean()
    weights = np.zeros(z.shape[1])
    weights[0] = np.log(share / (1 - share))
    found = []
    for strength in strengths:
        weights = _newton(z, outcome, strength, weights)
        found.append(weights)
    return found


def _newton(z: Floats, outcome: Floats, strength: float, weights: Floats) -> Floats:
    """Newton's steps, halved where one would go too far."""
    penalty = np.full(len(weights), strength)
    penalty[0] = 0.0

    def cost(at: Floats) -> float:
        return _loss(z, outcome, at) + float(penalty @ at**2) / 2

    now = cost(weights)
    for _ in range(_MOST_STEPS):
        p = sigmoid(z @ weights)
        slope = z.T @ (p - outcome) + penalty * weights
        curve = (z * (p * (1 - p))[:, None]).T @ z + np.diag(penalty)
        step = np.linalg.solve(curve, slope)
        if float(slope @ step) < _TOLERANCE * len(outcome):
            break
        size = 1.0
        while (then := cost(weights - size * step)) > now and size > _LEAST_STEP:
            size /= 2
        weights, now = weights - size * step, then
    return weights


def _loss(z: Floats, outcome: Floats, weights: Floats) -> float:
    raw = z @ weights
    return float((np.logaddexp(0.0, raw) - outcome * raw).sum())
