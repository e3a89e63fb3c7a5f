"""The guard: who may ask, how much, in what shape, and what is said when it is refused."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from pydantic import BaseModel, ConfigDict

from serving.batches import pack_answer, unpack_question
from serving.desk import Desk, Page, sha256_of
from serving.fast_lane import FastLane
from serving.guard import Guard, State
from serving.keys import ROLES, Key, Keys, digest_of
from serving.metrics import Metrics
from serving.settings import ServingSettings
from serving.wire import Message, Receive, Scope, Send
from tests.serving.endpoint_fakes import FakeLookup, FakeModels, FakeNotes

KEY = "correct horse battery staple"
SETTINGS = ServingSettings(max_body_bytes=1024, max_batch_bytes=2048, threads=1, batch_waiting=0)
HEALTH = ("/livez", "/readyz", "/healthz")


class Ask(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")
    count: int


class Inner:
    """Answers how long the body was, or what it was told to; remembers what it saw."""

    def __init__(self) -> None:
        self.seen: list[Scope] = []
        self.status, self.answer = 200, b""
        self.error: Exception | None = None
        self.gate: asyncio.Event | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await send({"type": "lifespan.startup.complete"})
            await send({"type": "lifespan.shutdown.complete"})
            return
        self.seen.append(scope)
        body = (await receive())["body"]
        if self.gate is not None:
            await self.gate.wait()
        if self.error is not None:
            raise self.error
        answer = self.answer or json.dumps({"length": len(body)}).encode()
        headers = [(b"server", b"Framework/1.2.3")]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": answer})


def keys_of(*roles: str, **scope: tuple[str, ...]) -> Keys:
    return Keys(
        tuple((digest_of(text), Key(text, frozenset(roles or ROLES), scope)) for text in ("another", KEY))
    )


def desk_of(*, keyed: bool = False, **more: Any) -> Desk:
    keys = keys_of() if keyed else Keys()
    pages = {
        "/docs": Page("text/html; charset=utf-8", lambda: b"<p>docs</p>"),
        "/v1/admin/status": Page("application/json", lambda: b"{}"),
    }
    shapes = dict.fromkeys(("/v1/score", "/v1/score/batch", "/v1/decide", "/v1/events"), Ask)
    return Desk(**{"keys": lambda: keys, "pages": pages, "shapes": shapes, **more})


def guard_of(inner: Any, *, keyed: bool = False, started: bool = True, **more: Any) -> Guard:
    return Guard(inner, SETTINGS, lambda: desk_of(keyed=keyed, **more), state=State(started=started))


def ask(guard: Guard, method: str, path: str, **given: Any) -> httpx.Response:
    async def once() -> httpx.Response:
        transport = httpx.ASGITransport(guard)  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            return await client.request(method, path, **given)

    return asyncio.run(once())


def post(guard: Guard, body: bytes, **headers: str) -> httpx.Response:
    return ask(
        guard, "POST", "/v1/score", content=body, headers={"content-type": "application/json", **headers}
    )


ROUTES = [
    "/", "/docs", "/docs.json", "/v1/score", "/v1/model", "/metrics", "/schema.json", "/static_content/x",
    "//v1/score", "//livez", "/%6divez", "/livez/", "/LIVEZ", "/readyz/../docs", "/v1/score/", "/v1/%73core",
    "/x?y",
]  # fmt: skip


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "POST", "DELETE", "PATCH", "TRACE"])
@pytest.mark.parametrize("path", [*ROUTES, *HEALTH])
def test_without_key_only_health_is_not_401(method: str, path: str) -> None:
    inner = Inner()
    answer = ask(guard_of(inner, keyed=True), method, path)
    open_route = path in HEALTH and method in ("GET", "HEAD")
    assert answer.status_code == (200 if open_route else 401)
    assert inner.seen == []


@pytest.mark.parametrize(
    "path", ["/%6civez", "/livez/", "/%761/score", "//v1/score", "/v1/score/", "/v1/customers/"]
)
def test_another_spelling_of_a_route_is_no_route(path: str) -> None:
    for method in ("GET", "POST"):
        assert ask(guard_of(Inner()), method, path).status_code == 404


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"authorization": f"Bearer {KEY}"}, 200),
        ({"authorization": f"bearer {KEY}"}, 200),
        ({"x-api-key": KEY}, 200),
        ({"x-api-key": "another"}, 200),
        ({"authorization": f"Basic {KEY}"}, 401),
        ({"authorization": KEY}, 401),
        ({"authorization": "Bearer wrong"}, 401),
        ({"authorization": "Bearer "}, 401),
        ({"x-api-key": ""}, 401),
        ({"authorization": "Bearer wrong", "x-api-key": KEY}, 401),
        ({"x-api-key": digest_of(KEY).hex()}, 401),
    ],
)
def test_keys(headers: dict[str, str], status: int) -> None:
    answer = post(guard_of(Inner(), keyed=True), b'{"count": 1}', **headers)
    assert answer.status_code == status
    assert ("www-authenticate" in answer.headers) == (status == 401)


def test_with_key_unknown_routes_are_404_without_echo_and_methods_405() -> None:
    guard, key = guard_of(Inner(), keyed=True), {"x-api-key": KEY}
    missing = ask(guard, "GET", "/secret-customer-42", headers=key)
    assert missing.status_code == 404
    assert "secret-customer-42" not in missing.text
    wrong = ask(guard, "GET", "/v1/score", headers=key)
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "POST")
    assert ask(guard, "PUT", "/livez", headers=key).headers["allow"] == "GET, HEAD"


def test_framework_routes_are_closed_even_with_a_key() -> None:
    inner = Inner()
    guard = guard_of(inner, keyed=True)
    for path in ("/metrics", "/schema.json", "/static_content/app.js", "//v1/score"):
        assert ask(guard, "GET", path, headers={"x-api-key": KEY}).status_code == 404
    assert inner.seen == []


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:3000", "localhost:3000", "[::1]:3000"])
def test_without_keys_local_names_are_answered(host: str) -> None:
    assert post(guard_of(Inner()), b'{"count": 1}', host=host).status_code == 200


@pytest.mark.parametrize(
    "host", ["rebound.example", "127.0.0.1.example", "10.0.0.1", "", "localhost.example:3000"]
)
def test_without_keys_other_names_are_refused(host: str) -> None:
    answer = post(guard_of(Inner()), b'{"count": 1}', host=host)
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "local_only")


def test_without_keys_other_machines_are_refused() -> None:
    async def once() -> httpx.Response:
        transport = httpx.ASGITransport(guard_of(Inner()), client=("10.0.0.7", 5))  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            return await client.get("/docs")

    assert asyncio.run(once()).status_code == 403


def test_declared_body_too_large_is_refused_unread() -> None:
    inner = Inner()
    answer = post(guard_of(inner), b"x" * 1025)
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_large")
    assert answer.headers["connection"] == "close"
    assert inner.seen == []


def test_chunked_body_is_cut_at_the_limit() -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(1000):
            sent += 100
            yield b" " * 100

    assert post(guard_of(Inner()), endless()).status_code == 413  # type: ignore[arg-type]
    assert sent <= 1200


def test_body_of_exactly_the_limit_is_answered() -> None:
    assert post(guard_of(Inner()), b'{"count": 1}'.ljust(1024)).json() == {"length": 1024}


@pytest.mark.parametrize("length", [b"-1", b"1e3", b"12, 13", b"9" * 30])
def test_content_length_that_lies_is_refused(length: bytes) -> None:
    status, _ = raw(
        guard_of(Inner()), [(b"content-type", b"application/json"), (b"content-length", length)], []
    )
    assert status == (413 if length.isdigit() else 400)


@pytest.mark.parametrize(
    "kind",
    ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data",
     "application/vnd.bentoml+pickle", "application/json; charset=gbk", "application/jsonx"],
)  # fmt: skip
def test_other_media_types_are_415(kind: str) -> None:
    answer = ask(
        guard_of(Inner()), "POST", "/v1/score", content=b'{"count": 1}', headers={"content-type": kind}
    )
    assert (answer.status_code, answer.json()["error"]["code"]) == (415, "media_type")


def test_compressed_bodies_are_415() -> None:
    answer = post(guard_of(Inner()), b"\x1f\x8b", **{"content-encoding": "gzip"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (415, "content_encoding")


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        (b'{"count": 1, "count": 2}', "not_strict", "count"),
        (b'{"count": NaN}', "not_strict", "count"),
        (b'{"count": "1"}', "invalid", "count"),
        (b'{"count": true}', "invalid", "count"),
        (b'{"count": 1, "more": 2}', "invalid", "more"),
        (b"[]", "invalid", None),
        (b"", "empty", None),
        (b"[" * 1000, "too_deep", None),
    ],
)
def test_bodies_that_do_not_fit_are_400_and_never_reach_the_model(
    body: bytes, code: str, field: str | None
) -> None:
    inner = Inner()
    answer = post(guard_of(inner), body)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["field"]) == (400, code, field)
    assert inner.seen == []


def test_more_than_allowed_at_a_time_is_429_and_then_answered_again() -> None:
    async def story() -> list[int]:
        inner = Inner()
        guard, inner.gate = guard_of(inner), asyncio.Event()
        transport = httpx.ASGITransport(guard)  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            send = lambda: client.post("/v1/score", json={"count": 1})  # noqa: E731
            waiting = [asyncio.create_task(send()) for _ in range(2)]
            while guard._lanes["/v1/score"].taken < 2:
                await asyncio.sleep(0)
            busy, alive = await send(), await client.get("/readyz")
            inner.gate.set()
            done = [(await task).status_code for task in waiting]
            assert busy.headers["retry-after"] == "1"
            return [busy.status_code, alive.status_code, *done, (await send()).status_code]

    assert asyncio.run(story()) == [429, 200, 200, 200, 200]


def test_readiness_follows_the_state_and_liveness_does_not() -> None:
    guard = guard_of(Inner(), started=False)
    assert [ask(guard, "GET", path).status_code for path in HEALTH] == [200, 503, 503]
    asyncio.run(guard({"type": "lifespan"}, _nothing, _ignore))
    assert [ask(guard, "GET", path).status_code for path in HEALTH] == [200, 200, 200]
    guard.state.stopping = True
    assert ask(guard, "GET", "/readyz").json() == {"status": "stopping"}
    assert [ask(guard, "HEAD", path).status_code for path in HEALTH] == [200, 503, 503]


def test_failures_inside_give_an_incident_and_no_value(caplog: pytest.LogCaptureFixture) -> None:
    inner = Inner()
    inner.error = KeyError("customer-42@example.com")
    answer = post(guard_of(inner), b'{"count": 1}')
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "internal")
    incident = answer.json()["error"]["message"].split()[-1]
    assert incident in caplog.text
    assert "KeyError" in caplog.text
    assert "customer-42" not in caplog.text + answer.text


@pytest.mark.parametrize(
    ("status", "code"), [(500, "internal"), (503, "not_ready"), (504, "too_slow"), (422, "internal")]
)
def test_error_pages_of_the_framework_become_the_one_document(status: int, code: str) -> None:
    inner = Inner()
    inner.status, inner.answer = status, b'{"error": "Traceback of customer-42"}'
    answer = post(guard_of(inner), b'{"count": 1}')
    assert answer.json()["error"]["code"] == code
    assert "customer-42" not in answer.text


def test_refusals_of_the_service_pass_and_its_headers_do_not() -> None:
    inner = Inner()
    inner.status, inner.answer = 409, b'{"error":{"code":"no_list","message":"m","field":null}}'
    answer = post(guard_of(inner), b'{"count": 1}')
    assert (answer.status_code, answer.content) == (409, inner.answer)
    assert "server" not in answer.headers
    assert answer.headers["cache-control"] == "no-store"


def test_what_passed_one_guard_is_not_asked_again_by_a_second() -> None:
    inner = Inner()
    outer = guard_of(guard_of(inner, keyed=True))
    assert post(outer, b'{"count": 1}').status_code == 200


def test_pages_forbid_scripts() -> None:
    answer = ask(guard_of(Inner()), "GET", "/docs")
    assert answer.text == "<p>docs</p>"
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_callers_who_leave_are_not_answered() -> None:
    headers = [(b"content-type", b"application/json")]
    inner = Inner()
    assert raw(guard_of(inner), headers, [{"type": "http.disconnect"}]) == (0, b"")
    assert inner.seen == []


@pytest.mark.parametrize(
    ("roles", "allowed"),
    [
        (("score",), {"/v1/score", "/v1/score/batch", "/docs"}),
        (("decide",), {"/v1/decide", "/docs"}),
        (("events",), {"/v1/events", "/docs"}),
        (("admin",), {"/v1/admin/status", "/docs"}),
    ],
)
def test_each_role_opens_its_routes_and_any_key_the_pages(roles: tuple[str, ...], allowed: set[str]) -> None:
    guard = guard_of(Inner(), keys=lambda: keys_of(*roles))
    posted = ("/v1/score", "/v1/score/batch", "/v1/decide", "/v1/events")
    given = {"headers": {"x-api-key": KEY}, "json": {"count": 1}}
    found = {path: ask(guard, "POST", path, **given) for path in posted}
    found |= {path: ask(guard, "GET", path, **given) for path in ("/docs", "/v1/admin/status")}
    assert {path for path, answer in found.items() if answer.status_code == 200} == allowed
    told = {answer.json()["error"]["code"] for answer in found.values() if answer.status_code != 200}
    assert told == {"role_needed"}
    assert {answer.status_code for answer in found.values()} == {200, 403}


@pytest.mark.parametrize(
    ("given", "echoed"),
    [("a-1", True), ("x" * 64, True), ("x" * 65, False), ("a b", False), ("someone@example.com", False)],
)
def test_a_plain_request_id_comes_back_and_no_other(given: str, echoed: bool) -> None:
    for path in ("/docs", "/nothing"):
        answer = ask(guard_of(Inner()), "GET", path, headers={"x-request-id": given})
        assert answer.headers.get("x-request-id") == (given if echoed else None)


def fast(lookup: FakeLookup) -> FastLane:
    return FastLane(lookup, FakeModels(), longest_id=64)


def customer(guard: Guard, raw_id: str, **headers: str) -> httpx.Response:
    return ask(guard, "GET", f"/v1/customers/{raw_id}", headers=headers)


def test_customers_are_found_under_their_percent_encoded_id() -> None:
    ids = ("7", "客/戶", "a b", "..%2F", "😀", "x" * 64)
    guard = guard_of(Inner(), fast=fast(FakeLookup({name: {} for name in ids})))
    for name in ids:
        answer = customer(guard, quote(name, safe=""))
        assert (answer.status_code, answer.json()["customer_id"]) == (200, name)


@pytest.mark.parametrize("raw_id", ["%ff", "%00", "a%00b", "%ed%a0%80", "x" * 65, "%zz", "%", "a%2"])
def test_ids_in_addresses_that_are_no_text_are_400(raw_id: str) -> None:
    status, body = raw(
        guard_of(Inner(), fast=fast(FakeLookup({}))), [], [], path=f"/v1/customers/{raw_id}", method="GET"
    )
    assert (status, json.loads(body)["error"]["code"]) == (400, "customer_id")


def test_who_is_unknown_out_of_scope_or_unwilling_is_404() -> None:
    lookup = FakeLookup({"h": {"risk": "high"}, "l": {"risk": "low"}, "o": {"risk": "high"}}, opted_out=["o"])
    guard = guard_of(Inner(), fast=fast(lookup), keys=lambda: keys_of("score", risk=("high",)))
    found = {name: customer(guard, name, **{"x-api-key": KEY}) for name in ("h", "l", "o", "nobody")}
    assert [answer.status_code for answer in found.values()] == [200, 404, 404, 404]
    assert found["l"].content == found["nobody"].content
    assert found["o"].json()["error"]["message"] == "wants no contact"


def test_routes_take_no_query() -> None:
    answer = ask(guard_of(Inner(), fast=fast(FakeLookup({"7": {}}))), "GET", "/v1/customers/7?reasons=false")
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "query")


def test_single_customers_never_reach_the_framework() -> None:
    inner = Inner()
    answer = post(guard_of(inner, fast=fast(FakeLookup({"7": {"clv": 0.1}}))), b'{"customer_id":"7"}')
    assert answer.text == '{"found":true,"customer_id":"7","clv":0.1}'
    assert inner.seen == []


def test_whatever_is_answered_stands_in_the_trail_and_in_the_metrics() -> None:
    notes, metrics = FakeNotes(), Metrics(lambda: "model-1")
    lane = fast(FakeLookup({"7": {}}))
    guard = guard_of(Inner(), keyed=True, fast=lane, trail=notes, metrics=metrics)
    body = b'{"customer_id": "7"}'
    post(guard, body, **{"x-api-key": KEY})
    post(guard, body)
    customer(guard, "8", **{"x-api-key": KEY})
    ask(guard, "GET", "/secret-customer-42", headers={"x-api-key": KEY})
    ask(guard, "GET", "/readyz")
    assert [entry[1:] for entry in notes.entries] == [
        (KEY, "/v1/score", "list-1", sha256_of(body), 1, 200),
        ("", "/v1/score", "", sha256_of(b"/v1/score"), 0, 401),
        (KEY, "/v1/customers/{customer_id}", "", sha256_of(b"/v1/customers/8"), 1, 404),
        (KEY, "(none)", "", sha256_of(b"/secret-customer-42"), 0, 404),
    ]
    told = metrics.text().decode()
    assert 'retain_requests_total{route="/v1/score",status="401"} 1.0' in told
    assert "secret" not in told


class Echo:
    """A back room that gives the question back."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.open.set()
        self.asked = 0

    def answer(self, body: bytes) -> tuple[int, bytes]:
        self.asked += 1
        assert self.open.wait(10)
        asked, given = unpack_question(body)
        asked.model_version, asked.customers = "model-2", 5
        return 200, pack_answer(asked, given)

    def close(self) -> None:
        """Nothing to let go of."""


def batch(guard: Guard, body: bytes) -> httpx.Response:
    return ask(guard, "POST", "/v1/score/batch", content=body, headers={"content-type": "application/json"})


def test_batches_are_answered_in_the_back_room_unread() -> None:
    notes = FakeNotes()
    guard = guard_of(Inner(), batches=Echo(), trail=notes)
    assert batch(guard, b"whatever" * 200).content == b"whatever" * 200
    assert batch(guard, b" " * 2049).status_code == 413
    assert notes.entries[0][2:] == ("/v1/score/batch", "model-2", sha256_of(b"whatever" * 200), 5, 200)


def test_more_batches_than_places_are_429() -> None:
    async def story() -> list[int]:
        echo = Echo()
        echo.open.clear()
        transport = httpx.ASGITransport(guard_of(Inner(), batches=echo))  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            first = asyncio.create_task(client.post("/v1/score/batch", json={}))
            while not echo.asked:
                await asyncio.sleep(0)
            second = await client.post("/v1/score/batch", json={})
            echo.open.set()
            return [(await first).status_code, second.status_code]

    assert asyncio.run(story()) == [200, 429]


def test_only_so_many_large_bodies_are_read_at_a_time() -> None:
    async def story() -> list[int]:
        guard, ends = guard_of(Inner()), asyncio.Event()

        async def slow() -> AsyncIterator[bytes]:
            yield b'{"count":'
            await ends.wait()
            yield b" 1}"

        transport = httpx.ASGITransport(guard)  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            kind = {"content-type": "application/json"}
            send = lambda: client.post("/v1/events", content=slow(), headers=kind)  # noqa: E731
            waiting = [asyncio.create_task(send()) for _ in range(16)]
            while guard._readers.taken < 16:
                await asyncio.sleep(0)
            busy, short = await send(), await client.post("/v1/events", json={"count": 1})
            ends.set()
            return [busy.status_code, short.status_code, *{(await task).status_code for task in waiting}]

    assert asyncio.run(story()) == [429, 200, 200]


def test_the_desk_opens_before_the_application_and_closes_after_it() -> None:
    story: list[str] = []

    class Told(Inner):
        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            story.append("began")
            await super().__call__(scope, receive, send)
            story.append("ended")

    def opening() -> Desk:
        story.append("opened")
        return desk_of(close=lambda: story.append("closed"))

    async def keep(message: Message) -> None:
        story.append(message["type"].removeprefix("lifespan."))

    asyncio.run(Guard(Told(), SETTINGS, opening)({"type": "lifespan"}, _nothing, keep))
    assert story == ["opened", "began", "startup.complete", "closed", "shutdown.complete", "ended"]


def test_websockets_are_closed() -> None:
    sent: list[Message] = []

    async def keep(message: Message) -> None:
        sent.append(message)

    asyncio.run(guard_of(Inner())({"type": "websocket", "path": "/v1/score"}, _nothing, keep))
    assert sent == [{"type": "websocket.close", "code": 1008}]


def raw(
    guard: Guard,
    headers: list[tuple[bytes, bytes]],
    messages: list[Message],
    *,
    path: str = "/v1/score",
    method: str = "POST",
) -> tuple[int, bytes]:
    """One request below the level of httpx, which mends what it sends."""
    sent: list[Message] = []

    async def receive() -> Message:
        return messages.pop(0)

    async def keep(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": method, "path": path, "client": ("127.0.0.1", 9)}
    asyncio.run(guard({**scope, "headers": [(b"host", b"localhost"), *headers]}, receive, keep))
    return (sent[0]["status"], sent[1]["body"]) if sent else (0, b"")


async def _nothing() -> Message:
    return {"type": "lifespan.startup"}


async def _ignore(message: Message) -> None:
    del message
