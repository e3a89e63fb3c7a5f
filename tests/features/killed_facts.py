"""Brings stored day facts up to date in child processes, kills them, and tells what they left.

``killed_facts.py random FOLDER KILLS SEED [LINES]``  kills at random moments of an update
``killed_facts.py first FOLDER KILLS SEED [LINES]``  kills at random moments of the first one
``killed_facts.py hold FOLDER``  locks the store and waits
``killed_facts.py limit FOLDER BYTES``  an update that writes more than the largest file the system allows
``killed_facts.py kept FOLDER BYTES ORDERS``  the same of a project with Parquet files of orders; tells what was said

Run by test_facts_faults and benchmarks/scale_facts.py. Each update has a process of its own, forked before any engine
has begun, so that a kill ends an engine at work.
"""

from __future__ import annotations

import json
import os
import random
import resource
import shutil
import signal
import sys
import time
from collections.abc import Callable
from datetime import date
from hashlib import sha256
from pathlib import Path

import ibis
import pyarrow as pa

from features.days import day_facts
from features.errors import PublishError
from features.facts_store import FactsStore
from features.facts_update import OPEN_DAYS, up_to_date
from features.frames import tables_from_frames
from features.kept_facts import with_kept_facts
from features.load import load
from features.settings import DataSettings, TableSource
from features.tables import Tables

LINES = 400
NOTHING = "nothing"
KINDS = {"customer_id": "string", "amount": "float64", "day": "date", "known_day": "date"}


def shop(nights: int, lines: int = LINES) -> Tables:
    """The order lines of so many nights: a tenth of them each, some of the second changing an old customer."""
    chance = random.Random(7)
    rows = []
    for night in range(nights):
        for _ in range(lines if night == 0 else lines // 10):
            day = chance.randrange(200) if night == 0 else 200 + night
            rows.append((f"c{chance.randrange(60)}", day * 86_400_000_000, chance.randrange(1, 900) / 10))
        rows += [("c1", 3 * 86_400_000_000, 5.0)] * night
    ids, times, amounts = zip(*rows, strict=True)
    product = [f"p{len(i) + int(a) % 5}" for i, a in zip(ids, amounts, strict=True)]
    columns = {"customer_id": ids, "time": pa.array(times, pa.timestamp("us")), "amount": amounts}
    return tables_from_frames({"orders": pa.table(columns | {"product": product})})


def digest(tables: Tables, rows: str) -> str:
    found = tables.con.con.execute(f"SELECT * FROM ({rows}) ORDER BY customer_id, day, known_day").fetchall()
    return sha256(repr(found).encode()).hexdigest()


def expected(nights: int, lines: int = LINES) -> str:
    """Digest of all facts of so many nights."""
    tables = shop(nights, lines)
    return digest(tables, tables.con.compile(day_facts(tables.orders)))


def kept(nights: int, lines: int = LINES) -> str:
    """Digest of those that a store has: the last days are open."""
    tables = shop(nights, lines)
    facts = day_facts(tables.orders)
    last = tables.orders.known_day.max() - ibis.interval(days=OPEN_DAYS)
    return digest(tables, tables.con.compile(facts.filter(facts.known_day <= last.as_scalar())))


def stored(folder: Path) -> str:
    """Digest of the facts that a reader finds; empty where the store is refused."""
    store, tables = FactsStore(folder), shop(1)
    with store.held():
        contents = store.read()
        return "" if contents is None else digest(tables, store.rows(contents, "days"))


def update(folder: Path, nights: int, lines: int = LINES) -> str:
    tables = shop(nights, lines)
    found = up_to_date(tables, folder)
    return digest(tables, tables.con.compile(found.tables.facts))


def in_child(work: Callable[[], str], after: float | None = None) -> str:
    """What work gives in a forked child, killed some seconds after it began when told."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(write, b".")
        os.write(write, work().encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as told:
        told.read(1)
        if after is not None:
            time.sleep(after)
            os.kill(child, signal.SIGKILL)
        found = told.read().decode()
    os.waitpid(child, 0)
    return found


def at_random(
    folder: Path, kills: int, seed: int, lines: int, *, first: bool = False
) -> list[dict[str, object]]:
    # what is loaded and compiled here is so in every child
    ibis.to_sql(day_facts(ibis.table(KINDS, name="t")), dialect="duckdb")
    chance, store, spare = random.Random(seed), folder / "facts", folder / "old"
    was = {in_child(lambda n=n: kept(n, lines)): name for n, name in ((1, "old"), (2, "new"))}
    was[in_child(lambda: expected(2, lines))] = "all"
    if first:
        store.mkdir()
        was[NOTHING] = "old"
    else:
        in_child(lambda: update(store, 1, lines))
    shutil.copytree(store, spare)
    started = time.perf_counter()
    in_child(lambda: update(store, 2, lines))
    usual = time.perf_counter() - started
    seen, before = [], len(list(spare.glob("*.parquet")))
    for _ in range(kills):
        shutil.rmtree(store)
        shutil.copytree(spare, store)
        in_child(lambda: update(store, 2, lines), after=chance.uniform(0, usual))
        parts = len(list(store.glob("*.parquet")))
        found = dict.fromkeys(("found", "after"), "torn") | {"parts": parts, "parts_before": before}
        told = in_child(lambda: f"{stored(store) or NOTHING} {update(store, 2, lines)}").split()
        found |= {name: was.get(text, "torn") for name, text in zip(("found", "after"), told, strict=True)}
        found["names"] = sum(1 for p in store.iterdir() if p.suffix != ".parquet")
        seen.append(found)
    return seen


def main() -> None:
    order, place, *more = sys.argv[1:]
    folder = Path(place)
    if order in ("random", "first"):
        lines = int(more[2]) if len(more) > 2 else LINES
        seen = at_random(folder, int(more[0]), int(more[1]), lines, first=order == "first")
        sys.stdout.write(json.dumps(seen))
    elif order == "hold":
        with FactsStore(folder).held():
            sys.stdout.write(f"{os.getpid()}\n")
            sys.stdout.flush()
            sys.stdin.read()
    elif order == "limit":
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(more[0]), int(more[0])))
        try:
            update(folder, 2, LINES)
        except PublishError as error:
            sys.stdout.write(str(error))
    elif order == "kept":
        settings = DataSettings(in_place=True, keep_facts=True, orders=TableSource(path=(more[1],)))
        loaded = load(settings, today=date(2026, 3, 1))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(more[0]), int(more[0])))
        tables = with_kept_facts(
            loaded, settings, folder, note=lambda said: sys.stdout.write(f"{said}\n")
        ).tables
        sys.stdout.write(digest(tables, tables.con.compile(tables.facts)))


if __name__ == "__main__":
    main()
