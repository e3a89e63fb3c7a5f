"""What the endpoint is attacked with: a running service with a key for each role, and a caller who says any bytes."""

from __future__ import annotations

import contextlib
import json
import math
import os
import shutil
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from endpoint_shop import RETAIN, Shop, Started, free_port, started

__all__ = ["Caller", "Figure", "Reply", "Target", "is_refusal", "parsed", "request", "serving"]

ROLES = ("score", "decide", "events", "admin")
SECONDS = 30.0


@dataclass(frozen=True)
class Figure:
    """What was looked at, what was found, what it was to be, and whether it is."""

    what: str
    found: str
    target: str
    met: bool


@dataclass(frozen=True)
class Target:
    """A service under attack.

    Parameters
    ----------
    shop : Shop
        Its files, a key for everything, and its customers.
    server : Started
        Where it answers.
    keys : mapping of role to key
        Keys that are good for one role each.
    folder : Path
        Holds everything that the server writes: ``retain.log``, ``temp`` and the shop.
    quick : bool
        Fewer of everything.
    """

    shop: Shop
    server: Started
    keys: Mapping[str, str]
    folder: Path
    quick: bool

    def count(self, full: int, quick: int) -> int:
        """How many to try."""
        return quick if self.quick else full

    def caller(self) -> Caller:
        """Somebody on a connection of their own."""
        return Caller(self.server.address.port)


@dataclass(frozen=True)
class Reply:
    """One answer; status 0 when the connection was closed without any."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Caller:
    """Sends bytes and reads whole answers, on a new connection whenever the last one was closed."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.line: socket.socket | None = None
        self.read = b""

    def __enter__(self) -> Caller:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Hang up."""
        if self.line is not None:
            self.line.close()
        self.line, self.read = None, b""

    def open(self) -> socket.socket:
        """The connection."""
        if self.line is None:
            self.line = socket.create_connection(("127.0.0.1", self.port), timeout=SECONDS)
        return self.line

    def ask(self, sent: bytes) -> Reply:
        """Send one request and read its answer; asks again when an idle connection turns out to be closed."""
        fresh = self.line is None
        reply = self._ask(sent)
        return self._ask(sent) if reply.status == 0 and not fresh else reply

    def _ask(self, sent: bytes) -> Reply:
        # Refused before everything was said: the answer may be there.
        with contextlib.suppress(ConnectionError):
            self.open().sendall(sent)
        reply = self.answer(head=sent.startswith(b"HEAD "))
        if reply.status == 0 or reply.headers.get("connection") == "close":
            self.close()
        return reply

    def answer(self, *, head: bool = False) -> Reply:
        """Read one answer; one to a HEAD request has no body."""
        start = self._until(b"\r\n\r\n")
        if not start:
            return Reply(0, {}, b"")
        lines = start.decode("latin-1").split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines[1:] if line)
        size = 0 if head else int(headers.get("content-length", "0"))
        while len(self.read) < size and self._more():
            pass
        body, self.read = self.read[:size], self.read[size:]
        return Reply(int(lines[0][9:12]), headers, body)

    def _until(self, end: bytes) -> bytes:
        while end not in self.read:
            if not self._more():
                return b""
        found, _, self.read = self.read.partition(end)
        return found

    def _more(self) -> bool:
        try:
            chunk = self.open().recv(65536)
        except ConnectionError:
            chunk = b""
        self.read += chunk
        return bool(chunk)


def request(
    method: str,
    target: str | bytes,
    body: bytes | None = None,
    *,
    key: str = "",
    more: Mapping[str, str] | None = None,
) -> bytes:
    """One request as bytes; with a `body` it says that it is JSON and how long it is."""
    at = target.encode() if isinstance(target, str) else target
    headers = {"host": "localhost", **({"authorization": f"Bearer {key}"} if key else {})}
    if body is not None:
        headers |= {"content-type": "application/json", "content-length": str(len(body))}
    lines = [f"{name}: {value}" for name, value in {**headers, **(more or {})}.items()]
    head = method.encode() + b" " + at + b" HTTP/1.1\r\n" + "\r\n".join([*lines, "", ""]).encode()
    return head + (body or b"")


def parsed(body: bytes) -> Any:
    """A JSON document read strictly; ValueError for NaN, infinities, keys given twice and broken texts."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) < len(pairs):
            raise ValueError("a key twice")
        return dict(pairs)

    def never(text: str) -> float:
        raise ValueError(f"{text} is no JSON")

    def finite(text: str) -> float:
        if not math.isfinite(value := float(text)):
            raise ValueError("not finite")
        return value

    document = json.loads(
        body.decode("utf-8"), object_pairs_hook=once, parse_constant=never, parse_float=finite
    )
    json.dumps(document, ensure_ascii=False).encode("utf-8")
    return document


def is_refusal(reply: Reply, *, statuses: range = range(400, 500)) -> bool:
    """Whether an answer is the one error document, strictly readable, with a status of these."""
    if reply.status not in statuses or reply.headers.get("content-type") != "application/json":
        return False
    try:
        error = parsed(reply.body)["error"]
    except (ValueError, KeyError, TypeError):
        return False
    named = isinstance(error["code"], str) and isinstance(error["message"], str) and error["message"] != ""
    return named and {"code", "message", "field"} <= set(error) <= {"code", "message", "field", "faults"}


@contextlib.contextmanager
def serving(folder: Path, shop: Shop, *, quick: bool) -> Iterator[Target]:
    """Serve a shop until the block ends."""
    from serving.keys import KeyStore

    with contextlib.closing(KeyStore(store_url(shop))) as store:
        keys = {role: store.add([role], label=f"only {role}")[0] for role in ROLES}
    port, temp = free_port(), folder / "temp"
    temp.mkdir()
    command = [*RETAIN, "serve", "-c", str(shop.config), "--port", str(port), "--workers", "1", "--quiet"]
    with started(command, port, folder=folder, name="retain", more={"TMPDIR": str(temp)}) as server:
        yield Target(shop, server, keys, folder, quick)


def store_url(shop: Shop) -> str:
    """Where the shop's state is."""
    from retain.config import load_config

    return load_config(shop.config).store_url


def copied_shop(source: Path, folder: Path) -> Shop:
    """A copy of a shop that was scored and decided before, with a new key for everything."""
    import pandas as pd

    from serving.keys import KeyStore

    shutil.copytree(source, folder / "shop")
    ids = pd.read_parquet(folder / "shop" / "list.parquet", columns=["customer_id"])["customer_id"]
    shop = Shop(folder / "shop", "", tuple(ids.astype(str)))
    with contextlib.closing(KeyStore(store_url(shop))) as store:
        key, _ = store.add(ROLES, label="everything")
    return Shop(shop.folder, key, shop.ids)


def raise_open_files() -> None:
    """As many open files as the system allows this process."""
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    os.environ.setdefault("OMP_NUM_THREADS", "1")
