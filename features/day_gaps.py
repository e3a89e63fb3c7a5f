"""Summed up days put into order with numpy: what `features.days.settled_days` makes of day facts.

The days come sorted by customer, day and day of arrival, so that the day before is the row before.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.day_sums import KEYS
from features.sorted_numbers import Flags, Ints, added_up, changes, dates, whole

__all__ = ["MOVES", "settle"]

MOVES = "moves"
"""Column that marks customers of whom some line arrived after its day."""

_NONE = -(2**31)


def settle(facts: pa.Table) -> tuple[dict[str, Any], pa.Table]:
    """Days once all has arrived, and the facts of customers of whom some line arrived after its day.

    Parameters
    ----------
    facts : pyarrow.Table
        From `features.day_sums.DaySums`: all days of some customers.

    Returns
    -------
    dict of str to array
        The columns of `features.days.settled_days`, and `MOVES`, by rising id and day.
    pyarrow.Table
        Rows of the facts.

    Raises
    ------
    InputError
        A sum does not fit into 64 bits.
    """
    customer, day = _customers(facts), whole(facts["day"])
    late = whole(facts["known_day"]) > day
    moves = np.bincount(customer, weights=late)[customer] > 0 if late.any() else late
    starts = np.flatnonzero(changes(customer) | changes(day))
    sums = {name: whole(facts[name]) for name in facts.column_names if name not in KEYS}
    found = {name: facts[name] for name in ("customer_id", "day")}
    if len(starts) < len(day):
        found = {name: values.take(pa.array(starts)) for name, values in found.items()}
        sums = {name: added_up(name, values, starts) for name, values in sums.items()}
        customer, day = customer[starts], day[starts]
    gaps = _gaps(customer, day, sums["orders"] > 0)
    return found | sums | gaps | {MOVES: moves[starts]}, facts.filter(pa.array(moves))


def _gaps(customer: Ints, day: Ints, bought: Flags) -> dict[str, Any]:
    """What `features.days.with_gaps` adds."""
    before, after = _neighbours(customer, day, bought)
    without = ~bought | (before == _NONE)
    months = [days.astype("datetime64[D]").astype("datetime64[M]") for days in (day, before)]
    return {
        "bought": bought.astype(np.int64),
        "gap": pa.array(day - before, mask=without),
        "following": dates(after, missing=after == _NONE),
        "new_month": (bought & (without | (months[0] != months[1]))).astype(np.int64),
    }


def _customers(facts: pa.Table) -> Ints:
    """The place of each row's customer among all."""
    ends = pc.run_end_encode(facts["customer_id"].combine_chunks()).run_ends.to_numpy()
    return np.repeat(np.arange(len(ends)), np.diff(ends, prepend=0))


def _neighbours(customer: Ints, day: Ints, bought: Flags) -> tuple[Ints, Ints]:
    """The day before and the day after of the same customer that is as bought as this one."""
    before, after = np.full(len(day), _NONE), np.full(len(day), _NONE)
    for alike in (np.flatnonzero(bought), np.flatnonzero(~bought)):
        one, following = alike[:-1], alike[1:]
        same: Flags = customer[one] == customer[following]
        before[following[same]] = day[one[same]]
        after[one[same]] = day[following[same]]
    return before, after
