"""``retain serve --workers 2`` as users run it: killed, stopped, and with a model that cannot be read."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path

import httpx
import psutil
import pytest

from tests.retain.command_runs import make_model, retain, write_demo_orders
from tests.serving.small_servers import ROOT, until

PROGRAM = "import sys; from retain.cli import main; sys.exit(main())"
Process = subprocess.Popen[str]


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shop with a model and a list."""
    folder = tmp_path_factory.mktemp("workers")
    orders, config = write_demo_orders(folder / "orders.csv", customers=300, days=400), folder / "retain.toml"
    words = ["--churn-window", "45", "--horizons", "45,200", "--as-of", "2024-01-15"]
    assert retain("init", orders, "-c", config, *words, "--out-dir", folder / "out", "--quiet").code == 0
    make_model(config, date(2024, 1, 15), evidence="ml")
    assert retain("score", "-c", config, "--out", folder / "list.parquet", "--quiet").code == 0
    return config


def start(config: Path, workers: int) -> Process:
    words = ["serve", "-c", str(config), "--port", "0", "--json", "--workers", str(workers)]
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        start_new_session=True,
    )


def address(process: Process) -> str:
    assert process.stdout is not None
    said = ""
    while not said.rstrip().endswith("}"):
        line = process.stdout.readline()
        assert line, process.stderr and process.stderr.read()
        said += line
    found: str = json.loads(said)["address"]
    return found


@pytest.fixture(scope="module")
def process(config: Path) -> Iterator[Process]:
    with start(config, workers=2) as process:
        yield process
        process.kill()


@pytest.fixture(scope="module")
def url(process: Process) -> str:
    return address(process)


def worker(url: str) -> int:
    answer = httpx.get(url + "/v1/admin/status", timeout=20)
    assert answer.status_code == 200, answer.text
    found: int = answer.json()["process"]
    return found


def both(url: str) -> set[int]:
    seen: set[int] = set()
    until(lambda: len(seen.add(worker(url)) or seen) == 2)
    return seen


def test_two_workers_answer_on_the_one_socket_that_listens(process: Process, url: str) -> None:
    parent = psutil.Process(process.pid)
    assert both(url) <= {child.pid for child in parent.children()}
    found = [c for p in [parent, *parent.children(recursive=True)] for c in p.net_connections("inet")]
    assert {c.laddr.port for c in found if c.status == psutil.CONN_LISTEN} == {int(url.rpartition(":")[2])}


def test_batches_are_answered_beside_the_workers(url: str) -> None:
    ids = httpx.get(url + "/v1/customers/C00001", timeout=20)
    assert ids.status_code in (200, 404)
    asked = {"customer_ids": ["nobody", "C00001"]}
    answer = until(lambda: _answered(httpx.post(url + "/v1/score/batch", json=asked, timeout=20)))
    assert [row["customer_id"] for row in answer["results"]] == ["nobody", "C00001"]


def _answered(answer: httpx.Response) -> dict[str, list[dict[str, object]]] | None:
    assert answer.status_code in (200, 503), answer.text
    return answer.json() if answer.status_code == 200 else None


def test_killed_workers_are_back_and_a_caller_with_one_retry_sees_no_failure(url: str) -> None:
    with httpx.Client(base_url=url, transport=httpx.HTTPTransport(retries=1), timeout=20) as client:
        first = both(url)
        for pid in first:
            os.kill(pid, signal.SIGKILL)
        try:
            answer = client.get("/readyz")
        except httpx.RemoteProtocolError:
            answer = client.get("/readyz")
        assert answer.status_code == 200
    assert not both(url) & first


def test_sigterm_while_requests_come_loses_none_and_ends_with_0(process: Process, url: str) -> None:
    def ask_until_told_to_go() -> list[int]:
        found = []
        with httpx.Client(base_url=url, timeout=20) as client:
            while "connection" not in (answer := client.get("/v1/model")).headers:
                found.append(answer.status_code)
            return [*found, answer.status_code]

    with ThreadPoolExecutor(4) as threads:
        asking = [threads.submit(ask_until_told_to_go) for _ in range(4)]
        until(lambda: worker(url))
        os.killpg(process.pid, signal.SIGTERM)
        began = time.monotonic()
        assert all(set(found.result(30)) == {200} for found in asking)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 0, said
    assert time.monotonic() - began < 30
    assert "Traceback" not in said


def test_a_model_that_cannot_be_read_ends_it_with_the_reason(config: Path) -> None:
    models = config.parent / "out" / "models"
    version = (models / "champion").read_text().strip()
    for path in (models / version).iterdir():
        path.write_bytes(path.read_bytes()[:-20])
    with start(config, workers=2) as process:
        _, said = process.communicate(timeout=60)
    assert process.returncode == 6, said
    assert version in said
    assert "Traceback" not in said
