from __future__ import annotations

from datetime import datetime, timedelta

import pandas as pd
import pyarrow as pa

from features.load import tables_from_frames
from features.rhythm_report import order_facts, suggest_window

FIRST = datetime(2024, 1, 1)


def facts_of(rows, **columns):
    frame = pd.DataFrame(rows, columns=["customer_id", "day", "amount"])
    times = [FIRST + timedelta(days=d, hours=9) for d in frame.pop("day")]
    return order_facts(tables_from_frames({"orders": frame.assign(time=times, **columns)}))


def test_counts_are_of_buying_days_and_customers():
    rows = [("a", 0, 5.0), ("a", 0, 5.0), ("a", 10, 5.0), ("a", 12, -5.0), ("b", 3, 1.0), ("c", 4, 0.0)]
    facts = facts_of(rows)
    assert (facts["rows"], facts["orders"], facts["customers"], facts["one_time_buyers"]) == (6, 3, 3, 1)
    assert (facts["first_day"], facts["last_day"], facts["span_days"]) == ("2024-01-01", "2024-01-13", 13)
    assert (facts["return_rows"], facts["zero_rows"], facts["purchase_days_per_buyer"]) == (1, 1, 1.5)


def test_orders_are_counted_by_their_number_when_there_is_one():
    rows = [("a", 0, 5.0), ("a", 0, 5.0), ("a", 0, 5.0)]
    assert facts_of(rows, order_id=["1", "1", "2"])["orders"] == 2


def test_no_rows_give_counts_only():
    facts = order_facts(tables_from_frames({}))
    assert (facts["rows"], facts["customers"], facts["first_day"]) == (0, 0, None)
    assert "suggested_window_days" not in facts


def test_the_window_is_the_gap_within_which_nine_of_ten_came_back():
    rows = [(str(c), d, 1.0) for c in range(50) for d in range(c % 7, 700, 40 if c < 45 else 100)]
    facts = facts_of(rows)
    assert facts["suggested_window_days"] == 60
    assert "within 40 days" in facts["window_reason_en"]
    assert "40 天内" in facts["window_reason_zh"]


def test_every_customer_weighs_the_same():
    gaps = {
        "customer_id": ["often"] * 95 + [f"c{i}" for i in range(5)],
        "gap": [2] * 95 + [50] * 5,
        "follow_up": [300] * 100,
    }
    assert suggest_window(pa.table(gaps), 600)[0] == 60


def test_gaps_that_could_not_be_followed_do_not_count():
    recent = {"customer_id": [str(i) for i in range(40)], "gap": [5] * 40, "follow_up": [20] * 40}
    days, reason, _ = suggest_window(pa.table(recent), 600)
    assert days == 90
    assert "only 0 gaps" in reason


def test_no_window_is_longer_than_a_quarter_of_the_data():
    gaps = {"customer_id": [str(i) for i in range(40)], "gap": [150] * 40, "follow_up": [300] * 40}
    days, reason, _ = suggest_window(pa.table(gaps), 500)
    assert days == 120
    assert "cut to 120" in reason


def test_what_the_data_is_enough_for_depends_on_span_and_returning_customers():
    few = facts_of([(str(c), d, 1.0) for c in range(60) for d in (0, 20, 400)])["enough_for"]
    assert [few[task]["ok"] for task in ("summary", "closed_form_value", "churn_model")] == [
        True,
        True,
        False,
    ]
    many = facts_of([(str(c), d, 1.0) for c in range(250) for d in (0, 20, 800)])["enough_for"]
    assert all(task["ok"] for task in many.values())
