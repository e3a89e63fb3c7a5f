"""Which column of the user's source carries which column of the contract."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Mapping, Sequence

from features.contract import TableContract
from features.errors import InputError

__all__ = ["AMOUNT_PARTS", "match_columns"]

AMOUNT_PARTS = ("quantity", "unit_price")
"""What an order's amount is computed from where no column carries it."""


def match_columns(
    contract: TableContract, mapping: Mapping[str, str], header: Sequence[str], source: str
) -> dict[str, str]:
    """Source column by contract column, in the contract's order.

    A contract column that is not in `mapping` is taken from a source column of its own name, unless that one
    is mapped already.

    Raises
    ------
    InputError
        Duplicate names in the header, mapped columns that are not there, required columns without a source.

    Examples
    --------
    >>> from features.contract import TABLES
    >>> match_columns(TABLES["surveys"], {"customer_id": "id"}, ["id", "time", "score", "note"], "s.csv")
    {'customer_id': 'id', 'time': 'time', 'score': 'score'}
    """
    twice = [name for name, n in Counter(name for name in header if name).items() if n > 1]
    faults = [f"column {name!r} is there more than once; rename or drop one" for name in twice]
    faults += [
        f"{n!r} is no column of the table {contract.name}{_near(n, contract.names)}"
        for n in mapping
        if n not in contract.names
    ]
    taken = set(mapping.values())
    found: dict[str, str] = {}
    for column in contract.columns:
        name = mapping.get(column.name, column.name)
        if name in header and (column.name in mapping or name not in taken):
            found[column.name] = name
        elif column.name in mapping:
            faults.append(f"column {name!r} (mapped to {column.name}) is missing{_near(name, header)}")
    faults += _unmapped(contract, found, mapping)
    if faults:
        there = ", ".join(repr(name) for name in header[:30])
        raise InputError(f"{source}: {'; '.join(faults)}. Columns found: {there or 'none'}")
    return found


def _unmapped(contract: TableContract, found: Mapping[str, str], mapping: Mapping[str, str]) -> list[str]:
    absent = [name for name in contract.required if name not in found and name not in mapping]
    if contract.name == "orders" and all(part in found for part in AMOUNT_PARTS):
        absent = [name for name in absent if name != "amount"]
    return [f'no column for {name}; map it under columns, e.g. {name} = "YourColumn"' for name in absent]


def _near(name: str, names: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, names, n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""
