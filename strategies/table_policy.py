"""What a strategy table and an offer catalogue would have chosen for decisions of the past."""

from __future__ import annotations

import numpy as np
import pandas as pd

from features.errors import InputError
from strategies.columns import as_numbers
from strategies.offers import LEAVE_ALONE, OfferCatalogue
from strategies.strategy_rules import KEYS
from strategies.strategy_table import StrategyTable, assign

__all__ = ["chances", "chosen_offers"]


def chosen_offers(log: pd.DataFrame, table: StrategyTable, catalogue: OfferCatalogue) -> pd.Series:
    """The offer each customer of the log would get from another table and catalogue.

    Parameters
    ----------
    log : DataFrame
        Decisions with the labels of the day: the keys of the table, ``value_at_stake`` and where known
        ``last_campaign_days``. Who opted out is in no log.
    table : StrategyTable
        Gives the strategy.
    catalogue : OfferCatalogue
        Gives the offers open to it, their effects and costs.

    Returns
    -------
    Series of str
        Offer codes; index of `log`.

    Raises
    ------
    InputError
        The log does not hold the labels.

    Notes
    -----
    The eligible offer with the largest effect · value at stake − cost, or *leave alone* where that is not above
    0. Budgets and capacities are not looked at: the test tells what the table is worth where they do not bind.

    Examples
    --------
    >>> log = pd.DataFrame({"value_class": ["gold", "lead"], "status": "active", "risk": "high"})
    >>> log = log.assign(lifecycle_stage="commitment", satisfaction_loyalty="unknown", value_at_stake=500.0)
    >>> chosen_offers(log, StrategyTable.default(), OfferCatalogue.default()).tolist()
    ['service_recovery_call', 'leave_alone']
    """
    missing = [name for name in (*KEYS, "value_at_stake") if name not in log.columns]
    if missing:
        raise InputError(
            f"offline test: the decision log does not hold {', '.join(missing)}, by which a strategy table decides; "
            "decide with this version of Retain, and test once the time of those runs is over"
        )
    people = log.assign(
        strategy=assign(log[list(KEYS)].fillna("unknown"), table)["strategy"], opted_out=False
    )
    if "last_campaign_days" not in people:
        people["last_campaign_days"] = np.nan
    effects = np.array([offer.assumed_effect for offer in catalogue.offers], dtype=np.float64)
    stake = np.nan_to_num(as_numbers(log["value_at_stake"]))
    gain = stake[:, None] * effects - catalogue.costs
    gain = np.where(catalogue.eligible(people), gain, -np.inf)
    codes = np.array([*catalogue.codes, LEAVE_ALONE], dtype=object)
    worth = np.column_stack([gain, np.zeros(len(log))])
    # of equal gains leaving alone wins: it is the last, and ties go to the last
    best = worth.shape[1] - 1 - np.argmax(worth[:, ::-1], axis=1)
    return pd.Series(codes[best], index=log.index, name="offer")


def chances(chosen: pd.Series) -> pd.DataFrame:
    """A choice made with certainty, as the chances that `strategies.offline_test` takes.

    Examples
    --------
    >>> chances(pd.Series(["call", "leave_alone"])).values.tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    return pd.get_dummies(chosen).astype(np.float64)
