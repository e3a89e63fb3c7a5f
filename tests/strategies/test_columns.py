"""Columns and labels as plain arrays."""

from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from strategies.columns import Columns, Labels

WORDS = ("unknown", "lost", "lapsed", "active")
MASKS = hnp.arrays(np.bool_, st.tuples(st.just(3), st.integers(0, 6)))


@given(MASKS)
def test_the_first_condition_that_holds_names_the_label(masks: np.ndarray) -> None:
    found = Labels.first(WORDS, list(masks))
    told = np.select(list(masks), WORDS[:3], default="active").tolist()
    assert found.texts() == told
    assert found.column(pd.RangeIndex(masks.shape[1])).tolist() == told
    assert found.among("lost", "active").tolist() == [word in ("lost", "active") for word in told]


@given(MASKS, st.permutations(WORDS))
def test_labels_are_read_in_any_order_of_the_words(masks: np.ndarray, others: list[str]) -> None:
    found = Labels.first(WORDS, list(masks))
    assert [others[place] for place in found.read_as(tuple(others))] == found.texts()
    assert found.read_as(WORDS) is found.places


def test_a_word_that_is_not_among_the_others_is_told_apart() -> None:
    found = Labels(("gone", "lost"), np.array([0, 1, 0]))
    assert found.read_as(WORDS).tolist() == [-1, 1, -1]


def test_the_column_is_text_as_pandas_keeps_it_and_changes_no_other() -> None:
    found = Labels(("a", "b", "a"), np.array([2, 1]))
    one, other = (found.column(pd.Index([7, 7])) for _ in range(2))
    assert one.dtype == pd.Series(["a"]).dtype == "str"
    one.iloc[0] = "c"
    assert (one.tolist(), other.tolist()) == (["c", "b"], ["a", "b"])


def test_a_table_and_a_mapping_read_alike() -> None:
    table = pd.DataFrame({"T": pd.array([3, None], dtype="Int64"), "clv": [1.5, np.nan]})
    arrays = {"T": np.array([3.0, np.nan]), "clv": np.array([1.5, np.nan])}
    for name in ("T", "clv", "absent"):
        one, other = Columns.of(table)[name], Columns(arrays, 2)[name]
        assert one.dtype == other.dtype == np.float64
        assert np.array_equal(one, other, equal_nan=True)
