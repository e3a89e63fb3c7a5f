"""The closed form opened into silence, number and gap of purchases."""

from __future__ import annotations

from datetime import date
from itertools import permutations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.errors import ModelError
from tests.training.small_shops import history
from training.models.anchor import Anchor
from training.models.anchor_parts import PARTS, UsualCustomer, open_anchor
from training.models.gamma_gamma import GammaGamma
from training.models.head import Head, logit
from training.models.level import LevelCurve
from training.models.mbg_nbd import MbgNbd
from training.models.rows import Rows

ANCHOR = Anchor(
    MbgNbd(r=0.5, alpha=60.0, a=0.9, b=2.5),
    GammaGamma(p=6.0, q=4.0, v=15.0),
    orders_per_day=1.0,
    kept_share=1.0,
)
USUAL = UsualCustomer(frequency=2.0, gap_days=30.0, silence_days=50.0)
ROWS = history(300)
WINDOW = 60


def score(x: float, gap: float, silence: float) -> float:
    rows = pd.DataFrame({"frequency": [x], "recency": [x * gap], "T": [x * gap + silence]})
    return float(logit(ANCHOR.no_order_probability(rows, WINDOW))[0])


def opened(rows: pd.DataFrame, *, mean: float = -0.7, usual: UsualCustomer = USUAL) -> pd.DataFrame:
    closed = logit(ANCHOR.no_order_probability(rows, WINDOW))
    parts = Head(anchor_mean=mean).contributions(closed, rows, date(2026, 1, 1))
    return open_anchor(parts, rows, ANCHOR, usual=usual, window_days=WINDOW).frame(rows.index)


def test_parts_are_the_mean_over_all_orders_of_telling_the_facts():
    rows = pd.DataFrame({"frequency": [4.0], "recency": [40.0], "T": [140.0]})
    theirs, ours = (2.0, 30.0, 50.0), (4.0, 10.0, 100.0)
    wanted = np.zeros(3)
    for order in permutations(range(3)):
        facts = list(theirs)
        for i in order:
            before = score(*facts)
            facts[i] = ours[i]
            wanted[i] += (score(*facts) - before) / 6
    found = opened(rows)
    assert found[list(PARTS)].to_numpy()[0] == pytest.approx(wanted, abs=1e-12)
    assert found["base"][0] == pytest.approx(score(*theirs), abs=1e-12)


def test_every_row_keeps_its_sum_and_the_base_is_one_for_all():
    found = opened(ROWS)
    closed = logit(ANCHOR.no_order_probability(ROWS, WINDOW))
    assert "anchor" not in found
    assert found.sum(axis=1).to_numpy() == pytest.approx(closed, abs=1e-12)
    assert np.ptp(found["base"]) < 1e-12


def test_the_usual_customer_has_nothing_to_tell():
    rows = pd.DataFrame({"frequency": [2.0], "recency": [60.0], "T": [110.0]})
    assert opened(rows)[list(PARTS)].abs().to_numpy().max() < 1e-12


def test_one_time_buyers_have_no_gap():
    once = ROWS[ROWS["frequency"] == 0]
    assert len(once) > 20
    assert (opened(once)["anchor_gap"] == 0).all()


def test_silence_raises_the_risk_the_longer_it_lasts():
    rows = pd.DataFrame({"frequency": 3.0, "recency": 90.0, "T": 90.0 + np.array([1.0, 50.0, 200.0])})
    told = opened(rows)["anchor_silence"].to_numpy()
    assert told[0] < 0
    assert (np.diff(told) > 0).all()


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 5_000), st.integers(0, 4_000), st.integers(0, 4_000), st.integers(0, 9))
def test_extreme_customers_stay_finite_and_add_up(x: int, span: int, silence: int, usual_x: int):
    t_x = float(span if x else 0)
    rows = pd.DataFrame({"frequency": [float(x)], "recency": [t_x], "T": [t_x + silence]})
    found = opened(rows, usual=UsualCustomer(float(usual_x), 7.0, 12.0))
    closed = logit(ANCHOR.no_order_probability(rows, WINDOW))
    assert np.isfinite(found).all(axis=None)
    assert found.to_numpy().sum() == pytest.approx(closed[0], abs=1e-9)


def test_one_row_alone_has_the_bits_of_the_batch():
    together = opened(ROWS.head(40))
    alone = pd.concat([opened(ROWS.iloc[[i]]) for i in range(40)])
    pd.testing.assert_frame_equal(alone, together, check_exact=True)
    assert opened(ROWS.iloc[:0]).empty


def test_a_weight_shares_out_that_part_of_the_closed_form_alone():
    closed = logit(ANCHOR.no_order_probability(ROWS, WINDOW))
    parts = pd.DataFrame({"anchor": 0.5 * (closed + 0.7), "base": -0.2}, index=ROWS.index)
    given = Rows(tuple(parts), parts.to_numpy())
    found = open_anchor(given, ROWS, ANCHOR, usual=USUAL, window_days=WINDOW, weight=0.5).frame(ROWS.index)
    assert found.sum(axis=1).to_numpy() == pytest.approx(parts.sum(axis=1).to_numpy(), abs=1e-12)
    assert np.ptp(found["base"]) < 1e-12
    assert found["anchor_gap"].to_numpy() == pytest.approx(0.5 * opened(ROWS)["anchor_gap"].to_numpy())


def test_the_usual_customer_is_medians_to_two_digits():
    rows = pd.DataFrame({"frequency": [0, 1, 3, 4], "recency": [0, 101, 333, 200], "T": [117, 151, 400, 260]})
    assert UsualCustomer.of(rows) == UsualCustomer(frequency=2.0, gap_days=100.0, silence_days=64.0)
    assert UsualCustomer.from_json(USUAL.to_json()) == USUAL


def test_a_shop_where_nobody_came_back_has_a_usual_customer_too():
    rows = pd.DataFrame({"frequency": [0, 0], "recency": [0, 0], "T": [0, 90]})
    usual = UsualCustomer.of(rows)
    assert usual == UsualCustomer(0.0, 45.0, 45.0)
    assert (opened(rows, usual=usual)[["anchor_frequency", "anchor_gap"]].abs() < 1e-12).all(axis=None)


def test_a_bundle_without_one_is_told_to_train_again():
    with pytest.raises(ModelError, match=r"no usual customer .* run `retain train`"):
        UsualCustomer.from_json(None)


def test_the_season_stands_apart_from_the_lasting_level():
    curve = LevelCurve((date(2025, 1, 1), date(2025, 1, 31)), (0.4, 0.4), weight=0.5)
    head, rows = Head(level=curve, anchor_mean=-1.0), pd.DataFrame(index=["a"])
    parts = head.contributions(np.array([0.0]), rows, date(2026, 1, 11)).frame(rows.index)
    assert parts.loc["a"].to_dict() == pytest.approx({"base": -1.0, "anchor": 1.0, "season": 0.2})
    later = head.contributions(np.array([0.0]), rows, date(2028, 1, 11)).frame(rows.index)
    assert later["season"]["a"] == 0.0
