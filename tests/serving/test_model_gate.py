"""The gate: what it lets through, what it refuses and with which words, and how often it tries."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from features.errors import ConfigError, ModelError
from serving import model_gate, verdicts
from serving.live import LiveSettings
from serving.model_gate import Limits, check_files, prove
from serving.verdicts import Verdicts
from strategies.settings import StrategySettings
from tests.serving.two_models import make_two, rehashed, settings_of

GOOD = """import json, sys; json.load(sys.stdin); print('{"kind": "good", "reason": ""}')"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A models folder, and the version in it that was proved for real."""
    models = tmp_path_factory.mktemp("proved")
    version, _ = make_two(models)
    prove(settings_of(models), version)
    return models, version


@pytest.fixture
def settings(made: tuple[Path, str], tmp_path: Path) -> LiveSettings:
    """A copy of that folder, verdict and all."""
    shutil.copytree(made[0], tmp_path / "models")
    return settings_of(tmp_path / "models")


@pytest.fixture
def version(made: tuple[Path, str]) -> str:
    return made[1]


@pytest.fixture
def trials(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Processes that were started to try a model."""
    started: list[Any] = []
    real = subprocess.Popen

    def start(*words: Any, **options: Any) -> Any:
        started.append(words)
        return real(*words, **options)

    monkeypatch.setattr(model_gate.subprocess, "Popen", start)
    return started


Trial = Callable[[str], None]


@pytest.fixture
def trial(monkeypatch: pytest.MonkeyPatch, settings: LiveSettings) -> Trial:
    """Put other words in the place of those the trying process runs; no verdict is known."""
    shutil.rmtree(settings.models / ".verdicts")
    return lambda words: monkeypatch.setattr(model_gate, "_CHILD", words)


def test_a_good_model_is_tried_once_and_its_verdict_kept(
    settings: LiveSettings, version: str, trials: list[Any]
) -> None:
    prove(settings, version)
    assert not trials
    kept = Verdicts(settings.models).known(version, check_files(settings.models, version))
    assert kept is not None
    assert (kept.reason, kept.version, kept.manifest_sha256[:12]) == ("", version, version)
    assert (settings.models / ".verdicts").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    "changed",
    [{"code": "other"}, {"manifest_sha256": "0" * 64}, {"version": "0" * 12}, {"more": 1}, {"at": 7}, None],
)
def test_a_verdict_of_other_code_or_other_bytes_does_not_count(
    settings: LiveSettings, version: str, trial: Trial, trials: list[Any], made: Any, changed: Any
) -> None:
    shutil.copytree(made[0] / ".verdicts", settings.models / ".verdicts")
    file = settings.models / ".verdicts" / f"{version}.json"
    file.write_text("[" if changed is None else json.dumps({**json.loads(file.read_bytes()), **changed}))
    trial(GOOD)
    prove(settings, version)
    assert len(trials) == 1
    prove(settings, version)
    assert len(trials) == 1


def test_a_change_of_code_or_library_changes_the_hash_of_code(monkeypatch: pytest.MonkeyPatch) -> None:
    before = verdicts._code()
    verdicts._code.cache_clear()
    monkeypatch.setattr(verdicts.metadata, "version", lambda name: "0.1")
    assert verdicts._code() != before
    verdicts._code.cache_clear()
    monkeypatch.undo()
    assert verdicts._code() == before


def test_a_refusal_is_kept_for_an_hour(
    settings: LiveSettings, version: str, trial: Trial, trials: list[Any]
) -> None:
    trial("import os; os.abort()")
    for _ in range(2):
        with pytest.raises(ModelError, match=f"bundle {version}: reading it ended the process .*Aborted"):
            prove(settings, version)
    assert len(trials) == 1
    kept = Verdicts(settings.models).known(version, check_files(settings.models, version))
    assert kept is not None
    assert replace(kept, at="2020-01-01T00:00:00+00:00").counts is False
    assert replace(kept, at="2999-01-01T00:00:00+00:00").counts is False
    assert replace(kept, at="2020-01-01T00:00:00+00:00", reason="").counts is True


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("import os; os.kill(os.getpid(), 11)", "ended the process that tried \\(Segmentation fault\\)"),
        ("import sys; sys.exit(3)", "ended the process that tried \\(exit code 3\\)"),
        ("import time; time.sleep(60)", "not tried within 0.5 seconds"),
        (
            "import signal; signal.setitimer(signal.ITIMER_PROF, 0.1)\nwhile True: pass",
            "not read within 4 seconds",
        ),
        ('print(\'{"kind": "good"\')', "ended the process that tried \\(exit code 0\\)"),
        ("print('[1]')", "ended the process that tried \\(exit code 0\\)"),
        ("""print('{"kind": "ModelError", "reason": ""}')""", "refused without a reason"),
        ("""print('{"kind": "ModelError", "reason": "golden"}')""", "golden"),
    ],
)
def test_death_silence_and_haste_are_verdicts_with_words(
    settings: LiveSettings, version: str, trial: Trial, words: str, told: str
) -> None:
    trial(words)
    seconds = 0.5 if "sleep" in words else 30.0
    with pytest.raises(ModelError, match=told):
        prove(settings, version, limits=Limits(seconds=seconds))


def test_what_the_configuration_names_is_no_verdict_on_the_model(
    settings: LiveSettings, version: str, trial: Trial
) -> None:
    trial("""print('{"kind": "ConfigError", "reason": "the table"}')""")
    with pytest.raises(ConfigError, match="the table"):
        prove(settings, version)
    assert not list((settings.models / ".verdicts").glob("*.json"))


def test_many_at_once_try_a_version_once(
    settings: LiveSettings, version: str, trial: Trial, trials: list[Any]
) -> None:
    trial("import time; time.sleep(0.2)\n" + GOOD)
    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(lambda _: prove(settings, version), range(6))) == [None] * 6
    assert len(trials) == 1


def test_a_folder_that_keeps_no_verdicts_is_tried_each_time(
    settings: LiveSettings, version: str, trial: Trial, trials: list[Any]
) -> None:
    (settings.models / ".verdicts").write_text("in the way")
    trial(GOOD)
    prove(settings, version)
    prove(settings, version)
    assert len(trials) == 2


def damage(folder: Path, how: str) -> None:
    tree = next(folder.glob("*.txt"))
    if how == "changed":
        tree.write_bytes(tree.read_bytes()[:-9])
    elif how == "missing":
        tree.unlink()
    elif how == "more":
        (folder / "more.txt").write_text("x")
    elif how == "link":
        tree.rename(folder.parent / "elsewhere")
        tree.symlink_to(folder.parent / "elsewhere")
    elif how == "pipe":
        tree.unlink()
        os.mkfifo(tree)
    elif how == "no manifest":
        (folder / "manifest.json").unlink()
    elif how == "renamed":
        folder.rename(folder.with_name("0" * 12))
    elif how == "deep":
        (folder / "manifest.json").write_text("[" * 100_000)


@pytest.mark.parametrize("how", ["changed", "missing", "more", "link", "pipe", "no manifest", "deep"])
def test_a_folder_that_is_not_whole_is_refused_before_anything_is_tried(
    settings: LiveSettings, version: str, trials: list[Any], how: str
) -> None:
    damage(settings.models / version, how)
    with pytest.raises(ModelError, match=f"bundle {version}: .*(train or pull|pull) "):
        prove(settings, version)
    assert not trials


@pytest.mark.parametrize("name", ["0" * 12, "", ".", "..", "champion"])
def test_a_folder_must_bear_the_version_of_what_it_holds(
    settings: LiveSettings, version: str, trials: list[Any], name: str
) -> None:
    damage(settings.models / version, "renamed")
    with pytest.raises(ModelError, match="pull it again"):
        prove(settings, name)
    assert not trials


def test_a_strategy_table_that_is_missing_is_found_in_the_trial(settings: LiveSettings, version: str) -> None:
    shutil.rmtree(settings.models / ".verdicts")
    strategies = StrategySettings(table=settings.models / "no-table.toml")
    with pytest.raises(ConfigError, match="no-table"):
        prove(settings.model_copy(update={"strategies": strategies}), version)


def test_a_trial_may_not_take_more_memory_than_it_is_given(settings: LiveSettings, version: str) -> None:
    shutil.rmtree(settings.models / ".verdicts")
    with pytest.raises(ModelError, match=f"bundle {version}: "):
        prove(settings, version, limits=Limits(memory_bytes=2**28))


def test_trees_that_lead_nowhere_are_refused_though_all_hashes_fit(
    settings: LiveSettings, version: str
) -> None:
    file = next((settings.models / version).glob("*.txt"))
    tree = file.read_bytes()
    line = next(line for line in tree.splitlines() if line.startswith(b"left_child="))
    wrong = rehashed(settings.models, version, file.name, tree.replace(line, line[:-1] + b"9", 1))
    with pytest.raises(ModelError, match=f"{file.name}: "):
        prove(settings, wrong)


def test_damaged_models_are_not_served_and_the_server_lives(made: tuple[Path, str], tmp_path: Path) -> None:
    script = Path(__file__).resolve().parents[2] / "benchmarks" / "abuse_models.py"
    (tmp_path / "retain-out").mkdir()
    shutil.copytree(made[0], tmp_path / "retain-out" / "models")
    (tmp_path / "retain.toml").write_text("")
    command = [sys.executable, str(script), "--count", "32"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout.splitlines()[-1])
    assert sum(row["copies"] for row in rows) == 32
    assert not [row for row in rows if "served, other answers" in row]
    assert not [row for row in rows if row["hashes"] == "old" and row["wrong hash"] != row["copies"]]
