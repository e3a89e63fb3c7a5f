"""The endpoint's own description as a page for people, without any script."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

__all__ = ["page"]

_LONGEST_EXAMPLE = 600
_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222}"
    "table{border-collapse:collapse;width:100%}"
    "td,th{text-align:left;border-bottom:1px solid #ddd;padding:.3rem}"
    "code,pre{background:#f4f4f4;padding:.1rem .3rem}pre{padding:.7rem;white-space:pre-wrap;overflow-wrap:anywhere}"
)


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
    info = document["info"]
    parts = [
        f"<h1>Retain {escape(info['version'])}</h1><p>{escape(info['description'])}</p>",
        "<h2>Routes · 接口</h2>",
        *_routes(document["paths"]),
        "<h2>Examples · 示例</h2>",
        *_examples(document),
        "<h2>Fields · 字段</h2>",
        *_schemas(document["components"]["schemas"]),
        '<p>The same for programs: <a href="/docs.json">/docs.json</a> (OpenAPI).</p>',
    ]
    head = (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Retain</title><style>{_STYLE}</style>'
    )
    return head + "".join(parts) + "</html>"


def _routes(paths: Mapping[str, Any]) -> Iterator[str]:
    yield "<table><tr><th>Route</th><th>What for</th><th>Role</th><th>Answers</th></tr>"
    for path, methods in paths.items():
        for method, route in methods.items():
            codes = ", ".join(route["responses"])
            yield (
                f"<tr><td><code>{method.upper()} {escape(path)}</code></td>"
                f"<td>{escape(route['summary'])}</td><td>{escape(route.get('x-role', ''))}</td><td>{codes}</td></tr>"
            )
    yield "</table>"


def _examples(document: Mapping[str, Any]) -> Iterator[str]:
    key = ' -H "Authorization: Bearer $KEY"' if document.get("security") else ""
    for path, methods in document["paths"].items():
        if "post" in methods:
            yield f"<h3><code>POST {escape(path)}</code></h3>"
        content = methods.get("post", {}).get("requestBody", {}).get("content", {})
        for name, example in content.get("application/json", {}).get("examples", {}).items():
            body, told = json.dumps(example["value"], ensure_ascii=False), example["summary"]
            shown = f"'{body}'"
            if len(body) > _LONGEST_EXAMPLE:
                shown, told = "@request.json", f"{told}; request.json holds {name} of /docs.json"
            call = f"curl -H 'Content-Type: application/json'{key} --data {shown} http://ADDRESS{path}"
            yield f"<p>{escape(told)}</p><pre>{escape(call)}</pre>"


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
