"""The endpoint's own description: an OpenAPI document, and the same as a page without any script."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from importlib.metadata import version
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from serving.order_schemas import ModelInfo, ScoreRequest, ScoreResponse
from serving.settings import ServingSettings

__all__ = ["openapi", "page"]

_REFUSALS = {
    "400": "The body is not strict JSON or does not fit",
    "401": "A key is needed",
    "408": "The body did not arrive in time",
    "413": "Too large, or too many customers at a time",
    "415": "Not application/json",
    "429": "Busy; Retry-After says when to ask again",
    "500": "Failed; the message names the incident in the server's log",
    "503": "Starting or stopping",
    "504": "Took too long",
}
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
_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222}"
    "table{border-collapse:collapse;width:100%}"
    "td,th{text-align:left;border-bottom:1px solid #ddd;padding:.3rem}"
    "code,pre{background:#f4f4f4;padding:.1rem .3rem}pre{padding:.7rem;overflow:auto}"
)


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
    >>> list(openapi(ServingSettings(), keyed=False)["paths"])
    ['/v1/score', '/v1/model', '/livez', '/readyz', '/healthz']
    """
    _, schemas = models_json_schema(
        [(ScoreRequest, "validation"), (ScoreResponse, "serialization"), (ModelInfo, "serialization")],
        ref_template="#/components/schemas/{model}",
    )
    security: dict[str, Any] = {"security": [{"bearer": []}, {"apiKey": []}]} if keyed else {}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Retain",
            "version": version("retain"),
            "description": f"At most {settings.max_rows} customers and {settings.max_body_bytes} bytes.",
        },
        **security,
        "paths": _paths(),
        "components": {
            "schemas": {**schemas["$defs"], "Error": _ERROR},
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
            },
        },
    }


def _paths() -> dict[str, Any]:
    health = {"200": {"description": "Yes"}, "503": {"description": "Not now"}}
    return {
        "/v1/score": {
            "post": {
                "summary": "Score customers, by id from the latest list or from their order lines",
                "requestBody": {"required": True, "content": _json_of(ScoreRequest)},
                "responses": {
                    "200": {"description": "One result per customer", "content": _json_of(ScoreResponse)},
                    **{code: _refusal(text) for code, text in _REFUSALS.items()},
                },
            }
        },
        "/v1/model": {
            "get": {
                "summary": "What is being served",
                "responses": {"200": {"description": "The model", "content": _json_of(ModelInfo)}},
            }
        },
        "/livez": {"get": {"summary": "Is the process alive?", "security": [], "responses": health}},
        "/readyz": {"get": {"summary": "Does it answer requests?", "security": [], "responses": health}},
        "/healthz": {"get": {"summary": "The same as /readyz", "security": [], "responses": health}},
    }


def _json_of(model: type[BaseModel]) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{model.__name__}"}}}


def _refusal(text: str) -> dict[str, Any]:
    return {
        "description": text,
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
    }


def page(document: Mapping[str, Any]) -> str:
    """The OpenAPI document as one HTML page: routes, fields, an example; no script, nothing from elsewhere.

    Parameters
    ----------
    document : mapping
        From `openapi`.

    Returns
    -------
    str
        HTML.
    """
    example = (
        '{"customers": [{"customer_id": "007", "orders": [{"time": "2026-01-05T10:00:00", "amount": 9.5}]}]}'
    )
    key = ' -H "Authorization: Bearer $KEY"' if document.get("security") else ""
    call = f"curl -H 'Content-Type: application/json'{key} --data '{example}' http://ADDRESS/v1/score"
    info = document["info"]
    parts = [
        f"<h1>Retain {escape(info['version'])}</h1><p>{escape(info['description'])}</p>",
        "<h2>Routes · 接口</h2>",
        *_routes(document["paths"]),
        f"<h2>Example · 示例</h2><pre>{escape(call)}</pre>",
        "<h2>Fields · 字段</h2>",
        *_schemas(document["components"]["schemas"]),
        '<p>The same for programs: <a href="/docs.json">/docs.json</a> (OpenAPI).</p>',
    ]
    head = (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Retain</title><style>{_STYLE}</style>'
    )
    return head + "".join(parts) + "</html>"


def _routes(paths: Mapping[str, Any]) -> Iterator[str]:
    yield "<table><tr><th>Route</th><th>What for</th><th>Answers</th></tr>"
    for path, methods in paths.items():
        for method, route in methods.items():
            codes = ", ".join(route["responses"])
            yield (
                f"<tr><td><code>{method.upper()} {escape(path)}</code></td>"
                f"<td>{escape(route['summary'])}</td><td>{codes}</td></tr>"
            )
    yield "</table>"


def _schemas(schemas: Mapping[str, Any]) -> Iterator[str]:
    for name, schema in schemas.items():
        yield f"<h3>{escape(name)}</h3><table><tr><th>Field</th><th>Type</th><th>Meaning</th></tr>"
        required = schema.get("required", ())
        for field, rule in schema.get("properties", {}).items():
            star = "" if field in required else " <i>optional</i>"
            yield (
                f"<tr><td><code>{escape(field)}</code>{star}</td><td>{escape(_type(rule))}</td>"
                f"<td>{escape(rule.get('description', ''))}</td></tr>"
            )
        yield "</table>"


def _type(rule: Mapping[str, Any]) -> str:
    if "$ref" in rule:
        return str(rule["$ref"]).rsplit("/", 1)[-1]
    if "anyOf" in rule:
        return " or ".join(_type(option) for option in rule["anyOf"])
    if rule.get("type") == "array":
        return f"list of {_type(rule.get('items', {})) or 'objects'}"
    kind = rule.get("type", "")
    text = " or ".join(kind) if isinstance(kind, list) else str(kind)
    return f"{text} ({rule['format']})" if "format" in rule else text
