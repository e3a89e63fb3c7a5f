"""All frameworks together: names are unique, texts in both languages, reasons name columns that exist."""

from __future__ import annotations

from string import Formatter

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.category_facts import CATEGORY_FACTS
from features.customer_facts import ATTRIBUTES
from features.defection_facts import DEFECTION_FACTS
from features.pipeline import FEATURES
from features.purchase_facts import PURCHASE_FACTS
from features.service_facts import SERVICE_FACTS
from strategies.framework import Framework
from strategies.frameworks import FRAMEWORKS, FrameworkSettings, moves, segment, take_cuts

_LIST = (
    "current_value",
    "growth_potential",
    "clv",
    "churn_probability",
    "value_at_stake",
    "status",
    "value_class",
    "regain_probability",
    "regain_margin",
)
_LOOKED_AT = (
    *(
        "value_365d",
        "value_total",
        "current_value",
        "growth_potential",
        "expected_margin_365d",
        "clv",
        "tenure_days",
    ),
    *(
        "purchase_days",
        "products",
        "categories",
        "loyalty",
        "irregularity",
        "complaint_days",
        "days_since_last",
    ),
    *("survey_days", "referrals_total", "discounted_lines_share", "price_low_share", "price_high_share", "T"),
    *("category_distance", "contacts_365d", "overdue_ratio", "overdue_max_ratio", "spend_180d", "frequency"),
    *("spend_change_180d", "satisfaction_last", "satisfaction_gap", "recommend_mean", "contracts_active"),
    *("complaints_open", "margin_total", "acquisition_cost", "campaign_cost_total", "returns_share"),
    *(
        "promised_365d",
        "sla_breaches",
        "resolution_days",
        "released_days",
        "last_day_discounted",
        "spend_fade",
    ),
    *("new_category_margin", "next_category_probability", "next_band_margin", "next_band_probability"),
    *("recorded_reason_days", "contract_ended_days", "regain_probability", "regain_margin", "regain_cost"),
)
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
    facts = {*CATEGORY_FACTS, *PURCHASE_FACTS, *SERVICE_FACTS, *DEFECTION_FACTS, *ATTRIBUTES}
    known = {*FEATURES, *_LIST, *facts, *(c for f in FRAMEWORKS for c in f.columns)}
    for texts in framework.reasons.values():
        assert _names(texts["en"]) | _names(texts["zh"]) <= known
        assert _names(texts["en"]) == _names(texts["zh"])


_LABELS = {
    "value_class": ("lead", "iron", "gold", "platinum", "unknown"),
    "status": ("active", "lapsed", "lost", "unknown"),
    "next_category": ("tea", "热茶", None),
    "recorded_reason": ("bought_away", "unclear", None),
    "refusal_reason": ("搬家", "no", None),
    "region_before": ("north", None),
}


@st.composite
def _customer_tables(draw: st.DrawFn) -> pd.DataFrame:
    """Any subset of the columns that frameworks look at, any of their values missing."""
    names = draw(st.lists(st.sampled_from(_LOOKED_AT), unique=True))
    rows = draw(st.integers(1, 8))
    number = st.one_of(st.none(), st.floats(-10, 1e6))
    columns = {n: draw(st.lists(number, min_size=rows, max_size=rows)) for n in names}
    frame = pd.DataFrame({"customer_id": [f"c{i}" for i in range(rows)], **columns})
    frame = frame.astype(dict.fromkeys(names, "float64"))
    for name, labels in _LABELS.items():
        if draw(st.booleans()):
            frame[name] = draw(st.lists(st.sampled_from(labels), min_size=rows, max_size=rows))
    return frame


@settings(max_examples=20)
@given(people=_customer_tables())
def test_any_table_gets_known_labels_and_reasons_that_can_be_told(people: pd.DataFrame) -> None:
    found = segment(people, FrameworkSettings())
    for framework in FRAMEWORKS:
        answer = found.found[framework.name]
        assert list(answer.columns.columns) == list(framework.columns)
        words = answer.columns.columns[[d.kind not in "fib" for d in answer.columns.dtypes]]
        texts = words.drop(list(framework.free_text))
        assert all(set(answer.columns[c]) <= set(framework.labels) for c in texts)
        assert set(answer.reason) <= set(framework.reasons)
        for lang in ("en", "zh"):
            assert found.told(framework.name, lang).str.len().gt(0).all()


def _people(rows: int) -> pd.DataFrame:
    rng = np.random.default_rng(5)
    columns = {c: rng.gamma(1.0, 10.0, rows) for c in ("current_value", "value_365d", "clv", "value_total")}
    return pd.DataFrame({"customer_id": [f"c{i}" for i in range(rows)], **columns})


def test_one_customer_with_the_cuts_of_all_gets_the_label_of_the_list() -> None:
    people, thresholds = _people(300), FrameworkSettings()
    cuts = take_cuts(people, thresholds)
    together = segment(people, thresholds, cuts=cuts).columns
    alone = segment(people.iloc[[17]], thresholds, cuts=cuts).columns
    pd.testing.assert_frame_equal(alone, together.iloc[[17]])


def test_the_order_of_customers_does_not_matter() -> None:
    people, thresholds = _people(200), FrameworkSettings()
    there = segment(people, thresholds).columns
    back = segment(people.iloc[::-1], thresholds).columns.sort_index()
    pd.testing.assert_frame_equal(there, back)


def test_a_second_run_with_nothing_new_moves_nobody() -> None:
    people, thresholds = _people(200), FrameworkSettings()
    first = segment(people, thresholds)
    again = segment(people, thresholds, before=first.columns.set_index("customer_id"))
    assert moves(first.columns, again).empty


def test_a_move_is_listed_with_its_reason() -> None:
    people, thresholds = _people(200), FrameworkSettings()
    first = segment(people, thresholds)
    people.loc[3, "current_value"] = 1e6
    found = moves(first.columns, segment(people, thresholds), "zh").set_index(["customer_id", "column"])
    assert found.loc[("c3", "pyramid_tier"), "to"] == "diamond"
    assert "1,000,000" in found.loc[("c3", "pyramid_tier"), "why"]
