"""A head: closed form, level and trees on one scale."""

from __future__ import annotations

import json
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
    head = Head(Trees("tree\n"), LEVEL, -1 / 3, Trees("free\n"), free_base=2 / 7, trees_base=1 / 9)
    values, files = head.to_json("churn")
    assert files == {"churn.txt": "tree\n", "churn_free.txt": "free\n"}
    again = Head.from_json("churn", json.loads(json.dumps(values)), files)
    assert (again.level, again.anchor_mean) == (head.level, head.anchor_mean)
    assert (again.free_base, again.trees_base) == (head.free_base, head.trees_base)
    assert again.trees is not None
    assert again.free is not None
    assert (again.trees.text, again.free.text) == ("tree\n", "free\n")


def test_an_average_is_half_of_either_and_its_contributions_add_up(demo_bundle, demo_panel):
    grown = demo_bundle.churn
    rows = demo_panel.at(demo_panel.as_of)
    anchor = HeadKind("churn", 60).closed_form(rows)
    head = Head(grown.trees, LEVEL, anchor_mean=0.3, free=grown.trees, free_base=-0.7, trees_base=0.2)
    trees = grown.trees.raw(rows)
    expected = 0.5 * (anchor + 0.2 + trees) + 0.5 * (-0.7 + trees) + LEVEL.at(AS_OF)
    assert head.raw(anchor, rows, AS_OF) == pytest.approx(expected)
    parts = head.contributions(anchor, rows, AS_OF).frame(rows.index)
    assert np.abs(parts.sum(axis=1) - expected).max() < 1e-9
    assert (parts["season"] == LEVEL.at(AS_OF)).all()


def test_a_head_written_before_the_trees_had_a_constant_has_none():
    values, files = Head(Trees("tree\n"), LEVEL).to_json("churn")
    del values["trees_base"]
    assert Head.from_json("churn", values, files).trees_base == 0.0


def test_targets_by_hand():
    rows = pd.DataFrame(
        {"orders_ahead_30": [0.0, 2.0], "value_ahead_30": [-5.0, 8.0], "btyd_orders_30": [1.0, 2.0]}
    )
    assert HeadKind("churn", 30).target(rows).tolist() == [1.0, 0.0]
    assert HeadKind("orders", 30).target(rows).tolist() == [0.0, 2.0]
    assert HeadKind("value", 30).target(rows).tolist() == [0.0, 8.0]
    assert HeadKind("orders", 30).closed_form(rows).tolist() == [0.0, np.log(2.0)]
