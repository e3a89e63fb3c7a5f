from __future__ import annotations

import io
import json
import shlex
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from rich.console import Console

from features.errors import ConfigError
from retain import cli
from retain.commands import demo as command
from retain.config import load_config
from retain.demo_report import told
from retain.shop import ShopSettings, simulate

# MLflow's own tables use a loader that SQLAlchemy is about to drop.
pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader:DeprecationWarning")
CUSTOMERS = 40


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo") / "a shop"


@pytest.fixture(scope="module")
def document(folder: Path) -> dict[str, Any]:
    said = io.StringIO()
    words = ["demo", "--customers", str(CUSTOMERS), "--seed", "3", "--out-dir", str(folder)]
    with redirect_stdout(said):
        code = cli.run([*words, "--json", "--quiet"])
    assert code == 0
    return json.loads(said.getvalue())


def test_it_says_that_nothing_of_it_is_real(document, folder) -> None:
    assert document["simulated"] is True
    assert document["shop"] == {"customers": CUSTOMERS, "seed": 3}
    assert "no person in it exists" in (folder / "SIMULATED.txt").read_text(encoding="utf-8")


def test_every_step_answers_as_its_command_does(document) -> None:
    assert document["check"]["ok"]
    assert document["check"]["facts"]["customers"] == CUSTOMERS
    assert set(document["init"]["tables"]) == set(simulate(ShopSettings(customers=2, days=99)).tables)
    assert document["train"]["promoted"]
    assert document["score"]["model_version"] == document["train"]["model_version"]


def test_the_truth_is_written_and_never_read(document, folder) -> None:
    assert (folder / "data" / "truth" / "customers.csv").is_file()
    paths = [
        p for source in load_config(folder / "retain.toml").config.data.sources.values() for p in source.path
    ]
    assert len(paths) == 7
    assert not [path for path in paths if "truth" in path or not path.endswith(".csv")]


def test_the_three_lists_are_one(document) -> None:
    lists = {kind: Path(file) for kind, file in document["lists"].items()}
    assert set(lists) == {"csv", "xlsx", "parquet"}
    found = pd.read_parquet(lists["parquet"])
    text = pd.read_csv(lists["csv"], encoding="utf-8-sig")
    book = pd.read_excel(lists["xlsx"])
    assert 0 < document["score"]["opted_out"] == CUSTOMERS - len(found)
    for other in (text, book):
        assert other["customer_id"].tolist() == found["customer_id"].tolist()
        assert other["value_at_stake"].tolist() == found["value_at_stake"].tolist()


@pytest.mark.parametrize(("lang", "words"), [("en", "nobody in it exists"), ("zh", "模拟商店")])
def test_the_end_says_where_the_list_is_and_how_to_serve_it(document, lang, words) -> None:
    found = pd.read_parquet(document["lists"]["parquet"])
    out = io.StringIO()
    console = Console(file=out, width=400)
    for item in told(document, found, lang=lang):
        console.print(item, soft_wrap=isinstance(item, str))
    text = out.getvalue()
    assert words in text
    assert all(file in text for file in document["lists"].values())
    top = found.iloc[0]
    assert f"{top['customer_id']}" in text
    assert f"{top['value_at_stake']:,.2f}" in text
    assert str(top["reasons" if lang == "en" else "reasons_zh"]).split(";")[0][:40] in text


def test_the_commands_shown_can_be_pasted(document) -> None:
    found = pd.read_parquet(document["lists"]["parquet"])
    lines = [item for item in told(document, found, lang="en") if isinstance(item, str)]
    serve = next(shlex.split(line.partition(":")[2]) for line in lines if line.startswith("Serve it:"))
    assert Path(serve[0]).name == "retain"
    assert load_config(Path(serve[serve.index("-c") + 1])).config.data.orders is not None
    ask = next(shlex.split(line.partition(":")[2]) for line in lines if line.startswith("Then ask:"))
    body = json.loads(ask[ask.index("--data") + 1])
    assert body == {"customer_id": found["customer_id"].iloc[0]}


def test_a_shop_that_cannot_be_judged_is_told_as_such(document) -> None:
    found = pd.read_parquet(document["lists"]["parquet"])
    unjudged = document | {"train": document["train"] | {"judged": None}}
    assert any("could not be judged" in str(item) for item in told(unjudged, found, lang="en"))


def test_a_demos_folder_is_used_again_without_its_models(tmp_path: Path) -> None:
    (tmp_path / "SIMULATED.txt").write_text("")
    (tmp_path / "retain-out").mkdir()
    command._claim(tmp_path, force=False)
    assert not (tmp_path / "retain-out").exists()


def test_a_folder_with_other_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "letters.txt").write_text("mine")
    with pytest.raises(ConfigError, match="--force"):
        command._claim(tmp_path, force=False)
    assert [path.name for path in tmp_path.iterdir()] == ["letters.txt"]
    command._claim(tmp_path, force=True)
    assert (tmp_path / "letters.txt").read_text() == "mine"


def test_models_that_are_no_demos_are_never_touched(tmp_path: Path) -> None:
    (tmp_path / "retain-out").mkdir()
    with pytest.raises(ConfigError, match="no demo's"):
        command._claim(tmp_path, force=True)
    assert (tmp_path / "retain-out").is_dir()


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "shop").write_text("")
    assert cli.run(["demo", "--out-dir", str(tmp_path / "shop"), "--quiet"]) == 2
