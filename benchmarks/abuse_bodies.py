"""Bodies that are too large, never end, lie about their length or come a byte at a time; connections that only wait."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import statistics
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import psutil
from abuse_target import Caller, Figure, Reply, Target, is_refusal, request

from retain.pressure import Pressed, closed_pressure, http_request

__all__ = ["bodies", "idle"]

MIB = 1_048_576
HUGE = 400 * MIB
HEAD = "POST /v1/score HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\nauthorization: Bearer {key}\r\n"
BODY_SECONDS = 10.0


@dataclass
class Watch:
    """The service's memory in bytes and the seconds that ``/livez`` took, again and again."""

    memory: list[int] = field(default_factory=list)
    alive: list[float] = field(default_factory=list)

    @property
    def grown(self) -> float:
        """MiB over the first look."""
        return (max(self.memory) - self.memory[0]) / MIB


@contextlib.contextmanager
def watched(target: Target) -> Iterator[Watch]:
    """Watch the service while the block runs."""
    watch, over = Watch(), threading.Event()
    watch.memory.append(memory(target))

    def look() -> None:
        with target.caller() as caller:
            while not over.wait(0.02):
                began = time.perf_counter()
                if caller.ask(request("GET", "/livez")).status == 200:
                    watch.alive.append(time.perf_counter() - began)
                else:
                    watch.alive.append(float("inf"))
                watch.memory.append(memory(target))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield watch
    finally:
        over.set()
        thread.join()


def memory(target: Target) -> int:
    """Resident bytes of all processes of the service."""
    service = psutil.Process(target.server.process.pid)
    total = 0
    for process in (service, *service.children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess):
            total += process.memory_info().rss
    return total


def bodies(target: Target) -> list[Figure]:
    """Each kind of body."""
    return [
        *_huge(target),
        *_at_the_limit(target),
        _without_end(target),
        *_slow(target),
        _smuggled(target),
    ]


def _huge(target: Target) -> list[Figure]:
    figures = []
    piece = b"x" * MIB
    chunk = b"%x\r\n%b\r\n" % (MIB, piece)
    kinds = {
        "declared": (f"content-length: {HUGE}", piece),
        "in chunks": ("transfer-encoding: chunked", chunk),
    }
    for kind, (header, part) in kinds.items():
        head = (HEAD.format(key=target.shop.key) + header + "\r\n\r\n").encode()
        times, grown, alive = [], [], []
        for _ in range(target.count(5, 3)):
            with watched(target) as watch:
                seconds, reply = _pour(target, head, part, HUGE // MIB)
                time.sleep(0.3)
            times.append(seconds if is_refusal(reply, statuses=range(413, 414)) else float("inf"))
            grown.append(watch.grown)
            alive.append(max(watch.alive))
        took, most, slowest = statistics.median(times), max(grown), statistics.median(alive) * 1e3
        figures += [
            Figure(f"400 MiB body, {kind}: until 413", f"{took * 1e3:.0f} ms", "≤ 1 s", took <= 1),
            Figure(f"400 MiB body, {kind}: memory", f"+ {most:.1f} MiB", "≤ + 50 MiB", most <= 50),
            Figure(
                f"400 MiB body, {kind}: slowest /livez meanwhile",
                f"{slowest:.0f} ms",
                "≤ 100 ms",
                slowest <= 100,
            ),
        ]
    return figures


def _pour(target: Target, head: bytes, part: bytes, parts: int) -> tuple[float, Reply]:
    """Send until an answer comes; how long that took, and the answer."""
    answered = threading.Event()
    with target.caller() as caller:
        line, began = caller.open(), time.perf_counter()
        line.sendall(head)

        def pour() -> None:
            with contextlib.suppress(OSError):
                for _ in range(parts):
                    if answered.is_set():
                        return
                    line.sendall(part)

        thread = threading.Thread(target=pour)
        thread.start()
        reply = caller.answer()
        seconds = time.perf_counter() - began
        answered.set()
        with contextlib.suppress(OSError):
            line.shutdown(socket.SHUT_RDWR)
        thread.join()
    return seconds, reply


def _at_the_limit(target: Target) -> list[Figure]:
    """A byte more than may be is refused, what just fits is answered; both routes have limits of their own."""
    one = json.dumps({"customer_id": target.shop.ids[0]}).encode()
    many = json.dumps({"customer_ids": list(target.shop.ids[:3])}).encode()
    wrong = []
    with target.caller() as caller:
        for path, body, limit in (("/v1/score", one, MIB), ("/v1/score/batch", many, 8 * MIB)):
            for size, status in ((limit, 200), (limit + 1, 413)):
                reply = caller.ask(request("POST", path, body.ljust(size), key=target.shop.key))
                if reply.status != status:
                    wrong.append(f"{path} with {size} bytes: {reply.status}")
    return [
        Figure(
            "answers to bodies of the limit and of a byte more",
            "; ".join(wrong) or "right",
            "200, 413",
            not wrong,
        )
    ]


def _without_end(target: Target) -> Figure:
    """Chunks of one byte, for ever."""
    head = (HEAD.format(key=target.shop.key) + "transfer-encoding: chunked\r\n\r\n").encode()
    with watched(target) as watch:
        seconds, reply = _pour(target, head, b"1\r\nx\r\n" * 20_000, 10_000)
    met = is_refusal(reply) and seconds <= BODY_SECONDS + 2 and watch.grown <= 50
    found = f"{reply.status} after {seconds:.1f} s, + {watch.grown:.1f} MiB"
    return Figure("chunks of a byte without end", found, "refused ≤ 12 s, ≤ + 50 MiB", met)


def _slow(target: Target) -> list[Figure]:
    """Fifty bodies that come a byte at a time, beside one who asks properly."""
    head = (HEAD.format(key=target.shop.key) + "content-length: 900\r\n\r\n").encode()
    callers = [target.caller() for _ in range(50)]
    began, over = time.perf_counter(), threading.Event()
    for caller in callers:
        caller.open().sendall(head)

    def drip() -> None:
        while not over.wait(0.5):
            for caller in callers:
                with contextlib.suppress(OSError):
                    caller.open().sendall(b" ")

    thread = threading.Thread(target=drip)
    thread.start()
    healthy = asked_by_one(target, target.count(6, 3))
    replies = [caller.answer() for caller in callers]
    seconds = time.perf_counter() - began
    over.set()
    thread.join()
    for caller in callers:
        caller.close()
    told = sum(is_refusal(reply, statuses=range(408, 409)) for reply in replies)
    p99 = healthy.quantile(0.99) * 1e3
    met = told == len(callers) and seconds <= BODY_SECONDS + 2
    return [
        Figure(
            "50 bodies, two bytes a second: told 408",
            f"{told}, the last after {seconds:.1f} s",
            "50 within 12 s",
            met,
        ),
        _healthy("50 slow bodies", healthy, p99),
    ]


def asked_by_one(target: Target, seconds: float) -> Pressed:
    """One who asks by id meanwhile, again and again."""
    ids = target.shop.ids[:200]
    requests = [
        http_request("POST", "/v1/score", json.dumps({"customer_id": name}).encode(), key=target.shop.key)
        for name in ids
    ]
    return asyncio.run(closed_pressure(target.server.address, requests, clients=1, seconds=seconds))


def _healthy(beside: str, found: Pressed, p99: float) -> Figure:
    met = p99 <= 100 and not found.broken and set(found.statuses) == {200}
    bad = "" if set(found.statuses) == {200} else f", {dict(found.statuses)}"
    return Figure(f"p99 of one who asks beside {beside}", f"{p99:.1f} ms{bad}", "≤ 100 ms, all 200", met)


def _smuggled(target: Target) -> Figure:
    """Requests that servers read differently, each with another hidden behind it."""
    hidden = request("GET", "/v1/model", key=target.shop.key)
    wrong = [
        name
        for name, sent in _ambiguous(target.shop.key).items()
        if not _refused_alone(target, sent + hidden)
    ]
    told = f"{len(wrong)} of {len(_ambiguous(''))}" + (f" ({', '.join(wrong)})" if wrong else "")
    return Figure("hidden requests that were answered, or shapes that were not refused", told, "0", not wrong)


def _ambiguous(key: str) -> dict[str, bytes]:
    head = HEAD.format(key=key).encode()
    chunked, length = b"transfer-encoding: chunked\r\n", b"content-length: 5\r\n"
    return {
        "two lengths": head + length + b"content-length: 6\r\n\r\nxxxxx",
        "the same length twice": head + length + length + b"\r\nxxxxx",
        "lengths in a list": head + b"content-length: 5, 5\r\n\r\nxxxxx",
        "signed length": head + b"content-length: +5\r\n\r\nxxxxx",
        "negative length": head + b"content-length: -5\r\n\r\n",
        "hexadecimal length": head + b"content-length: 0x5\r\n\r\nxxxxx",
        "huge length": head + b"content-length: 18446744073709551621\r\n\r\nxxxxx",
        "length and chunks": head + length + chunked + b"\r\n0\r\n\r\n",
        "chunks and length": head + chunked + length + b"\r\n0\r\n\r\n",
        "chunks twice": head + chunked + chunked + b"\r\n0\r\n\r\n",
        "chunks last": head + b"transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "chunks not last": head + b"transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        "unknown coding": head + b"transfer-encoding: chunke\r\n\r\n0\r\n\r\n",
        "blank before the colon": head + b"transfer-encoding : chunked\r\n\r\n0\r\n\r\n",
        "tab before the coding": head + b"transfer-encoding:\x0bchunked\r\n\r\n0\r\n\r\n",
        "chunk size with a sign": head + chunked + b"\r\n+1\r\nx\r\n0\r\n\r\n",
        "chunk size in 0x": head + chunked + b"\r\n0x1\r\nx\r\n0\r\n\r\n",
        "chunk longer than told": head + chunked + b"\r\n1\r\nxy\r\n0\r\n\r\n",
        "folded header": head + b"x: a\r\n content-length: 5\r\n\r\nxxxxx",
        "bare line feeds": head.replace(b"\r\n", b"\n") + b"content-length: 5\n\nxxxxx",
        "NUL in a header": head + b"x: a\0b\r\n" + length + b"\r\nxxxxx",
        "two hosts": head + b"host: elsewhere\r\n" + length + b"\r\nxxxxx",
        "shorter than told": head + b"content-length: 2\r\n\r\n{}xxx\r\n\r\n",
    }


def _refused_alone(target: Target, sent: bytes) -> bool:
    """Whether all that comes back before the connection closes are refusals."""
    with target.caller() as caller:
        caller.open().sendall(sent)
        replies = list(_all(caller))
    return bool(replies) and all(is_refusal(reply) for reply in replies)


def _all(caller: Caller) -> Iterator[Reply]:
    while (reply := caller.answer()).status:
        yield reply


def idle(target: Target) -> list[Figure]:
    """Thousands who only hold connections, and one who asks."""
    count = target.count(2_000, 500)
    quiet = asked_by_one(target, target.count(3, 2)).quantile(0.99) * 1e3
    begun = [f"GET /{number} HTTP/1.1\r\nhost: localhost\r\nx-".encode() for number in range(count)]
    halves = _held(target, begun, lambda line, sent: line.sendall(sent), target.count(3, 2))
    answered = [http_request("GET", "/livez")] * count
    kept = _held(target, answered, _ask_once, target.count(3, 2))
    figures = [Figure("p99 of one who asks, quiet", f"{quiet:.1f} ms", "", met=True)]
    for name, (found, open_then, seconds) in {
        "half a header": halves,
        "nothing after an answer": kept,
    }.items():
        held = f"{count:,} connections with {name}"
        figures.append(_healthy(held, found, found.quantile(0.99) * 1e3))
        met = open_then == 0
        figures.append(
            Figure(
                f"{held}: open at the end", f"{open_then}, the last closed after {seconds:.1f} s", "0", met
            )
        )
    return figures


def _ask_once(line: socket.socket, sent: bytes) -> None:
    line.sendall(sent)
    if not line.recv(4096).startswith(b"HTTP/1.1 200"):
        raise RuntimeError("/livez did not answer 200")


def _held(
    target: Target, sent: Sequence[bytes], begin: Callable[[socket.socket, bytes], None], seconds: float
) -> tuple[Pressed, int, float]:
    """Hold connections; how one who asks is answered, how many are open ten seconds later, when the last closed."""
    with contextlib.ExitStack() as stack:
        lines = []
        for one in sent:
            lines.append(
                stack.enter_context(socket.create_connection(("127.0.0.1", target.server.address.port), 10))
            )
            begin(lines[-1], one)
        began = time.perf_counter()
        found = asked_by_one(target, seconds)
        still_open, until = set(lines), began + 10
        while still_open and time.perf_counter() < until:
            still_open -= {line for line in still_open if _closed(line)}
            time.sleep(0.05)
        return found, len(still_open), time.perf_counter() - began


def _closed(line: socket.socket) -> bool:
    line.setblocking(False)
    try:
        while chunk := line.recv(65536):
            del chunk
    except BlockingIOError:
        return False
    except OSError:
        pass
    return True
