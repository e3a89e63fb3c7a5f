"""The endpoint against the list: each customer by every way that a score can be asked for, bit for bit."""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import random
import sqlite3
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pandas as pd
from endpoint import Figure, features_of
from endpoint_shop import Shop, Started, asked, serving

from features.load import load
from retain.config import Project, load_config
from retain.pressure import ask_each, http_request
from serving.table_rows import ROWS

__all__ = ["bits"]

CUSTOMERS, QUICK_CUSTOMERS = 10_000, 500
ALONE, QUICK_ALONE = 1_000, 100
BATCH, RAW_BATCH = 1_000, 250
# What an answer has at least, with reasons and without.
COLUMNS, PLAIN_COLUMNS = 50, 40
Row = dict[str, Any]


@dataclass
class Compared:
    """Rows of one way of asking, held against the list."""

    listed: Mapping[str, Row]
    rows: dict[str, Row] = field(default_factory=dict)
    odd: int = 0

    def take(self, _place: int, status: int, body: bytes) -> None:
        """One answer, of one customer or many."""
        answer = json.loads(body)
        if status != 200:
            self.odd += 1
            return
        for row in answer.get("results", [answer]):
            self.odd += not row.pop("found", True)
            self.rows[row["customer_id"]] = in_bits(row)

    def different(self, ids: Iterable[str]) -> int:
        """Customers without an answer, or with one that differs from the list in any column it has."""
        return sum(not self._same(customer) for customer in ids)

    def _same(self, customer: str) -> bool:
        row, listed = self.rows.get(customer), self.listed[customer]
        return bool(row) and all(listed[name] == value for name, value in row.items() if name in listed)


def bits(shop: Shop, folder: Path, *, quick: bool) -> list[Figure]:
    """Each customer by id, from the raw rows of all tables, and from ready features, alone and in batches.

    The list is its Parquet file; the floats of both sides are compared as their 64 bits.
    """
    project, count = load_config(shop.config), QUICK_CUSTOMERS if quick else CUSTOMERS
    listed = _listed(shop)
    ids = list(listed)[:count]
    with serving(shop, folder, name="bits") as server:
        found = _asked(shop, project, server, ids, QUICK_ALONE if quick else ALONE)
    stored = Compared(listed, {row["customer_id"]: in_bits(row) for row in _stored(project)})
    floats = sum(isinstance(value, bytes) for i in ids for value in listed[i].values())
    figures = [
        Figure("customers compared", len(ids), "", f"≥ {count:,}", len(ids) >= count),
        Figure("floats in their rows", floats, "", f"> {10 * count:,}", floats > 10 * count),
        _figure("stored rows", stored, ids, columns=COLUMNS),
    ]
    return figures + [
        _figure(name, one, who, columns=COLUMNS if full else PLAIN_COLUMNS) for name, one, who, full in found
    ]


def _figure(name: str, found: Compared, ids: Sequence[str], *, columns: int) -> Figure:
    """How many differ; rows with too few columns differ, too."""
    narrow = sum(len(found.rows.get(i, ())) < columns for i in ids)
    wrong = max(found.different(ids), narrow, found.odd)
    return Figure(f"{name}: of {len(ids):,} customers, others than in the list", wrong, "", "0", wrong == 0)


def _asked(
    shop: Shop, project: Project, server: Started, ids: Sequence[str], alone: int
) -> list[tuple[str, Compared, Sequence[str], bool]]:
    """Ask in every way; its name, what came back, for whom, and whether with reasons."""
    listed = _listed(shop)
    day = next(iter(listed.values()))["as_of"]
    some = random.Random(4).sample(ids, alone)
    raw, ready = _raw(project, ids), _ready(shop, ids)

    def get(body: Row, path: str = "/v1/score") -> bytes:
        return http_request("POST", path, asked({"reasons": True, **body}), key=shop.key)

    def batches(name: str, rows: Sequence[Any], size: int = BATCH, **more: Any) -> list[bytes]:
        parts = [rows[start : start + size] for start in range(0, len(rows), size)]
        return [get({name: part, **more}, "/v1/score/batch") for part in parts]

    features = [{"customer_id": i, "features": ready[i]} for i in ids]
    customers = [{"customer_id": i, **raw[i]} for i in ids]
    ways: list[tuple[str, list[bytes], Sequence[str], bool]] = [
        ("by id", [get({"customer_id": i}) for i in ids], ids, True),
        ("by id, batches", batches("customer_ids", ids), ids, True),
        (
            "raw rows, alone",
            [get({"customer": {"customer_id": i, **raw[i]}, "as_of": day}) for i in some],
            some,
            True,
        ),
        ("raw rows, batches", batches("customers", customers, RAW_BATCH, as_of=day), ids, True),
        ("ready features", [get({**row, "as_of": day, "reasons": False}) for row in features], ids, False),
        ("ready features, batches", batches("feature_rows", features, as_of=day), ids, True),
        ("stored customer", [_stored_customer(i, shop) for i in ids], ids, True),
    ]
    return [(name, _compared(server, requests, listed), who, full) for name, requests, who, full in ways]


def _stored_customer(customer: str, shop: Shop) -> bytes:
    return http_request("GET", f"/v1/customers/{quote(customer, safe='')}", key=shop.key)


def _compared(server: Started, requests: Sequence[bytes], listed: Mapping[str, Row]) -> Compared:
    found = Compared(listed)

    async def ask() -> int:
        # Each request once; two at a time, one for each worker.
        return await ask_each(server.address, requests, check=found.take, clients=2)

    found.odd += asyncio.run(ask())
    return found


def _listed(shop: Shop) -> dict[str, Row]:
    rows = pd.read_parquet(shop.folder / "list.parquet").to_dict("records")
    return {row["customer_id"]: in_bits(row) for row in rows}


def _stored(project: Project) -> list[Row]:
    """The rows of the latest run, as the state database has them."""
    file = project.store_url.removeprefix("sqlite:///")
    with contextlib.closing(sqlite3.connect(file)) as database:
        return [json.loads(text) for (text,) in database.execute("SELECT row FROM scores")]


def _raw(project: Project, ids: Sequence[str]) -> dict[str, dict[str, list[Row]]]:
    """All rows of some customers, by table, as a client would send them."""
    tables, wanted = load(project.config.data, base=project.base).tables, set(ids)
    found: dict[str, dict[str, list[Row]]] = {i: {"orders": []} for i in ids}
    for name in set(ROWS) & set(tables.present):
        for row in getattr(tables, name).to_pyarrow().to_pylist():
            customer = row["customer_id"]
            if customer in wanted:
                sent = {n: _json(v) for n, v in row.items() if n in ROWS[name].model_fields and v is not None}
                found[customer].setdefault(name, []).append(sent)
    return found


def _ready(shop: Shop, ids: Sequence[str]) -> dict[str, dict[str, float | None]]:
    rows = {name: row for name, row, _ in features_of(shop, 10**9)}
    return {i: rows[i] for i in ids}


def _json(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date | datetime) else value


def in_bits(row: Mapping[str, Any]) -> Row:
    """A row with every float as its 64 bits, days as text, and nothing for what is missing."""
    found: Row = {}
    for name, value in row.items():
        if isinstance(value, float):
            found[name] = None if math.isnan(value) else struct.pack(">d", value)
        else:
            found[name] = None if value is None or value is pd.NaT else _json(value)
    return found
