"""Contacts, answers, campaigns, referrals and contracts as one stream: what is known of each customer's events.

One table after the other would be cut, summed up and joined to the customers on its own; for one customer that is
most of the work. In the stream a row is missing in every column that its table has not, and sums leave it out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ibis
import ibis.expr.types as ir

from features.contract import TABLES, Kind
from features.exact import only
from features.family import Family
from features.snapshot import past
from features.tables import Tables

__all__ = ["known_events"]

_KEYS = ("as_of", "customer_id")
_DAYS = ("day", "known_day")
_TYPES: dict[Kind, str] = {
    "id": "string",
    "text": "string",
    "time": "timestamp",
    "money": "float64",
    "number": "float64",
    "flag": "boolean",
}


def known_events(tables: Tables, families: Sequence[Family], cuts: ir.Table) -> ir.Table:
    """Rows of the families' tables known before each ``as_of``.

    Parameters
    ----------
    tables : Tables
        With the source of every family.
    families : sequence of Family
        At least one.
    cuts : ir.Table
        From `features.snapshot.as_of_table`.

    Returns
    -------
    ir.Table
        ``as_of, customer_id, day``; the columns the families read; for each family ``<source>_age`` (days since the
        event, missing in rows of other tables) and ``<source>_latest`` (the smallest of them).
    """
    parts = [_part(tables, family, families) for family in families]
    known = past(ibis.union(*parts) if len(parts) > 1 else parts[0], cuts.select("as_of"))
    known = known.mutate(**{f"{f.source}_age": only(known.age, known.source == f.source) for f in families})
    mine = ibis.window(group_by=_KEYS)
    return known.mutate(**{f"{f.source}_latest": known[f"{f.source}_age"].min().over(mine) for f in families})


def _part(tables: Tables, family: Family, families: Sequence[Family]) -> ir.Table:
    events = getattr(tables, family.source)
    here = set(events.columns) & set(family.reads)
    columns: dict[str, Any] = {"source": ibis.literal(family.source)}
    for other in families:
        for name in other.reads:
            kind = _TYPES[TABLES[other.source].column(name).kind]
            columns[name] = events[name].cast(kind) if name in here else ibis.null(kind)
    return events.select("customer_id", *_DAYS, **columns)
