"""``retain backtest``: tables for people, one document for programs."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path

import pytest

from features.publish import verify
from tests.retain.command_runs import Said, retain, write_orders
from tests.training.small_shops import START, drawn

CONFIG = """
[data.orders]
path = "orders.csv"
[churn]
window_days = 60
[value]
horizons_days = [60]
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("shop")
    lines = [(name, START + timedelta(days=d), amount) for name, d, amount in drawn(120, 300, gap=30.0)]
    write_orders(found / "orders.csv", lines)
    (found / "retain.toml").write_text(CONFIG)
    return found


@pytest.fixture(scope="module")
def said(folder: Path) -> Said:
    words = (
        "--cut-offs",
        2,
        "--staying-power",
        "--history-curve",
        "--quiet",
        "--json",
        folder / "report.json",
    )
    return retain("backtest", "-c", folder / "retain.toml", *words)


def test_people_see_figures_differences_decay_and_history(said: Said) -> None:
    assert said.code == 0, said.err
    assert "Ours less the peer" in said.out
    assert "Staying power: not trained again, less trained that day" in said.out
    assert "Length of history" in said.out
    assert "[" in said.out


def test_the_report_holds_everything_as_json(said: Said, folder: Path) -> None:
    report = json.loads((folder / "report.json").read_text())
    assert set(report["differences"]) == {"recency_rule", "carry_forward", "closed_form"}
    one = report["differences"]["closed_form"]["value 60 d rmse"]
    assert one["low"] <= one["difference"] <= one["high"]
    assert [a["age_days"] for a in report["staying_power"]["ages"]][:2] == [60, 120]
    assert [length["months"] for length in report["history_curve"]["lengths"]] == [6, None]
    assert verify(folder / "report.json").kind == "back-test"


def test_a_history_too_short_for_more_is_told_and_the_rest_is_kept(folder: Path) -> None:
    day = (START + timedelta(days=120)).isoformat()
    words = ("--cut-offs", 1, "--history-curve", "--staying-power", "--quiet", "--json", "--as-of", day)
    found = retain("backtest", "-c", folder / "retain.toml", *words)
    assert found.code == 0, found.err
    assert "the shortest length tried is 183 days" in found.document["history_curve"]["absent"]
    assert "bring more history" in found.document["staying_power"]["absent"]
    assert (
        found.document["cut_offs"][0]["cut_off"] == (date.fromisoformat(day) - timedelta(days=60)).isoformat()
    )
