"""The service itself: a real server process from first line to exit, and its parts one by one."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from features.errors import ConfigError, ModelError, UnsafeError
from serving.guard import State
from serving.keys import digest_of
from serving.live import LiveSettings
from serving.opening import read_settings, start_check, wait_check
from serving.run_server import _address, _bind, _config, _most_connections, _refuse_open_door, _Server

KEY = "a key of the tests"

# A server process whose scorer passes one feature on; everything else is the real thing.
PROGRAM = """
import sys
from datetime import UTC, date, datetime
from pathlib import Path

import pandas as pd

import serving.opening
import serving.run_server as server
from serving.live import Live
from serving.store import RunInfo, Store


class Sum:
    def rows(self, known, as_of, explain=True):
        if (Path(sys.argv[1]).parent / "broken").exists():
            raise KeyError("someone@example.com")
        return known[["customer_id"]].assign(clv=known["spend_total"] / 3)


class NoChild:
    kill = staticmethod(lambda: None)


def open_live(settings):
    store = Store(settings.store_url)
    run = RunInfo("r", date(2026, 3, 1), "list-1", "c", 1, datetime(2026, 3, 1, tzinfo=UTC))
    store.save_run(run, pd.DataFrame({"customer_id": ["007"], "clv": [0.1 + 0.2], "reasons": ["late"]}))
    return Live(Sum(), store, settings, version="model-1")


serving.opening.open_live = open_live
server.start_check, server.wait_check = lambda file: NoChild(), lambda child: None
settings = serving.opening.read_settings(Path(sys.argv[1]))
server.serve(settings, Path(sys.argv[2]), announce=lambda address: print(address, flush=True))
"""


def settings(folder: Path, **serving: object) -> LiveSettings:
    store = f"sqlite:///{folder / 'retain.db'}"
    return LiveSettings.model_validate(
        {"models": folder / "no-model", "store_url": store, "serving": {"port": 0, **serving}}
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("service")


@pytest.fixture(scope="module")
def process(folder: Path) -> Iterator[subprocess.Popen[str]]:
    keys = folder / "keys"
    keys.write_text(digest_of(KEY).hex())
    keys.chmod(0o600)
    given = folder / "given.json"
    given.write_text(settings(folder, keys_file=keys).model_dump_json())
    command = [sys.executable, "-c", PROGRAM, str(given), str(folder / "service.json")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        yield child
        child.kill()


@pytest.fixture(scope="module")
def client(process: subprocess.Popen[str]) -> Iterator[httpx.Client]:
    assert process.stdout is not None
    address = process.stdout.readline().strip()
    assert address.startswith("http://127.0.0.1:"), process.stderr and process.stderr.read()
    with httpx.Client(base_url=address, headers={"x-api-key": KEY}, timeout=10) as found:
        yield found


def order(amount: float, day: str = "2026-01-05") -> dict[str, object]:
    return {"time": day, "amount": amount}


def test_lines_and_ids_are_answered_with_every_bit(client: httpx.Client) -> None:
    lines = [{"customer_id": "a", "orders": [order(0.1), order(0.2), order(9.0, "2026-03-01")]}]
    scored = client.post("/v1/score", json={"customers": lines}).json()
    assert (scored["model_version"], scored["as_of"]) == ("model-1", "2026-03-01")
    stored = client.post("/v1/score", json={"customer_ids": ["007", "7"], "reasons": False}).json()
    assert [row.get("clv") for row in (*scored["results"], *stored["results"])] == [
        0.3 / 3,
        0.1 + 0.2,
        None,
    ]
    assert [row["found"] for row in stored["results"]] == [True, False]


def test_refusals_of_every_layer_have_one_shape(client: httpx.Client) -> None:
    asked = [{"customer_ids": [7]}, {"customer_ids": ["x" * 65]}, {"customer_ids": ["a"] * 1001}, {}]
    answers = [client.post("/v1/score", json=body) for body in asked]
    answers += [client.get("/v1/nothing"), client.get("/v1/score", headers={"x-api-key": "wrong"})]
    assert [answer.status_code for answer in answers] == [400, 400, 413, 400, 404, 401]
    for answer in answers:
        assert set(answer.json()["error"]) == {"code", "message", "field"}
        assert answer.headers["content-type"] == "application/json"


def test_pages_describe_the_service_without_its_framework(client: httpx.Client) -> None:
    assert client.get("/v1/model").json() == {
        "model_version": "model-1", "list_version": "list-1", "list_as_of": "2026-03-01"
    }  # fmt: skip
    assert client.get("/").text == client.get("/docs").text
    assert "/v1/score" in client.get("/docs.json").json()["paths"]
    for path in ("/metrics", "/schema.json", "/static_content/swagger-ui.css"):
        assert client.get(path).status_code == 404
    assert "entoml" not in str(client.get("/docs").headers).lower()


def test_only_health_is_open(client: httpx.Client) -> None:
    with httpx.Client(base_url=client.base_url) as stranger:
        assert [stranger.get(p).status_code for p in ("/livez", "/readyz", "/healthz")] == [200] * 3
        assert [stranger.get(p).status_code for p in ("/", "/docs.json", "/v1/model", "/metrics")] == [
            401
        ] * 4


def test_one_socket_listens_and_files_are_private(
    client: httpx.Client, process: subprocess.Popen[str], folder: Path
) -> None:
    connections = psutil.Process(process.pid).net_connections()
    assert [c.laddr.port for c in connections if c.status == "LISTEN"] == [client.base_url.port]
    assert read_settings(folder / "service.json").store_url.startswith("sqlite")
    assert (folder / "service.json").stat().st_mode & 0o077 == 0


def test_huge_bodies_end_early_and_cost_no_memory(
    client: httpx.Client, process: subprocess.Popen[str]
) -> None:
    before = psutil.Process(process.pid).memory_info().rss
    with socket.create_connection((client.base_url.host, client.base_url.port or 0)) as raw:
        head = "POST /v1/score HTTP/1.1\r\nHost: x\r\nX-API-Key: {}\r\nContent-Type: application/json\r\n"
        raw.sendall(f"{head.format(KEY)}Content-Length: 419430400\r\n\r\n".encode() + b"x" * 100_000)
        assert raw.recv(100).startswith(b"HTTP/1.1 413")
    assert psutil.Process(process.pid).memory_info().rss - before < 50 * 2**20
    assert client.get("/livez").status_code == 200


def test_failures_are_logged_by_number_without_values(client: httpx.Client, folder: Path) -> None:
    (folder / "broken").touch()
    answer = client.post(
        "/v1/score", json={"customers": [{"customer_id": "someone", "orders": [order(1.0)]}]}
    )
    (folder / "broken").unlink()
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "internal")
    assert "someone" not in answer.text


def test_sigterm_ends_readiness_at_once_and_the_process_with_0(
    client: httpx.Client, process: subprocess.Popen[str]
) -> None:
    process.send_signal(signal.SIGTERM)
    started = time.monotonic()
    while (answer := client.get("/readyz")).status_code == 200:
        assert time.monotonic() - started < 1.0
    assert answer.json() == {"status": "stopping"}
    assert client.post("/v1/score", json={"customer_ids": ["007"]}).status_code == 200
    _, said = process.communicate(timeout=10)
    assert process.returncode == 0
    assert "KeyError" in said
    assert "someone" not in said


def test_the_service_refuses_before_it_listens_when_the_model_is_missing(folder: Path) -> None:
    file = folder / "bad.json"
    file.write_text(settings(folder).model_dump_json())
    started = time.monotonic()
    with pytest.raises(ModelError, match="no model yet"):
        wait_check(start_check(file))
    assert time.monotonic() - started < 10


def test_a_child_that_dies_or_hangs_is_told_apart() -> None:
    def child(code: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE)

    with pytest.raises(ModelError, match=r"killed the process that tried \(signal 11\)"):
        wait_check(child("import os; os.kill(os.getpid(), 11)"))
    with pytest.raises(ModelError, match="within 0 seconds"):
        wait_check(child("import time; time.sleep(60)"), seconds=0.2)
    with pytest.raises(ModelError, match="ZeroDivisionError"):
        wait_check(child("1/0"))
    with pytest.raises(ConfigError, match=r"^the table$"):
        wait_check(child("import sys; sys.stderr.write('the table'); sys.exit(2)"))
    wait_check(child(""))


def test_settings_files_that_do_not_fit_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        read_settings(tmp_path / "absent.json")
    file = tmp_path / "service.json"
    file.write_text("{")
    with pytest.raises(ConfigError, match="not JSON"):
        read_settings(file)
    file.write_text('{"models": "m", "store_url": "s", "serving": {"port": 99999}}')
    with pytest.raises(ConfigError, match=r"serving\.port"):
        read_settings(file)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.0.7", "shop.example"])
def test_an_open_door_needs_keys(tmp_path: Path, host: str) -> None:
    with pytest.raises(UnsafeError, match=host):
        _refuse_open_door(settings(tmp_path, host=host))
    _refuse_open_door(settings(tmp_path, host=host, keys_file=tmp_path / "keys"))


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.9.9.9"])
def test_this_machine_needs_none(tmp_path: Path, host: str) -> None:
    _refuse_open_door(settings(tmp_path, host=host))


def test_a_taken_port_is_said_so() -> None:
    with _bind("127.0.0.1", 0) as first:
        first.listen()
        port = first.getsockname()[1]
        assert _address(first) == f"http://127.0.0.1:{port}"
        with pytest.raises(ConfigError, match=f"port {port} cannot be listened on: Address already in use"):
            _bind("127.0.0.1", port)


def test_connections_are_capped_below_the_open_files() -> None:
    assert 64 <= _most_connections(64) <= 1024
    assert _most_connections(10**6) == 10**6


def test_signals_drain_then_stop_and_a_second_one_does_not_wait(tmp_path: Path) -> None:
    server = _Server(_config(None, settings(tmp_path)), State(started=True), lambda: None)
    assert not asyncio.run(server.on_tick(1))
    server.handle_exit(signal.SIGTERM, None)
    assert (server.state.word, asyncio.run(server.on_tick(1))) == ("stopping", False)
    server.stopped_at -= 2.0
    assert asyncio.run(server.on_tick(1))
    server.handle_exit(signal.SIGTERM, None)
    assert server.force_exit


def test_the_class_answers_and_translates_in_this_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BENTOML_HOME", str(tmp_path))
    monkeypatch.setenv("BENTOML_DO_NOT_TRACK", "True")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from serving import service
    monkeypatch.delenv(service.SETTINGS_VARIABLE, raising=False)
    with pytest.raises(ConfigError, match="RETAIN_SERVICE must name"):
        service.service_settings()
    guard = service.guarded(_never, LiveSettings(models=tmp_path, store_url="sqlite://"))
    assert set(guard.pages) == {"/", "/docs", "/docs.json", "/v1/model"}
    assert set(guard.models) == {"/v1/score"}
    assert json.loads(guard.pages["/docs.json"].body())["openapi"] == "3.1.0"


async def _never(*_: object) -> None:
    raise AssertionError
