"""Behind the guard: roles and scopes, single customers, batches, the trail, and what opens and closes."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator
from urllib.parse import quote

import httpx
import pytest

from serving.asked import Asked
from serving.batches import pack_answer, unpack_question
from serving.desk import Desk, sha256_of
from serving.fast_lane import FastLane
from serving.guard import Guard
from serving.metrics import Metrics
from serving.row_text import found_text, row_text
from serving.schemas import ScoreRequest
from serving.wire import Message, Receive, Scope, Send
from tests.serving.endpoint_fakes import FakeLookup, FakeModels, FakeNotes
from tests.serving.guarded import (
    KEY,
    SETTINGS,
    Inner,
    ask,
    desk_of,
    guard_of,
    keys_of,
    nothing,
    post,
    raw,
)


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


ROWS = b'{"customer": {"customer_id": "7", "orders": []}}'


def test_rows_of_a_customer_are_scored_in_a_thread_without_the_framework() -> None:
    threads: list[threading.Thread] = []

    def live(request: ScoreRequest, asked: Asked) -> str:
        threads.append(threading.current_thread())
        return found_text(row_text({"customer_id": request.customer and request.customer.customer_id}))

    inner = Inner()
    answer = post(guard_of(inner, fast=fast(FakeLookup({})), live=live), ROWS)
    assert answer.text == '{"found":true,"customer_id":"7"}'
    assert inner.seen == []
    assert threads[0] is not threading.main_thread()


def test_more_rows_than_places_are_429() -> None:
    opened = threading.Event()

    def live(request: ScoreRequest, asked: Asked) -> str:
        assert opened.wait(10)
        return "{}"

    async def story() -> list[int]:
        guard = guard_of(Inner(), fast=fast(FakeLookup({})), live=live)
        transport = httpx.ASGITransport(guard)  # type: ignore[arg-type]
        headers = {"content-type": "application/json"}
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            asking = [client.post("/v1/score", content=ROWS, headers=headers) for _ in range(3)]
            tasks = [asyncio.create_task(one) for one in asking]
            refused, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            opened.set()
            return [(await task).status_code for task in (*refused, *tasks)]

    assert sorted(asyncio.run(story())) == [200, 200, 429, 429]


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

    asyncio.run(Guard(Told(), SETTINGS, opening)({"type": "lifespan"}, nothing, keep))
    assert story == ["opened", "began", "startup.complete", "closed", "shutdown.complete", "ended"]
