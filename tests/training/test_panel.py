"""The panel: which days, which customers, and never a label before its time."""

from __future__ import annotations

from datetime import timedelta

import pandas as pd
import pytest

import training.panel
from features.errors import NotEnoughData
from features.load import tables_from_frames
from features.pipeline import FEATURES
from tests.training.small_shops import day, drawn, orders, shop
from training.panel import build_panel, cut_offs, sample

LABELS = ["orders_ahead_60", "value_ahead_60"]


def test_cut_offs_go_back_in_steps_to_45_days_after_the_first_order():
    assert cut_offs(day(0), day(105)) == [day(45), day(75), day(105)]
    assert cut_offs(day(0), day(104)) == [day(74), day(104)]
    assert cut_offs(day(0), day(3)) == [day(3)]
    assert len(cut_offs(day(0), day(9000))) == 36


def test_labels_by_hand():
    tables = shop([("a", 0, 5.0), ("a", 75, 7.0), ("a", 104, 2.0), ("a", 105, 99.0), ("b", 80, 4.0)])
    panel = build_panel(tables, day(105), [30])
    assert panel.days == [day(45), day(75), day(105)]
    seen = panel.labelled(30, by=day(105))
    found = seen[["as_of", "customer_id", "orders_ahead_30", "value_ahead_30"]].values.tolist()
    assert found == [[pd.Timestamp(day(45)), "a", 0, 0], [pd.Timestamp(day(75)), "a", 2, 9]]
    assert panel.first_day == day(0)


def test_who_only_returned_is_no_customer_until_the_first_purchase():
    rows = [("a", 0, 5.0), ("b", 10, -4.0), ("c", 11, 0.0), ("b", 80, 9.0), ("a", 90, 1.0)]
    panel = build_panel(shop(rows), day(105), [30])
    found = [(d.date(), name) for d, name in panel.frame[["as_of", "customer_id"]].values.tolist()]
    assert found == [(day(45), "a"), (day(75), "a"), (day(105), "a"), (day(105), "b")]


def test_cut_offs_count_from_the_first_purchase():
    panel = build_panel(shop([("a", 0, -5.0), ("a", 60, 5.0), ("b", 70, 2.0)]), day(105), [30])
    assert panel.days == [day(105)]


@pytest.mark.parametrize("horizon", [30, 60, 365])
@pytest.mark.parametrize("back", [0, 1, 29, 30, 200, 5000, -400])
def test_a_label_shows_only_when_its_horizon_had_passed(demo_panel, horizon, back):
    by = demo_panel.as_of - timedelta(days=back)
    shown = demo_panel.labelled(horizon, by=by)["as_of"]
    last = min(by, demo_panel.as_of)
    assert all(d.date() + timedelta(days=horizon) <= last for d in shown.unique())
    expected = [d for d in demo_panel.days if d + timedelta(days=horizon) <= last]
    assert len(shown.unique()) == len(expected)


def test_orders_from_as_of_on_are_not_even_in_hidden_labels():
    rows = drawn(40, 300)
    early = [row for row in rows if row[1] < 200]
    whole, cut = (build_panel(shop(r), day(200), [30, 90]) for r in (rows, early))
    pd.testing.assert_frame_equal(whole.frame, cut.frame, check_exact=True)


def test_before_is_the_panel_of_tables_cut_at_that_day(demo, demo_tables, demo_panel):
    cut = demo_panel.days[-4]
    lines = demo.tables["orders"].to_pandas()
    zone = demo.settings.timezone
    start = pd.Timestamp(cut) if lines["time"].dt.tz is None else pd.Timestamp(cut, tz=zone)
    arrived = lines["known_at"].fillna(lines["time"])
    known = lines[(lines["time"] < start) & (arrived < start)]
    late = lines[(lines["time"] < start) & (arrived >= start)]
    assert len(late) > 0
    others = {name: table for name, table in demo.tables.items() if name != "orders"}
    built = build_panel(tables_from_frames({**others, "orders": known}, timezone=zone), cut, (30, 60, 365))
    rows = demo_panel.before(cut).labelled(60, by=cut).reset_index(drop=True)
    again = built.labelled(60, by=cut).reset_index(drop=True)
    columns = ["as_of", "customer_id", *FEATURES, *LABELS]
    pd.testing.assert_frame_equal(rows[columns], again[columns], check_exact=True)
    now = demo_panel.before(cut).at(cut).reset_index(drop=True)[columns[:-2]]
    pd.testing.assert_frame_equal(now, built.at(cut).reset_index(drop=True)[columns[:-2]], check_exact=True)


def test_before_a_later_day_is_the_panel_itself(demo_panel):
    later = demo_panel.before(demo_panel.as_of + timedelta(days=90))
    assert later.as_of == demo_panel.as_of
    pd.testing.assert_frame_equal(later.frame, demo_panel.frame, check_exact=True)


def test_sampling_is_by_customer_and_repeatable(demo, demo_tables, demo_panel):
    once = build_panel(sample(demo_tables, 0.3), demo.settings.end, [30]).frame
    chosen, all_rows = set(once["customer_id"]), demo_panel.frame
    again = sample(demo_tables, 0.3).customers
    assert chosen <= set(demo_tables.con.to_pyarrow(again)["customer_id"].to_pylist())
    assert 0.2 < len(chosen) / all_rows["customer_id"].nunique() < 0.4
    whole = all_rows[all_rows["customer_id"].isin(chosen)].reset_index(drop=True)
    pd.testing.assert_frame_equal(once[list(FEATURES)], whole[list(FEATURES)], check_exact=True)


def test_a_panel_that_would_grow_too_large_is_sampled(monkeypatch):
    tables = shop(drawn(200, 300))
    monkeypatch.setattr(training.panel, "MAX_ROWS", 500)
    panel = build_panel(tables, day(300), [30])
    assert 0 < panel.sampled < 1
    assert 200 < len(panel.frame) < 800


def test_no_order_before_as_of_says_what_to_do():
    with pytest.raises(NotEnoughData, match=r"no order before 2024-12-01; choose a later --as-of"):
        build_panel(shop([("a", 3, 9.0)]), day(-31), [30])


def test_arrival_counts_not_the_event_alone():
    late = orders([("a", 0, 5.0), ("a", 50, 7.0), ("a", 60, 8.0)])
    late["known_at"] = [pd.NaT, pd.Timestamp(day(81)), pd.NaT]
    panel = build_panel(tables_from_frames({"orders": late}), day(105), [30])
    assert panel.at(day(45))["orders_ahead_30"].tolist() == [2]
    assert panel.before(day(75)).at(day(45))["orders_ahead_30"].tolist() == [1]
    assert panel.at(day(75))["orders_total"].tolist() == [2]
