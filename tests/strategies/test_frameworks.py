"""All frameworks together: names are unique, texts in both languages, reasons name columns that exist."""

from __future__ import annotations

from string import Formatter

import numpy as np
import pandas as pd
import pytest

from features.customer_facts import ATTRIBUTES
from features.pipeline import FEATURES
from features.purchase_facts import PURCHASE_FACTS
from strategies.framework import Framework
from strategies.frameworks import FRAMEWORKS, FrameworkSettings, moves, segment, take_cuts

_LIST = ("current_value", "growth_potential", "clv", "churn_probability", "value_at_stake", "status")
_each = pytest.mark.parametrize("framework", FRAMEWORKS, ids=lambda f: f.name)


def _names(template: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(template) if name is not None}


def test_no_two_frameworks_answer_in_one_column() -> None:
    columns = [c for f in FRAMEWORKS for c in f.columns]
    assert len(columns) == len(set(columns))
    assert len({f.name for f in FRAMEWORKS}) == len(FRAMEWORKS)


@_each
def test_texts_are_there_in_both_languages(framework: Framework) -> None:
    texts = [framework.texts, *framework.columns.values(), *framework.labels.values()]
    texts += framework.reasons.values()
    assert all(set(t) == {"en", "zh"} and all(v.strip() for v in t.values()) for t in texts)


@_each
def test_reasons_name_columns_that_exist(framework: Framework) -> None:
    known = {*FEATURES, *_LIST, *PURCHASE_FACTS, *ATTRIBUTES, *(c for f in FRAMEWORKS for c in f.columns)}
    for texts in framework.reasons.values():
        assert _names(texts["en"]) | _names(texts["zh"]) <= known
        assert _names(texts["en"]) == _names(texts["zh"])


def _people(rows: int) -> pd.DataFrame:
    rng = np.random.default_rng(5)
    columns = {c: rng.gamma(1.0, 10.0, rows) for c in ("current_value", "value_365d", "clv", "value_total")}
    return pd.DataFrame({"customer_id": [f"c{i}" for i in range(rows)], **columns})


def test_one_customer_with_the_cuts_of_all_gets_the_label_of_the_list() -> None:
    people, settings = _people(300), FrameworkSettings()
    cuts = take_cuts(people, settings)
    together = segment(people, settings, cuts=cuts).columns
    alone = segment(people.iloc[[17]], settings, cuts=cuts).columns
    pd.testing.assert_frame_equal(alone, together.iloc[[17]])


def test_the_order_of_customers_does_not_matter() -> None:
    people, settings = _people(200), FrameworkSettings()
    there = segment(people, settings).columns
    back = segment(people.iloc[::-1], settings).columns.sort_index()
    pd.testing.assert_frame_equal(there, back)


def test_a_second_run_with_nothing_new_moves_nobody() -> None:
    people, settings = _people(200), FrameworkSettings()
    first = segment(people, settings)
    again = segment(people, settings, before=first.columns.set_index("customer_id"))
    assert moves(first.columns, again).empty


def test_a_move_is_listed_with_its_reason() -> None:
    people, settings = _people(200), FrameworkSettings()
    first = segment(people, settings)
    people.loc[3, "current_value"] = 1e6
    found = moves(first.columns, segment(people, settings), "zh").set_index(["customer_id", "column"])
    assert found.loc[("c3", "pyramid_tier"), "to"] == "diamond"
    assert "1,000,000" in found.loc[("c3", "pyramid_tier"), "why"]
