"""The ledger: every line of the order file has one place, and the places add up to the file."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pandas as pd
import pytest

from features.frames import tables_from_frames
from features.ledger import attribute_of, breadth_of, customer_days, lines_of_file
from features.load import Loaded, load
from features.settings import DataSettings, TableSource

DAY = date(2026, 3, 1)


def loaded(folder: Path, text: str, **settings: object) -> Loaded:
    (folder / "orders.csv").write_text(text, encoding="utf-8")
    source = TableSource(path=("orders.csv",))
    more = {"orders": source, "max_quarantined_share": 0.9, **settings}
    return load(DataSettings(**more), base=folder, today=date(2026, 4, 1))


def places(found: Loaded, day: date = DAY) -> dict[str, list[int]]:
    rows = lines_of_file(found.tables, day, found.unused).set_index("place")
    return {str(place): row.tolist() for place, row in rows.iterrows() if row["rows"]}


def test_every_line_has_a_place(tmp_path: Path) -> None:
    text = (
        "customer_id,time,amount\na,2026-01-05,10.01\na,2026-01-06,-2.5\nb,2026-03-01,7\n,2026-01-07,3.33\n"
        "c,never,4.2\nd,2026-01-08,inf\ne,2026-01-09,1,5\n"
    )
    found = places(loaded(tmp_path, text))
    assert found == {
        "bought": [1, 1, 100_100],
        "returned": [1, 1, -25_000],
        "later": [1, 1, 70_000],
        "no_customer": [1, 1, 33_300],
        "not_a_date": [1, 1, 42_000],
        "not_finite": [1, 0, 0],
        "ragged_row": [1, 0, 0],
    }


def test_copies_that_were_dropped_are_counted(tmp_path: Path) -> None:
    text = "customer_id,time,amount\n" + "a,2026-01-05,10\n" * 3 + "a,2026-01-06,1\n"
    found = places(loaded(tmp_path, text, exact_duplicates="drop"))
    assert found == {"bought": [2, 2, 110_000], "duplicates_dropped": [2, 2, 200_000]}


def test_amounts_in_another_currency_are_not_added(tmp_path: Path) -> None:
    lines = ["a,2026-01-05,10,EUR", "a,2026-01-05,99,USD", ",2026-01-05,5,USD", ",2026-01-05,4,eur"]
    text = "\n".join(["customer_id,time,amount,currency", *lines, ""])
    found = places(loaded(tmp_path, text, currency="EUR"))
    assert found == {"bought": [1, 1, 100_000], "no_customer": [2, 1, 40_000], "foreign_currency": [1, 0, 0]}


def test_computed_amounts_are_computed_for_nobody_too(tmp_path: Path) -> None:
    text = "customer_id,time,quantity,unit_price\na,2026-01-05,2,1.5\n,2026-01-05,3,2\n"
    found = loaded(tmp_path, text)
    assert places(found) == {"bought": [1, 1, 30_000], "no_customer": [1, 1, 60_000]}
    assert found.unused["day"].to_pylist() == [date(2026, 1, 5)]


def test_days_carry_revenue_orders_margin_and_breadth() -> None:
    orders = pd.DataFrame(
        {
            "customer_id": ["a", "a", "a", "a", "b"],
            "time": pd.to_datetime([*["2026-01-05"] * 3, "2026-02-01", "2026-03-01"]),
            "amount": [10.0, 20.0, -4.0, 5.0, 9.0],
            "order_id": ["1", "1", "1", "2", "3"],
            "category": ["x", "y", "x", None, "x"],
            "cost": [4.0, None, 1.0, 2.0, 1.0],
        }
    )  # fmt: skip
    found = customer_days(tables_from_frames({"orders": orders}), DAY, margin_rate=0.5)
    assert found["day"].astype(str).tolist() == ["2026-01-05", "2026-02-01"]
    # 10 − 4, half of 20, and −4 with its cost of 1 given back.
    assert found.iloc[0, 2:].to_dict() == {
        "orders": 1, "spend_u": 300_000, "returns_u": 40_000, "revenue_u": 260_000, "margin_u": 130_000, "breadth": 2,
    }  # fmt: skip
    assert found.iloc[1][["margin_u", "breadth"]].tolist() == [30_000, 1]


@pytest.mark.parametrize(
    ("columns", "thing"), [(["category", "product"], "category"), (["product"], "product"), ([], "")]
)
def test_breadth_is_of_categories_else_products(columns: list[str], thing: str) -> None:
    orders = pd.DataFrame({"customer_id": ["a"], "time": [pd.Timestamp("2026-01-05")], "amount": [1.0]})
    tables = tables_from_frames({"orders": orders.assign(**dict.fromkeys(columns, "x"))})
    assert breadth_of(tables) == thing
    assert ("breadth" in customer_days(tables, DAY, margin_rate=1.0)) == bool(thing)


def test_what_arrives_later_is_not_known_yet() -> None:
    orders = pd.DataFrame(
        {"customer_id": ["a", "a"], "time": pd.to_datetime(["2026-01-05"] * 2), "amount": [1.0, 2.0],
         "known_at": pd.to_datetime(["2026-01-05", "2026-03-01"])}
    )  # fmt: skip
    tables = tables_from_frames({"orders": orders})
    assert customer_days(tables, DAY, margin_rate=1.0)["revenue_u"].tolist() == [10_000]
    assert lines_of_file(tables, DAY).set_index("place")["amount_u"].to_dict() == {
        "bought": 10_000,
        "returned": 0,
        "later": 20_000,
    }


def test_attributes_of_customers() -> None:
    orders = pd.DataFrame({"customer_id": ["a"], "time": [pd.Timestamp("2026-01-05")], "amount": [1.0]})
    customers = pd.DataFrame({"customer_id": ["a", "b"], "segment": ["shop", None]})
    tables = tables_from_frames({"orders": orders, "customers": customers})
    segments = attribute_of(tables, DAY, "segment")
    assert segments is not None
    assert segments.to_dict() == {"a": "shop"}
    assert attribute_of(tables, DAY, "acquisition_cost") is None
    assert attribute_of(tables_from_frames({"orders": orders}), DAY, "segment") is None
