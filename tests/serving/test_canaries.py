"""Values of customers, planted everywhere a request has room for them, never come back and are never logged."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from features.errors import InputError
from serving.asked import ASKED
from serving.desk import Desk, Page
from serving.fast_lane import FastLane
from serving.guard import Guard, State
from serving.keys import Keys
from serving.live import Live, LiveSettings
from serving.metrics import Metrics
from serving.settings import ServingSettings
from serving.shapes import SHAPES
from serving.strict_json import strict_json
from serving.wire import Receive, Scope, Send
from tests.serving.endpoint_fakes import (
    FakeKnown,
    FakeLookup,
    FakeModels,
    FakeNotes,
    FakeServed,
    PassingScorer,
)

CANARIES = ("canary-4711", "canary@example.com", "+49 171 5550000", "4111111111111111", "王小明金丝雀")
SETTINGS = ServingSettings(max_body_bytes=4096, max_rows=3, max_id_length=40)


class Broken(PassingScorer):
    """Fails with what it was asked in its message, as libraries do."""

    def answer_rows(self, *given: Any, **more: Any) -> list[dict[str, Any]]:
        raise ValueError(f"cannot score {given} {more}")


class Quoting(FakeLookup):
    """A database that cannot be read and says whom it was asked for."""

    def get(self, customer_id: str) -> Any:
        raise KeyError(customer_id)


def inner(live: Live) -> Any:
    """A framework that answers as the service does, and lets its failures out."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        request = SHAPES[scope["path"]].model_validate(strict_json((await receive())["body"]))
        answers: dict[str, Any] = {"/v1/score": live.one, "/v1/score/batch": live.many}
        text = answers.get(scope["path"], lambda *_: "{}")(request, ASKED.get())
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": text.encode()})

    return app


def guard(notes: FakeNotes, metrics: Metrics, lookup: FakeLookup, scorer: Any = None) -> Guard:
    models = FakeModels(FakeServed(scorer or PassingScorer()))
    settings = LiveSettings(models=Path("m"), store_url="sqlite://", serving=SETTINGS)
    live = Live(settings, models, lookup, past=FakeKnown())
    fast = FastLane(lookup, models, longest_id=40)
    page = Page("text/plain", lambda: 1 / 0)  # type: ignore[arg-type, return-value]
    desk = Desk(lambda: Keys(), {"/v1/model": page}, SHAPES, fast, None, notes, metrics)
    return Guard(inner(live), SETTINGS, lambda: desk, state=State(started=True))


def requests(canary: str) -> Iterator[tuple[str, str, bytes]]:
    """Requests that are wrong in every way, each with the value in it."""
    line = {"time": "2026-01-05", "amount": 9.5}
    yield "GET", f"/v1/customers/{quote(canary)}", b""
    yield "GET", f"/v1/customers/{quote(canary * 9)}", b""
    yield "GET", f"/{quote(canary)}", b""
    yield "GET", f"/v1/customers/7?who={quote(canary)}", b""
    yield "GET", "/v1/model", b""
    yield "PUT", f"/v1/customers/{quote(canary)}", canary.encode()
    bodies: list[Any] = [
        canary,
        {canary: canary},
        {"customer_id": canary, "as_of": canary},
        {"customer_id": canary * 9},
        {"customer_id": [canary]},
        {"customer_id": canary, "features": {canary: canary}},
        {"customer": {"customer_id": canary, "orders": [{**line, "amount": canary}]}},
        {"customer": {"customer_id": canary, "orders": [{**line, canary: 1}]}},
        {"customer": {"customer_id": canary, "orders": [{**line, "product": canary}]}, "as_of": "2026-03-01"},
        {"customer_ids": [canary] * 4},
        {"customers": [{"customer_id": canary, "orders": []}] * 2},
        {"events": [{"event_id": canary, "kind": canary, "customer_id": canary, "data": {}}]},
        {
            "events": [
                {"event_id": canary, "kind": "consent", "customer_id": canary, "data": {"time": canary}}
            ]
        },
        {"customer_id": canary, "x": canary * 2000},
    ]
    for path in SHAPES:
        for body in bodies:
            raw = json.dumps(body, ensure_ascii=False).encode()
            yield "POST", path, raw
            yield "POST", path, raw[:-1]
            yield "POST", path, raw.replace(b"{", b'{"customer_id":"a",', 1)
            yield "POST", path, raw.replace(canary.encode(), canary.encode() + b"\\ud800")


def ask_all(built: Guard, canary: str) -> list[httpx.Response]:
    async def story() -> list[httpx.Response]:
        transport = httpx.ASGITransport(built)  # type: ignore[arg-type]
        headers = {"content-type": "application/json", "x-request-id": canary.encode()}
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            return [
                await client.request(method, path, content=body, headers=headers)
                for method, path, body in requests(canary)
            ]

    return asyncio.run(story())


@pytest.mark.parametrize("canary", CANARIES)
def test_no_planted_value_leaves_by_an_error_a_log_a_metric_or_the_trail(
    canary: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "retain")
    notes, metrics = FakeNotes(), Metrics(lambda: "model-1")
    healthy, quoting = FakeLookup({}), Quoting({})
    for lookup, scorer in ((healthy, None), (healthy, Broken()), (quoting, None)):
        for answer in ask_all(guard(notes, metrics, lookup, scorer), canary):
            told = answer.json()
            if answer.status_code != 200:
                assert canary not in json.dumps(told, ensure_ascii=False)
            # The caller's own number comes back when it is a plain one, and nothing else.
            headers = {name: value for name, value in answer.headers.items() if name != "x-request-id"}
            assert canary not in str(headers)
    seen = caplog.text + metrics.text().decode() + "".join(map(str, notes.entries))
    assert "incident" in caplog.text
    assert canary not in seen
    assert {entry.status for entry in notes.entries} >= {200, 400, 404, 405, 413, 500}


def test_what_a_database_says_is_told_without_its_values() -> None:
    lookup = FakeLookup({})
    lookup.broken = True
    answers = ask_all(guard(FakeNotes(), Metrics(lambda: ""), lookup), "canary-4711")
    refused = [answer.json()["error"] for answer in answers if answer.status_code == 503]
    assert {error["message"] for error in refused} == {"state database: could not be read"}
    assert issubclass(InputError, Exception)
