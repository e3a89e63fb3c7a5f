"""What answers: limits, lookups, order lines through the one feature function, order of results, zones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from features.errors import InputError, ModelError
from features.frames import tables_from_frames
from features.plan import fetch_features
from serving.live import Live, LiveSettings
from serving.order_schemas import ScoreRequest
from serving.refusal import Refusal
from serving.settings import ServingSettings
from serving.store import RunInfo, Store

DAY = date(2026, 3, 1)
RUN = RunInfo("run-1", DAY, "list-1", "c0ffee", 2, datetime(2026, 3, 1, tzinfo=UTC))


class CountingScorer:
    """Passes a few features on: enough to see what reached it."""

    def rows(self, known: pd.DataFrame, as_of: date, *, explain: bool = True) -> pd.DataFrame:
        last = [as_of - timedelta(days=int(days)) for days in known["days_since_last"]]
        found = known[["customer_id", "orders_total", "spend_total", "products"]].assign(last=last)
        found["as_of"], found["clv"], found["reasons"] = as_of, np.nan, "overdue"
        return found.sample(frac=1.0, random_state=1)


class DictStore:
    def __init__(
        self, rows: Mapping[str, Mapping[str, Any]] | None = None, run: RunInfo | None = RUN
    ) -> None:
        self.rows, self.run = rows or {}, run

    def get(self, ids: Sequence[str]) -> dict[str, Mapping[str, Any]]:
        return {i: self.rows[i] for i in ids if i in self.rows}

    def latest_run(self) -> RunInfo | None:
        return self.run


def live(store: DictStore | Store | None = None, *, zone: str = "UTC", **limits: int) -> Live:
    serving = ServingSettings(**limits)  # type: ignore[arg-type]
    settings = LiveSettings(models=Path("m"), store_url="sqlite://", timezone=zone, serving=serving)
    return Live(CountingScorer(), store or DictStore(), settings, version="model-1")


def ask(**request: Any) -> ScoreRequest:
    return ScoreRequest.model_validate(request)


def customer(name: str, *lines: tuple[str, float], **more: Any) -> dict[str, Any]:
    return {
        "customer_id": name,
        "orders": [{"time": time, "amount": amount, **more} for time, amount in lines],
    }


def rows(answer: Any) -> list[dict[str, Any]]:
    return [result.model_dump() for result in answer.results]


def test_order_lines_are_scored_in_the_order_asked() -> None:
    b = customer("b", ("2026-01-01", 2.0))
    a = customer("a", ("2026-02-01T09:00:00", 1.5), ("2026-01-01", 0.25))
    answer = live().answer(ask(customers=[b, a]))
    assert (answer.model_version, answer.as_of) == ("model-1", DAY)
    assert [(r["customer_id"], r["orders_total"], r["spend_total"]) for r in rows(answer)] == [
        ("b", 1, 2.0),
        ("a", 2, 1.75),
    ]
    assert rows(answer)[1]["last"] == "2026-02-01"
    assert rows(answer)[1]["clv"] is None


def test_customers_without_a_past_order_are_told_apart_and_others_scored() -> None:
    later, nothing = customer("later", ("2026-03-01", 1.0)), customer("nothing")
    returned = customer("returned", ("2026-02-01", -5.0), ("2026-02-02", 0.0))
    found = rows(live().answer(ask(customers=[later, customer("a", ("2026-02-28", 1.0)), nothing, returned])))
    assert [r["found"] for r in found] == [False, True, False, False]
    assert {r["error"] for r in found if not r["found"]} == {"no order before 2026-03-01"}


def test_the_request_may_name_the_day() -> None:
    answer = live().answer(
        ask(customers=[customer("a", ("2026-01-01", 1.0), ("2026-01-02", 1.0))], as_of="2026-01-02")
    )
    assert answer.as_of == date(2026, 1, 2)
    assert rows(answer)[0]["orders_total"] == 1


@pytest.mark.parametrize(("zone", "spend"), [("UTC", 1), ("Asia/Shanghai", 0), ("America/New_York", 2)])
def test_zoned_times_count_on_the_business_day(zone: str, spend: int) -> None:
    # 28 February 20:00 UTC is 1 March in Shanghai; 1 March 03:00 UTC is still 28 February in New York.
    a = customer("a", ("2026-02-28T20:00:00Z", 1.0), ("2026-03-01T03:00:00+00:00", 1.0))
    (row,) = rows(live(zone=zone).answer(ask(customers=[a])))
    assert row.get("spend_total", 0) == spend


def test_naive_times_are_business_local() -> None:
    a = customer("a", ("2026-02-28T23:59:59", 1.0), ("2026-03-01T00:00:00", 1.0))
    (row,) = rows(live(zone="Asia/Shanghai").answer(ask(customers=[a])))
    assert row["orders_total"] == 1


def test_numbers_equal_those_of_the_one_feature_function() -> None:
    amounts = np.random.default_rng(5).normal(20, 9, 40)
    times = [f"2026-01-{day:02d}T12:00:00" for day in range(1, 21)] * 2
    a = customer("a", *zip(times, map(float, amounts), strict=True))
    (row,) = rows(live().answer(ask(customers=[a])))
    frame = pd.DataFrame({"customer_id": "a", "time": pd.to_datetime(times), "amount": amounts})
    listed = fetch_features(tables_from_frames({"orders": frame}), [DAY]).to_pandas()
    assert row["spend_total"].hex() == float(listed["spend_total"].iloc[0]).hex()


def test_optional_fields_of_one_customer_do_not_reach_another() -> None:
    plain, rich = customer("p", ("2026-01-01", 1.0)), customer("r", ("2026-01-01", 1.0), product="x")
    found = rows(live().answer(ask(customers=[plain, rich, {**plain, "customer_id": "q"}])))
    assert [row["products"] for row in found] == [None, 1.0, None]


def test_lines_count_from_the_day_they_arrived() -> None:
    lines = [{"time": "2026-01-01", "amount": 1.0}, {"time": "2026-01-02", "amount": 2.0}]
    late = [{**line, "known_at": at} for line, at in zip(lines, ["2026-02-28", "2026-03-01"], strict=True)]
    (row,) = rows(live().answer(ask(customers=[{"customer_id": "a", "orders": late}])))
    assert (row["spend_total"], row["last"]) == (1.0, "2026-01-01")


def test_a_customer_given_twice_is_refused_with_both_places() -> None:
    with pytest.raises(
        Refusal, match=r"customers\[2\].customer_id: is the customer of customers\[0\] again"
    ) as caught:
        live().answer(ask(customers=[customer("a"), customer("b"), customer("a")]))
    assert (caught.value.status, caught.value.field) == (400, "customers[2].customer_id")


def test_ids_are_looked_up_as_they_are_and_answered_each_time() -> None:
    store = DictStore(
        {"7": {"customer_id": "7", "clv": 1.5, "status": "active"}, "007": {"customer_id": "007", "clv": 2.5}}
    )
    answer = live(store).answer(ask(customer_ids=["007", "8", "7", "007"]))
    assert (answer.model_version, answer.as_of) == ("list-1", DAY)
    assert [(r["found"], r.get("clv")) for r in rows(answer)] == [
        (True, 2.5),
        (False, None),
        (True, 1.5),
        (True, 2.5),
    ]
    assert rows(answer)[1]["error"] == "not in the latest list"


def test_missing_values_of_every_kind_become_null_and_days_text() -> None:
    missing = {"a": np.nan, "b": pd.NaT, "c": pd.NA, "d": None, "e": np.float64("nan")}
    present = {
        "f": np.int64(3),
        "g": np.float64(0.1),
        "h": datetime(2026, 1, 5),
        "i": date(2026, 1, 6),
        "j": ["x"],
    }
    (row,) = rows(live(DictStore({"x": {**missing, **present}})).answer(ask(customer_ids=["x"])))
    assert [row[name] for name in missing] == [None] * 5
    assert [row[name] for name in present] == [3, 0.1, "2026-01-05", "2026-01-06", ["x"]]


def test_reasons_can_be_left_out() -> None:
    store = DictStore({"a": {"clv": 1.0, "reasons": "r", "reasons_zh": "由"}})
    (row,) = rows(live(store).answer(ask(customer_ids=["a"], reasons=False)))
    assert set(row) == {"customer_id", "found", "error", "clv"}


def test_nothing_asked_is_answered_with_nothing() -> None:
    assert rows(live().answer(ask(customers=[]))) == []
    assert rows(live().answer(ask(customer_ids=[]))) == []


def test_limits_of_the_installation() -> None:
    small = live(max_rows=2, max_id_length=3)
    with pytest.raises(Refusal, match="3 customers; at most 2") as caught:
        small.answer(ask(customer_ids=["a", "b", "c"]))
    assert caught.value.status == 413
    with pytest.raises(Refusal, match=r"customers\[1\].customer_id: longer than 3"):
        small.answer(ask(customers=[customer("abc"), customer("abcd")]))


def test_without_a_list_ids_need_one_and_orders_need_a_day() -> None:
    empty = live(DictStore(run=None))
    with pytest.raises(Refusal, match="retain score") as ids:
        empty.answer(ask(customer_ids=["a"]))
    with pytest.raises(Refusal, match="as_of: is required") as orders:
        empty.answer(ask(customers=[]))
    assert (ids.value.status, orders.value.status) == (409, 400)
    assert empty.info().model_dump() == {"model_version": "model-1", "list_version": None, "list_as_of": None}


def test_another_day_than_the_list_is_refused_for_ids() -> None:
    with pytest.raises(Refusal, match="the latest list is of 2026-03-01"):
        live().answer(ask(customer_ids=["a"], as_of="2026-03-02"))


def test_a_new_list_in_the_middle_of_a_lookup_is_not_mixed_with_the_old_one() -> None:
    class Moving(DictStore):
        def get(self, ids: Sequence[str]) -> dict[str, Mapping[str, Any]]:
            found = {"a": {"clv": 1.0 if self.run == RUN else 2.0}}
            self.run = replace(RUN, run_id="run-2", model_version="list-2")
            return found

    answer = live(Moving()).answer(ask(customer_ids=["a"]))
    assert (answer.model_version, rows(answer)[0]["clv"]) == ("list-2", 2.0)


def test_a_store_that_cannot_be_read_is_503() -> None:
    class Broken(DictStore):
        def latest_run(self) -> RunInfo | None:
            raise InputError("state database: could not be read")

    with pytest.raises(Refusal, match="could not be read") as caught:
        live(Broken()).answer(ask(customer_ids=["a"]))
    assert caught.value.status == 503


def test_rows_of_the_real_store_keep_their_bits() -> None:
    store, value = Store("sqlite://"), 0.1 + 0.2
    frame = pd.DataFrame({"customer_id": ["007"], "as_of": [DAY], "clv": [value], "reasons": ["late"]})
    store.save_run(replace(RUN, rows=1), frame)
    (row,) = rows(live(store).answer(ask(customer_ids=["007"])))
    assert (row["as_of"], row["clv"].hex(), row["reasons"]) == ("2026-03-01", value.hex(), "late")
    store.close()


def test_threads_have_a_connection_each_and_get_the_same_numbers() -> None:
    service = live()
    request = ask(customers=[customer("a", ("2026-01-01", 1.25), ("2026-01-02", 0.5))])
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: service.answer(request), range(12)))
    assert {answer.model_dump_json() for answer in answers} == {service.answer(request).model_dump_json()}


def test_warming_finds_a_model_that_cannot_score() -> None:
    class Broken(CountingScorer):
        def rows(self, known: pd.DataFrame, as_of: date, *, explain: bool = True) -> pd.DataFrame:
            raise ModelError(f"cannot score {list(known['customer_id'])}")

    service = live()
    service.warm()
    service.scorer = Broken()
    with pytest.raises(ModelError, match="warm"):
        service.warm()
