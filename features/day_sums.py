"""Day facts of some customers' lines, summed up with numpy: the sums of `features.days`, from sorted whole numbers.

An engine that tells lines apart carries all of them through a sort for each kind of thing. Here each thing that is
told apart is one whole number, made of the numbers of its customer, thing and day, and those numbers are sorted alone.
The sums are the same whole numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from features.errors import InputError

__all__ = ["BOUGHT", "KEYS", "THINGS", "Flags", "Ints", "added_up", "changes", "dates", "sum_up", "whole"]

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

KEYS = ("customer_id", "day", "known_day")
BOUGHT = "bought"
"""Column that marks lines with a positive amount."""
THINGS = {"product": "products", "category": "categories"}
"""Columns whose different values are counted, and the name of the count."""

_BITS = 63
_EXACT = 2**53
_LARGEST = 2**63


def sum_up(lines: pa.Table, steps: Callable[[int], Ints]) -> dict[str, Any]:
    """One row per customer, day and arrival day, by rising id and day.

    Parameters
    ----------
    lines : pyarrow.Table
        All lines of some customers, those of a customer together: `KEYS`, `BOUGHT`, any of ``order_id``, ``known_at``
        and `THINGS`, and what each line adds to sums of its own, as whole numbers without missing ones.
    steps : callable
        The first so many values of `features.days.nlogn_step`.

    Returns
    -------
    dict of str to array
        `KEYS` and the sums.

    Raises
    ------
    InputError
        A sum does not fit into 64 bits.
    """
    days = _Days(lines)
    found = days.keys() | {name: days.total(name) for name in lines.column_names if name not in _TOLD}
    found["orders"] = days.count_first(days.day, _codes(lines, "order_id", missing_too=True))
    for thing, things in THINGS.items():
        if thing in lines.column_names:
            codes = _codes(lines, thing)
            found |= days.told_apart(codes, steps, thing, things)
            if thing == "product":
                late = "known_at" in lines.column_names
                found["day_products"] = days.count_first(days.day, codes) if late else found["new_products"]
    return {
        name: values if isinstance(values, pa.Array) else pa.array(values) for name, values in found.items()
    }


_TOLD = (*KEYS, *THINGS, BOUGHT, "order_id", "known_at")


class _Days:
    """The lines sorted by customer, day and arrival day.

    ``row`` is the place of each line's day among all days, ``starts`` the first line of each; of the days, ``customer``
    and ``day`` are numbers that agree where customer, and customer and day, do.
    """

    def __init__(self, lines: pa.Table) -> None:
        self.lines = lines
        runs = pc.run_end_encode(lines["customer_id"].combine_chunks())
        self._ids = runs.values
        if not pc.all(pc.less(self._ids[:-1], self._ids[1:]), min_count=0).as_py():
            raise RuntimeError("the lines are not in the order of customers")
        ends = runs.run_ends.to_numpy()
        customer = np.repeat(np.arange(len(ends)), np.diff(ends, prepend=0))
        day, known = (whole(lines[name]) for name in ("day", "known_day"))
        first = day.min(initial=0)
        key = _packed(customer, day - first, known - day)
        self.order = np.argsort(key, kind="stable")
        new = changes(key[self.order])
        self.starts = np.flatnonzero(new)
        self.row = np.cumsum(new) - 1
        self._at = self.order[self.starts]
        self.customer, self._day, self._known = customer[self._at], day[self._at], known[self._at]
        same_customer = ~changes(self.customer)
        self.day = np.cumsum(~(same_customer & (np.diff(self._day, prepend=-1) == 0))) - 1
        self.bought = whole(lines[BOUGHT])[self.order] > 0
        self.known_place = self._places_by_arrival()

    def keys(self) -> dict[str, Any]:
        """The keys of the days."""
        return {
            "customer_id": self._ids.take(pa.array(self.customer)),
            "day": dates(self._day),
            "known_day": dates(self._known),
        }

    def total(self, name: str) -> Ints:
        """Sum of a column by day."""
        return added_up(name, whole(self.lines[name])[self.order], self.starts)

    def count_first(self, of: Ints, codes: Ints) -> Ints:
        """Different things bought within each group of days, by the day where each was known first."""
        there = self.bought & (codes[self.order] >= 0)
        row = self.row[there]
        key, shift = _packed_before(row, of[row], codes[self.order][there])
        key.sort(kind="stable")
        first = key[changes(key >> shift)] & ((1 << shift) - 1)
        return np.bincount(first, minlength=len(self.starts))

    def told_apart(
        self, codes: Ints, steps: Callable[[int], Ints], thing: str, things: str
    ) -> dict[str, Ints]:
        """Lines of known things, first lines of each, and what each line adds to Σ n·ln n, by day."""
        size = len(self.starts)
        there = self.bought & (codes[self.order] >= 0)
        row = self.row[there]
        key, shift = _packed_before(self.known_place[row], self.customer[row], codes[self.order][there])
        key.sort(kind="stable")
        new = changes(key >> shift)
        row = self._by_arrival[key & ((1 << shift) - 1)]
        nth = np.arange(len(key)) - np.maximum.accumulate(np.where(new, np.arange(len(key)), 0))
        again = nth > 0
        added = steps(int(nth.max(initial=0)) + 1)[nth[again]]
        return {
            f"new_{things}": np.bincount(row[new], minlength=size),
            f"{thing}_lines": np.bincount(row, minlength=size),
            f"{thing}_nlogn": _added(row[again], added, size),
        }

    def _places_by_arrival(self) -> Ints:
        """The place of each day when those of a customer stand by arrival."""
        places = np.arange(len(self.starts))
        self._by_arrival = places
        if np.array_equal(self._known, self._day):
            return places
        known = self._known - self._known.min(initial=0)
        self._by_arrival = np.argsort(_packed(self.customer, known, self._day - self._day.min(initial=0)))
        found = np.empty_like(places)
        found[self._by_arrival] = places
        return found


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
            raise InputError(
                f"orders: {name} of one day of a customer adds up to more than 64 bits hold (a unit is 1/10,000); "
                "check the unit of the amounts"
            )
    found: Ints = np.add.reduceat(values, starts, dtype=np.int64)
    return found


def dates(days: Ints, missing: Flags | None = None) -> pa.Array:
    """Days since 1970 as dates."""
    return pa.array(days.astype(np.int32), mask=missing).view(pa.date32())


def _codes(lines: pa.Table, name: str, *, missing_too: bool = False) -> Ints:
    """A number for each different value of a column; missing ones are below 0, or a value among others."""
    if name not in lines.column_names:
        return np.zeros(len(lines), dtype=np.int64)
    told = pc.dictionary_encode(
        lines[name].combine_chunks(), null_encoding="encode" if missing_too else "mask"
    ).indices
    return told.fill_null(-1).to_numpy().astype(np.int64)


def changes(values: Ints) -> Flags:
    """Whether each value is another than the one before."""
    found = np.ones(len(values), dtype=bool)
    np.not_equal(values[1:], values[:-1], out=found[1:])
    return found


def _packed(*parts: Ints) -> Ints:
    """One whole number for each row, in the order of the rows' parts, none of which is below 0."""
    found, used = parts[0], _width(parts[0])
    for part in parts[1:]:
        width = _width(part)
        if used + width > _BITS:
            found = np.unique(found, return_inverse=True)[1]
            used = _width(found)
        found, used = (found << width) | part, used + width
    return found


def _packed_before(last: Ints, *parts: Ints) -> tuple[Ints, int]:
    """`_packed` of the parts and of `last`, and how many bits that has."""
    width = _width(last)
    found = _packed(*parts)
    if _width(found) + width > _BITS:
        found = np.unique(found, return_inverse=True)[1]
    return (found << width) | last, width


def _width(values: Ints) -> int:
    return int(values.max(initial=0)).bit_length()


def _added(row: Ints, values: Ints, size: int) -> Ints:
    """Sums of `values`, none below 0, by row."""
    if int(values.max(initial=0)) * len(values) < _EXACT:
        # floats hold such whole numbers exactly
        return np.bincount(row, weights=values, minlength=size).astype(np.int64)
    found = np.zeros(size, dtype=np.int64)
    np.add.at(found, row, values)
    return found
