"""Life cycle, satisfaction, loyalty, trust, binding, bad relationships and viewpoints, by hand."""

from __future__ import annotations

import pandas as pd
import pytest

from strategies.bad_relationship import BAD_RELATIONSHIP
from strategies.binding import BINDING
from strategies.framework import Found, Framework, tell
from strategies.life_cycle import LIFE_CYCLE
from strategies.loyalty import LOYALTY_MARKS
from strategies.satisfaction import SATISFACTION
from strategies.satisfaction_loyalty import SATISFACTION_LOYALTY
from strategies.trust import TRUST
from strategies.viewpoints import VIEWPOINTS

_STEADY = {
    "purchase_days": 20.0,
    "T": 700.0,
    "irregularity": 0.4,
    "overdue_ratio": 0.5,
    "overdue_max_ratio": 0.3,
    "spend_180d": 300.0,
    "spend_change_180d": 10.0,
    "days_since_last": 12.0,
}


def _answer(framework: Framework, before: pd.DataFrame | None = None, **columns: object) -> Found:
    people = pd.DataFrame({"customer_id": ["a"], **{n: [v] for n, v in columns.items()}})
    cuts = {} if framework.cuts is None else framework.cuts(people, framework.settings)
    return framework.label(people, cuts, framework.settings, before)


@pytest.mark.parametrize(
    ("changed", "stage"),
    [
        ({}, "commitment"),
        ({"purchase_days": 0.0}, "awareness"),
        ({"purchase_days": 3.0}, "exploration"),
        ({"irregularity": 1.5}, "exploration"),
        ({"T": 200.0}, "exploration"),
        ({"spend_change_180d": 100.0}, "expansion"),
        ({"overdue_ratio": 2.5, "overdue_max_ratio": 1.2}, "dissolution"),
        ({"overdue_ratio": 2.5, "overdue_max_ratio": 0.8}, "commitment"),
        ({"overdue_ratio": 1.1, "spend_180d": 100.0, "spend_change_180d": -150.0}, "dissolution"),
        ({"purchase_days": 1.0, "overdue_ratio": None, "status": "lapsed"}, "dissolution"),
        ({"purchase_days": 1.0, "overdue_ratio": None, "status": "active"}, "exploration"),
        ({"purchase_days": None}, "unknown"),
        ({"spend_180d": None}, "unknown"),
    ],
)
def test_stages_by_hand(changed: dict[str, object], stage: str) -> None:
    found = _answer(LIFE_CYCLE, **{**_STEADY, **changed})
    assert found.columns.loc[0, "lifecycle_stage"] == stage


def test_the_stage_before_dissolution_is_kept_over_runs() -> None:
    broken = {**_STEADY, "overdue_ratio": 3.0, "overdue_max_ratio": 1.5}
    last = pd.DataFrame({"lifecycle_stage": ["expansion"], "degraded_from": ["none"]}, index=["a"])
    first = _answer(LIFE_CYCLE, last, **broken)
    again = _answer(LIFE_CYCLE, first.columns.set_axis(["a"]), **broken)
    assert [f.columns.loc[0, "degraded_from"] for f in (first, again)] == ["expansion", "expansion"]


def test_a_customer_who_comes_back_leaves_dissolution() -> None:
    last = pd.DataFrame({"lifecycle_stage": ["dissolution"], "degraded_from": ["commitment"]}, index=["a"])
    found = _answer(LIFE_CYCLE, last, **_STEADY).columns.iloc[0].tolist()
    assert found == ["commitment", "none"]


def test_expectation_moves_satisfaction() -> None:
    found = _answer(SATISFACTION, satisfaction_last=7.0, satisfaction_gap=-2.0)
    assert found.columns.iloc[0].tolist() == [6.0, "dissatisfied"]


@pytest.mark.parametrize(
    ("columns", "level"),
    [
        ({"satisfaction_last": 8.0}, "satisfied"),
        ({"satisfaction_last": 8.0, "survey_days": 30.0, "days_since_last": 5.0}, "rebuys"),
        ({"satisfaction_last": 8.0, "referrals_total": 1.0}, "recommends"),
        ({"satisfaction_last": 2.0, "referrals_total": 1.0}, "dissatisfied"),
        ({}, "unknown"),
    ],
)
def test_levels_of_satisfaction(columns: dict[str, object], level: str) -> None:
    assert _answer(SATISFACTION, **columns).columns.loc[0, "satisfaction_level"] == level


def test_without_surveys_the_cell_of_satisfaction_and_loyalty_is_unknown() -> None:
    found = _answer(SATISFACTION_LOYALTY, loyalty=0.9)
    assert (found.columns.iloc[0, 0], found.reason[0]) == ("unknown", "no_surveys")


def test_an_open_complaint_keeps_trust_at_knowledge() -> None:
    known = {"tenure_days": 800.0, "purchase_days": 20.0, "referrals_total": 1.0}
    assert _answer(TRUST, **known).columns.iloc[0, 0] == "identification"
    found = _answer(TRUST, **known, complaints_open=1.0)
    assert (found.columns.iloc[0, 0], found.reason[0]) == ("knowledge", "open_complaint")


@pytest.mark.parametrize(
    ("value_class", "cell", "binding"),
    [
        ("platinum", "one_to_one", "velcro"),
        ("gold", "build_loyalty", "zipper"),
        ("iron", "niche", "zipper"),
        ("iron", "mass_market", "buckle"),
        ("lead", "niche", "buckle"),
        ("unknown", "niche", "unknown"),
    ],
)
def test_binding_follows_class_and_needs(value_class: str, cell: str, binding: str) -> None:
    found = _answer(BINDING, value_class=value_class, differentiation_cell=cell)
    assert found.columns.iloc[0, 0] == binding


def test_a_loss_with_growth_ahead_is_no_candidate_for_release() -> None:
    found = _answer(BAD_RELATIONSHIP, whole_life_profit=-10.0, growth_potential=50.0)
    assert (found.columns.iloc[0, 0], found.reason[0]) == ("no", "potential")


def test_a_loss_with_growth_unknown_is_unknown() -> None:
    assert _answer(BAD_RELATIONSHIP, whole_life_profit=-10.0).columns.iloc[0, 0] == "unknown"


def test_marks_that_cannot_be_seen_are_left_out() -> None:
    found = _answer(LOYALTY_MARKS, loyalty=0.6, frequency=5.0, irregularity=0.2, categories=1.0)
    assert found.columns.iloc[0].tolist() == ["yes", 1.0, 2.0]


def test_development_is_a_half_when_nothing_changes() -> None:
    found = _answer(VIEWPOINTS, spend_180d=100.0, spend_change_180d=0.0)
    assert found.columns.loc[0, "view_development"] == 0.5


def test_reasons_are_told_in_chinese_with_labels_in_chinese() -> None:
    people = pd.DataFrame({"customer_id": ["a"], "value_class": ["gold"], "differentiation_cell": ["niche"]})
    found = BINDING.label(people, {}, BINDING.settings, None)
    assert tell(BINDING, people, found, "zh").tolist() == ["价值类别 黄金客户,需求独特"]
