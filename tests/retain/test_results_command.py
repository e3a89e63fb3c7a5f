"""``retain results`` and ``retain offline-test`` end to end, on a simulated shop whose truth is known."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from retain.config import load_config
from serving.decision_log import DecisionLog
from strategies.strategy_table import default_text
from tests.retain.command_runs import Said, retain

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"
LATER = "2026-12-01"


@dataclass(frozen=True)
class Shop:
    config: Path
    drawn: Any
    decisions: pd.DataFrame


@pytest.fixture(scope="module")
def worlds() -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(FOLDER))
        yield import_module("proof_world")
        sys.modules.pop("proof_world", None)


@pytest.fixture(scope="module")
def shop(worlds: Any, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """A simulated shop after two runs: the call brings an order to nine in ten, the mail nothing."""
    folder = tmp_path_factory.mktemp("campaign")
    effects = {"mail": 0.0, "voucher": 0.0, "call": 0.9}
    costs = {"mail": 4.0, "voucher": 0.1, "call": 2.0}
    drawn = worlds.World(customers=1600, runs=2, hold_out=0.5, effects=effects, costs=costs).draw(7)
    drawn.orders.to_csv(folder / "orders.csv", index=False)
    config = folder / "retain.toml"
    words = ("--out-dir", folder / "out", "--churn-window", 60, "--json", "--quiet")
    assert retain("init", folder / "orders.csv", "-c", config, *words).code == 0
    labels = {"lifecycle_stage": "commitment", "satisfaction_loyalty": "unknown", "status": "active"}
    frame = drawn.decisions().assign(risk="low", **labels)
    log = DecisionLog(load_config(config).store_url)
    log.save(frame)
    log.close()
    return Shop(config, drawn, frame)


def report(shop: Shop, *words: object) -> Said:
    return retain("results", "-c", shop.config, "--as-of", LATER, "--quiet", *words)


@pytest.fixture(scope="module")
def found(shop: Shop) -> dict[str, Any]:
    """The report before any result came back."""
    said = report(shop, "--json")
    assert said.code == 0, said.err
    return said.document


def rows(found: dict[str, Any], dimension: str, outcome: str) -> dict[str, dict[str, Any]]:
    every = found["effects"]
    return {r["group"]: r for r in every if (r["dimension"], r["outcome"]) == (dimension, outcome)}


def test_reported_effects_cover_the_truth(shop: Shop, found: dict[str, Any]) -> None:
    for outcome in ("churn", "orders", "margin", "net_margin"):
        truth = shop.drawn.truth(outcome)
        for offer, row in rows(found, "offer", outcome).items():
            assert row["low"] <= truth[offer] <= row["high"], (offer, outcome)
    verdicts = {offer: row["verdict"] for offer, row in rows(found, "offer", "net_margin").items()}
    assert verdicts["call"] == "works"
    assert verdicts["mail"] == "stop"
    assert found["stopped"] == ["mail"]


def test_outcomes_of_the_order_file_are_those_of_the_world(shop: Shop, found: dict[str, Any]) -> None:
    log = shop.drawn.log
    held = log[log["arm"] == "hold_out"]
    for offer, row in rows(found, "offer", "margin").items():
        meant = log["planned_offer"] == offer
        assert row["treated"] == int((meant & (log["arm"] == "treat")).sum())
        runs = held[held["planned_offer"] == offer].groupby("run_id")["margin"].mean()
        assert runs.min() - 0.01 <= row["left_alone"] <= runs.max() + 0.01


def test_money_adds_up(found: dict[str, Any]) -> None:
    finance = {row["campaign"]: row for row in found["finance"]}
    assert set(finance) == {"all", "offer call", "offer mail", "offer voucher", "run run-0", "run run-1"}
    for name in ("cost", "margin"):
        assert finance["all"][name] == pytest.approx(sum(finance[f"run run-{i}"][name] for i in (0, 1)))
    assert finance["offer call"]["payback_days"] < 60
    assert finance["offer call"]["acquisition_cost"] is None
    total = rows(found, "offer", "margin")["call"]["total"]
    assert finance["offer call"]["margin"] == pytest.approx(total)


def test_people_read_tables_and_what_to_stop(shop: Shop) -> None:
    said = report(shop, "--lang", "zh")
    assert (said.code, said.err) == (0, "")
    assert "停止：mail" in said.out
    assert "有效" in said.out


def test_runs_whose_time_is_not_over_wait(shop: Shop) -> None:
    said = retain("results", "-c", shop.config, "--as-of", "2026-03-10", "--json", "--quiet")
    assert said.document["runs"] == ["run-0"]
    assert said.document["waiting"] == {"run-1": "2026-07-04"}
    early = retain("results", "-c", shop.config, "--as-of", "2026-01-06", "--quiet")
    assert early.code == 5
    assert "the first counts from 2026-03-06 on" in early.err


def test_result_files_are_taken_in_once_and_rejects_are_listed(shop: Shop, tmp_path: Path) -> None:
    treated = shop.decisions[shop.decisions["arm"] == "treat"].head(300)
    held = shop.decisions[shop.decisions["arm"] == "hold_out"].head(2)
    back = pd.concat([treated, held])[["decision_id"]].assign(reached="yes", accepted="no", cost="3.00")
    back.iloc[4, 0] = "canary-unknown"
    file, out = tmp_path / "back.csv", tmp_path / "effects.csv"
    back.to_csv(file, index=False)
    first = report(shop, "--import", file, "--out", out, "--json")
    assert first.code == 0
    assert first.document["imported"][0]["new"] == 301
    assert first.document["imported"][0]["rejected"] == 1
    assert first.document["contacted_anyway"] == 2
    assert len(pd.read_csv(tmp_path / "back.csv.rejected.csv")) == 1
    assert pd.read_csv(out).shape[0] == len(first.document["effects"])
    loud = retain("results", "-c", shop.config, "--as-of", LATER, "--import", file)
    assert "0 new, 0 corrected, 301 known already, 1 rejected" in loud.out
    assert "stop: mail" in loud.out
    assert "1 row was rejected, e.g. line 6" in loud.err
    assert "canary" not in loud.err + loud.out


def test_a_file_of_strangers_is_refused(shop: Shop, tmp_path: Path) -> None:
    file = tmp_path / "back.csv"
    file.write_text("decision_id,reached\ncanary-1,yes\ncanary-2,no\n")
    said = report(shop, "--import", file)
    assert said.code == 2
    assert "2 rows were rejected" in said.err
    assert "canary" not in said.err
    assert report(shop, "--import", tmp_path / "none.csv").code == 2


def test_another_table_is_told_from_the_log(shop: Shop, tmp_path: Path) -> None:
    table, offers = tmp_path / "table.toml", tmp_path / "offers.csv"
    table.write_text(default_text(), encoding="utf-8")
    named = (
        "one_to_one|keep|develop|re_engineer|release|referral|raise_switching_value|earn_satisfaction|observe"
    )
    offers.write_text(
        "code,channel,cost,strategies,value_classes,assumed_effect,text_en\n"
        f"call,phone,0.01,{named},gold|platinum,0.9,a call\n"
    )
    words = ("offline-test", table, "-c", shop.config, "--offers", offers, "--as-of", LATER)
    said = retain(*words, "--json", "--quiet")
    assert said.code == 0, said.err
    values = {row["estimator"]: row for row in said.document["values"]}
    # calling gold and platinum, leaving the others alone: no mail at 4.00 each
    log = shop.drawn.log
    called = log["value_class"].isin(["gold", "platinum"])
    alone = log["margin"] - np.where(log["arm"] == "treat", log["true_margin"], 0.0)
    other = alone + np.where(called, log["true_net_margin"], 0.0)
    for value in values.values():
        assert value["low"] <= other.mean() <= value["high"]


def test_a_table_that_wants_what_was_never_tried_is_refused(shop: Shop, tmp_path: Path) -> None:
    table, offers = tmp_path / "table.toml", tmp_path / "offers.csv"
    table.write_text(default_text(), encoding="utf-8")
    offers.write_text("code,channel,cost,assumed_effect,text_en\nvisit,field,0.01,0.9,a visit\n")
    said = retain("offline-test", table, "-c", shop.config, "--offers", offers, "--as-of", LATER, "--quiet")
    assert said.code == 5
    assert "the log never made the offers visit" in said.err
    assert "Draw a hold-out" in said.err


def test_without_decisions_both_say_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "orders.csv").write_text("customer_id,time,amount\n1,2026-01-05,10\n2,2026-01-06,11\n")
    config = tmp_path / "retain.toml"
    assert retain("init", tmp_path / "orders.csv", "-c", config, "--json", "--quiet").code == 0
    said = retain("results", "-c", config, "--quiet")
    assert said.code == 5
    assert "none was made yet" in said.err
    table = tmp_path / "table.toml"
    table.write_text(default_text(), encoding="utf-8")
    assert retain("offline-test", table, "-c", config, "--quiet").code == 5
