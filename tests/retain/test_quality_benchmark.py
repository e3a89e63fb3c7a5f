"""The quality benchmark: verdicts follow their intervals, and a peer that cannot run says why."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from training.meeting import OURS, Forecast, Meeting
from training.metrics import log_loss

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


def meeting(size: int, seed: int) -> Meeting:
    """Made-up customers: ours knows something, a copy the same, the other peer says the same of all."""
    rng = np.random.default_rng(seed)
    churned = (rng.random(size) < 0.4).astype(float)
    value = np.where(churned == 1, 0.0, rng.gamma(2.0, 50.0, size))
    p = np.clip(0.4 + 0.3 * (churned - 0.4) + rng.normal(0, 0.1, size), 0.01, 0.99)
    ours = Forecast(p, {H: 1 - p}, {H: 100 * (1 - p)})
    flat = Forecast(np.full(size, 0.4), {H: np.full(size, 0.6)}, {H: np.full(size, 60.0)})
    return Meeting(
        day=date(2025, 1, 1),
        window_days=H,
        evidence="btyd",
        customer=np.arange(size),
        churned=churned,
        orders={H: 1 - churned},
        value={H: value},
        value_class=np.full(size, ""),
        forecasts={OURS: ours, "copy": ours, "flat": flat},
    )


def test_interval_tells_better_from_same(judging: ModuleType) -> None:
    meetings = judging.own_customers([meeting(300, 4), meeting(300, 5)])
    assert meetings[1].customer.min() == 300
    meetings[1] = replace(meetings[1], day=date(2025, 2, 1))
    judged = judging.judge_meetings(meetings, ["flat", "copy"], H, draws=200)
    found = {c.figure: c for c in judged.intervals["flat"]}
    assert found["log loss"].verdict == found["nGini"].verdict == "better"
    assert found["log loss"].low < found["log loss"].difference < found["log loss"].high < 0
    assert [(c.difference, c.verdict) for c in judged.intervals["copy"]] == [(0.0, "same")] * len(
        judging.FIGURES
    )
    # The same chance for everybody is well calibrated, and knows nothing.
    assert judged.lost("flat") == ["ECE"]
    mean = np.mean([log_loss(m.churned, m.forecasts[OURS].churn_probability) for m in meetings])
    assert judged.models[OURS]["log loss"] == pytest.approx(mean)


def test_a_peer_without_a_past_says_so(shops: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    new = shops.Case(
        "four months", 120, 100, {"customers": 60}, ("customer_id", "time", "amount"), counts_only=True
    )
    monkeypatch.setitem(shops.SHOPS, "new", new)
    found = shops.judge("new", [1], draws=20)
    assert {OURS, "BG/NBD, ours"} <= set(found.found.models)
    assert "no past day with 120 days" in found.absent["recency rule"]
    assert "recency rule       could not run: no past day" in shops.report(found)
    assert "of 10 comparisons" in shops.summary([found])
    assert found.to_json()["models"][OURS]["MAE orders"] > 0


def test_shops_cut_at_another_season_with_another_seed(shops: ModuleType) -> None:
    settings, day = shops.shop_of(shops.SHOPS["groceries"], 1)
    other, later = shops.shop_of(shops.SHOPS["groceries"], 2)
    assert (settings.end - day).days == 28
    assert (later - day).days == 61
    assert other.orders_per_year == 52
