"""What programs tell between two lists: rows of the shop's tables, wishes about contact, results of decisions.

An event names itself. The same name with the same content is the same event, however often it is sent and in
whatever spelling; the same name with other content is a mistake of the sender.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha256
from typing import Annotated, Final, Literal, TypeAlias
from zoneinfo import ZoneInfo

from pydantic import Field, TypeAdapter

from serving.table_rows import (
    Amount,
    Campaign,
    Contract,
    Id,
    Interaction,
    OrderLine,
    Referral,
    Strict,
    Survey,
    Text,
    Time,
)

__all__ = [
    "EVENT",
    "TABLE_OF",
    "Consent",
    "ConsentEvent",
    "Event",
    "EventResult",
    "EventStatus",
    "EventsRequest",
    "EventsResponse",
    "Outcome",
    "OutcomeEvent",
    "RowEvent",
    "business_time",
    "content_sha256",
    "event_json",
    "event_time",
]

TABLE_OF: Final = {
    "order": "orders",
    "contract": "contracts",
    "interaction": "interactions",
    "survey": "surveys",
    "campaign": "campaigns",
    "referral": "referrals",
}
"""The table of the contract that the rows of a kind of event belong to."""

_MOST_EVENTS = 100_000

EventStatus: TypeAlias = Literal["added", "known", "conflict", "unknown_decision", "in_future"]


class Consent(Strict):
    """Whether a customer may be contacted; the latest time counts."""

    time: Time = Field(description="Time of the wish; without zone it is in the business zone")
    opted_out: bool = Field(description="The customer wants no contact")


class Outcome(Strict):
    """What came of a decision."""

    decision_id: Id = Field(description="Decision, as it was answered or listed")
    reached: bool | None = Field(default=None, description="The customer was reached")
    accepted: bool | None = Field(default=None, description="The customer took the offer")
    refusal_reason: Text | None = Field(default=None, description="Why the customer refused")
    cost: Annotated[Amount, Field(ge=0)] | None = Field(default=None, description="What the contact cost")
    time: Time | None = Field(default=None, description="Time of the contact")


class _Named(Strict):
    event_id: Id = Field(description="Name of the event, chosen by the sender; sending it again is harmless")


class _OfCustomer(_Named):
    customer_id: Id = Field(description="Customer, taken as it is")


class OrderEvent(_OfCustomer):
    """A new order line."""

    kind: Literal["order"]
    data: OrderLine


class ContractEvent(_OfCustomer):
    """A contract as it stands now; it takes the place of the one with the same ``contract_id``."""

    kind: Literal["contract"]
    data: Contract


class InteractionEvent(_OfCustomer):
    """A contact or complaint."""

    kind: Literal["interaction"]
    data: Interaction


class SurveyEvent(_OfCustomer):
    """An answer to a survey."""

    kind: Literal["survey"]
    data: Survey


class CampaignEvent(_OfCustomer):
    """A contact of a campaign."""

    kind: Literal["campaign"]
    data: Campaign


class ReferralEvent(_OfCustomer):
    """A referral."""

    kind: Literal["referral"]
    data: Referral


class ConsentEvent(_OfCustomer):
    """A wish about contact."""

    kind: Literal["consent"]
    data: Consent


class OutcomeEvent(_Named):
    """A result of a decision."""

    kind: Literal["outcome"]
    data: Outcome


RowEvent: TypeAlias = (
    OrderEvent | ContractEvent | InteractionEvent | SurveyEvent | CampaignEvent | ReferralEvent
)
"""An event that is a row of a table of the shop."""

Event: TypeAlias = Annotated[RowEvent | ConsentEvent | OutcomeEvent, Field(discriminator="kind")]
EVENT: TypeAdapter[Event] = TypeAdapter(Event)
"""Reads and checks one event of any kind."""


class EventsRequest(Strict):
    """Events in any order.

    Examples
    --------
    >>> line = '{"time": "2026-01-05T10:00:00", "amount": 9.5}'
    >>> text = f'{{"events": [{{"event_id": "e1", "kind": "order", "customer_id": "007", "data": {line}}}]}}'
    >>> EventsRequest.model_validate_json(text).events[0].data.amount
    9.5
    """

    events: list[Event] = Field(max_length=_MOST_EVENTS)


class EventResult(Strict):
    """What became of one event."""

    event_id: str
    status: EventStatus = Field(
        description="added: it is kept. known: it was kept before. Not kept: conflict (another event has this "
        "event_id), unknown_decision (send it again once the decision is logged), in_future (its time is more "
        "than a day ahead)"
    )


class EventsResponse(Strict):
    """One result per event, in the order of the request; what is kept is on disk when this is read."""

    results: list[EventResult]


def business_time(time: datetime, zone: ZoneInfo) -> datetime:
    """The wall clock of the business at `time`; without zone it is that already.

    Examples
    --------
    >>> business_time(datetime(2026, 1, 5, 22, tzinfo=UTC), ZoneInfo("Asia/Shanghai"))
    datetime.datetime(2026, 1, 6, 6, 0)
    """
    return time if time.tzinfo is None else time.astimezone(zone).replace(tzinfo=None)


def event_time(event: Event, zone: ZoneInfo) -> datetime | None:
    """When an event happened, on the wall clock of the business; None for a result without a time.

    Of a contract: when it was cancelled, else when it became known, else its start.
    """
    if isinstance(event, ContractEvent):
        time: datetime | None = event.data.cancelled_at or event.data.known_at or event.data.start
    else:
        time = event.data.time
    return None if time is None else business_time(time, zone)


def content_sha256(event: Event) -> str:
    """SHA-256 of what an event says: equal instants, numbers and absent values count as equal.

    Examples
    --------
    >>> first = {"event_id": "e", "kind": "survey", "customer_id": "7"}
    >>> zoned = EVENT.validate_python({**first, "data": {"time": "2026-01-05T11:00:00+01:00", "score": 8}})
    >>> utc = {"time": "2026-01-05T10:00:00Z", "score": 8.0, "expected": None}
    >>> content_sha256(zoned) == content_sha256(EVENT.validate_python({**first, "data": utc}))
    True
    """
    return sha256(_text(event, _instant).encode()).hexdigest()


def event_json(event: Event) -> str:
    """An event as JSON text that `EVENT` reads back; absent values are left out."""
    return _text(event, datetime.isoformat)


def _text(event: Event, time_text: Callable[[datetime], str]) -> str:
    data = {name: value for name, value in event.data if value is not None}
    content = {**dict(event), "data": data}
    return json.dumps(content, default=time_text, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def _instant(time: datetime) -> str:
    return time.isoformat() if time.tzinfo is None else time.astimezone(UTC).isoformat()
