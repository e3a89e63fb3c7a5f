from __future__ import annotations

from datetime import UTC, date, datetime

import pandas as pd
import pyarrow as pa
import pytest

from features.errors import InputError
from features.load import tables_from_frames


def orders(**columns):
    rows = {
        "customer_id": ["007", "7"],
        "time": [datetime(2026, 1, 5, 10), datetime(2026, 1, 6)],
        "amount": [9.5, -2],
    }
    return pd.DataFrame({**rows, **columns})


def test_types_and_days():
    tables = tables_from_frames({"orders": orders()}, timezone="Europe/London", currency="GBP")
    frame = tables.con.to_pyarrow(tables.orders)
    assert frame["customer_id"].to_pylist() == ["007", "7"]
    assert frame["amount"].to_pylist() == [9.5, -2.0]
    assert frame["day"].to_pylist() == frame["known_day"].to_pylist() == [date(2026, 1, 5), date(2026, 1, 6)]
    assert (tables.timezone, tables.currency, tables.present) == ("Europe/London", "GBP", ("orders",))


def test_zoned_times_become_business_local():
    late = [datetime(2026, 1, 31, 20, tzinfo=UTC)] * 2
    tables = tables_from_frames({"orders": orders(time=late)}, timezone="Asia/Shanghai")
    assert tables.con.to_pyarrow(tables.orders)["time"].to_pylist() == [datetime(2026, 2, 1, 4)] * 2
    tables = tables_from_frames({"orders": orders(time=late)}, timezone="America/New_York")
    assert tables.con.to_pyarrow(tables.orders)["day"].to_pylist() == [date(2026, 1, 31)] * 2


def test_known_day_is_the_later_of_event_and_arrival():
    arrived = pd.Series([datetime(2026, 2, 1), None])
    tables = tables_from_frames({"orders": orders(known_at=arrived)})
    assert tables.con.to_pyarrow(tables.orders)["known_day"].to_pylist() == [
        date(2026, 2, 1),
        date(2026, 1, 6),
    ]


def test_integer_ids_become_text_and_iso_text_becomes_time():
    tables = tables_from_frames(
        {"orders": orders(customer_id=[7, 70], time=["2026-01-05T10:00:00Z", "2026-01-06T00:00:00Z"])}
    )
    frame = tables.con.to_pyarrow(tables.orders)
    assert frame["customer_id"].to_pylist() == ["7", "70"]
    assert frame["day"].to_pylist() == [date(2026, 1, 5), date(2026, 1, 6)]


def test_customers_without_dates_are_always_known():
    customers = pa.table({"customer_id": ["007"], "region": ["North"]})
    tables = tables_from_frames({"orders": orders(), "customers": customers})
    frame = tables.con.to_pyarrow(tables.customers)
    assert frame["known_day"].to_pylist() == [date(1970, 1, 1)]
    assert "day" not in frame.column_names


def test_returned_lines_take_money_back():
    tables = tables_from_frames({"orders": orders(amount=[5.0, 5.0], returned=[True, None])})
    assert tables.con.to_pyarrow(tables.orders)["amount"].to_pylist() == [-5.0, 5.0]


def test_orders_are_empty_when_only_contracts_are_given():
    contracts = pd.DataFrame({"customer_id": ["a"], "start": [datetime(2026, 1, 1)]})
    tables = tables_from_frames({"contracts": contracts})
    assert tables.con.to_pyarrow(tables.orders).num_rows == 0
    assert {"day", "known_day"} <= set(tables.orders.columns)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"amount": [1.0, float("inf")]}, "not finite"),
        ({"amount": [1.0, None]}, "missing"),
        ({"amount": ["1", "2"]}, "number expected"),
        ({"customer_id": [1.5, 2.5]}, "ids are text"),
        ({"time": [1, 2]}, "date or time expected"),
        ({"time": ["2026-01-05", "05/01/2026"]}, "ISO 8601"),
        ({"returned": ["yes", "no"]}, "true or false"),
        ({"price": [1, 2]}, "unknown column 'price'"),
        ({"customer_id": ["a", 2]}, "different types"),
        ({"quantity": [1.0, 1e20]}, "1 of 2 values are larger than 100,000,000,000"),
    ],
)
def test_frames_that_do_not_fit_are_refused(columns, message):
    with pytest.raises(InputError, match=message):
        tables_from_frames({"orders": orders(**columns)})


def test_all_faults_come_at_once():
    with pytest.raises(InputError) as caught:
        tables_from_frames({"orders": orders(amount=["1", "2"]).drop(columns="time"), "shops": orders()})
    assert all(part in str(caught.value) for part in ("shops", "'time' is missing", "number expected"))
