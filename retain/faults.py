"""Faults of a configuration file in the user's words: line, key, what was found, what was expected."""

from __future__ import annotations

import difflib
import re
import types
import typing
from datetime import date, datetime

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

__all__ = ["describe_faults", "key_of"]

_Location = tuple[str | int, ...]

_TYPES: tuple[tuple[type, str], ...] = (
    (bool, "true/false"),
    (str, "text"),
    (int, "whole number"),
    (float, "number"),
    (datetime, "time"),
    (date, "date"),
    (dict, "section"),
    (list, "list"),
    (tuple, "list"),
)
_EXPECTED: tuple[tuple[str, str], ...] = (
    ("int_", "a whole number"),
    ("float_", "a number"),
    ("string_type", "text"),
    ("bool_", "true or false"),
    ("date_", "a date such as 2026-01-31"),
    ("tuple_", "a list"),
    ("dict_", "a section"),
    ("model_", "a section"),
)
# Addresses may hold a password: their values are never repeated.
_SECRET = re.compile(r"url|uri|key|password|secret|token", re.IGNORECASE)


def describe_faults(error: ValidationError, model: type[BaseModel], text: str) -> list[str]:
    """One line per fault, in the order of the file.

    Parameters
    ----------
    error : ValidationError
        What pydantic found.
    model : type of BaseModel
        The model of the whole file; unknown keys are compared with its names.
    text : str
        The TOML text, to find line numbers in.

    Returns
    -------
    list of str
        At least one line; members of one union are told as one fault.
    """
    found: dict[tuple[int, str], list[str]] = {}
    for detail in error.errors(include_url=False):
        location, _ = _walk(model, detail["loc"])
        place = (_line_of(text, location), key_of(location))
        found.setdefault(place, []).append(_sentence(detail, location, model))
    lines = []
    for (line, key), sentences in sorted(found.items()):
        where = f"line {line}: " if line else ""
        lines.append(f"{where}{key} {_merge(sentences)}")
    return lines


def key_of(location: _Location) -> str:
    """The key as the file writes it.

    Examples
    --------
    >>> key_of(("data", "orders", "columns", "time"))
    '[data.orders.columns] time'
    >>> key_of(("schema",))
    'schema'
    """
    words = [str(part) for part in location]
    if len(words) == 1:
        return words[0]
    return f"[{'.'.join(words[:-1])}] {words[-1]}"


def _merge(sentences: list[str]) -> str:
    # A value that fits no member of a union gives one fault per member: tell the value once.
    heads = {sentence.partition(", expected ")[0] for sentence in sentences}
    if len(heads) == 1 and all(", expected " in sentence for sentence in sentences):
        wanted = [sentence.partition(", expected ")[2] for sentence in sentences]
        return f"{heads.pop()}, expected {' or '.join(dict.fromkeys(wanted))}"
    return "; ".join(dict.fromkeys(sentences))


def _sentence(detail: ErrorDetails, location: _Location, model: type[BaseModel]) -> str:
    kind = detail["type"]
    if kind == "extra_forbidden":
        return f"is unknown{_suggestion(location, model)}"
    if kind == "missing":
        return "is missing"
    if kind == "value_error":
        return detail["msg"].removeprefix("Value error, ").removeprefix(f"{location[-1]} ")
    plain = detail["msg"].removeprefix("Input should be ").removeprefix("Input should ")
    wanted = next((text for prefix, text in _EXPECTED if kind.startswith(prefix)), plain)
    return f"is {_found(detail['input'], location)}, expected {wanted}"


def _found(value: object, location: _Location) -> str:
    name = next((text for kind, text in _TYPES if isinstance(value, kind)), type(value).__name__)
    if isinstance(value, (dict, list, tuple)) or _SECRET.search(str(location[-1])):
        return f"a {name}"
    shown = repr(str(value)) if isinstance(value, str) else str(value).lower()
    return f"{shown[:60]} ({name})"


def _suggestion(location: _Location, model: type[BaseModel]) -> str:
    _, section = _walk(model, location[:-1])
    name = str(location[-1])
    names = _names(section)
    close = difflib.get_close_matches(name.lower(), names, n=1, cutoff=0.6)
    if close:
        return f"; did you mean {close[0]}?"
    home = next((top for top in _names(model) if name in _names(_walk(model, (top,))[1])), "")
    return f"; {name} belongs to [{home}]" if home else f"; known here: {', '.join(names)}"


def _walk(model: type[BaseModel], location: _Location) -> tuple[_Location, object]:
    """The part of `location` that is written in the file, and the type that stands there.

    pydantic adds the position in a list and the member of a union to a location; a file has neither.
    """
    here: object = model
    for depth, part in enumerate(location):
        if isinstance(here, type) and issubclass(here, BaseModel):
            fields = {field.alias or name: field for name, field in here.model_fields.items()}
            if part not in fields:
                return location[: depth + 1], None
            here = _inner(fields[str(part)].annotation)
        elif typing.get_origin(here) is dict:
            here = _inner(typing.get_args(here)[1])
        else:
            return location[:depth], None
    return location, here


def _inner(annotation: object) -> object:
    """The type itself, without ``| None``."""
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        members = [m for m in typing.get_args(annotation) if m is not type(None)]
        return members[0] if len(members) == 1 else annotation
    return annotation


def _names(model: object) -> list[str]:
    if isinstance(model, type) and issubclass(model, BaseModel):
        return [field.alias or name for name, field in model.model_fields.items()]
    return []


def _line_of(text: str, location: _Location) -> int:
    """The line where a key, or else the nearest section around it, stands in TOML text; 0 when nowhere."""
    places: dict[str, int] = {}
    section = ""
    for number, line in enumerate(text.splitlines(), start=1):
        if head := re.match(r"\s*\[([^\[\]]+)\]", line):
            section = head.group(1).strip()
            places.setdefault(section, number)
        elif key := re.match(r'\s*"?([^"=\s]+)"?\s*=', line):
            places.setdefault(".".join(filter(None, (section, key.group(1)))), number)
    words = [str(part) for part in location]
    prefixes = (".".join(words[:depth]) for depth in range(len(words), 0, -1))
    return next((places[prefix] for prefix in prefixes if prefix in places), 0)
