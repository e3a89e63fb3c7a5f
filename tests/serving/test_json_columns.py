"""Columns written as JSON equal what Python's encoder writes row by row."""

from __future__ import annotations

import json
from datetime import date

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.json_columns import column_texts, number_texts, row_texts


@given(st.lists(st.floats(allow_infinity=False), min_size=1, max_size=30))
@settings(max_examples=100, deadline=None, derandomize=True)
def test_numbers_are_written_as_the_encoder_writes_them(values):
    expected = [None if value != value else json.dumps(value) for value in values]
    assert number_texts(np.array(values)).to_pylist() == expected


@pytest.mark.parametrize("digits", [None, 0, 2, 7])
def test_numbers_of_every_size_are_written_as_the_encoder_writes_them(digits):
    draw = np.random.default_rng(3)
    values = 10.0 ** draw.uniform(-8, 19, 30_000) * draw.choice([-1, 1], 30_000)
    values = values if digits is None else np.round(values, digits)
    assert number_texts(values).to_pylist() == list(map(repr, values.tolist()))


def test_equal_numbers_of_different_bits_stay_apart():
    found = number_texts(np.array([0.0, -0.0, 0.0, np.nan, 1e22, 1e-4, 1e10])).to_pylist()
    assert found == ["0.0", "-0.0", "0.0", None, "1e+22", "0.0001", "10000000000.0"]


def test_flags_and_numbers_in_one_column_stay_what_they_are():
    column = pd.Series([1, True, 1.0, "1", date(2026, 1, 5), None, [1.0, "é"]], dtype=object)
    assert column_texts(column).to_pylist() == [
        "1",
        "true",
        "1.0",
        '"1"',
        '"2026-01-05"',
        "null",
        '[1.0,"é"]',
    ]


def test_infinite_numbers_are_refused():
    with pytest.raises(ValueError, match="infinite"):
        number_texts(np.array([1.0, -np.inf]))


def test_names_are_written_as_texts_of_json():
    assert row_texts(["%s", '"'], [pa.array(["1"]), pa.array(["2"])]).to_pylist() == ['{"%s":1,"\\"":2}']


def test_what_is_missing_is_left_out_where_there_may_be_gaps():
    columns = [pa.array(["1", None, None]), pa.array([None, "2", None])]
    assert row_texts(["a", "b"], columns, gaps=True).to_pylist() == ['{"a":1}', '{"b":2}', "{}"]
