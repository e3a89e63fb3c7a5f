"""A head: closed form, level and trees on one scale."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.head_kind import HeadKind
from training.models.head import Head, logit, sigmoid
from training.models.level import LevelCurve
from training.models.trees import Trees

AS_OF = date(2026, 1, 1)
LEVEL = LevelCurve((date(2025, 1, 1),), (0.5,), weight=0.5)


@given(st.floats(-1e6, 1e6))
def test_sigmoid_has_no_overflow(z):
    assert 0.0 <= sigmoid(np.array([z]))[0] <= 1.0


@given(st.floats(1e-9, 1 - 1e-9))
def test_logit_and_sigmoid_undo_each_other(p):
    assert sigmoid(logit(np.array([p])))[0] == pytest.approx(p, rel=1e-6)


def test_without_trees_the_answer_is_closed_form_plus_level():
    head = Head(level=LEVEL)
    anchor, rows = np.array([-1.0, 2.0]), pd.DataFrame(index=["a", "b"])
    assert head.raw(anchor, rows, AS_OF) == pytest.approx(anchor + 0.25)
    parts = head.contributions(anchor, rows, AS_OF).frame(rows.index)
    assert parts.sum(axis=1).to_numpy() == pytest.approx(head.raw(anchor, rows, AS_OF))


def test_contributions_of_a_grown_head_add_up(demo_bundle, demo_panel):
    head = demo_bundle.churn
    rows = demo_panel.at(demo_panel.as_of)
    anchor = HeadKind("churn", 60).closed_form(rows)
    parts = head.contributions(anchor, rows, demo_panel.as_of).frame(rows.index)
    assert np.abs(parts.sum(axis=1) - head.raw(anchor, rows, demo_panel.as_of)).max() < 1e-9
    assert abs(parts["anchor"].mean()) < 1e-9
    assert parts.index.equals(rows.index)


def test_equal_indexes_of_two_customers_do_not_mix(demo_bundle, demo_panel):
    rows = demo_panel.at(demo_panel.as_of).head(2)
    anchor = HeadKind("churn", 60).closed_form(rows)
    twice = demo_bundle.churn.contributions(anchor, rows.set_axis([7, 7]), demo_panel.as_of).frame(
        rows.set_axis([7, 7]).index
    )
    once = demo_bundle.churn.contributions(anchor, rows, demo_panel.as_of).frame(rows.index)
    assert np.array_equal(twice.to_numpy(), once[twice.columns].to_numpy())


def test_json_keeps_head_and_trees():
    head = Head(
        Trees("tree\n"),
        LEVEL,
        anchor_mean=-1 / 3,
        free=Trees("free\n"),
        trees_weight=0.25,
        free_weight=0.5,
        trees_base=1 / 9,
        free_base=-1 / 11,
        base=2 / 7,
        by_size=True,
        learned_days=90,
    )
    values, files = head.to_json("orders")
    assert files == {"orders_90.txt": "tree\n", "orders_90_free.txt": "free\n"}
    trees = {name: Trees(text) for name, text in files.items()}
    again = Head.from_json("orders", json.loads(json.dumps(values)), trees)
    assert again == replace(head, trees=trees["orders_90.txt"], free=trees["orders_90_free.txt"])


def test_trees_say_where_they_learned():
    with pytest.raises(ValueError, match="trees without the horizon they were grown for"):
        Head(Trees("tree\n"), LEVEL)
    with pytest.raises(ValueError, match="free trees that count nothing"):
        Head(free=Trees("tree\n"), learned_days=30)


def test_a_head_whose_trees_are_lost_is_not_read():
    values, _ = Head(Trees("tree\n"), LEVEL, learned_days=90).to_json("orders")
    with pytest.raises(KeyError, match=r"orders_90\.txt"):
        Head.from_json("orders", values, {})


@pytest.mark.parametrize(("trees_weight", "free_weight"), [(0.5, 0.5), (0.25, 0.5), (1.0, 0.0), (0.0, 1.0)])
def test_an_answer_is_the_weighted_mean_and_its_contributions_add_up(
    demo_bundle, demo_panel, trees_weight, free_weight
):
    grown = Trees(demo_bundle.churn.trees.text) if trees_weight else None
    free = Trees(demo_bundle.churn.trees.text) if free_weight else None
    rows = demo_panel.at(demo_panel.as_of)
    anchor = HeadKind("churn", 60).closed_form(rows)
    bases = {"trees_base": 0.2, "free_base": -0.4, "base": -0.7}
    head = Head(grown, LEVEL, 0.3, free, trees_weight, free_weight, learned_days=60, **bases)
    said = demo_bundle.churn.trees.raw(rows)
    answers = [anchor, anchor + 0.2 + said, said - 0.4]
    weights = [1.0 - trees_weight - free_weight, trees_weight, free_weight]
    after = LEVEL.at(AS_OF) - 0.7
    expected = sum(w * answer for w, answer in zip(weights, answers, strict=True)) + after
    assert head.raw(anchor, rows, AS_OF) == pytest.approx(expected)
    parts = head.contributions(anchor, rows, AS_OF).frame(rows.index)
    assert np.abs(parts.sum(axis=1) - expected).max() < 1e-9
    assert (parts["season"] == LEVEL.at(AS_OF)).all()
    sizes = replace(head, by_size=True)
    mean = sum(w * np.exp(answer) for w, answer in zip(weights, answers, strict=True))
    assert np.exp(sizes.raw(anchor, rows, AS_OF)) == pytest.approx(mean * np.exp(after))
    with pytest.raises(ValueError, match="no sum of contributions"):
        sizes.contributions(anchor, rows, AS_OF)


def test_targets_by_hand():
    rows = pd.DataFrame(
        {"orders_ahead_30": [0.0, 2.0], "value_ahead_30": [-5.0, 8.0], "btyd_orders_30": [1.0, 2.0]}
    )
    assert HeadKind("churn", 30).target(rows).tolist() == [1.0, 0.0]
    assert HeadKind("orders", 30).target(rows).tolist() == [0.0, 2.0]
    assert HeadKind("value", 30).target(rows).tolist() == [0.0, 8.0]
    assert HeadKind("orders", 30).closed_form(rows).tolist() == [0.0, np.log(2.0)]
