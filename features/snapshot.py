"""The time cut: what was known before ``as_of``, and what came in the horizon after it.

This is the only place that cuts time. ``as_of`` is a day in the business zone: everything before its start is
past; a horizon of h days is [as_of, as_of + h). A row is past only when it happened *and* had arrived.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from features.errors import ConfigError

__all__ = ["as_of_days", "as_of_table", "future", "known_before", "past", "unsettled"]


def as_of_table(dates: Sequence[date]) -> ir.Table:
    """One row per distinct cut-off day, column ``as_of``.

    Examples
    --------
    >>> from datetime import date
    >>> as_of_table([date(2026, 1, 2), date(2026, 1, 1), date(2026, 1, 2)]).to_pyarrow().num_rows
    2
    """
    return ibis.memtable(as_of_days(dates))


def as_of_days(dates: Sequence[date]) -> pa.Table:
    """The rows of `as_of_table`.

    Raises
    ------
    ConfigError
        No day is given.
    """
    if not dates:
        raise ConfigError("no as_of date given: name at least one day, such as 2026-01-31")
    return pa.table({"as_of": pa.array(sorted(set(dates)), type=pa.date32())})


def past(table: ir.Table, as_of: ir.Table) -> ir.Table:
    """Rows of `table` known before each ``as_of``, with ``as_of`` and ``age`` (days since the event, ≥ 1).

    Parameters
    ----------
    table : ir.Table
        Any table with ``day`` and ``known_day`` (see `features.tables.Tables`).
    as_of : ir.Table
        From `as_of_table`; from `unsettled` to have the rows of its customers alone.
    """
    known: list[Any] = [table.known_day < as_of.as_of]
    if "customer_id" in as_of.columns:
        known.append("customer_id")
    joined = table.join(as_of, known)
    return joined.mutate(age=_days_between(joined.as_of, joined.day))


def unsettled(table: ir.Table, as_of: ir.Table) -> ir.Table:
    """Each ``as_of`` with the customers of whom a row happened before it and arrived only later.

    They are few. Of all others what was known before ``as_of`` is what happened before it.
    """
    late = table.filter(table.known_day > table.day).select("customer_id", "day", "known_day")
    joined = late.join(as_of, [late.day < as_of.as_of, late.known_day >= as_of.as_of])
    return joined.drop("day", "known_day").distinct()


def known_before(table: ir.Table, as_of: date) -> ir.Table:
    """Rows of `table` known before one day; also for a table of attributes, whose rows have no day of their own."""
    return table.filter(table.known_day < ibis.literal(as_of))


def future(table: ir.Table, as_of: ir.Table, horizon_days: int) -> ir.Table:
    """Rows of `table` in [as_of, as_of + horizon_days), with ``as_of`` and ``ahead`` (days, ≥ 0)."""
    ahead = _days_between(table.day, as_of.as_of)
    joined = table.join(as_of, [table.day >= as_of.as_of, ahead < horizon_days])
    return joined.mutate(ahead=_days_between(joined.day, joined.as_of))


def _days_between(later: Any, earlier: Any) -> Any:
    return later.delta(earlier, unit="day")
