"""From a randomised log to measured effects: averages first, differences between customers only where they are found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from features.errors import InputError
from training.effects.average import Mean, mean_of
from training.effects.differences import difference, kept_score
from training.effects.doubly_robust import Scored, score_rows
from training.effects.safe_policy import safe_policy
from training.effects.trial_log import TrialLog
from training.models.effect import EffectModel, OfferEffect

__all__ = ["measure_effects", "offer_effect"]

Floats = npt.NDArray[np.float64]


def measure_effects(
    log: TrialLog,
    *,
    costs: Sequence[float] | None = None,
    false_alarms: float = 0.05,
    confidence: float = 0.9,
    seed: int = 0,
) -> EffectModel:
    """Measured effects of all offers of a log, and the safe policy.

    Parameters
    ----------
    log : TrialLog
    costs : sequence of k floats, optional
        Cost of one contact per offer, in units of the outcome; they count in the policy only.
    false_alarms : float
        Chance, in a world where no offer does anything, that any of the answers says otherwise.
    confidence : float
        Of the lower bound with which the policy may deviate from the best single offer.
    seed : int
        Of the five folds.

    Returns
    -------
    EffectModel

    Notes
    -----
    Averages are means of doubly robust scores with 95 % intervals. *Helps*, *harms* and *heterogeneous* are
    answers of tests: half of `false_alarms` is spent on averages (two-sided), half on heterogeneity (one-sided
    slope of the best linear predictor), each shared among the offers (Bonferroni).

    Examples
    --------
    >>> import pandas as pd
    >>> rng = np.random.default_rng(1)
    >>> x, given = rng.normal(size=4000), rng.integers(0, 2, 4000)
    >>> kept = (rng.random(4000) < 0.4 + 0.2 * given).astype(float)
    >>> log = TrialLog(pd.DataFrame({"x": x}), ("call",), given, np.full((4000, 2), 0.5), kept)
    >>> effect = measure_effects(log).offers[0]
    >>> effect.found, effect.heterogeneous, effect.low < 0.2 < effect.high
    ('helps', False, True)
    """
    price = np.zeros(log.arms)
    if costs is not None:
        if len(costs) != len(log.offers):
            raise InputError(f"effects: {len(costs)} costs for {len(log.offers)} offers")
        price[1:] = costs
    scored = score_rows(log, seed=seed)
    level = false_alarms / 2 / len(log.offers)
    effects = tuple(offer_effect(scored, arm, level) for arm in range(1, log.arms))
    policy = safe_policy(scored, price, confidence=confidence)
    return EffectModel(log.name, log.kind, scored.columns, effects, policy)


def offer_effect(scored: Scored, arm: int, level: float) -> OfferEffect:
    """The effect of one arm against leaving alone; *helps*, *harms* and *heterogeneous* are told at this level."""
    found = difference(scored, arm, 0)
    average = mean_of(found.target, scored.log.clusters())
    differs = found.p_value < level
    return OfferEffect(
        scored.log.offers[arm - 1],
        average.value,
        *average.interval(),
        found=_verdict(average, level),
        p_heterogeneity=found.p_value,
        slope=found.slope,
        heterogeneous=differs,
        score=kept_score(scored, found) if differs else None,
    )


def _verdict(average: Mean, level: float) -> Literal["helps", "harms", "none"]:
    low, high = average.interval(1 - level)
    if low > 0:
        return "helps"
    return "harms" if high < 0 else "none"
