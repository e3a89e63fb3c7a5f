from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.errors import InputError
from training.models.flat_column import FlatColumn, numbers_of, texts_of

PLAN = FlatColumn("plan", "category", levels=("a", "b"))
AGE = FlatColumn("age", "number", knots=(10.0, 20.0, 40.0), centre=20.0, scale=10.0)


def test_levels_missing_and_unknown_texts_have_places_of_their_own() -> None:
    values = pd.Series(["a", "b", None, "zzz"], dtype=object)
    assert PLAN.codes(values).tolist() == [0.0, 1.0, 2.0, 3.0]
    assert PLAN.basis(values).tolist() == np.eye(4).tolist()


def test_a_number_bends_at_its_inner_knot_and_is_held_still_beyond_the_outer_ones() -> None:
    values = pd.Series([0.0, 20.0, 30.0, 99.0, np.nan])
    expected = [[-1.0, 0.0, 0.0], [0.0, 0.0, 0.0], [1.0, 1.0, 0.0], [2.0, 2.0, 0.0], [0.0, 0.0, 1.0]]
    assert AGE.basis(values).tolist() == expected
    assert AGE.width == 3


def test_numbers_with_a_decimal_comma() -> None:
    column = FlatColumn("charge", "number", comma=True)
    assert column.read(pd.Series(["1.200,50", "3,5", "n/a"])).tolist()[:2] == [1200.5, 3.5]


def test_texts_among_numbers_are_told_with_one_of_them() -> None:
    with pytest.raises(InputError, match=r"'age': 2 of 4 cells are no numbers, such as 'old'"):
        AGE.read(pd.Series(["3", "old", "4", "old"]))


def test_an_infinite_number_is_wrong() -> None:
    assert numbers_of(pd.Series([1.0, np.inf]))[1].tolist() == [False, True]
    assert numbers_of(pd.Series(["1", "inf"]))[1].tolist() == [False, True]


def test_whole_numbers_read_as_texts_are_alike_with_and_without_gaps() -> None:
    assert texts_of(pd.Series([1.0, np.nan, 2.0])).tolist() == ["1", None, "2"]
    assert texts_of(pd.Series([1, 2])).tolist() == ["1", "2"]
    assert texts_of(pd.Series([" a ", "", " "])).tolist() == ["a", None, None]


def test_a_column_is_the_same_after_json() -> None:
    assert FlatColumn.from_json(AGE.to_json()) == AGE
    assert FlatColumn.from_json(PLAN.to_json()) == PLAN


@given(st.lists(st.one_of(st.none(), st.floats(-1e9, 1e9)), min_size=1, max_size=20))
def test_the_basis_is_finite_and_bounded_whatever_the_number(values: list[float | None]) -> None:
    basis = AGE.basis(pd.Series(values, dtype=np.float64))
    assert basis.shape == (len(values), AGE.width)
    assert (np.abs(basis) <= 3.0).all()
