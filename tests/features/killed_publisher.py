"""Publishes in child processes, kills them, and tells what they left; run by test_publish.

``killed_publisher.py steps FOLDER``  kills just before each fsync, rename and unlink in turn
``killed_publisher.py random FOLDER KILLS SEED``  kills at random moments while a large list is written
``killed_publisher.py hold FOLDER``  locks the list and waits
``killed_publisher.py limit FOLDER BYTES``  publishes more than the largest file the system allows
``killed_publisher.py stranger FOLDER``  asks, as an account without rights, whether a list can be written
"""

from __future__ import annotations

import json
import os
import random
import resource
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from features.errors import PublishError
from features.publish import check_writable, output_lock, publish_file, sweep_parts, verify

OLD, NEW = b"old," * 500_000, b"new line," * 400_000


def content(path: Path) -> str:
    return {OLD: "old", NEW: "new"}.get(path.read_bytes(), "torn")


def publish(path: Path, data: bytes) -> None:
    publish_file(path, lambda part: part.write_bytes(data) and None, rows=len(data) // 4)


def in_child(work: Callable[[], None], after: float | None = None) -> int:
    """Run work in a forked child, killed after some seconds when told; return its wait status."""
    child = os.fork()
    if child == 0:
        work()
        os._exit(0)
    if after is not None:
        time.sleep(after)
        os.kill(child, signal.SIGKILL)
    return os.waitpid(child, 0)[1]


def left_behind(path: Path) -> dict[str, object]:
    """What a user finds: before the next start, and after its sweep."""
    found = {"content": content(path), "parts": sum(".part" in p.name for p in path.parent.iterdir())}
    found["verified"] = verify(path).bytes == path.stat().st_size
    found["swept"] = len(sweep_parts(path.parent))
    found["after"] = content(path) if verify(path) else ""
    found["names"] = sorted(p.name for p in path.parent.iterdir())
    return found


def die_before(step: int) -> None:
    """Count the calls that change the disk; at the given one, kill this very process."""
    count = 0

    def counted(call: Callable[..., object]) -> Callable[..., object]:
        def wrapper(*args: object, **kwargs: object) -> object:
            nonlocal count
            count += 1
            if count == step:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*args, **kwargs)

        return wrapper

    for name in ("fsync", "replace", "unlink"):
        setattr(os, name, counted(getattr(os, name)))


def steps(path: Path) -> list[dict[str, object]]:
    """Kill at step 1, 2, … until a child gets through."""
    seen = []
    while True:
        publish(path, OLD)

        def work() -> None:
            die_before(len(seen) + 1)
            publish(path, NEW)

        if in_child(work) == 0:
            return seen
        seen.append(left_behind(path))


def at_random(path: Path, kills: int, seed: int) -> list[dict[str, object]]:
    chance = random.Random(seed)
    publish(path, OLD)
    started = time.perf_counter()
    publish(path, NEW)
    usual = time.perf_counter() - started

    def work() -> None:
        while True:
            publish(path, OLD)
            publish(path, NEW)

    seen = []
    for _ in range(kills):
        in_child(work, after=chance.uniform(0, 3 * usual))
        seen.append(left_behind(path))
    return seen


def main() -> None:
    order, folder, *more = sys.argv[1:]
    path = Path(folder) / "list.csv"
    if order == "steps":
        sys.stdout.write(json.dumps(steps(path)))
    elif order == "random":
        sys.stdout.write(json.dumps(at_random(path, int(more[0]), int(more[1]))))
    elif order == "hold":
        with output_lock(path):
            sys.stdout.write(f"{os.getpid()}\n")
            sys.stdout.flush()
            sys.stdin.read()
    elif order == "limit":
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(more[0]), int(more[0])))
        refused(lambda: publish(path, NEW))
    elif order == "stranger":
        os.chdir(folder)
        if os.getuid() == 0:
            os.setuid(65534)
        refused(lambda: check_writable(Path("list.csv")))


def refused(work: Callable[[], None]) -> None:
    try:
        work()
    except PublishError as error:
        sys.stdout.write(str(error))


if __name__ == "__main__":
    main()
