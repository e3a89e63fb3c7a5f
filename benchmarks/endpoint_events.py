"""All processes killed while events are told: what was acknowledged is there, and nothing is there twice."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import signal
import sqlite3
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from endpoint import Figure
from endpoint_shop import Shop, Started, asked, serving

from retain.config import load_config
from retain.pressure import ask_once, http_request
from serving.lookup import Lookup

__all__ = ["events"]

CLIENTS, EVENTS = 4, 5
ROUNDS, QUICK_ROUNDS = 20, 4
DAY = "2026-01-05"
KILL_AFTER = (0.05, 1.0)


@dataclass
class Told:
    """Events by the answer to them; an event's name is also the order of its line."""

    acknowledged: set[str] = field(default_factory=set)
    sent: dict[str, str] = field(default_factory=dict)
    odd: Counter[str] = field(default_factory=Counter)

    def note(self, status: int, body: bytes) -> None:
        """One answer."""
        if status != 200:
            self.odd[str(status)] += 1
            return
        for result in json.loads(body)["results"]:
            if result["status"] in ("added", "known"):
                self.acknowledged.add(result["event_id"])
            else:
                self.odd[result["status"]] += 1


def events(shop: Shop, folder: Path, *, quick: bool) -> list[Figure]:
    """Supervisor and workers are killed together at a random moment while four programs tell order lines.

    What was acknowledged is looked for in the database before the next start. In the end all events are told once
    more, those that were acknowledged and those that no answer came to, and the rows are counted again.
    """
    chance, rounds = random.Random(5), QUICK_ROUNDS if quick else ROUNDS
    file = Path(load_config(shop.config).store_url.removeprefix("sqlite:///"))
    told, lost, unanswered, after = Told(), 0, 0, Told()
    for turn in range(rounds):
        some = Told()
        with serving(shop, folder, name=f"events-{turn}") as server:
            asyncio.run(_tell_until_killed(shop, server, some, turn=turn, wait=chance.uniform(*KILL_AFTER)))
        lost += len(some.acknowledged - set(_kept(file, f"bench-{turn}-")))
        unanswered += len(some.sent) - len(some.acknowledged)
        told.acknowledged |= some.acknowledged
        told.sent |= some.sent
        told.odd += some.odd
    with serving(shop, folder, name="events-again") as server:
        asyncio.run(_tell_again(shop, server, told, after))
    return _judged(
        shop, told, after, lost=lost, unanswered=unanswered, kept=_kept(file, "bench-"), rounds=rounds
    )


def _judged(
    shop: Shop, told: Told, after: Told, *, lost: int, unanswered: int, kept: Counter[str], rounds: int
) -> list[Figure]:
    missing, twice = len(told.sent.keys() - kept.keys()), sum(count > 1 for count in kept.values())
    wrong = _wrong_counts(shop, told)
    odd = told.odd + after.odd
    return [
        Figure("times that all processes were killed", rounds, ""),
        Figure(
            "events acknowledged before a kill", len(told.acknowledged), "", "> 0", bool(told.acknowledged)
        ),
        Figure("events sent whose answer the kill cut off", unanswered, ""),
        Figure("acknowledged events that are not in the database", lost, "", "0", lost == 0),
        Figure("events that are not there after all were told again", missing, "", "0", missing == 0),
        Figure("events that are there twice", twice, "", "0", twice == 0),
        Figure("customers for whom another number of events counts", wrong, "", "0", wrong == 0),
        Figure(f"other answers {dict(odd) or ''}".strip(), sum(odd.values()), "", "0", not odd),
    ]


async def _tell_until_killed(shop: Shop, server: Started, told: Told, *, turn: int, wait: float) -> None:
    clients = [asyncio.create_task(_tell(shop, server, told, f"bench-{turn}-{i}")) for i in range(CLIENTS)]
    while not told.acknowledged and not all(client.done() for client in clients):
        await asyncio.sleep(0.01)
    await asyncio.sleep(wait)
    # The server began a session of its own, so that this is all of its processes and nobody else.
    os.killpg(server.process.pid, signal.SIGKILL)
    await asyncio.gather(*clients)
    server.process.wait()


async def _tell(shop: Shop, server: Started, told: Told, name: str) -> None:
    """Tell a few events at a time until nobody answers."""
    for turn in range(10**6):
        some = {f"{name}-{turn}-{i}": shop.ids[(turn * EVENTS + i) % len(shop.ids)] for i in range(EVENTS)}
        told.sent |= some
        try:
            told.note(*await ask_once(server.address, _request(shop, some)))
        except OSError:
            return


async def _tell_again(shop: Shop, server: Started, told: Told, after: Told) -> None:
    """Tell all events once more, in larger requests."""
    names = sorted(told.sent)
    for start in range(0, len(names), 200):
        some = {name: told.sent[name] for name in names[start : start + 200]}
        after.note(*await ask_once(server.address, _request(shop, some)))


def _request(shop: Shop, some: dict[str, str]) -> bytes:
    rows = [_event(name, customer) for name, customer in some.items()]
    return http_request("POST", "/v1/events", asked({"events": rows}), key=shop.key)


def _event(name: str, customer: str) -> dict[str, Any]:
    line = {"time": f"{DAY}T10:00:00", "amount": 10.0, "order_id": name}
    return {"event_id": name, "kind": "order", "customer_id": customer, "data": line}


def _kept(file: Path, start: str) -> Counter[str]:
    """How often each order is in the database, read from what the events say."""
    statement = "SELECT content FROM events WHERE event_id LIKE ?"
    with contextlib.closing(sqlite3.connect(file)) as database:
        contents = [json.loads(text) for (text,) in database.execute(statement, (f"{start}%",))]
    return Counter(content["data"]["order_id"] for content in contents)


def _wrong_counts(shop: Shop, told: Told) -> int:
    """Customers for whom the endpoint would count more or fewer events than were told of them."""
    by_customer = Counter(told.sent.values())
    with contextlib.closing(Lookup(load_config(shop.config).store_url)) as lookup:
        found = {customer: lookup.get(customer) for customer in by_customer}
    return sum(found[i] is None or found[i].events != count for i, count in by_customer.items())
