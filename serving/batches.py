"""Batches on their way to the back room and back: the question with who asks, the answer with what is to be noted.

A line of JSON stands before the bytes of the body, which nobody reads before they are there.
"""

from __future__ import annotations

import json

from serving.asked import Asked
from serving.keys import Key

__all__ = ["pack_answer", "pack_question", "unpack_answer", "unpack_question"]

_END = b"\n"


def pack_question(asked: Asked, body: bytes) -> bytes:
    """The body of a batch behind who asks."""
    key = None if asked.key is None else {"key_id": asked.key.key_id, "scope": dict(asked.key.scope)}
    return json.dumps({"key": key}).encode() + _END + body


def unpack_question(question: bytes) -> tuple[Asked, bytes]:
    """Who asks, and the body.

    Examples
    --------
    >>> asked = Asked(Key("k1", frozenset(), {"risk": ("high",)}))
    >>> again, body = unpack_question(pack_question(asked, b"{}"))
    >>> again == asked, body
    (True, b'{}')
    """
    head, _, body = question.partition(_END)
    key = json.loads(head)["key"]
    if key is None:
        return Asked(), body
    scope = {label: tuple(values) for label, values in key["scope"].items()}
    return Asked(Key(key["key_id"], frozenset(), scope)), body


def pack_answer(asked: Asked, body: bytes) -> bytes:
    """The body of an answer behind what is to be noted of it."""
    noted = {"model_version": asked.model_version, "customers": asked.customers}
    return json.dumps(noted).encode() + _END + body


def unpack_answer(answer: bytes, asked: Asked) -> bytes:
    """The body of an answer; what is to be noted goes into `asked`.

    Examples
    --------
    >>> asked = Asked()
    >>> unpack_answer(pack_answer(Asked(None, "v1", 2), b"{}"), asked), asked.model_version, asked.customers
    (b'{}', 'v1', 2)
    """
    head, _, body = answer.partition(_END)
    noted = json.loads(head)
    asked.model_version, asked.customers = noted["model_version"], noted["customers"]
    return body
