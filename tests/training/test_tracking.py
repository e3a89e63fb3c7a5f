"""MLflow's one door: what is kept, who is champion, and what happens when MLflow is not there."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from features.errors import RetainError
from features.publish import verify
from tests.training.meetings import population
from tests.training.small_shops import day, drawn, settings, shop
from training.card import quality_card
from training.challenge import Verdict
from training.models.bundle import POINTER, Bundle, champion_path
from training.models.margin import Margin
from training.models.text_files import point_at
from training.registry import champion_bundle
from training.settings import TrackingSettings
from training.tracking import Registered, register
from training.train import Trained, train

# MLflow's own modules use what SQLAlchemy 2.1 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
TRACKING = TrackingSettings()
YES, NO = Verdict(promote=True, en="better", zh="更好"), Verdict(promote=False, en="worse", zh="更差")


@dataclass(frozen=True)
class Kept:
    """A project folder with an MLflow database and one registered champion."""

    folder: Path
    uri: str
    trained: Trained
    bundle: Bundle
    first: Registered

    @property
    def models(self) -> Path:
        return self.folder / "models"

    @property
    def client(self) -> Any:
        import mlflow

        return mlflow.MlflowClient(tracking_uri=self.uri, registry_uri=self.uri)

    def register(self, bundle: Bundle, verdict: Verdict) -> Registered:
        folder = self.models / bundle.version
        return register(self.trained, bundle, folder, verdict, TRACKING, uri=self.uri)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    folder = tmp_path_factory.mktemp("project")
    (folder / "models").mkdir()
    rows = [(f"canary-{c}", d, a) for c, d, a in drawn(120, 200)]
    trained = train(shop(rows), day(200), settings(30, 30))
    bundle = trained.bundle.save(folder / "models")
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    first = register(trained, bundle, folder / "models" / bundle.version, YES, TRACKING, uri=uri)
    return Kept(folder, uri, trained, bundle, first)


def another(kept: Kept, margin: float) -> Bundle:
    """A model that differs in one figure."""
    curve = replace(kept.trained.bundle.curve, margin=Margin(margin))
    return replace(kept.trained.bundle, curve=curve).save(kept.models)


def test_one_run_has_settings_figures_hash_bundle_and_pictures(kept):
    run = kept.client.get_run(kept.first.run_id)
    assert run.info.status == "FINISHED"
    assert run.info.run_name == run.data.tags["bundle_version"] == kept.bundle.version
    assert run.data.tags["data_hash"] == kept.bundle.card["data_hash"]
    assert run.data.tags["evidence"] == kept.bundle.evidence
    assert run.data.params["churn.window_days"] == "30"
    assert run.data.params["as_of"] == "2025-07-20"
    ours = kept.trained.judged.models["retain"]
    assert run.data.metrics["retain/churn/roc_auc"] == ours["churn"]["roc_auc"]
    assert run.data.metrics["retain/value/30/mae"] == ours["value"][30]["mae"]
    assert all(np.isfinite(v) for v in run.data.metrics.values())
    assert {a.path for a in kept.client.list_artifacts(kept.first.run_id, "plots")} == {
        "plots/calibration.png",
        "plots/gains.png",
        "plots/deciles.png",
    }


def test_the_bundle_in_mlflow_is_the_bundle_on_disk(kept, tmp_path):
    copy = Path(kept.client.download_artifacts(kept.first.run_id, "bundle", str(tmp_path)))
    ours = kept.models / kept.bundle.version
    assert {p.name: p.read_bytes() for p in copy.iterdir()} == {
        p.name: p.read_bytes() for p in ours.iterdir()
    }


def test_a_quality_card_is_kept_as_figures_json_page_and_pictures(kept, tmp_path):
    quality = quality_card(population(1, customers=150), settings=settings(30, 30), seed=1).to_json()
    card = {**kept.trained.bundle.card, "quality": quality}
    bundle = replace(kept.trained.bundle, card=card).save(kept.models)
    run = kept.client.get_run(kept.register(bundle, NO).run_id)
    assert run.data.tags["quality_grade"] == quality["grade"]
    assert run.data.metrics["quality/lift"] == quality["parts"][1]["models"]["retain"]["figure"]
    assert run.data.metrics["quality/lift/low"] < run.data.metrics["quality/lift"]
    folder = Path(kept.client.download_artifacts(run.info.run_id, "quality", str(tmp_path)))
    assert json.loads((folder / "card.json").read_text(encoding="utf-8")) == quality
    assert bundle.version in (folder / "card.html").read_text(encoding="utf-8")
    assert {p.suffix for p in folder.iterdir()} == {".json", ".html", ".svg"}


def test_the_alias_moves_only_when_the_verdict_says_so(kept):
    def champion() -> str:
        return str(kept.client.get_model_version_by_alias("retain", "champion").version)

    assert kept.first.promoted
    assert champion() == kept.first.model_version
    refused = kept.register(another(kept, 0.31), NO)
    assert not refused.promoted
    assert champion() == kept.first.model_version
    assert kept.client.get_model_version("retain", refused.model_version).tags["verdict"] == "worse"
    better = kept.register(another(kept, 0.32), YES)
    assert champion() == better.model_version != kept.first.model_version
    kept.client.set_registered_model_alias("retain", "champion", kept.first.model_version)


def test_the_champion_is_fetched_into_an_empty_folder(kept, tmp_path):
    found = champion_bundle(TRACKING, tmp_path / "not" / "there", uri=kept.uri)
    assert found.version == kept.bundle.version
    point_at(tmp_path / "not" / "there", POINTER, found.version)
    assert Bundle.load(champion_path(tmp_path / "not" / "there")).version == found.version
    assert verify(tmp_path / "not" / "there" / "champion").file == "champion"


@pytest.mark.parametrize("tag", ["../../etc", "", "0123", "/tmp/012345678"])
def test_a_version_tag_that_leads_elsewhere_is_no_champion(kept, tmp_path, tag):
    version = kept.client.get_model_version("retain", kept.first.model_version)
    kept.client.set_model_version_tag("retain", version.version, "bundle_version", tag)
    try:
        assert champion_bundle(TRACKING, tmp_path, uri=kept.uri) is None
        assert not list(tmp_path.iterdir())
    finally:
        kept.client.set_model_version_tag("retain", version.version, "bundle_version", kept.bundle.version)


def test_a_bundle_damaged_in_mlflow_never_reaches_the_models_folder(kept, tmp_path):
    card = next((kept.folder / "mlartifacts").rglob(f"{kept.first.run_id}/artifacts/bundle/card.json"))
    good = card.read_bytes()
    card.write_bytes(good.replace(b"2025", b"2024", 1))
    try:
        assert champion_bundle(TRACKING, tmp_path, uri=kept.uri) is None
        assert not [p for p in tmp_path.iterdir() if not p.name.startswith(".")]
    finally:
        card.write_bytes(good)


def test_another_bundle_under_the_champions_name_is_refused(kept, tmp_path):
    other = another(kept, 0.33)
    stored = next((kept.folder / "mlartifacts").rglob(f"{kept.first.run_id}/artifacts/bundle"))
    shutil.move(stored, tmp_path / "aside")
    shutil.copytree(kept.models / other.version, stored)
    try:
        assert champion_bundle(TRACKING, tmp_path / "models", uri=kept.uri) is None
    finally:
        shutil.rmtree(stored)
        shutil.move(tmp_path / "aside", stored)


def test_a_run_that_is_stopped_is_marked_killed(kept, monkeypatch):
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("training.plots.save_all", stop)
    with pytest.raises(KeyboardInterrupt):
        kept.register(kept.bundle, YES)
    newest = kept.client.search_runs(["1"], order_by=["attributes.start_time DESC"])[0]
    assert newest.info.status == "KILLED"
    assert champion_bundle(TRACKING, kept.models, uri=kept.uri).version == kept.bundle.version


def test_runs_of_trainings_that_died_are_closed_by_the_next_one(kept):
    host = {"retain.host": os.uname().nodename}
    gone = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True
    )
    now = int(time.time() * 1000)

    def start(tags: dict[str, str], hours_ago: int = 0) -> str:
        return kept.client.create_run("1", start_time=now - hours_ago * 3_600_000, tags=tags).info.run_id

    dead = start({**host, "retain.pid": gone.stdout.strip()})
    alive = start({**host, "retain.pid": str(os.getppid())})
    elsewhere = start({"retain.host": "another-machine", "retain.pid": gone.stdout.strip()})
    ancient = start({"retain.host": "another-machine", "retain.pid": "1"}, hours_ago=7)
    kept.register(kept.bundle, NO)
    status = {run: kept.client.get_run(run).info.status for run in (dead, alive, elsewhere, ancient)}
    assert [status[r] for r in (dead, alive, elsewhere, ancient)] == [
        "KILLED",
        "RUNNING",
        "RUNNING",
        "KILLED",
    ]


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")


def test_a_server_that_is_down_is_told_in_seconds_and_the_bundle_kept(kept, impatient):
    started = time.monotonic()
    with pytest.raises(RetainError, match=r"MLflow \(http\) refused.*The trained bundle is kept") as told:
        register(
            kept.trained,
            kept.bundle,
            kept.models / kept.bundle.version,
            YES,
            TRACKING,
            uri="http://someone:secret@127.0.0.1:9",
        )
    assert time.monotonic() - started < 10
    assert "secret" not in str(told.value)
    assert Bundle.load(kept.models / kept.bundle.version).version == kept.bundle.version


def test_a_database_that_is_none_is_told_in_seconds(kept, tmp_path):
    (tmp_path / "bad.db").write_bytes(b"this is not a database at all" * 100)
    started = time.monotonic()
    for uri in (f"sqlite:///{tmp_path / 'bad.db'}", f"sqlite:///{tmp_path}", "sqlite:////proc/nowhere/x.db"):
        with pytest.raises(RetainError, match=r"MLflow \(sqlite\) refused"):
            champion_bundle(TRACKING, kept.models, uri=uri)
    with pytest.raises(RetainError, match=r"MLflow \(postgresql\) refused"):
        champion_bundle(TRACKING, kept.models, uri="postgresql://u:p@127.0.0.1:9/x")
    assert time.monotonic() - started < 10


def test_no_customer_is_in_the_database_or_the_artefacts(kept):
    with sqlite3.connect(kept.folder / "mlflow.db") as database:
        assert database.execute("select count(*) from runs").fetchone()[0] >= 1
    files = [p for p in kept.folder.rglob("*") if p.is_file()]
    assert len(files) > 5
    assert not [p.name for p in files if b"canary" in p.read_bytes()]


SCRIPT = """
import os, sys
before = dict(os.environ)
import training, training.models
assert not {'pandas', 'numpy', 'lightgbm', 'mlflow', 'ibis', 'sklearn'} & set(sys.modules)
import training.registry
assert not {'lightgbm', 'mlflow'} & set(sys.modules)
assert before == dict(os.environ)
from pathlib import Path
from training.settings import TrackingSettings
found = training.registry.champion_bundle(
    TrackingSettings(), Path(sys.argv[1]), uri=f"sqlite:///{sys.argv[1]}/new/mlflow.db"
)
assert found is None
assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"
"""


def test_nothing_happens_at_import_and_a_first_database_is_made_without_chatter(tmp_path):
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, "-c", SCRIPT, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=root, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
