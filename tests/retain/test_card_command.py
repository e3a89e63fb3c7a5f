"""``retain card``: what the champion's card says, in the shell, as JSON and as a page."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from tests.retain.command_runs import make_model, regular_lines, retain, write_orders
from tests.training.meetings import population
from training.card import quality_card
from training.models.bundle import POINTER, Bundle, champion_path
from training.models.text_files import point_at
from training.settings import TrainingSettings

CONFIG = '[data]\ntimezone = "UTC"\ncurrency = "EUR"\n[data.orders]\npath = "orders.csv"\n'


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("project")
    ids = [f"c{i}" for i in range(20)]
    write_orders(found / "orders.csv", regular_lines(ids, date(2025, 1, 1), every=15, times=8))
    (found / "retain.toml").write_text(CONFIG)
    make_model(found / "retain.toml", date(2025, 5, 1), evidence="rule")
    return found


@pytest.fixture(scope="module")
def judged(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same project with a card in its champion."""
    found = tmp_path_factory.mktemp("judged")
    (found / "retain.toml").write_text(CONFIG)
    models = found / "retain-out" / "models"
    models.mkdir(parents=True)
    bundle = Bundle.load(champion_path(folder / "retain-out" / "models"))
    card = quality_card(population(1, customers=200), settings=TrainingSettings(), seed=1).to_json()
    point_at(models, POINTER, replace(bundle, card={**bundle.card, "quality": card}).save(models).version)
    return found


def test_the_shell_shows_grade_verdicts_and_all_models(judged: Path) -> None:
    said = retain("card", "-c", judged / "retain.toml")
    document = retain("card", "-c", judged / "retain.toml", "--json").document
    assert said.code == 0
    assert said.out.startswith(document["quality"]["grade"])
    assert all(part["text"]["en"] in said.out for part in document["quality"]["parts"])
    assert "closed-form BTYD" in said.out
    assert f"{document['quality']['parts'][1]['models']['retain']['figure']:.1f}" in said.out


def test_it_speaks_chinese(judged: Path) -> None:
    said = retain("card", "-c", judged / "retain.toml", "--lang", "zh")
    assert "预算内利润" in said.out
    assert "本模型" in said.out


def test_the_page_is_written_whole_with_the_version(judged: Path, tmp_path: Path) -> None:
    page = tmp_path / "card.html"
    said = retain("card", "-c", judged / "retain.toml", "--html", page)
    version = champion_path(judged / "retain-out" / "models").name
    assert said.code == 0
    assert f"{page}: written" in said.out
    assert version in page.read_text(encoding="utf-8")


def test_a_model_of_too_few_days_for_a_card_says_so_and_what_to_do(folder: Path) -> None:
    said = retain("card", "-c", folder / "retain.toml")
    assert said.code == 5
    assert "has no quality card" in said.err
    assert "run `retain train`" in said.err


def test_no_model_and_no_folder_for_the_page_are_told(tmp_path: Path, judged: Path) -> None:
    (tmp_path / "retain.toml").write_text(CONFIG)
    assert "no model yet" in retain("card", "-c", tmp_path / "retain.toml").err
    said = retain("card", "-c", judged / "retain.toml", "--html", tmp_path / "no" / "card.html")
    assert said.code == 4
