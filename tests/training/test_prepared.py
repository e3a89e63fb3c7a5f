"""One customer answered without data frames: the bits of the batch, and its errors."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.errors import ModelError
from features.pipeline import FEATURES
from tests.training.small_shops import features_of
from training.models.mbg_cnbd_k import MbgCnbdK
from training.models.prepared import Prepared
from training.models.rows import Rows, matrix_of


def same(bundle, rows, day):
    batch = bundle.predict(rows, day).drop(columns=["evidence", "evidence_value"])
    one = Prepared(bundle, day)
    for vector, expected in zip(rows.to_numpy(), batch.to_dict("records"), strict=True):
        np.testing.assert_equal(one.predict(vector), expected)
        assert one.churn_probability(vector) == expected["churn_probability"]


def test_one_customer_has_the_bits_of_the_batch(demo_bundle, demo_panel):
    rows = demo_panel.frame[list(FEATURES)].sample(150, random_state=2)
    same(demo_bundle, rows, demo_panel.as_of + timedelta(days=20))


def test_so_it_has_where_customers_have_a_rhythm(demo_bundle, demo_panel):
    anchor = replace(demo_bundle.anchor, buying=MbgCnbdK(k=3, r=0.5, alpha=20.0, a=0.9, b=2.5))
    rows = demo_panel.frame[list(FEATURES)].sample(40, random_state=3)
    same(replace(demo_bundle, anchor=anchor), rows, demo_panel.as_of)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.one_of(st.none(), st.floats(-1e9, 1e9)), min_size=len(FEATURES), max_size=len(FEATURES)),
    st.tuples(st.integers(0, 5000), st.integers(0, 4000), st.integers(0, 4000)),
)
def test_so_it_has_whatever_the_figures(demo_bundle, demo_panel, figures, history):
    row = features_of(demo_panel, demo_panel.as_of).head(3).copy()
    row.iloc[1] = np.array(figures, dtype=np.float64)
    bought, late, silent = (float(v) for v in history)
    row.iloc[1, row.columns.get_indexer(["frequency", "recency", "T", "purchase_days"])] = [
        bought,
        late if bought else 0.0,
        (late if bought else 0.0) + silent,
        bought + 1.0,
    ]
    same(demo_bundle, row, demo_panel.as_of)


def test_the_answer_is_that_of_the_day_asked_for(demo_bundle, demo_panel):
    vector = features_of(demo_panel, demo_panel.as_of).to_numpy()[0]
    days = [demo_panel.as_of + timedelta(days=d) for d in (0, 150)]
    found = [Prepared(demo_bundle, day).predict(vector) for day in days]
    assert found[0] != found[1]
    assert found[0] == Prepared(demo_bundle, days[0]).predict(vector)


@pytest.mark.parametrize("shape", [(1, len(FEATURES)), (3,), ()])
def test_too_few_or_too_many_figures_are_refused(demo_bundle, demo_panel, shape):
    with pytest.raises(ModelError, match=r"one figure for each of \d+ features, got shape"):
        Prepared(demo_bundle, demo_panel.as_of).predict(np.zeros(shape))


def test_rows_and_frames_hand_over_the_same_columns(demo_panel):
    frame = features_of(demo_panel, demo_panel.as_of).head(9)
    rows = Rows(tuple(frame.columns), frame.to_numpy())
    names = ("T", "recency", "gap_mean")
    assert np.array_equal(matrix_of(frame, names), matrix_of(rows, names), equal_nan=True)
    assert np.array_equal(rows["T"], frame["T"])
    assert rows.take(names).flags.c_contiguous
    with pytest.raises(ModelError, match=r"1 columns the model needs are missing, e\.g\. 'moon'"):
        rows.take(("T", "moon"))
