"""Events as programs send them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from serving.events import EVENT, Event

NOW = datetime(2026, 3, 5, 12, tzinfo=UTC)


def event(name: str, kind: str = "order", customer: str | None = "007", /, **data: Any) -> Event:
    """An event; without data an order line of the morning before `NOW`."""
    if kind == "order":
        data = {"time": "2026-03-05T09:00:00", "amount": 9.5, **data}
    found = {"event_id": name, "kind": kind, "data": data}
    if customer is not None:
        found["customer_id"] = customer
    return EVENT.validate_python(found)


def outcome(name: str, decision: str, **data: Any) -> Event:
    """A result of a decision."""
    return event(name, "outcome", None, decision_id=decision, **data)
