"""The README: its first block comes early, and its commands do what it says, on an order file."""

from __future__ import annotations

import csv
import json
import os
import re
import shlex
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pyarrow.csv as pacsv
import pytest

from retain.shop import ShopSettings, simulate

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+(?: \w+)?)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
CUSTOMERS = 60
_SECONDS = 300


def environment() -> dict[str, str]:
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    return {**os.environ, "PATH": path, "PYTHONWARNINGS": "ignore"}


def block(kind: str) -> str:
    found = [text for name, text in BLOCKS if name == kind]
    assert len(found) == 1, kind
    return found[0]


def run(commands: str, folder: Path) -> None:
    words = ["bash", "-euo", "pipefail", "-c", commands]
    ran = subprocess.run(
        words, cwd=folder, env=environment(), capture_output=True, text=True, timeout=_SECONDS, check=False
    )
    assert ran.returncode == 0, ran.stderr[-2000:]


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder, with a space in its name, where the block of the quick start has run on an order file."""
    folder = tmp_path_factory.mktemp("my shop")
    shop = simulate(ShopSettings(customers=CUSTOMERS, days=500, seed=5))
    orders = shop.tables["orders"].select(["customer_id", "time", "amount", "order_id", "product"])
    pacsv.write_csv(orders, folder / "orders.csv")
    run(block("bash run"), folder)
    return folder


@pytest.fixture(scope="module")
def listed(done: Path) -> list[dict[str, str]]:
    with (done / "list.csv").open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_the_first_block_comes_early_and_sets_everything_up() -> None:
    kind, text = BLOCKS[0]
    assert kind == "bash"
    assert README[: README.index("```bash")].count("\n") + 1 < 25
    assert [line.split("#")[0].strip() for line in text.splitlines()] == ["make demo", "make test"]


def test_make_knows_every_target_of_the_readme() -> None:
    for target in set(re.findall(r"\bmake ([a-z]+)\b", " ".join(text for _, text in BLOCKS))):
        done = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def test_the_quick_start_ends_in_a_list_of_every_customer(listed: list[dict[str, str]]) -> None:
    assert len(listed) == CUSTOMERS
    assert len({row["customer_id"] for row in listed}) == CUSTOMERS
    assert all(0 < float(row["churn_probability"]) < 1 for row in listed)
    stakes = [float(row["value_at_stake"]) for row in listed]
    assert stakes == sorted(stakes, reverse=True)


def test_the_decision_ends_in_segments_and_a_queue_within_the_budget(done: Path) -> None:
    run(block("bash decide"), done)
    assert (done / "segments.xlsx").stat().st_size > 0
    with (done / "queue.csv").open(encoding="utf-8-sig", newline="") as file:
        queue = list(csv.DictReader(file))
    assert sum(float(row["cost"]) for row in queue) <= 500.0
    gains = [float(row["expected_gain"]) for row in queue]
    assert gains == sorted(gains, reverse=True)


def test_the_guide_explains_every_column_of_the_list_and_no_other(listed: list[dict[str, str]]) -> None:
    guide = (ROOT / "docs" / "guide_retention_teams.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([\w{}]+)` \| [^|]*[\u4e00-\u9fff][^|]* \| [^|]+ \|", guide, re.MULTILINE)
    found = list(dict.fromkeys(re.sub(r"_\d+d(?=_p\d\d$|$)", "_{h}d", name) for name in listed[0]))
    assert rows == found


def test_the_guide_explains_every_strategy() -> None:
    from strategies.strategy_table import StrategyTable

    guide = (ROOT / "docs" / "guide_retention_teams.md").read_text(encoding="utf-8")
    section = guide[guide.index("## Strategies") : guide.index("## Before you act")]
    assert set(re.findall(r"^\| `(\w+)` ", section, re.MULTILINE)) == set(StrategyTable.default().names)


@pytest.fixture
def address(done: Path) -> Iterator[str]:
    """The served address of the README's own command, on a free port."""
    serve = shlex.split(block("bash serve").splitlines()[0])
    serve[serve.index("--port") + 1] = "0"
    with subprocess.Popen(
        [*serve, "--json"], cwd=done, env=environment(), stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            text = ""
            while not text.endswith("}\n"):
                line = process.stdout.readline() if process.stdout else ""
                assert line, "the endpoint ended before it answered"
                text += line
            yield json.loads(text)["address"]
        finally:
            process.terminate()
            assert process.wait(timeout=60) == 0


def test_the_readmes_request_is_answered_with_the_row_of_the_list(listed, address: str) -> None:
    words = shlex.split(block("bash serve").splitlines()[1])
    body = words[words.index("--data") + 1]
    route = re.sub(r"^http://[\d.:]+", "", words[-1])
    header = dict([words[words.index("-H") + 1].split(": ")])
    request = urllib.request.Request(address + route, data=body.encode(), headers=header)
    with urllib.request.urlopen(request, timeout=30) as answer:
        result = json.load(answer)
    row = next(row for row in listed if row["customer_id"] == json.loads(body)["customer_id"])
    assert result["found"]
    numbers = [name for name in row if name.startswith(("churn_p", "expected_v", "expected_o", "clv"))]
    assert {name: result[name] for name in numbers} == {name: float(row[name]) for name in numbers}
