"""What a night's new lines cost beside all of them anew: stored day facts, their bits, and fifty kills.

::

    python benchmarks/scale_facts.py --lines 2000000
    python benchmarks/scale_facts.py --lines 2000000 --kills 50

Simulated order lines by time, the last hundredth in a file of its own. CPU seconds of all threads in this one process,
so that a busy machine does not change the ratios; the last line is JSON. The exit code is 1 when bits differ, a kill
left anything but the old or the new facts, or the night cost more than a tenth of summing up everything.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from features.facts_update import FactsUpdate, up_to_date
from features.kept_facts import source_files
from features.load import Loaded, load
from features.plan import fetch_features
from features.settings import DataSettings, TableSource
from features.tables import Tables
from retain.shop import ShopSettings, write_orders

NEW_SHARE = 0.01
MOST = 0.10
"""Of the cost of summing up everything, what a night may cost."""

_ARRIVED = "coalesce(greatest(time, known_at), time)"
KILLER = Path(__file__).resolve().parents[1] / "tests" / "features" / "killed_facts.py"


class Clock:
    """CPU seconds by what they were spent on."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def told(self, name: str) -> Iterator[None]:
        """Adds what the block takes."""
        begun = time.process_time()
        yield
        self.seconds[name] = round(time.process_time() - begun, 3)
        print(f"{name:36} {self.seconds[name]:9.2f} CPU s", file=sys.stderr, flush=True)


def main(arguments: Sequence[str]) -> int:
    """Measure, print one JSON line, and say by the exit code whether it held."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--lines", type=int, default=2_000_000)
    parser.add_argument("--kills", type=int, default=50)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="retain-facts-") as name:
        folder = Path(name)
        end = split_shop(folder, options.lines)
        found = nights(folder, end)
    found |= {"lines": options.lines, "kills": kills(options.kills)}
    print(json.dumps(found))
    return int(not held(found))


def split_shop(folder: Path, lines: int) -> date:
    """Files ``old.parquet`` and ``night.parquet`` in ``folder/orders``: the lines before a day, and from it on."""
    settings = ShopSettings(orders_per_year=11.0)
    file = write_orders(settings, folder / "shop", lines=lines)
    target = folder / "orders"
    target.mkdir()
    engine = duckdb.connect()
    (cut,) = engine.execute(
        f"SELECT quantile_disc(CAST({_ARRIVED} AS DATE), {1 - NEW_SHARE}) FROM read_parquet('{file}')"
    ).fetchone()
    for name, which in (("old", "<"), ("night", ">=")):
        engine.execute(
            f"COPY (SELECT * FROM read_parquet('{file}') WHERE CAST({_ARRIVED} AS DATE) {which} DATE '{cut}' "
            f"ORDER BY {_ARRIVED}) TO '{target / name}.parquet' (FORMAT parquet, COMPRESSION zstd)"
        )
    return settings.end


def nights(folder: Path, end: date) -> dict[str, Any]:
    """The first night, the second one by files and by lines, and everything anew."""
    clock, orders = Clock(), folder / "orders"
    settings = shop_settings(orders)
    old = load(shop_settings(orders / "old.parquet"), describe=False)
    for way in ("files", "lines"):
        files = source_files(old, shop_settings(orders / "old.parquet"), Path()) if way == "files" else None
        with clock.told(f"first night, by {way}"):
            up_to_date(old.tables, folder / way, files=files)
        old = load(shop_settings(orders / "old.parquet"), describe=False)
    found: dict[str, Any] = {}
    with clock.told("load and check in place"):
        whole = load(settings, describe=False)
    (found["new_lines"],) = (
        engine_of(whole.tables)
        .execute(f"SELECT count(*) FROM read_parquet('{orders / 'night.parquet'}')")
        .fetchone()
    )
    with clock.told("facts of all lines anew"):
        whole.tables.facts.count()
    anew = digest(whole.tables)
    for way in ("files", "lines"):
        loaded = load(settings, describe=False)
        update = night(way, loaded, settings, folder, clock)
        found[f"by_{way}"] = {
            "added_lines": update.added_lines,
            "recomputed_customers": update.recomputed_customers,
            "rebuilt": update.rebuilt,
            "same_bits": digest(update.tables) == anew,
            "share": round(clock.seconds[f"night, by {way}"] / clock.seconds["facts of all lines anew"], 4),
        }
    with clock.told("features of one day, of ready facts"):
        fetch_features(update.tables, [end])
    return found | {"cpu_s": clock.seconds}


def night(way: str, loaded: Loaded, settings: DataSettings, folder: Path, clock: Clock) -> FactsUpdate:
    """Stored facts brought up to date, and in the engine."""
    with clock.told(f"night, by {way}"):
        files = source_files(loaded, settings, Path()) if way == "files" else None
        return up_to_date(loaded.tables, folder / way, files=files)


def digest(tables: Tables) -> tuple[Any, ...]:
    """A hash of all facts in whatever order, their number, and their types."""
    statement = tables.con.compile(tables.facts)
    engine = engine_of(tables)
    kinds = tuple(
        str(column[:2]) for column in engine.execute(f"SELECT * FROM ({statement}) LIMIT 0").description
    )
    sums = engine.execute(
        f"SELECT count(*), sum(hash(facts)), bit_xor(hash(facts)) FROM ({statement}) AS facts"
    ).fetchone()
    return (*sums, kinds)


def shop_settings(path: Path) -> DataSettings:
    """The shop's files, read in place."""
    source = TableSource(path=(str(path),))
    return DataSettings(
        timezone="Europe/Berlin", currency="EUR", in_place=True, keep_facts=True, orders=source
    )


def engine_of(tables: Tables) -> Any:
    """DuckDB's own connection."""
    return tables.con.con


def kills(count: int) -> dict[str, Any]:
    """What so many killed updates left."""
    if not count:
        return {}
    with tempfile.TemporaryDirectory(prefix="retain-facts-") as folder:
        job = [sys.executable, str(KILLER), "random", folder, str(count), "20261123", "20000"]
        told = subprocess.run(job, capture_output=True, text=True, check=True, timeout=3_600).stdout
    seen = json.loads(told)
    return {
        "kills": len(seen),
        "old": sum(s["found"] == "old" for s in seen),
        "new": sum(s["found"] == "new" for s in seen),
        "torn": sum(s["found"] == "torn" for s in seen),
        "half_written": sum(s["parts"] > seen[0]["parts_before"] for s in seen),
        "not_new_after_the_next_run": sum(s["after"] != "all" for s in seen),
    }


def held(found: dict[str, Any]) -> bool:
    """Whether all of it is as promised."""
    ways = [found["by_files"], found["by_lines"]]
    fine = all(way["same_bits"] and not way["rebuilt"] for way in ways) and found["by_files"]["share"] <= MOST
    left = found["kills"]
    return fine and (not left or left["torn"] + left["not_new_after_the_next_run"] == 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
