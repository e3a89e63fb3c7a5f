"""The outermost layer of the endpoint: who may ask, how much, in what shape, and what is kept on record.

Everything passes here before any framework sees it. Health is answered here, so that it never waits for a
model; routes that are not listed do not exist; a request that is too large, not JSON or not of the route's
shape ends here with the one error document of `serving.refusal`. Single customers are answered here as well
(`serving.fast_lane`), batches go to the back room, the rest to the framework.

========== =================================================================
Status     When
========== =================================================================
400        the body is not strict JSON, or does not fit the route's model
401        a key is needed and none, or a wrong one, was given
403        the key lacks the role of the route; or there are no keys and the
           caller is not on this machine
404, 405   no such route or customer; another method (``Allow`` names it)
408        the body did not arrive in time
409        no list was scored yet
413, 415   the body is too large; it is not plain JSON
429        too many requests are being answered (``Retry-After`` says when)
500, 504   something failed, or took too long (``incident`` in the log)
503        starting or stopping, or the database cannot be read
========== =================================================================
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from serving.access import admit, check_role
from serving.asked import ASKED, Asked
from serving.batches import pack_question, unpack_answer
from serving.desk import Batches, Desk, Scoring, sha256_of
from serving.lanes import Lane
from serving.ready_features import ready_one
from serving.refusal import Refusal, fitted, incident
from serving.routes import (
    BATCH,
    CUSTOMER,
    DECIDE,
    EVENTS,
    HEALTH,
    NO_ROUTE,
    SCORE,
    Route,
    customer_of,
    route_of,
)
from serving.schemas import ScoreRequest
from serving.settings import ServingSettings
from serving.strict_json import strict_json
from serving.wire import (
    Answer,
    App,
    Message,
    Receive,
    Scope,
    Send,
    ask_app,
    check_media_type,
    headers_of,
    read_body,
    refused,
    respond,
)

__all__ = ["PASSED", "Guard", "State"]

_INLINE_BYTES = 32_768
_SHORT_DIGITS = 4
# Stands in every body with a customer's rows, and in hardly any other.
_LIVE = b'"customer"'
_READERS = 16
_WRITERS = 4
_LIVE_SECONDS = 20.0
_REQUEST_ID = re.compile(rb"[A-Za-z0-9-]{1,64}")
PASSED = "retain.passed"
"""Set in the scope of what one guard let through, so that a second one inside does not ask again."""


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


class _Call:
    """One request while it is being answered."""

    __slots__ = ("asked", "digest", "headers", "method", "raw_path", "receive", "route", "scope", "unread")

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self.scope, self.receive = scope, receive
        self.raw_path: bytes = scope.get("raw_path") or scope["path"].encode("utf-8", "surrogateescape")
        self.method: str = scope["method"]
        self.route = route_of(self.raw_path)
        self.headers = headers_of(scope)
        self.asked = Asked()
        self.unread = b"transfer-encoding" in self.headers or self.headers.get(b"content-length", [b"0"]) != [
            b"0"
        ]
        self.digest = ""


class Guard:
    """ASGI application around another one.

    Parameters
    ----------
    app : ASGI application
        Answers the ``POST`` routes that nothing before it answers; sees only bodies that fit them.
    settings : ServingSettings
        The limits.
    opening : callable
        Opens the desk; called once, when the lifespan begins or the first request comes.
    state : State, optional
        Shared with the server, which sets ``stopping``.
    """

    def __init__(
        self,
        app: App,
        settings: ServingSettings,
        opening: Callable[[], Desk],
        *,
        state: State | None = None,
    ) -> None:
        self.app, self.settings = app, settings
        self.state = state or State()
        self._opening = opening
        self._desk: Desk | None = None
        self._lanes = _lanes(settings)
        # Large bodies are in memory while they come in.
        self._readers = Lane(_READERS, 0)
        self._batch_threads = ThreadPoolExecutor(1 + settings.batch_waiting, "retain-batch")

    @property
    def desk(self) -> Desk:
        """What answers; opened when first needed."""
        if self._desk is None:
            self._desk = self._opening()
        return self._desk

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one connection event."""
        if scope["type"] == "http":
            if scope.get(PASSED):
                await self.app(scope, receive, send)
            else:
                await self._http(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._lifespan(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1008})

    async def _lifespan(self, scope: Scope, receive: Receive, send: Send) -> None:
        desk = self.desk

        async def watched(message: Message) -> None:
            if message["type"] == "lifespan.startup.complete":
                self.state.started = True
            elif message["type"] in ("lifespan.shutdown.complete", "lifespan.shutdown.failed"):
                # Before it is told: afterwards the server waits for nothing any more.
                await asyncio.to_thread(desk.close)
                self._batch_threads.shutdown(wait=False)
            await send(message)

        await self.app(scope, receive, watched)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = time.perf_counter()
        call = _Call(scope, receive)
        if call.route in HEALTH and call.method in call.route.methods:
            await respond(send, self._health(call.route))
            return
        self.state.in_flight += 1
        try:
            answer = await self._answered(call)
            if answer is not None:
                await respond(send, _with_id(answer, call))
                status, seconds = answer.status, time.perf_counter() - begun
                digest = call.digest or sha256_of(call.raw_path)
                self.desk.record(call.route.template, status, seconds, asked=call.asked, digest=digest)
        finally:
            self.state.in_flight -= 1

    def _health(self, route: Route) -> Answer:
        word = self.state.word
        alive = route.template == "/livez" or word == "ready"
        return Answer(200 if alive else 503, json.dumps({"status": word}).encode())

    async def _answered(self, call: _Call) -> Answer | None:
        try:
            return await self._answer(call)
        except Refusal as refusal:
            return refused(refusal, allow=", ".join(call.route.methods), unread=call.unread)
        except Exception as error:  # noqa: BLE001 - whatever happens, the caller gets the one error document
            return refused(incident(error), unread=call.unread)

    async def _answer(self, call: _Call) -> Answer | None:
        """The answer, or None when the caller went away."""
        desk, route = self.desk, call.route
        call.asked.key = admit(desk.keys(), call.scope, call.headers)
        _check_route(call)
        check_role(call.asked.key, route)
        if route.methods[0] == "POST":
            return await self._post(call)
        if route is CUSTOMER and desk.fast is not None:
            customer_id = customer_of(call.raw_path, self.settings.max_id_length)
            return Answer(200, (await desk.fast.customer(customer_id, call.asked)).encode())
        page = desk.pages.get(route.template)
        if page is None:
            raise _no_route()
        return Answer(200, await asyncio.to_thread(page.body), page.media_type.encode())

    async def _post(self, call: _Call) -> Answer | None:
        check_media_type(call.headers)
        batch = call.route is BATCH
        limit = self.settings.max_batch_bytes if batch else self.settings.max_body_bytes
        small = _is_small(call)
        if not small and call.route is not SCORE:
            self._lanes[call.route.template].check()
        body = await self._body(call, limit, small=small)
        if body is None:
            return None
        call.unread = False
        # Under more questions than can be answered, reading those that are refused would take the time of the others.
        if call.route is not SCORE or _LIVE in body:
            self._lanes[call.route.template].check()
        if batch and self.desk.batches is not None:
            return await self._batch(call, self.desk.batches, body)
        if len(body) <= _INLINE_BYTES:
            fast = self.desk.fast
            if call.route is SCORE and fast is not None and (given := ready_one(body)) is not None:
                call.digest = sha256_of(body)
                return Answer(200, (await fast.ready(given, call.asked)).encode())
            call.digest, document = _read(body)
        else:
            # A megabyte takes tens of milliseconds, during which health must be answered.
            call.digest, document = await asyncio.to_thread(_read, body)
        if call.route is SCORE and self.desk.fast is not None:
            text = await self.desk.fast.score(document, call.asked)
            if text is not None:
                return Answer(200, text.encode())
            if self.desk.live is not None:
                return await self._live(call, self.desk.live, fitted(ScoreRequest, document))
        else:
            fitted(self.desk.shapes[call.route.template], document)
        return await self._framework(call, body)

    async def _body(self, call: _Call, limit: int, *, small: bool) -> bytes | None:
        if small:
            return await read_body(call.headers, call.receive, limit)
        async with self._readers:
            return await read_body(call.headers, call.receive, limit)

    async def _framework(self, call: _Call, body: bytes) -> Answer:
        async with self._lanes[call.route.template]:
            token = ASKED.set(call.asked)
            try:
                return await ask_app(self.app, {**call.scope, PASSED: True}, body, receive=call.receive)
            finally:
                ASKED.reset(token)

    async def _live(self, call: _Call, live: Scoring, request: ScoreRequest) -> Answer:
        async with self._lanes[SCORE.template]:
            try:
                async with asyncio.timeout(_LIVE_SECONDS):
                    text = await asyncio.to_thread(live, request, call.asked)
            except TimeoutError:
                raise Refusal(504, "too_slow", "the answer took too long; send fewer rows") from None
        return Answer(200, text.encode())

    async def _batch(self, call: _Call, batches: Batches, body: bytes) -> Answer:
        async with self._lanes[BATCH.template]:
            loop = asyncio.get_running_loop()
            asking = loop.run_in_executor(self._batch_threads, _ask_back, batches, call.asked, body)
            call.digest, answer = await asking
            return answer


def _lanes(settings: ServingSettings) -> dict[str, Lane]:
    most = max(settings.max_concurrency, _WRITERS)
    return {
        # Who waits behind one who waits is answered too late to be of use.
        SCORE.template: Lane(settings.threads, max(1, settings.threads // 2)),
        # The back room keeps the count of those that wait itself; here they get a thread each.
        BATCH.template: Lane(1 + settings.batch_waiting, 0),
        DECIDE.template: Lane(settings.threads, most - settings.threads),
        EVENTS.template: Lane(_WRITERS, most - _WRITERS),
    }


def _ask_back(batches: Batches, asked: Asked, body: bytes) -> tuple[str, Answer]:
    status, packed = batches.answer(pack_question(asked, body))
    return sha256_of(body), Answer(status, unpack_answer(packed, asked))


def _check_route(call: _Call) -> None:
    if call.route is NO_ROUTE:
        raise _no_route()
    if call.method not in call.route.methods:
        raise Refusal(405, "method", f"this route takes {', '.join(call.route.methods)} only")
    if call.scope.get("query_string") and call.route.template.startswith("/v1/"):
        raise Refusal(400, "query", "this route takes no query; leave out what follows the question mark")


def _no_route() -> Refusal:
    return Refusal(404, "no_route", "there is no such route; /docs lists them")


def _is_small(call: _Call) -> bool:
    """Whether the body says that it is no larger than what comes in one piece."""
    length = call.headers.get(b"content-length", ())
    return len(length) == 1 and length[0].isdigit() and len(length[0]) <= _SHORT_DIGITS


def _read(body: bytes) -> tuple[str, object]:
    return sha256_of(body), strict_json(body)


def _with_id(answer: Answer, call: _Call) -> Answer:
    """The answer under the caller's own number, if that is a plain one."""
    given = call.headers.get(b"x-request-id", ())
    if len(given) != 1 or not _REQUEST_ID.fullmatch(given[0]):
        return answer
    extra = (*answer.extra, (b"x-request-id", given[0]))
    return Answer(answer.status, answer.body, answer.media_type, extra)
