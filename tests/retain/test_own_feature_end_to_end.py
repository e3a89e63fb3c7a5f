"""A feature of the user's own, from its file to training, list, catalogue, reasons and endpoint, bit for bit."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pyarrow.parquet as pq
import pytest

from features.errors import ConfigError, ModelError
from retain.config import Project, load_config, parse_config
from serving.table_rows import Interaction, OrderLine
from tests.retain.own_feature_runs import CONFIG, DAY, NAMES, made_model, risks, write_shop
from training.models.bundle import Bundle, champion_path

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = "import sys; from retain.cli import main; sys.exit(main())"
PYTHON = (sys.executable, "-W", "ignore")
Row = dict[str, Any]


def run(*words: object, **environment: str) -> subprocess.CompletedProcess[str]:
    given = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    return subprocess.run([*PYTHON, *map(str, words)], env=given, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shop with features of its own, and a model of the time before it had any."""
    folder = tmp_path_factory.mktemp("own")
    write_shop(folder)
    project = before(folder)
    (folder / "earlier").write_text(made_model(project).version)
    return folder


def before(folder: Path) -> Project:
    """The shop without features of its own, as this process has it."""
    return Project(
        parse_config(CONFIG.replace('[features]\nfolder = "my_features"', "")), folder / "retain.toml"
    )


@pytest.fixture(scope="module")
def done(shop: Path) -> Row:
    """What a process with the features did."""
    words = "from retain.config import load_config; from pathlib import Path; import sys; folder = Path(sys.argv[1])"
    words += (
        "; load_config(folder / 'retain.toml'); from tests.retain.own_feature_runs import main; main(folder)"
    )
    said = run("-c", words, shop)
    assert said.returncode == 0, said.stderr[-3000:]
    document: Row = json.loads(said.stdout)
    return document


def test_all_commands_have_the_features_of_the_folder(done):
    assert done["codes"] == [0, 0, 0, 1], done["said"]
    assert tuple(done["features"][-3:]) == NAMES
    assert [doc["name"] for doc in done["catalogue"]] == done["features"]
    assert done["catalogue"][-2]["zh"] == "上旬购买日占比"


def test_the_customer_table_has_them_last(done, shop):
    rows = pq.read_table(shop / "features.parquet")
    assert tuple(rows.column_names[-3:]) == NAMES
    assert rows["month_start_share"].null_count < rows.num_rows
    assert max(rows["inbound_90d"].to_pylist()) > 0


def test_the_laws_are_held_by_two_and_broken_by_the_third(done):
    tested = {one["name"]: one for one in done["test"]["features"]}
    assert [tested[name]["holds"] for name in NAMES] == [True, True, False]
    assert [broken["law"] for broken in tested["early_per_call"]["broken"]] == ["missing"]
    assert tested["month_start_share"]["note"] == ""


def test_every_other_feature_holds_every_law(done):
    tested = done["test"]["features"]
    assert [one["name"] for one in tested] == done["features"]
    assert [one["name"] for one in tested if not one["holds"]] == ["early_per_call"]


def test_a_model_of_the_time_before_says_the_same_bits(done, shop):
    project = before(shop)
    bundle = Bundle.load(project.models_dir / (shop / "earlier").read_text())
    assert bundle.own == {}
    assert done["earlier"] == risks(project, bundle)


def test_reasons_speak_of_them_in_their_own_words(done, shop):
    rows = pq.read_table(shop / "list.parquet").to_pylist()
    assert any("Purchase days early in a month: " in row["reasons"] for row in rows)
    assert any("上旬购买日占比：" in row["reasons_zh"] for row in rows)


@pytest.fixture(scope="module")
def asked(shop: Path) -> list[Row]:
    """Customers with their rows, as a program sends them."""
    kept: dict[str, dict[str, list[Row]]] = {}
    models = {"orders": OrderLine, "interactions": Interaction}
    for table, model in models.items():
        with (shop / f"{table}.csv").open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                given = {name: row[name] for name in model.model_fields if row.get(name)}
                for name in {"amount", "quantity", "unit_price", "discount", "cost"} & set(given):
                    given[name] = float(given[name])
                if "returned" in given:
                    given["returned"] = given["returned"].lower() == "true"
                kept.setdefault(row["customer_id"], {}).setdefault(table, []).append(given)
    return [{"customer_id": name, "orders": [], **rows} for name, rows in kept.items()][:60]


@pytest.fixture(scope="module")
def address(done: Row, shop: Path) -> Iterator[str]:
    words = [*PYTHON, "-c", PROGRAM, "serve", "-c", str(shop / "retain.toml"), "--port", "0", "--json"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        words, cwd=shop.parent, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            text = ""
            while not text.endswith("}\n"):
                line = process.stdout.readline()
                assert line, process.stderr.read()[-3000:]
                text += line
            yield json.loads(text)["address"]
        finally:
            process.terminate()
            process.wait(timeout=60)


def test_the_endpoint_gives_the_bits_of_the_list(address, asked, shop):
    rows = pq.read_table(shop / "list.parquet").to_pylist()
    listed = {row["customer_id"]: json.loads(json.dumps(row, default=str)) for row in rows}
    body = {"customers": asked, "as_of": DAY.isoformat(), "reasons": True}
    answer = httpx.post(f"{address}/v1/score/batch", json=body, timeout=60).json()["results"]
    found = {row["customer_id"]: row for row in answer if row["found"]}
    assert len(found) > 40
    for name, row in found.items():
        both = row.keys() & listed[name].keys()
        assert {"churn_probability", "reasons", "reasons_zh", "clv"} <= both
        assert {key: row[key] for key in both} == {key: listed[name][key] for key in both}
    schema = httpx.get(f"{address}/docs.json", timeout=60).json()["components"]["schemas"]
    assert set(NAMES) <= set(schema["Features"]["properties"])


def test_a_process_that_only_knows_the_service_file_has_the_features_too(address, shop):
    file = str(shop / "retain-out" / "service.json")
    words = "from pathlib import Path; from serving.live import FEATURES; from serving.opening import read_settings"
    said = run("-c", f"{words}; read_settings(Path({file!r})); print(FEATURES[-3:])", RETAIN_SERVICE=file)
    assert said.stdout.strip() == str(NAMES), said.stderr


def test_a_model_is_refused_where_its_feature_is_missing(done, shop):
    with pytest.raises(
        ModelError, match=r"own feature inbound_90d of inbound\.py, which is missing here; put"
    ):
        Bundle.load(champion_path(before(shop).models_dir))


def test_a_model_is_refused_where_its_feature_is_another_one(done, shop, tmp_path):
    file = shop / "my_features" / "month_start.py"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("<= 10", "<= 9"), encoding="utf-8")
    try:
        said = run("-c", PROGRAM, "score", "-c", shop / "retain.toml", "--out", tmp_path / "list.csv")
    finally:
        file.write_text(text, encoding="utf-8")
    assert said.returncode == 6, said.stderr
    assert "own feature month_start_share of month_start.py, which is another one here" in said.stderr
    assert not (tmp_path / "list.csv").exists()


def test_a_process_that_has_features_already_refuses_the_folder(shop):
    with pytest.raises(ConfigError, match="takes its own features from no folder and cannot change to"):
        load_config(shop / "retain.toml")
