"""``retain tune``: trials kept and logged, the file changed only for a winner and only when asked."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import mlflow
import pytest

import training.search
from retain.commands import tune
from retain.config import load_config
from tests.retain.command_runs import Said, retain, write_orders
from tests.training.small_shops import START, drawn
from training.gate import Decision
from training.search import Found
from training.search_cases import SearchDays
from training.settings import TreeSettings

# MLflow and the libraries below it announce changes of their own.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
CONFIG = """
[data.orders]
path = "orders.csv"
[churn]
window_days = 30
[value]
horizons_days = [30]
[run]
num_threads = 1
"""
FOUND = TreeSettings(num_leaves=7)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("shop")
    lines = [(name, START + timedelta(days=d), amount) for name, d, amount in drawn(180, 360, gap=30.0)]
    write_orders(found / "orders.csv", lines)
    (found / "retain.toml").write_text(CONFIG)
    return found


@pytest.fixture(scope="module")
def said(folder: Path) -> Said:
    return retain("tune", "-c", folder / "retain.toml", "--trials", 2, "--json", "--quiet")


def test_the_document_tells_days_trials_and_verdict(said: Said, folder: Path) -> None:
    assert said.code == 0, said.err
    assert said.document["trials"] == 2
    assert max(said.document["searched"]) < min(said.document["held_out"])
    assert set(said.document["best"]) == set(TreeSettings.model_fields)
    assert said.document["written"] is False
    assert (folder / "retain.toml").read_text() == CONFIG
    assert (folder / "retain-out" / "tune.db").exists()


def test_mlflow_has_the_search_and_its_trials_inside(said: Said, folder: Path) -> None:
    project = load_config(folder / "retain.toml")
    client = mlflow.MlflowClient(tracking_uri=project.tracking_uri)
    known = client.search_runs([client.get_experiment_by_name("retain").experiment_id])
    (parent,) = [run for run in known if run.info.run_name == "search"]
    children = [run for run in known if run.data.tags.get("mlflow.parentRunId") == parent.info.run_id]
    assert [run.info.run_name for run in children] == ["trial 1"]
    assert {run.info.status for run in known} == {"FINISHED"}
    assert parent.data.tags["study"] == said.document["study"]
    assert children[0].data.metrics["loss"] > 0
    assert set(children[0].data.params) == set(TreeSettings.model_fields)


@pytest.mark.parametrize("better", [True, False])
def test_only_a_winner_is_written_and_only_when_asked(
    folder: Path, said: Said, better: bool, monkeypatch
) -> None:
    decision = Decision(-0.02 if better else 0.01, 0.005, customers=100, rows=300)
    days = SearchDays((START,), (START + timedelta(days=60),))
    found = Found("trees-0", days, 2, 0, FOUND, 0.97, decision)
    monkeypatch.setattr(training.search, "search", lambda *args, **more: found)
    words = ("tune", "-c", folder / "retain.toml", "--trials", 2, "--quiet")
    plain = retain(*words)
    assert (folder / "retain.toml").read_text() == CONFIG
    assert ("num_leaves = 7" in plain.out) is better
    asked = retain(*words, "--write")
    assert (load_config(folder / "retain.toml").config.trees == FOUND) is better
    assert ("The present settings stay" in asked.out) is not better
    (folder / "retain.toml").write_text(CONFIG)


@pytest.mark.parametrize(
    ("loss", "difference", "told"),
    [
        (1.0, 0.0, "no trial was better on the searched days"),
        (0.99, 0.0, "the best trial predicts exactly the same"),
        (0.99, 0.01, "makes +1.00% of the present loss (95 % interval +1.00% to +1.00%)"),
    ],
)
def test_present_settings_that_stay_are_told_with_the_reason(
    loss: float, difference: float, told: str
) -> None:
    days = SearchDays((START,), (START + timedelta(days=60),))
    found = Found("trees-0", days, 2, 0, FOUND, loss, Decision(difference, 0.0, customers=9, rows=9))
    assert told in tune._verdict(found)


def test_a_time_that_is_none_is_told() -> None:
    assert [tune.parse_duration(text) for text in ("90", "90s", " 10M ", "2 h")] == [90, 90, 600, 7200]
    said = retain("tune", "--time-budget", "soon")
    assert said.code == 2
    assert "--time-budget 'soon' is no time; write it as 90s, 10m or 2h" in said.err
    assert retain("tune", "--time-budget", "0m").code == 2
