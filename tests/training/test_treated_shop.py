"""After campaigns that saved the riskiest, a naive retrain takes the risky for safe; ours does not."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest

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
    found = pd.DataFrame(benchmark.run_case(case, 21, 700)).set_index("model")
    auc = found["auc"]
    assert auc["without campaigns"] > 0.8
    assert auc["naive"] < auc["without campaigns"] - 0.1
    assert auc["retain"] > auc["without campaigns"] - 0.06
    assert found["log_loss"]["retain"] < found["log_loss"]["naive"]
    assert found["out"]["retain"] > 0.2


def test_the_area_under_the_curve_by_hand(benchmark: ModuleType) -> None:
    """Sure outcomes: of the pairs (0.9, 0.4), (0.9, 0.2), (0.4, 0.4), (0.4, 0.2) one is a tie."""
    found = benchmark._judged(np.array([0.9, 0.4, 0.4, 0.2]), np.array([1.0, 1.0, 0.0, 0.0]))
    assert found["auc"] == pytest.approx(3.5 / 4)
    assert found["level"] == pytest.approx(0.475 - 0.5)
