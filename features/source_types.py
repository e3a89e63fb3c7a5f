"""Which types of an engine's columns the contract takes as they are: nothing is parsed where tables stand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from features.contract import TableContract
from features.errors import InputError

__all__ = ["refuse_types"]

_EXPECTED = {
    "id": "text or a whole number",
    "text": "text or a number",
    "time": "a date or time",
    "money": "a number",
    "number": "a number",
    "flag": "true or false",
}
_SQL_TYPES = {"time": "TIMESTAMP", "flag": "BOOLEAN", "id": "VARCHAR", "text": "VARCHAR"}


def refuse_types(contract: TableContract, found: Mapping[str, str], schema: Any, source: str) -> None:
    """Refuses columns that an engine would have to parse.

    Raises
    ------
    InputError
        All of them in one message, each with what to do.
    """
    faults = []
    for name, label in found.items():
        kind = contract.column(name).kind
        if not _fits(kind, schema[label]):
            cast = f"CAST({label} AS {_SQL_TYPES.get(kind, 'DOUBLE')})"
            faults.append(
                f"column {label!r} (for {name}) is {schema[label]}, and {_EXPECTED[kind]} is needed: cast it in a "
                f"view, e.g. {cast}"
            )
    if faults:
        raise InputError(
            f"{source}: {'; '.join(faults)}. In place nothing is parsed; with in_place = false texts are read"
        )


def _fits(kind: str, found: Any) -> bool:
    number = found.is_integer() or found.is_floating() or found.is_decimal()
    if kind == "time":
        return bool(found.is_timestamp() or found.is_date())
    if kind == "flag":
        return bool(found.is_boolean() or found.is_integer())
    if kind in ("id", "text"):
        return bool(found.is_string() or number or found.is_uuid())
    return bool(number)
