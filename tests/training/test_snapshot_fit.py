from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.errors import InputError, ModelError
from tests.training.flat_tables import telecom
from training.contracts.snapshot_fit import (
    _ridge,
    fit_snapshot_model,
    fit_trees,
    learn_columns,
    stratified_folds,
)
from training.contracts.snapshot_judge import LEARNERS, repeats_for
from training.contracts.snapshot_table import SnapshotTable, snapshot_table
from training.contracts.snapshot_train import SnapshotTrained, train_snapshot
from training.metrics import log_loss, roc_auc
from training.models.head import sigmoid
from training.models.snapshot_bundle import SnapshotBundle
from training.models.snapshot_model import SnapshotModel, tree_matrix

LEAKS = ["Customer Status", "Churn Category", "Churn Reason", "Satisfaction Score", "Churn Score"]


@pytest.fixture(scope="module")
def table() -> SnapshotTable:
    return snapshot_table(telecom(400), "left")


@pytest.fixture(scope="module")
def trained(table: SnapshotTable) -> SnapshotTrained:
    return train_snapshot(table, repeats=1)


def test_columns_that_tell_something_beat_the_base_rate(trained: SnapshotTrained) -> None:
    assert trained.judged is not None
    assert trained.bundle.model.evidence in ("linear", "average")
    assert trained.judged.models["retain"]["roc_auc"] > 0.75
    gain = trained.judged.against["base_rate"]["log_loss"]
    assert gain.low < gain.difference < min(0.0, gain.high)


def test_a_ridge_of_more_columns_than_rows_is_solved_in_the_space_of_the_rows() -> None:
    """At its optimum the weights are Σ (y − p) x / strength, whichever way they were found."""
    rng = np.random.default_rng(5)
    matrix, left = rng.normal(size=(30, 6000)), (np.arange(30) % 3 == 0).astype(float)
    for linear, strength in zip(_ridge(matrix, left, (5.0, 25.0)), (5.0, 25.0), strict=True):
        centred = matrix - np.array(linear.means)
        missed = left - sigmoid(linear.intercept + centred @ np.array(linear.weights))
        assert missed.sum() == pytest.approx(0.0, abs=1e-4)
        assert centred.T @ missed / strength == pytest.approx(np.array(linear.weights), abs=1e-6)


def test_noise_keeps_the_base_rate() -> None:
    rng = np.random.default_rng(1)
    noise = pd.DataFrame({"x": rng.normal(size=300), "left": rng.integers(0, 2, 300)})
    found = snapshot_table(noise, "left")
    model = fit_snapshot_model(found.columns, found.features, found.left, seed=1)
    assert model.evidence == "base_rate"
    assert model.predict(pd.DataFrame({"x": [5.0]}))[0] == pytest.approx(noise["left"].mean())


def test_an_interaction_climbs_to_the_trees() -> None:
    rng = np.random.default_rng(2)
    sides = pd.DataFrame({"a": rng.choice(["l", "r"], 900), "b": rng.choice(["l", "r"], 900)})
    gone = rng.random(900) < np.where(sides["a"] == sides["b"], 0.7, 0.2)
    found = snapshot_table(sides.assign(left=gone), "left")
    model = fit_snapshot_model(found.columns, found.features, found.left, seed=1)
    assert model.evidence in ("trees", "average")
    assert roc_auc(found.left, model.predict(found.features)) > 0.7


def test_few_leavers_get_the_base_rate_and_no_judgement() -> None:
    few = pd.DataFrame({"x": np.arange(30) % 7, "left": [1, 0, 0, 0, 0, 0] * 5})
    found = train_snapshot(snapshot_table(few, "left"))
    assert (found.bundle.model.evidence, found.judged) == ("base_rate", None)
    assert "5 rows of the rarer outcome" in found.notes[-1]
    assert found.bundle.model.predict(pd.DataFrame({"x": [1.0]}))[0] == pytest.approx(5 / 30)


def test_contributions_add_up_to_the_log_odds(trained: SnapshotTrained, table: SnapshotTable) -> None:
    linear, columns = trained.bundle.model.linear, trained.bundle.model.columns
    trees = fit_trees(columns, tree_matrix(columns, table.features), table.left, rounds=20, seed=1)
    for model in (
        trained.bundle.model,
        SnapshotModel(columns, 0.0, linear, trees),
        SnapshotModel(columns, 0.0, None, trees),
    ):
        parts = model.contributions(table.features)
        np.testing.assert_allclose(parts.sum(axis=1), model.raw(table.features), atol=1e-9)


def test_ranges_of_customers_are_not_kept_and_not_needed(table: SnapshotTable) -> None:
    columns = learn_columns(table.columns, table.features)
    codes = tree_matrix(columns, table.features)
    trees = fit_trees(columns, codes, table.left, rounds=20, seed=1)
    assert "feature_infos=none none none none\n" in trees.text
    low, high = trees.raw(codes).min(), trees.raw(codes).max()
    assert low < -0.5 < high


def test_threads_change_nothing_and_a_seed_does(tmp_path: Path) -> None:
    small = snapshot_table(telecom(120), "left")
    first = train_snapshot(small, repeats=1)
    assert first.bundle.card == train_snapshot(small, repeats=1, num_threads=2).bundle.card
    other = fit_snapshot_model(small.columns, small.features, small.left, seed=5)
    reseeded = replace(first.bundle, model=other, card={})
    assert reseeded.save(tmp_path).version != first.bundle.save(tmp_path).version
    assert first.bundle.save(tmp_path).version == first.bundle.save(tmp_path).version


def test_a_saved_bundle_predicts_the_same_bits(
    trained: SnapshotTrained, table: SnapshotTable, tmp_path: Path
) -> None:
    saved = trained.bundle.save(tmp_path)
    loaded = SnapshotBundle.load(tmp_path / saved.version)
    assert loaded.model.predict(table.features).tolist() == saved.model.predict(table.features).tolist()
    assert (loaded.id_column, loaded.positive, loaded.card) == ("account", "Yes", saved.card)


def test_every_changed_byte_is_refused(trained: SnapshotTrained, tmp_path: Path) -> None:
    saved = trained.bundle.save(tmp_path)
    folder = tmp_path / saved.version
    for file in sorted(folder.iterdir()):
        whole = file.read_bytes()
        file.write_bytes(whole[:-2] + b" \n")
        with pytest.raises(ModelError, match=r"missing|changed|damaged"):
            SnapshotBundle.load(folder)
        file.write_bytes(whole)
    (folder / "more.txt").write_text("x")
    with pytest.raises(ModelError, match=r"more\.txt is not listed"):
        SnapshotBundle.load(folder)


def test_no_customer_is_in_a_bundle(trained: SnapshotTrained, table: SnapshotTable, tmp_path: Path) -> None:
    saved = trained.bundle.save(tmp_path)
    text = "".join(f.read_text() for f in (tmp_path / saved.version).iterdir())
    assert not [name for name in table.ids if name in text]


def test_missing_columns_and_unknown_levels_at_scoring(trained: SnapshotTrained) -> None:
    model = trained.bundle.model
    with pytest.raises(ModelError, match=r"lacks 1 of 4 columns .* such as 'plan'"):
        model.read(telecom().drop(columns="plan"))
    typed = model.read(telecom(20).assign(plan="never seen", charge=" "))
    assert np.isfinite(model.predict(typed)).all()


def test_a_leak_stops_the_run_until_it_is_allowed_or_dropped() -> None:
    leaky = telecom().assign(reason=np.where(telecom()["left"] == "Yes", "price", ""))
    with pytest.raises(InputError, match=r"'reason'.*filled for 100%"):
        train_snapshot(snapshot_table(leaky, "left"))
    dropped = snapshot_table(leaky, "left", drop=["reason"])
    assert "reason" not in dropped.features


def test_folds_hold_both_outcomes_evenly() -> None:
    left = (np.arange(100) % 4 == 0).astype(float)
    fold = stratified_folds(left, 5, seed=1)
    assert np.bincount(fold).tolist() == [20] * 5
    assert np.bincount(fold[left > 0]).tolist() == [5] * 5


def test_large_tables_are_repeated_less() -> None:
    assert [repeats_for(rows) for rows in (100, 7_043, 25_000, 10**6)] == [5, 5, 2, 1]


@pytest.mark.data
@pytest.mark.parametrize(
    ("file", "label", "drop"), [("telco_basic", "Churn", []), ("telco_joined", "Churn Value", LEAKS)]
)
def test_better_than_the_peers_on_a_fifth_of_telco(
    shared_data: Path, file: str, label: str, drop: list[str]
) -> None:
    table = snapshot_table(pd.read_parquet(shared_data / f"{file}.parquet"), label, drop=drop)
    asked = stratified_folds(table.left, 5, seed=3) == 0
    loss = {name: log_loss(table.left[asked], learn(table, asked, 3)) for name, learn in LEARNERS.items()}
    assert loss["retain"] < min(loss["logistic_default"], loss["lightgbm_default"]) < loss["base_rate"]
