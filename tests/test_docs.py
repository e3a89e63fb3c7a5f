"""Pages: generated parts are fresh, links lead somewhere, commands exist, examples run."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pytest
import typer
from pydantic import ValidationError

from retain import cli
from retain.shop import ShopSettings, simulate
from serving.refusal import refusal_of
from serving.schemas import BatchRequest
from serving.shapes import SHAPES
from serving.strict_json import strict_json
from tests.retain.command_runs import make_model, retain
from training.build import MIN_CUSTOMERS, MIN_REPEATERS
from training.learnable import MIN_EVENTS, MIN_ROWS
from training.panel import MAX_SNAPSHOTS, MIN_HISTORY_DAYS, STEP_DAYS

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted((*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")))
# Written by `make bench` and its like; a checkout may not have them yet.
_MEASURED = ("steps", "online_retail", "quality", "btyd", "treated", "proof")
_ENDPOINT = ("endpoint", "endpoint_abuse", "endpoint_processes")
MEASURED = {f"benchmark_{name}.md" for name in (*_MEASURED, *_ENDPOINT)}
PROGRAM = "import sys; from retain.cli import main; sys.exit(main())"
THEIRS = "http://127.0.0.1:3000"


def shown(path: Path) -> str:
    return path.name


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def blocks(text: str, kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def test_generated_parts_are_fresh() -> None:
    done = subprocess.run(
        [sys.executable, "docs/generate.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", PAGES, ids=shown)
def test_links_lead_to_files_and_headings(page: Path) -> None:
    broken = []
    for target in re.findall(r"\]\(([^)#\s]*(?:#[\w-]+)?)\)", page.read_text(encoding="utf-8")):
        name, _, heading = target.partition("#")
        if "://" in name or Path(name).name in MEASURED:
            continue
        file = (page.parent / name) if name else page
        if not file.exists() or (heading and heading not in anchors(file)):
            broken.append(target)
    assert not broken


def anchors(page: Path) -> set[str]:
    heads = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).strip().replace(" ", "-") for head in heads}


def test_the_index_names_every_page() -> None:
    index = read("docs/index.md")
    assert not [
        page.name
        for page in PAGES
        if page.name not in (*MEASURED, "README.md", "index.md") and page.name not in index
    ]


def calls() -> Iterator[tuple[str, str]]:
    for page in PAGES:
        for block in blocks(page.read_text(encoding="utf-8"), r"bash(?: \w+)?"):
            yield from ((page.name, line) for line in block.splitlines() if line.startswith("retain "))


@pytest.mark.parametrize(("page", "line"), sorted(set(calls())))
def test_commands_and_options_of_the_pages_exist(page: str, line: str) -> None:
    name, *words = shlex.split(line)[1:]
    commands: Any = typer.main.get_command(cli.app)
    command = commands.commands[name]
    if inner := getattr(command, "commands", None):
        command = inner[words[0]]
    options = {word for option in command.params for word in option.opts}
    assert not [word for word in words if word.startswith("-") and word not in options]


def test_every_command_is_shown_at_work_or_told_in_a_page() -> None:
    guides = "".join(page.read_text(encoding="utf-8") for page in PAGES if page.name != "README.md")
    assert not [name for name in cli.COMMANDS if f"retain {name}" not in guides]
    assert not [name for name in cli.COMMANDS if f"| `retain {name}` |" not in read("README.md")]


@pytest.mark.parametrize(
    "page", [page for page in PAGES if "```python run" in page.read_text("utf-8")], ids=shown
)
def test_python_of_the_pages_runs(page: Path) -> None:
    space: dict[str, Any] = {}
    for block in blocks(page.read_text(encoding="utf-8"), "python run"):
        exec(compile(block, page.name, "exec"), space)
    assert space


def test_the_example_of_a_feature_family_passes_its_own_test() -> None:
    text = read("CONTRIBUTING.md")
    space: dict[str, Any] = {}
    for block in (*blocks(text, "python family"), *blocks(text, "python test")):
        exec(compile(block, "CONTRIBUTING.md", "exec"), space)
    space["test_two_of_three_purchase_days_are_early"]()
    family = space["MONTH_START"]
    assert family.names == ("month_start_share",)


def bodies() -> list[tuple[str, str]]:
    """Route and body of each call on a page."""
    lines = [line for page in PAGES for line in page.read_text(encoding="utf-8").splitlines()]
    words = [shlex.split(line) for line in lines if line.startswith("curl ")]
    calls = [(urlsplit(call[-1]).path, call) for call in words]
    return [(route, call[call.index("--data") + 1]) for route, call in calls if "--data" in call]


@pytest.mark.parametrize(("route", "body"), bodies())
def test_requests_of_the_pages_are_understood(route: str, body: str) -> None:
    assert SHAPES[route].model_validate(strict_json(body.encode()))


def test_the_refusal_shown_is_what_the_endpoint_says() -> None:
    body = {"customers": [{"customer_id": "a", "orders": [{"time": "2026-01-01", "amount": "9.5"}]}]}
    with pytest.raises(ValidationError, match="amount") as caught:
        BatchRequest.model_validate_json(json.dumps(body))
    assert refusal_of(caught.value).document() == json.loads(
        blocks(read("docs/guide_apps.md"), "json refusal")[0]
    )


def test_the_status_codes_told_are_those_of_the_endpoint() -> None:
    cells = re.findall(r"^\| ([45][\d, ]+) \|", read("docs/guide_apps.md"), re.MULTILINE)
    told = {code for cell in cells for code in cell.split(", ")}
    sources = "".join(p.read_text(encoding="utf-8") for p in (ROOT / "serving").glob("*.py"))
    assert told == set(re.findall(r"Refusal\((\d{3}),", sources))


def test_the_rungs_told_are_those_of_the_code() -> None:
    guide = read("docs/guide_data_scientists.md")
    assert f"{MIN_CUSTOMERS} customers, {MIN_REPEATERS} of them with a repeat purchase" in guide
    assert f"{MIN_ROWS} labelled rows, {MIN_EVENTS} customers of the rarer outcome" in guide
    assert f"every {STEP_DAYS} days" in guide
    assert f"{MAX_SNAPSHOTS} at most, the first {MIN_HISTORY_DAYS} days after" in guide


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny shop that has a model, a list, decisions and ready features."""
    folder = tmp_path_factory.mktemp("guide")
    orders = simulate(ShopSettings(customers=60, days=500, seed=5)).tables["orders"]
    pacsv.write_csv(orders, folder / "orders.csv")
    config, day = folder / "retain.toml", pc.max(orders["time"]).as_py().date() + timedelta(days=1)
    said = [retain("init", folder / "orders.csv", "-c", config, "--churn-window", "45", "--quiet")]
    make_model(config, day, evidence="btyd")
    said.append(retain("score", "-c", config, "--out", folder / "list.csv", "--quiet"))
    said.append(retain("decide", "-c", config, "--budget", "500", "--out", folder / "queue.csv", "--quiet"))
    said.append(retain("features", "-c", config, "--out", folder / "features.parquet", "--quiet"))
    assert [one.code for one in said] == [0] * 4, said
    return folder


@pytest.fixture(scope="module")
def endpoint(shop: Path) -> Iterator[str]:
    """The address of an endpoint that answers for the tiny shop."""
    words = [sys.executable, "-c", PROGRAM, "serve", "--port", "0", "--json"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(words, cwd=shop, env=environment, stdout=subprocess.PIPE, text=True) as process:
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


def misfits(shown: Any, answer: Any, where: str = "") -> list[str]:
    """Places where what a page shows is not of the answer; numbers and texts may differ, words of the endpoint not."""
    if isinstance(shown, dict) and isinstance(answer, dict):
        parts = [misfits(shown[name], answer.get(name), f"{where}.{name}") for name in shown]
        return [part for found in parts for part in found]
    if isinstance(shown, list) and isinstance(answer, list) and len(shown) == len(answer):
        parts = [misfits(*two, f"{where}[]") for two in zip(shown, answer, strict=True)]
        return [part for found in parts for part in found]
    fixed = isinstance(shown, bool) or where.endswith((".error", ".made", "[].status"))
    fits = shown == answer if fixed else type(shown) is type(answer)
    return [] if fits else [f"{where}: {shown!r}, {answer!r}"]


def test_the_calls_of_the_guide_are_answered_as_shown(endpoint: str) -> None:
    pairs = re.findall(
        r"^```bash ask\n(.*?)^```\n\n```json\n(.*?)^```$", read("docs/guide_apps.md"), re.M | re.S
    )
    assert len(pairs) == read("docs/guide_apps.md").count("```bash ask") >= 9
    for call, shown in pairs:
        words = shlex.split(call.replace(THEIRS, endpoint))
        answered = subprocess.run([*words, "--fail-with-body"], capture_output=True, text=True, check=False)
        assert answered.returncode == 0, (call, answered.stdout)
        assert not misfits(json.loads(shown), json.loads(answered.stdout)), call


def test_the_client_of_the_guide_does_what_is_told(
    endpoint: str, shop: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(shop)
    space: dict[str, Any] = {}
    for block in blocks(read("docs/guide_apps.md"), "python client"):
        exec(compile(block.replace(THEIRS, endpoint), "guide_apps.md", "exec"), space)
    assert "True added" in capsys.readouterr().out
    assert space["score"].found


def test_a_key_goes_where_the_guide_puts_it(endpoint: str) -> None:
    (call,) = blocks(read("docs/guide_apps.md"), "bash keyed")
    words = ["bash", "-euc", call.replace(THEIRS, endpoint)]
    said = subprocess.run(
        words, env={**os.environ, "RETAIN_KEY": "any"}, capture_output=True, text=True, check=True
    )
    assert json.loads(said.stdout)["customer_id"] == "C00000001"


def test_keys_and_trail_of_the_guides_do_what_is_told(shop: Path, tmp_path: Path) -> None:
    config = shutil.copytree(shop, tmp_path / "copy") / "retain.toml"
    key = head = ""
    for page, line in calls():
        if page.startswith("guide") and line.startswith(("retain keys", "retain trail")):
            words = shlex.split(re.sub("key-0123456789", key, re.sub(r"[0-9a-f]{64}", head, line)))[1:]
            said = retain(*words, "-c", config, "--json")
            assert said.code == 0, (line, said.err)
            key = said.document.get("key_id", key) if words[1] in ("add", "rotate") else key
            head = retain("trail", "verify", "-c", config, "--json").document["head"]
    assert key
    assert head.strip("0")


def test_a_copy_of_the_state_is_whole_and_an_earlier_model_is_pointed_at(shop: Path) -> None:
    guide = read("docs/guide_operators.md")
    version = (shop / "retain-out/models/champion").read_text().strip()
    block = blocks(guide, "bash backup")[0] + blocks(guide, "bash back")[0].replace("0123456789ab", version)
    subprocess.run(["bash", "-euc", block], cwd=shop, check=True)
    with sqlite3.connect(shop / "backup.db") as copy:
        assert copy.execute("select count(*) from scores").fetchone()[0] > 0
    assert retain("score", "-c", shop / "retain.toml", "--out", shop / "again.csv", "--quiet").code == 0
