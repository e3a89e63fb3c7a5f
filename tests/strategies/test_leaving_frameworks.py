"""Reasons of defection, service promises and second lifetime value, each by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from features.errors import InputError
from strategies.defection import DEFECTION
from strategies.framework import tell
from strategies.second_lifetime_value import (
    SECOND_LIFETIME_VALUE,
    SecondLifetimeSettings,
    second_lifetime_value,
)
from strategies.service_promises import SERVICE_PROMISES, ServicePromiseSettings, service_figures


def _left(**facts: object) -> str:
    people = pd.DataFrame({"customer_id": ["a"], "status": ["lost"], "days_since_last": [200.0], **facts})
    return str(DEFECTION.label(people, {}, DEFECTION.settings, None).reason.iloc[0])


@pytest.mark.parametrize(
    ("facts", "code"),
    [
        ({}, "no_sign"),
        ({"released_days": [150.0]}, "released"),
        ({"released_days": [250.0]}, "no_sign"),  # bought again after it
        ({"release_candidate": ["yes"]}, "release_candidate"),
        ({"complaint_days": [260.0], "complaints_open": [1.0]}, "complaint_open"),
        ({"complaint_days": [261.0], "complaints_open": [1.0]}, "no_sign"),  # too long before the end
        ({"complaint_days": [190.0], "complaints_open": [0.0], "resolution_days": [9.0]}, "complaint_slow"),
        ({"complaint_days": [190.0], "resolution_days": [2.0], "sla_breaches": [1.0]}, "promise_broken"),
        ({"satisfaction_last": [4.0], "survey_days": [210.0]}, "dissatisfied"),
        ({"region_before": ["north"]}, "other_region"),
        ({"contract_ended_days": [199.0]}, "contract_ended"),
        ({"discounted_lines_share": [0.6], "last_day_discounted": [0.0]}, "full_price"),
        ({"discounted_lines_share": [0.6], "last_day_discounted": [1.0]}, "no_sign"),
        ({"spend_fade": [0.5]}, "faded"),
        ({"spend_fade": [0.51]}, "no_sign"),
        ({"recorded_reason": ["moved_away"], "recorded_reason_days": [199.0]}, "recorded_moved_away"),
        ({"recorded_reason": ["moved_away"], "recorded_reason_days": [299.0]}, "no_sign"),
        ({"recorded_reason": ["unclear"], "recorded_reason_days": [199.0]}, "recorded_unclear"),
        ({"refusal_reason": ["too expensive"], "spend_fade": [0.1]}, "recorded_bought_away"),
    ],
)
def test_each_reason_by_its_event(facts: dict[str, object], code: str) -> None:
    assert _left(**facts) == code


def test_what_is_recorded_goes_before_what_is_inferred() -> None:
    facts = {"complaint_days": [190.0], "complaints_open": [1.0]}
    assert (
        _left(**facts, recorded_reason=["pulled_away"], recorded_reason_days=[180.0])
        == "recorded_pulled_away"
    )
    assert _left(**facts, recorded_reason=["unclear"], recorded_reason_days=[180.0]) == "complaint_open"


def test_only_those_who_left_have_a_reason() -> None:
    people = pd.DataFrame({"customer_id": list("abc"), "status": ["active", "lapsed", "unknown"]})
    found = DEFECTION.label(people.assign(spend_fade=0.0), {}, DEFECTION.settings, None).columns
    assert found["defection_reason"].tolist() == ["none", "pulled_away", "unknown"]
    assert found["defection_source"].tolist() == ["none", "inferred", "unknown"]


def test_a_reason_is_told_in_both_languages_and_says_that_it_is_inferred() -> None:
    people = pd.DataFrame(
        {"customer_id": ["a"], "status": ["lost"], "days_since_last": [9.0], "spend_fade": [0.25]}
    )
    found = DEFECTION.label(people, {}, DEFECTION.settings, None)
    assert tell(DEFECTION, people, found, "en").iloc[0].startswith("spend ran down to 25%")
    assert tell(DEFECTION, people, found, "zh").iloc[0].endswith("(推断)")


def test_promises_by_what_is_known() -> None:
    people = pd.DataFrame(
        {
            "customer_id": list("abcde"),
            "promised_365d": [2.0, 1.0, 0.0, None, 1.0],
            "sla_breaches": [1.0, 0.0, None, None, None],
            "contacts_365d": [3.0, 1.0, 1.0, 0.0, 1.0],
        }
    )
    found = SERVICE_PROMISES.label(people, {}, SERVICE_PROMISES.settings, None)
    assert found.columns["service_promise"].tolist() == ["broken", "kept", "none", "none", "unknown"]
    assert found.columns["sla_breaches"].fillna(-1).tolist() == [1.0, 0.0, 0.0, 0.0, -1.0]
    assert found.reason.iloc[4] == "no_resolutions"
    alone = SERVICE_PROMISES.label(people[["customer_id"]], {}, SERVICE_PROMISES.settings, None)
    assert set(alone.reason) == {"no_interactions"}


def test_figures_of_nobody_are_missing() -> None:
    assert all(np.isnan(figure) for figure in service_figures(pd.DataFrame({"customer_id": ["a"]})).values())


def test_a_promise_of_no_time_is_refused() -> None:
    with pytest.raises(ValidationError, match="number of hours above 0"):
        ServicePromiseSettings(hours={"complaint": 0.0})
    assert ServicePromiseSettings(hours={" Complaint": 12.0}).hours == {"complaint": 12.0}


_LOST = pd.DataFrame(
    {
        "customer_id": list("abcd"),
        "status": ["lost", "lost", "lost", "lapsed"],
        "regain_probability": [0.5, 0.5, None, 0.5],
        "regain_margin": [21.0, 20.0, 20.0, 900.0],
    }
)


def test_lost_customers_form_a_queue_and_others_never_enter() -> None:
    found = SECOND_LIFETIME_VALUE.label(_LOST, {}, SecondLifetimeSettings(cost=10.0), None)
    assert found.columns["regain_queue"].tolist() == ["regain", "do_not_regain", "unknown", "not_lost"]
    assert found.columns["second_lifetime_value"].iloc[:2].tolist() == [0.5, 0.0]
    assert found.columns["second_lifetime_value"].iloc[2:].isna().all()
    assert found.reason.tolist()[2:] == ["no_win_back_model", "not_lost"]


def test_the_cost_of_the_own_offer_goes_first() -> None:
    people = _LOST.assign(regain_cost=[11.0, None, None, None])
    found = SECOND_LIFETIME_VALUE.label(people, {}, SecondLifetimeSettings(), None)
    assert found.columns["regain_queue"].tolist()[:2] == ["do_not_regain", "regain"]


def test_who_was_let_go_is_not_regained() -> None:
    people = _LOST.assign(defection_reason="pushed_on_purpose")
    found = SECOND_LIFETIME_VALUE.label(people, {}, SecondLifetimeSettings(), None)
    assert found.columns["regain_queue"].tolist()[0] == "do_not_regain"
    assert found.reason.iloc[0] == "let_go"


def test_the_queue_is_left_only_past_a_margin() -> None:
    before = pd.DataFrame({"regain_queue": ["regain", "regain"]}, index=["a", "b"])
    people = _LOST.iloc[:2].assign(regain_margin=[19.0, 17.0])
    found = SECOND_LIFETIME_VALUE.label(people, {}, SecondLifetimeSettings(cost=10.0), before)
    assert found.columns["regain_queue"].tolist() == ["regain", "do_not_regain"]


def test_a_cost_below_zero_is_refused() -> None:
    with pytest.raises(InputError, match="give 0 or more"):
        second_lifetime_value([0.5], [10.0], -1.0)


_number = st.one_of(st.none(), st.floats(-1e6, 1e6))


@settings(max_examples=30)
@given(
    chance=_number,
    money=_number,
    cost=_number,
    status=st.sampled_from(["active", "lapsed", "lost", "unknown"]),
)
def test_any_customer_gets_a_queue_and_only_the_lost_a_value(
    chance: float | None, money: float | None, cost: float | None, status: str
) -> None:
    row = {"regain_probability": chance, "regain_margin": money, "regain_cost": cost}
    people = pd.DataFrame({"customer_id": ["a"], "status": [status], **{k: [v] for k, v in row.items()}})
    found = SECOND_LIFETIME_VALUE.label(people, {}, SecondLifetimeSettings(), None)
    value, queue = found.columns.iloc[0]
    assert np.isnan(value) or status == "lost"
    assert (queue == "not_lost") == (status in ("active", "lapsed"))
    assert queue != "regain" or value > 0
