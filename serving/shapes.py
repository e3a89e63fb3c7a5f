"""The shape of the body of each ``POST`` route."""

from __future__ import annotations

from pydantic import BaseModel

from serving.events import EventsRequest
from serving.routes import BATCH, DECIDE, EVENTS, SCORE
from serving.schemas import BatchRequest, DecideRequest, ScoreRequest

__all__ = ["SHAPES"]

SHAPES: dict[str, type[BaseModel]] = {
    SCORE.template: ScoreRequest,
    BATCH.template: BatchRequest,
    DECIDE.template: DecideRequest,
    EVENTS.template: EventsRequest,
}
"""Shapes by the template of the route."""
