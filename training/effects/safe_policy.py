"""Who gets which offer: the best single one, unless the lower bound of deviating says otherwise; and what it is worth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from features.errors import InputError
from training.effects.average import Mean, mean_of
from training.effects.differences import Difference, difference, kept_score
from training.effects.doubly_robust import Scored
from training.effects.trial_log import TrialLog
from training.models.effect import EffectPolicy

__all__ = ["PolicyValue", "policy_value", "safe_policy"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
# Shares of those with an advantage who are left with the best single offer.
_HELD_BACK = (0.0, 0.5, 0.8)


@dataclass(frozen=True)
class PolicyValue:
    """Outcome per customer if a policy had chosen.

    Parameters
    ----------
    ips : Mean
        By inverse propensities.
    dr : Mean
        Doubly robust: the same on average, with a smaller error.
    """

    ips: Mean
    dr: Mean


def policy_value(log: TrialLog, chosen: Ints, expected: Floats | None = None) -> PolicyValue:
    """Value of a policy on a randomised log.

    Parameters
    ----------
    log : TrialLog
        Rows from which the policy was not learnt.
    chosen : array of int, shape (n,)
        Arm the policy gives to each row: 0 leave alone, j for ``offers[j − 1]``.
    expected : array, shape (n, k + 1), optional
        Outcome under each arm by models that did not see the rows; without, the arms' means are used.

    Returns
    -------
    PolicyValue

    Notes
    -----
    IPS: mean of 1{A = π} y / e_π. DR: mean of μ̂_π + 1{A = π} (y − μ̂_π) / e_π (Dudík, Langford & Li 2011).

    Examples
    --------
    >>> import pandas as pd
    >>> given = np.repeat([0, 1], 50)
    >>> log = TrialLog(pd.DataFrame(index=range(100)), ("call",), given, np.full((100, 2), 0.5), given * 1.0)
    >>> value = policy_value(log, np.ones(100, dtype=np.int64))
    >>> value.ips.value, value.dr.value
    (1.0, 1.0)
    """
    if chosen.shape != (log.rows,) or chosen.min() < 0 or chosen.max() >= log.arms:
        raise InputError(
            f"policy value: one arm from 0 to {log.arms - 1} is needed for each of {log.rows} rows"
        )
    if expected is None:
        means = [log.outcome[log.given == arm].mean() for arm in range(log.arms)]
        expected = np.tile(means, (log.rows, 1))
    rows = np.arange(log.rows)
    weight = (log.given == chosen) / log.propensity[rows, chosen]
    guess = expected[rows, chosen]
    cluster = log.clusters()
    return PolicyValue(
        mean_of(weight * log.outcome, cluster), mean_of(guess + weight * (log.outcome - guess), cluster)
    )


def safe_policy(scored: Scored, costs: Floats, *, confidence: float = 0.9) -> EffectPolicy:
    """The best single offer for everybody, and another for whom the log supports it.

    Parameters
    ----------
    scored : Scored
    costs : array, shape (k + 1,)
        Cost of each arm in units of the outcome; the first is 0.
    confidence : float
        Of the one-sided lower bound, in (0.5, 1).

    Returns
    -------
    EffectPolicy

    Notes
    -----
    b = the arm with the greatest mean of Γ − cost. The advantage of arm a over b for a customer is the average
    difference plus the shrunk score, all from other folds. Three policies are held against b: everyone whose
    greatest advantage is above zero deviates, or only the upper half or the upper fifth of them. The gain of each
    is the mean of Γ_π − Γ_b less the cost; the one with the greatest lower bound at 1 − (1 − confidence)/3 is
    taken where that bound is above zero (Bonferroni over the three).
    """
    net = scored.gamma - costs
    best = int(net.mean(axis=0).argmax())
    arms = [arm for arm in range(scored.log.arms) if arm != best]
    found = {arm: difference(scored, arm, best) for arm in arms}
    extra = costs - costs[best]
    advantage = np.zeros_like(net)
    for arm in arms:
        advantage[:, arm] = _out_of_fold(found[arm], scored.fold) - extra[arm]
    other, most = advantage.argmax(axis=1), advantage.max(axis=1)
    if not (most > 0).any():
        return EffectPolicy(best, np.inf, 0.0, 0.0)
    gain = net[np.arange(len(net)), other] - net[:, best]
    cuts = [0.0, *(float(np.quantile(most[most > 0], share)) for share in _HELD_BACK[1:])]
    gains = [mean_of(gain * (most > cut), scored.log.clusters()) for cut in cuts]
    level = 1 - (1 - confidence) / len(cuts)
    lows = [g.low(level) for g in gains]
    at = int(np.argmax(lows))
    if lows[at] <= 0:
        return EffectPolicy(best, np.inf, 0.0, 0.0)
    scores = tuple(
        None
        if arm == best
        else (
            float(found[arm].target.mean() - extra[arm]),
            found[arm].slope,
            kept_score(scored, found[arm]),
        )
        for arm in range(scored.log.arms)
    )
    return EffectPolicy(best, cuts[at], gains[at].value, lows[at], scores)


def _out_of_fold(found: Difference, fold: Ints) -> Floats:
    """Expected advantage of each row, level and slope too from other folds."""
    expected = np.empty(len(fold))
    for k in np.unique(fold):
        out = fold == k
        score, target = found.score[~out], found.target[~out]
        total = float(score @ score)
        slope = float(np.clip(score @ target / total, 0.0, 1.0)) if total > 0 else 0.0
        expected[out] = target.mean() + slope * found.score[out]
    return expected
