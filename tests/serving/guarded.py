"""A guard around a framework of a few lines, and ways to ask it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
from pydantic import BaseModel, ConfigDict

from serving.desk import Desk, Page
from serving.guard import Guard, State
from serving.keys import ROLES, Key, Keys, digest_of
from serving.settings import ServingSettings
from serving.wire import Message, Receive, Scope, Send

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


async def nothing() -> Message:
    return {"type": "lifespan.startup"}


async def ignore(message: Message) -> None:
    del message
