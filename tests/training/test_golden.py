"""Golden rows tell a model that is not the one that was saved, whatever its hashes say."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from features.errors import ModelError
from training.models import contract_bundle, snapshot_bundle
from training.models.contract_bundle import ContractBundle
from training.models.flat_column import FlatColumn
from training.models.golden import check_golden, golden_of, made_up_rows
from training.models.hazard import LifeTable
from training.models.snapshot_bundle import SnapshotBundle
from training.models.snapshot_model import Linear, SnapshotModel
from training.models.text_files import json_text, write_texts

PLAN = FlatColumn("plan", "category", levels=("basic", "plus"))
MONTHS = FlatColumn("tenure_days", "number", knots=(10.0, 20.0, 30.0), centre=15.0, scale=5.0)
MODEL = SnapshotModel((PLAN, MONTHS), -1.0, Linear(-1.0, (0.5, -0.5, 0.0, 0.1, 0.2, 0.3, 0.0), (0.1,) * 7))
TABLE = LifeTable.fit([180] * 40, [True, False] * 20, ["basic"] * 20 + ["plus"] * 20, term_days=180)


def changed(
    path: Path, bundle: ContractBundle | SnapshotBundle, kind: str, how: Callable[[dict[str, Any]], Any]
) -> Path:
    """What someone who knows the format could do: another model under hashes and a name that fit."""
    folder = path / bundle.save(path).version
    files = {f.name: f.read_text() for f in folder.iterdir() if f.name != "manifest.json"}
    values = json.loads(files["model.json"])
    how(values)
    return path / write_texts(path, {**files, "model.json": json_text(values)}, {"kind": kind})


@pytest.mark.parametrize(
    "how",
    [
        lambda v: v["table"].update(ends=v["table"]["ends"] - 10, plans=["basic", "other"]),
        lambda v: v["table"]["ended"][1].__setitem__(-1, 1),
        lambda v: v.update(margin_rate=0.4),
        lambda v: v.update(window_days=200),
    ],
)
@pytest.mark.parametrize("model", [None, MODEL], ids=["life table", "covariates"])
def test_another_model_of_contracts_is_refused(
    tmp_path: Path, model: SnapshotModel | None, how: Callable[[dict[str, Any]], Any]
) -> None:
    bundle = ContractBundle(TABLE, model, date(2024, 6, 1), 90, (30, 365), 0.3, 0.1, 730)
    assert ContractBundle.load(tmp_path / bundle.save(tmp_path).version).golden["rows"]
    with pytest.raises(ModelError, match="golden predictions of"):
        ContractBundle.load(changed(tmp_path, bundle, contract_bundle.KIND, how))


@pytest.mark.parametrize(
    "how",
    [
        lambda v: v["model"]["linear"].update(intercept=-1.01),
        lambda v: v["model"]["columns"][0].update(levels=["basic", "premium"]),
        lambda v: v["model"]["columns"][1].update(centre=16.0),
    ],
)
def test_another_model_of_a_flat_table_is_refused(
    tmp_path: Path, how: Callable[[dict[str, Any]], Any]
) -> None:
    bundle = SnapshotBundle(MODEL, "account", "left", "Yes", (0.0, 1.0))
    assert SnapshotBundle.load(tmp_path / bundle.save(tmp_path).version).golden["rows"]
    with pytest.raises(ModelError, match="golden predictions of churn_probability differ"):
        SnapshotBundle.load(changed(tmp_path, bundle, snapshot_bundle.KIND, how))


def test_made_up_rows_meet_every_level_and_what_is_missing() -> None:
    rows = made_up_rows((PLAN, MONTHS))
    assert {"basic", "plus", None, "\u2205"} == set(
        rows["plan"].astype(object).where(rows["plan"].notna(), None)
    )
    assert set(rows["tenure_days"].dropna()) == {10.0, 15.0, 20.0, 30.0}
    assert rows["tenure_days"].isna().any()


@pytest.mark.parametrize("lost", ["rows", "expected"])
def test_without_golden_rows_nothing_is_believed(lost: str) -> None:
    golden = golden_of(pd.DataFrame({"x": [1.0]}), lambda rows: rows)
    with pytest.raises(ModelError, match="no golden rows"):
        check_golden({**golden, lost: []}, lambda rows: rows, "v1")


def test_a_column_more_or_less_is_told() -> None:
    golden = golden_of(pd.DataFrame({"x": [1.0, np.nan]}), lambda rows: rows)
    check_golden(golden, lambda rows: rows, "v1")
    for predict in (lambda rows: rows.assign(y=1.0), lambda rows: rows.rename(columns={"x": "y"})):
        with pytest.raises(ModelError, match=r"golden predictions of [xy] differ"):
            check_golden(golden, predict, "v1")
