"""Write the generated parts of the pages anew: whatever the code itself knows is never typed twice.

::

    python docs/generate.py            # write
    python docs/generate.py --check    # exit 1 and name the pages that are stale

A generated part stands between ``<!-- generated: NAME -->`` and ``<!-- end: NAME -->``; `BLOCKS` says who makes it.
"""

from __future__ import annotations

import importlib
import inspect
import os
import pkgutil
import re
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from features.catalogue import catalogue
from features.contract import TABLES
from retain.config import RetainConfig
from retain.console import EXIT_CODES

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("features", "strategies", "training", "serving", "retain")
PAGES = (
    "README.md",
    "docs/api.md",
    "docs/catalogue.md",
    "docs/guide_operators.md",
    "docs/guide_apps.md",
    "docs/strategies.md",
    "docs/tables.md",
)
_PART = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end: \2 -->)", re.DOTALL)
_PARAMETER = re.compile(r"^(\w+) : .*\n((?:    .*\n?)+)", re.MULTILINE)
_LONGEST_SIGNATURE = 160


def main(words: Sequence[str]) -> int:
    """Write the pages, or with ``--check`` only say which are stale."""
    stale = []
    for page in PAGES:
        path = ROOT / page
        old = path.read_text(encoding="utf-8")
        new = rendered(old)
        if new != old:
            stale.append(page)
            if "--check" not in words:
                path.write_text(new, encoding="utf-8")
    if stale and "--check" in words:
        sys.stderr.write(f"stale: {', '.join(stale)}; run `make docs`\n")
        return 1
    sys.stdout.write("".join(f"{page}: written\n" for page in stale) or "every page is fresh\n")
    return 0


def rendered(text: str) -> str:
    """A page with every generated part made anew."""
    return _PART.sub(lambda part: part[1] + BLOCKS[part[2]]().rstrip("\n") + "\n" + part[3], text)


def table(heads: Sequence[str], rows: Iterator[Sequence[Any]]) -> str:
    """A Markdown table."""
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    lines += ["| " + " | ".join(_cell(value) for value in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def _cell(value: Any) -> str:
    return " ".join(str(value).split()).replace("|", "\\|")


def _commands() -> str:
    from retain.cli import COMMANDS

    rows = ((f"`retain {name}`", _first_line(command)) for name, command in COMMANDS.items())
    return table(("Command", "What it does"), rows)


def _exit_codes() -> str:
    return table(("Exit code", "Meaning"), ((code, f"{text}") for code, text in EXIT_CODES.items()))


def _catalogue() -> str:
    heads = ("Column", "Meaning", "含义", "Unit", "Window", "Formula", "Table")
    docs = catalogue()
    rows = ((f"`{d.name}`", d.en, d.zh, d.unit, d.window, d.formula, d.source) for d in docs)
    return f"{len(docs)} columns.\n\n" + table(heads, rows)


def _strategies() -> str:
    from strategies.frameworks import FRAMEWORKS

    parts = []
    for framework in FRAMEWORKS:
        head = f"### {framework.texts['en']} · {framework.texts['zh']}\n\n"
        head += f"Section `[frameworks.{framework.name}]`; reason in `{framework.name}_reason`; from {framework.source}."
        kinds = _kinds(framework)
        rows = ((f"`{name}`", kinds[name], t["en"], t["zh"]) for name, t in framework.columns.items())
        body = table(("Column", "Kind", "Meaning", "含义"), rows)
        labels = ", ".join(f"`{code}` {t['en']} {t['zh']}" for code, t in framework.labels.items())
        told = [head + (f" After {framework.literature}." if framework.literature else ""), body.rstrip("\n")]
        parts.append("\n\n".join([*told, *([f"Labels: {labels}."] if labels else [])]) + "\n")
    count = sum(len(framework.columns) for framework in FRAMEWORKS)
    return f"{len(FRAMEWORKS)} frameworks, {count} columns.\n\n" + "\n".join(parts)


def _kinds(framework: Any) -> dict[str, str]:
    """Whether each column holds labels, numbers or words, as the framework itself answers of an unknown customer."""
    people = pd.DataFrame({"customer_id": ["a"]})
    found = framework.label(people, {}, framework.settings, None).columns
    return {
        name: "text"
        if name in framework.free_text
        else "number"
        if found[name].dtype.kind in "fib"
        else "label"
        for name in framework.columns
    }


def _tables() -> str:
    parts = []
    for contract in TABLES.values():
        rows = ((f"`{c.name}`", c.kind, "yes" if c.required else "", c.en, c.zh) for c in contract.columns)
        head = f"### {contract.name}: {contract.en} · {contract.zh}\n"
        parts.append(head + "\n" + table(("Column", "Kind", "Required", "Meaning", "含义"), rows))
    return "\n".join(parts)


def _configuration() -> str:
    schema = RetainConfig.model_json_schema(by_alias=True)
    definitions = schema["$defs"]
    parts = [_section("", {"description": "", "properties": {"schema": schema["properties"]["schema"]}})]
    for name, field in schema["properties"].items():
        if name == "schema":
            continue
        model = definitions[_model_name(field)]
        label = f"{name}.NAME" if name in ("offers", "channels") else name
        own = {k: f for k, f in model["properties"].items() if _model_name(f) != "TableSource"}
        parts.append(_section(label, model | {"properties": own}))
        if len(own) < len(model["properties"]):
            parts.append(_section("data.TABLE", definitions["TableSource"]))
    return "\n".join(parts)


def _section(name: str, model: dict[str, Any]) -> str:
    text, _, told = inspect.cleandoc(model.get("description", "")).partition("\n\nParameters\n----------\n")
    head = f"### `[{name}]`\n\n{_prose(text)}\n\n" if name else ""
    required, meant = model.get("required", ()), dict(_PARAMETER.findall(told))
    rows = (
        (f"`{key}`", _kind(f), _default(f, key in required), *([meant.get(key, "")] if meant else []))
        for key, f in model["properties"].items()
    )
    return head + table(("Key", "Values", "Default", *(["Meaning"] if meant else [])), rows)


def _model_name(field: dict[str, Any]) -> str:
    extra = field.get("additionalProperties")
    options = [field, *field.get("anyOf", ()), extra if isinstance(extra, dict) else {}]
    return next((o["$ref"].rsplit("/", 1)[-1] for o in options if "$ref" in o), "")


def _kind(field: dict[str, Any]) -> str:
    """Type and limits of a key in words."""
    if "anyOf" in field:
        return " or ".join(_kind(o) for o in field["anyOf"] if o.get("type") != "null")
    if "const" in field:
        return f"`{field['const']}`"
    if "enum" in field:
        return ", ".join(f"`{_toml(value)}`" for value in field["enum"])
    if field.get("type") == "array":
        return f"list of {_kind(field['items'])}"
    if field.get("type") == "object":
        return "table of names to text"
    words = {"integer": "whole number", "number": "number", "string": "text", "boolean": "true or false"}
    kind = {"date": "date", "path": "path"}.get(field.get("format", ""), words.get(field.get("type", ""), ""))
    return " ".join([kind, ", ".join(_limits(field))]).rstrip()


def _limits(field: dict[str, Any]) -> Iterator[str]:
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    yield from (f"{sign} {field[key]:g}" for key, sign in signs.items() if key in field)


def _default(field: dict[str, Any], required: bool) -> str:
    if required:
        return "required"
    value = field.get("default")
    return "" if value is None or value in ({}, []) else f"`{_toml(value)}`"


def _toml(value: Any) -> str:
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, bool):
        return str(value).lower()
    return str(list(value)) if isinstance(value, tuple | list) else str(value)


def _prose(text: str) -> str:
    """A docstring as Markdown, without the heading it stands under."""
    found = re.sub(r"^`\[\w+\]`: ", "", inspect.cleandoc(text).replace("``", "`"))
    return found[:1].upper() + found[1:]


_SHOWN = (
    *(
        "ScoreRequest",
        "BatchRequest",
        "CustomerTables",
        "OrderLine",
        "Contract",
        "Interaction",
        "Survey",
        "Campaign",
    ),
    *("Referral", "Consent", "Outcome", "CustomerResult", "DecideRequest", "Decision", "EventsRequest"),
    *("EventResult", "ModelInfo", "Status"),
)


def _routes() -> str:
    from serving.openapi import openapi
    from serving.settings import ServingSettings

    document = openapi(ServingSettings(), keyed=True)
    routes = (
        (f"`{method.upper()} {path}`", route["summary"], ", ".join(route["responses"]))
        for path, methods in document["paths"].items()
        for method, route in methods.items()
    )
    parts = [table(("Route", "What for", "Answers"), routes)]
    for name in _SHOWN:
        model = document["components"]["schemas"][name]
        required = model.get("required", ())
        rows = (
            (f"`{key}`", "yes" if key in required else "", field.get("description", ""))
            for key, field in model["properties"].items()
        )
        parts.append(f"### {name}\n\n" + table(("Field", "Required", "Meaning"), rows))
    return "\n".join(parts)


def _api() -> str:
    parts = []
    for module in _modules():
        names = [name for name in getattr(module, "__all__", ()) if _documented(module, name)]
        head = f"### `{module.__name__}`\n\n{_prose(_first_line(module))}\n"
        rows = (
            (f"`{name}`", _shape(getattr(module, name)), _first_line(getattr(module, name))) for name in names
        )
        body = table(("Name", "Signature", "What"), rows) if names else ""
        parts.append(head + ("\n" + body if body else ""))
    return "\n".join(parts)


def _modules() -> Iterator[Any]:
    for room in ROOMS:
        package = importlib.import_module(room)
        yield package
        for found in pkgutil.walk_packages(package.__path__, f"{room}."):
            if not found.name.startswith("retain.commands") and not found.name.endswith("__main__"):
                yield importlib.import_module(found.name)


def _documented(module: Any, name: str) -> bool:
    """Functions and classes where they are made; a re-export is listed at its origin only."""
    thing = getattr(module, name)
    return callable(thing) and getattr(thing, "__module__", "") == module.__name__


def _shape(thing: Any) -> str:
    if hasattr(thing, "model_fields"):
        return f"`({', '.join(thing.model_fields)})`"
    try:
        found = inspect.signature(thing)
    except (TypeError, ValueError):
        return ""
    plain = [p.replace(annotation=_unquoted(p.annotation)) for p in found.parameters.values()]
    text = str(found.replace(parameters=plain, return_annotation=_unquoted(found.return_annotation)))
    # Addresses in memory differ from run to run, kinds of path from machine to machine.
    text = re.sub(r" at 0x[0-9a-f]+", "", text).replace("PosixPath(", "Path(")
    return f"`{text}`" if len(text) <= _LONGEST_SIGNATURE else f"`{text[:_LONGEST_SIGNATURE]} …`"


class _Unquoted(str):
    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def _unquoted(annotation: Any) -> Any:
    """An annotation that is kept as text, to be shown without quotes."""
    return _Unquoted(annotation) if isinstance(annotation, str) else annotation


def _first_line(thing: Any) -> str:
    # a group of commands says itself what it does
    text = getattr(getattr(thing, "info", None), "help", None) or inspect.getdoc(thing) or ""
    return _prose(text.split("\n\n")[0].replace("\n", " "))


BLOCKS: dict[str, Callable[[], str]] = {
    "api": _api,
    "catalogue": _catalogue,
    "commands": _commands,
    "configuration": _configuration,
    "exit_codes": _exit_codes,
    "routes": _routes,
    "strategies": _strategies,
    "tables": _tables,
}

if __name__ == "__main__":
    os.environ.setdefault("BENTOML_DO_NOT_TRACK", "True")
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sys.exit(main(sys.argv[1:]))
