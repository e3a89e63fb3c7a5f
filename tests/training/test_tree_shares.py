"""Contributions from tables: those of LightGBM, worked out once per model."""

from __future__ import annotations

from typing import Any

import lightgbm as lgb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.models import tree_shares
from training.models.tree_shares import TreeShares


class _Written:
    """A booster that is one tree written by hand."""

    def __init__(self, root: dict[str, Any]) -> None:
        self.root = root

    def dump_model(self) -> dict[str, Any]:
        return {"tree_info": [{"tree_structure": self.root}]}

    def num_feature(self) -> int:
        return 2


def _leaf(value: float, rows: int) -> dict[str, Any]:
    return {"leaf_value": value, "leaf_count": rows}


def _split(feature: int, threshold: float, left: dict[str, Any], right: dict[str, Any]) -> dict[str, Any]:
    rows = sum(side.get("leaf_count", side.get("internal_count")) for side in (left, right))
    kind = {"decision_type": "<=", "missing_type": "None", "default_left": True, "internal_count": rows}
    return {"split_feature": feature, "threshold": threshold, "left_child": left, "right_child": right} | kind


def _grown(rows: int, seed: int, *, trees: int = 12, **options: Any) -> tuple[Any, np.ndarray]:
    rng = np.random.default_rng(seed)
    matrix = rng.normal(size=(rows, 5)).round(1)
    matrix[rng.random(matrix.shape) < 0.1] = np.nan
    matrix[:, 4] = rng.integers(0, 3, rows)
    target = np.nan_to_num(matrix[:, 0] * matrix[:, 1]) + matrix[:, 4] + rng.normal(size=rows)
    params = {"num_leaves": 9, "min_data_in_leaf": 5, "verbosity": -1, "num_threads": 1, "seed": 1} | options
    return lgb.train(params, lgb.Dataset(matrix, target), trees), matrix


def _shares(booster: Any) -> TreeShares:
    found = TreeShares.of(booster)
    assert found is not None
    return found


def test_one_split_by_hand():
    # Three of four rows go left: the mean is 0.5, and the only fact has all that is above or below it.
    found = _shares(_Written(_split(0, 2.0, _leaf(1.0, 3), _leaf(-1.0, 1))))(
        np.array([[2.0, 9.0], [2.1, 9.0]])
    )
    assert found.tolist() == [[0.5, 0.0, 0.5], [-1.5, 0.0, 0.5]]


def test_two_facts_share_what_they_do_together():
    # 4 where both are above 0, else 0; half of the rows each way: both facts are worth the same.
    tree = _split(0, 0.0, _leaf(0.0, 2), _split(1, 0.0, _leaf(0.0, 1), _leaf(4.0, 1)))
    found = _shares(_Written(tree))(np.array([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0]]))
    assert found.tolist() == [[1.5, 1.5, 1.0], [0.5, -1.5, 1.0], [-1.5, 0.5, 1.0]]


def test_a_tree_without_a_split_is_all_base():
    found = _shares(_Written(_leaf(0.25, 10)))(np.zeros((3, 2)))
    assert found.tolist() == [[0.0, 0.0, 0.25]] * 3


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 999), leaves=st.integers(2, 20), zero=st.booleans())
def test_the_contributions_are_those_of_lightgbm(seed, leaves, zero):
    booster, matrix = _grown(300, seed, num_leaves=leaves, use_missing=zero)
    theirs = booster.predict(matrix, pred_contrib=True)
    assert np.abs(_shares(booster)(matrix) - theirs).max() < 1e-12


def test_missing_figures_in_a_column_that_never_missed_any_count_as_zero():
    _, matrix = _grown(300, 3)
    filled = lgb.Dataset(np.nan_to_num(matrix), matrix[:, 4])
    booster = lgb.train({"verbosity": -1, "num_threads": 1}, filled, 5)
    assert np.abs(_shares(booster)(matrix) - booster.predict(matrix, pred_contrib=True)).max() < 1e-12


def test_one_row_alone_has_the_bits_of_thousands():
    booster, matrix = _grown(6_000, 5)
    shares = _shares(booster)
    many, rows = shares(matrix), [0, 63, 4_095, 4_096, 5_999]
    assert np.array_equal(np.concatenate([shares(matrix[[row]]) for row in rows]), many[rows])


def test_more_than_eight_facts_on_a_path(monkeypatch):
    rng = np.random.default_rng(0)
    matrix = rng.normal(size=(2_000, 12))
    options = {"num_leaves": 60, "min_data_in_leaf": 2, "feature_fraction_bynode": 0.2, "verbosity": -1}
    booster = lgb.train(options | {"num_threads": 1}, lgb.Dataset(matrix, matrix.min(axis=1)), 10)
    shares = _shares(booster)
    assert max(len(leaf.facts) for leaf in shares.leaves) > 8
    assert np.abs(shares(matrix) - booster.predict(matrix, pred_contrib=True)).max() < 1e-12
    monkeypatch.setattr(tree_shares, "_MOST_CASES", 1_000)
    assert TreeShares.of(booster) is None


@pytest.mark.parametrize("option", [{"zero_as_missing": True}, {"categories": [4]}, {"linear_tree": True}])
def test_other_kinds_of_trees_are_left_to_lightgbm(option):
    rng = np.random.default_rng(1)
    matrix = np.column_stack([rng.normal(size=(400, 4)), rng.integers(0, 3, 400)])
    matrix[rng.random(400) < 0.3, 0] = 0.0
    target = matrix[:, 0] + (matrix[:, 4] == 1) * 3.0
    options = {"verbosity": -1, "num_threads": 1, "min_data_in_leaf": 5} | option
    categories = options.pop("categories", [])
    data = lgb.Dataset(matrix, target, params=options, categorical_feature=categories)
    booster = lgb.train(options, data, 5)
    assert TreeShares.of(booster) is None
