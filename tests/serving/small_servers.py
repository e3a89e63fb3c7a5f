"""Starting `tests.serving.small_server` as a process of its own, and asking it."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil

from serving.settings import ServingSettings

__all__ = ["ROOT", "Served", "read_answer", "read_one", "served", "until"]

ROOT = Path(__file__).resolve().parents[2]


def until(true: Callable[[], object], seconds: float = 20.0) -> Any:
    """What `true` gives, once it is true; fails after `seconds`."""
    end = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < end, f"not within {seconds:g} seconds"
        time.sleep(0.005)
    return found


@dataclass
class Served:
    """A running server."""

    process: subprocess.Popen[str]
    folder: Path
    address: str

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self.address.rpartition(":")[2])

    def get(self, path: str = "/") -> httpx.Response:
        """Ask over a connection of its own."""
        return httpx.get(self.address + path, timeout=20)

    def pid(self) -> int:
        """The worker that answers."""
        found: int = self.get().json()["pid"]
        return found

    def connect(self) -> socket.socket:
        """A connection on which nothing was said yet."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=20)

    def children(self) -> list[psutil.Process]:
        """Processes that the parent started."""
        return [child for child in psutil.Process(self.process.pid).children() if child.is_running()]

    def end(self) -> tuple[int, str]:
        """Exit code and what it said on standard error."""
        _, said = self.process.communicate(timeout=30)
        return self.process.returncode, said


@contextlib.contextmanager
def served(folder: Path, **settings: Any) -> Iterator[Served]:
    """A server that answers already, or has ended."""
    command = [sys.executable, "-m", "tests.serving.small_server", str(folder)]
    command.append(ServingSettings(**settings).model_dump_json())
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        try:
            yield Served(process, folder, process.stdout.readline().strip())
        finally:
            process.kill()


def read_answer(connection: socket.socket) -> bytes:
    """All that comes until the other side closes."""
    found = b""
    with contextlib.suppress(ConnectionResetError):
        while chunk := connection.recv(65536):
            found += chunk
    return found


def read_one(connection: socket.socket) -> bytes:
    """One whole answer, in however many pieces it comes; the connection stays open."""
    with connection.makefile("rb", buffering=0) as stream:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            byte = stream.read(1)
            assert byte, f"closed within an answer: {head!r}"
            head += byte
        [length] = re.findall(rb"\r\ncontent-length: (\d+)\r\n", head.lower())
        body = b""
        while len(body) < int(length):
            piece = stream.read(int(length) - len(body))
            assert piece, f"closed within an answer: {head + body!r}"
            body += piece
    return head + body
