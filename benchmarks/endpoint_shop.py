"""A small simulated shop for the benchmarks of the endpoint: trained, scored, decided, with a key; and its servers."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from retain.pressure import Address, ask_once, http_request

__all__ = [
    "RETAIN",
    "Shop",
    "Started",
    "asked",
    "free_port",
    "make_shop",
    "open_shop",
    "serving",
    "started",
    "wait_until_ready",
    "workers_of",
]

RETAIN = (sys.executable, "-m", "retain")
START_SECONDS = 60.0


@dataclass(frozen=True)
class Shop:
    """Where the shop's files are, a key for its endpoint, and some of its customers."""

    folder: Path
    key: str
    ids: tuple[str, ...]

    @property
    def config(self) -> Path:
        """Its configuration."""
        return self.folder / "retain.toml"


@dataclass(frozen=True)
class Started:
    """A server that runs: its process, and where it answers."""

    process: subprocess.Popen[str]
    address: Address

    @property
    def url(self) -> str:
        """Its address in words."""
        return f"http://{self.address.host}:{self.address.port}"


def make_shop(folder: Path, *, customers: int, seed: int = 7) -> Shop:
    """Simulate a shop and run the nightly job on it."""
    shop = folder / "shop"
    _run("demo", "--customers", str(customers), "--seed", str(seed), "--out-dir", str(shop), "--quiet")
    _run("decide", "-c", str(shop / "retain.toml"), "--quiet")
    return open_shop(shop)


def open_shop(shop: Path) -> Shop:
    """A shop that `retain demo` made, with a new key."""
    config = ("-c", str(shop / "retain.toml"))
    roles = [word for role in ("score", "decide", "events", "admin") for word in ("--role", role)]
    key = json.loads(_run("keys", "add", *config, *roles, "--label", "benchmark", "--json"))["key"]
    import pandas as pd

    ids = pd.read_parquet(shop / "list.parquet", columns=["customer_id"])["customer_id"]
    return Shop(shop, key, tuple(ids.astype(str)))


def _run(*words: str) -> str:
    done = subprocess.run([*RETAIN, *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"retain {words[0]} ended with {done.returncode}: {done.stderr[-2000:]}")
    return done.stdout


def free_port() -> int:
    """A port on which nobody listens."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextlib.contextmanager
def started(
    command: Sequence[str],
    port: int,
    *,
    ready: str = "/readyz",
    folder: Path,
    name: str,
    more: dict[str, str] | None = None,
) -> Iterator[Started]:
    """Run a server until the block ends; what it says goes to ``NAME.log`` in `folder`."""
    log = folder / f"{name}.log"
    with log.open("w") as out:
        process = subprocess.Popen(
            command,
            stdout=out,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, **(more or {})},
            start_new_session=True,
        )
        server = Started(process, Address("127.0.0.1", port))
        try:
            wait_until_ready(server, ready, log)
            yield server
        finally:
            _end(process)


@contextlib.contextmanager
def serving(shop: Shop, folder: Path, *, name: str = "retain", workers: int = 2) -> Iterator[Started]:
    """``retain serve`` for a shop, with some workers, until the block ends."""
    port = free_port()
    words = ["serve", "-c", str(shop.config), "--port", str(port), "--workers", str(workers), "--quiet"]
    with started([*RETAIN, *words], port, folder=folder, name=name) as server:
        yield server


async def workers_of(
    server: Started, shop: Shop, count: int, *, without: int = 0, seconds: float = 30.0
) -> set[int]:
    """Ids of the processes that answer, once so many have; RuntimeError when they do not in time.

    Each question has a connection of its own. The process `without` is not counted: it was killed.
    """
    request = http_request("GET", "/v1/admin/status", key=shop.key)
    seen, until = set[int](), time.perf_counter() + seconds
    while time.perf_counter() < until:
        with contextlib.suppress(OSError):
            status, body = await ask_once(server.address, request, timeout=5.0)
            if status == 200:
                seen.add(json.loads(body)["process"])
        if len(seen - {without}) >= count:
            return seen - {without}
        await asyncio.sleep(0.01)
    raise RuntimeError(f"{len(seen)} of {count} workers answer after {seconds:g} s")


def wait_until_ready(server: Started, path: str, log: Path) -> float:
    """Seconds until the server answers 200; RuntimeError with the end of its log when it does not."""
    began = time.perf_counter()
    while time.perf_counter() - began < START_SECONDS:
        if server.process.poll() is not None:
            break
        with contextlib.suppress(OSError, urllib.error.URLError):
            if urllib.request.urlopen(server.url + path, timeout=2).status == 200:
                return time.perf_counter() - began
        time.sleep(0.02)
    raise RuntimeError(f"the server did not become ready: {log.read_text()[-2000:]}")


def _end(process: subprocess.Popen[str]) -> None:
    """SIGTERM, and after a while SIGKILL for all that it started."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(35)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def asked(body: Any) -> bytes:
    """A body as JSON."""
    return json.dumps(body).encode()
