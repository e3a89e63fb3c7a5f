"""Columns written as JSON equal what Python's encoder writes row by row."""

from __future__ import annotations

import json
from datetime import date

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.json_columns import column_texts, number_texts, row_template


@given(st.lists(st.floats(allow_infinity=False), min_size=1, max_size=30))
@settings(max_examples=100, deadline=None, derandomize=True)
def test_numbers_are_written_as_the_encoder_writes_them(values):
    expected = ["null" if value != value else json.dumps(value) for value in values]
    assert number_texts(np.array(values * 2)) == expected * 2


def test_equal_numbers_of_different_bits_stay_apart():
    assert number_texts(np.array([0.0, -0.0, 0.0, np.nan, 1e22])) == ["0.0", "-0.0", "0.0", "null", "1e+22"]


def test_flags_and_numbers_in_one_column_stay_what_they_are():
    column = pd.Series([1, True, 1.0, "1", date(2026, 1, 5), None, [1.0, "é"]], dtype=object)
    assert column_texts(column) == ["1", "true", "1.0", '"1"', '"2026-01-05"', "null", '[1.0,"é"]']


def test_infinite_numbers_are_refused():
    with pytest.raises(ValueError, match="infinite"):
        number_texts(np.array([1.0, -np.inf]))


def test_a_name_with_a_percent_sign_is_no_place_for_a_value():
    assert row_template(["%s", '"']) % ("1", "2") == '{"%s":1,"\\"":2}'
