"""Parts of an endpoint that are made of dictionaries: enough to see what reached them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import numpy as np

from features.errors import InputError
from features.pipeline import FEATURES
from serving.event_log import Counted
from serving.histories import History, Known
from serving.live_scores import Features
from serving.lookup import Stored
from serving.row_text import row_text
from serving.trail_chain import Entry

SHOWN = ("orders_total", "spend_total", "products", "complaints_365d", "days_since_last")
LISTED = "2026-03-01"


class PassingScorer:
    """Passes a few features on."""

    def answer_rows(
        self, features: Features, customer_ids: Sequence[str], as_of: date, *, explain: bool = False
    ) -> list[dict[str, Any]]:
        rows = []
        for customer, values in zip(customer_ids, features, strict=True):
            seen = {name: float(values[FEATURES.index(name)]) for name in SHOWN}
            row = {"customer_id": customer, "as_of": as_of.isoformat(), "model_version": "model-1"}
            row |= {name: None if np.isnan(value) else value for name, value in seen.items()}
            row |= {"risk": "high" if customer.startswith("h") else "low"}
            rows.append(row | ({"reasons": "late", "reasons_zh": "久未下单"} if explain else {}))
        return rows

    def risk_texts(self, *given: Any) -> list[str]:
        shown = ("customer_id", "as_of", "model_version")
        rows = [{name: row[name] for name in shown} for row in self.answer_rows(*given)]
        return [row_text({**row, "churn_probability": 0.5}) for row in rows]

    def answer_texts(self, *given: Any, **more: Any) -> list[str]:
        return [row_text(row) for row in self.answer_rows(*given, **more)]


@dataclass
class FakeServed:
    scorer: Any = field(default_factory=PassingScorer)
    version: str = "model-1"


@dataclass
class FakeModels:
    served: Any = field(default_factory=FakeServed)


class FakeLookup:
    """Rows of a list of 1 March 2026; ``None`` instead of rows stands for no list at all."""

    def __init__(self, rows: Mapping[str, Mapping[str, Any]] | None = None, **more: Any) -> None:
        self.rows = None if rows is None else {i: {"customer_id": i, **row} for i, row in rows.items()}
        self.events: dict[str, int] = more.get("events", {})
        self.opted_out: set[str] = set(more.get("opted_out", ()))
        self.broken = False

    def get(self, customer_id: str) -> Stored | None:
        if self.broken:
            raise InputError("state database: could not be read")
        if self.rows is None:
            return None
        row = self.rows.get(customer_id)
        text = None if row is None else json.dumps(row, ensure_ascii=False, separators=(",", ":"))
        events, out = self.events.get(customer_id, 0), customer_id in self.opted_out
        return Stored("run-1", LISTED, "list-1", text, events, out)

    def get_many(self, customer_ids: Iterable[str]) -> dict[str, Stored] | None:
        found = {customer_id: self.get(customer_id) for customer_id in customer_ids}
        return None if None in found.values() else found  # type: ignore[return-value]


class FakeKnown:
    """What was known when the list was made, and what was told since."""

    def __init__(
        self, histories: Mapping[str, History] | None = None, told: Mapping[str, Counted] | None = None
    ) -> None:
        self.histories, self.told = dict(histories or {}), dict(told or {})

    def known(self, customer_ids: Sequence[str]) -> Known:
        histories = {i: self.histories[i] for i in customer_ids if i in self.histories}
        return Known(LISTED, histories, {i: self.told[i] for i in customer_ids if i in self.told})


class FakeNotes:
    """A trail in a list."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []

    def note(self, entry: Entry) -> None:
        self.entries.append(entry)
