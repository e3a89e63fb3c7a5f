"""The client that puts pressure on endpoints, against a small server of known manners."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from math import isnan
from pathlib import Path

import pandas as pd
import pytest

from features.errors import ConfigError, InputError
from retain.cli import run
from retain.commands.bench_endpoint import bench_endpoint
from retain.pressure import Address, Pressed, closed_pressure, http_request, open_pressure

Handler = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]


async def served(handler: Handler, work: Callable[[Address], Awaitable[Pressed]]) -> Pressed:
    writers: list[asyncio.StreamWriter] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                size = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0] or 0)
                await handler(head + await reader.readexactly(size), writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with server:
        found = await work(Address("127.0.0.1", server.sockets[0].getsockname()[1]))
        for writer in writers:
            writer.close()
        await asyncio.gather(*(writer.wait_closed() for writer in writers), return_exceptions=True)
    return found


def answer(status: int, body: bytes, *, extra: str = "") -> bytes:
    return f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n{extra}\r\n".encode() + body


async def echo(request: bytes, writer: asyncio.StreamWriter) -> None:
    body = request.partition(b"\r\n\r\n")[2]
    whole = answer(200, body)
    # In two pieces, as networks do.
    writer.write(whole[:20])
    await writer.drain()
    writer.write(whole[20:])


def test_each_request_meets_its_answer() -> None:
    requests = [http_request("POST", "/", f"body {i}".encode()) for i in range(3)]
    seen: list[tuple[int, int, bytes]] = []
    found = asyncio.run(
        served(
            echo,
            lambda at: closed_pressure(at, requests, clients=4, seconds=0.2, check=lambda *a: seen.append(a)),
        )
    )
    assert found.broken == 0
    assert len(seen) == len(found.latencies) == found.statuses[200] > 10
    assert all(body == f"body {place}".encode() for place, _, body in seen)
    assert 0 < found.quantile(0.5) <= found.quantile(0.99) < 1


def test_a_server_that_closes_is_met_again_and_broken_answers_are_counted() -> None:
    turn = iter(range(10**6))

    async def moody(_: bytes, writer: asyncio.StreamWriter) -> None:
        if next(turn) % 3 == 2:
            writer.close()
        else:
            writer.write(answer(503, b"", extra="Connection: close\r\n"))
            writer.close()

    found = asyncio.run(
        served(moody, lambda at: closed_pressure(at, [http_request("GET", "/")], clients=2, seconds=0.2))
    )
    assert set(found.statuses) == {503}
    assert 0 < found.broken < found.statuses[503]


def test_open_pressure_counts_waiting_as_latency() -> None:
    busy = asyncio.Lock()

    async def slow(_: bytes, writer: asyncio.StreamWriter) -> None:
        async with busy:
            await asyncio.sleep(0.02)
        writer.write(answer(200, b"x"))

    found = asyncio.run(
        served(slow, lambda at: open_pressure(at, [http_request("GET", "/")], rate=100, seconds=0.4))
    )
    assert len(found.latencies) == 40
    # Twice what the server can do: the last waits for about as long as it took to ask.
    assert found.quantile(1.0) > 5 * found.quantile(0.05)


def test_quantiles_by_status() -> None:
    found = Pressed(seconds=2.0)
    for status, seconds in ((200, 0.1), (429, 0.01), (200, 0.3), (429, 0.02)):
        found.answered(status, seconds)
    assert (found.quantile(0.5, 200), found.quantile(1.0, 429), found.rate) == (0.1, 0.02, 2.0)
    assert isnan(Pressed().quantile(0.5))


@pytest.mark.parametrize("url", ["localhost:3000", "ftp://x", "http://"])
def test_addresses_are_checked(url: str) -> None:
    with pytest.raises(ConfigError, match="is no address"):
        bench_endpoint(url=url)


def test_nobody_there_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["bench-endpoint", "http://127.0.0.1:9", "--seconds", "0.5", "--quiet"]) == 2
    assert "is `retain serve` running there?" in capsys.readouterr().err


def test_a_file_without_ids_is_told(tmp_path: Path) -> None:
    pd.DataFrame({"name": ["x"]}).to_csv(tmp_path / "list.csv")
    with pytest.raises(InputError, match="no list with a column customer_id"):
        bench_endpoint(ids=tmp_path / "list.csv")


def test_the_measurements_are_told(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    pd.DataFrame({"customer_id": ["007", "8"]}).to_csv(tmp_path / "list.csv", index=False)
    asked: set[bytes] = set()

    async def keep(request: bytes, writer: asyncio.StreamWriter) -> None:
        asked.add(request.partition(b"\r\n\r\n")[2])
        await echo(request, writer)

    async def work(at: Address) -> Pressed:
        words = ["bench-endpoint", f"http://{at.host}:{at.port}", "--seconds", "0.5", "--json", "--quiet"]
        code = await asyncio.to_thread(run, [*words, "--list", str(tmp_path / "list.csv")])
        assert code == 0
        return Pressed()

    asyncio.run(served(keep, work))
    document = json.loads(capsys.readouterr().out)
    assert [one["clients"] for one in document["measured"]] == [1, 8, 1, 1]
    assert all(one["statuses"].keys() == {"200"} and one["p50_ms"] > 0 for one in document["measured"])
    assert b'{"customer_id": "007"}' in asked
    assert b'{"customer_ids": ["007", "8"]}' in asked
