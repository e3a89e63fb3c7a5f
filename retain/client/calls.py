"""The questions that can be asked, each as a request and a way to read the answer; nothing is sent here."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Generic, TypeVar
from urllib.parse import quote

from retain.client.results import Decision, EventResult, Score, Scores

__all__ = ["Call", "batch", "customer", "decide", "events", "model", "score"]

Answer = TypeVar("Answer")
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Call(Generic[Answer]):
    """One question: how it is sent, and how its answer is read."""

    method: str
    path: str
    read: Callable[[Any], Answer]
    body: Row | None = None


def score(
    who: str | Row,
    *,
    features: Row | None = None,
    as_of: date | None = None,
    reasons: bool = False,
    columns: Sequence[str] | None = None,
) -> Call[Score]:
    """By id, by a customer with orders and other tables, or by an id with ready features; some columns or all.

    Examples
    --------
    >>> score("007").body
    {'customer_id': '007', 'reasons': False}
    """
    asked: dict[str, Any] = {"customer_id": who} if isinstance(who, str) else {"customer": dict(who)}
    if features is not None:
        asked["features"] = dict(features)
    return Call("POST", "/v1/score", _score, {**asked, **_wanted(as_of, reasons, columns)})


def batch(
    ids: Sequence[str] | None = None,
    *,
    customers: Sequence[Row] | None = None,
    feature_rows: Sequence[Row] | None = None,
    as_of: date | None = None,
    reasons: bool = False,
    columns: Sequence[str] | None = None,
) -> Call[Scores]:
    """Many at once: exactly one of ids, customers with their tables, and rows of ready features."""
    given = {"customer_ids": ids, "customers": customers, "feature_rows": feature_rows}
    asked = {name: list(value) for name, value in given.items() if value is not None}
    if len(asked) != 1:
        raise ValueError("give exactly one of ids, customers and feature_rows")
    return Call("POST", "/v1/score/batch", _scores, {**asked, **_wanted(as_of, reasons, columns)})


def customer(customer_id: str) -> Call[Score]:
    """The stored row of the latest list, with reasons and strategy."""
    return Call("GET", f"/v1/customers/{quote(customer_id, safe='')}", _score)


def decide(customer_id: str) -> Call[Decision]:
    """Strategy and offer for one customer; logged."""
    return Call("POST", "/v1/decide", Decision.read, {"customer_id": customer_id})


def events(given: Sequence[Row]) -> Call[tuple[EventResult, ...]]:
    """New orders, contacts and outcomes; an event without ``event_id`` is given one here, so that a retry tells it once."""
    named = [{"event_id": uuid.uuid4().hex, **event} for event in given]
    return Call("POST", "/v1/events", _events, {"events": named})


def model() -> Call[dict[str, Any]]:
    """What is being served."""
    return Call("GET", "/v1/model", dict)


def _wanted(as_of: date | None, reasons: bool, columns: Sequence[str] | None) -> dict[str, Any]:
    found: dict[str, Any] = {} if as_of is None else {"as_of": as_of.isoformat()}
    found["reasons"] = reasons
    return found if columns is None else {**found, "columns": list(columns)}


def _score(answer: Any) -> Score:
    return Score.read(answer.get("result", answer))


def _scores(answer: Any) -> Scores:
    return Scores(tuple(Score.read(row) for row in answer["results"]))


def _events(answer: Any) -> tuple[EventResult, ...]:
    return tuple(EventResult(row["event_id"], row["status"], row.get("error")) for row in answer["results"])
