"""Facts around the time a customer left, by hand and point in time."""

from __future__ import annotations

from datetime import date

import pandas as pd
import pytest

from features.defection_facts import DEFECTION_FACTS, defection_facts, reason_in
from features.frames import tables_from_frames

_AS_OF = date(2026, 2, 1)


def _orders(*rows: tuple[str, str, float], **more: list[float]) -> pd.DataFrame:
    found = pd.DataFrame(rows, columns=["customer_id", "time", "amount"]).assign(**more)
    return found.assign(time=pd.to_datetime(found["time"]))


_ONE = _orders(("a", "2025-06-01", 10.0))


def _facts(orders: pd.DataFrame = _ONE, **tables: pd.DataFrame) -> pd.DataFrame:
    return defection_facts(tables_from_frames({"orders": orders, **tables}), _AS_OF)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Blocked for non-payment", "pushed_on_purpose"),
        ("went to a competitor", "pulled_away"),
        ("竞争对手", "pulled_away"),
        ("PRICE", "bought_away"),
        ("relocated", "moved_away"),
        ("bad service", "pushed_unintentionally"),
        ("don't know", "unclear"),
    ],
)
def test_words_of_reasons(text: str, reason: str) -> None:
    assert reason_in(pd.Series([text])).tolist() == [reason]


def test_nothing_written_is_no_reason() -> None:
    assert reason_in(pd.Series([None, " "], dtype="str")).isna().all()


def test_orders_alone_tell_no_reason() -> None:
    found = _facts()
    assert list(found.columns) == list(DEFECTION_FACTS)
    assert found.loc["a"].isna().all()


def test_the_latest_reason_on_record_counts_and_later_ones_are_not_known() -> None:
    contacts = pd.DataFrame(
        {
            "customer_id": ["a", "a", "a", "a"],
            "time": pd.to_datetime(["2025-07-01", "2025-08-01", "2025-09-01", "2026-03-01"]),
            "kind": ["Cancelled: moved", "churn_price", "price question", "cancel"],
        }
    )
    found = _facts(interactions=contacts).loc["a"]
    assert found["recorded_reason"] == "bought_away"
    assert found["recorded_reason_days"] == (_AS_OF - date(2025, 8, 1)).days


def test_leaving_without_a_reason_is_unclear() -> None:
    contacts = pd.DataFrame({"customer_id": ["a"], "time": pd.to_datetime(["2025-07-01"]), "kind": ["流失"]})
    assert _facts(interactions=contacts).loc["a", "recorded_reason"] == "unclear"


def test_release_contacts() -> None:
    times = pd.to_datetime(["2025-07-01", "2025-12-01"])
    campaigns = pd.DataFrame({"customer_id": "a", "time": times, "offer": ["Release", "call"]})
    assert _facts(campaigns=campaigns).loc["a", "released_days"] == (_AS_OF - date(2025, 7, 1)).days


def test_spend_that_ran_down_before_the_end() -> None:
    orders = _orders(("a", "2024-09-01", 80.0), ("a", "2025-03-01", 10.0), ("a", "2025-06-01", 10.0))
    # 2024-09-01 lies 273 days before the last purchase, 2025-03-01 lies 92 days before it
    assert _facts(orders).loc["a", "spend_fade"] == pytest.approx(20.0 / 80.0)


def test_discount_of_the_last_day() -> None:
    rows = (("a", "2025-06-01", 10.0), ("a", "2025-06-01", 10.0), ("a", "2025-05-01", 9.0))
    assert _facts(_orders(*rows, discount=[1.0, 0.0, 5.0])).loc["a", "last_day_discounted"] == 0.5


def test_another_region_than_before() -> None:
    customers = pd.DataFrame(
        {
            "customer_id": ["a", "a"],
            "region": ["north", "south"],
            "known_at": pd.to_datetime(["2025-01-01", "2025-07-01"]),
        }
    )
    assert _facts(customers=customers).loc["a", "region_before"] == "north"
    assert pd.isna(_facts(customers=customers.iloc[[0]]).loc["a", "region_before"])


def test_contracts_that_ran_out() -> None:
    start, end = (
        pd.to_datetime(["2025-01-01"] * 3),
        pd.to_datetime(["2025-07-01", "2025-07-01", "2027-01-01"]),
    )
    contracts = pd.DataFrame({"customer_id": list("abc"), "start": start, "end": end})
    contracts["cancelled_at"] = pd.to_datetime([None, "2025-03-01", None])
    orders = _orders(*((c, "2025-06-01", 10.0) for c in "abc"))
    found = _facts(orders, contracts=contracts)["contract_ended_days"]
    assert found["a"] == (_AS_OF - date(2025, 7, 1)).days
    assert found[["b", "c"]].isna().all()
