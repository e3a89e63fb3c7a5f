"""Adds events in child processes and kills them; test_event_log runs ``killed_poster.py URL KILLS SEED``."""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from itertools import count

import sqlalchemy as sa

from serving.event_log import EVENTS, EventLog
from tests.serving.sent_events import NOW, event


def post(url: str, first: int, told: int) -> None:
    """Add two events at a time, and tell of them only when they were acknowledged."""
    log = EventLog(url, "UTC")
    for number in count(first, 2):
        names = [f"e{number}", f"e{number + 1}"]
        assert log.add([event(name) for name in names], NOW) == ["added", "added"]
        os.write(told, f"{names[0]}\n{names[1]}\n".encode())


def killed(url: str, first: int, delay: float) -> list[str]:
    """Events acknowledged by a child that is killed `delay` seconds after its first one."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        post(url, first, writing)
    os.close(writing)
    told = os.read(reading, 10)
    time.sleep(delay)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    while piece := os.read(reading, 65536):
        told += piece
    os.close(reading)
    return told.decode().split()


def both(url: str, events: int) -> list[tuple[str, str]]:
    """What two processes are told that send the same events at the same time."""
    pipes = [os.pipe() for _ in range(2)]
    for _, writing in pipes:
        if os.fork() == 0:
            log = EventLog(url, "UTC")
            told = [log.add([event(f"both{number}")], NOW)[0] for number in range(events)]
            os.write(writing, json.dumps(told).encode())
            os._exit(0)
        os.close(writing)
    answers = [json.loads(os.fdopen(reading, "rb").read()) for reading, _ in pipes]
    for _ in pipes:
        os.wait()
    return list(zip(*answers, strict=True))


def kept(url: str) -> list[str]:
    log = EventLog(url, "UTC")
    with log._tables.reading() as connection:
        found = list(connection.scalars(sa.select(EVENTS.c.event_id)))
    log.close()
    return found


def main() -> None:
    url, kills, chance = sys.argv[1], int(sys.argv[2]), random.Random(int(sys.argv[3]))
    EventLog(url, "UTC").close()
    told = [name for turn in range(kills) for name in killed(url, turn * 100_000, chance.uniform(0.0, 0.06))]
    found = kept(url)
    log = EventLog(url, "UTC")
    again = log.add([event(name) for name in told], NOW)
    log.close()
    seen = {
        "told": len(told),
        "lost": len(set(told) - set(found)),
        "twice": len(found) - len(set(found)),
        # what was kept but not yet told of comes in pairs, or a transaction was torn
        "torn": len(set(found) - set(told)) % 2,
        "again": sorted(set(again)),
        "after": len(kept(url)) - len(found),
        "both": both(url, 40),
    }
    sys.stdout.write(json.dumps(seen))


if __name__ == "__main__":
    main()
