"""Reading a request's JSON without guessing.

The standard reader keeps the last of two equal keys, takes ``NaN`` and turns ``1e999`` into infinity; each of
these is a different customer scored than the one that was meant. Here they are refused, with the field.
"""

from __future__ import annotations

import codecs
import json
import math
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, TypeAlias

from serving.refusal import Refusal, field_path

__all__ = ["strict_json"]

_MAX_DIGITS = 40
_UNWANTED = re.compile("[\x00\ud800-\udfff]")
# A place in the document: the place around it and the last step; linked, so that a long list costs little.
_Place: TypeAlias = "tuple[_Place, str | int] | None"


class _Fault:
    """Stands in the document where something is wrong, so that its path can be told afterwards."""

    def __init__(self, text: str) -> None:
        self.text = text


class _Reader:
    """Hooks for the standard reader; `seen` says whether a fault stands anywhere in the document."""

    def __init__(self) -> None:
        self.seen = False

    def fault(self, text: str) -> _Fault:
        self.seen = True
        return _Fault(text)

    def pairs(self, items: list[tuple[str, Any]]) -> dict[str, Any]:
        result = dict(items)
        if len(result) < len(items):
            name, _ = Counter(name for name, _ in items).most_common(1)[0]
            result[name] = self.fault("is given twice in one object; give it once")
        return result

    def constant(self, _text: str) -> _Fault:
        return self.fault("must be a finite number; leave the field out when the value is unknown")

    def decimal(self, text: str) -> float | _Fault:
        value = float(text)
        return value if math.isfinite(value) else self.fault("must be a finite number; this one is too large")

    def whole(self, text: str) -> int | _Fault:
        return int(text) if len(text) <= _MAX_DIGITS else self.fault(f"has more than {_MAX_DIGITS} digits")


class _Doubt(Exception):  # noqa: N818 - no error yet: the careful reader finds out
    """Something in a document may be wrong."""


def _plain_pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(items)
    if len(result) < len(items):
        raise _Doubt
    return result


def _no_constant(_text: str) -> None:
    raise _Doubt


# Made once; it takes good documents, which nearly all are, and leaves the others to `_Reader`. Numbers it reads
# without asking anybody, so it gets no text in which one may be too long or too large.
_quick = json.JSONDecoder(object_pairs_hook=_plain_pairs, parse_constant=_no_constant).decode
_ONE_DIGIT = bytes.maketrans(b"123456789E", b"000000000e")
_LONG, _LARGE = b"0" * (_MAX_DIGITS + 1), b"e000"


def _may_be_odd(body: bytes) -> bool:
    """Whether a body may hold a number of many digits or of a large exponent, or an escaped character.

    A translation and two searches cost a tenth of a regular expression.
    """
    flat = body.translate(_ONE_DIGIT, b"+-")
    return _LONG in flat or _LARGE in flat or b"\\u" in body


def strict_json(body: bytes) -> Any:
    """Read a JSON document that leaves no room for interpretation.

    Parameters
    ----------
    body : bytes
        UTF-8 without byte-order mark, one JSON value.

    Returns
    -------
    object
        The document: dict, list, str, int, float, bool or None.

    Raises
    ------
    Refusal
        Status 400: not UTF-8, not JSON, two equal keys in one object, NaN or infinite numbers, numbers of
        more than 40 digits, hundreds of nested levels, the character NUL or half a surrogate pair in a text.

    Examples
    --------
    >>> strict_json(b'{"customer_ids": ["7", "007"]}')
    {'customer_ids': ['7', '007']}
    >>> strict_json(b'{"customers": [{"amount": 1, "amount": 2}]}')
    Traceback (most recent call last):
    serving.refusal.Refusal: customers[0].amount: is given twice in one object; give it once
    """
    text = _text_of(body)
    if not _may_be_odd(body):
        with suppress(_Doubt, ValueError, RecursionError):
            return _quick(text)
    reader = _Reader()
    try:
        document = json.loads(
            text,
            object_pairs_hook=reader.pairs,
            parse_constant=reader.constant,
            parse_float=reader.decimal,
            parse_int=reader.whole,
        )
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise Refusal(400, "not_json", f"the body is not JSON: {error.msg.rstrip(' :')} ({where})") from None
    except RecursionError:
        raise Refusal(400, "too_deep", "the body is nested too deeply; see /docs for its shape") from None
    if reader.seen or b"\\u" in body:
        _refuse_faults(document)
    return document


def _text_of(body: bytes) -> str:
    if not body.strip():
        raise Refusal(400, "empty", "the body is empty; send a JSON object")
    if body.startswith(codecs.BOM_UTF8):
        raise Refusal(400, "not_utf8", "the body starts with a byte-order mark; send UTF-8 without one")
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError as error:
        text = f"the body is not UTF-8: byte {error.start + 1} does not fit"
        raise Refusal(400, "not_utf8", text) from None


def _refuse_faults(document: object) -> None:
    for place, value in _walk(document):
        fault = value.text if isinstance(value, _Fault) else _fault_of_text(value)
        if fault:
            field = field_path(_steps(place))
            raise Refusal(400, "not_strict", f"{field}: {fault}" if field else fault, field=field)


def _walk(document: object) -> Iterator[tuple[_Place, object]]:
    """Every key and value with its place, without recursion."""
    waiting: list[tuple[_Place, object]] = [(None, document)]
    while waiting:
        place, value = waiting.pop()
        yield place, value
        if isinstance(value, dict):
            for name, inner in value.items():
                yield (place, name), name
                waiting.append(((place, name), inner))
        elif isinstance(value, list):
            waiting.extend(((place, step), inner) for step, inner in enumerate(value))


def _steps(place: _Place) -> tuple[str | int, ...]:
    steps: list[str | int] = []
    while place is not None:
        place, step = place
        steps.append(step)
    return tuple(reversed(steps))


def _fault_of_text(value: object) -> str:
    found = _UNWANTED.search(value) if isinstance(value, str) else None
    if found is None:
        return ""
    if found[0] == "\x00":
        return "holds the character NUL, which no text of a customer has"
    return "holds half of a surrogate pair; send the whole character"
