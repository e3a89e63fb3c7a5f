from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.errors import InputError
from retain.shop import Shop
from tests.training.small_shops import day, settings, shop
from training.leaks import check_leaks, check_panel, find_leaks
from training.panel import Panel, build_panel
from training.train import train

AFTER_THE_FACT = {"Customer Status", "Churn Category", "Churn Reason", "Satisfaction Score", "Churn Score"}


def honest(rows: int = 1500, seed: int = 3) -> tuple[pd.DataFrame, np.ndarray]:
    """A table whose columns tell something, and none of them nearly all."""
    rng = np.random.default_rng(seed)
    tenure, plan = rng.integers(0, 72, rows), rng.choice(["month", "year"], rows)
    left = rng.random(rows) < 1 / (1 + np.exp(0.05 * tenure + 2.0 * (plan == "year") - 1.0))
    return pd.DataFrame({"tenure": tenure, "plan": plan, "noise": rng.random(rows)}), left.astype(float)


def test_honest_columns_pass() -> None:
    table, left = honest()
    assert find_leaks(table, left) == []


def test_the_label_with_noise_is_found_by_name() -> None:
    table, left = honest()
    table["score"] = left + np.random.default_rng(1).normal(0, 0.35, len(left))
    with pytest.raises(InputError, match=r"1 column tells .*\n  'score': AUC 0\.9") as caught:
        check_leaks(table, left)
    assert "--drop" in str(caught.value)
    assert "--allow" in str(caught.value)


def test_a_reason_filled_for_leavers_only_is_found_with_its_shares() -> None:
    table, left = honest()
    reasons = np.random.default_rng(1).choice(["price", "moved", "service"], len(left))
    table["reason"] = np.where(left > 0, reasons, None)
    (leak,) = find_leaks(table, left)
    assert (leak.column, leak.filled) == ("reason", (1.0, 0.0))
    assert "filled for 100% of those who left and 0% of the others" in str(leak)


def test_two_leaks_do_not_hide_each_other() -> None:
    table, left = honest()
    rng = np.random.default_rng(1)
    table["status"] = np.where(left > 0, "closed", "open")
    table["call"] = left + rng.normal(0, 0.3, len(left))
    assert [leak.column for leak in find_leaks(table, left)] == ["status", "call"]


def test_an_allowed_column_passes_and_does_not_cover_another() -> None:
    table, left = honest()
    table["known"] = left
    check_leaks(table, left, allow=["known"])
    table["reason"] = np.where(left > 0, "price", None)
    with pytest.raises(InputError, match="'reason'"):
        check_leaks(table, left, allow=["known"])


def test_too_few_leavers_say_nothing() -> None:
    table = pd.DataFrame({"x": np.arange(100) < 9})
    assert find_leaks(table, np.arange(100) < 9) == []


def test_order_of_columns_changes_nothing() -> None:
    table, left = honest()
    table["a"], table["b"] = left, left + np.random.default_rng(1).normal(0, 0.3, len(left))
    names = [leak.column for leak in find_leaks(table[list(table.columns)[::-1]], left)]
    assert names == ["a", "b"]


def test_the_features_of_a_shop_pass(demo_panel: Panel) -> None:
    assert check_panel(demo_panel, 30) == ()
    assert check_panel(demo_panel, 60) == ()


@pytest.mark.parametrize("noise", [0.0, 0.3])
def test_a_planted_future_column_stops_the_panel_by_name(demo_panel: Panel, noise: float) -> None:
    future = demo_panel.frame["orders_ahead_60"].clip(upper=1)
    seen = future + np.random.default_rng(2).normal(0, noise, len(future))
    planted = replace(demo_panel, frame=pd.concat([demo_panel.frame, seen.rename("visits_30d")], axis=1))
    with pytest.raises(InputError, match=r"'visits_30d': AUC .*\n.*allow_columns"):
        check_panel(planted, 60)
    check_panel(planted, 60, allow=["visits_30d"])


def three_each() -> list[tuple[str, int, float]]:
    """Every customer buys three times, and never again."""
    rng = np.random.default_rng(1)
    starts, gaps = rng.integers(0, 300, 300), rng.integers(10, 40, 300)
    return [(f"c{i}", int(starts[i] + k * gaps[i]), 10.0 + i % 7) for i in range(300) for k in range(3)]


def test_customers_who_all_order_equally_often_are_told_and_train() -> None:
    found = train(shop(three_each()), day(200), settings(60, 60))
    (note,) = [note for note in found.notes if "alone tell who leaves" in note]
    assert "frequency" in note
    assert "known_at" in note


def test_a_table_of_events_that_knows_stops_beside_columns_that_may() -> None:
    panel = build_panel(shop(three_each()), day(200), [60])
    known = panel.frame.copy().assign(surveys_count=panel.frame["orders_ahead_60"])
    with pytest.raises(InputError, match=r"^1 column tells .*\n  'surveys_count'"):
        check_panel(replace(panel, frame=known), 60)
    assert len(check_panel(panel, 60)) == 1


def test_a_future_column_stops_the_training(
    demo: Shop, demo_panel: Panel, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.training.small_shops import SETTINGS

    window = SETTINGS.churn.window_days
    future = demo_panel.frame[f"value_ahead_{window}"].rename("surveys_count")
    leaky = pd.concat([demo_panel.frame, future], axis=1)
    monkeypatch.setattr("training.train.build_panel", lambda *_: replace(demo_panel, frame=leaky))
    monkeypatch.setattr("training.train.anchored", lambda panel: panel)
    with pytest.raises(InputError, match="'surveys_count'"):
        train(demo_panel.tables, demo.settings.end, SETTINGS)


@pytest.mark.data
def test_all_columns_known_after_the_fact_are_found_in_telco_joined(shared_data: Path) -> None:
    table = pd.read_parquet(shared_data / "telco_joined.parquet")
    left = table.pop("Churn Value")
    table = table.drop(columns="Customer ID")
    assert {leak.column for leak in find_leaks(table, left)} == AFTER_THE_FACT
    kept = table.drop(columns=list(AFTER_THE_FACT - {"Churn Score"}))
    assert [leak.column for leak in find_leaks(kept, left)] == ["Churn Score"]
    kept = table.drop(columns=list(AFTER_THE_FACT - {"Satisfaction Score"}))
    assert [leak.column for leak in find_leaks(kept, left)] == ["Satisfaction Score"]


@pytest.mark.data
def test_honest_columns_of_telco_pass(shared_data: Path) -> None:
    basic = pd.read_parquet(shared_data / "telco_basic.parquet").drop(columns="customerID")
    assert find_leaks(basic.drop(columns="Churn"), basic["Churn"] == "Yes") == []
    joined = pd.read_parquet(shared_data / "telco_joined.parquet").drop(
        columns=["Customer ID", *AFTER_THE_FACT]
    )
    assert find_leaks(joined.drop(columns="Churn Value"), joined["Churn Value"]) == []
