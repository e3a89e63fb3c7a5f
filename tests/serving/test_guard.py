"""The guard: who may ask, how much, in what shape, and what is said when it is refused."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import httpx
import pytest

from serving.keys import digest_of
from serving.wire import Message
from tests.serving.guarded import (
    HEALTH,
    KEY,
    Inner,
    ask,
    guard_of,
    ignore,
    nothing,
    post,
    raw,
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
    asyncio.run(guard({"type": "lifespan"}, nothing, ignore))
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


def test_websockets_are_closed() -> None:
    sent: list[Message] = []

    async def keep(message: Message) -> None:
        sent.append(message)

    asyncio.run(guard_of(Inner())({"type": "websocket", "path": "/v1/score"}, nothing, keep))
    assert sent == [{"type": "websocket.close", "code": 1008}]


@pytest.mark.parametrize(
    ("path", "length", "body"),
    [
        ("/v1/score", b"20", b'{"customer": not json'),
        ("/v1/decide", b"5", b"wrong"),
        # Not even read: there is nothing to be read here.
        ("/v1/score/batch", b"1900000", None),
        ("/v1/events", b"19000", None),
    ],
)
def test_where_there_is_no_room_a_body_is_not_looked_at(path: str, length: bytes, body: bytes | None) -> None:
    guard = guard_of(Inner())
    for lane in guard._lanes.values():
        lane.taken = lane.places
    headers = [(b"content-type", b"application/json"), (b"content-length", length)]
    messages = [] if body is None else [{"type": "http.request", "body": body, "more_body": False}]
    status, said = raw(guard, headers, list(messages), path=path)
    assert (status, json.loads(said)["error"]["code"]) == (429, "busy")
