"""The endpoint's own description as an OpenAPI document, with an example for each route."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from features.pipeline import FEATURES
from serving.events import EventsResponse
from serving.routes import BATCH, CUSTOMER, DECIDE, EVENTS, SCORE, Route
from serving.schemas import BatchAnswer, CustomerResult, Decision, ModelInfo, Status, StoredRow
from serving.settings import ServingSettings
from serving.shapes import SHAPES

__all__ = ["EXAMPLES", "openapi"]

_FAULTS = {
    "400": "The body or the address does not fit",
    "401": "A key is needed",
    "403": "The key lacks the role of the route",
    "404": "No such customer, or none of yours",
    "408": "The body did not arrive in time",
    "409": "Nothing was scored or decided yet",
    "413": "Too large, or too many customers at a time",
    "415": "Not application/json",
    "429": "Busy; Retry-After says when to ask again",
    "500": "Failed; the message names the incident in the server's log",
    "503": "Starting or stopping, or the database cannot be read",
    "504": "Took too long",
}
_ALWAYS = ("401", "403", "500", "503")
_POSTED = ("400", "408", "409", "413", "415", "429", "504")
_ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message", "field"],
            "properties": {
                "code": {"type": "string", "description": "Stable word for programs"},
                "message": {"type": "string", "description": "What was expected and what to do"},
                "field": {"type": ["string", "null"], "description": "Path of the first field at fault"},
                "faults": {"type": "array", "description": "All faults when there are several"},
            },
        }
    },
}
_ANSWERS: dict[str, type[BaseModel]] = {
    SCORE.template: CustomerResult,
    BATCH.template: BatchAnswer,
    DECIDE.template: Decision,
    EVENTS.template: EventsResponse,
}
_SUMMARIES = {
    SCORE.template: "Score one customer: by id, from the rows of their tables, or from ready features",
    BATCH.template: "Score many customers: by id, from the rows of their tables, or from ready features",
    DECIDE.template: "Decide what to do for one customer now, and log it",
    EVENTS.template: "Tell what happened since the list was made; kept before it is answered",
}
_LINE = {"time": "2026-01-05T10:00:00", "amount": 9.5}
_CUSTOMER = {
    "customer_id": "007",
    "orders": [_LINE, {"time": "2026-02-09T18:30:00", "amount": 24.0, "order_id": "A-2", "channel": "app"}],
    "surveys": [{"time": "2026-02-12", "score": 8}],
}
_FEATURES = {
    **dict.fromkeys(FEATURES),
    **{
        "frequency": 1,
        "recency": 35,
        "T": 55,
        "monetary_value": 24.0,
        "days_since_last": 20,
        "purchase_days": 2,
    },
}
_EVENT = {"event_id": "till-4-118", "kind": "order", "customer_id": "007", "data": _LINE}
_OUTCOME = {"decision_id": "0f3a9c", "reached": True, "accepted": False}
EXAMPLES: dict[str, dict[str, Any]] = {
    SCORE.template: {
        "By id": {"customer_id": "007"},
        "From the rows of their tables, with reasons": {"customer": _CUSTOMER, "reasons": True},
        "From ready features": {"customer_id": "007", "features": _FEATURES, "as_of": "2026-03-01"},
    },
    BATCH.template: {
        "By id": {"customer_ids": ["007", "008"]},
        "From the rows of their tables": {"customers": [_CUSTOMER], "as_of": "2026-03-01"},
        "From ready features": {
            "feature_rows": [{"customer_id": "007", "features": _FEATURES}],
            "as_of": "2026-03-01",
        },
    },
    DECIDE.template: {"By id": {"customer_id": "007"}},
    EVENTS.template: {
        "An order, a wish and a result": {
            "events": [
                _EVENT,
                {
                    "event_id": "mail-77",
                    "kind": "consent",
                    "customer_id": "008",
                    "data": {"time": "2026-01-05T10:00:00Z", "opted_out": True},
                },
                {"event_id": "call-9", "kind": "outcome", "data": _OUTCOME},
            ]
        }
    },
}
"""Requests that fit, by route."""


def openapi(settings: ServingSettings, *, keyed: bool) -> dict[str, Any]:
    """The OpenAPI 3.1 document of the endpoint.

    Parameters
    ----------
    settings : ServingSettings
        Its limits are told.
    keyed : bool
        Whether a key is needed.

    Returns
    -------
    dict

    Examples
    --------
    >>> list(openapi(ServingSettings(), keyed=False)["paths"])[:3]
    ['/v1/score', '/v1/score/batch', '/v1/decide']
    """
    shapes = [(model, "validation") for model in SHAPES.values()]
    answers = [(model, "serialization") for model in (*_ANSWERS.values(), ModelInfo, Status, StoredRow)]
    refs, schemas = models_json_schema(
        [*shapes, *answers],  # type: ignore[list-item]
        ref_template="#/components/schemas/{model}",
    )
    security: dict[str, Any] = {"security": [{"bearer": []}, {"apiKey": []}]} if keyed else {}
    told = f"{settings.max_rows:,} customers at a time, {settings.max_body_bytes:,} bytes, batches of"
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Retain",
            "version": version("retain"),
            "description": f"At most {told} {settings.max_batch_bytes:,} bytes.",
        },
        **security,
        "paths": _paths({model: ref for (model, _), ref in refs.items()}),
        "components": {
            "schemas": {**schemas["$defs"], "Error": _ERROR},
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
            },
        },
    }


def _paths(refs: dict[Any, Any]) -> dict[str, Any]:
    health = {"200": {"description": "Yes"}, "503": {"description": "Not now"}}
    posted = {route.template: {"post": _posted(route, refs)} for route in (SCORE, BATCH, DECIDE, EVENTS)}
    row, info, status = (_json(refs[model]) for model in (StoredRow, ModelInfo, Status))
    customer = {
        **_got("The stored row of a customer, with reasons and strategy", row, ("400", "404", "409")),
        "x-role": CUSTOMER.role,
        "parameters": [
            {
                "name": "customer_id",
                "in": "path",
                "required": True,
                "schema": {"type": "string", "minLength": 1},
            }
        ],
    }
    return {
        **posted,
        CUSTOMER.template: {"get": customer},
        "/v1/model": {"get": _got("What is being served, and its quality card", info)},
        "/v1/admin/status": {
            "get": {**_got("The state of the process that answers", status), "x-role": "admin"}
        },
        "/metrics": {"get": _got("Counters for Prometheus", {"text/plain": {"schema": {"type": "string"}}})},
        "/livez": {"get": {"summary": "Is the process alive?", "security": [], "responses": health}},
        "/readyz": {"get": {"summary": "Does it answer requests?", "security": [], "responses": health}},
        "/healthz": {"get": {"summary": "The same as /readyz", "security": [], "responses": health}},
    }


def _posted(route: Route, refs: dict[Any, Any]) -> dict[str, Any]:
    body = _json(refs[SHAPES[route.template]])
    examples = EXAMPLES[route.template].items()
    body["application/json"]["examples"] = {
        f"example_{place}": {"summary": summary, "value": value}
        for place, (summary, value) in enumerate(examples, 1)
    }
    also = ("404",) if route is DECIDE else ()
    return {
        "summary": _SUMMARIES[route.template],
        "x-role": route.role,
        "requestBody": {"required": True, "content": body},
        "responses": {
            "200": {"description": "The answer", "content": _json(refs[_ANSWERS[route.template]])},
            **_faults(*_POSTED, *also),
        },
    }


def _got(summary: str, content: dict[str, Any], faults: tuple[str, ...] = ()) -> dict[str, Any]:
    answer = {"200": {"description": "The answer", "content": content}}
    return {"summary": summary, "responses": {**answer, **_faults(*faults)}}


def _faults(*codes: str) -> dict[str, Any]:
    content = _json({"$ref": "#/components/schemas/Error"})
    return {code: {"description": _FAULTS[code], "content": content} for code in sorted({*_ALWAYS, *codes})}


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}
