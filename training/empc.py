"""Expected maximum profit of a retention campaign where every customer is worth the same (EMPC)."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike
from pydantic import BaseModel, ConfigDict, Field
from scipy.special import betainc
from sklearn.isotonic import isotonic_regression

from training.ranking import Floats, check_pair

__all__ = ["EmpcSettings", "empc"]


class EmpcSettings(BaseModel):
    """The campaign of the published figure; money in one currency.

    ``alpha`` and ``beta`` shape the beta distribution of the share of would-be leavers who accept an offer
    (mean 0.3 by default). Every customer is worth ``clv``; an accepted offer costs ``incentive_cost``, and
    every contact ``contact_cost``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    alpha: float = Field(default=6.0, gt=1)
    beta: float = Field(default=14.0, gt=1)
    clv: float = Field(default=200.0, gt=0)
    incentive_cost: float = Field(default=10.0, ge=0)
    contact_cost: float = Field(default=1.0, ge=0)


def empc(churned: ArrayLike, score: ArrayLike, settings: EmpcSettings | None = None) -> float:
    """Profit per customer of contacting the best share, the share chosen anew for every acceptance rate.

    Parameters
    ----------
    churned : outcomes, 0 or 1
    score : predictions; only their order matters
    settings : EmpcSettings, optional
        By default those of the paper.

    Returns
    -------
    float ≥ 0, money per customer; nan unless both classes are there.

    Notes
    -----
    With δ = incentive_cost / clv, φ = contact_cost / clv, π the class shares and F the shares of churners (0)
    and stayers (1) contacted, the profit at acceptance rate γ is
    ``clv (γ (1 − δ) − φ) π0 F0 − clv (δ + φ) π1 F1``. Its best threshold is a corner of the convex hull of
    the ROC curve, another one in each interval of γ; over each the beta density is integrated exactly. It
    cannot tell a customer who is worth much from one who is worth little: permuting the values of customers
    does not change it, which is why the card's grade uses `training.profit` instead.

    References
    ----------
    Verbraken, Verbeke & Baesens (2013), A novel profit maximizing metric for measuring classification
    performance of customer churn prediction models, IEEE TKDE 25(5), equations 6 to 12.

    Examples
    --------
    >>> round(empc([1, 0, 0, 0], [0.9, 0.1, 0.1, 0.1]), 6)
    14.0
    """
    used = settings or EmpcSettings()
    y, s = check_pair(churned, score)
    if y.size == 0 or y.min() == y.max():
        return math.nan
    share = float(y.mean())
    found, wasted = _hull(y, s)
    delta, phi = used.incentive_cost / used.clv, used.contact_cost / used.clv
    more, waste = np.diff(found), np.diff(wasted)
    # The acceptance rate from which the next corner pays; a piece without churners never does.
    with np.errstate(divide="ignore"):
        turning = (phi * share * more + (delta + phi) * (1 - share) * waste) / (share * (1 - delta) * more)
    edges = np.clip(np.concatenate([[0.0], turning, [1.0]]), 0.0, 1.0)
    mass = np.diff(betainc(used.alpha, used.beta, edges))
    mean = used.alpha / (used.alpha + used.beta)
    partial = mean * np.diff(betainc(used.alpha + 1, used.beta, edges))
    saved = ((1 - delta) * partial - phi * mass) * share * found
    return float(used.clv * (saved - (delta + phi) * mass * (1 - share) * wasted).sum())


def _hull(y: Floats, score: Floats) -> tuple[Floats, Floats]:
    """Corners of the ROC curve's convex hull: shares of churners and of stayers contacted.

    The hull is the isotonic regression of the outcomes on the order of the scores: each of its steps is one edge
    (Fawcett & Niculescu-Mizil 2007, PAV and the ROC convex hull, Machine Learning 68).
    """
    levels, group = np.unique(-score, return_inverse=True)
    count = np.bincount(group, minlength=levels.size).astype(np.float64)
    churners = np.bincount(group, weights=y, minlength=levels.size)
    step = isotonic_regression(churners / count, sample_weight=count, increasing=False)
    last = np.append(step[1:] != step[:-1], True)
    found = churners.cumsum()[last] / churners.sum()
    wasted = (count - churners).cumsum()[last] / (count - churners).sum()
    return np.append(0.0, found), np.append(0.0, wasted)
