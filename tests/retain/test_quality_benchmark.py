"""The quality benchmark: weights stand for copies, ties share, and a peer that cannot run says why."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from training.meeting import OURS, Forecast, Meeting
from training.metrics import calibration_error, level_error, log_loss, normalised_gini, rmse

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"
H = 30


@pytest.fixture(scope="module", autouse=True)
def importable() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(FOLDER))
        yield


@pytest.fixture(scope="module")
def judging() -> ModuleType:
    return importlib.import_module("quality_figures")


@pytest.fixture(scope="module")
def shops() -> ModuleType:
    return importlib.import_module("quality_shops")


def meeting(size: int, seed: int, *, copies: np.ndarray | None = None) -> Meeting:
    """Two forecasts of made-up customers: ours knows something, the peer says the same of all."""
    rng = np.random.default_rng(seed)
    churned = (rng.random(size) < 0.4).astype(float)
    value = np.where(churned == 1, 0.0, rng.gamma(2.0, 50.0, size))
    ours = np.clip(0.4 + 0.3 * (churned - 0.4) + rng.normal(0, 0.1, size), 0.01, 0.99)
    said = {
        OURS: Forecast(ours, {H: 1 - ours}, {H: 100 * (1 - ours)}),
        "flat": Forecast(np.full(size, 0.4), {H: np.full(size, 0.6)}, {H: np.full(size, 60.0)}),
    }
    rows = np.arange(size) if copies is None else np.repeat(np.arange(size), copies)
    forecasts = {
        name: Forecast(
            f.churn_probability[rows], {H: f.expected_orders[H][rows]}, {H: f.expected_value[H][rows]}
        )
        for name, f in said.items()
    }
    return Meeting(
        day=date(2025, 1, 1),
        window_days=H,
        evidence="btyd",
        customer=rows,
        churned=churned[rows],
        orders={H: 1 - churned[rows]},
        value={H: value[rows]},
        value_class=np.full(len(rows), ""),
        forecasts=forecasts,
    )


def test_a_weight_stands_for_so_many_copies(judging: ModuleType) -> None:
    copies = np.random.default_rng(1).integers(0, 4, 200)
    copies[0] += (-copies.sum()) % 10
    once, drawn = meeting(200, 2), meeting(200, 2, copies=copies)
    said = drawn.forecasts[OURS]
    found = judging._under(copies[None, :].astype(float), once, once.forecasts[OURS], H)
    churned, p, value, v = drawn.churned, said.churn_probability, drawn.value[H], said.expected_value[H]
    wanted = {
        "log loss": log_loss(churned, p),
        "ECE": calibration_error(churned, p),
        "RMSE": rmse(value, v),
        "nGini": normalised_gini(value, v),
        "lvl": level_error(value, v),
    }
    assert {name: figure[0] for name, figure in found.items()} == pytest.approx(wanted)


def test_flat_forecasts_rank_nothing_and_are_one_bin(judging: ModuleType) -> None:
    one = meeting(100, 3)
    found = judging._under(np.ones((1, 100)), one, one.forecasts["flat"], H)
    assert found["nGini"][0] == pytest.approx(0.0, abs=1e-12)
    assert found["ECE"][0] == pytest.approx(abs(0.4 - one.churned.mean()))


def test_interval_tells_better_from_same(judging: ModuleType) -> None:
    meetings = judging.own_customers([meeting(300, 4), meeting(300, 5)])
    assert meetings[1].customer.min() == 300
    found = {c.figure: c for c in judging.compare(meetings, "flat", H, seed=1, draws=200)}
    assert found["log loss"].verdict == found["nGini"].verdict == "better"
    assert found["log loss"].low < found["log loss"].difference < found["log loss"].high < 0
    assert found["nGini"].beyond == 0.0
    ours = [c.difference for c in judging.compare(meetings, OURS, H, seed=1, draws=20)]
    assert ours == [0.0] * len(judging.COMPARED)


def test_a_shop_is_judged_beside_peers_and_a_peer_without_a_past_says_so(shops: ModuleType) -> None:
    found = shops.judge("fifty", [1], draws=20)
    assert {OURS, "recency rule", "BG/NBD, ours"} <= set(found.models)
    assert "fifty: 50 customers" in shops.report(found)
    shops.SHOPS["new"] = shops.Case("no past", 120, 100, {"customers": 60})
    young = shops.judge("new", [1], draws=20)
    assert "no past day with 120 days" in young.absent["recency rule"]
    assert "recency rule       could not run: no past day" in shops.report(young)


def test_shops_cut_at_another_season_with_another_seed(shops: ModuleType) -> None:
    settings, day = shops.shop_of(shops.SHOPS["groceries"], 1)
    other, later = shops.shop_of(shops.SHOPS["groceries"], 2)
    assert (settings.end - day).days == 28
    assert (later - day).days == 73
    assert other.orders_per_year == 52
