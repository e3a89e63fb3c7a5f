from __future__ import annotations

import re

import pytest

from features.catalogue import catalogue
from features.contract import TABLES
from features.pipeline import FAMILIES, FEATURES
from tests.features.feature_runs import features, orders

DOCS = catalogue()


def test_every_feature_is_documented_once_and_in_order():
    found = features({"orders": orders(("a", "2026-01-01", 1.0))}, "2026-01-02").column_names
    assert found == ["as_of", "customer_id", *(d.name for d in DOCS)]
    assert len(set(found)) == len(found)
    assert tuple(d.name for d in DOCS) == FEATURES


@pytest.mark.parametrize("doc", DOCS, ids=lambda d: d.name)
def test_texts_are_there_in_both_languages(doc):
    assert all(text.strip() for text in (doc.en, doc.zh, doc.unit, doc.window, doc.formula))
    assert re.search("[\u4e00-\u9fff]", doc.zh)
    assert not re.search("[\u4e00-\u9fff]", doc.en)


def test_texts_tell_columns_apart():
    for language in ("en", "zh"):
        texts = [getattr(d, language) for d in DOCS]
        assert len(set(texts)) == len(texts)


def test_sources_are_tables_of_the_contract():
    assert {d.source for d in DOCS} <= {*TABLES, "calendar"}


def test_the_window_in_a_name_is_the_one_documented():
    for doc in DOCS:
        days = re.search(r"_(\d+)d$", doc.name)
        if days and "change" not in doc.name and "ewma" not in doc.name:
            assert doc.window == f"{days[1]} days", doc.name


def test_no_family_hides_a_column_of_another():
    table = [name for family in FAMILIES for name in (*family.names, *family.fill)]
    fills = [name for family in FAMILIES for name in family.fill]
    assert len(table) - len(fills) == len(set(table))
