"""What a store keeps of order lines: their day facts and the counts of what is alike, some customers at a time."""

from __future__ import annotations

from collections.abc import Generator
from datetime import date
from typing import Any

import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.compute as pc

from features.day_sums import DaySums
from features.engine import left_room, told_limits
from features.facts_definition import facts_schema
from features.line_counts import LineCounts
from features.many_days import as_wanted, in_blocks

__all__ = ["DAYS", "OPEN", "FactsRows"]

DAYS, OPEN = "days", "open_days"
"""Kinds of the day facts that are stored, and of those of days for which more lines may come."""

_EPOCH = date(1970, 1, 1)


class FactsRows:
    """Day facts and counts of lines.

    Parameters
    ----------
    lines : ibis.Schema
        Of the contract table ``orders``.
    last : str
        Last arrival day that is stored, ISO; nothing is where it is empty.
    floor : str
        First day from which counts of single days are kept, ISO.
    """

    def __init__(self, lines: ibis.Schema, last: str, floor: str) -> None:
        self._keys = LineCounts(lines.names).keys
        self._last, self._floor = last or date.min.isoformat(), floor or date.min.isoformat()
        days, every = facts_schema(lines).to_pyarrow(), lines.to_pyarrow()
        counts = {
            kind: pa.schema([*((key, every.field(key).type) for key in keys), ("n", pa.int64())])
            for kind, keys in self._keys.items()
        }
        self.schemas = {DAYS: days, OPEN: days} | counts
        """Columns of the rows by kind."""

    def of(self, con: Any, lines: ir.Table) -> Generator[dict[str, pa.Table]]:
        """The rows by kind, some customers at a time; the engine is busy until the last ones are taken."""
        with told_limits(con, "order lines were summed up by day"), left_room(con.con):
            yield from in_blocks(con, lines, self._rows)

    def _rows(self, sums: DaySums) -> dict[str, pa.Table]:
        facts = as_wanted(sums.facts(), self.schemas[DAYS])
        closed = pc.less_equal(facts["known_day"], date.fromisoformat(self._last))
        until, floor = ((date.fromisoformat(day) - _EPOCH).days for day in (self._last, self._floor))
        counts = {kind: sums.counts(kind, keys, until, floor) for kind, keys in self._keys.items()}
        return {DAYS: facts.filter(closed), OPEN: facts.filter(pc.invert(closed))} | {
            kind: as_wanted(rows, self.schemas[kind]) for kind, rows in counts.items()
        }
