"""The judge: past days predicted from their own past."""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from features.errors import NotEnoughData
from features.load import tables_from_frames
from tests.training.small_shops import SETTINGS, day, drawn, features_of, orders, settings, shop
from training.backtest import back_test, judge, latest_cut_off
from training.build import build_bundle
from training.fit import anchored
from training.meet import figures, judged_rows, meet, ours
from training.metrics import log_loss, value_metrics
from training.panel import build_panel


def told_by_amount() -> list[tuple[str, int, float]]:
    """Small spenders leave after two orders, which no closed form knows: trees have something to learn."""
    kept, seen = [], Counter[str]()
    for name, number, _ in drawn(400, 330, gap=40.0):
        small = int(name[1:]) % 2 == 0
        seen[name] += 1
        if not small or seen[name] <= 2:
            kept.append((name, number, 5.0 if small else 50.0))
    return kept


def test_the_latest_cut_off_has_its_whole_window(demo_panel):
    found = latest_cut_off(demo_panel, 60)
    assert found == demo_panel.as_of - timedelta(days=60)
    assert latest_cut_off(demo_panel, 61) == demo_panel.as_of - timedelta(days=90)
    assert latest_cut_off(demo_panel, 3000) is None


def test_corrupting_what_came_changes_outcomes_and_no_prediction():
    rows, cut = told_by_amount(), day(240)
    worse = [(c, d, a) if d < 240 else (f"x{c}", d, a * 1000) for c, d, a in rows]
    truth, lied = (anchored(build_panel(shop(r), day(300), [60])) for r in (rows, worse))
    a, b = (back_test(p, settings(60, 60), count=1).cut_offs[0] for p in (truth, lied))
    assert a.day == b.day == cut
    assert a.evidence == b.evidence == "ml"
    assert np.array_equal(a.probability, b.probability)
    assert np.array_equal(a.expected_value, b.expected_value)
    assert a.churned.mean() < b.churned.mean() == 1.0


def saved_half(panel, on):
    """The panel as if campaigns had reached every other customer of a day: weight 0 within the window."""
    rows = panel.frame
    reached = (rows["as_of"] == pd.Timestamp(on)) & (rows["customer_id"].str[-1].astype(int) % 2 == 0)
    came = rows["orders_ahead_60"].where(~reached, 1.0)
    return replace(
        panel, frame=rows.copy().assign(weight_60=np.where(reached, 0.0, 1.0), orders_ahead_60=came)
    ), reached


def test_contacted_customers_are_in_no_figure_and_are_counted():
    panel = anchored(build_panel(shop(drawn(150, 300)), day(300), [60]))
    panel = replace(panel, tables=None)
    bundle = build_bundle(panel.before(day(240)), settings(60, 60), evidence="btyd")
    saved, reached = saved_half(panel, day(240))
    plain, alone = (judge(p, bundle, day(240), settings(60, 60)) for p in (panel, saved))
    kept = ~reached[panel.at(day(240)).index].to_numpy()
    assert (plain.meeting.left_out, alone.meeting.left_out) == (0, int((~kept).sum()))
    assert alone.models == figures(plain.meeting.only(kept))
    assert alone.to_json()["left_out"] == alone.meeting.left_out > 50
    assert judged_rows(saved, day(240), 60).equals(saved.at(day(240))[kept])


def test_where_nobody_was_left_alone_all_are_judged():
    panel = anchored(build_panel(shop(drawn(80, 300)), day(300), [60]))
    nobody = replace(panel, tables=None, frame=panel.frame.copy().assign(weight_60=0.0))
    assert len(judged_rows(nobody, day(240), 60)) == len(panel.at(day(240)))


def test_customers_who_only_returned_are_in_no_figure():
    rows = drawn(150, 300)
    returned = [(f"r{i}", 5 + i, -20.0) for i in range(40)]
    bought, all_rows = (anchored(build_panel(shop(r), day(300), [60])) for r in (rows, rows + returned))
    a, b = (back_test(p, settings(60, 60), count=1).to_json() for p in (bought, all_rows))
    assert a == b
    assert a["cut_offs"][0]["customers"] == bought.at(day(240))["customer_id"].nunique()


def test_orders_that_arrive_after_the_cut_change_no_prediction():
    rows = orders(told_by_amount()).assign(known_at=pd.NaT)
    late = rows["time"].dt.date.map(lambda d: day(150) <= d < day(200)) & (rows.index % 5 == 0)
    rows.loc[late, "known_at"] = pd.Timestamp(day(250))
    worse = rows.assign(amount=np.where(late, rows["amount"] * 1000, rows["amount"]))
    found = [
        back_test(
            anchored(build_panel(tables_from_frames({"orders": r}), day(300), [60])),
            settings(60, 60),
            count=1,
        )
        for r in (rows, worse)
    ]
    a, b = (f.cut_offs[0] for f in found)
    assert a.evidence == "ml"
    assert np.array_equal(a.expected_value, b.expected_value)


def test_the_figures_are_those_of_the_predictions(demo_panel):
    cut = demo_panel.days[-3]
    bundle = build_bundle(demo_panel.before(cut), SETTINGS, evidence="btyd")
    found = judge(demo_panel, bundle, cut, SETTINGS)
    predicted = bundle.predict(features_of(demo_panel, cut), cut)
    came = demo_panel.at(cut)
    assert found.models["retain"]["churn"]["log_loss"] == log_loss(
        came["orders_ahead_60"] == 0, predicted["churn_probability"]
    )
    value = value_metrics(came["value_ahead_30"], predicted["expected_value_30d"])
    assert found.models["retain"]["value"][30] == value
    assert set(found.models) == {"retain", "recency_rule", "carry_forward", "closed_form"}
    assert 365 not in found.models["retain"]["value"]


def test_a_meeting_holds_forecasts_outcomes_and_classes_of_the_same_customers(demo_panel):
    days = demo_panel.days[-4:-2]
    bundle = build_bundle(demo_panel.before(days[0]), SETTINGS, evidence="btyd")
    first, second = (meet(demo_panel, bundle, d, SETTINGS) for d in days)
    numbers = [
        dict(zip(demo_panel.at(m.day)["customer_id"], m.customer, strict=True)) for m in (first, second)
    ]
    assert len(set(numbers[1].values())) == len(numbers[1]) > len(numbers[0])
    assert all(numbers[1][who] == number for who, number in numbers[0].items())
    assert {len(f.churn_probability) for f in first.forecasts.values()} == {len(first.churned)}
    assert set(first.value_class) <= {"lead", "iron", "gold", "platinum", "unknown"}
    assert len(set(first.value_class)) > 1
    assert set(first.orders) == set(first.forecasts["closed_form"].expected_value) == {30, 60}


def test_bounds_come_from_the_prediction_columns_that_are_there():
    names = ("churn_probability", "expected_orders_30d", "expected_value_30d", "expected_value_30d_p10")
    predicted = pd.DataFrame({name: [float(i)] for i, name in enumerate(names)})
    found = ours(predicted, [30])
    assert found.bounds == {30: {0.1: np.array([3.0])}}
    assert ours(predicted.drop(columns=names[3]), [30]).bounds == {}


def test_a_bundle_of_a_day_learns_only_from_labels_that_had_ended_by_then():
    """Every order from the cut-off on is planted: labels of earlier snapshots would show it."""
    rows, cut = drawn(300, 330, gap=40.0), day(240)
    planted = [r for r in rows if r[1] < 240] + [(c, d, 9e6) for c, _, _ in rows for d in (240, 260)]
    truth, lied = (anchored(build_panel(shop(r), day(300), [60])).before(cut) for r in (rows, planted))
    assert truth.labelled(60, by=day(300))["as_of"].max() == pd.Timestamp(day(180))
    a, b = (p.labelled(60, by=cut)[["orders_ahead_60", "value_ahead_60"]] for p in (truth, lied))
    assert a.reset_index(drop=True).equals(b.reset_index(drop=True))


def test_a_window_that_is_no_horizon_is_judged_too(demo_panel):
    chosen = settings(60, 30, 365)
    found = judge(demo_panel, build_bundle(demo_panel, chosen, evidence="btyd"), demo_panel.days[-3], chosen)
    assert 0 < found.models["retain"]["churn"]["log_loss"] < 1
    assert list(found.models["closed_form"]["value"]) == [30]
    assert len(found.value) == found.customers


def test_no_horizon_that_had_passed_leaves_the_value_plot_empty(demo_panel):
    chosen = settings(60, 365)
    found = judge(demo_panel, build_bundle(demo_panel, chosen, evidence="btyd"), demo_panel.days[-3], chosen)
    assert found.models["retain"]["value"] == {}
    assert found.value.size == 0
    assert found.probability.size == found.customers


def test_a_baseline_that_cannot_speak_says_why_and_the_json_is_plain():
    panel = anchored(build_panel(shop(drawn(30, 120, gap=60.0)), day(120), [60]))
    found = back_test(panel, settings(60, 60), count=5)
    told = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert [c["cut_off"] for c in told["cut_offs"]] == [day(60).isoformat()]
    assert "past snapshot" in told["cut_offs"][0]["models"]["recency_rule"]["absent"]["60"]
    assert "recency_rule" not in found.meetings[0].forecasts
    assert figures(found.meetings[0])["recency_rule"]["value"] == {}


def test_json_has_none_for_what_is_undefined(demo_panel):
    found = judge(
        demo_panel, build_bundle(demo_panel, SETTINGS, evidence="btyd"), demo_panel.days[-3], SETTINGS
    )
    found.models["retain"]["churn"]["roc_auc"] = math.nan
    assert found.to_json()["models"]["retain"]["churn"]["roc_auc"] is None


def test_several_cut_offs_come_oldest_first_and_zero_means_one(demo_panel):
    chosen = settings(60, 30)
    young = demo_panel.before(demo_panel.days[7])
    found = back_test(young, chosen, count=3)
    assert [c.day for c in found.cut_offs] == demo_panel.days[3:6]
    assert len(back_test(young, chosen, count=0).cut_offs) == 1


def test_too_little_history_says_what_to_do():
    panel = anchored(build_panel(shop(drawn(30, 100)), day(100), [90]))
    with pytest.raises(
        NotEnoughData, match=r"no past day has 90 days of orders after it.*shorter --churn-window"
    ):
        back_test(panel, settings(90, 90), count=1)
