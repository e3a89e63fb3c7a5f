"""The service itself: a real server process from first line to exit, and its parts one by one."""

from __future__ import annotations

import asyncio
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

from features.errors import ConfigError, UnsafeError
from serving.keys import KeyStore
from serving.live import LiveSettings
from serving.opening import read_settings
from serving.run_server import _address, _bind, _refuse_open_door
from serving.trail import Trail

ROOT = Path(__file__).resolve().parents[2]

# A server whose scorer passes a few features on; everything else is the real thing.
PROGRAM = """
import os
import sys
from datetime import UTC, date, datetime
from pathlib import Path

import pandas as pd

os.environ["PROMETHEUS_MULTIPROC_DIR"] = "set before the first import, as the server does"
import serving.back_room
import serving.endpoint
import serving.run_server as server
from serving.opening import read_settings
from serving.store import RunInfo, Store
from tests.serving.endpoint_fakes import FakeModels, FakeServed, PassingScorer


class Breakable(PassingScorer):
    class bundle:
        card = {"quality": "plain"}

    def answer_rows(self, *given, **more):
        if (Path(sys.argv[1]).parent / "broken").exists():
            raise KeyError("someone@example.com")
        return super().answer_rows(*given, **more)


class Models(FakeModels):
    def __init__(self, settings):
        super().__init__(FakeServed(Breakable()))

    def start(self):
        pass

    stop = start

    def state(self):
        return {"version": "model-1", "since": "2026-03-01T00:00:00+00:00", "refused": None}


class NoRoom:
    def __init__(self, *given, **more):
        pass

    def answer(self, body):
        return 200, b'{"model_version": "model-1", "customers": 0}\\n{"results": []}'

    def close(self):
        pass


serving.endpoint.ModelWatch, serving.back_room.BackRoom = Models, NoRoom
settings = read_settings(Path(sys.argv[1]))
store = Store(settings.store_url)
run = RunInfo("r", date(2026, 3, 1), "list-1", "c", 1, datetime(2026, 3, 1, tzinfo=UTC))
store.save_run(run, pd.DataFrame({"customer_id": ["007"], "clv": [0.1 + 0.2], "reasons": ["late"]}))
store.close()
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
def key(folder: Path) -> str:
    store = KeyStore(settings(folder).store_url)
    text, _ = store.add(["score", "events", "admin"], label="tests")
    store.close()
    return text


@pytest.fixture(scope="module")
def process(folder: Path, key: str) -> Iterator[subprocess.Popen[str]]:
    given = folder / "given.json"
    given.write_text(settings(folder).model_dump_json())
    command = [sys.executable, "-c", PROGRAM, str(given), str(folder / "service.json")]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT
    ) as child:
        yield child
        child.kill()


@pytest.fixture(scope="module")
def client(process: subprocess.Popen[str], key: str) -> Iterator[httpx.Client]:
    assert process.stdout is not None
    address = process.stdout.readline().strip()
    assert address.startswith("http://127.0.0.1:"), process.stderr and process.stderr.read()
    with httpx.Client(base_url=address, headers={"x-api-key": key}, timeout=10) as found:
        yield found


def order(amount: float, day: str = "2026-01-05") -> dict[str, object]:
    return {"time": day, "amount": amount}


def test_rows_and_ids_are_answered_with_every_bit(client: httpx.Client) -> None:
    given = {"customer_id": "a", "orders": [order(0.1), order(0.2), order(9.0, "2026-03-01")]}
    scored = client.post("/v1/score", json={"customer": given, "as_of": "2026-03-01"}).json()
    assert (scored["model_version"], scored["as_of"]) == ("model-1", "2026-03-01")
    assert scored["spend_total"].hex() == (0.3).hex()
    stored = [client.post("/v1/score", json={"customer_id": i}).json() for i in ("007", "7")]
    assert stored[0] == {"found": True, "customer_id": "007", "clv": 0.1 + 0.2}
    assert [row["found"] for row in stored] == [True, False]
    assert client.get("/v1/customers/007").json()["reasons"] == "late"


def test_events_are_kept_and_make_the_next_score_fresh(client: httpx.Client) -> None:
    event = {"event_id": "e1", "kind": "order", "customer_id": "new", "data": order(5.0, "2026-03-04")}
    told = [client.post("/v1/events", json={"events": [event]}).json()["results"] for _ in range(2)]
    assert told == [[{"event_id": "e1", "status": status}] for status in ("added", "known")]
    fresh = client.post("/v1/score", json={"customer_id": "new"}).json()
    assert (fresh["found"], fresh["as_of"], fresh["spend_total"]) == (True, "2026-03-05", 5.0)


def test_refusals_of_every_layer_have_one_shape(client: httpx.Client) -> None:
    asked = [{"customer_id": 7}, {"customer_id": "x" * 65}, {"customer_id": "a", "as_of": "x"}, {}]
    answers = [client.post("/v1/score", json=body) for body in asked]
    answers += [client.get("/v1/nothing"), client.get("/v1/score", headers={"x-api-key": "wrong"})]
    answers += [client.post("/v1/decide", json={"customer_id": "007"}), client.get("/v1/customers/8")]
    assert [answer.status_code for answer in answers] == [400, 400, 400, 400, 404, 401, 403, 404]
    for answer in answers:
        assert {"code", "message", "field"} <= set(answer.json()["error"])
        assert answer.headers["content-type"] == "application/json"


def test_pages_describe_the_service_without_its_framework(client: httpx.Client) -> None:
    info = client.get("/v1/model").json()
    assert (info["model_version"], info["list_version"], info["list_as_of"]) == (
        "model-1",
        "list-1",
        "2026-03-01",
    )
    assert info["card"] == {"quality": "plain"}
    status = client.get("/v1/admin/status").json()
    assert (status["state"], status["keys"], status["trail_lost"]) == ("ready", 1, 0)
    assert client.get("/").text == client.get("/docs").text
    assert "/v1/score" in client.get("/docs.json").json()["paths"]
    for path in ("/schema.json", "/static_content/swagger-ui.css"):
        assert client.get(path).status_code == 404
    assert "entoml" not in str(client.get("/docs").headers).lower()


def test_metrics_count_by_template(client: httpx.Client) -> None:
    for path in ("/v1/customers/7", "/v1/customers/8", "/x/1", "/x/2"):
        client.get(path)
    lines = client.get("/metrics").text.splitlines()
    assert 'retain_model_info{version="model-1"} 1.0' in lines
    routes = {line.split('route="')[1].split('"')[0] for line in lines if "retain_requests_total{" in line}
    assert {"/v1/score", "/v1/customers/{customer_id}", "(none)"} <= routes
    assert not any("/x/" in line or "customers/7" in line for line in lines)


def test_only_health_is_open(client: httpx.Client) -> None:
    with httpx.Client(base_url=client.base_url) as stranger:
        assert [stranger.get(p).status_code for p in ("/livez", "/readyz", "/healthz")] == [200] * 3
        closed = ("/", "/docs.json", "/v1/model", "/metrics", "/v1/customers/007", "/v1/admin/status", "/x")
        assert {stranger.get(p).status_code for p in closed} == {401}


def test_one_socket_listens_and_files_are_private(
    client: httpx.Client, process: subprocess.Popen[str], folder: Path
) -> None:
    parent = psutil.Process(process.pid)
    family = [parent, *parent.children(recursive=True)]
    connections = [c for found in family for c in found.net_connections()]
    assert {c.laddr.port for c in connections if c.status == "LISTEN"} == {client.base_url.port}
    assert read_settings(folder / "service.json").store_url.startswith("sqlite")
    assert (folder / "service.json").stat().st_mode & 0o077 == 0


def test_huge_bodies_end_early_and_cost_no_memory(
    client: httpx.Client, process: subprocess.Popen[str], key: str
) -> None:
    (worker,) = psutil.Process(process.pid).children()
    before = worker.memory_info().rss
    with socket.create_connection((client.base_url.host, client.base_url.port or 0)) as raw:
        head = "POST /v1/score HTTP/1.1\r\nHost: x\r\nX-API-Key: {}\r\nContent-Type: application/json\r\n"
        raw.sendall(f"{head.format(key)}Content-Length: 419430400\r\n\r\n".encode() + b"x" * 100_000)
        assert raw.recv(100).startswith(b"HTTP/1.1 413")
    assert worker.memory_info().rss - before < 50 * 2**20
    assert client.get("/livez").status_code == 200


def test_failures_are_logged_by_number_without_values(client: httpx.Client, folder: Path) -> None:
    (folder / "broken").touch()
    answer = client.post("/v1/score", json={"customer": {"customer_id": "someone", "orders": [order(1.0)]}})
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
    assert client.post("/v1/score", json={"customer_id": "007"}).status_code == 200
    _, said = process.communicate(timeout=10)
    assert process.returncode == 0
    assert "KeyError" in said
    assert "someone" not in said


def test_the_trail_has_what_was_asked_and_is_whole(folder: Path, process: subprocess.Popen[str]) -> None:
    process.wait(timeout=10)
    trail = Trail(settings(folder).store_url)
    entries = list(trail.entries())
    assert trail.verify().entries == len(entries)
    trail.close()
    assert {entry.status for entry in entries} >= {200, 400, 401, 403, 404, 413, 500}
    assert {entry.key_id for entry in entries if entry.status == 401} == {""}
    models = {entry.model_version for entry in entries if entry.status == 200}
    assert models == {"model-1", "list-1", ""}


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
    store = KeyStore(settings(tmp_path).store_url)
    store.add(["score"])
    store.close()
    _refuse_open_door(settings(tmp_path, host=host))


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
    guard = service.guarded(service.application(), settings(tmp_path))
    assert not guard.state.started
    file = tmp_path / "service.json"
    file.write_text(settings(tmp_path).model_dump_json())
    monkeypatch.setenv(service.SETTINGS_VARIABLE, str(file))
    assert service.service_settings() == settings(tmp_path)


def test_behind_no_guard_and_without_settings_nothing_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from serving import service
    monkeypatch.delenv(service.SETTINGS_VARIABLE, raising=False)

    async def once() -> httpx.Response:
        transport = httpx.ASGITransport(service.application())  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            return await client.post("/v1/score", json={"customer_id": "7"})

    answer = asyncio.run(once())
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "not_ready")
