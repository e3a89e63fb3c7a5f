"""What programs told between two lists: an append-only log in the state database.

An event is on disk before it is acknowledged, and is kept once however often it is sent. The place of an event in
the log, not a clock, says whether the latest list can know it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import sqlalchemy as sa

from serving.decision_log import DecisionLog
from serving.events import (
    EVENT,
    TABLE_OF,
    ConsentEvent,
    ContractEvent,
    Event,
    EventStatus,
    OutcomeEvent,
    RowEvent,
    business_time,
    content_sha256,
    event_json,
    event_time,
)
from serving.state_tables import StateTables
from serving.store import LATEST, Store

__all__ = ["EVENTS", "Counted", "EventLog", "counted_events", "counts_live", "wants_no_contact"]

LOG_VERSION = 1
PER_QUERY = 500
CLOCKS_MAY_DIFFER = timedelta(days=1)

_metadata = sa.MetaData()
EVENTS = sa.Table(
    "events",
    _metadata,
    sa.Column(
        "position", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True
    ),
    sa.Column("event_id", sa.Text, nullable=False, unique=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("customer_id", sa.Text),
    # the table of the contract that the row belongs to; none for wishes and results
    sa.Column("row_of", sa.Text),
    sa.Column("day", sa.Text),
    sa.Column("microsecond", sa.BigInteger),
    sa.Column("opted_out", sa.Boolean),
    sa.Column("received_at", sa.Text, nullable=False),
    sa.Column("sha256", sa.Text, nullable=False),
    sa.Column("content", sa.Text, nullable=False),
    sa.Index("events_of_customer", "customer_id", "row_of", "day"),
    # places are never used twice, even when the last events are taken out
    sqlite_autoincrement=True,
)
"""One row per event; ``day`` and ``microsecond`` are of the business's wall clock."""


@dataclass(frozen=True)
class Counted:
    """Events of one customer that the latest list cannot know.

    Parameters
    ----------
    events : tuple of RowEvent
        In the order they arrived.
    day : date
        Business day of the newest of them.
    """

    events: tuple[RowEvent, ...]
    day: date


class EventLog:
    """The log of events.

    Parameters
    ----------
    url : str
        SQLAlchemy address of the state database, as `serving.store.Store` takes it.
    timezone : str
        IANA name of the business zone.

    Raises
    ------
    ConfigError
        The address cannot be used, or the log was made by another version of Retain.

    Examples
    --------
    >>> log = EventLog("sqlite://", "Europe/Berlin")
    >>> line = {"time": "2026-01-05T10:00:00", "amount": 9.5}
    >>> sent = EVENT.validate_python({"event_id": "e", "kind": "order", "customer_id": "7", "data": line})
    >>> now = datetime(2026, 1, 5, 12, tzinfo=ZoneInfo("UTC"))
    >>> log.add([sent, sent], now), log.position()
    (['added', 'known'], 1)
    >>> log.close()
    """

    def __init__(self, url: str, timezone: str) -> None:
        self._zone = ZoneInfo(timezone)
        self._tables = StateTables(
            url, _metadata, schema="event_log_schema", version=LOG_VERSION, title="event log"
        )
        self._decisions = DecisionLog(url)
        Store(url).close()  # which events count depends on the latest run

    def add(self, events: Sequence[Event], now: datetime) -> list[EventStatus]:
        """Keep events; when this returns they are on disk.

        Parameters
        ----------
        events : sequence of Event
        now : datetime
            With zone.

        Returns
        -------
        list of EventStatus
            One per event, in their order; see `serving.events.EventResult`. Results of decisions are in the
            decision log, too.

        Raises
        ------
        LockedError, PublishError
            Another process writes for too long, or the database cannot be written; nothing is kept then.
        """
        if not events:
            return []
        told, fresh = [], []
        with self._tables.writing() as connection:
            seen = _kept(connection, {event.event_id for event in events})
            decisions = self._known_decisions(connection, events)
            for event in events:
                digest = content_sha256(event)
                status = self._status(event, digest, seen, now)
                if status == "added" and isinstance(event, OutcomeEvent):
                    status = "added" if event.data.decision_id in decisions else "unknown_decision"
                if status == "added":
                    seen[event.event_id] = digest
                    fresh.append((event, digest))
                told.append(status)
            if fresh:
                connection.execute(
                    sa.insert(EVENTS), [self._row(event, digest, now) for event, digest in fresh]
                )
            self._save_results(connection, [event for event, _ in fresh])
        return told

    def counted(self, customer_ids: Sequence[str]) -> dict[str, Counted]:
        """Rows that the latest list cannot know, by customer; customers without any are absent.

        Notes
        -----
        An event counts when its business day is the list's or later, which no list looks at, or when it arrived
        after the list's run began to read its data. All others are in the data, or will be at the next run.
        """
        with self._tables.reading() as connection:
            return counted_events(connection, customer_ids)

    def opted_out(self) -> set[str]:
        """Customers whose latest wish is to have no contact."""
        newest = (EVENTS.c.microsecond.desc(), EVENTS.c.position.desc())
        place = sa.func.row_number().over(partition_by=EVENTS.c.customer_id, order_by=newest).label("place")
        wishes = sa.select(EVENTS.c.customer_id, EVENTS.c.opted_out, place)
        latest = wishes.where(EVENTS.c.opted_out.is_not(None)).subquery()
        query = sa.select(latest.c.customer_id).where(latest.c.place == 1, latest.c.opted_out)
        with self._tables.reading() as connection:
            return set(connection.scalars(query))

    def position(self) -> int:
        """Place of the event that arrived last, 0 for none; see `serving.store.RunInfo`."""
        with self._tables.reading() as connection:
            return connection.scalar(sa.select(sa.func.max(EVENTS.c.position))) or 0

    def close(self) -> None:
        """Let go of the database."""
        self._decisions.close()
        self._tables.close()

    def _known_decisions(self, connection: sa.Connection, events: Sequence[Event]) -> set[str]:
        wanted = {event.data.decision_id for event in events if isinstance(event, OutcomeEvent)}
        return self._decisions.known(connection, sorted(wanted)) if wanted else set()

    def _status(self, event: Event, digest: str, seen: dict[str, str], now: datetime) -> EventStatus:
        if event.event_id in seen:
            return "known" if seen[event.event_id] == digest else "conflict"
        time, limit = event_time(event, self._zone), business_time(now, self._zone) + CLOCKS_MAY_DIFFER
        # a contract is often agreed on before it starts
        ahead = time is not None and time > limit and not isinstance(event, ContractEvent)
        return "in_future" if ahead else "added"

    def _row(self, event: Event, digest: str, now: datetime) -> dict[str, Any]:
        time = event_time(event, self._zone)
        if isinstance(event, ContractEvent):
            time = min(time, business_time(now, self._zone)) if time else None
        return {
            "event_id": event.event_id,
            "kind": event.kind,
            "customer_id": None if isinstance(event, OutcomeEvent) else event.customer_id,
            "row_of": TABLE_OF.get(event.kind),
            "day": None if time is None else time.date().isoformat(),
            "microsecond": None if time is None else (time - datetime.min) // timedelta(microseconds=1),
            "opted_out": event.data.opted_out if isinstance(event, ConsentEvent) else None,
            "received_at": now.astimezone(ZoneInfo("UTC")).isoformat(),
            "sha256": digest,
            "content": event_json(event),
        }

    def _save_results(self, connection: sa.Connection, events: Sequence[Event]) -> None:
        """Results go to the decision log in the order they came, each decision once at a time."""
        waiting = [event.data for event in events if isinstance(event, OutcomeEvent)]
        while waiting:
            first = {result.decision_id: result for result in reversed(waiting)}
            now = [result for result in waiting if first[result.decision_id] is result]
            waiting = [result for result in waiting if first[result.decision_id] is not result]
            rows = [{**dict(result), "time": self._text(result.time)} for result in now]
            self._decisions.add_results(connection, pd.DataFrame(rows))

    def _text(self, time: datetime | None) -> str | None:
        return None if time is None else business_time(time, self._zone).isoformat()


def counts_live() -> sa.ColumnElement[bool]:
    """Whether a row of `EVENTS` is one that the latest list (`serving.store.LATEST`, joined) cannot know."""
    later = sa.or_(EVENTS.c.day >= LATEST.c.as_of, EVENTS.c.position > LATEST.c.events_seen)
    return sa.and_(EVENTS.c.row_of.is_not(None), sa.or_(LATEST.c.run_id.is_(None), later))


def wants_no_contact(customer_id: sa.ColumnElement[str]) -> sa.ScalarSelect[bool]:
    """The latest wish of a customer, missing where none was told."""
    wishes = sa.select(EVENTS.c.opted_out).where(
        EVENTS.c.customer_id == customer_id, EVENTS.c.row_of.is_(None), EVENTS.c.opted_out.is_not(None)
    )
    newest = wishes.order_by(EVENTS.c.microsecond.desc(), EVENTS.c.position.desc())
    return newest.limit(1).scalar_subquery()


def counted_events(connection: sa.Connection, customer_ids: Sequence[str]) -> dict[str, Counted]:
    """`EventLog.counted`, within a transaction that `connection` has open."""
    joined = EVENTS.outerjoin(LATEST, sa.true())
    query = sa.select(EVENTS.c.position, EVENTS.c.customer_id, EVENTS.c.day, EVENTS.c.content).select_from(
        joined
    )
    found: dict[str, Counted] = {}
    for some in _chunks(sorted(set(customer_ids))):
        known = connection.execute(query.where(EVENTS.c.customer_id.in_(some), counts_live()))
        # sorted here: SQLite would rather read all events in their order than some by their customer
        for _, customer_id, text, content in sorted(known):
            before, day = found.get(customer_id), date.fromisoformat(text)
            events = (*(before.events if before else ()), EVENT.validate_json(content))
            found[customer_id] = Counted(events, max(before.day, day) if before else day)  # type: ignore[arg-type]
    return found


def _kept(connection: sa.Connection, event_ids: Collection[str]) -> dict[str, str]:
    """What the log holds of some events: their content's SHA-256."""
    found: dict[str, str] = {}
    for some in _chunks(sorted(event_ids)):
        query = sa.select(EVENTS.c.event_id, EVENTS.c.sha256).where(EVENTS.c.event_id.in_(some))
        found |= {row.event_id: row.sha256 for row in connection.execute(query)}
    return found


def _chunks(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    return (ids[start : start + PER_QUERY] for start in range(0, len(ids), PER_QUERY))
