"""The agent: what it fetches, what it never points at, and what it costs when MLflow is not there."""

from __future__ import annotations

import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from retain import agent as following
from retain.agent import Agent, Step
from retain.config import Project, RetainConfig
from serving.model_gate import check_files, prove
from serving.verdicts import Verdict, Verdicts
from tests.retain.command_runs import retain
from tests.serving.two_models import make_two, settings_of
from training.models.bundle import POINTER
from training.models.text_files import point_at
from training.settings import TrackingSettings
from training.tracking import BUNDLE_TAG, open_run

# MLflow's own modules use what SQLAlchemy 2.1 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
TRACKING = TrackingSettings()


@dataclass(frozen=True)
class Registry:
    """A project whose MLflow has two versions of the model, and whose models folder is empty."""

    folder: Path
    versions: tuple[str, str]

    @property
    def uri(self) -> str:
        return f"sqlite:///{self.folder / 'retain-out' / 'mlflow.db'}"

    @property
    def models(self) -> Path:
        return self.folder / "retain-out" / "models"

    @property
    def client(self) -> Any:
        import mlflow

        return mlflow.MlflowClient(tracking_uri=self.uri, registry_uri=self.uri)

    def agent(self) -> Agent:
        return Agent(Project(RetainConfig(), self.folder / "retain.toml"))

    def crown(self, number: int) -> None:
        self.client.set_registered_model_alias(TRACKING.model_name, "champion", str(number))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    folder = tmp_path_factory.mktemp("project")
    (folder / "retain.toml").write_text("")
    models = folder / "retain-out" / "models"
    models.mkdir(parents=True)
    registry = Registry(folder, make_two(models))
    for version in registry.versions:
        prove(settings_of(models), version)
    name = TRACKING.model_name
    for number, version in enumerate(registry.versions):
        with open_run(version, models, TRACKING, uri=registry.uri) as (client, run):
            client.log_artifacts(run.info.run_id, str(models / version), "bundle")
        if not number:
            client.create_registered_model(name)
        source = f"{run.info.artifact_uri}/bundle"
        client.create_model_version(name, source, run.info.run_id, tags={BUNDLE_TAG: version})
    return registry


@pytest.fixture
def registry(made: Registry) -> Iterator[Registry]:
    """The first version is champion, the models folder holds nothing but the verdicts of before."""
    made.crown(1)
    shutil.move(made.models / ".verdicts", made.folder / "verdicts")
    kept = made.folder / "verdicts"
    shutil.rmtree(made.models)
    shutil.copytree(kept, made.models / ".verdicts")
    yield made
    shutil.rmtree(made.models)
    made.models.mkdir()
    shutil.move(kept, made.models / ".verdicts")


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine on which many tests run answers late; how long is waited is tested by itself."""
    assert following._ASK_SECONDS <= 7
    monkeypatch.setattr(following, "_ASK_SECONDS", 60.0)


def pointer(registry: Registry) -> str | None:
    file = registry.models / POINTER
    return file.read_text().strip() if file.exists() else None


def artefact(registry: Registry, number: int, name: str) -> Path:
    run = registry.client.get_model_version(TRACKING.model_name, str(number)).run_id
    return next((registry.folder / "retain-out" / "mlartifacts").rglob(f"{run}/artifacts/bundle/{name}"))


def test_the_champion_is_fetched_proved_and_pointed_at_and_then_kept(registry: Registry) -> None:
    config, first = registry.folder / "retain.toml", registry.versions[0]
    said = retain("agent", "-c", config, "--once", "--json")
    assert (said.code, said.document["action"], said.document["version"]) == (0, "moved", first)
    assert (pointer(registry), check_files(registry.models, first)[:12]) == (first, first)
    assert (registry.models / first).stat().st_mode & 0o077 == 0
    again = retain("agent", "-c", config, "--once")
    assert (again.code, again.out.count("\n"), again.err) == (0, 1, "")
    assert "pointed at already" in again.out


def test_the_pointer_follows_the_alias_and_a_damaged_folder_is_fetched_anew(registry: Registry) -> None:
    agent, (first, second) = registry.agent(), registry.versions
    assert agent.step().action == "moved"
    registry.crown(2)
    assert agent.step().version == second == pointer(registry)
    (registry.models / second / "model.json").write_text("{}")
    step = agent.step()
    assert (step.action, check_files(registry.models, second)[:12]) == ("moved", second)
    registry.crown(1)
    assert "was here" in agent.step().said
    assert sorted(p.name for p in registry.models.iterdir() if p.is_dir()) == sorted(
        [".verdicts", first, second]
    )


def test_a_version_the_gate_refuses_is_never_pointed_at_and_not_pulled_again(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent, (first, second) = registry.agent(), registry.versions
    agent.step()
    manifest = check_files(registry.models, first).replace(first, second)
    bad = Verdict.now(second, manifest, "golden predictions differ")
    monkeypatch.setattr(Verdicts, "known", lambda self, version, _: bad if version == second else None)
    registry.crown(2)
    step = agent.step()
    assert (step.action, step.exit_code, step.version, pointer(registry)) == ("refused", 6, first, first)
    monkeypatch.undo()
    asked: list[str] = []
    real = Agent._child_does
    monkeypatch.setattr(Agent, "_child_does", lambda s, what, *a: (asked.append(what), real(s, what, *a))[1])
    assert agent.step() == step
    assert (asked, pointer(registry)) == (["ask"], first)


@pytest.mark.parametrize("how", ["changed", "half written"])
def test_a_damaged_artefact_never_reaches_the_models_folder(registry: Registry, how: str) -> None:
    agent, file = (
        registry.agent(),
        artefact(registry, 2, "manifest.json" if how == "half written" else "card.json"),
    )
    agent.step()
    good = file.read_bytes()
    file.unlink() if how == "half written" else file.write_bytes(good + b" ")
    registry.crown(2)
    try:
        for _ in range(2):
            step = agent.step()
            assert (step.action, pointer(registry)) == ("refused", registry.versions[0])
        assert not [p.name for p in registry.models.iterdir() if p.name.endswith(".part")]
        assert not (registry.models / registry.versions[1]).exists()
    finally:
        file.write_bytes(good)


def test_a_deleted_alias_is_told_and_the_pointer_stays(registry: Registry) -> None:
    agent = registry.agent()
    agent.step()
    registry.client.delete_registered_model_alias(TRACKING.model_name, "champion")
    step = agent.step()
    assert (step.action, step.version, step.exit_code) == ("refused", registry.versions[0], 6)
    assert "names no champion" in step.said


@contextmanager
def silent_server() -> Iterator[str]:
    """Takes connections and says nothing."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        yield f"http://user:secret@127.0.0.1:{listener.getsockname()[1]}"


def test_a_server_that_says_nothing_is_given_up_in_seconds(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    point_at(registry.models, POINTER, "0123456789ab")
    with silent_server() as uri:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        monkeypatch.setattr(following, "_ASK_SECONDS", 1.0)
        said = retain("agent", "-c", registry.folder / "retain.toml", "--once")
    assert (said.code, said.out, said.err.count("\n")) == (1, "", 1)
    assert "MLflow (http) did not answer within 1 seconds; serving goes on" in said.err
    assert "secret" not in said.err
    assert pointer(registry) == "0123456789ab"


def test_a_locked_registry_is_given_up_in_seconds(registry: Registry) -> None:
    agent = registry.agent()
    with closing(sqlite3.connect(registry.folder / "retain-out" / "mlflow.db")) as database:
        database.execute("BEGIN EXCLUSIVE")
        step = agent.step()
    assert (step.action, step.exit_code) == ("failed", 1)
    assert "MLflow (sqlite)" in step.said


@pytest.mark.parametrize("moment", ["download_artifacts", "rename", "fsync"])
def test_a_kill_at_any_step_of_a_fetch_leaves_no_torn_version(registry: Registry, moment: str) -> None:
    first = registry.versions[0]
    words = f"""
import os, signal, sys
from pathlib import Path
import mlflow
from training.registry import Champion, fetch, named_champion
from training.settings import TrackingSettings

def die(*a, **k):
    os.kill(os.getpid(), signal.SIGKILL)

found = named_champion(TrackingSettings(), uri=sys.argv[1])
target = {{"download_artifacts": mlflow.MlflowClient, "rename": Path, "fsync": os}}[{moment!r}]
setattr(target, {moment!r}, die)
fetch(found, Path(sys.argv[2]), uri=sys.argv[1])
"""
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, "-c", words, registry.uri, str(registry.models)], cwd=root, check=False
    )
    assert done.returncode == -signal.SIGKILL
    assert not (registry.models / first).exists()
    assert registry.agent().step().action == "moved"
    assert check_files(registry.models, first)[:12] == first
    assert not [p.name for p in registry.models.iterdir() if p.name.endswith(".part")]


def test_a_signal_ends_it_at_once(registry: Registry) -> None:
    root = Path(__file__).resolve().parents[2]
    command = [
        sys.executable,
        "-m",
        "retain",
        "agent",
        "-c",
        str(registry.folder / "retain.toml"),
        "--every",
        "600",
    ]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert "now champion" in child.stdout.readline()
        started = time.monotonic()
        child.send_signal(signal.SIGTERM)
        assert child.wait(5) == 128 + signal.SIGTERM
    assert time.monotonic() - started < 5


def test_it_says_something_only_when_there_is_something_new(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    kept, moved = Step("kept", "a", "same"), Step("moved", "b", "new")
    steps, told = iter([kept, kept, moved, kept, kept]), []

    def step(_: Agent) -> Step:
        try:
            return next(steps)
        except StopIteration:
            raise KeyboardInterrupt from None

    monkeypatch.setattr(Agent, "step", step)
    monkeypatch.setattr(following.time, "sleep", lambda _: None)
    with pytest.raises(KeyboardInterrupt):
        following.follow(Project(RetainConfig(), tmp_path / "retain.toml"), 1.0, told.append)
    assert told == [kept, moved, kept]
