"""Bodies that no honest program sends: each must be refused as a fault of the caller, in words that can be read."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

from abuse_target import Figure, Reply, Target, is_refusal, request

from serving.openapi import EXAMPLES

__all__ = ["bad_bodies", "malformed"]

DEPTH = 100_000
# Stands where a piece of raw JSON goes.
HOLE = "@@hole@@"
OF_NUMBERS = (
    "NaN",
    "Infinity",
    "-Infinity",
    "1e999",
    "-1e999",
    "1" * 41,
    '"1"',
    "true",
    "[]",
    "{}",
    "0x1",
    "01",
    "+1",
    "1.",
    ".5",
)
OF_TEXTS = (
    "1",
    "true",
    "[]",
    "{}",
    '["007"]',
    '"\\u0000"',
    '"a\\u0000b"',
    '"\\ud800"',
    '"\\udc00\\ud800"',
    '"' + "x" * 300 + '"',
)
OF_BOOLEANS = ("0", "1", '"true"', "[]", "{}", "NaN")
OF_LISTS = ("{}", '"[]"', "1", "true", "[1]", "[[]]", '["\\ud800", 1]', "[null]", "[{}, {}", "[,]")
OF_OBJECTS = ("[]", '"{}"', "1", "true", '{"x": 1}', "{,}")


def bad_bodies(path: str) -> Iterator[tuple[str, bytes]]:
    """Names and bodies for a route."""
    yield from _bare()
    for place, example in enumerate(EXAMPLES[path].values()):
        whole = json.dumps(example).encode()
        for name, body in _spoiled(whole):
            yield f"example {place}: {name}", body
        for where, value in _places(example):
            for text in _instead(value):
                yield f"example {place}: {text[:20]} at {_words(where)}", _filled(example, where, text)
            if isinstance(value, dict):
                yield (
                    f"example {place}: another field in {_words(where)}",
                    _filled(example, where, _with(value, "x_y")),
                )
                again = next(iter(value), "x")
                yield (
                    f"example {place}: a field twice in {_words(where)}",
                    _filled(example, where, _with(value, again)),
                )


def _bare() -> Iterator[tuple[str, bytes]]:
    """Bodies that are wrong whatever the route."""
    texts = (
        "",
        " ",
        "\n",
        "null",
        "true",
        "0",
        '""',
        "[]",
        "{}",
        "[null]",
        "nil",
        "{",
        "}",
        '{"a"',
        "{'a': 1}",
        "// {}",
    )
    for text in texts:
        yield f"the text {text!r}", text.encode()
    yield "NUL", b"\0"
    yield "lists in lists", b"[" * DEPTH
    yield "lists in lists, closed", b"[" * DEPTH + b"]" * DEPTH
    yield "objects in objects", b'{"a":' * DEPTH
    yield "objects in objects, closed", b'{"a":' * DEPTH + b"1" + b"}" * DEPTH
    yield "a million keys", ("{" + ",".join(f'"{number}":1' for number in range(10**6)) + "}").encode()
    yield "eighty thousand keys", ("{" + ",".join(f'"{number}":1' for number in range(80_000)) + "}").encode()
    yield "one key eighty thousand times", ("{" + ",".join(['"a":1'] * 80_000) + "}").encode()
    yield "a number of a million digits", b'{"customer_id":' + b"9" * 10**6 + b"}"
    yield "a megabyte of opened quotes", b'{"customer_id":"' + b"\\" * 10**6
    yield "random bytes", bytes(range(256)) * 16
    yield "bytes that are no UTF-8", b'{"customer_id": "\xff"}'
    yield "half of a pair as bytes", b'{"customer_id": "\xed\xa0\x80"}'
    yield "a letter in too many bytes", b'{"customer_id": "\xc1\x81"}'


def _spoiled(whole: bytes) -> Iterator[tuple[str, bytes]]:
    """A good body in a bad shape."""
    text = whole.decode()
    yield "cut short", whole[:-1]
    yield "something behind it", whole + b"x"
    yield "twice", whole + whole
    yield "twice, by lines", whole + b"\n" + whole
    yield "a NUL behind it", whole + b"\0"
    yield "a comma behind it", whole + b","
    yield "a mark before it", b"\xef\xbb\xbf" + whole
    for coding in ("utf-16", "utf-16-le", "utf-32"):
        yield coding, text.encode(coding)
    yield "GBK", text.replace("00", "客户").encode("gbk")
    yield "in a list", b"[" + whole + b"]"
    yield "as a text", json.dumps(text).encode()
    yield "a comment", b"/* */" + whole
    yield "single quotes", whole.replace(b'"', b"'")
    yield "a comma too many", whole[:-1] + b",}"
    yield "deep below", whole[:-1] + b', "x": ' + b"[" * DEPTH + b"]" * DEPTH + b"}"
    yield "a tab in a text", whole.replace(b'": "', b'": "\t', 1) if b'": "' in whole else whole + b"\t]"


def _places(value: Any, where: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    yield where, value
    steps: Any = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for step, inner in steps:
        yield from _places(inner, (*where, step))


def _instead(value: Any) -> tuple[str, ...]:
    if isinstance(value, bool):
        return OF_BOOLEANS
    if value is None or isinstance(value, int | float):
        return OF_NUMBERS
    if isinstance(value, str):
        return OF_TEXTS
    return OF_LISTS if isinstance(value, list) else OF_OBJECTS


def _filled(example: Any, where: tuple[str | int, ...], text: str) -> bytes:
    """The example with a piece of raw JSON at a place."""

    def put(value: Any, left: tuple[str | int, ...]) -> Any:
        if not left:
            return HOLE
        if isinstance(value, dict):
            return {name: put(inner, left[1:]) if name == left[0] else inner for name, inner in value.items()}
        return [put(inner, left[1:]) if place == left[0] else inner for place, inner in enumerate(value)]

    return json.dumps(put(example, where)).replace(f'"{HOLE}"', text).encode()


def _with(value: dict[str, Any], name: str) -> str:
    """An object with one more field."""
    return json.dumps(value)[:-1] + (", " if value else "") + f"{json.dumps(name)}: 1}}"


def _words(where: tuple[str | int, ...]) -> str:
    return ".".join(map(str, where)) or "the top"


def malformed(target: Target) -> list[Figure]:
    """Every bad body on every route that takes one."""
    tried, codes, wrong = 0, Counter[str](), list[str]()
    with target.caller() as caller:
        for path in EXAMPLES:
            for name, body in bad_bodies(path):
                reply = caller.ask(request("POST", path, body, key=target.shop.key))
                tried += 1
                codes[_code(reply)] += 1
                if not is_refusal(reply):
                    wrong.append(f"{path}, {name}: {reply.status}")
    told = f"{len(wrong)} of {tried:,}" + (f" ({'; '.join(wrong[:3])})" if wrong else "")
    kinds = ", ".join(f"{name} {count:,}" for name, count in codes.most_common())
    return [
        Figure(
            "malformed bodies not told as a fault of the caller, in the one error document",
            told,
            "0",
            not wrong,
        ),
        Figure("what they were told", kinds, "", met=True),
    ]


def _code(reply: Reply) -> str:
    return (
        str(json.loads(reply.body)["error"]["code"])
        if is_refusal(reply, statuses=range(400, 600))
        else str(reply.status)
    )
