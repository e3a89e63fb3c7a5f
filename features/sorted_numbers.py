"""Whole numbers in numpy: packed to be sorted alone, and summed up exactly."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from features.errors import InputError

__all__ = [
    "Flags",
    "Ints",
    "added_by_row",
    "added_up",
    "changes",
    "dates",
    "packed",
    "packed_before",
    "too_large",
    "whole",
]

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

_BITS = 63
_EXACT = 2**53
_LARGEST = 2**63


def whole(column: pa.ChunkedArray) -> Ints:
    """A column of whole numbers, days or flags without missing ones."""
    values = column.combine_chunks()
    if pa.types.is_date(values.type):
        values = values.view(pa.int32())
    return values.to_numpy().astype(np.int64, copy=False)


def added_up(name: str, values: Ints, starts: Ints) -> Ints:
    """Sums of stretches of a column.

    Raises
    ------
    InputError
        A sum does not fit into 64 bits.
    """
    if not len(values):
        return values
    largest = max(abs(int(values.max())), abs(int(values.min())))
    if largest * len(values) >= _LARGEST:
        rough = np.add.reduceat(values.astype(np.float64), starts)
        if np.abs(rough).max() >= _LARGEST * 0.99:
            raise too_large(name)
    found: Ints = np.add.reduceat(values, starts, dtype=np.int64)
    return found


def too_large(what: str) -> InputError:
    """What is said of a sum that does not fit into 64 bits."""
    return InputError(
        f"orders: {what} of one day of a customer adds up to more than 64 bits hold (a unit is 1/10,000); "
        "check the unit of the amounts"
    )


def dates(days: Ints, missing: Flags | None = None) -> pa.Array:
    """Days since 1970 as dates."""
    return pa.array(days.astype(np.int32), mask=missing).view(pa.date32())


def changes(values: Ints) -> Flags:
    """Whether each value is another than the one before."""
    found = np.ones(len(values), dtype=bool)
    np.not_equal(values[1:], values[:-1], out=found[1:])
    return found


def packed(*parts: Ints) -> Ints:
    """One whole number for each row, in the order of the rows' parts, none of which is below 0."""
    found, used = parts[0], _width(parts[0])
    for part in parts[1:]:
        width = _width(part)
        if used + width > _BITS:
            found = np.unique(found, return_inverse=True)[1]
            used = _width(found)
        found, used = (found << width) | part, used + width
    return found


def packed_before(last: Ints, *parts: Ints) -> tuple[Ints, int]:
    """`packed` of the parts and of `last`, and how many bits that has."""
    width = _width(last)
    found = packed(*parts)
    if _width(found) + width > _BITS:
        found = np.unique(found, return_inverse=True)[1]
    return (found << width) | last, width


def _width(values: Ints) -> int:
    return int(values.max(initial=0)).bit_length()


def added_by_row(row: Ints, values: Ints, size: int) -> Ints:
    """Sums of `values`, none below 0, by row."""
    if int(values.max(initial=0)) * len(values) < _EXACT:
        # floats hold such whole numbers exactly
        return np.bincount(row, weights=values, minlength=size).astype(np.int64)
    found = np.zeros(size, dtype=np.int64)
    np.add.at(found, row, values)
    return found
