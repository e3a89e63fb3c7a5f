"""``retain bench-endpoint``: how fast a running endpoint answers, measured from where you are."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from retain.commands import JsonOption, QuietOption
from retain.console import Screen

if TYPE_CHECKING:
    from retain.pressure import Pressed

__all__ = ["bench_endpoint"]

_LINES = 50
_BATCH = 1_000


def bench_endpoint(
    url: Annotated[str, typer.Argument(help="Address of the endpoint.")] = "http://127.0.0.1:3000",
    ids: Annotated[
        Path | None,
        typer.Option(
            "--list", metavar="FILE", help="A scored list (CSV, Parquet) whose customers are asked for."
        ),
    ] = None,
    clients: Annotated[int, typer.Option("--clients", min=1, max=256, help="Clients at a time.")] = 8,
    seconds: Annotated[float, typer.Option("--seconds", min=0.5, max=60, help="For each measurement.")] = 5.0,
    key_variable: Annotated[
        str, typer.Option("--key-variable", metavar="NAME", help="Environment variable that holds the key.")
    ] = "RETAIN_KEY",
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Measure a running endpoint; it only asks for scores, so nothing is changed or logged as decided."""
    import asyncio

    from features.errors import ConfigError
    from retain.pressure import Address

    screen = Screen(json=json, quiet=quiet)
    try:
        address = Address.of(url)
    except ValueError as error:
        raise ConfigError(str(error)) from None
    key = os.environ.get(key_variable)
    known = _ids(ids)
    found = asyncio.run(_measured(screen, address, known, clients, seconds, key))
    document = {"endpoint": url, "seconds": seconds, "measured": [_document(*one) for one in found]}
    screen.result(document, _table(found), *_advice(found))


def _ids(path: Path | None) -> list[str]:
    if path is None:
        return [f"bench-{i:06}" for i in range(1_000)]
    import pandas as pd

    from features.errors import InputError

    try:
        if path.suffix == ".parquet":
            frame = pd.read_parquet(path, columns=["customer_id"])
        else:
            frame = pd.read_csv(path, usecols=["customer_id"], dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path}: no list with a column customer_id could be read ({type(error).__name__})"
        ) from None
    return [str(name) for name in frame["customer_id"].head(10_000)]


Measured = tuple[str, int, "Pressed"]


async def _measured(
    screen: Screen, address: Any, ids: list[str], clients: int, seconds: float, key: str | None
) -> list[Measured]:
    from features.errors import InputError
    from retain.pressure import closed_pressure

    found: list[Measured] = []
    for name, requests, at_once in _questions(ids, clients, key, address.host):
        screen.note(f"{name}, {at_once} at a time, {seconds:g} s …")
        try:
            pressed = await closed_pressure(address, requests, clients=at_once, seconds=seconds)
        except OSError as error:
            raise InputError(
                f"{address.host}:{address.port} does not answer ({type(error).__name__}); is `retain serve` running there?"
            ) from None
        found.append((name, at_once, pressed))
    return found


def _questions(
    ids: list[str], clients: int, key: str | None, host: str
) -> list[tuple[str, list[bytes], int]]:
    from json import dumps

    from retain.pressure import http_request

    def asked(path: str, body: object) -> bytes:
        return http_request("POST", path, dumps(body).encode(), key=key, host=host)

    days = [f"2025-{1 + i // 25:02}-{1 + i % 25:02}" for i in range(_LINES)]
    lines = {"customer_id": "bench", "orders": [{"time": day, "amount": 10.0} for day in days]}
    one = [asked("/v1/score", {"customer_id": name}) for name in ids]
    live = [asked("/v1/score", {"customer": lines, "as_of": "2025-04-01"})]
    many = [asked("/v1/score/batch", {"customer_ids": ids[:_BATCH]})]
    return [
        ("one customer by id", one, 1),
        ("one customer by id", one, clients),
        (f"one customer from {_LINES} order lines", live, 1),
        (f"{min(len(ids), _BATCH):,} customers by id", many, 1),
    ]


def _document(name: str, clients: int, found: Pressed) -> dict[str, Any]:
    def ms(share: float) -> float | None:
        value = found.quantile(share) * 1_000
        return None if value != value else round(value, 3)

    return {
        "what": name,
        "clients": clients,
        "p50_ms": ms(0.5),
        "p99_ms": ms(0.99),
        "per_second": round(found.rate, 1),
        "statuses": dict(sorted(found.statuses.items())),
        "broken": found.broken,
    }


def _table(found: list[Measured]) -> Any:
    from rich.table import Table

    table = Table("what", "at a time", "p50 ms", "p99 ms", "per second", "answers")
    for one in found:
        row = _document(*one)
        told = ", ".join(f"{count:,} × {status}" for status, count in row["statuses"].items())
        told += f", {row['broken']} broken" if row["broken"] else ""
        table.add_row(
            row["what"], str(row["clients"]), *(str(row[n]) for n in ("p50_ms", "p99_ms", "per_second")), told
        )
    return table


def _advice(found: list[Measured]) -> list[str]:
    statuses = {status for _, _, pressed in found for status in pressed.statuses}
    advice = []
    if statuses & {401, 403}:
        advice.append(
            "Some answers were refusals: put a key with the role score into the environment (--key-variable)."
        )
    if 409 in statuses:
        advice.append("The endpoint has no list yet: run `retain score` where it runs.")
    return advice
