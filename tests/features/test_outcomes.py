"""Outcomes of a decision day, by hand."""

from __future__ import annotations

from datetime import date

import pandas as pd
import pytest

from features.errors import ConfigError
from features.load import tables_from_frames
from features.outcomes import customer_outcomes, slices

DAY = date(2026, 3, 1)


def orders() -> pd.DataFrame:
    rows = [
        ("a", "2025-02-01 10:00", 900.0, None),  # more than a year before
        ("a", "2026-02-01 10:00", 50.0, 20.0),
        ("a", "2026-03-01 00:00", 100.0, 60.0),  # the first moment of the day counts as after
        ("a", "2026-04-29 23:59", 40.0, None),  # the last of 60 days; cost not known
        ("a", "2026-04-30 00:00", 500.0, 1.0),  # too late
        ("b", "2026-02-28 23:59", 10.0, 4.0),
        ("c", "2026-03-20 12:00", 30.0, 10.0),
        ("c", "2026-04-10 12:00", -30.0, 10.0),  # sent back with its goods
    ]
    frame = pd.DataFrame(rows, columns=["customer_id", "time", "amount", "cost"])
    return frame.assign(time=pd.to_datetime(frame["time"]))


def found(**words: float) -> pd.DataFrame:
    tables = tables_from_frames({"orders": orders()})
    return customer_outcomes(tables, [DAY], 60, margin_rate=0.5, **words).set_index("customer_id")


def test_orders_and_margin_after_the_day_by_hand() -> None:
    rows = found()
    assert rows.loc["a", ["orders", "margin", "churn"]].tolist() == [2.0, 60.0, 0.0]
    assert rows.loc["a", ["margin_30d", "margin_60d"]].tolist() == [40.0, 60.0]
    assert rows.loc["b", ["orders", "margin", "churn"]].tolist() == [0.0, 0.0, 1.0]
    assert rows.loc["c", ["orders", "margin_30d", "margin"]].tolist() == [1.0, 20.0, 0.0]


def test_the_year_before_by_hand() -> None:
    rows = found()
    assert rows.loc["a", ["orders_before", "margin_before"]].tolist() == [1.0, 30.0]
    assert rows.loc["b", ["orders_before", "margin_before"]].tolist() == [1.0, 6.0]
    assert rows.loc["c", ["orders_before", "margin_before"]].tolist() == [0.0, 0.0]


def test_several_days_are_kept_apart() -> None:
    tables = tables_from_frames({"orders": orders().drop(columns="cost")})
    days = [DAY, date(2026, 2, 1)]
    rows = customer_outcomes(tables, days, 28, margin_rate=0.5).set_index(["as_of", "customer_id"])
    assert rows.loc[(date(2026, 2, 1), "a"), "margin"] == 25.0
    assert rows.loc[(DAY, "a"), "margin"] == 50.0
    assert rows.loc[(date(2026, 2, 1), "b"), "churn"] == 0.0


def test_a_horizon_needs_a_day() -> None:
    with pytest.raises(ConfigError, match="a horizon of 0 days"):
        customer_outcomes(tables_from_frames({"orders": orders()}), [DAY], 0, margin_rate=0.5)
    assert slices(14) == (14,)
