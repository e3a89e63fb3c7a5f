"""Reading requests and writing answers on the ASGI wire: bounded, timed, with safe headers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from serving.refusal import ERROR_START, Refusal

__all__ = [
    "Answer",
    "App",
    "Message",
    "Receive",
    "Scope",
    "Send",
    "ask_app",
    "check_media_type",
    "headers_of",
    "read_body",
    "refused",
    "respond",
]

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]
Header: TypeAlias = tuple[bytes, bytes]

_BODY_SECONDS = 10.0
_JSON = b"application/json"
_SAFE: list[Header] = [(b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff")]
_NO_SCRIPT: Header = (
    b"content-security-policy",
    b"default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
)
_READ = frozenset(
    (
        *(b"authorization", b"x-api-key", b"host", b"x-request-id"),
        *(b"content-type", b"content-encoding", b"content-length", b"transfer-encoding"),
    )
)


@dataclass(frozen=True)
class Answer:
    """One whole answer.

    Parameters
    ----------
    status : int
        HTTP status.
    body : bytes
        Of the media type.
    media_type : bytes
        JSON unless told otherwise.
    extra : tuple of (name, value)
        Further headers.
    """

    status: int
    body: bytes
    media_type: bytes = _JSON
    extra: tuple[Header, ...] = ()


def headers_of(scope: Scope) -> dict[bytes, list[bytes]]:
    """The headers that the endpoint reads, by name in lower case; all values of each."""
    found: dict[bytes, list[bytes]] = {}
    for name, value in scope["headers"]:
        if name in _READ:
            found.setdefault(name, []).append(value)
    return found


def check_media_type(headers: Mapping[bytes, Sequence[bytes]]) -> None:
    """Refuse a body that does not say it is plain JSON in UTF-8."""
    given = headers.get(b"content-type", ())
    if len(given) != 1 or (given[0] != _JSON and not _is_json(given[0])):
        raise Refusal(415, "media_type", "send Content-Type: application/json (UTF-8)")
    if any(value.strip().lower() != b"identity" for value in headers.get(b"content-encoding", ())):
        raise Refusal(415, "content_encoding", "send the body as it is, without Content-Encoding")


def _is_json(media_type: bytes) -> bool:
    kind, _, parameters = media_type.lower().partition(b";")
    charset = parameters.replace(b" ", b"").replace(b'"', b"")
    return kind.strip() == _JSON and charset in (b"", b"charset=utf-8")


async def read_body(headers: Mapping[bytes, Sequence[bytes]], receive: Receive, limit: int) -> bytes | None:
    """The whole body, or None when the caller went away; never more than `limit` bytes are kept.

    Raises
    ------
    Refusal
        413 when the body is, or says it is, larger than `limit`; 408 when it takes longer than ten seconds.
    """
    _check_declared([value.strip() for value in headers.get(b"content-length", ())], limit)
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            return await _collect(receive, limit)
    except TimeoutError:
        text = f"the body did not arrive within {_BODY_SECONDS:.0f} seconds"
        raise Refusal(408, "slow_body", text) from None


def _check_declared(declared: list[bytes], limit: int) -> None:
    if any(not value.isdigit() for value in declared) or len(set(declared)) > 1:
        raise Refusal(400, "content_length", "Content-Length must be one whole number")
    if declared and (len(declared[0]) > 18 or int(declared[0]) > limit):
        raise _too_large(limit)


async def _collect(receive: Receive, limit: int) -> bytes | None:
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            raise _too_large(limit)
        chunks.append(chunk)
        if not message.get("more_body", False):
            return b"".join(chunks)


def _too_large(limit: int) -> Refusal:
    return Refusal(413, "too_large", f"the body is larger than {limit} bytes; send fewer customers at a time")


async def ask_app(app: App, scope: Scope, body: bytes, *, receive: Receive) -> Answer:
    """Ask the inner application and give its answer.

    Its error pages become the one error document, and its headers are left out: they tell its version.
    """
    status, chunks, given = 500, [], False

    async def replay() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    async def keep(message: Message) -> None:
        nonlocal status
        if message["type"] == "http.response.start":
            status = message["status"]
        elif message["type"] == "http.response.body":
            chunks.append(message.get("body", b""))

    headers = [(b"content-type", _JSON), (b"content-length", str(len(body)).encode())]
    await app({**scope, "headers": headers, "query_string": b""}, replay, keep)
    answer = b"".join(chunks)
    if status >= 400 and not answer.startswith(ERROR_START):
        raise _translated(status)
    return Answer(status, answer)


def _translated(status: int) -> Refusal:
    if status == 504:
        return Refusal(504, "too_slow", "the answer took too long; send fewer customers at a time")
    if status in (429, 503):
        return Refusal(503, "not_ready", "the endpoint cannot answer now; ask again in a second")
    return Refusal(500, "internal", "the request could not be answered; the server's log has the reason")


def refused(refusal: Refusal, *, allow: str = "", unread: bool = True) -> Answer:
    """The error document, with the header that its status asks for.

    With a body `unread` the connection is closed: what is left of it must not pass for the next request.
    """
    extra: list[Header] = []
    if refusal.status == 401:
        extra.append((b"www-authenticate", b'Bearer realm="retain"'))
    elif refusal.status == 405:
        extra.append((b"allow", allow.encode()))
    elif refusal.status in (429, 503):
        extra.append((b"retry-after", b"1"))
    if unread:
        extra.append((b"connection", b"close"))
    return Answer(refusal.status, refusal.body(), extra=tuple(extra))


async def respond(send: Send, answer: Answer) -> None:
    """Write one whole answer."""
    headers = [
        (b"content-type", answer.media_type),
        (b"content-length", str(len(answer.body)).encode()),
        *_SAFE,
        *answer.extra,
    ]
    if answer.media_type.startswith(b"text/html"):
        headers.append(_NO_SCRIPT)
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})
