"""From the decision log with what came of it to effects by customer, kept only where they earn more.

Each offer is held against leaving alone on the rows that could have got either. The outcome is the margin as a
share of the value at stake, so that large and small customers tell the same thing about an offer.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.errors import NotEnoughData
from strategies.chances import ALONE, read_chances
from strategies.protected import PROTECTED, is_protected
from training.effects.average import Mean, mean_of
from training.effects.differences import Difference, difference
from training.effects.doubly_robust import Scored, score_rows
from training.effects.measure import offer_effect
from training.effects.safe_policy import out_of_fold, safe_policy
from training.effects.trial_log import TrialLog
from training.models.effect import EffectModel
from training.models.effect_columns import effect_features

__all__ = ["Learnt", "learn_effects"]

Floats = npt.NDArray[np.float64]
OUTCOME = "share of the value at stake"
_LEAST_CHANCE = 0.05
_LEAST_STAKE = 0.05
# Shares of those whom the average effect would pay for: money for all of them, and for half.
_REACHED = (1.0, 0.5)


@dataclass(frozen=True)
class Learnt:
    """What was learnt of a log.

    Parameters
    ----------
    models : dict of str to EffectModel
        By offer; only offers whose effect is known to differ by customer, and for which choosing by it earned more
        than choosing by the average effect. Outcome: share of the value at stake that the offer saves.
    tried : DataFrame
        One row per offer with enough results: ``offer, rows, effect, error`` (average, share of the value at
        stake), ``p_value`` (that the effect is the same for all), ``gain, low`` (money per customer of the log
        that choosing by customer earned more, and its lower bound), ``used``.
    """

    models: dict[str, EffectModel]
    tried: pd.DataFrame


def learn_effects(
    known: pd.DataFrame,
    costs: Mapping[str, float],
    *,
    stake: str = "value_at_stake",
    protected: Collection[str] = PROTECTED,
    false_alarms: float = 0.05,
    confidence: float = 0.9,
    seed: int = 0,
) -> Learnt:
    """Effects by customer, for the offers that the log can tell enough of.

    Parameters
    ----------
    known : DataFrame
        Decisions whose time is over, with ``offer``, ``chances`` (see `strategies.chances`), ``margin`` (money,
        before the cost of the offer), ``customer_id``, the value at stake, and whatever of
        `training.models.effect_columns` was logged.
    costs : mapping of str to float
        Money per customer of each offer of the catalogue.
    stake : str
        Column of the value at stake in the days that `margin` counts.
    protected : collection of str
        Attributes that must not decide.
    false_alarms : float
        Chance, where effects are the same for all, that any offer is said to differ.
    confidence : float
        Of the lower bound, one-sided.
    seed : int
        Of the folds.

    Returns
    -------
    Learnt

    Notes
    -----
    Rows of an offer: those that got it or were left alone, could have got either (5 % or more of the chance of
    both together), and have more at stake than it costs. Among them the chance of the offer is
    p / (p + p_alone), known by design. Whether choosing by customer earns more is read on the same rows: as many
    are given the offer by effect(x) · stake − cost as by average · stake − cost, effects learnt on other folds;
    the gain is the mean of (B − A) (Γ stake − cost), with B and A the two choices and Γ the doubly robust
    difference. It is tried for all whom the average pays for and for the half of them that gains most; the
    greater lower bound at 1 − (1 − confidence)/2 must lie above 0.

    References
    ----------
    Kennedy (2023), Towards optimal doubly robust estimation of heterogeneous causal effects. Athey & Wager (2021),
    Policy learning with observational data.
    """
    models: dict[str, EffectModel] = {}
    rows = []
    if "chances" in known:
        names = [str(c) for c in known if is_protected(str(c), protected)]
        features = effect_features(known, names)
        level = false_alarms / max(1, len(costs))
        for offer, cost in costs.items():
            log, at_stake = _trial(known, features, offer, cost, stake)
            if log is None:
                continue
            scored = score_rows(log, seed=seed)
            effect = offer_effect(scored, 1, level)
            earned = _earned(scored, difference(scored, 1, 0), at_stake, cost)
            bound = 1 - (1 - confidence) / len(earned)
            best = max(earned, key=lambda gain: gain.low(bound))
            used = effect.heterogeneous and best.low(bound) > 0
            if used:
                price = np.array([0.0, cost / float(at_stake.mean())])
                policy = safe_policy(scored, price, confidence=confidence)
                models[offer] = EffectModel(OUTCOME, "money", scored.columns, (effect,), policy)
            error = mean_of(scored.gamma[:, 1] - scored.gamma[:, 0], log.clusters()).error
            rows.append(
                (
                    offer,
                    log.rows,
                    effect.average,
                    error,
                    effect.p_heterogeneity,
                    best.value,
                    best.low(bound),
                    used,
                )
            )
    names = ["offer", "rows", "effect", "error", "p_value", "gain", "low", "used"]
    return Learnt(models, pd.DataFrame(rows, columns=names))


def _trial(
    known: pd.DataFrame, features: pd.DataFrame, offer: str, cost: float, stake: str
) -> tuple[TrialLog | None, Floats]:
    """The rows that got the offer or were left alone and could have got either; None where they are too few."""
    alone, given = read_chances(known["chances"], [offer]).T
    together = alone + given
    at_stake = known[stake].to_numpy(np.float64)
    share = np.divide(given, together, out=np.zeros_like(given), where=together > 0)
    usable = (share >= _LEAST_CHANCE) & (share <= 1 - _LEAST_CHANCE) & known["offer"].isin([offer, ALONE])
    usable &= np.isfinite(at_stake) & (at_stake > cost)
    usable = usable.to_numpy(bool)
    if usable.any():
        usable &= at_stake > _LEAST_STAKE * at_stake[usable].mean()
    got = (known["offer"] == offer).to_numpy(np.int64)[usable]
    some = features[usable].reset_index(drop=True)
    some = some[[name for name in some if not _constant(some[name])]]
    chances = np.column_stack([1 - share[usable], share[usable]])
    outcome = known["margin"].to_numpy(np.float64)[usable] / at_stake[usable]
    who = known["customer_id"].to_numpy(object)[usable]
    try:
        log = TrialLog(some, (offer,), got, chances, outcome, "money", OUTCOME, who)
    except NotEnoughData:
        return None, at_stake[usable]
    return log, at_stake[usable]


def _constant(column: pd.Series) -> bool:
    return bool(column.isna().all()) or bool((column == column.iloc[0]).all())


def _earned(scored: Scored, found: Difference, stake: Floats, cost: float) -> list[Mean]:
    """Money per row that choosing by customer earned more than choosing by the average, as many offers each."""
    same = np.empty(len(stake))
    for k in np.unique(scored.fold):
        same[scored.fold == k] = found.target[scored.fold != k].mean()
    by_average = same * stake - cost
    by_customer = out_of_fold(found, scored.fold) * stake - cost
    paying = int((by_average > 0).sum())
    gain = found.target * stake - cost
    earned = []
    for reached in _REACHED:
        first, second = (_most(by, int(reached * paying)) for by in (by_customer, by_average))
        earned.append(mean_of((first.astype(np.float64) - second) * gain, scored.log.clusters()))
    # Where the average pays for nobody, those for whom the offer pays.
    return earned if paying else [mean_of((by_customer > 0) * gain, scored.log.clusters())]


def _most(gain: Floats, count: int) -> npt.NDArray[np.bool_]:
    """The `count` rows that gain most, of those that gain anything."""
    chosen = np.zeros(len(gain), dtype=bool)
    chosen[np.argsort(-gain, kind="stable")[:count]] = True
    return chosen & (gain > 0)
