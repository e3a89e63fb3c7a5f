"""Connections: strangers who hold them, send nonsense or do not read keep nobody else from being answered."""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from serving.protocol import WAITS, Connections, Limits
from tests.serving.small_servers import Served, read_answer, read_one, served, until

HEAD = b"POST / HTTP/1.1\r\nHost: a\r\n"
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
# What proxies and servers read differently, so that one can hide a request from the other.
SMUGGLED = {
    "two lengths": HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
    "the same length twice": HEAD + b"Content-Length: 1\r\nContent-Length: 1\r\n\r\nx",
    "lengths in one header": HEAD + b"Content-Length: 1, 1\r\n\r\nx",
    "length with a sign": HEAD + b"Content-Length: +1\r\n\r\nx",
    "negative length": HEAD + b"Content-Length: -1\r\n\r\nx",
    "hexadecimal length": HEAD + b"Content-Length: 0x1\r\n\r\nx",
    "empty length": HEAD + b"Content-Length: \r\n\r\nx",
    "length beyond all bounds": HEAD + b"Content-Length: 99999999999999999999999\r\n\r\nx",
    "length and chunks": HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks and length": HEAD + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "unknown coding": HEAD + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "packed chunks": HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "two codings": HEAD + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    "blank before the colon": HEAD + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "chunks in HTTP/1.0": b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "folded header": b"GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n Content-Length: 3\r\n\r\n",
    "bare line feeds": b"GET / HTTP/1.1\nHost: a\n\n",
    "NUL in a header": b"GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n",
    "header without a colon": b"GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n",
    "line feed after a chunk size": CHUNKED + b"1\nx\n0\n\n",
    "chunk beyond all bounds": CHUNKED + b"fffffffffffffffffff\r\nx\r\n0\r\n\r\n",
    "chunk longer than it says": CHUNKED + b"1\r\nxyz\r\n0\r\n\r\n",
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "two hosts": b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/0.9": b"GET /\r\n\r\n",
    "a tunnel": b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n",
    "TLS": bytes.fromhex("16030100f1010000ed0303"),
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("served"), header_seconds=1.0) as server:
        yield server


def ask(server: Served, sent: bytes) -> bytes:
    """What comes back until the server closes."""
    with server.connect() as connection:
        connection.sendall(sent)
        return read_answer(connection)


def error(answer: bytes) -> tuple[int, str]:
    """Status and code of one error document and nothing else; the connection is announced closed."""
    head, _, body = answer.partition(b"\r\n\r\n")
    lines = head.lower().split(b"\r\n")
    assert b"connection: close" in lines
    assert b"content-length: %d" % len(body) in lines
    return int(head[9:12]), json.loads(body)["error"]["code"]


def statuses(answer: bytes) -> list[int]:
    return [int(found) for found in re.findall(rb"HTTP/1.1 (\d{3})", answer)]


@pytest.mark.parametrize("sent", SMUGGLED.values(), ids=SMUGGLED.keys())
def test_what_could_hide_a_request_is_refused_and_nothing_after_it_is_read(
    server: Served, sent: bytes
) -> None:
    began = time.monotonic()
    answer = ask(server, sent + GET)
    assert statuses(answer) == [400]
    assert error(answer)[1] in ("not_http", "host", "content_length", "transfer_encoding")
    assert time.monotonic() - began < 5


def test_what_was_asked_before_the_nonsense_is_answered(server: Served) -> None:
    answer = ask(server, GET + b"NONSENSE\r\n\r\n")
    assert statuses(answer) == [200]
    assert b"connection: close" in answer


def test_requests_in_one_piece_are_answered_in_order(server: Served) -> None:
    paths = [f"/{number}" for number in range(20)]
    sent = b"".join(b"GET %s HTTP/1.1\r\nHost: a\r\n\r\n" % path.encode() for path in paths)
    answer = ask(server, sent + b"GET /end HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert re.findall(rb'"path": "([^"]+)"', answer) == [path.encode() for path in [*paths, "/end"]]


def test_trailers_do_not_become_headers(server: Served) -> None:
    sent = CHUNKED + b"3\r\nabc\r\n0\r\nAuthorization: Bearer x\r\n\r\n"
    answer = ask(server, sent + b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert [json.loads(found)["headers"] for found in re.findall(rb"\{.*?\}", answer)] == [2, 2]
    assert b'"bytes": 3' in answer


@pytest.mark.parametrize(
    "sent",
    [
        HEAD + b"X: " + b"a" * 400_000,
        HEAD + b"X: " + b"a" * 17_000 + b"\r\n\r\n",
        HEAD + b"X: a\r\n" * 100 + b"\r\n",
        b"GET /" + b"a" * 17_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
        CHUNKED + b"1;" + b"a" * 400_000,
        CHUNKED + b"1\r\na\r\n0\r\n" + b"X: a\r\n" * 70_000,
    ],
    ids=[
        "endless header",
        "long header",
        "many headers",
        "long address",
        "endless chunk size",
        "endless trailers",
    ],
)
def test_headers_beyond_the_bounds_are_refused(server: Served, sent: bytes) -> None:
    answers = ask(server, sent)
    assert error(answers) == (431, "long_headers")


def test_a_body_in_small_chunks_is_read(server: Served) -> None:
    sent = (
        CHUNKED + b"1\r\nx\r\n" * 50_000 + b"0\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    )
    assert b'"bytes": 50000' in ask(server, sent)


def test_another_protocol_is_not_spoken_but_the_request_is_answered(server: Served) -> None:
    sent = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
    answer = ask(server, sent + GET)
    assert statuses(answer) == [200]
    assert b"connection: close" in answer


@pytest.mark.parametrize(
    ("sent", "status"),
    [(b"", None), (b"\r\n\r\n", None), (b"GET / HTT", 408), (b"GET / HTTP/1.1\r\nHost: a\r\n", 408)],
)
def test_headers_must_come_in_time(server: Served, sent: bytes, status: int | None) -> None:
    began = time.monotonic()
    answer = ask(server, sent)
    assert 0.9 < time.monotonic() - began < 4
    assert (error(answer)[0] if answer else None) == status


def test_a_byte_now_and_then_does_not_gain_time(server: Served) -> None:
    began = time.monotonic()
    with server.connect() as connection:
        connection.sendall(GET)
        assert statuses(read_one(connection)) == [200]
        connection.settimeout(0.1)
        found, slow = b"", iter(b"GET / HTTP/1.1\r\nX: " + b"a" * 100)
        while not found:
            connection.sendall(bytes([next(slow)]))
            with contextlib.suppress(TimeoutError):
                found = connection.recv(65536)
    assert error(found) == (408, "slow_headers")
    assert time.monotonic() - began < 4


def test_a_request_begun_behind_one_that_is_answered_does_not_cut_it_off(server: Served) -> None:
    with server.connect() as connection:
        connection.sendall(b"GET /wait HTTP/1.1\r\nHost: a\r\n\r\nGET / HT")
        time.sleep(1.5)
        (server.folder / "go").touch()
        answer = read_answer(connection)
    (server.folder / "go").unlink()
    assert statuses(answer) == [200]
    assert b"connection: close" in answer


def test_a_connection_is_kept_for_five_seconds(server: Served) -> None:
    with server.connect() as connection:
        for _ in range(2):
            connection.sendall(GET)
            assert statuses(read_one(connection)) == [200]
        began = time.monotonic()
        assert read_answer(connection) == b""
        assert 4 < time.monotonic() - began < 8


def test_three_hundred_that_never_ask_do_not_keep_out_one_who_does(tmp_path: Path) -> None:
    with served(tmp_path, max_connections=64, header_seconds=2) as server, contextlib.ExitStack() as stack:
        kept = stack.enter_context(httpx.Client(base_url=server.address, timeout=5))
        strangers = []
        for number in range(300):
            strangers.append(stack.enter_context(server.connect()))
            strangers[-1].sendall(b"GET / HTTP/1.1\r\nX-" if number % 2 else b"")
            if number % 10 == 0:
                began = time.monotonic()
                assert kept.get("/").status_code == 200
                assert server.get("/").status_code == 200
                assert time.monotonic() - began < 1
        # The first were closed in favour of the later ones; those are closed when their time is over.
        assert read_answer(strangers[0]) == b""
        worker = psutil.Process(server.pid())
        until(lambda: len(worker.net_connections("tcp")) < 10, 12)


def test_those_who_do_not_read_hold_up_nobody_and_no_memory_for_ever(server: Served) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(8):
            connection = stack.enter_context(server.connect())
            connection.sendall(b"GET /big HTTP/1.1\r\nHost: a\r\n\r\n" * 2)
        began = time.monotonic()
        assert server.get("/").status_code == 200
        assert time.monotonic() - began < 2
    assert server.get("/").status_code == 200


class _Waiting:
    def __init__(self, ended: list[str]) -> None:
        self.give_up = ended.append


def test_each_kind_of_waiting_has_an_end() -> None:
    crowd = Connections(Limits(header_seconds=2))
    ended: list[str] = []
    connection: Any = _Waiting(ended)
    for kind, seconds in {"half_open": 2, "idle": 5, "lingering": 2, "leaving": 30, "unread": 30}.items():
        getattr(crowd, kind)[connection] = time.monotonic() - seconds + 1
    crowd.sweep()
    assert ended == []
    for kind in WAITS:
        getattr(crowd, kind)[connection] -= 1.1
    crowd.sweep()
    assert ended == list(WAITS)


def test_a_large_answer_is_read_whole_by_one_who_reads_late(server: Served) -> None:
    with server.connect() as connection:
        connection.sendall(b"GET /big HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        time.sleep(0.5)
        assert len(read_answer(connection).partition(b"\r\n\r\n")[2]) == 5_000_000


def test_two_hundred_torn_connections_leave_no_word_in_the_log(tmp_path: Path) -> None:
    torn = [GET, GET[:20], HEAD + b"Content-Length: 100\r\n\r\nab", b"GET /big HTTP/1.1\r\nHost: a\r\n\r\n"]
    with served(tmp_path) as server:
        for number in range(200):
            with server.connect() as connection:
                # Closed like this, the other side is told that the connection was reset.
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                connection.sendall(torn[number % len(torn)])
        assert server.get("/").status_code == 200
        server.process.terminate()
        assert server.end() == (0, "")


def test_an_early_answer_reaches_those_who_still_send(server: Served) -> None:
    with server.connect() as connection:
        connection.sendall(b"NONSENSE\r\n\r\n")
        time.sleep(0.1)
        with contextlib.suppress(ConnectionError):
            for _ in range(10):
                connection.sendall(b"x" * 100_000)
        assert error(read_answer(connection)) == (400, "not_http")


def test_many_at_once_are_each_answered_with_their_own(server: Served) -> None:
    def ask_often(number: int) -> None:
        with httpx.Client(base_url=server.address) as client:
            for length in range(20):
                told = client.post(f"/{number}", content=b"x" * length).json()
                assert (told["path"], told["bytes"]) == (f"/{number}", length)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(ask_often, range(8)))
    assert os.getpid() != server.pid()
