"""After campaigns that saved the riskiest, a naive retrain takes the risky for safe; ours does not."""

from __future__ import annotations

import importlib.util
import sys
from datetime import timedelta
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest

from features.load import tables_from_frames
from retain.shop import ShopSettings, simulate
from retain.shop.win_back import WinBack, win_back
from training.panel import build_panel

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "treated.py"


@pytest.fixture(scope="module")
def benchmark() -> ModuleType:
    spec = importlib.util.spec_from_file_location("benchmark_treated", SCRIPT)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_the_order_of_risk_survives_campaigns_that_save_the_riskiest(benchmark: ModuleType) -> None:
    case = next(case for case in benchmark.CASES if case.name == "every 60 days, no hold-out")
    found = pd.DataFrame(benchmark.run_case(case, benchmark.Ground.of(21, 700))).set_index("model")
    auc = found["auc"]
    assert auc["without campaigns"] > 0.8
    assert auc["naive"] < auc["without campaigns"] - 0.1
    assert auc["retain"] > auc["without campaigns"] - 0.06
    assert found["log_loss"]["retain"] < found["log_loss"]["naive"]
    assert found["out"]["retain"] > 0.2


def test_a_past_panel_knows_only_the_contacts_of_its_past() -> None:
    """Campaigns 250 and 70 days before the end: as of 90 days before it, one of them is still to come."""
    settings = ShopSettings(customers=250, days=420, seed=3, campaign_every_weeks=520, orders_per_year=12)
    held = simulate(settings)
    for back in (250, 70):
        held = win_back(held, settings.end - timedelta(days=back), WinBack(share=0.4))
    tables = tables_from_frames({name: held.tables[name] for name in ("orders", "campaigns")})
    panel, past = build_panel(tables, settings.end, [60]), settings.end - timedelta(days=90)
    cut, built = panel.before(past), build_panel(tables, past, [60])
    assert cut.note == built.note != panel.note
    columns = ["as_of", "customer_id", "weight_60"]
    pd.testing.assert_frame_equal(cut.frame[columns].reset_index(drop=True), built.frame[columns])
    later = panel.frame["as_of"] >= pd.Timestamp(past)
    assert (panel.frame.loc[later, "weight_60"] == 0).any()
    assert (cut.at(past)["weight_60"] == 1).all()


def test_the_area_under_the_curve_by_hand(benchmark: ModuleType) -> None:
    """Sure outcomes: of the pairs (0.9, 0.4), (0.9, 0.2), (0.4, 0.4), (0.4, 0.2) one is a tie."""
    found = benchmark._judged(np.array([0.9, 0.4, 0.4, 0.2]), np.array([1.0, 1.0, 0.0, 0.0]))
    assert found["auc"] == pytest.approx(3.5 / 4)
    assert found["level"] == pytest.approx(0.475 - 0.5)
