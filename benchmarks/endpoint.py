"""The endpoint under pressure, beside its peers in the same run.

::

    python benchmarks/endpoint.py --out docs/benchmark_endpoint.md
    python benchmarks/endpoint.py --parts speed overload --seconds 3

Each server is a process of its own with one worker; this process is the client. Medians of alternating rounds, and
ratios within the run: the machine is shared with others. ``benchmarks/endpoint_processes.py`` and
``benchmarks/endpoint_abuse.py`` have the faults.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from endpoint_shop import RETAIN, Shop, Started, asked, free_port, make_shop, started

from retain.pressure import Pressed, closed_pressure, http_request

__all__ = ["main"]

PEERS = Path(__file__).with_name("endpoint_peers.py")
CLIENTS = (1, 16)
LINES = 50
RISK, WHOLE = "risk from ready features", "whole row from ready features"


@dataclass(frozen=True)
class Figure:
    """One figure, what it was to be, and whether it is."""

    what: str
    value: float
    unit: str
    target: str = ""
    met: bool | None = None


@dataclass(frozen=True)
class Servers:
    """What runs, by name."""

    shop: Shop
    running: Mapping[str, Started]


@contextlib.contextmanager
def servers(folder: Path, shop: Shop, names: Sequence[str]) -> Iterator[Servers]:
    """Start ours and the peers asked for."""
    with contextlib.ExitStack() as stack:
        running: dict[str, Started] = {}
        for name in names:
            port = free_port()
            command, ready, more = _command(name, shop, port, folder)
            running[name] = stack.enter_context(
                started(command, port, ready=ready, folder=folder, name=name, more=more)
            )
        yield Servers(shop, running)


def _command(name: str, shop: Shop, port: int, folder: Path) -> tuple[list[str], str, dict[str, str]]:
    peer = [sys.executable, str(PEERS)]
    if name == "retain":
        return [*RETAIN, "serve", "-c", str(shop.config), "--port", str(port), "--quiet"], "/readyz", {}
    if name == "mlflow":
        import subprocess

        model = folder / "mlflow-model"
        subprocess.run([*peer, "log-model", str(model), "300"], check=True, capture_output=True)
        serve = ["models", "serve", "-m", str(model), "-p", str(port), "--env-manager", "local", "-w", "1"]
        quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"}
        return [sys.executable, "-m", "mlflow", *serve], "/ping", quiet
    ready = "/readyz" if name == "fastapi" else "/"
    return [*peer, name, str(shop.config), str(port)], ready, {}


def questions(shop: Shop) -> dict[str, dict[str, list[bytes]]]:
    """Requests by kind and server."""
    from features.pipeline import FEATURES

    one, rows = shop.ids[:1_000], features_of(shop, 200)

    def post(body: Any, path: str = "/v1/score") -> bytes:
        return http_request("POST", path, asked(body), key=shop.key)

    by_id = [post({"customer_id": name}) for name in one]
    whole = [{"customer_id": name, "features": row, "as_of": day} for name, row, day in rows]
    ready = [post(body) for body in whole]
    risk = [post({**body, "columns": ["churn_probability"]}) for body in whole]
    split = [
        http_request(
            "POST",
            "/invocations",
            asked({"dataframe_split": {"columns": list(range(len(FEATURES))), "data": [_filled(row)]}}),
        )
        for _, row, _ in rows
    ]
    hello = [http_request("POST", "/", asked({"customer_id": name})) for name in one]
    large = [http_request("POST", "/", asked(body)) for body in whole]
    return {
        "by id": {"retain": by_id, "fastapi": by_id, "hello": hello},
        RISK: {"retain": risk, "fastapi": risk, "mlflow": split, "hello": large},
        WHOLE: {"retain": ready, "fastapi": ready, "mlflow": split, "hello": large},
    }


def features_of(shop: Shop, count: int) -> list[tuple[str, dict[str, float | None], str]]:
    """Ready features of some customers on the day of the list."""
    import math

    import pandas as pd

    from features.load import load
    from features.pipeline import FEATURES
    from features.plan import fetch_features
    from retain.config import load_config

    listed = pd.read_parquet(shop.folder / "list.parquet", columns=["customer_id", "as_of"])
    day = pd.Timestamp(listed["as_of"].iloc[0]).date()
    project = load_config(shop.config)
    tables = load(project.config.data, base=project.base).tables
    known = fetch_features(tables, [day]).sort_by("customer_id").to_pandas()
    known = known[known["customer_id"].isin(listed["customer_id"])].head(count)
    return [
        (
            row["customer_id"],
            {name: None if math.isnan(float(row[name])) else float(row[name]) for name in FEATURES},
            day.isoformat(),
        )
        for row in known.to_dict("records")
    ]


def _filled(row: Mapping[str, float | None]) -> list[float]:
    return [0.0 if value is None else value for value in row.values()]


def press(server: Started, requests: Sequence[bytes], *, clients: int, seconds: float) -> Pressed:
    """Closed pressure; RuntimeError when an answer is no success: a fast refusal is no speed."""
    found = asyncio.run(closed_pressure(server.address, requests, clients=clients, seconds=seconds))
    if found.broken or set(found.statuses) != {200}:
        raise RuntimeError(f"{server.url}: {dict(found.statuses)}, {found.broken} broken")
    return found


def speed(there: Servers, *, rounds: int, seconds: float) -> list[dict[str, Any]]:
    """Latency and rate of single rows, ours and the peers in turn."""
    rows = []
    for kind, by_server in questions(there.shop).items():
        for clients in CLIENTS:
            runs: dict[str, list[Pressed]] = {name: [] for name in by_server}
            for server, requests in by_server.items():
                press(there.running[server], requests, clients=clients, seconds=seconds / 4)
            for _ in range(rounds):
                for server, requests in by_server.items():
                    runs[server].append(
                        press(there.running[server], requests, clients=clients, seconds=seconds)
                    )
            for server, found in runs.items():
                rows.append({"kind": kind, "clients": clients, "server": server, **_medians(found)})
                report(rows[-1])
    return rows


def _medians(found: Sequence[Pressed]) -> dict[str, float]:
    return {
        "p50_ms": statistics.median(one.quantile(0.5) for one in found) * 1e3,
        "p99_ms": statistics.median(one.quantile(0.99) for one in found) * 1e3,
        "per_second": statistics.median(one.rate for one in found),
    }


def judged_speed(rows: Sequence[Mapping[str, Any]]) -> list[Figure]:
    """Ratios of the speed against the peers."""
    at = {(row["kind"], row["clients"], row["server"]): row for row in rows}
    found = []
    for kind in ("by id", RISK, WHOLE):
        ours, plain, least = (at[kind, 1, name] for name in ("retain", "fastapi", "hello"))
        many, plain_many = (at[kind, CLIENTS[-1], name] for name in ("retain", "fastapi"))
        p50 = ours["p50_ms"] / plain["p50_ms"]
        found.append(Figure(f"{kind}: p50 over FastAPI's", p50, "×", "≤ 1", p50 <= 1))
        rate = many["per_second"] / plain_many["per_second"]
        found.append(Figure(f"{kind}: requests/s over FastAPI's, 16 clients", rate, "×", "≥ 1", rate >= 1))
        bare = ours["p50_ms"] / least["p50_ms"]
        found.append(Figure(f"{kind}: p50 over an ASGI hello-world's", bare, "×", "≤ 3", bare <= 3))
    for kind in (RISK, WHOLE):
        (ours, served), (one, other) = (
            [at[kind, clients, name] for name in ("retain", "mlflow")] for clients in (CLIENTS[-1], 1)
        )
        rate = ours["per_second"] / served["per_second"]
        name = f"{kind}: requests/s over mlflow models serve's, 16 clients"
        found.append(Figure(name, rate, "×", "≥ 20", rate >= 20))
        quicker = other["p50_ms"] / one["p50_ms"]
        name = f"{kind}: p50 of mlflow models serve over ours"
        found.append(Figure(name, quicker, "×", "≥ 20", quicker >= 20))
    return found


def lines(there: Servers, *, rounds: int, seconds: float) -> list[Figure]:
    """One customer from 50 raw order lines, of the shop's own customers."""
    days = [f"2025-{1 + i // 25:02}-{1 + i % 25:02}T10:00:00" for i in range(LINES)]
    requests = [
        http_request(
            "POST",
            "/v1/score",
            asked(
                {
                    "customer": {
                        "customer_id": f"live-{turn}",
                        "orders": [{"time": day, "amount": 10.0 + turn} for day in days],
                    },
                    "as_of": "2025-04-01",
                }
            ),
            key=there.shop.key,
        )
        for turn in range(20)
    ]
    ours = there.running["retain"]
    found = [press(ours, requests, clients=1, seconds=seconds) for _ in range(rounds)]
    p50 = statistics.median(one.quantile(0.5) for one in found) * 1e3
    return [Figure(f"one row from {LINES} raw order lines: p50", p50, "ms", "≤ 15", p50 <= 15)]


def batches(there: Servers, *, rounds: int, seconds: float) -> list[Figure]:
    """1,000 rows against the scorer in process, and single rows while batches run."""
    rows = features_of(there.shop, 1_000)
    day = rows[0][2]
    body = {"feature_rows": [{"customer_id": name, "features": row} for name, row, _ in rows], "as_of": day}
    batch = [http_request("POST", "/v1/score/batch", asked(body), key=there.shop.key)]
    ours = there.running["retain"]
    inside = in_process(there.shop, rows, rounds)
    whole = [press(ours, batch, clients=1, seconds=seconds) for _ in range(rounds)]
    ratio = statistics.median(one.quantile(0.5) for one in whole) / inside
    single = questions(there.shop)["by id"]["retain"]

    async def together() -> Pressed:
        quiet, _ = await asyncio.gather(
            closed_pressure(ours.address, single, clients=1, seconds=seconds),
            closed_pressure(ours.address, batch, clients=1, seconds=seconds),
        )
        return quiet

    quiet = [press(ours, single, clients=1, seconds=seconds) for _ in range(rounds)]
    loud = [asyncio.run(together()) for _ in range(rounds)]
    p99 = [statistics.median(one.quantile(0.99) for one in some) for some in (quiet, loud)]
    told = f"{len(rows):,}-row batch over the scorer in process"
    return [
        Figure(f"{len(rows):,} rows in process", inside * 1e3, "ms"),
        Figure(told, ratio, "×", "≤ 1.2", ratio <= 1.2),
        Figure("p99 of single rows, quiet", p99[0] * 1e3, "ms"),
        Figure(
            "p99 of single rows while batches run", p99[1] / p99[0], "× quiet", "≤ 3", p99[1] <= 3 * p99[0]
        ),
    ]


def in_process(shop: Shop, rows: Sequence[tuple[str, Mapping[str, float | None], str]], rounds: int) -> float:
    """Seconds the scorer takes for the same rows, to the text of the answer."""
    import time
    from datetime import date

    import numpy as np

    from features.pipeline import FEATURES
    from retain.champion import champion_scorer
    from retain.config import load_config
    from training.models.rows import Rows

    scorer = champion_scorer(load_config(shop.config))
    values = [[np.nan if v is None else v for v in row.values()] for _, row, _ in rows]
    names, day = [name for name, _, _ in rows], date.fromisoformat(rows[0][2])
    times = []
    for _ in range(rounds + 1):
        began = time.perf_counter()
        json.dumps(scorer.answer_rows(Rows(FEATURES, np.array(values)), names, day))
        times.append(time.perf_counter() - began)
    return statistics.median(times[1:])


def overload(there: Servers, *, rounds: int, seconds: float) -> list[Figure]:
    """Four times as many live scores as can be answered: what is accepted stays quick, the rest is told so at once."""
    from retain.pressure import open_pressure

    ours = there.running["retain"]
    days = [f"2025-{1 + i // 25:02}-{1 + i % 25:02}T10:00:00" for i in range(LINES)]
    lines_of = [{"time": day, "amount": 10.0} for day in days]
    body = asked({"customer": {"customer_id": "live", "orders": lines_of}, "as_of": "2025-04-01"})
    request = [http_request("POST", "/v1/score", body, key=there.shop.key)]
    full = press(ours, request, clients=2, seconds=seconds)
    found = [
        asyncio.run(open_pressure(ours.address, request, rate=4 * full.rate, seconds=seconds))
        for _ in range(rounds)
    ]
    accepted = statistics.median(one.quantile(0.99, 200) for one in found) / full.quantile(0.99)
    told = statistics.median(one.quantile(0.99, 429) for one in found) * 1e3
    good = statistics.median(one.statuses[200] / one.seconds for one in found) / full.rate
    others = sum(sum(n for s, n in one.statuses.items() if s not in (200, 429)) + one.broken for one in found)
    return [
        Figure("capacity, live scores from order lines", full.rate, "per second"),
        Figure("4× overload: p99 of accepted over p99 at capacity", accepted, "×", "≤ 2", accepted <= 2),
        Figure("4× overload: p99 until 429", told, "ms", "≤ 50", told <= 50),
        Figure("4× overload: accepted over capacity", good, "×", "≥ 0.9", good >= 0.9),
        Figure("4× overload: other answers", others, "", "0", others == 0),
    ]


PARTS: dict[str, Callable[..., list[Figure]]] = {"lines": lines, "batches": batches, "overload": overload}


def report(row: Mapping[str, Any]) -> None:
    """One line of progress on standard error."""
    told = f"{row['p50_ms']:8.3f} ms p50 {row['p99_ms']:8.3f} ms p99 {row['per_second']:9.1f}/s"
    print(f"{row['kind']:<30}{row['clients']:>4} clients  {row['server']:<8}{told}", file=sys.stderr)


def page(rows: Sequence[Mapping[str, Any]], figures: Sequence[Figure], command: str) -> str:
    """The page for the docs."""
    from steps import machine

    text = ["# The endpoint under pressure", "", f"`{command}` on {machine()}.", ""]
    text += ["Every server has one worker; the client is one process on the same machine. Medians of"]
    text += ["alternating rounds. Ratios say more than times: the machine is shared.", ""]
    if rows:
        text += ["## Single rows", "", "| asked | clients | server | p50 ms | p99 ms | requests/s |"]
        text += ["|---|--:|---|--:|--:|--:|", *map(_row, rows)]
    text += ["", "## Figures", "", "| figure | value | target | |", "|---|--:|---|---|"]
    mark = {True: "met", False: "**missed**", None: ""}
    text += [f"| {f.what} | {f.value:.3g} {f.unit} | {f.target} | {mark[f.met]} |" for f in figures]
    return "\n".join([*text, ""])


def _row(found: Mapping[str, Any]) -> str:
    times = f"{found['p50_ms']:.3f} | {found['p99_ms']:.3f} | {found['per_second']:,.0f}"
    return f"| {found['kind']} | {found['clients']} | {found['server']} | {times} |"


def main() -> int:
    """Read the command line, measure, write the page; 1 when a target is missed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--parts", nargs="+", choices=["speed", *PARTS], default=["speed", *PARTS])
    parser.add_argument("--customers", type=int, default=2_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    rows: list[dict[str, Any]] = []
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="retain-endpoint-") as name:
        shop = make_shop(Path(name), customers=given.customers)
        names = ["retain", "fastapi", "hello", "mlflow"] if "speed" in given.parts else ["retain"]
        with servers(Path(name), shop, names) as there:
            if "speed" in given.parts:
                rows = speed(there, rounds=given.rounds, seconds=given.seconds)
                figures += judged_speed(rows)
            for part in [part for part in PARTS if part in given.parts]:
                figures += PARTS[part](there, rounds=given.rounds, seconds=given.seconds)
    text = page(rows, figures, "python " + " ".join(["benchmarks/endpoint.py", *sys.argv[1:]]))
    print(text)
    if given.out:
        given.out.write_text(text, encoding="utf-8")
    return int(any(figure.met is False for figure in figures))


if __name__ == "__main__":
    sys.exit(main())
