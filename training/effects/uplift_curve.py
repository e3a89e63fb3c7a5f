"""How well scores put those first whom an offer changes most: Qini and area under the uplift curve."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from features.errors import InputError

__all__ = ["auuc", "qini", "qini_curve"]

Floats = npt.NDArray[np.float64]


def qini_curve(score: Floats, outcome: Floats, treated: Floats) -> tuple[Floats, Floats]:
    """Incremental outcome when the first φ of the rows by score are treated.

    Parameters
    ----------
    score : array, shape (n,)
        Predicted effect; highest first, ties enter together.
    outcome : array, shape (n,)
        0 and 1, or money.
    treated : array of 0 and 1, shape (n,)
        Drawn at random with one chance for all.

    Returns
    -------
    tuple of arrays
        Number of rows so far, from 0 to n, and Q = Y_t − Y_c · n_t / n_c of these rows (Radcliffe 2007).

    Examples
    --------
    >>> rows, gain = qini_curve(np.array([2.0, 2, 1, 1]), np.array([1.0, 0, 0, 1]), np.array([1.0, 0, 1, 0]))
    >>> rows.tolist(), gain.tolist()
    ([0.0, 2.0, 4.0], [0.0, 1.0, 0.0])
    """
    if not len(score) == len(outcome) == len(treated):
        raise InputError("qini: score, outcome and treated differ in length")
    if not 0 < treated.sum() < len(treated):
        raise InputError("qini: treated and untreated rows are both needed")
    order = np.argsort(-score, kind="stable")
    y, t, s = outcome[order], treated[order], score[order]
    ends = np.append(np.flatnonzero(np.diff(s)), len(s) - 1)
    n_t, y_t = np.cumsum(t)[ends], np.cumsum(y * t)[ends]
    n_c, y_c = np.cumsum(1 - t)[ends], np.cumsum(y * (1 - t))[ends]
    scaled = np.divide(y_c * n_t, n_c, out=np.zeros(len(ends)), where=n_c > 0)
    return np.append(0.0, ends + 1.0), np.append(0.0, y_t - scaled)


def qini(score: Floats, outcome: Floats, treated: Floats) -> float:
    """Qini coefficient: area above the random line, as a share of that of the perfect order.

    Returns
    -------
    float
        0 for one score for all, 1 for the perfect order, negative for worse than chance.

    Notes
    -----
    (A − A_random) / (A_perfect − A_random), areas under `qini_curve` by trapezes. The perfect order puts treated
    rows with an outcome first and untreated ones with an outcome last, so it counts negative effects too. It knows
    each outcome rather than each chance, so real models stay far below 1 (Devriendt et al. 2022 compare the kinds).

    Examples
    --------
    >>> y, t = np.array([1.0, 0, 0, 1]), np.array([1.0, 0, 1, 0])
    >>> qini(np.array([3.0, 2, 1, 0]), y, t), qini(np.zeros(4), y, t)
    (1.0, 0.0)
    """
    rows, gain = qini_curve(score, outcome, treated)
    chance = gain[-1] * rows[-1] / 2
    best = np.trapezoid(*qini_curve(outcome * (2 * treated - 1), outcome, treated)[::-1])
    return float((np.trapezoid(gain, rows) - chance) / (best - chance))


def auuc(score: Floats, outcome: Floats, treated: Floats) -> float:
    """Area between the Qini curve and the random line per row and treated row, in units of the outcome.

    Examples
    --------
    >>> auuc(np.array([2.0, 2, 1, 1]), np.array([1.0, 0, 0, 1]), np.array([1.0, 0, 1, 0]))
    0.25
    """
    rows, gain = qini_curve(score, outcome, treated)
    area = np.trapezoid(gain, rows) - gain[-1] * rows[-1] / 2
    return float(area / rows[-1] / treated.sum())
