"""Which model answers: swaps under load, refusals, starts, and what is told of them."""

from __future__ import annotations

import gc
import logging
import re
import shutil
import threading
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import pytest

from features.errors import ModelError
from serving.live import LiveSettings
from serving.model_gate import prove
from serving.model_watch import ModelWatch
from serving.verdicts import NotTriedYet, Verdicts
from tests.serving.two_models import golden_rows, make_two, settings_of
from training.models.bundle import POINTER, Bundle
from training.models.text_files import point_at

DAY = date(2026, 3, 1)
Two = tuple[Path, str, str]


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Two:
    """A models folder with two versions that were proved for real."""
    models = tmp_path_factory.mktemp("two")
    first, second = make_two(models)
    prove(settings_of(models), first)
    prove(settings_of(models), second)
    return models, first, second


@pytest.fixture
def settings(two: Two, tmp_path: Path) -> LiveSettings:
    shutil.copytree(two[0], tmp_path / "models")
    return settings_of(tmp_path / "models")


@pytest.fixture
def watch(settings: LiveSettings) -> Iterator[ModelWatch]:
    """A started watch that is looked at by hand."""
    made = ModelWatch(settings, seconds=3600)
    made.start()
    yield made
    made.stop()


@pytest.fixture
def customers(two: Two) -> pd.DataFrame:
    """Features of two made-up customers."""
    rows = golden_rows(Bundle.load(two[0] / two[1])).head(2)
    return rows.assign(customer_id=["a", "b"])


def worth(watch: ModelWatch, customers: pd.DataFrame) -> tuple[str, list[float]]:
    """The version that answers, and what it answers."""
    served = watch.served
    return served.version, served.scorer.rows(customers, DAY, explain=False)["clv"].tolist()


def damage(settings: LiveSettings, version: str) -> None:
    file = next((settings.models / version).glob("*.txt"))
    file.write_bytes(file.read_bytes()[:-1])


def test_it_serves_what_the_pointer_names_and_swaps_when_that_changes(
    settings: LiveSettings, watch: ModelWatch, two: Two, customers: pd.DataFrame
) -> None:
    _, first, second = two
    before = worth(watch, customers)
    assert before[0] == watch.state()["version"] == first
    point_at(settings.models, POINTER, second)
    watch.look()
    after = worth(watch, customers)
    assert (after[0], watch.state()["refused"]) == (second, None)
    assert all(a != b for a, b in zip(after[1], before[1], strict=True))
    assert datetime.fromisoformat(watch.state()["since"]) <= datetime.now(UTC)
    assert Verdicts(settings.models).served() == [second, first]


def test_a_damaged_version_is_refused_once_and_the_one_before_goes_on(
    settings: LiveSettings,
    watch: ModelWatch,
    two: Two,
    customers: pd.DataFrame,
    caplog: pytest.LogCaptureFixture,
) -> None:
    _, first, second = two
    before = worth(watch, customers)
    damage(settings, second)
    point_at(settings.models, POINTER, second)
    with caplog.at_level(logging.ERROR):
        watch.look()
        watch.look()
    assert worth(watch, customers) == before
    refused = watch.state()["refused"]
    assert (refused["version"], len(caplog.records)) == (second, 1)
    assert re.search(r"\w+\.txt is missing or changed", refused["reason"])
    point_at(settings.models, POINTER, first)
    watch.look()
    assert watch.state()["refused"] is None
    assert worth(watch, customers) == before


def test_a_version_that_another_process_is_still_trying_is_asked_for_again(
    settings: LiveSettings, watch: ModelWatch, two: Two, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, first, second = two
    asked = []

    def busy_once(settings: LiveSettings, version: str) -> None:
        asked.append(version)
        if len(asked) == 1:
            raise NotTriedYet(f"bundle {version}: another process has been trying it for 125 seconds")
        prove(settings, version)

    monkeypatch.setattr("serving.model_watch.prove", busy_once)
    point_at(settings.models, POINTER, second)
    watch.look()
    assert (watch.served.version, watch.state()["refused"]["version"]) == (first, second)
    watch.look()
    assert (watch.served.version, watch.state()["refused"]) == (second, None)
    assert asked == [second, second]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "../elsewhere\n",
        "0123456789ab\n",
        "someone@example.com\n",
        "\udcff".encode("utf-8", "surrogateescape"),
    ],
)
def test_a_pointer_that_names_no_model_disturbs_nobody(
    settings: LiveSettings, watch: ModelWatch, two: Two, text: str | bytes
) -> None:
    file = settings.models / POINTER
    file.unlink()
    watch.look()
    assert "retain train" in watch.state()["refused"]["reason"]
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    watch.look()
    assert watch.state()["refused"]["reason"]
    assert "someone" not in str(watch.state())
    assert watch.served.version == two[1]


def test_a_start_without_a_model_says_so_at_once(settings: LiveSettings, two: Two) -> None:
    shutil.rmtree(settings.models / ".verdicts")
    for version in two[1:]:
        damage(settings, version)
    made = ModelWatch(settings)
    with pytest.raises(ModelError, match=r"\w+\.txt is missing or changed"):
        made.start()
    with pytest.raises(ModelError, match="no model is loaded"):
        made.served  # noqa: B018
    (settings.models / POINTER).unlink()
    with pytest.raises(ModelError, match="retain train"):
        ModelWatch(settings).start()


def test_a_start_with_a_damaged_champion_takes_the_one_served_before_and_shouts(
    settings: LiveSettings, two: Two, caplog: pytest.LogCaptureFixture
) -> None:
    _, first, second = two
    Verdicts(settings.models).note_served(first)
    damage(settings, second)
    point_at(settings.models, POINTER, second)
    made = ModelWatch(settings)
    with caplog.at_level(logging.ERROR):
        made.start()
    made.stop()
    assert made.state()["version"] == first
    assert made.state()["refused"]["version"] == second
    assert [record.message for record in caplog.records][1:] == [f"serving the older model {first} instead"]


def test_a_version_that_was_never_served_is_no_way_out(settings: LiveSettings, two: Two) -> None:
    damage(settings, two[1])
    with pytest.raises(ModelError):
        ModelWatch(settings).start()


def test_whatever_happens_the_thread_goes_on(
    settings: LiveSettings, two: Two, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, seen = ModelWatch(settings, seconds=0.001), threading.Event()
    made.start()

    def fail(*_: Any) -> None:
        seen.set()
        raise KeyError("someone@example.com")

    with monkeypatch.context() as broken:
        broken.setattr("serving.model_watch.prove", fail)
        point_at(settings.models, POINTER, two[2])
        assert seen.wait(10)
    point_at(settings.models, POINTER, two[1])
    point_at(settings.models, POINTER, two[2])
    for _ in range(10_000):
        if made.served.version == two[2]:
            break
        threading.Event().wait(0.001)
    made.stop()
    assert made.state()["version"] == two[2]
    assert "example" not in str(made.state())


def test_two_hundred_swaps_under_load_mix_no_answers_and_keep_no_memory(
    settings: LiveSettings, watch: ModelWatch, two: Two, customers: pd.DataFrame
) -> None:
    _, first, second = two
    wanted = {}
    for version in (second, first):
        point_at(settings.models, POINTER, version)
        watch.look()
        wanted[version] = worth(watch, customers)[1]
    stop, answers, faults = threading.Event(), {first: 0, second: 0}, []

    def ask() -> None:
        while not stop.is_set():
            version, found = worth(watch, customers)
            answers[version] += 1
            if found != wanted[version]:
                faults.append((version, found))

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    sizes = []
    for number in range(200):
        point_at(settings.models, POINTER, (second, first)[number % 2])
        watch.look()
        if number % 50 == 49:
            sizes.append(psutil.Process().memory_info().rss)
    stop.set()
    for thread in threads:
        thread.join()
    gc.collect()
    assert not faults
    assert min(answers.values()) > 10
    assert sizes[-1] - sizes[0] < 10 * 2**20
