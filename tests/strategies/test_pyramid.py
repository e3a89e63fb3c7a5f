"""The customer pyramid: shares from the top, ties, damping, what is unknown."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from strategies.framework import tell
from strategies.pyramid import PYRAMID, PyramidSettings


def _people(values: list[float]) -> pd.DataFrame:
    return pd.DataFrame({"customer_id": [f"c{i}" for i in range(len(values))], "current_value": values})


def _tiers(people: pd.DataFrame, before: pd.DataFrame | None = None) -> pd.Series:
    cuts = PYRAMID.cuts(people, PYRAMID.settings)
    return PYRAMID.label(people, cuts, PYRAMID.settings, before).columns["pyramid_tier"]


def test_a_thousand_customers_fill_the_tiers_by_their_shares() -> None:
    counts = _tiers(_people([float(v) for v in range(1000)])).value_counts().to_dict()
    assert counts == {"diamond": 10, "gold": 40, "silver": 150, "iron": 300, "lead": 500}


def test_equal_values_are_never_split() -> None:
    assert set(_tiers(_people([5.0] * 50))) == {"lead"}


def test_without_a_value_the_tier_is_unknown_and_says_so() -> None:
    people = _people([1.0, np.nan])
    cuts = PYRAMID.cuts(people, PYRAMID.settings)
    found = PYRAMID.label(people, cuts, PYRAMID.settings, None)
    assert found.columns["pyramid_tier"].iloc[1] == "unknown"
    assert tell(PYRAMID, people, found, "en").iloc[1] == "the margin of the last year is not known"


def test_the_column_missing_altogether_is_unknown_for_all() -> None:
    people = _people([1.0, 2.0]).drop(columns="current_value")
    assert set(_tiers(people)) == {"unknown"}


def test_a_customer_just_below_the_cut_keeps_the_tier_of_the_last_run() -> None:
    people = _people([float(v) for v in range(100, 1100)])
    cuts = PYRAMID.cuts(people, PYRAMID.settings)
    just_below = _people([cuts["tier_diamond"] * 0.97])
    before = pd.DataFrame({"pyramid_tier": ["diamond"]}, index=["c0"])
    damped = PYRAMID.label(just_below, cuts, PYRAMID.settings, before).columns["pyramid_tier"]
    plain = PYRAMID.label(just_below, cuts, PYRAMID.settings, None).columns["pyramid_tier"]
    assert (damped.iloc[0], plain.iloc[0]) == ("diamond", "gold")


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60))
def test_every_customer_has_one_tier_and_order_follows_value(values: list[float]) -> None:
    rank = {"lead": 0, "iron": 1, "silver": 2, "gold": 3, "diamond": 4}
    tiers = _tiers(_people(values)).map(rank)
    assert tiers.notna().all()
    assert (tiers.to_numpy()[np.argsort(values)][1:] >= tiers.to_numpy()[np.argsort(values)][:-1]).all()


def test_shares_that_leave_no_rest_are_refused() -> None:
    with pytest.raises(ValidationError, match="sum below 1"):
        PyramidSettings(tiers=(0.5, 0.3, 0.1, 0.1))
