"""A new model of contracts or of a flat table takes the champion's place unless the champion is better."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pytest

from training.contracts.contract_challenge import challenge_contracts, challenge_snapshot
from training.contracts.contract_fit import ContractJudged, ContractTrained
from training.contracts.snapshot_judge import Judged
from training.contracts.snapshot_train import SnapshotTrained
from training.models.contract_bundle import ContractBundle
from training.models.flat_column import FlatColumn
from training.models.hazard import LifeTable
from training.models.snapshot_bundle import SnapshotBundle
from training.models.snapshot_model import SnapshotModel

DAY = date(2024, 9, 1)
# Nobody of plan b leaves; half of plan a does, on day 50.
TABLE = LifeTable.fit([50] * 40, [True] * 20 + [False] * 20, ["a"] * 20 + ["b"] * 20)
BUNDLE = ContractBundle(TABLE, None, date(2024, 12, 1), 90, (30, 90), 0.3, 0.1, 730)
OLD = replace(BUNDLE, trained_as_of=date(2024, 8, 1))
RUNNING = pd.DataFrame(
    {"customer_id": [f"c{k}" for k in range(40)], "plan": ["a"] * 20 + ["b"] * 20, "tenure_days": 10.0}
)
LEFT = np.repeat([1.0, 0.0], 20)
BETTER, WORSE = np.where(LEFT > 0, 0.99, 0.01), np.where(LEFT > 0, 0.01, 0.99)


def contracts(ours: Any = BETTER) -> ContractTrained:
    judged = ContractJudged(DAY, RUNNING, LEFT, {"retain": ours, "base_rate": np.full(40, 0.5)})
    return ContractTrained(BUNDLE, judged, ())


@pytest.mark.parametrize(("ours", "promote"), [(BETTER, True), (WORSE, False)])
def test_contracts_meet_on_the_same_customers_of_a_day_the_champion_has_not_seen(
    ours: Any, promote: bool
) -> None:
    found = challenge_contracts(contracts(ours), OLD)
    assert found.promote is promote
    assert "on the same 40 customers of 2024-09-01" in found.en
    assert "40 位客户" in found.zh


def test_a_champion_as_good_gives_way_to_newer_data() -> None:
    assert challenge_contracts(contracts(OLD.churn_probability(RUNNING)), OLD).promote


def test_a_champion_that_asks_for_unknown_columns_is_no_rival() -> None:
    asks = SnapshotModel((FlatColumn("moon_phase", "number"),), 0.0)
    assert "cannot be judged" in challenge_contracts(contracts(WORSE), replace(OLD, model=asks)).en


# Ours loses 0.0101 a customer, a constant half 0.6931: 1.45 % of it.
@pytest.mark.parametrize(
    ("cut_off", "theirs", "promote", "told"),
    [
        ("2024-09-01", (0.0090, 0.6931), True, "log loss 0.0101 against the champion's 0.0090"),
        ("2024-09-01", (0.0079, 0.6931), False, "log loss 0.0101 against"),
        (
            "2024-08-01",
            (0.0001, 1.0),
            True,
            "share of the base rate's log loss 0.0145 against the champion's 0.0001",
        ),
    ],
)
def test_contracts_of_a_champion_that_saw_the_day_are_compared_by_card(
    cut_off: str, theirs: tuple[float, float], promote: bool, told: str
) -> None:
    models = {name: {"log_loss": loss} for name, loss in zip(("retain", "base_rate"), theirs, strict=True)}
    champion = replace(BUNDLE, card={"judged": {"cut_off": cut_off, "models": models}})
    found = challenge_contracts(contracts(), champion)
    assert found.promote is promote
    assert told in found.en


def test_contracts_that_cannot_be_compared_win() -> None:
    assert challenge_contracts(contracts(WORSE), None).promote
    assert "window" in challenge_contracts(contracts(WORSE), replace(OLD, window_days=30)).en
    assert "no past day" in challenge_contracts(replace(contracts(), judged=None), OLD).en
    assert "cannot be judged" in challenge_contracts(contracts(WORSE), BUNDLE).en


MODEL = SnapshotModel((FlatColumn("plan", "category"),), 0.0)
FLAT = SnapshotBundle(MODEL, "id", "left", "Yes", (0.0,), {"data_hash": "1"})


def flat(ours: float) -> SnapshotTrained:
    models = {"retain": {"log_loss": ours}, "base_rate": {"log_loss": 0.6}}
    return SnapshotTrained(FLAT, Judged(100, 40, 5, 1, models, {}), ())


def champion(ours: float, **changes: Any) -> SnapshotBundle:
    judged = {"models": {"retain": {"log_loss": ours}, "base_rate": {"log_loss": 0.5}}}
    return replace(FLAT, **{"card": {"data_hash": "1", "judged": judged}, **changes})


@pytest.mark.parametrize(("loss", "promote"), [(0.41, True), (0.4015, True), (0.39, False)])
def test_flat_models_of_the_same_table_are_compared_by_log_loss(loss: float, promote: bool) -> None:
    found = challenge_snapshot(flat(0.4), champion(loss))
    assert found.promote is promote
    assert found.en == f"log loss 0.4000 against the champion's {loss:.4f} at 100 rows"


# 0.4 of 0.6 is two thirds of the base rate; the champion's 0.3 of 0.5 three fifths.
@pytest.mark.parametrize(("loss", "promote"), [(0.3, False), (0.33, True)])
def test_flat_models_of_other_tables_are_compared_by_share(loss: float, promote: bool) -> None:
    other = replace(flat(0.4), bundle=replace(FLAT, card={"data_hash": "2"}))
    found = challenge_snapshot(other, champion(loss))
    assert found.promote is promote
    assert "share of the base rate's log loss 0.6667" in found.en


def test_flat_models_that_cannot_be_compared_win() -> None:
    assert challenge_snapshot(flat(9.0), None).promote
    assert "label" in challenge_snapshot(flat(9.0), champion(0.1, positive="No")).en
    asks = SnapshotModel((*MODEL.columns, FlatColumn("reason", "category")), 0.0)
    assert "the column 'reason'" in challenge_snapshot(flat(9.0), champion(0.1, model=asks)).en
    assert "too few rows" in challenge_snapshot(replace(flat(9.0), judged=None), champion(0.1)).en
    assert "cannot be judged" in challenge_snapshot(flat(9.0), champion(0.1, card={})).en
