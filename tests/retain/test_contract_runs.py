from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from retain.cli import run
from tests.training.contract_tables import renewals

# The libraries' own, not ours.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
CONFIG = """
[churn]
kind = "contract"
window_days = 90

[data.contracts]
path = "contracts.csv"
"""


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    renewals(60).to_csv(tmp_path / "contracts.csv", index=False)
    (tmp_path / "retain.toml").write_text(CONFIG)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_from_contracts_to_the_list_by_commands_alone(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["train", "--as-of", "2025-01-01", "--json", "--quiet"]) == 0
    trained = json.loads(capsys.readouterr().out)
    assert trained["judged"]["cut_off"] == "2024-09-03"
    assert (trained["promoted"], trained["verdict"]["zh"]) == (True, "没有可比较的现任模型")
    assert run(["score", "--as-of", "2025-01-01", "--out", "list.csv", "--json", "--quiet"]) == 0
    scored = json.loads(capsys.readouterr().out)
    rows = pd.read_csv(shop / "list.csv")
    assert scored["rows"] == len(rows) > 0
    assert scored["expected_to_end"] == pytest.approx(rows["churn_probability"].sum())
    assert {"renewal_date", "survival_365d", "renewal_probability", "value_at_stake", "reasons_zh"} <= set(
        rows
    )


def test_scoring_before_training_says_what_to_do(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["score", "--as-of", "2025-01-01"]) == 6
    assert "run `retain train` first" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["backtest", "tune"])
def test_what_is_for_orders_is_refused(shop: Path, capsys: pytest.CaptureFixture[str], command: str) -> None:
    assert run([command]) == 2
    assert f'`retain {command}` is for [churn] kind = "orders"' in capsys.readouterr().err
