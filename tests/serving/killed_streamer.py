"""Kills the streaming of a list again and again and tells what it left; run by test_streamed_kill.

``killed_streamer.py FOLDER KILLS SEED``: a model and features are made once, then every run is a fork of this process.
A run makes one of two lists in the place of the other; it is killed at a random moment. After every third kill the
next run may live.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow as pa

from features.publish import sweep_parts
from serving.list_folder import verify_list_folder
from serving.streamed import StreamSettings, stream_list
from tests.serving.streamed_shop import DAY, bundle_and_features, scorer_of

ROUNDS = 200
SETTINGS = StreamSettings(reasons=25, threads=2, batch_rows=20)


class Shop:
    """Two lists of one shop: of everybody, and of all but one."""

    def __init__(self, out: Path) -> None:
        bundle, self.known = bundle_and_features()
        self.out, self.scorer = out, scorer_of(bundle)
        self.left_out = {"all": set(), "less": {self.known["customer_id"][3].as_py()}}
        self.shas = {name: self.make(name) for name in ("less", "all")}

    def make(self, name: str) -> str:
        sweep_parts(self.out.parent)
        batches: list[pa.RecordBatch] = self.known.to_batches()
        left_out = self.left_out[name]
        return stream_list(self.scorer, batches, DAY, self.out, settings=SETTINGS, left_out=left_out).sha256

    def content(self) -> str:
        """Which of the lists stands there, whole."""
        rows = verify_list_folder(self.out)["rows"]
        return "all" if rows == self.known.num_rows else "less" if rows == self.known.num_rows - 1 else "torn"

    def names(self) -> list[str]:
        return sorted(path.name for path in self.out.parent.iterdir())

    def start(self, name: str) -> int:
        """A run in a process of its own."""
        child = os.fork()
        if child == 0:
            code = 1
            try:
                code = 0 if self.make(name) == self.shas[name] else 3
            finally:
                os._exit(code)
        return child


def main() -> None:
    folder, kills, seed = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    shop, chance = Shop(folder / "list"), random.Random(seed)
    began = time.monotonic()
    os.waitpid(shop.start("all"), 0)
    usual = time.monotonic() - began
    left: list[dict[str, Any]] = []
    lived: list[dict[str, Any]] = []
    for _ in range(ROUNDS):
        name = "less" if shop.content() == "all" else "all"
        child = shop.start(name)
        time.sleep(chance.uniform(0.0, usual))
        os.kill(child, signal.SIGKILL)
        if os.WIFSIGNALED(os.waitpid(child, 0)[1]):
            left.append({"content": shop.content(), "unfinished": len(shop.names()) > 1})
            if len(left) % 3 == 0 or len(left) == kills:
                code = os.waitstatus_to_exitcode(os.waitpid(shop.start(name), 0)[1])
                lived.append({"code": code, "asked": name, "content": shop.content(), "names": shop.names()})
        if len(left) == kills:
            break
    sys.stdout.write("\n" + json.dumps({"left": left, "lived": lived}))


if __name__ == "__main__":
    main()
