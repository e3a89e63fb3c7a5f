"""The proof in small: on simulated campaigns reported effects cover the truth, and A/A campaigns show none."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"
SEEDS = range(900, 915)


@pytest.fixture(scope="module")
def proof() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(FOLDER))
        yield import_module("proof")
        for name in ("proof", "proof_world"):
            sys.modules.pop(name, None)


def judged(proof: ModuleType, place: int) -> pd.DataFrame:
    case = proof.CASES[place]
    small = replace(case, world=replace(case.world, customers=1200, hold_out=0.25))
    return pd.concat([proof.judge(small, seed) for seed in SEEDS], ignore_index=True)


def test_effects_cover_the_truth(proof: ModuleType) -> None:
    found = judged(proof, 0)
    given = found[found["given"]]
    assert len(given) >= 0.9 * len(found)
    # 45 intervals of each outcome; at 98 % each, 5 or more misses have a chance of 1 in 500
    assert given.groupby("outcome")["covered"].mean().min() >= 0.9


def test_campaigns_without_effect_show_none(proof: ModuleType) -> None:
    found = judged(proof, 3)
    net = found[found["outcome"] == "net_margin"]
    assert net["verdict"].isin(["works", "stop"]).mean() <= 0.05
    assert (net["error"].abs() < 15).all()


def test_the_page_has_a_row_for_every_case(proof: ModuleType) -> None:
    found = pd.concat([proof.judge(case, 1) for case in (proof.CASES[1], proof.CASES[4])], ignore_index=True)
    page = proof.report(found, 1)
    assert "| 1,500 customers, 20 % held out | net_margin |" in page
    assert "| A/A: 1,500, 20 % held out |" in page


def test_both_worlds_of_the_simulation_agree_with_its_orders(proof: ModuleType) -> None:
    drawn = proof.World(customers=300).draw(5)
    log, orders = drawn.log, drawn.orders
    after = orders[orders["time"] >= pd.Timestamp(drawn.world.first)]
    counted = after.groupby("customer_id").size().reindex(log["customer_id"]).fillna(0).to_numpy()
    assert (counted == log["orders"]).all()
    margin = (
        0.3 * after.groupby("customer_id")["amount"].sum().reindex(log["customer_id"]).fillna(0).to_numpy()
    )
    assert np.allclose(margin, log["margin"])
