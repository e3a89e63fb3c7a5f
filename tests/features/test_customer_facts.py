"""Attributes of customers: the latest known row, opt-outs in any row, nothing from after the day."""

from __future__ import annotations

from datetime import date

import pandas as pd

from features.customer_facts import ATTRIBUTES, customer_facts
from features.frames import tables_from_frames
from features.tables import Tables

_ORDERS = pd.DataFrame({"customer_id": ["a"], "time": [pd.Timestamp("2026-01-05")], "amount": [9.5]})


def _tables(customers: pd.DataFrame) -> Tables:
    return tables_from_frames({"orders": _ORDERS, "customers": customers})


def _customers(**columns: list[object]) -> pd.DataFrame:
    times = {n: pd.to_datetime(pd.Series(columns.pop(n))) for n in ("joined_at", "known_at") if n in columns}
    return pd.DataFrame({**columns, **times})


def test_the_latest_known_row_speaks_and_an_opt_out_in_any_row_counts() -> None:
    customers = _customers(
        customer_id=["a", "a"],
        joined_at=["2026-01-01", "2026-01-01"],
        known_at=["2026-01-02", "2026-01-20"],
        region=["north", "south"],
        opted_out=[True, False],
    )
    found = customer_facts(_tables(customers), date(2026, 2, 1)).loc["a"]
    assert (found["region"], bool(found["opted_out"])) == ("south", True)


def test_what_arrived_later_is_not_known() -> None:
    customers = _customers(
        customer_id=["a"], joined_at=["2026-01-01"], known_at=["2026-03-01"], opted_out=[True]
    )
    assert customer_facts(_tables(customers), date(2026, 2, 1)).empty


def test_the_order_of_rows_does_not_matter() -> None:
    customers = _customers(
        customer_id=["a", "a", "b"],
        joined_at=["2026-01-01", "2026-01-03", "2026-01-02"],
        region=["x", "y", "z"],
    )
    there = customer_facts(_tables(customers), date(2026, 2, 1))
    back = customer_facts(_tables(customers.iloc[::-1]), date(2026, 2, 1))
    pd.testing.assert_frame_equal(there, back)
    assert there["region"].to_dict() == {"a": "y", "b": "z"}


def test_without_a_customers_table_nothing_is_known_and_the_columns_stand() -> None:
    found = customer_facts(tables_from_frames({"orders": _ORDERS}), date(2026, 2, 1))
    assert (len(found), list(found.columns)) == (0, list(ATTRIBUTES))
