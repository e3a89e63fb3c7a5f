"""What the endpoint says when it does not answer: one shape for every fault, never a customer's value."""

from __future__ import annotations

import json
import logging
import traceback
import uuid
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from features.errors import RetainError

__all__ = ["ERROR_START", "Refusal", "field_path", "fitted", "incident", "refusal_of"]

_Shape = TypeVar("_Shape", bound=BaseModel)

_log = logging.getLogger("retain.serving")
ERROR_START = b'{"error":{"code":'
_NAMEABLE_FAULTS = 20
_PLAIN = {
    "missing": "is required",
    "extra_forbidden": "is not a field of this object; see the list of routes at /docs",
    "finite_number": "must be a finite number",
    "float_type": "must be a number, written without quotes",
    "bool_type": "must be true or false",
    "string_type": "must be a text in quotes",
    "list_type": "must be a list",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "union_tag_invalid": "kind: is none of the known kinds; see /docs",
    "union_tag_not_found": "kind: is required",
    "literal_error": "is none of the known words; see /docs",
}
# Texts of these quote limits of ours, or are ours; those of other kinds may quote the request.
_SAFE = (
    *("value_error", "string_too_short", "string_too_long", "too_short", "too_long"),
    *("greater_than_equal", "greater_than", "less_than_equal", "less_than"),
)


class Refusal(RetainError):  # noqa: N818 - it is an answer, not a failure
    """A request that is not answered: HTTP status, stable code, text and, where one is at fault, the field.

    Parameters
    ----------
    status : int
        HTTP status, 400 to 599.
    code : str
        Stable word for programs, e.g. ``"too_large"``.
    message : str
        What was expected and what to do; never a value of the request.
    field : str
        Path such as ``customers[3].orders[0].amount``; empty when the whole request is meant.
    faults : tuple of (field, message)
        All faults when there are several.

    Examples
    --------
    >>> Refusal(413, "too_large", "the body is larger than 10 bytes").document()
    {'error': {'code': 'too_large', 'message': 'the body is larger than 10 bytes', 'field': None}}
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        field: str = "",
        faults: tuple[tuple[str, str], ...] = (),
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.field, self.faults = status, code, message, field, faults

    def document(self) -> dict[str, object]:
        """The JSON document of the answer."""
        error: dict[str, object] = {"code": self.code, "message": self.message, "field": self.field or None}
        if len(self.faults) > 1:
            error["faults"] = [{"field": field, "message": text} for field, text in self.faults]
        return {"error": error}

    def body(self) -> bytes:
        """The document as bytes; every answer that starts with `ERROR_START` is one."""
        return json.dumps(self.document(), ensure_ascii=False, separators=(",", ":")).encode()


def field_path(location: tuple[str | int, ...]) -> str:
    """A location in a JSON document as people write it.

    A name that is not a plain word is shown as ``?``: it may hold a customer's data.

    Examples
    --------
    >>> field_path(("customers", 3, "orders", 0, "amount"))
    'customers[3].orders[0].amount'
    >>> field_path(("customers", 0, "someone@example.com"))
    'customers[0].?'
    """
    path = ""
    for part in location:
        if isinstance(part, int):
            path += f"[{part}]"
            continue
        word = part if part.isascii() and part.isidentifier() and len(part) <= 40 else "?"
        path += f".{word}" if path else word
    return path


def refusal_of(error: ValidationError) -> Refusal:
    """Turn all faults of a request that does not fit its model into one refusal.

    Parameters
    ----------
    error : pydantic.ValidationError

    Returns
    -------
    Refusal
        Status 400 with the first fault in its message and at most 20 in its list.
    """
    found = error.errors(include_input=False, include_context=False, include_url=False)
    faults = tuple((field_path(fault["loc"]), _text(fault["type"], fault["msg"])) for fault in found)
    field, text = faults[0]
    message = f"{field}: {text}" if field else text
    if len(faults) > 1:
        message = f"{len(faults)} fields are wrong; the first is {message}"
    return Refusal(400, "invalid", message, field=field, faults=faults[:_NAMEABLE_FAULTS])


def fitted(shape: type[_Shape], document: object) -> _Shape:
    """A document as the model of its route.

    Raises
    ------
    Refusal
        400, with all fields at fault.
    """
    try:
        return shape.model_validate(document)
    except ValidationError as error:
        raise refusal_of(error) from None


def incident(error: Exception) -> Refusal:
    """Log an unexpected failure by a number and give the refusal that names it.

    The log holds the kind of the error and where it arose; its text is left out, as it may quote a value.
    """
    number = uuid.uuid4().hex[:12]
    frames = traceback.extract_tb(error.__traceback__)[-8:]
    where = " < ".join(f"{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno}" for frame in reversed(frames))
    _log.error("incident %s: %s at %s", number, type(error).__name__, where)
    text = f"the request could not be answered; the server's log has the reason under incident {number}"
    return Refusal(500, "internal", text)


def _text(kind: str, message: str) -> str:
    if kind in _SAFE:
        return message.removeprefix("Value error, ")
    return _PLAIN.get(kind, "does not fit; see /docs")
