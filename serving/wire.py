"""Reading requests and writing answers on the ASGI wire: bounded, timed, with safe headers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

from serving.refusal import ERROR_START, Refusal

__all__ = [
    "App",
    "Message",
    "Receive",
    "Scope",
    "Send",
    "check_media_type",
    "forward",
    "header_values",
    "read_body",
    "refuse",
    "respond",
]

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]
Header: TypeAlias = tuple[bytes, bytes]

_BODY_SECONDS = 10.0
_SAFE: list[Header] = [(b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff")]
_NO_SCRIPT: Header = (
    b"content-security-policy",
    b"default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
)
# Before these the body was read whole, so that the connection can be used again.
_BODY_READ = (400, 429, 500, 503, 504)


def header_values(scope: Scope, name: bytes) -> list[bytes]:
    """All values of one header (`name` in lower case), without the blanks around them."""
    return [value.strip() for key, value in scope["headers"] if key.lower() == name]


def check_media_type(scope: Scope) -> None:
    """Refuse a body that does not say it is plain JSON in UTF-8."""
    given = header_values(scope, b"content-type")
    kind, _, parameters = given[0].lower().partition(b";") if len(given) == 1 else (b"", b"", b"")
    charset = parameters.replace(b" ", b"").replace(b'"', b"")
    if kind.strip() != b"application/json" or charset not in (b"", b"charset=utf-8"):
        raise Refusal(415, "media_type", "send Content-Type: application/json (UTF-8)")
    if any(value.lower() != b"identity" for value in header_values(scope, b"content-encoding")):
        raise Refusal(415, "content_encoding", "send the body as it is, without Content-Encoding")


async def read_body(scope: Scope, receive: Receive, limit: int) -> bytes | None:
    """The whole body, or None when the caller went away; never more than `limit` bytes are kept.

    Raises
    ------
    Refusal
        413 when the body is, or says it is, larger than `limit`; 408 when it takes longer than ten seconds.
    """
    _check_declared(header_values(scope, b"content-length"), limit)
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


async def forward(app: App, scope: Scope, body: bytes, *, receive: Receive, send: Send) -> None:
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

    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await app({**scope, "headers": headers, "query_string": b""}, replay, keep)
    answer = b"".join(chunks)
    if status >= 400 and not answer.startswith(ERROR_START):
        raise _translated(status)
    await respond(send, status, answer)


def _translated(status: int) -> Refusal:
    if status == 504:
        return Refusal(504, "too_slow", "the answer took too long; send fewer customers at a time")
    if status in (429, 503):
        return Refusal(503, "not_ready", "the endpoint cannot answer now; ask again in a second")
    return Refusal(500, "internal", "the request could not be answered; the server's log has the reason")


async def refuse(send: Send, refusal: Refusal, *, allow: str = "") -> None:
    """Give the error document, with the header that its status asks for."""
    extra: list[Header] = []
    if refusal.status == 401:
        extra.append((b"www-authenticate", b'Bearer realm="retain"'))
    elif refusal.status == 405:
        extra.append((b"allow", allow.encode()))
    elif refusal.status in (429, 503):
        extra.append((b"retry-after", b"1"))
    if refusal.status not in _BODY_READ:
        extra.append((b"connection", b"close"))
    await respond(send, refusal.status, refusal.body(), extra=extra)


async def respond(
    send: Send,
    status: int,
    body: bytes,
    media_type: str = "application/json",
    *,
    extra: list[Header] | None = None,
) -> None:
    """Write one whole answer."""
    headers = [
        (b"content-type", media_type.encode()),
        (b"content-length", str(len(body)).encode()),
        *_SAFE,
        *([_NO_SCRIPT] if media_type.startswith("text/html") else []),
        *(extra or []),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
