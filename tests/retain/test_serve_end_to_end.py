"""``retain serve`` as a process of its own gives the list's bits, with the user's zone, currency and strategies."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import pyarrow.parquet as pq
import pytest

from features.errors import ConfigError
from serving.opening import open_scorer, read_settings
from serving.table_rows import OrderLine
from tests.retain.command_runs import ODD_IDS, make_model, retain, write_demo_orders
from training.models.bundle import champion_path

ROOT = Path(__file__).resolve().parents[2]
DAY = date(2024, 1, 15)
PROGRAM = "import sys; from retain.cli import main; sys.exit(main())"
Row = dict[str, Any]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shop with a zone, a currency and a strategy table of its own, a model, and a list."""
    folder = tmp_path_factory.mktemp("served")
    orders, config = write_demo_orders(folder / "orders.csv", customers=300, days=400), folder / "retain.toml"
    words = ["--churn-window", "45", "--horizons", "45,200", "--as-of", DAY.isoformat()]
    words += ["--timezone", "Asia/Shanghai", "--currency", "EUR", "--out-dir", str(folder / "out")]
    assert retain("init", orders, "-c", config, *words, "--quiet").code == 0
    table = (ROOT / "strategies" / "default_strategies.toml").read_text(encoding="utf-8")
    (folder / "ours.toml").write_text(table.replace("win_back", "call_them"), encoding="utf-8")
    text = config.read_text(encoding="utf-8").replace("[strategies]", '[strategies]\ntable = "ours.toml"')
    config.write_text(text, encoding="utf-8")
    make_model(config, DAY, evidence="ml")
    assert retain("score", "-c", config, "--out", folder / "list.parquet", "--quiet").code == 0
    return folder


@pytest.fixture(scope="module")
def listed(folder: Path) -> dict[str, Row]:
    """The list as JSON tells it; Python writes and reads floats without losing a bit."""
    rows = pq.read_table(folder / "list.parquet").to_pylist()
    return {row["customer_id"]: json.loads(json.dumps(row, default=date.isoformat)) for row in rows}


@pytest.fixture(scope="module")
def asked(folder: Path) -> list[Row]:
    """Each customer with the lines of the order file."""
    numbers = {"amount", "quantity", "unit_price", "discount", "cost"}
    lines: dict[str, list[Row]] = {}
    with (folder / "orders.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            given = {name: row[name] for name in OrderLine.model_fields if row.get(name)}
            line = {name: float(v) if name in numbers else v for name, v in given.items()}
            lines.setdefault(row["customer_id"], []).append(line | {"returned": row["returned"] == "True"})
    return [{"customer_id": name, "orders": orders} for name, orders in lines.items()]


@pytest.fixture(scope="module")
def process(folder: Path) -> Iterator[subprocess.Popen[str]]:
    command = [
        sys.executable,
        "-c",
        PROGRAM,
        "serve",
        "-c",
        str(folder / "retain.toml"),
        "--port",
        "0",
        "--json",
    ]
    # Started elsewhere: paths of the configuration start at its own folder.
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder.parent,
        env=environment(),
    ) as child:
        yield child
        child.kill()


def environment() -> dict[str, str]:

    return {**os.environ, "PYTHONPATH": str(ROOT)}


@pytest.fixture(scope="module")
def client(process: subprocess.Popen[str]) -> Iterator[httpx.Client]:
    assert process.stdout is not None
    said = ""
    while not said.rstrip().endswith("}"):
        line = process.stdout.readline()
        assert line, process.stderr and process.stderr.read()
        said += line
    with httpx.Client(base_url=json.loads(said)["address"], timeout=60) as found:
        yield found


def answered(client: httpx.Client, **request: Any) -> list[Row]:
    answer = client.post("/v1/score/batch", json={"reasons": True, **request})
    assert answer.status_code == 200, answer.text
    found: list[Row] = answer.json()["results"]
    return found


def found_rows(results: list[Row]) -> dict[str, Row]:
    return {
        r["customer_id"]: {n: v for n, v in r.items() if n not in ("found", "error")}
        for r in results
        if r["found"]
    }


def test_by_id_the_whole_list_comes_back(client: httpx.Client, listed: dict[str, Row]) -> None:
    found = answered(client, customer_ids=[*listed, "nobody"])
    assert found_rows(found) == listed
    assert found[-1]["error"] == "not in the latest list"


def test_by_order_lines_the_whole_list_comes_back(
    client: httpx.Client, listed: dict[str, Row], asked: list[Row]
) -> None:
    found = found_rows(answered(client, customers=asked, as_of=DAY.isoformat()))
    # Order lines alone tell nothing of an earlier run.
    still = [name for name in next(iter(listed.values())) if not name.startswith("moved")]
    assert found == {who: {name: row[name] for name in still} for who, row in listed.items()}
    assert set(listed) & set(ODD_IDS)


def test_the_users_strategies_and_currency_reach_the_answers(
    client: httpx.Client, listed: dict[str, Row], asked: list[Row]
) -> None:
    rows = found_rows(answered(client, customers=asked, as_of=DAY.isoformat())).values()
    assert "call_them" in {row["strategy"] for row in rows}
    assert any(" EUR" in row["reasons"] for row in rows)


def test_a_missing_strategy_table_is_a_fault_of_the_configuration(folder: Path, process: object) -> None:
    settings = read_settings(folder / "out" / "service.json")
    assert settings.strategies.table == folder / "ours.toml"
    gone = settings.strategies.model_copy(update={"table": folder / "gone.toml"})
    (folder / "broken.json").write_text(settings.model_copy(update={"strategies": gone}).model_dump_json())
    with pytest.raises(ConfigError, match=r"gone\.toml: cannot be read"):
        open_scorer(read_settings(folder / "broken.json"), champion_path(settings.models).name)


def test_sigterm_ends_it_with_0(client: httpx.Client, process: subprocess.Popen[str]) -> None:
    assert client.get("/readyz").status_code == 200
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 0, said
    assert "Traceback" not in said
