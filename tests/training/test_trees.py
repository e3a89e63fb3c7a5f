"""Trees as text: fixed names, any order of columns, contributions that add up."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from features.errors import ModelError
from training.models.trees import Trees


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(600, 4)), columns=["d", "a", "c", "b"])
    frame.loc[::7, "a"] = np.nan
    return frame


@pytest.fixture(scope="module")
def trees(rows: pd.DataFrame) -> Trees:
    import lightgbm as lgb

    target = (rows["b"] + rows["a"].fillna(1.0) > 0).astype(float).to_numpy()
    data = lgb.Dataset(rows.to_numpy(), target, feature_name=list(rows.columns), params={"verbosity": -1})
    params = {"objective": "binary", "num_leaves": 7, "verbosity": -1, "num_threads": 1, "seed": 1}
    return Trees(lgb.train(params, data, 25).model_to_string())


def test_names_and_raw_scores_are_those_of_lightgbm(rows, trees):
    assert trees.names == ("d", "a", "c", "b")
    assert np.array_equal(trees.raw(rows), trees.booster.predict(rows.to_numpy(), raw_score=True))


def test_the_order_of_columns_and_other_columns_do_not_matter(rows, trees):
    mixed = rows[["c", "b", "a", "d"]].assign(extra=1.0)
    assert np.array_equal(trees.raw(mixed), trees.raw(rows))


def test_contributions_add_up_to_the_raw_score(rows, trees):
    parts = trees.contributions(rows)
    assert list(parts.columns) == ["d", "a", "c", "b", "base"]
    assert np.abs(parts.sum(axis=1) - trees.raw(rows)).max() < 1e-9


def test_one_row_alone_has_the_bits_of_the_batch(rows, trees):
    alone = np.concatenate([trees.raw(rows.iloc[[i]]) for i in range(len(rows))])
    assert np.array_equal(alone, trees.raw(rows))
    one = trees.contributions(rows.iloc[[5]])
    pd.testing.assert_frame_equal(one, trees.contributions(rows).iloc[[5]], check_exact=True)


def test_a_missing_column_is_named(rows, trees):
    with pytest.raises(ModelError, match=r"1 columns the model needs are missing, e\.g\. 'c'"):
        trees.raw(rows.drop(columns="c"))


def test_nobody_to_score(rows, trees):
    assert trees.raw(rows.iloc[:0]).shape == (0,)
    assert trees.contributions(rows.iloc[:0]).shape == (0, 5)
