"""The history-length curve: fewer months of orders, the same customers and outcomes."""

from __future__ import annotations

import json
from datetime import date

import pandas as pd
import pytest

from features.errors import NotEnoughData
from features.load import tables_from_frames
from tests.training.small_shops import day, drawn, orders, settings, shop
from training.fit import anchored
from training.history_curve import history_curve, lengths, since
from training.panel import build_panel


def test_lengths_are_half_years_below_the_history():
    assert lengths(182) == []
    assert lengths(184) == [6]
    assert lengths(731) == [6, 12, 18, 24]


def test_what_happened_before_is_gone_from_every_table_with_time():
    contacts = pd.DataFrame({"customer_id": ["a", "a"], "time": pd.to_datetime(["2025-01-02", "2025-03-02"])})
    rows = orders([("a", 0, 5.0), ("a", 59, 5.0), ("b", 90, 5.0)])
    people = pd.DataFrame({"customer_id": ["a", "b"]})
    tables = tables_from_frames({"orders": rows, "interactions": contacts, "customers": people})
    short = since(tables, date(2025, 3, 1))
    assert tables.con.to_pyarrow(short.orders.count()).as_py() == 2
    assert tables.con.to_pyarrow(short.interactions.count()).as_py() == 1
    assert tables.con.to_pyarrow(short.customers.count()).as_py() == 2


def test_every_length_speaks_of_the_same_customers():
    tables = shop(drawn(150, 460, gap=30.0))
    panel = anchored(build_panel(tables, day(460), [60]))
    found = history_curve(panel, tables, settings(60, 60), draws=30)
    assert found.day == day(400)
    assert [(length.months, length.days) for length in found.lengths][:2] == [(6, 183), (12, 365)]
    assert found.lengths[-1].months is None
    known = panel.at(day(400))
    assert found.customers == int((known["days_since_last"] <= 183).sum()) < len(known)
    whole = found.lengths[-1].figures["churn log_loss"]
    assert (whole["difference"], whole["low"], whole["high"]) == (0.0, 0.0, 0.0)
    short = found.lengths[0].figures["churn log_loss"]
    assert short["difference"] == pytest.approx(short["value"] - whole["value"])
    assert short["difference"] != 0
    told = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert told["lengths"][2]["months"] is None


def test_half_a_year_is_the_least():
    tables = shop(drawn(40, 200))
    panel = anchored(build_panel(tables, day(200), [60]))
    with pytest.raises(
        NotEnoughData, match=r"days of history before 2025-05-21; the shortest length tried is 183"
    ):
        history_curve(panel, tables, settings(60, 60))
