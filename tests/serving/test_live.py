"""What scores live: limits, days, events, scopes, raw rows of all tables, order of results, zones."""

from __future__ import annotations

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from features.errors import InputError
from features.frames import tables_from_frames
from features.pipeline import FEATURES
from features.plan import fetch_features
from serving.asked import Asked
from serving.event_log import Counted
from serving.events import EVENT
from serving.keys import Key
from serving.live import NOT_KEPT, Live, LiveSettings
from serving.refusal import Refusal
from serving.schemas import BatchRequest, ScoreRequest
from serving.settings import ServingSettings
from tests.serving.endpoint_fakes import FakeKnown, FakeLookup, FakeModels, FakeServed, PassingScorer

DAY = date(2026, 3, 1)
TABLES = ("orders", "interactions")
HIGH = Asked(Key("k", frozenset({"score"}), {"risk": ("high",)}))


def live(
    lookup: FakeLookup | None = None,
    *,
    zone: str = "UTC",
    known: Mapping[str, Any] | None = None,
    told: Mapping[str, Counted] | None = None,
    models: FakeModels | None = None,
    **limits: int,
) -> Live:
    serving = ServingSettings(**limits)  # type: ignore[arg-type]
    settings = LiveSettings(
        models=Path("m"), store_url="sqlite://", timezone=zone, serving=serving, tables=TABLES
    )
    lookups = lookup or FakeLookup({})
    return Live(settings, models or FakeModels(), lookups, past=FakeKnown(known, told))


def many(service: Live, asked: Asked | None = None, **request: Any) -> list[dict[str, Any]]:
    """What a client reads."""
    text = service.many(BatchRequest.model_validate(request), asked or Asked())
    found: list[dict[str, Any]] = json.loads(text)["results"]
    return found


def customer(name: str, *lines: tuple[str, float], **more: Any) -> dict[str, Any]:
    return {
        "customer_id": name,
        "orders": [{"time": time, "amount": amount, **more} for time, amount in lines],
    }


def order(customer_id: str, time: str, amount: float) -> Any:
    data = {"time": time, "amount": amount}
    return EVENT.validate_python(
        {"event_id": time, "kind": "order", "customer_id": customer_id, "data": data}
    )


def test_order_lines_are_scored_in_the_order_asked() -> None:
    b = customer("b", ("2026-01-01", 2.0))
    a = customer("a", ("2026-02-01T09:00:00", 1.5), ("2026-01-01", 0.25))
    asked = Asked()
    found = many(live(), asked, customers=[b, a])
    assert [(r["customer_id"], r["orders_total"], r["spend_total"]) for r in found] == [
        ("b", 1, 2.0),
        ("a", 2, 1.75),
    ]
    assert {(r["found"], r["as_of"], r["model_version"]) for r in found} == {(True, "2026-03-01", "model-1")}
    assert (asked.customers, asked.model_version) == (2, "model-1")


def test_rows_of_all_tables_of_the_shop_count_and_of_no_other() -> None:
    one = {
        **customer("a", ("2026-01-01", 2.0)),
        "interactions": [{"time": "2026-02-01", "kind": "complaint"}],
    }
    two = {**customer("b", ("2026-01-01", 2.0)), "surveys": [{"time": "2026-02-01", "score": 2}]}
    assert [row["complaints_365d"] for row in many(live(), customers=[one, two])] == [1.0, 0.0]


def test_customers_without_a_past_order_are_told_apart_and_others_scored() -> None:
    later, nothing = customer("later", ("2026-03-01", 1.0)), customer("nothing")
    returned = customer("returned", ("2026-02-01", -5.0), ("2026-02-02", 0.0))
    asked = [later, customer("a", ("2026-02-28", 1.0)), nothing, returned]
    found = many(live(), customers=asked, as_of="2026-03-01")
    assert [r["found"] for r in found] == [False, True, False, False]
    assert {r["error"] for r in found if not r["found"]} == {"no order before 2026-03-01"}


def test_without_a_day_rows_count_from_the_day_after_the_newest_of_them() -> None:
    early, late = customer("a", ("2026-02-01", 1.0)), customer("b", ("2026-03-04T23:00:00", 1.0))
    found = many(live(), customers=[early, late, customer("c", ("2150-01-01", 1.0), ("2026-01-01", 1.0))])
    assert [row["as_of"] for row in found[:2]] == ["2026-03-01", "2026-03-05"]
    assert date.fromisoformat(found[2]["as_of"]) <= date(2150, 1, 1)
    assert found[2]["orders_total"] == 1


@pytest.mark.parametrize(("zone", "spend"), [("UTC", 1), ("Asia/Shanghai", 0), ("America/New_York", 2)])
def test_zoned_times_count_on_the_business_day(zone: str, spend: int) -> None:
    # 28 February 20:00 UTC is 1 March in Shanghai; 1 March 03:00 UTC is still 28 February in New York.
    a = customer("a", ("2026-02-28T20:00:00Z", 1.0), ("2026-03-01T03:00:00+00:00", 1.0))
    (row,) = many(live(zone=zone), customers=[a], as_of="2026-03-01")
    assert row.get("spend_total", 0) == spend


def test_numbers_equal_those_of_the_one_feature_function() -> None:
    amounts = np.random.default_rng(5).normal(20, 9, 40)
    times = [f"2026-01-{day:02d}T12:00:00" for day in range(1, 21)] * 2
    a = customer("a", *zip(times, map(float, amounts), strict=True))
    (row,) = many(live(), customers=[a])
    frame = pd.DataFrame({"customer_id": "a", "time": pd.to_datetime(times), "amount": amounts})
    listed = fetch_features(tables_from_frames({"orders": frame}), [DAY]).to_pandas()
    assert row["spend_total"].hex() == float(listed["spend_total"].iloc[0]).hex()


def test_optional_fields_of_one_customer_do_not_reach_another() -> None:
    plain, rich = customer("p", ("2026-01-01", 1.0)), customer("r", ("2026-01-01", 1.0), product="x")
    found = many(live(), customers=[plain, rich, {**plain, "customer_id": "q"}])
    assert [row["products"] for row in found] == [None, 1.0, None]


def test_by_id_the_stored_row_is_the_answer_word_for_word() -> None:
    lookup = FakeLookup({"7": {"clv": 0.1 + 0.2, "reasons": "r"}, "007": {"clv": 2.5}})
    found = many(live(lookup), customer_ids=["007", "8", "7", "007"])
    assert [(r["found"], r.get("clv")) for r in found] == [
        (True, 2.5),
        (False, None),
        (True, 0.1 + 0.2),
        (True, 2.5),
    ]
    assert found[1] == {"found": False, "customer_id": "8", "error": "not in the latest list"}
    assert "reasons" not in found[2]
    assert many(live(lookup), customer_ids=["7"], reasons=True)[0]["reasons"] == "r"


def test_what_was_told_since_the_list_is_scored_with_the_past() -> None:
    lookup = FakeLookup({"a": {"clv": 1.0}}, events={"a": 1})
    past = {"orders": [{"time": datetime(2026, 1, 5), "amount": 2.0}]}
    told = {"a": Counted((order("a", "2026-03-02T10:00:00", 5.0),), date(2026, 3, 2))}
    (row,) = many(live(lookup, known={"a": past}, told=told), customer_ids=["a"])
    assert (row["as_of"], row["orders_total"], row["spend_total"]) == ("2026-03-03", 2, 7.0)


def test_who_is_new_since_the_list_is_scored_on_the_news_alone() -> None:
    lookup = FakeLookup({}, events={"new": 1})
    told = {"new": Counted((order("new", "2026-02-02", 5.0),), date(2026, 2, 2))}
    (row,) = many(live(lookup, told=told), customer_ids=["new"])
    assert (row["as_of"], row["spend_total"]) == ("2026-03-01", 5.0)


def test_an_old_customer_whose_past_was_not_kept_does_not_pass_for_a_new_one() -> None:
    lookup = FakeLookup({"a": {"clv": 1.0}}, events={"a": 1})
    told = {"a": Counted((order("a", "2026-03-02", 5.0),), date(2026, 3, 2))}
    (row,) = many(live(lookup, told=told), customer_ids=["a"])
    assert row == {"found": False, "customer_id": "a", "error": NOT_KEPT}


def test_another_day_than_the_lists_is_scored_from_what_was_kept() -> None:
    past = {"orders": [{"time": datetime(2026, 1, day), "amount": 2.0} for day in (5, 25)]}
    service = live(FakeLookup({"a": {"clv": 1.0}}), known={"a": past})
    (row,) = many(service, customer_ids=["a"], as_of="2026-01-20")
    assert (row["as_of"], row["orders_total"]) == ("2026-01-20", 1)


def test_who_wants_no_contact_is_answered_so_even_after_news() -> None:
    lookup = FakeLookup({"a": {"clv": 1.0}}, events={"a": 2}, opted_out=["a"])
    (row,) = many(live(lookup), customer_ids=["a"])
    assert row == {"found": False, "customer_id": "a", "error": "wants no contact"}


def test_outside_the_scope_nobody_is_known() -> None:
    lookup = FakeLookup({"h1": {"risk": "high"}, "l1": {"risk": "low"}}, opted_out=["l1"])
    by_id = many(live(lookup), HIGH, customer_ids=["h1", "l1", "nobody"])
    assert [row["found"] for row in by_id] == [True, False, False]
    assert {row["error"] for row in by_id[1:]} == {"not in the latest list"}
    lines = [customer(name, ("2026-01-01", 1.0)) for name in ("h1", "l1")]
    by_rows = many(live(), HIGH, customers=[*lines, customer("none")], as_of="2026-03-01")
    assert [row["found"] for row in by_rows] == [True, False, False]
    assert {row["error"] for row in by_rows[1:]} == {"no order before 2026-03-01"}


def test_one_customer_gets_the_result_of_a_batch_of_one() -> None:
    service, lines = live(), customer("a", ("2026-01-01", 1.0))
    alone = service.one(ScoreRequest.model_validate({"customer": lines, "reasons": True}), Asked())
    assert [json.loads(alone)] == many(service, customers=[lines], reasons=True)
    assert json.loads(alone)["reasons_zh"] == "久未下单"


def test_nothing_asked_is_answered_with_nothing() -> None:
    assert many(live(), customers=[]) == many(live(), customer_ids=[]) == many(live(), feature_rows=[]) == []


def test_limits_of_the_installation() -> None:
    small = live(max_rows=2, max_id_length=3)
    with pytest.raises(Refusal, match="3 customers; at most 2") as caught:
        many(small, customer_ids=["a", "b", "c"])
    assert caught.value.status == 413
    with pytest.raises(Refusal, match=r"customers\[1\].customer_id: longer than 3"):
        many(small, customers=[customer("abc"), customer("abcd")])
    with pytest.raises(Refusal, match=r"customers\[1\].customer_id: is the customer of customers\[0\] again"):
        many(small, customers=[customer("a"), customer("a")])


def test_without_a_list_ids_need_one_and_rows_do_not() -> None:
    empty = live(FakeLookup(None))
    with pytest.raises(Refusal, match="retain score") as ids:
        many(empty, customer_ids=["a"])
    assert ids.value.status == 409
    (row,) = many(empty, customers=[customer("a", ("2026-01-01", 1.0))])
    assert row["as_of"] == "2026-01-02"
    with pytest.raises(Refusal, match="as_of: is required"):
        many(empty, feature_rows=[])


def test_a_store_that_cannot_be_read_is_503() -> None:
    lookup = FakeLookup({})
    lookup.broken = True
    with pytest.raises(Refusal, match="could not be read") as caught:
        many(live(lookup), customer_ids=["a"])
    assert caught.value.status == 503


def test_what_fails_while_the_store_is_well_does_not_pass_for_a_store_that_is_busy() -> None:
    class Choking(PassingScorer):
        def answer_rows(self, *given: Any, **more: Any) -> list[dict[str, Any]]:
            raise InputError("features: a matrix of another shape")

    service = live(models=FakeModels(FakeServed(Choking())))
    with pytest.raises(InputError, match="another shape"):
        many(service, customers=[customer("a", ("2026-01-01", 1.0))])


def test_features_that_nobody_can_have_are_a_fault_of_the_caller_by_every_way() -> None:
    features = {**dict.fromkeys(FEATURES, 1.0), "recency": 2.0}
    service, body = live(), {"customer_id": "a", "features": features}
    for ask in (
        lambda: many(service, feature_rows=[body]),
        lambda: service.one(ScoreRequest.model_validate({**body, "reasons": True}), Asked()),
    ):
        with pytest.raises(Refusal, match=r"features\.recency: must lie between 0 and T") as refused:
            ask()
        assert refused.value.status == 400


def test_the_row_as_of_now_comes_with_what_decisions_need() -> None:
    orders = [{"time": datetime(2026, 1, 5), "amount": 2.0}]
    service = live(FakeLookup({"h": {}, "l": {}}), known={"h": {"orders": orders}, "l": {"orders": orders}})
    row = service.current("h", HIGH)
    assert row is not None
    assert (row["as_of"], row["last_campaign_days"]) == ("2026-03-01", None)
    assert service.current("l", HIGH) is None
    assert service.current("nobody", Asked()) is None


def test_threads_have_an_engine_each_and_get_the_same_answer() -> None:
    service = live()
    request = BatchRequest.model_validate({"customers": [customer("a", ("2026-01-01", 1.25))]})
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: service.many(request, Asked()), range(12)))
    assert set(answers) == {service.many(request, Asked())}
