"""What stands behind the guard in one process: what answers by itself, what is shown, and who keeps the record."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol, TypeAlias

from pydantic import BaseModel

from serving.asked import Asked
from serving.fast_lane import FastLane
from serving.keys import Keys
from serving.metrics import Metrics
from serving.schemas import ScoreRequest
from serving.trail_chain import Entry

__all__ = ["Batches", "Desk", "Notes", "Page", "Scoring", "sha256_of"]


Scoring: TypeAlias = Callable[[ScoreRequest, Asked], str]
"""Scores one customer, to JSON text: `serving.live.Live.one`."""


class Batches(Protocol):
    """Answers batches beside the event loop: `serving.back_room.BackRoom`."""

    def answer(self, body: bytes) -> tuple[int, bytes]:
        """A question as `serving.batches` packs it, to status and packed answer."""

    def close(self) -> None:
        """Answer no more."""


class Notes(Protocol):
    """Keeps the record of requests: `serving.trail.TrailWriter`."""

    def note(self, entry: Entry) -> None:
        """Take an entry; never waits, never raises."""


@dataclass(frozen=True)
class Page:
    """What a ``GET`` route shows: media type, and what makes the body, in a thread."""

    media_type: str
    body: Callable[[], bytes]


@dataclass(frozen=True)
class Desk:
    """The parts of an endpoint that a guard uses.

    Parameters
    ----------
    keys : callable
        The keys as they stand now.
    pages : mapping of template to Page
        The ``GET`` routes without parameters.
    shapes : mapping of template to pydantic model
        Bodies of the ``POST`` routes.
    fast : FastLane, optional
        Answers single customers; without it all requests go to the framework.
    batches : Batches, optional
        Answers batches; without it they go to the framework, too.
    trail : Notes, optional
        The audit trail.
    metrics : Metrics, optional
        The counters.
    live : callable, optional
        Scores one customer in a thread, to JSON text; without it such requests go to the framework.
    close : callable
        Lets go of everything.
    """

    keys: Callable[[], Keys]
    pages: Mapping[str, Page]
    shapes: Mapping[str, type[BaseModel]]
    fast: FastLane | None = None
    batches: Batches | None = None
    trail: Notes | None = None
    metrics: Metrics | None = None
    close: Callable[[], None] = field(default=lambda: None)
    live: Scoring | None = None

    def record(self, template: str, status: int, seconds: float, *, asked: Asked, digest: str) -> None:
        """Count an answered request and note it in the trail."""
        if self.metrics is not None:
            self.metrics.note(template, status, seconds)
        if self.trail is not None:
            who, model, count = asked.key_id, asked.model_version, asked.customers
            self.trail.note(Entry(datetime.now(UTC), who, template, model, digest, count, status))


def sha256_of(body: bytes) -> str:
    """What the trail keeps of a request instead of its content."""
    return hashlib.sha256(body).hexdigest()
