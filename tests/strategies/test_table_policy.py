"""What another table and catalogue would have chosen, by hand."""

from __future__ import annotations

import pandas as pd
import pytest

from features.errors import InputError
from strategies.offers import OfferCatalogue
from strategies.strategy_table import StrategyTable
from strategies.table_policy import chances, chosen_offers

TABLE = StrategyTable.default()
OFFERS = (
    "code,channel,cost,strategies,assumed_effect,cool_down_days,text_en\n"
    "call,phone,10,rescue,0.2,30,a call\n"
    "gift,post,30,rescue,0.3,0,a gift\n"
)
CATALOGUE = OfferCatalogue.parse(OFFERS, TABLE, source="mine.csv")


def log(**changes: object) -> pd.DataFrame:
    frame = pd.DataFrame({"value_class": ["gold"] * 4, "status": "active", "risk": "high"})
    frame = frame.assign(lifecycle_stage="commitment", satisfaction_loyalty="unknown")
    return frame.assign(value_at_stake=[40.0, 100.0, 300.0, None]).assign(**changes)


def test_the_offer_that_gains_most_is_chosen_or_none() -> None:
    # call: 0.2·v − 10, gift: 0.3·v − 30; at 40 both lose, at 100 the call wins 10 to 0, at 300 the gift 60 to 50
    chosen = chosen_offers(log(), TABLE, CATALOGUE)
    assert chosen.tolist() == ["leave_alone", "call", "gift", "leave_alone"]


def test_cool_down_and_strategy_are_kept() -> None:
    recent = chosen_offers(log(last_campaign_days=[5.0, 5.0, 5.0, None]), TABLE, CATALOGUE)
    assert recent.tolist() == ["leave_alone", "leave_alone", "gift", "leave_alone"]
    others = chosen_offers(log(value_class="lead", risk="low"), TABLE, CATALOGUE)
    assert set(others) == {"leave_alone"}


def test_nobody_is_lost_and_labels_not_known_are_unknown() -> None:
    found = chances(chosen_offers(log(status=None), TABLE, CATALOGUE))
    assert found.sum(axis=1).tolist() == [1.0] * 4
    assert list(found) == ["leave_alone"]


def test_a_log_without_labels_is_refused() -> None:
    with pytest.raises(
        InputError, match="does not hold lifecycle_stage, risk, by which a strategy table decides"
    ):
        chosen_offers(log().drop(columns=["lifecycle_stage", "risk"]), TABLE, CATALOGUE)
