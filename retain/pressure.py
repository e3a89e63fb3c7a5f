"""Putting pressure on an HTTP endpoint, and measuring what it does under it.

A small client over plain connections, so that it costs a few hundredths of a millisecond per request: what is
measured should be the endpoint. Requests are ready bytes. *Closed* pressure asks again as soon as it was answered;
*open* pressure asks at a rate whatever comes back, so that waiting counts as latency.
"""

from __future__ import annotations

import asyncio
import math
import ssl
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

__all__ = ["Address", "Pressed", "ask_each", "ask_once", "closed_pressure", "http_request", "open_pressure"]

_HEAD_END = b"\r\n\r\n"


@dataclass(frozen=True)
class Address:
    """Where the endpoint is.

    Examples
    --------
    >>> Address.of("http://127.0.0.1:3000")
    Address(host='127.0.0.1', port=3000, encrypted=False)
    """

    host: str
    port: int
    encrypted: bool = False

    @classmethod
    def of(cls, url: str) -> Address:
        """From ``http://HOST:PORT`` or ``https://HOST``; ValueError for anything else."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{url!r} is no address such as http://127.0.0.1:3000")
        encrypted = parts.scheme == "https"
        return cls(parts.hostname, parts.port or (443 if encrypted else 80), encrypted)


@dataclass
class Pressed:
    """What came of some pressure.

    Parameters
    ----------
    seconds : float
        How long it lasted.
    latencies : list of float
        Seconds of each answered request, in the order of their answers.
    statuses : Counter of int
        Answers by HTTP status.
    broken : int
        Requests that no answer came to, after one try each.
    """

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    broken: int = 0
    by_status: dict[int, list[float]] = field(default_factory=dict)

    @property
    def rate(self) -> float:
        """Answers per second."""
        return len(self.latencies) / self.seconds if self.seconds else 0.0

    def quantile(self, share: float, status: int | None = None) -> float:
        """Latency in seconds that `share` of the answers (with this status) do not exceed; NaN without any.

        Examples
        --------
        >>> Pressed(latencies=[3.0, 1.0, 2.0]).quantile(0.5)
        2.0
        """
        known = sorted(self.latencies if status is None else self.by_status.get(status, []))
        return known[max(math.ceil(share * len(known)) - 1, 0)] if known else math.nan

    def answered(self, status: int, seconds: float) -> None:
        """Count one answer."""
        self.statuses[status] += 1
        self.latencies.append(seconds)
        self.by_status.setdefault(status, []).append(seconds)


def http_request(
    method: str, path: str, body: bytes = b"", *, key: str | None = None, host: str = "localhost"
) -> bytes:
    """One request as bytes.

    Examples
    --------
    >>> http_request("GET", "/livez").split(b"\\r\\n")[0]
    b'GET /livez HTTP/1.1'
    """
    lines = [f"{method} {path} HTTP/1.1", f"host: {host}"]
    if key:
        lines.append(f"authorization: Bearer {key}")
    if method == "POST":
        lines += ["content-type: application/json", f"content-length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + body


class _Line(asyncio.Protocol):
    """One connection: asks, waits for the whole answer."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.waiting: asyncio.Future[tuple[int, bytes]] | None = None
        self.read = bytearray()
        self.lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        if self.waiting is not None and not self.waiting.done():
            self.waiting.set_exception(ConnectionError("closed"))

    def data_received(self, data: bytes) -> None:
        self.read += data
        end = self.read.find(_HEAD_END)
        if end < 0 or self.waiting is None or self.waiting.done():
            return
        head = bytes(self.read[:end]).lower()
        size = _length(head)
        start = end + len(_HEAD_END)
        if len(self.read) - start >= size:
            answer = int(head[9:12]), bytes(self.read[start : start + size])
            del self.read[: start + size]
            if b"\r\nconnection: close" in head:
                self.lost = True
            self.waiting.set_result(answer)

    def ask(self, request: bytes) -> asyncio.Future[tuple[int, bytes]]:
        assert self.transport is not None
        self.waiting = asyncio.get_running_loop().create_future()
        if self.lost:
            self.waiting.set_exception(ConnectionError("closed"))
        else:
            self.transport.write(request)
        return self.waiting


def _length(head: bytes) -> int:
    at = head.find(b"\r\ncontent-length:")
    return int(head[at + 17 :].split(b"\r\n", 1)[0]) if at >= 0 else 0


async def _open(address: Address) -> _Line:
    context = ssl.create_default_context() if address.encrypted else None
    loop = asyncio.get_running_loop()
    _, line = await loop.create_connection(_Line, address.host, address.port, ssl=context)
    return line


def _shut(line: _Line) -> None:
    if line.transport is not None:
        line.transport.abort()


async def ask_once(address: Address, request: bytes, *, timeout: float = 30.0) -> tuple[int, bytes]:
    """Ask on a connection of its own, as any of the processes behind the address may take it.

    Parameters
    ----------
    address : Address
        Where to ask.
    request : bytes
        As `http_request` makes it.
    timeout : float
        Seconds to wait for the answer, above 0.

    Returns
    -------
    tuple of int and bytes
        HTTP status and body.

    Raises
    ------
    OSError
        There is no connection, it broke, or no answer came in time.
    """
    line = await _open(address)
    try:
        return await asyncio.wait_for(line.ask(request), timeout)
    finally:
        _shut(line)


Check = Callable[[int, int, bytes], None]
"""Gets the place of the request, the status and the body of each answer."""


async def closed_pressure(
    address: Address,
    requests: Sequence[bytes],
    *,
    clients: int,
    seconds: float,
    check: Check | None = None,
    timeout: float = 30.0,
) -> Pressed:
    """Each client asks again once it is answered, for some seconds; requests are taken in turn."""
    found, began = Pressed(), time.perf_counter()
    until, turn = began + seconds, iter(range(10**12))

    async def client() -> None:
        line = await _open(address)
        while time.perf_counter() < until:
            place = next(turn) % len(requests)
            line = await _one(address, line, requests[place], place, found, check=check, timeout=timeout)
        _shut(line)

    await asyncio.gather(*(client() for _ in range(clients)))
    found.seconds = time.perf_counter() - began
    return found


async def ask_each(
    address: Address, requests: Sequence[bytes], *, clients: int, check: Check, timeout: float = 60.0
) -> int:
    """Ask each request once, some at a time; how many got no answer."""
    found, places = Pressed(), iter(range(len(requests)))

    async def client() -> None:
        line = await _open(address)
        for place in places:
            line = await _one(address, line, requests[place], place, found, check=check, timeout=timeout)
        _shut(line)

    await asyncio.gather(*(client() for _ in range(clients)))
    return found.broken


async def open_pressure(
    address: Address,
    requests: Sequence[bytes],
    *,
    rate: float,
    seconds: float,
    check: Check | None = None,
    timeout: float = 30.0,
    most: int = 512,
) -> Pressed:
    """Asks at a rate, on a connection that is free or a new one; latency counts from when it was due.

    With `most` requests on the way a due one is not sent and counts as broken: the client would be the bottleneck.
    """
    found, began, free = Pressed(), time.perf_counter(), list[_Line]()
    on_the_way = set[asyncio.Task[None]]()

    async def ask(place: int, due: float) -> None:
        try:
            line = free.pop() if free else await _open(address)
        except OSError:
            found.broken += 1
            return
        line = await _one(
            address, line, requests[place], place, found, check=check, timeout=timeout, due=due, again=False
        )
        if line.lost:
            _shut(line)
        else:
            free.append(line)

    for turn in range(int(rate * seconds)):
        due = began + turn / rate
        if (wait := due - time.perf_counter()) > 0:
            await asyncio.sleep(wait)
        if len(on_the_way) >= most:
            found.broken += 1
            continue
        task = asyncio.create_task(ask(turn % len(requests), due))
        on_the_way.add(task)
        task.add_done_callback(on_the_way.discard)
    await asyncio.gather(*on_the_way)
    found.seconds = time.perf_counter() - began
    for line in free:
        _shut(line)
    return found


async def _one(
    address: Address,
    line: _Line,
    request: bytes,
    place: int,
    found: Pressed,
    *,
    check: Check | None,
    timeout: float,
    due: float | None = None,
    again: bool = True,
) -> _Line:
    """Asks once, counts what came, and gives a connection to go on with."""
    began = time.perf_counter() if due is None else due
    try:
        if line.lost and again:
            _shut(line)
            line = await _open(address)
        status, body = await asyncio.wait_for(line.ask(request), timeout)
    except (OSError, TimeoutError):
        found.broken += 1
        line.lost = True
        _shut(line)
        return line
    found.answered(status, time.perf_counter() - began)
    if check is not None:
        check(place, status, body)
    return line
