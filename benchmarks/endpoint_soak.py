"""Memory and open files of the endpoint over very many requests."""

from __future__ import annotations

import asyncio
import random
import sys
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil
from endpoint import Figure
from endpoint_shop import Shop, Started, asked, serving, workers_of

from retain.pressure import closed_pressure, http_request

__all__ = ["soak"]

CLIENTS, WARM, MANY, QUICK = 8, 20_000, 1_000_000, 50_000
MIX = 10_000
BAD_BODIES = (b"{", b'{"customer_id": 7}', b'{"customer_id": "a", "more": 1}', b'{"as_of": "2026-13-01"}')
MOST_GROWTH = 20.0
# One more connection to SQLite, which the pool opens when many ask at once, is three files: the database, its log,
# and the index of the log. Two of them may come; a leak over a million requests would be thousands.
MOST_FILES = 6
# A piece of the pressure: the client forgets its latencies in between, so that its memory is no burden.
PIECE_SECONDS = 5.0


@dataclass(frozen=True)
class Use:
    """What one process holds: MiB of memory, open files."""

    memory: float
    files: int


def soak(shop: Shop, folder: Path, *, quick: bool) -> list[Figure]:
    """Customers by id, with 1 % unknown ids, 1 % bad bodies and 0.1 % batches of 100, as fast as answers come.

    What each process holds after a warm-up of 20,000 requests is compared with what it holds at the end.
    """
    with serving(shop, folder, name="soak") as server:
        return asyncio.run(_soak(shop, server, QUICK if quick else MANY))


async def _soak(shop: Shop, server: Started, many: int) -> list[Figure]:
    statuses, requests = Counter[int](), mixed(shop)
    workers = await workers_of(server, shop, 2)
    await _press(server, requests, WARM, statuses)
    await asyncio.sleep(1.0)
    before, began = _use(server), time.perf_counter()
    asked_for = await _press(server, requests, many, statuses)
    seconds = time.perf_counter() - began
    await asyncio.sleep(1.0)
    after = _use(server)
    if before.keys() != after.keys():
        raise RuntimeError("a process of the server ended under way")
    odd = {status: count for status, count in statuses.items() if status not in (200, 400)}
    return [
        Figure("requests after the warm-up", asked_for, "", f"≥ {many:,}", asked_for >= many),
        Figure("requests per second", asked_for / seconds, ""),
        Figure(
            f"answers that are neither 200 nor 400 {odd or ''}".strip(), sum(odd.values()), "", "0", not odd
        ),
        *_growth("worker", before, after, workers),
        *_growth("other process", before, after, before.keys() - workers),
    ]


def mixed(shop: Shop) -> list[bytes]:
    """Requests in the shares of the mix, shuffled."""
    ids = shop.ids
    bodies = [asked({"customer_id": ids[turn % len(ids)]}) for turn in range(MIX)]
    for place in range(0, MIX, 100):
        bodies[place] = asked({"customer_id": f"nobody-{place}"})
        bodies[place + 1] = BAD_BODIES[place // 100 % len(BAD_BODIES)]
    requests = [http_request("POST", "/v1/score", body, key=shop.key) for body in bodies]
    batch = asked({"customer_ids": list(ids[:100])})
    for place in range(2, MIX, 1_000):
        requests[place] = http_request("POST", "/v1/score/batch", batch, key=shop.key)
    random.Random(3).shuffle(requests)
    return requests


async def _press(server: Started, requests: list[bytes], least: int, statuses: Counter[int]) -> int:
    """Ask until so many were answered; status 0 stands for no answer."""
    answered = 0
    while answered < least:
        found = await closed_pressure(server.address, requests, clients=CLIENTS, seconds=PIECE_SECONDS)
        statuses.update(found.statuses)
        if found.broken:
            statuses[0] += found.broken
        answered += len(found.latencies)
        print(f"soak: {answered:,} of {least:,}", file=sys.stderr)
    return answered


def _use(server: Started) -> dict[int, Use]:
    """What each process of the server holds."""
    parent = psutil.Process(server.process.pid)
    family = [parent, *parent.children(recursive=True)]
    return {one.pid: Use(one.memory_info().rss / 2**20, one.num_fds()) for one in family}


def _growth(name: str, before: Mapping[int, Use], after: Mapping[int, Use], who: set[int]) -> list[Figure]:
    memory = max(after[pid].memory - before[pid].memory for pid in who)
    files = max(after[pid].files - before[pid].files for pid in who)
    return [
        Figure(f"{name}: memory at the end, largest", max(after[pid].memory for pid in who), "MiB"),
        Figure(f"{name}: growth, largest", memory, "MiB", f"≤ {MOST_GROWTH:g}", memory <= MOST_GROWTH),
        Figure(f"{name}: more open files, largest", files, "", f"≤ {MOST_FILES}", files <= MOST_FILES),
    ]
