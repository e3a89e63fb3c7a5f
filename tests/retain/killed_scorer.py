"""Kills ``retain score`` again and again and tells what it left; run by test_score_kill.

``killed_scorer.py FOLDER KILLS SEED``: the libraries are loaded and a model is made once, then every run is a
fork of this process, so that 25 kills take seconds. A run makes the list of the other one of two days; it is
killed either at a random moment, or some looks after its unfinished file was seen. After every third kill the
next run may live.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

from features.publish import verify
from retain import cli
from serving.store import Store
from tests.retain.command_runs import make_model, regular_lines, write_orders

DAYS = ("2025-06-01", "2025-07-01")
IDS = [f"c{n:03d}" for n in range(120)]
ROUNDS = 100
LOOKS = 400
SECONDS = 20.0


@dataclass
class Left:
    """What a kill left behind."""

    how: str
    content: str
    parts: int
    verified: bool
    stored: str


@dataclass
class Next:
    """What the run after some kills made of it."""

    exit_code: int
    asked: str
    content: str
    stored: str
    names: list[str]


class Shop:
    """A folder with orders, a model and a list."""

    def __init__(self, folder: Path) -> None:
        self.config, self.out = folder / "retain.toml", folder / "lists" / "list.xlsx"
        orders = write_orders(folder / "orders.csv", regular_lines(IDS, date(2025, 1, 1), every=12, times=20))
        words = ["--churn-window", "45", "--horizons", "45,200", "--out-dir", str(folder / "out")]
        code = cli.run(["init", str(orders), "-c", str(self.config), *words, "--json", "--quiet"])
        assert code == 0
        self.store_url = make_model(self.config, date(2025, 6, 1), evidence="btyd").store_url
        self.out.parent.mkdir()
        self.lists = {day: self._made(day) for day in (*DAYS, DAYS[0])}

    def _made(self, day: str) -> bytes:
        assert self.score(day) == 0
        return self.out.read_bytes()

    def score(self, day: str) -> int:
        words = ["-c", str(self.config), "--as-of", day, "--out", str(self.out), "--json", "--quiet"]
        return cli.run(["score", *words])

    def content(self) -> str:
        """The day of the list as it stands."""
        found = self.out.read_bytes()
        return next((day for day, made in self.lists.items() if made == found), "torn")

    def stored(self) -> str:
        """The day of the rows in the store, when they are all there."""
        store = Store(self.store_url)
        try:
            run, rows = store.latest_run(), store.get(IDS)
        finally:
            store.close()
        whole = len(rows) == len(IDS) and {row["as_of"] for row in rows.values()} == {str(run and run.as_of)}
        return str(run and run.as_of) if whole else "torn"

    def parts(self) -> list[str]:
        """Unfinished files of the list; those that only ask whether the folder can be written do not count."""
        return [name for name in self.names() if ".part" in name and "probe" not in name]

    def names(self) -> list[str]:
        return sorted(path.name for path in self.out.parent.iterdir())

    def start(self, day: str) -> int:
        """A run in a process of its own."""
        child = os.fork()
        if child == 0:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            os._exit(self.score(day))
        return child


def killed(shop: Shop, child: int, how: str, chance: random.Random, usual: float) -> bool:
    """Kill a run; False when it was done before."""
    if how == "writing":
        looks, until = chance.randrange(LOOKS), time.monotonic() + SECONDS
        while not shop.parts() and os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            assert time.monotonic() < until
        for _ in range(looks):
            shop.parts()
    else:
        time.sleep(chance.uniform(0.0, usual))
    os.kill(child, signal.SIGKILL)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def look(shop: Shop, how: str) -> Left:
    return Left(how, shop.content(), len(shop.parts()), bool(verify(shop.out)), shop.stored())


def run_on(shop: Shop, day: str) -> Next:
    code = os.waitstatus_to_exitcode(os.waitpid(shop.start(day), 0)[1])
    return Next(code, day, shop.content(), shop.stored(), shop.names())


def main() -> None:
    folder, kills, seed = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    shop, chance = Shop(folder), random.Random(seed)
    began = time.monotonic()
    shop.score(DAYS[0])
    usual = time.monotonic() - began
    left: list[Left] = []
    lived: list[Next] = []
    for number in range(ROUNDS):
        day = next(d for d in DAYS if d != shop.content())
        how = "any moment" if number % 5 < 2 else "writing"
        if killed(shop, shop.start(day), how, chance, usual):
            left.append(look(shop, how))
            if len(left) % 3 == 0 or len(left) == kills:
                lived.append(run_on(shop, day))
        if len(left) == kills:
            break
    found = {"left": [asdict(one) for one in left], "lived": [asdict(one) for one in lived]}
    sys.stdout.write("\n" + json.dumps(found))


if __name__ == "__main__":
    main()
