from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.errors import ModelError, NotEnoughData
from features.frames import tables_from_frames
from serving.contract_list import score_contracts
from tests.training.contract_tables import AS_OF, STAYS, renewals
from training.contracts.contract_fit import ContractTrained, life_table, train_contracts
from training.contracts.contract_panel import ContractPanel, contract_panel
from training.models.contract_bundle import ContractBundle
from training.models.head import logit
from training.settings import ChurnSettings, TrainingSettings

SETTINGS = TrainingSettings(churn=ChurnSettings(kind="contract", window_days=90))


@pytest.fixture(scope="module")
def panel() -> ContractPanel:
    return contract_panel(tables_from_frames({"contracts": renewals()}), AS_OF)


@pytest.fixture(scope="module")
def trained() -> ContractTrained:
    return train_contracts(tables_from_frames({"contracts": renewals(300)}), AS_OF, SETTINGS)


def test_the_hazard_of_a_renewal_is_recovered_by_plan(panel: ContractPanel) -> None:
    table = life_table(panel, AS_OF)
    low, high = table.interval(["basic", "plus"], [0, 0], 181, level=0.99)
    assert table.survival(["basic", "plus"], [0, 0], 180).tolist() == [1.0, 1.0]
    for at, plan in enumerate(("basic", "plus")):
        assert low[at] < STAYS[plan] < high[at]


def test_judged_by_date_it_beats_the_base_rate(trained: ContractTrained) -> None:
    assert trained.judged is not None
    models = trained.judged.models
    assert trained.judged.day == date(2024, 9, 3)
    assert models["retain"]["roc_auc"] > 0.8
    assert models["retain"]["log_loss"] < 0.85 * models["base_rate"]["log_loss"]
    assert models["retain"]["log_loss"] <= models["life_table"]["log_loss"] + 0.005


def test_who_is_not_due_within_the_window_stays(trained: ContractTrained, panel: ContractPanel) -> None:
    running = panel.running(AS_OF)
    table = replace(trained.bundle, model=None)
    safe = running["days_left"] >= 90
    assert table.churn_probability(running)[safe].max() < 1e-9
    assert trained.bundle.churn_probability(running)[safe].max() < 0.1


def test_the_curve_falls_meets_the_window_and_holds_its_interval(
    trained: ContractTrained, panel: ContractPanel
) -> None:
    found = trained.bundle.predict(panel.running(AS_OF))
    curve = found[[f"survival_{h}d" for h in (30, 90, 180, 365)]].to_numpy()
    assert (np.diff(curve, axis=1) <= 1e-12).all()
    np.testing.assert_allclose(1 - found["survival_90d"], found["churn_probability"], atol=1e-6)
    for h in (30, 90, 180, 365):
        assert (found[f"survival_{h}d_low"] <= found[f"survival_{h}d"] + 1e-9).all()
        assert (found[f"survival_{h}d"] <= found[f"survival_{h}d_high"] + 1e-9).all()


def test_renewal_and_value_of_the_life_table_by_hand(trained: ContractTrained) -> None:
    """One year without discount, charge 30.4375 a month at a margin of 1: the sum of days weighted by survival."""
    bundle = replace(trained.bundle, model=None, margin_rate=1.0, discount_rate=0.0, lifetime_days=30)
    running = pd.DataFrame(
        {"plan": ["plus"], "tenure_days": [100.0], "days_left": [80.0], "monthly_charge": [30.4375]}
    )
    found = bundle.predict(running)
    renew = bundle.table.survival(["plus"], [100], 81)[0]
    assert found["renewal_probability"][0] == pytest.approx(renew)
    assert found["expected_remaining_value"][0] == pytest.approx(
        30 * bundle.table.survival(["plus"], [100], 15)[0]
    )
    assert found["median_remaining_days"][0] > 80


def test_contributions_add_up(trained: ContractTrained, panel: ContractPanel) -> None:
    running = panel.running(AS_OF)
    for bundle in (trained.bundle, replace(trained.bundle, model=None)):
        probability = np.clip(bundle.churn_probability(running), 1e-4, 1 - 1e-4)
        parts = bundle.contributions(running)
        total = np.clip(parts.sum(axis=1).to_numpy(), logit(np.array(1e-4)), logit(np.array(1 - 1e-4)))
        np.testing.assert_allclose(total, logit(probability), atol=1e-8)


def test_the_list_has_dates_value_and_reasons(trained: ContractTrained, panel: ContractPanel) -> None:
    running = panel.running(AS_OF)
    found = score_contracts(trained.bundle, running)
    assert len(found) == len(running)
    assert found["value_at_stake"].is_monotonic_decreasing
    assert (found["renewal_date"].dropna() >= pd.Timestamp(AS_OF)).all()
    assert found["reasons"].str.contains("risk|effect").all()
    assert found["reasons_zh"].str.contains("风险|影响").all()


def test_saved_and_loaded_it_predicts_the_same_bits(
    trained: ContractTrained, panel: ContractPanel, tmp_path: Path
) -> None:
    saved = trained.bundle.save(tmp_path)
    loaded = ContractBundle.load(tmp_path / saved.version)
    running = panel.running(AS_OF)
    pd.testing.assert_frame_equal(loaded.predict(running), saved.predict(running))
    card = json.loads((tmp_path / saved.version / "card.json").read_text())
    assert card["judged"]["cut_off"] == "2024-09-03"
    model = tmp_path / saved.version / "model.json"
    model.write_bytes(model.read_bytes() + b" ")
    with pytest.raises(ModelError, match=r"model\.json is missing or changed"):
        ContractBundle.load(tmp_path / saved.version)


@pytest.mark.parametrize(
    "rows",
    [
        [("a", "2024-06-01", "2025-06-01")],
        [(f"c{k}", "2024-03-01", None) for k in range(30)],
        [(f"c{k}", f"2024-0{1 + k % 9}-01", "2026-01-01") for k in range(30)],
    ],
    ids=["one", "open", "nobody left yet"],
)
def test_degenerate_contracts_give_a_list_and_say_why(rows: list[tuple[str, str, str | None]]) -> None:
    frame = pd.DataFrame(rows, columns=["customer_id", "start", "end"])
    frame = frame.assign(start=pd.to_datetime(frame["start"]), end=pd.to_datetime(frame["end"]))
    tables = tables_from_frames({"contracts": frame})
    found = train_contracts(tables, AS_OF, SETTINGS)
    listed = score_contracts(found.bundle, contract_panel(tables, AS_OF, past=False).running(AS_OF))
    assert found.bundle.evidence == "life_table"
    assert any("life table alone" in note for note in found.notes)
    assert listed["churn_probability"].between(0, 0.5).all()
    assert (listed["survival_90d_low"] < listed["survival_90d_high"]).all()


def test_when_all_have_left_the_day_is_told() -> None:
    frame = pd.DataFrame(
        {"customer_id": ["a"], "start": [pd.Timestamp("2020-01-01")], "end": [pd.Timestamp("2021-01-01")]}
    )
    with pytest.raises(NotEnoughData, match="none of 1 runs on 2025-01-01"):
        train_contracts(tables_from_frames({"contracts": frame}), AS_OF, SETTINGS)
