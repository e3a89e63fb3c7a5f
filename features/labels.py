"""What came after the cut: orders and spend in each horizon, for customers known before it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import ibis.expr.types as ir

from features.days import day_facts
from features.dialect import portable
from features.errors import ConfigError
from features.exact import from_units
from features.snapshot import as_of_table, future, past
from features.tables import Tables

__all__ = ["labels"]


def labels(
    tables: Tables, as_of: Sequence[date], horizons_days: Sequence[int], *, facts: ir.Table | None = None
) -> ir.Table:
    """Orders and net spend of every known customer in [as_of, as_of + h) for each horizon h.

    Parameters
    ----------
    tables : Tables
        Loaded tables.
    as_of : sequence of date
        Cut-off days.
    horizons_days : sequence of int
        Horizons h, days.
    facts : ir.Table, optional
        `features.days.day_facts` of the orders that count, where they are kept already.

    Returns
    -------
    ir.Table
        ``as_of, customer_id`` and for each h ``orders_{h}d`` (orders) and ``value_{h}d`` (spend less returns,
        currency). Customers who did nothing in the horizon have zeros; more came back than was bought where
        the value is negative.

    Raises
    ------
    ConfigError
        When a horizon is shorter than a day, or none is given.
    """
    if not horizons_days or min(horizons_days) < 1:
        raise ConfigError(f"horizons_days is {list(horizons_days)}; name at least one, each of 1 day or more")
    cuts = as_of_table(as_of)
    days = day_facts(tables.orders) if facts is None else facts
    known = past(days, cuts).select("as_of", "customer_id").distinct()
    ahead = future(days, cuts, max(horizons_days))
    sums = {}
    for h in horizons_days:
        within = ahead.ahead < h
        sums[f"orders_{h}d"] = ahead.orders.sum(where=within)
        sums[f"value_{h}d"] = from_units(ahead.net_u.sum(where=within))
    came = ahead.group_by(["as_of", "customer_id"]).aggregate(**sums)
    joined = known.left_join(came, ["as_of", "customer_id"]).drop("as_of_right", "customer_id_right")
    return portable(joined.mutate(**{name: joined[name].fill_null(0) for name in sums}), tables.con)
