"""Reasons speak of a feature of the user's own in the text of its column, or count it to the group it names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.errors import ConfigError
from features.family import ColumnDoc, Family, nothing
from features.own_features import OwnFile
from serving import reason_texts
from serving.phrases import Quantities, fill
from serving.reason_texts import GROUP_CODES, GROUPS

DOC = ColumnDoc("gap_mine", "My own gap", "我的间隔", "days", "all", "formula")


def own(monkeypatch: pytest.MonkeyPatch, group: str) -> None:
    file = OwnFile(Path("mine.py"), Family("orders", (DOC,), nothing, group=group), "0")
    monkeypatch.setattr(reason_texts, "own_files", lambda: (file,))


def test_without_own_features_the_groups_are_retains():
    assert [code for code in GROUP_CODES if code.startswith("own")] == []
    assert GROUPS[-1].code == "other"


def test_a_feature_stands_for_itself_whatever_pattern_its_name_fits(monkeypatch):
    own(monkeypatch, "")
    assert reason_texts._own_groups() == {"gap_mine": "own_gap_mine"}


def test_a_feature_counts_to_the_group_it_names(monkeypatch):
    own(monkeypatch, "tenure")
    assert reason_texts._own_groups() == {"gap_mine": "tenure"}


def test_a_group_that_is_none_is_refused_by_the_file(monkeypatch):
    own(monkeypatch, "moon")
    with pytest.raises(
        ConfigError, match=r"mine\.py: group 'moon' is no group of reasons; take none, or one of rec"
    ):
        reason_texts._own_groups()


@pytest.mark.parametrize(
    ("lang", "told"), [("en", ["My own gap: 3 days", "My own gap"]), ("zh", ["我的间隔：3天", "我的间隔"])]
)
def test_its_text_comes_with_its_value_where_it_is_known(lang, told):
    group = reason_texts._own_group(DOC)
    quantities = Quantities(pd.DataFrame({"gap_mine": [3.0, np.nan]}))
    said = fill(group.phrases, quantities, np.arange(2), lang=lang, currency="")
    assert said.tolist() == told
