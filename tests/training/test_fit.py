"""Growing heads: what is enough, what is left out, what the text gives away."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tests.training.small_shops import SETTINGS, day, history, settings, shop, snapshots
from training.baselines import closed_form
from training.fit import anchored, fit_head
from training.head_kind import HeadKind
from training.learnable import MIN_EVENTS, MIN_ROWS, shortfall
from training.models.bg_nbd import BgNbd
from training.panel import Panel, build_panel


def learnable(outcomes: np.ndarray, *, as_of: int = 240) -> Panel:
    """Six snapshots of the same customers, 30 days apart, every one with these orders ahead."""
    rows = history(len(outcomes), seed=8).assign(
        orders_ahead_30=outcomes.astype(float), value_ahead_30=outcomes * 20.0, tenure_days=60.0
    )
    frames = {day(as_of - 30 * k): rows for k in range(6)}
    return anchored(snapshots(frames, day(as_of), 30))


def test_the_closed_form_is_fitted_on_each_snapshot_alone(demo_panel):
    cut = demo_panel.days[-6]
    plain = demo_panel.before(cut)
    bare = plain.frame.drop(columns=[c for c in plain.frame if c.startswith("btyd_")])
    again = anchored(replace(plain, frame=bare)).at(cut)
    assert np.array_equal(again["btyd_value_60"], demo_panel.at(cut)["btyd_value_60"])


def test_one_anchor_agrees_with_the_textbook_pair_where_both_say_the_same(demo_panel):
    rows = demo_panel.at(demo_panel.as_of)
    textbook = closed_form(rows.iloc[:0], rows, 60)
    assert rows["btyd_no_order_60"].corr(textbook["churn_probability"], method="spearman") > 0.9
    assert rows["btyd_value_60"].corr(textbook["expected_value"], method="spearman") > 0.9
    assert 0.7 < rows["btyd_value_60"].sum() / textbook["expected_value"].sum() < 1.2


def test_when_nobody_ever_leaves_both_closed_forms_are_the_poisson_rate():
    rng = np.random.default_rng(7)
    T = np.full(2000, 300.0)
    x = rng.poisson(0.1 * T).astype(float)
    last = T - np.floor(rng.exponential(10.0, 2000))
    rows = history(2000).assign(frequency=x, recency=last, T=T, purchase_days=x + 1, tenure_days=T)
    rows["orders_total"] = rows["purchase_days"]
    found = anchored(snapshots({day(300): rows}, day(300), 30)).frame
    bg = BgNbd.fit(x, last, T).expected_orders(x, last, T, 30)
    assert np.allclose(found["btyd_orders_30"], bg, rtol=0.02)
    assert found["btyd_orders_30"].mean() == pytest.approx(3.0, rel=0.02)


def test_past_days_without_any_purchase_are_left_out():
    rows = [("r", 0, -5.0), *((f"c{i}", 100 + i, 9.0) for i in range(20))]
    panel = anchored(build_panel(shop(rows), day(200), [30]))
    assert panel.days == [day(170), day(200)]


@pytest.mark.parametrize(
    ("size", "buyers", "why"),
    [
        (66, 33, f"330 labelled rows of at least {MIN_ROWS}"),
        (100, 0, f"0 of at least {MIN_EVENTS} customers of the rarer outcome"),
        (100, 100, f"0 of at least {MIN_EVENTS} customers of the rarer outcome"),
        (100, 91, f"45 of at least {MIN_EVENTS} customers of the rarer outcome"),
        (100, 90, ""),
    ],
)
def test_what_is_lacking_is_counted(size, buyers, why):
    panel = learnable(np.r_[np.ones(buyers), np.zeros(size - buyers)])
    assert shortfall(panel, HeadKind("churn", 30)) == why
    assert (fit_head(panel, HeadKind("churn", 30), SETTINGS) is None) == bool(why)


@pytest.mark.parametrize("name", ["churn", "orders", "value"])
def test_single_class_training_days_still_give_sound_trees(name):
    """Everything that happened, happened on the latest labelled day: nothing to stop early on."""
    outcomes = np.zeros(150)
    panel = learnable(outcomes)
    last = panel.frame["as_of"] == pd.Timestamp(day(210))
    bought = (np.arange(last.sum()) % 2).astype(float)
    frame = panel.frame.assign(orders_ahead_30=0.0, value_ahead_30=0.0)
    frame.loc[last, "orders_ahead_30"] = bought
    frame.loc[last, "value_ahead_30"] = bought * 30
    head = fit_head(Panel(frame, panel.as_of, (30,)), HeadKind(name, 30), SETTINGS)
    assert head is not None
    anchor = HeadKind(name, 30).closed_form(frame)
    assert np.isfinite(head.raw(anchor, frame, panel.as_of)).all()


def test_features_without_a_single_value_are_no_columns():
    panel = learnable(np.r_[np.ones(60), np.zeros(60)])
    frame = panel.frame.assign(satisfaction_last=np.nan)
    head = fit_head(Panel(frame, panel.as_of, (30,)), HeadKind("churn", 30), SETTINGS)
    assert head is not None
    grown = head.trees or head.free
    assert grown is not None
    assert "satisfaction_last" not in grown.names
    assert "btyd_no_order_30" in grown.names


def test_the_seed_and_nothing_else_changes_the_trees(demo_panel):
    kind = HeadKind("churn", 60)
    texts = [
        fit_head(demo_panel, kind, chosen).trees.text
        for chosen in (SETTINGS, settings(60, 60), settings(60, 60, num_threads=2), settings(60, 60, seed=-7))
    ]
    assert texts[0] == texts[1] == texts[2]
    assert texts[0] != texts[3]


@pytest.mark.parametrize("name", ["churn", "value"])
def test_trees_tell_customers_apart_and_leave_the_total_to_the_level(demo_panel, name):
    kind = HeadKind(name, 60)
    head = fit_head(demo_panel, kind, SETTINGS)
    now = demo_panel.at(demo_panel.as_of)
    closed = kind.closed_form(now)
    assert head is not None
    assert head.trees is not None
    told = kind.answer(head.raw(closed, now, demo_panel.as_of) - head.level.at(demo_panel.as_of))
    assert told.sum() == pytest.approx(kind.answer(closed).sum(), rel=1e-6)
    assert not np.allclose(told, kind.answer(closed))


def test_the_text_holds_no_customers_smallest_and_largest_figures(demo_panel):
    frame = demo_panel.frame.copy()
    taught = demo_panel.labelled(60, by=demo_panel.as_of)
    frame.loc[taught["spend_total"].idxmax(), "spend_total"] = 987_654.3125
    panel = Panel(frame, demo_panel.as_of, demo_panel.horizons_days)
    head = fit_head(panel, HeadKind("churn", 60), SETTINGS)
    assert head is not None
    assert head.trees is not None
    assert "987654.3" not in head.trees.text
    assert head.trees.booster.dump_model()["max_feature_idx"] + 1 == len(head.trees.names)
