"""From the log to what is believed of every offer: by run, by exploration, and for every customer.

`measured_effects` gives one effect per offer and run, from those the offer was planned for, and one from those who
explored it. `customer_effects` puts the effects learnt by customer (`training.models.effect`) in the place of the
average where there are any.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.tables import Tables
from serving.campaign_results import outcomes_of, ripe
from serving.decision_log import DecisionLog
from strategies.adjusted_effect import LEFT_ALONE, TREATED, Trial, adjusted_effect
from strategies.chances import ALONE, read_chances
from strategies.columns import as_numbers
from strategies.effects import margin_estimate
from strategies.offers import OfferCatalogue
from strategies.results import COVARIATES, campaign_effects
from training.models.effect import EffectModel
from training.models.effect_columns import effect_features

__all__ = ["EXPLORED", "customer_effects", "known_outcomes", "measured_effects"]

Floats = npt.NDArray[np.float64]
EXPLORED: Final = "explored"
STAKE: Final = "value_at_stake_in_window"
_LEAST_EXPLORED = 50


def known_outcomes(
    log: DecisionLog, tables: Tables, as_of: date, horizon_days: int, *, margin_rate: float
) -> pd.DataFrame | None:
    """All decisions whose time is over with what came of them; None when there are none.

    Parameters
    ----------
    log : DecisionLog
        Decisions and results so far.
    tables : Tables
        Orders up to `as_of`.
    as_of : date
    horizon_days : int
        Days after a decision that count.
    margin_rate : float
        Where the cost of goods is not known.

    Returns
    -------
    DataFrame or None
        As `serving.campaign_results.outcomes_of`, with ``value_at_stake_in_window``: what was at stake in the days
        that count; where the log does not have it, ``value_at_stake``.
    """
    over, _ = ripe(log.decisions(), as_of, horizon_days)
    if over.empty:
        return None
    known = outcomes_of(over, log.results(), tables, horizon_days, margin_rate=margin_rate)
    stake = known[STAKE].astype("float64") if STAKE in known else pd.Series(np.nan, index=known.index)
    return known.assign(**{STAKE: stake.fillna(known["value_at_stake"])})


def measured_effects(known: pd.DataFrame, *, stake: str = STAKE) -> pd.DataFrame:
    """Effect of each offer as a share of the value at stake, by run and from exploration.

    Parameters
    ----------
    known : DataFrame
        From `known_outcomes`.
    stake : str
        Column of the value at stake in the days that the outcomes count, so that the share saved of these days
        is taken to hold for the days to come.

    Returns
    -------
    DataFrame
        ``offer``, ``effect``, ``error``, ``run_id``. Runs too small to tell are left out.

    Notes
    -----
    A run compares those for whom an offer was planned, treated or held out. The row ``explored`` of an offer
    compares, over all runs, those for whom something else was planned and who drew it by exploration, with those of
    them left alone; so an offer that is never planned becomes known too. No customer's decision counts in both.
    """
    rows = [
        row for run_id, run in known.groupby("run_id", sort=True) for row in _planned(run, str(run_id), stake)
    ]
    if "chances" in known:
        rows += list(_explored(known, stake))
    return pd.DataFrame(rows, columns=["offer", "effect", "error", "run_id"])


def _planned(run: pd.DataFrame, run_id: str, stake: str) -> Iterator[tuple[str, float, float, str]]:
    found = campaign_effects(run, outcomes=["margin"], dimensions=["offer"])
    stakes = run[stake].groupby(run["planned_offer"]).mean()
    for one in found.to_dict("records"):
        mean = float(stakes.get(one["group"], 0.0))
        if np.isfinite(one["se"]) and one["se"] > 0 and mean > 0:
            share = margin_estimate(one["effect"], one["se"], mean)
            yield one["group"], share.value, share.error, run_id


def _explored(known: pd.DataFrame, stake: str) -> Iterator[tuple[str, float, float, str]]:
    """Each offer among those it was not planned for and who could have drawn it."""
    explored = (known["offer"] != ALONE) & (known["offer"] != known["planned_offer"])
    offers = sorted(known.loc[explored, "offer"].unique())
    chances = read_chances(known["chances"], offers)
    covariates = [name for name in COVARIATES if name in known]
    for place, offer in enumerate(offers, 1):
        could = (chances[:, place] > 0) & (known["planned_offer"] != offer).to_numpy()
        some = known[could & known[stake].notna().to_numpy()]
        got = some["offer"].to_numpy(object)
        arm = np.select([got == offer, got == ALONE], [TREATED, LEFT_ALONE], -1).astype(np.int64)
        mean = float(some[stake].mean()) if len(some) else 0.0
        if min((arm == TREATED).sum(), (arm == LEFT_ALONE).sum()) < _LEAST_EXPLORED or not mean > 0:
            continue
        trial = Trial(
            some[["margin"]].astype(np.float64),
            arm,
            some["propensity"].to_numpy(np.float64),
            some[covariates].astype(np.float64),
            some["customer_id"].to_numpy(object),
        )
        effect, error = adjusted_effect(trial)[["effect", "se"]].to_numpy(np.float64)[0]
        if np.isfinite(error) and error > 0:
            share = margin_estimate(effect, error, mean)
            yield offer, share.value, share.error, EXPLORED


def customer_effects(
    people: pd.DataFrame,
    catalogue: OfferCatalogue,
    beliefs: pd.DataFrame,
    learnt: Mapping[str, EffectModel] | None = None,
) -> Floats:
    """Effect of every offer on every customer, shape (customers, offers), in [−1, 1].

    Parameters
    ----------
    people : DataFrame
        Customers of the day with the columns the models read.
    catalogue : OfferCatalogue
    beliefs : DataFrame
        From `strategies.effects.believed_effects`: the same for all.
    learnt : mapping of str to EffectModel, optional
        By offer, effects by customer as `training.effects.learn.learn_effects` gives them: a share of the margin of
        a customer who stays, so that divided by p (1 − p) they are a share of the value at stake.

    Raises
    ------
    ModelError
        A column that a model reads is missing.
    """
    effects = np.tile(beliefs["effect"].to_numpy(np.float64), (len(people), 1))
    if not learnt:
        return effects
    features = effect_features(people)
    churn = as_numbers(people["churn_probability"])
    doubt = churn * (1 - churn)
    for place, code in enumerate(catalogue.codes):
        if code in learnt:
            share = learnt[code].predict(features)[:, 0]
            # Where leaving or staying is sure, nothing is at stake.
            effects[:, place] = np.divide(share, doubt, out=np.zeros(len(people)), where=doubt > 0)
    return np.clip(effects, -1.0, 1.0)
