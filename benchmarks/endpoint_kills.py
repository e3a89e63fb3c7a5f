"""Workers that are killed, and servers that are told to stop, while customers are asked for."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from endpoint import Figure
from endpoint_shop import Shop, Started, serving, workers_of

from retain.client import AsyncClient, EndpointError
from retain.client.retry import Retry

__all__ = ["asked_while_killed", "kills", "stop", "stop_under_load"]

RATE = 200
MOST_ON_THE_WAY = 400
POLITE, STUBBORN, BATCHES = 8, 2, 2
LINES, BATCH = 50, 200
QUIET_SECONDS = 1.5


@dataclass(frozen=True)
class Counted(Retry):
    """One retry, and how many questions needed it."""

    needed: list[int] = field(default_factory=list)

    def again(self, tried: int, *, status: int) -> bool:
        """As `Retry.again`."""
        if tried == 0:
            self.needed.append(status)
        return super().again(tried, status=status)


def kills(shop: Shop, folder: Path, *, quick: bool) -> list[Figure]:
    """One of two workers is killed again and again; a client with one retry goes on asking.

    Five ends within a minute make the server give up, as they should: the quick run kills every 16 seconds.
    """
    seconds, every = (60.0, 16.0) if quick else (600.0, 60.0)
    with serving(shop, folder, name="kills") as server:
        return asyncio.run(_kills(shop, server, seconds=seconds, every=every))


async def _kills(shop: Shop, server: Started, *, seconds: float, every: float) -> list[Figure]:
    told, back = await asked_while_killed(shop, server, seconds=seconds, every=every)
    asked, failed = told["asked"], told["failed"]
    lost, least = sum(failed.values()), seconds // every - 1
    return [
        Figure(
            f"requests asked, {RATE} a second",
            asked,
            "",
            f"≥ {0.99 * RATE * seconds:,.0f}",
            asked >= 0.99 * RATE * seconds,
        ),
        Figure("workers killed", len(back), "", f"≥ {least:.0f}", len(back) >= least),
        Figure(f"requests that failed, with one retry {failed or ''}".strip(), lost, "", "0", lost == 0),
        Figure("answered at the first try", 1e2 * (1 - told["retried"] / asked), "%"),
        Figure("both workers serve again: median", statistics.median(back), "s"),
        Figure("both workers serve again: longest", max(back), "s", "≤ 3", max(back) <= 3),
    ]


async def asked_while_killed(
    shop: Shop, server: Started, *, seconds: float, every: float, rate: int = RATE, patience: float = 5.0
) -> tuple[dict[str, Any], list[float]]:
    """What the client tells, who asks at a rate and waits so many seconds for an answer; and how long each kill took.

    The first worker is killed after half of `every`, the last one five seconds before the end at the latest.
    """
    # The client is a process of its own, so that watching the workers does not make it slow.
    words = [sys.executable, __file__, server.url, *map(str, (seconds, rate, patience))]
    asking = subprocess.Popen(
        words,
        env={**os.environ, "RETAIN_KEY": shop.key},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert asking.stdin is not None
    asking.stdin.write(json.dumps(shop.ids))
    asking.stdin.close()
    back = await _kill_every(shop, server, every=every, until=time.perf_counter() + seconds - 5.0)
    assert asking.stdout is not None
    with asking.stdout:
        told = json.loads(await asyncio.to_thread(asking.stdout.read))
    asking.wait(30)
    return told, back


async def _ask_steadily(
    url: str, ids: Sequence[str], *, seconds: float, rate: float, patience: float
) -> dict[str, Any]:
    """Ask at the rate, whatever comes back; how many were asked, retried, and failed by what."""
    under_way, asked = set[asyncio.Task[None]](), 0
    retry, failed = Counted(times=1), Counter[str]()
    async with AsyncClient(url, retry=retry, timeout=patience) as client:

        async def ask(who: str) -> None:
            try:
                if not (await client.score(who)).found:
                    failed["not found"] += 1
            except EndpointError as error:
                failed[f"{type(error).__name__} {error.status or ''}".strip()] += 1

        began = time.perf_counter()
        for turn in range(int(rate * seconds)):
            if (wait := began + turn / rate - time.perf_counter()) > 0:
                await asyncio.sleep(wait)
            if len(under_way) >= MOST_ON_THE_WAY:
                failed["not sent: too many on the way"] += 1
                continue
            task = asyncio.create_task(ask(ids[turn % len(ids)]))
            asked += 1
            under_way.add(task)
            task.add_done_callback(under_way.discard)
        await asyncio.gather(*under_way)
    return {"asked": asked, "retried": len(retry.needed), "failed": failed}


async def _kill_every(shop: Shop, server: Started, *, every: float, until: float) -> list[float]:
    """Kill one worker, then another, and so on; seconds until two answer again, for each."""
    found: list[float] = []
    alive, due = sorted(await workers_of(server, shop, 2)), time.perf_counter() + every / 2
    while due < until:
        await asyncio.sleep(max(due - time.perf_counter(), 0.0))
        killed, began = alive[0], time.perf_counter()
        os.kill(killed, signal.SIGKILL)
        now = await workers_of(server, shop, 2, without=killed)
        found.append(time.perf_counter() - began)
        # The one that has lived longest is next.
        alive = [*alive[1:], *(now - set(alive))]
        due += every
    return found


@dataclass
class Stopping:
    """What clients saw of a server that was told to stop."""

    ready: bool = True
    told_at: float = 0.0
    last_ready: float = 0.0
    answers: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    late: Counter[str] = field(default_factory=Counter)
    batches: Counter[str] = field(default_factory=Counter)


def stop(shop: Shop, folder: Path, *, quick: bool) -> list[Figure]:
    """SIGTERM, idle and under load."""
    idle = [_idle_end(shop, folder) for _ in range(1 if quick else 3)]
    seen, ends = [], []
    for turn in range(2 if quick else 5):
        with serving(shop, folder, name=f"stop-{turn}") as server:
            found = asyncio.run(stop_under_load(shop, server))
            ends.append(server.process.wait(40) or time.perf_counter() - found.told_at)
        seen.append(found)
    failed = sum((one.failed for one in seen), Counter[str]())
    late = sum((one.late for one in seen), Counter[str]())
    batches = sum((one.batches for one in seen), Counter[str]())
    unready = max(one.last_ready - one.told_at for one in seen)
    lost, reset = sum(failed.values()), sum(late.values()) - late["ConnectError"]
    good = batches["200"] == sum(batches.values()) == BATCHES * len(seen)
    return [
        Figure("requests answered around the stops", sum(sum(one.answers.values()) for one in seen), ""),
        Figure(
            f"requests lost that were sent before `Connection: close` or 503 {dict(failed) or ''}".strip(),
            lost,
            "",
            "0",
            lost == 0,
        ),
        Figure("batches in flight that were answered", batches["200"], "", f"{BATCHES * len(seen)}", good),
        Figure("last 200 of /readyz after SIGTERM", max(unready, 0.0), "s", "≤ 0.5", unready <= 0.5),
        Figure("exit under load", max(ends), "s", "≤ 30", max(ends) <= 30),
        Figure("exit while idle", max(idle), "s", "≤ 5", max(idle) <= 5),
        Figure("connections reset that clients opened in spite of 503", reset, ""),
    ]


def _idle_end(shop: Shop, folder: Path) -> float:
    with serving(shop, folder, name="idle") as server:
        time.sleep(QUIET_SECONDS)
        return _ended(server)


def _ended(server: Started) -> float:
    began = time.perf_counter()
    server.process.send_signal(signal.SIGTERM)
    code = server.process.wait(40)
    if code:
        raise RuntimeError(f"the server ended with {code}")
    return time.perf_counter() - began


async def stop_under_load(shop: Shop, server: Started) -> Stopping:
    """Tell the server to end while clients ask; what they saw."""
    seen = Stopping()
    clients = [_polite(shop, server, seen, turn) for turn in range(POLITE)]
    clients += [_stubborn(shop, server, seen, turn) for turn in range(STUBBORN)]
    loads = [asyncio.create_task(client) for client in [*clients, _watch(server, seen)]]
    await asyncio.sleep(QUIET_SECONDS)
    loads += [asyncio.create_task(_batch(shop, server, seen)) for _ in range(BATCHES)]
    await asyncio.sleep(0.3)
    seen.told_at = time.perf_counter()
    server.process.send_signal(signal.SIGTERM)
    await asyncio.gather(*loads)
    return seen


def _one(server: Started, shop: Shop) -> httpx.AsyncClient:
    """A client with one connection at a time."""
    limits = httpx.Limits(max_connections=1, keepalive_expiry=4.0)
    headers = {"authorization": f"Bearer {shop.key}"}
    return httpx.AsyncClient(base_url=server.url, headers=headers, limits=limits, timeout=30.0)


async def _polite(shop: Shop, server: Started, seen: Stopping, turn: int) -> None:
    """Asks on one connection until an answer says ``Connection: close`` or readiness is gone."""
    async with _one(server, shop) as client:
        while seen.ready:
            turn += POLITE
            try:
                answer = await client.post("/v1/score", json={"customer_id": shop.ids[turn % len(shop.ids)]})
            except httpx.TransportError as error:
                seen.failed[type(error).__name__] += 1
                return
            if answer.status_code != 200:
                seen.failed[str(answer.status_code)] += 1
            seen.answers[str(answer.status_code)] += 1
            if answer.headers.get("connection") == "close":
                return


async def _stubborn(shop: Shop, server: Started, seen: Stopping, turn: int) -> None:
    """Asks on ever new connections until none is taken any more: what a caller sees who heeds nothing."""
    while True:
        async with _one(server, shop) as client:
            turn += STUBBORN
            try:
                answer = await client.post("/v1/score", json={"customer_id": shop.ids[turn % len(shop.ids)]})
            except httpx.TransportError as error:
                seen.late[type(error).__name__] += 1
                if isinstance(error, httpx.ConnectError):
                    return
                continue
        seen.answers[str(answer.status_code)] += 1
        if answer.status_code != 200:
            seen.failed[str(answer.status_code)] += 1


async def _watch(server: Started, seen: Stopping) -> None:
    """Asks for readiness on ever new connections, so that each worker is asked."""
    while True:
        sent = time.perf_counter()
        try:
            async with httpx.AsyncClient(base_url=server.url, timeout=5.0) as client:
                status = (await client.get("/readyz")).status_code
        except httpx.TransportError:
            seen.ready = False
            return
        if status == 200:
            seen.last_ready = sent
        else:
            seen.ready = False
        await asyncio.sleep(0.005)


async def _batch(shop: Shop, server: Started, seen: Stopping) -> None:
    """One batch of raw rows, which takes longer than the second that the server waits."""
    answer: str | None = None
    async with _one(server, shop) as client:
        with contextlib.suppress(httpx.TransportError):
            found = await client.post("/v1/score/batch", json=_raw_rows())
            answer = str(found.status_code)
    seen.batches[answer or "no answer"] += 1


def _raw_rows() -> dict[str, Any]:
    days: Sequence[str] = [f"2025-{1 + i // 25:02}-{1 + i % 25:02}T10:00:00" for i in range(LINES)]
    orders = [{"time": day, "amount": 10.0} for day in days]
    customers = [{"customer_id": f"batch-{i}", "orders": orders} for i in range(BATCH)]
    return {"customers": customers, "as_of": "2025-04-01", "reasons": True}


if __name__ == "__main__":
    LASTING, PER_SECOND, PATIENCE = map(float, sys.argv[2:])
    ASKING = _ask_steadily(
        sys.argv[1], json.load(sys.stdin), seconds=LASTING, rate=PER_SECOND, patience=PATIENCE
    )
    print(json.dumps(asyncio.run(ASKING)))
