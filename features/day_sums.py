"""Day facts of some customers' lines, summed up with numpy: the sums of `features.days`, from sorted whole numbers.

An engine that tells lines apart carries all of them through a sort for each kind of thing. Here each thing that is
told apart is one whole number, made of the numbers of its customer, thing and day, and those numbers are sorted alone.
The sums are the same whole numbers.

Lines that come after others of their customer go on from the counts of those.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.sorted_numbers import (
    Flags,
    Ints,
    added_by_row,
    added_up,
    changes,
    dates,
    packed,
    packed_before,
    whole,
)

__all__ = ["BEFORE", "BOUGHT", "KEYS", "THINGS", "DaySums"]

KEYS = ("customer_id", "day", "known_day")
BOUGHT = "bought"
"""Column that marks lines with a positive amount."""
THINGS = {"product": "products", "category": "categories"}
"""Columns whose different values are counted, and the name of the count."""
BEFORE = "before_in_"
"""Begins the names of columns that tell how many bought lines of the same thing came before; a kind of
`DaySums.counts` follows."""

_TOLD = (*KEYS, *THINGS, BOUGHT, "order_id", "known_at")


@dataclass(frozen=True)
class _Alike:
    """Bought lines of the same thing side by side, those known first before others.

    ``line`` is the place of each line among all, ``new`` marks the first of each thing.
    """

    line: Ints
    new: Flags


class DaySums:
    """One row per customer, day and arrival day, by rising id and day.

    Parameters
    ----------
    lines : pyarrow.Table
        All lines of some customers, those of a customer together: `KEYS`, `BOUGHT`, any of ``order_id``, ``known_at``
        and `THINGS`, what each line adds to sums of its own, as whole numbers without missing ones, and, where these
        lines go on from others, `BEFORE` of each kind.
    steps : callable
        The first so many values of `features.days.nlogn_step`.

    Notes
    -----
    The lines are sorted by customer, day and arrival day. ``row`` is the place of each line's day among all days,
    ``starts`` the first line of each; of the days, ``customer`` and ``day`` are numbers that agree where customer, and
    customer and day, do.
    """

    def __init__(self, lines: pa.Table, steps: Callable[[int], Ints]) -> None:
        self.lines, self.steps = lines, steps
        runs = pc.run_end_encode(lines["customer_id"].combine_chunks())
        self._ids = runs.values
        if not pc.all(pc.less(self._ids[:-1], self._ids[1:]), min_count=0).as_py():
            raise RuntimeError("the lines are not in the order of customers")
        ends = runs.run_ends.to_numpy()
        customer = np.repeat(np.arange(len(ends)), np.diff(ends, prepend=0))
        day, known = (whole(lines[name]) for name in ("day", "known_day"))
        first = day.min(initial=0)
        key = packed(customer, day - first, known - day)
        self.order = np.argsort(key, kind="stable")
        new = changes(key[self.order])
        self.starts = np.flatnonzero(new)
        self.row = np.cumsum(new) - 1
        self._at = self.order[self.starts]
        self.customer, self._day, self._known = customer[self._at], day[self._at], known[self._at]
        same_customer = ~changes(self.customer)
        self.day = np.cumsum(~(same_customer & (np.diff(self._day, prepend=-1) == 0))) - 1

    def facts(self) -> dict[str, Any]:
        """`KEYS` and the sums, as arrays by name.

        Raises
        ------
        InputError
            A sum does not fit into 64 bits.
        """
        sums = [name for name in self.lines.column_names if name not in _TOLD and not name.startswith(BEFORE)]
        found = self._keys(np.arange(len(self.starts))) | {name: self._total(name) for name in sums}
        found["orders"] = self._first("orders")
        for thing, things in THINGS.items():
            if things in self._alike:
                found |= self._told_apart(thing, things)
        if "products" in self._alike:
            late = "day_products" in self._alike
            found["day_products"] = self._first("day_products") if late else found["new_products"]
        return {
            name: values if isinstance(values, pa.Array) else pa.array(values)
            for name, values in found.items()
        }

    def counts(self, kind: str, keys: Sequence[str], until: int, floor: int) -> dict[str, Any]:
        """How many bought lines of each thing there are.

        Parameters
        ----------
        kind : str
            Orders, products, categories; day_products, where lines arrive late.
        keys : sequence of str
            Columns that tell the things apart.
        until : int
            Last arrival day that counts, in days since 1970.
        floor : int
            First day from which things of a day count.

        Returns
        -------
        dict of str to array
            The keys and ``n``, above 0.
        """
        line, starts = self._alike[kind].line, np.flatnonzero(self._alike[kind].new)
        count = added_up("n", (self._known[self.row[line]] <= until).astype(np.int64), starts)
        first = line[starts]
        there = count > 0
        if "day" in keys:
            there &= self._day[self.row[first]] >= floor
        first = first[there]
        found = self._keys(self.row[first])
        found |= {
            name: self.lines[name].combine_chunks().take(pa.array(self.order[first]))
            for name in keys
            if name not in found
        }
        return {name: found[name] for name in keys} | {"n": count[there]}

    def _keys(self, rows: Ints) -> dict[str, Any]:
        return {
            "customer_id": self._ids.take(pa.array(self.customer[rows])),
            "day": dates(self._day[rows]),
            "known_day": dates(self._known[rows]),
        }

    def _total(self, name: str) -> Ints:
        """Sum of a column by day."""
        return added_up(name, whole(self.lines[name])[self.order], self.starts)

    def _first(self, kind: str) -> Ints:
        """Different things bought, by the day where each was known first."""
        first = self._alike[kind].line[self._alike[kind].new]
        before = self._before(kind)
        if before is not None:
            first = first[before[first] == 0]
        return np.bincount(self.row[first], minlength=len(self.starts))

    def _told_apart(self, thing: str, things: str) -> dict[str, Ints]:
        """Lines of known things, first lines of each, and what each line adds to Σ n·ln n, by day."""
        size, before = len(self.starts), self._before(things)
        line, new = self._alike[things].line, self._alike[things].new
        row, place = self.row[line], np.arange(len(line))
        nth = place - np.maximum.accumulate(np.where(new, place, 0))
        if before is not None:
            nth += before[line]
        again = nth > 0
        added = self.steps(int(nth.max(initial=0)) + 1)[nth[again]]
        return {
            f"new_{things}": np.bincount(row[~again], minlength=size),
            f"{thing}_lines": np.bincount(row, minlength=size),
            f"{thing}_nlogn": added_by_row(row[again], added, size),
        }

    def _before(self, kind: str) -> Ints | None:
        """How many bought lines of each line's thing came before these lines; None where none did."""
        name = f"{BEFORE}{kind}"
        return whole(self.lines[name])[self.order] if name in self.lines.column_names else None

    @cached_property
    def _alike(self) -> dict[str, _Alike]:
        """Lines of the same thing by kind."""
        lines, has = self.lines, set(self.lines.column_names)
        found = {"orders": self._side_by_side(_codes(lines, "order_id", missing_too=True), self.day)}
        for thing, things in THINGS.items():
            if thing in has:
                codes = _codes(lines, thing)
                found[things] = self._side_by_side(codes, self.customer, by_arrival=True)
                if thing == "product" and "known_at" in has:
                    found["day_products"] = self._side_by_side(codes, self.day)
        return found

    def _side_by_side(self, codes: Ints, of: Ints, *, by_arrival: bool = False) -> _Alike:
        """Bought lines whose codes are the same, as is what their days are ``of``.

        Within a day they stand by arrival as they are.
        """
        codes = codes[self.order]
        there = np.flatnonzero(self._bought & (codes >= 0))
        place = self._arrival[0][there] if by_arrival else there
        key, shift = packed_before(place, of[self.row[there]], codes[there])
        key.sort(kind="stable")
        line = key & ((1 << shift) - 1)
        return _Alike(self._arrival[1][line] if by_arrival else line, changes(key >> shift))

    @cached_property
    def _bought(self) -> Flags:
        found: Flags = whole(self.lines[BOUGHT])[self.order] > 0
        return found

    @cached_property
    def _arrival(self) -> tuple[Ints, Ints]:
        """The place of each line when those of a customer stand by arrival, and the line at each place."""
        lines = np.arange(len(self.row))
        if np.array_equal(self._known, self._day):
            return lines, lines
        known = self._known - self._known.min(initial=0)
        days = np.argsort(packed(self.customer, known, self._day - self._day.min(initial=0)))
        size = np.diff(self.starts, append=len(lines))[days]
        moved = np.empty_like(days)
        moved[days] = np.cumsum(size) - size - self.starts[days]
        place = lines + moved[self.row]
        line = np.empty_like(lines)
        line[place] = lines
        return place, line


def _codes(lines: pa.Table, name: str, *, missing_too: bool = False) -> Ints:
    """A number for each different value of a column; missing ones are below 0, or a value among others."""
    if name not in lines.column_names:
        return np.zeros(len(lines), dtype=np.int64)
    told = pc.dictionary_encode(
        lines[name].combine_chunks(), null_encoding="encode" if missing_too else "mask"
    ).indices
    return told.fill_null(-1).to_numpy().astype(np.int64)
