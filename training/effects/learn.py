"""From the decision log with what came of it to effects by customer, as far as a lower bound carries.

Each offer is held against leaving alone on the rows that could have got either. The outcome is the margin as a
share of what the customer brings when staying, so that large and small customers tell the same thing about an
offer, with about the same noise.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.errors import NotEnoughData
from strategies.chances import ALONE, read_chances
from strategies.protected import PROTECTED, is_protected
from training.effects.average import mean_of
from training.effects.differences import difference, kept_score
from training.effects.doubly_robust import score_rows
from training.effects.measure import offer_effect
from training.effects.safe_policy import safe_policy
from training.effects.trial_log import TrialLog
from training.models.effect import EffectModel
from training.models.effect_columns import effect_features, margin_of_stayers

__all__ = ["Learnt", "learn_effects"]

Floats = npt.NDArray[np.float64]
OUTCOME = "margin as a share of that of a customer who stays"
_LEAST_CHANCE = 0.05


@dataclass(frozen=True)
class Learnt:
    """What was learnt of a log.

    Parameters
    ----------
    models : dict of str to EffectModel
        By offer, where the lower bound says that effects differ by customer. Outcome: margin as a share of
        `training.models.effect_columns.margin_of_stayers`.
    tried : DataFrame
        One row per offer with enough results: ``offer, rows, effect, error`` (average, in that unit), ``p_value``
        (that nothing tells customers apart), ``slope`` (how much of the difference foretold came true),
        ``slope_low`` (its lower bound, within 0 and 1: how much of it is used), ``used``.
    """

    models: dict[str, EffectModel]
    tried: pd.DataFrame


def learn_effects(
    known: pd.DataFrame,
    costs: Mapping[str, float],
    *,
    stake: str = "value_at_stake",
    protected: Collection[str] = PROTECTED,
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
    confidence : float
        Chance that, where effects are the same for all, no offer is said to differ; one-sided, shared by all
        offers (Bonferroni).
    seed : int
        Of the folds.

    Returns
    -------
    Learnt

    Notes
    -----
    Rows of an offer: those that got it or were left alone, could have got either (5 % or more of the chance of
    both together), and have more at stake than it costs. Among them the chance of the offer is
    p / (p + p_alone), known by design. The effect of a customer is average + slope · score(x), where the score is
    learnt from what was known at the decision and the slope is how much of scores out of sample came true, see
    `training.effects.differences`. Instead of the slope its lower bound is used: customers are told apart as far
    as the evidence surely carries, and not at all where it does not.

    References
    ----------
    Kennedy (2023), Towards optimal doubly robust estimation of heterogeneous causal effects. Chernozhukov, Demirer,
    Duflo & Fernández-Val (2018), Generic machine learning inference on heterogeneous treatment effects.
    """
    models: dict[str, EffectModel] = {}
    rows = []
    if "chances" in known:
        names = [str(c) for c in known if is_protected(str(c), protected)]
        features = effect_features(known, names)
        for offer, cost in costs.items():
            log, brings = _trial(known, features, offer, cost, stake)
            if log is None:
                continue
            scored = score_rows(log, seed=seed)
            found = difference(scored, 1, 0)
            level = 1 - (1 - confidence) / len(costs)
            low = float(np.clip(found.calibration.low(level), 0.0, 1.0))
            effect = offer_effect(scored, 1, 1 - level)
            if low > 0:
                price = np.array([0.0, cost / float(brings.mean())])
                surely = replace(effect, slope=low, heterogeneous=True, score=kept_score(scored, found))
                policy = safe_policy(scored, price, confidence=confidence)
                models[offer] = EffectModel(OUTCOME, "money", scored.columns, (surely,), policy)
            error = mean_of(found.target, log.clusters()).error
            rows.append((offer, log.rows, effect.average, error, found.p_value, found.slope, low, low > 0))
    names = ["offer", "rows", "effect", "error", "p_value", "slope", "slope_low", "used"]
    return Learnt(models, pd.DataFrame(rows, columns=names))


def _trial(
    known: pd.DataFrame, features: pd.DataFrame, offer: str, cost: float, stake: str
) -> tuple[TrialLog | None, Floats]:
    """The rows that got the offer or were left alone and could have got either; None where they are too few."""
    alone, given = read_chances(known["chances"], [offer]).T
    together = alone + given
    share = np.divide(given, together, out=np.zeros_like(given), where=together > 0)
    drawn = known["offer"].isin([offer, ALONE]).to_numpy(bool)
    chance = (share >= _LEAST_CHANCE) & (share <= 1 - _LEAST_CHANCE)
    brings = margin_of_stayers(known["churn_probability"], known[stake])
    usable = drawn & chance & np.isfinite(brings) & (known[stake].to_numpy(np.float64) > cost)
    got = (known["offer"] == offer).to_numpy(np.int64)[usable]
    some = features[usable].reset_index(drop=True)
    some = some[[name for name in some if not _constant(some[name])]]
    chances = np.column_stack([1 - share[usable], share[usable]])
    outcome = known["margin"].to_numpy(np.float64)[usable] / brings[usable]
    who = known["customer_id"].to_numpy(object)[usable]
    try:
        log = TrialLog(some, (offer,), got, chances, outcome, "money", OUTCOME, who)
    except NotEnoughData:
        return None, brings[usable]
    return log, brings[usable]


def _constant(column: pd.Series) -> bool:
    return bool(column.isna().all()) or bool((column == column.iloc[0]).all())
