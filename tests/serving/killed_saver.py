"""Saves runs in child processes and kills them; test_store runs ``killed_saver.py DATABASE KILLS SEED``."""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from datetime import UTC, date, datetime
from itertools import count
from pathlib import Path

import pandas as pd

from serving.store import RunInfo, Store

IDS = [f"{i:05d}" for i in range(4000)]


def save(url: str, number: int) -> None:
    store = Store(url)
    run = RunInfo(f"run-{number}", date(2011, 6, 12), "v1", "c", len(IDS), datetime.now(UTC))
    store.save_run(run, pd.DataFrame({"customer_id": IDS, "run": number, "note": "x" * 300}))
    store.close()


def look(url: str) -> tuple[str, int, list[int]]:
    """The latest run's name, how many customers it knows, and the run numbers their rows carry."""
    store = Store(url)
    run, rows = store.latest_run(), store.get(IDS)
    store.close()
    return run.run_id if run else "", len(rows), sorted({row["run"] for row in rows.values()})


def kill_later(url: str, first: int, delay: float) -> None:
    """Fork a child that saves one run after the other; kill it when the time has come."""
    child = os.fork()
    if child == 0:
        for number in count(first):
            save(url, number)
    time.sleep(delay)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def main() -> None:
    path, kills, seed = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    url, chance = f"sqlite:///{path}", random.Random(seed)
    started = time.perf_counter()
    save(url, 0)
    usual = time.perf_counter() - started
    seen = []
    for turn in range(1, kills + 1):
        kill_later(url, turn * 100, chance.uniform(0.2, 2.5) * usual)
        unfinished = path.with_name(f"{path.name}-wal").exists()  # a closed database has no such file
        seen.append((*look(url), unfinished))
    sys.stdout.write(json.dumps(seen))


if __name__ == "__main__":
    main()
