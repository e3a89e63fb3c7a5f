"""Safe policy: one offer for all, and another only where the evidence carries it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from features.errors import InputError
from strategies.offer_problem import LEAVE_ALONE, Floats, Whole

__all__ = ["SafePolicy", "safe_policy"]

_STEP = "safe policy"


@dataclass(frozen=True)
class SafePolicy:
    """What each customer should get when nothing limits the offers.

    Attributes
    ----------
    best_single : int
        The offer that gains most when everybody eligible gets it; −1 when none gains.
    offer : array (n,) of int
        The choice; −1 is leave alone.
    allowed : array (n, k) of bool
        Offers an allocation may give: the best single one, and those surely better than it. Leave alone is
        always allowed.
    lower : array (n,)
        Lower bound, in money, of what the choice gains over what the best single offer would; 0 where it is
        that one.
    """

    best_single: int
    offer: Whole
    allowed: NDArray[np.bool_]
    lower: Floats

    @property
    def deviates(self) -> NDArray[np.bool_]:
        """Where the choice is another than the best single offer (or leave alone where that is not eligible)."""
        return self.lower > 0


def safe_policy(
    mean: ArrayLike,
    sd: ArrayLike,
    *,
    eligible: ArrayLike | None = None,
    confidence: float = 0.95,
    correlation: float = 0.0,
) -> SafePolicy:
    """Choose the best single offer for all, and deviate only where the lower bound of the difference is above 0.

    Parameters
    ----------
    mean, sd : array (n, k) or (1, k)
        Posterior mean and standard deviation of the net gain of each offer, in money; one row for all where no
        heterogeneity was found. Leave alone is known to gain 0.
    eligible : array (n, k) of bool, optional
        Who may get what.
    confidence : float
        In [0.5, 1): one-sided, per customer, for all offers compared at once.
    correlation : float
        In [−1, 1]: of the errors of two offers. 0 takes them as independent, which is cautious when they share
        their control group (then it is positive).

    Returns
    -------
    SafePolicy

    Raises
    ------
    InputError
        When shapes differ, a standard deviation is negative or a parameter lies outside its range.

    Notes
    -----
    With b the best single offer, every alternative o (leave alone among them) of customer i has
    lower_io = (mean_io − mean_ib) − z·√(sd_io² + sd_ib² − 2ρ·sd_io·sd_ib), z = Φ⁻¹(1 − (1 − confidence)/k).
    He gets the alternative with the highest lower bound if that is above 0, else b. Dividing by k (Bonferroni)
    keeps the chance to be wrong over all k comparisons of a customer below 1 − confidence. Where b is not
    eligible, leave alone takes its place. A missing mean or deviation is no evidence: that offer is not
    eligible for him.

    References
    ----------
    Laroche, Trichelair & Tachet des Combes (2019), Safe policy improvement with baseline bootstrapping.

    Examples
    --------
    The letter is best for all. The call is better for both, but surely only for the first; the third is woken up
    by any contact:

    >>> mean = [[5.0, 9.0], [5.0, 6.0], [-4.0, -9.0]]
    >>> found = safe_policy(mean, [[1.0, 1.0]])
    >>> found.best_single, found.offer.tolist(), found.deviates.tolist()
    (0, [1, 0, -1], [True, False, True])
    """
    means, sds, may = _checked(mean, sd, eligible)
    n, k = means.shape
    if not (0.5 <= confidence < 1 and -1 <= correlation <= 1):
        raise InputError(
            f"{_STEP}: confidence {confidence:g} lies in [0.5, 1) and correlation {correlation:g} in [-1, 1]."
        )
    totals = np.where(may, means, 0.0).sum(axis=0)
    best = int(totals.argmax()) if k and totals.max() > 0 else LEAVE_ALONE
    base = np.where(may[:, best], best, LEAVE_ALONE) if best >= 0 else np.full(n, LEAVE_ALONE)
    # Column 0 is leave alone.
    value = np.column_stack([np.zeros(n), means])
    doubt = np.column_stack([np.zeros(n), sds])
    open_ = np.column_stack([np.ones(n, dtype=bool), may])
    each = np.arange(n)
    mine, my_doubt = value[each, base + 1][:, None], doubt[each, base + 1][:, None]
    variance = np.maximum(doubt**2 + my_doubt**2 - 2 * correlation * doubt * my_doubt, 0.0)
    z = ndtri(1 - (1 - confidence) / max(k, 1))
    lower = np.where(open_, value - mine - z * np.sqrt(variance), -np.inf)
    lower[each, base + 1] = 0.0
    choice = lower.argmax(axis=1)
    surely = lower.max(axis=1) > 0
    offer = np.where(surely, choice - 1, base)
    allowed = (lower > 0)[:, 1:]
    allowed[each[base >= 0], base[base >= 0]] = True
    return SafePolicy(best, offer, allowed, np.where(surely, lower[each, choice], 0.0))


def _checked(
    mean: ArrayLike, sd: ArrayLike, eligible: ArrayLike | None
) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Mean, deviation and eligibility with one row per customer."""
    means, sds = np.asarray(mean, dtype=np.float64), np.asarray(sd, dtype=np.float64)
    may = np.ones((1, 1), dtype=bool) if eligible is None else np.asarray(eligible, dtype=bool)
    try:
        means, sds, may = np.broadcast_arrays(means, sds, may)
    except ValueError as error:
        raise InputError(
            f"{_STEP}: mean is {means.shape}, sd {sds.shape} and eligible {may.shape}; "
            "give one row per customer (or one for all) and one column per offer."
        ) from error
    if np.ndim(mean) != 2:
        raise InputError(f"{_STEP}: mean has shape {np.shape(mean)}; give one row per customer.")
    if (sds < 0).any():
        raise InputError(f"{_STEP}: {int((sds < 0).sum())} standard deviation(s) are negative.")
    may = may & np.isfinite(means) & np.isfinite(sds)
    return np.where(may, means, 0.0), np.where(may, sds, 0.0), may
