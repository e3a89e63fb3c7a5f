"""RFM scores: hand-made fifths, ties, frozen edges, and one row like the batch."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.errors import InputError, ModelError, NotEnoughData
from strategies.rfm_scores import RFM_COLUMNS, RfmEdges, scores

ROW = st.tuples(st.integers(0, 900), st.integers(0, 30), st.floats(0, 1e6))


def people(rows: list[tuple[float, float, float]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=list(RFM_COLUMNS), dtype="float64")


def test_ten_customers_fall_two_by_two_into_fifths() -> None:
    frame = people([(d, 11 - d, 100.0 * d) for d in range(1, 11)])
    edges = RfmEdges.fit(frame)
    assert edges.days_since_last == (2.0, 4.0, 6.0, 8.0)
    assert edges.spend_365d == (200.0, 400.0, 600.0, 800.0)
    found = scores(frame, edges)
    assert found["r_score"].tolist() == [5, 5, 4, 4, 3, 3, 2, 2, 1, 1]
    assert found["f_score"].tolist() == [5, 5, 4, 4, 3, 3, 2, 2, 1, 1]
    assert found["m_score"].tolist() == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    assert found["rfm_score"].tolist()[:3] == ["551", "551", "442"]


def test_customers_with_equal_values_share_a_score() -> None:
    frame = people([(10, f, 1.0) for f in (0, 0, 0, 0, 0, 0, 1, 1, 2, 9)])
    edges = RfmEdges.fit(frame)
    assert edges.frequency == (0.0, 0.0, 0.0, 1.0)
    assert scores(frame, edges)["f_score"].tolist() == [1] * 6 + [4, 4, 5, 5]


def test_values_beyond_the_reference_get_the_outer_scores() -> None:
    edges = RfmEdges((10, 20, 30, 40), (1, 2, 3, 4), (10, 20, 30, 40))
    found = scores(people([(0, 99, 1e9), (5000, 0, -5.0)]), edges)
    assert found["rfm_score"].tolist() == ["555", "111"]


def test_a_missing_quantity_makes_the_whole_score_unknown() -> None:
    edges = RfmEdges((10, 20, 30, 40), (1, 2, 3, 4), (10, 20, 30, 40))
    found = scores(people([(np.nan, 2, 15.0), (15, 2, 15.0)]), edges)
    assert found["rfm_score"].tolist() == ["unknown", "422"]
    assert found["r_score"].isna().tolist() == [True, False]
    assert found["f_score"].tolist() == [2, 2]


def test_edges_survive_json() -> None:
    edges = RfmEdges.fit(people([(1.5, 0, 0.1), (2, 3, 0.2), (9, 1, 1 / 3)]))
    assert RfmEdges.from_dict(json.loads(json.dumps(edges.to_dict()))) == edges


@pytest.mark.parametrize(
    "bad", [[1, 2, 3], [4, 3, 2, 1], [1, 2, 3, float("nan")], [1, 2, 3, "4"], [1, 2, 3, 4, 5], []]
)
def test_damaged_edges_are_refused_by_name(bad: list[object]) -> None:
    data = {**RfmEdges((1, 2, 3, 4), (1, 2, 3, 4), (1, 2, 3, 4)).to_dict(), "frequency": bad}
    with pytest.raises(ModelError, match="edges of frequency are"):
        RfmEdges.from_dict(data)


def test_missing_columns_are_named_all_at_once() -> None:
    with pytest.raises(InputError, match=r"lacks 2 column\(s\): frequency, spend_365d"):
        RfmEdges.fit(pd.DataFrame({"days_since_last": [1.0]}))


def test_a_population_without_numbers_is_refused() -> None:
    with pytest.raises(NotEnoughData, match="days_since_last is missing in all 0 rows"):
        RfmEdges.fit(people([]))


def test_one_customer_is_a_population() -> None:
    frame = people([(7, 2, 30.0)])
    assert scores(frame, RfmEdges.fit(frame))["rfm_score"].tolist() == ["511"]


@given(st.lists(ROW, min_size=1, max_size=40), st.randoms())
def test_row_order_changes_nothing_and_one_row_answers_as_the_batch(rows: list, random: object) -> None:
    frame = people(rows)
    edges = RfmEdges.fit(frame)
    batch = scores(frame, edges)
    shuffled = frame.sample(frac=1, random_state=random.randrange(1000))  # type: ignore[attr-defined]
    assert RfmEdges.fit(shuffled) == edges
    pd.testing.assert_frame_equal(scores(shuffled, edges).sort_index(), batch)
    pd.testing.assert_frame_equal(scores(frame.iloc[[0]], edges), batch.iloc[[0]])


@given(st.lists(ROW, min_size=2, max_size=40))
def test_more_recent_more_often_and_more_money_never_score_less(rows: list) -> None:
    frame = people(rows)
    found = scores(frame, RfmEdges.fit(frame))
    for column, score, sign in zip(RFM_COLUMNS, ("r_score", "f_score", "m_score"), (-1, 1, 1), strict=True):
        order = (sign * frame[column]).to_numpy().argsort(kind="stable")
        assert (np.diff(found[score].to_numpy("int64")[order]) >= 0).all()
    assert found[["r_score", "f_score", "m_score"]].isin([1, 2, 3, 4, 5]).all(axis=None)
