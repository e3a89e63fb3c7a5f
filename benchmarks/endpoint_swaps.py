"""One model after the other while customers are asked for: no error, and each answer is of the version it names."""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import numpy as np
from abuse_models import twin
from endpoint import Figure, features_of
from endpoint_shop import Shop, Started, asked, serving

from features.pipeline import FEATURES
from retain.champion import live_settings
from retain.config import load_config
from retain.pressure import ask_once, closed_pressure, http_request
from serving.live_scores import feature_matrix
from serving.opening import open_scorer
from serving.row_text import row_text
from training.models.bundle import POINTER, Bundle, champion_path
from training.models.text_files import point_at

__all__ = ["swaps"]

CUSTOMERS, CLIENTS = 100, 4
SWAPS, QUICK_SWAPS = 200, 20
SWAP_SECONDS = 60.0
Row = tuple[str, dict[str, float | None], str]


@dataclass
class Answers:
    """What came back, held against what each version gives in process."""

    expected: Mapping[str, Sequence[str]]
    by_version: Counter[str] = field(default_factory=Counter)
    other: Counter[str] = field(default_factory=Counter)
    different: int = 0
    mixed: int = 0

    def check(self, place: int, status: int, body: bytes) -> None:
        """One answer: a customer, or at the last place all of them."""
        if status != 200:
            self.other[str(status)] += 1
            return
        answer = json.loads(body)
        rows = answer.get("results", [answer])
        first = place if "results" not in answer else 0
        self.mixed += len({row["model_version"] for row in rows}) > 1
        for at, row in enumerate(rows, start=first):
            version = row["model_version"]
            self.by_version[version] += 1
            del row["found"]
            self.different += version not in self.expected or row_text(row) != self.expected[version][at]


def swaps(shop: Shop, folder: Path, *, quick: bool) -> list[Figure]:
    """The pointer file is moved to and fro between two versions under requests with ready features.

    The next move comes once both workers serve what the pointer names. Every answer's text, and with it every bit
    of its numbers, is compared with what the version it names gives in this process.
    """
    count = QUICK_SWAPS if quick else SWAPS
    models = load_config(shop.config).models_dir
    champion = Bundle.load(champion_path(models))
    try:
        versions = [champion.version, twin(champion).save(models).version]
        rows = features_of(shop, CUSTOMERS)
        found = Answers({version: _in_process(shop, version, rows) for version in versions})
        with serving(shop, folder, name="swaps") as server:
            took, broken = asyncio.run(_swap(shop, server, found, rows=rows, count=count))
    finally:
        point_at(models, POINTER, champion.version)
    return _judged(found, took, broken, count)


def _judged(found: Answers, took: Sequence[float], broken: int, count: int) -> list[Figure]:
    errors = broken + sum(found.other.values())
    first, second = found.expected
    differ = sum(a != b for a, b in zip(found.expected[first], found.expected[second], strict=True))
    least = min(found.by_version[first], found.by_version[second])
    return [
        Figure(
            "customers whose answers differ between the versions",
            differ,
            "",
            f"{CUSTOMERS}",
            differ == CUSTOMERS,
        ),
        Figure("swaps that both workers made", len(took), "", f"{count}", len(took) == count),
        Figure("a swap in both workers: median", statistics.median(took), "s"),
        Figure("a swap in both workers: longest", max(took), "s"),
        Figure("rows answered", sum(found.by_version.values()), ""),
        Figure("rows of the version answered less often", least, "", "> 0", least > 0),
        Figure(f"errors {dict(found.other) or ''}".strip(), errors, "", "0", errors == 0),
        Figure(
            "rows that are not those of the version they name", found.different, "", "0", found.different == 0
        ),
        Figure("batches with rows of two versions", found.mixed, "", "0", found.mixed == 0),
    ]


def _in_process(shop: Shop, version: str, rows: Sequence[Row]) -> list[str]:
    """The text of each customer's row by one version."""
    scorer = open_scorer(live_settings(load_config(shop.config)), version)
    features, day = feature_matrix(row for _, row, _ in rows), date.fromisoformat(rows[0][2])
    assert features.shape == (len(rows), len(FEATURES))
    assert np.isfinite(features).any()
    return [row_text(row) for row in scorer.answer_rows(features, [name for name, _, _ in rows], day)]


async def _swap(
    shop: Shop, server: Started, found: Answers, *, rows: Sequence[Row], count: int
) -> tuple[list[float], int]:
    """Seconds each swap took, and requests without an answer."""
    ended = asyncio.Event()
    load = asyncio.create_task(_load(server, _requests(shop, rows), found, ended))
    models, versions = load_config(shop.config).models_dir, list(found.expected)
    took = []
    try:
        for turn in range(1, count + 1):
            began = time.perf_counter()
            point_at(models, POINTER, versions[turn % 2])
            await _taken(shop, server, versions[turn % 2])
            took.append(time.perf_counter() - began)
    finally:
        ended.set()
        broken = await load
    return took, broken


async def _load(server: Started, requests: Sequence[bytes], found: Answers, ended: asyncio.Event) -> int:
    broken = 0
    while not ended.is_set():
        run = await closed_pressure(server.address, requests, clients=CLIENTS, seconds=1.0, check=found.check)
        broken += run.broken
    return broken


def _requests(shop: Shop, rows: Sequence[Row]) -> list[bytes]:
    """Each customer alone, and all together."""
    day = rows[0][2]
    every = [{"customer_id": name, "features": row} for name, row, _ in rows]
    one = [http_request("POST", "/v1/score", asked({**row, "as_of": day}), key=shop.key) for row in every]
    batch = asked({"feature_rows": every, "as_of": day})
    return [*one, http_request("POST", "/v1/score/batch", batch, key=shop.key)]


async def _taken(shop: Shop, server: Started, version: str) -> None:
    """Wait until both workers say that they serve a version."""
    request = http_request("GET", "/v1/admin/status", key=shop.key)
    said, until = dict[int, str](), time.perf_counter() + SWAP_SECONDS
    while time.perf_counter() < until:
        status, body = await ask_once(server.address, request)
        if status == 200:
            told = json.loads(body)
            said[told["process"]] = told["model"]["model_version"]
        if len(said) == 2 and set(said.values()) == {version}:
            return
        await asyncio.sleep(0.005)
    raise RuntimeError(f"{len(said)} workers told; not all serve the new version after {SWAP_SECONDS:g} s")
