"""The outermost layer of the endpoint: who may ask, how much, and in what shape.

Everything passes here before any framework sees it. Health is answered here, so that it never waits for a
model; routes that are not listed do not exist; a request that is too large, not JSON or not of the route's
shape ends here with the one error document of `serving.refusal`.

========== =================================================================
Status     When
========== =================================================================
400        the body is not strict JSON, or does not fit the route's model
401        a key is needed and none, or a wrong one, was given
403        no keys are configured and the caller is not on this machine
404, 405   no such route; another method (``Allow`` names it)
408        the body did not arrive in time
413, 415   the body is too large; it is not plain JSON
429        too many requests are being answered (``Retry-After`` says when)
500, 504   something failed, or took too long (``incident`` in the log)
503        starting or stopping
========== =================================================================
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from pydantic import BaseModel, ValidationError

from serving.keys import Keys
from serving.refusal import Refusal, incident, refusal_of
from serving.settings import ServingSettings
from serving.strict_json import strict_json
from serving.wire import (
    App,
    Message,
    Receive,
    Scope,
    Send,
    check_media_type,
    forward,
    header_values,
    read_body,
    refuse,
    respond,
)

__all__ = ["Guard", "Page", "State"]

_HEALTH = ("/livez", "/readyz", "/healthz")
_INLINE_BYTES = 32_768
# Set on what one guard let through, so that a second one inside does not ask again.
_PASSED = "retain.passed"


@dataclass
class State:
    """Whether the endpoint answers: ``started`` once the model is there, ``stopping`` from SIGTERM on."""

    started: bool = False
    stopping: bool = False
    in_flight: int = field(default=0, repr=False)

    @property
    def word(self) -> str:
        """``"ready"``, ``"starting"`` or ``"stopping"``."""
        if self.stopping:
            return "stopping"
        return "ready" if self.started else "starting"


@dataclass(frozen=True)
class Page:
    """A route answered by ``GET`` without the framework: media type and what makes the body."""

    media_type: str
    body: Callable[[], bytes]


class Guard:
    """ASGI application around another one.

    Parameters
    ----------
    app : ASGI application
        Answers the routes of `models`; sees only bodies that fit them.
    settings : ServingSettings
        ``max_body_bytes`` and ``max_concurrency`` hold here.
    keys : Keys
        With keys every route but the three health routes asks for one (``Authorization: Bearer KEY`` or
        ``X-API-Key: KEY``). Without keys only callers on this machine are answered, under a local name.
    models : mapping of path to pydantic model
        The ``POST`` routes and the shape of their bodies.
    pages : mapping of path to Page
        The ``GET`` routes.
    state : State
        Shared with the server, which sets ``stopping``.
    """

    def __init__(
        self,
        app: App,
        settings: ServingSettings,
        *,
        keys: Keys,
        models: Mapping[str, type[BaseModel]],
        pages: Mapping[str, Page] | None = None,
        state: State | None = None,
    ) -> None:
        self.app, self.settings, self.keys = app, settings, keys
        self.models, self.pages = dict(models), dict(pages or {})
        self.state = state or State()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one connection event."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, self._watch_lifespan(send))
        elif scope["type"] == "http" and scope.get(_PASSED):
            await self.app(scope, receive, send)
        elif scope["type"] == "http":
            await self._http(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1008})

    def _watch_lifespan(self, send: Send) -> Send:
        async def watched(message: Message) -> None:
            if message["type"] == "lifespan.startup.complete":
                self.state.started = True
            await send(message)

        return watched

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        path, method = scope["path"], scope["method"]
        try:
            if path in _HEALTH and method in ("GET", "HEAD"):
                await self._health(path, send)
                return
            self._admit(scope)
            self._find(path, method)
            if path in self.pages:
                page = self.pages[path]
                await respond(send, 200, await asyncio.to_thread(page.body), page.media_type)
            else:
                await self._answer(scope, receive, send)
        except Refusal as refusal:
            await refuse(send, refusal, allow=self._allowed(path))
        except Exception as error:  # noqa: BLE001 - whatever happens, the caller gets the one error document
            await refuse(send, incident(error))

    async def _health(self, path: str, send: Send) -> None:
        word = self.state.word
        alive = path == "/livez" or word == "ready"
        await respond(send, 200 if alive else 503, json.dumps({"status": word}).encode())

    def _admit(self, scope: Scope) -> None:
        if not self.keys:
            if not _is_local(scope):
                text = "no keys are configured: only callers on this machine are answered, under a local name"
                raise Refusal(403, "local_only", text)
            return
        allowed = [self.keys.find(key, datetime.now(UTC)) for key in _presented(scope)]
        if not allowed or not all(allowed):
            text = "give a key: Authorization: Bearer KEY, or X-API-Key: KEY"
            raise Refusal(401, "key_needed", text)

    def _allowed(self, path: str) -> str:
        if path in self.models:
            return "POST"
        return "GET, HEAD" if path in self.pages or path in _HEALTH else ""

    def _find(self, path: str, method: str) -> None:
        allowed = self._allowed(path)
        if not allowed:
            raise Refusal(404, "no_route", "there is no such route; /docs lists them")
        if method not in allowed.split(", "):
            raise Refusal(405, "method", f"this route takes {allowed} only")

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        check_media_type(scope)
        body = await read_body(scope, receive, self.settings.max_body_bytes)
        if body is None:
            return
        if self.state.in_flight >= self.settings.max_concurrency:
            text = f"{self.state.in_flight} requests are being answered already; ask again in a second"
            raise Refusal(429, "busy", text)
        self.state.in_flight += 1
        try:
            await self._check(scope["path"], body)
            await forward(self.app, {**scope, _PASSED: True}, body, receive=receive, send=send)
        finally:
            self.state.in_flight -= 1

    async def _check(self, path: str, body: bytes) -> None:
        if len(body) <= _INLINE_BYTES:
            _fits(self.models[path], body)
        else:
            # A megabyte takes tens of milliseconds, during which health must be answered.
            await asyncio.to_thread(_fits, self.models[path], body)


def _fits(model: type[BaseModel], body: bytes) -> None:
    strict_json(body)
    try:
        model.model_validate_json(body)
    except ValidationError as error:
        raise refusal_of(error) from None


def _presented(scope: Scope) -> list[bytes]:
    keys = header_values(scope, b"x-api-key")
    for value in header_values(scope, b"authorization"):
        kind, _, key = value.partition(b" ")
        keys.append(key.strip() if kind.lower() == b"bearer" else b"")
    return keys


def _is_local(scope: Scope) -> bool:
    """Whether caller and address are this machine's.

    The name is checked too: a web page elsewhere can point its own name at 127.0.0.1.
    """
    client = scope.get("client")
    hosts = header_values(scope, b"host")
    if client is None or len(hosts) != 1:
        return False
    name = hosts[0].decode("latin-1").lower()
    name = name[1:].partition("]")[0] if name.startswith("[") else name.partition(":")[0]
    return _is_loopback(client[0]) and (name == "localhost" or _is_loopback(name))


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
