"""HTTP/1.1 on one connection, with the limits that keep strangers from using the process up.

uvicorn parses strictly, but waits for ever for headers that never end, lets connections run out, and answers
nonsense in plain text. Here a connection on which nothing is being answered always waits in one of the states
of `WAITS`, and each of them ends.

When more connections are open than may be, the one that has waited longest for its caller is closed in favour
of the new one: those who hold connections without asking never keep out those who ask.

References
----------
RFC 9112 (2022), sections 2.2, 3.2, 6.3 and 9: what a server must refuse, and how it ends a connection.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Any

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.server import ServerState

from serving.refusal import Refusal

__all__ = ["WAITS", "BoundedProtocol", "Connections", "Limits"]

# In the order in which connections are given up when there are too many.
WAITS = {
    "half_open": "nothing came yet, or the beginning of a request: until its headers are there",
    "idle": "the last answer was given: until the next request begins",
    "lingering": "refused while the caller was still sending: until it has had time to read why",
    "leaving": "answered for the last time: until the caller has read it",
    "unread": "an answer is being written and the caller does not read on",
}
_IDLE_SECONDS = 5.0
_LINGER_SECONDS = 2.0
_WRITE_SECONDS = 30.0
# Each byte of a body may bring this many with it, such as the lengths of chunks.
_EXTRA_PER_BYTE = 8


@dataclass(frozen=True)
class Limits:
    """What one connection, and all of them together, may take.

    Parameters
    ----------
    header_seconds : float
        Seconds until the headers of a request must be complete, above 0.
    header_bytes : int
        Bytes of address and headers together.
    headers : int
        Number of headers.
    connections : int
        Open connections of the process.
    """

    header_seconds: float = 5.0
    header_bytes: int = 16_384
    headers: int = 100
    connections: int = 4096


class Connections:
    """The open connections of a process, and since when which of them wait.

    Parameters
    ----------
    limits : Limits
        What they may take.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.stopping = False
        self.open: set[BoundedProtocol] = set()
        self._seconds = {
            "half_open": limits.header_seconds,
            "idle": _IDLE_SECONDS,
            "lingering": _LINGER_SECONDS,
            "leaving": _WRITE_SECONDS,
            "unread": _WRITE_SECONDS,
        }
        # Each in the order in which the waiting began, so that the first is the one that waits longest.
        self.half_open, self.idle, self.lingering, self.leaving, self.unread = self._waits = tuple(
            dict[BoundedProtocol, float]() for _ in WAITS
        )

    def admit(self, connection: BoundedProtocol) -> None:
        """Count a new connection in; when there are too many, close the one that has waited longest."""
        self.open.add(connection)
        self.half_open[connection] = time.monotonic()
        if len(self.open) > self.limits.connections:
            longest = [next(iter(waits.items())) for waits in self._waits if waits]
            min(longest, key=lambda waiting: waiting[1])[0].drop()

    def forget(self, connection: BoundedProtocol) -> None:
        """Count a closed connection out."""
        self.open.discard(connection)
        self.attend(connection)

    def attend(self, connection: BoundedProtocol) -> None:
        """The connection waits for nothing any more."""
        for waits in self._waits:
            waits.pop(connection, None)

    def sweep(self) -> None:
        """End what has waited too long; to be called several times a second."""
        now = time.monotonic()
        for kind, waits in zip(WAITS, self._waits, strict=True):
            expired = []
            for connection, since in waits.items():
                if now - since < self._seconds[kind]:
                    break
                expired.append(connection)
            for connection in expired:
                connection.give_up(kind)

    def stop(self) -> None:
        """From now on each answer is the last one on its connection."""
        self.stopping = True
        for connection in self.open:
            connection.answer_last()


class _Wire:
    """The transport as a request sees it: closing goes through the connection, which may have to linger."""

    __slots__ = ("close", "is_closing", "write")

    def __init__(self, connection: BoundedProtocol) -> None:
        self.write = connection.transport.write
        self.is_closing = connection.transport.is_closing
        self.close = connection.leave


class BoundedProtocol(HttpToolsProtocol):
    """One connection.

    Parameters
    ----------
    config, server_state, app_state, _loop
        As uvicorn gives them.
    crowd : Connections
        All connections of the process.
    """

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        crowd: Connections,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.crowd = crowd
        self.wire: Any = None
        self.in_head = False
        # What came beside bodies since the request began, but for the piece in which it began.
        self.extra_bytes = 0
        # Nothing more is read from the caller.
        self.deaf = False
        self.fault: Refusal | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a new connection."""
        super().connection_made(transport)
        self.wire = _Wire(self)
        self.crowd.admit(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go of a closed connection."""
        self.deaf = True
        self.crowd.forget(self)
        super().connection_lost(exc)
        self.wire = None

    def data_received(self, data: bytes) -> None:
        """Read on; what is not HTTP ends the connection."""
        if self.deaf:
            return
        self.crowd.idle.pop(self, None)
        self.extra_bytes += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # Answered in HTTP/1.1; what follows is in a language that is not spoken here.
            self.deaf = True
            self.answer_last()
        except httptools.HttpParserError:
            self._refuse(self.fault or _not_http())
        else:
            self._after_data()

    def _after_data(self) -> None:
        if self.in_head or not self._asking():
            self.crowd.half_open.setdefault(self, time.monotonic())
        if self.extra_bytes > self.crowd.limits.header_bytes:
            self._refuse(_too_long(self.crowd.limits))

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self.in_head, self.extra_bytes = True, 0

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header; those behind a body are left out, as they must not pass for those before it."""
        if self.in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The request can be answered, unless its headers are too many, too long or ambiguous."""
        self.in_head = False
        self.crowd.half_open.pop(self, None)
        self.fault = self._header_fault()
        if self.fault is not None:
            raise self.fault
        super().on_headers_complete()
        self.cycle.transport = self.wire
        if self.crowd.stopping:
            self.cycle.keep_alive = False

    def _header_fault(self) -> Refusal | None:
        limits, version = self.crowd.limits, self.parser.get_http_version()
        names = [name for name, _ in self.headers]
        size = len(self.url) + sum([len(name) + len(value) for name, value in self.headers])
        if size > limits.header_bytes or len(names) > limits.headers:
            return _too_long(limits)
        if version not in ("1.1", "1.0"):
            return _not_http()
        hosts = names.count(b"host")
        if hosts > 1 or (hosts == 0 and version == "1.1"):
            return Refusal(400, "host", "send one Host header")
        if version == "1.0" and b"transfer-encoding" in names:
            return Refusal(400, "content_length", "send Content-Length: HTTP/1.0 knows no Transfer-Encoding")
        codings = [value.strip().lower() for name, value in self.headers if name == b"transfer-encoding"]
        if codings not in ([], [b"chunked"]):
            return Refusal(400, "transfer_encoding", "send the body plain or chunked, in no other coding")
        return None

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        self.extra_bytes = max(0, self.extra_bytes - _EXTRA_PER_BYTE * len(body))
        super().on_body(body)

    def on_response_complete(self) -> None:
        """The answer is written: go on with the next request, or wait for it."""
        self.server_state.total_requests += 1
        if self.transport.is_closing() or self in self.crowd.lingering:
            return
        self.flow.resume_reading()
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cycle, app)
        elif self.cycle.more_body:
            self.leave()
        elif self not in self.crowd.half_open:
            self.crowd.idle[self] = time.monotonic()

    def pause_writing(self) -> None:
        """The caller does not read as fast as is written."""
        super().pause_writing()
        self.crowd.unread[self] = time.monotonic()

    def resume_writing(self) -> None:
        """The caller has read on."""
        super().resume_writing()
        self.crowd.unread.pop(self, None)

    def shutdown(self) -> None:
        """The server stops: what is being answered is the last, what waits is closed."""
        if self._asking():
            self.answer_last()
        else:
            self.leave()

    def give_up(self, kind: str) -> None:
        """The connection has waited too long in one of `WAITS`."""
        self.crowd.attend(self)
        if kind == "half_open" and self.in_head:
            seconds = self.crowd.limits.header_seconds
            text = f"the headers did not arrive within {seconds:g} seconds"
            self._refuse(Refusal(408, "slow_headers", text))
        elif kind in ("half_open", "idle"):
            self.leave()
        else:
            self.drop()

    def answer_last(self) -> None:
        """Close after the answer that is being made."""
        if self._asking():
            self.cycle.keep_alive = False

    def leave(self) -> None:
        """Close once the caller has read what was written; one that still sends is given time to."""
        if self.transport.is_closing() or self in self.crowd.lingering:
            return
        sending = self.deaf or (self.cycle is not None and self.cycle.more_body)
        self.deaf = True
        self.crowd.attend(self)
        now = time.monotonic()
        if sending:
            # Closed with bytes unread, the connection would be reset and the answer lost with it.
            self.crowd.lingering[self] = now
            self.flow.resume_reading()
            self.transport.write_eof()
        else:
            self.crowd.leaving[self] = now
            self.transport.close()

    def drop(self) -> None:
        """Close now, whatever was not read yet."""
        self.crowd.forget(self)
        self.transport.abort()

    def _asking(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _refuse(self, refusal: Refusal) -> None:
        """Give the error document and close; what was asked properly before is answered first."""
        self.deaf = True
        if self._asking() and not self.cycle.more_body:
            self.answer_last()
        elif self._asking() and (self.cycle.response_started or self.pipeline):
            self.drop()
        else:
            if self._asking():
                self.cycle.disconnected = True
                self.cycle.message_event.set()
            self.transport.write(_answer(refusal, self.server_state.default_headers))
            self.leave()


def _answer(refusal: Refusal, headers: list[tuple[bytes, bytes]]) -> bytes:
    body = refusal.body()
    lines = [
        *headers,
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
        (b"connection", b"close"),
    ]
    head = b"".join(name + b": " + value + b"\r\n" for name, value in lines)
    return STATUS_LINE[refusal.status] + head + b"\r\n" + body


def _not_http() -> Refusal:
    return Refusal(400, "not_http", "this is not HTTP/1.1 as this endpoint understands it")


def _too_long(limits: Limits) -> Refusal:
    text = f"address and headers are longer than {limits.header_bytes} bytes, or more than {limits.headers}"
    return Refusal(431, "long_headers", text)
