"""What a decision is judged by: orders and margin after its day, and the same before it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd

from features.errors import ConfigError
from features.exact import MONEY, to_units
from features.snapshot import as_of_table, future, past
from features.tables import Tables

__all__ = ["BEFORE_DAYS", "customer_outcomes", "slices"]

BEFORE_DAYS = 365
"""Days before a decision that tell what a customer would do anyway."""


def slices(horizon_days: int, *, every: int = 30) -> tuple[int, ...]:
    """Ends of the slices of a horizon, in days.

    Examples
    --------
    >>> slices(70), slices(90)
    ((30, 60, 70), (30, 60, 90))
    """
    return (*range(every, horizon_days, every), horizon_days)


def customer_outcomes(
    tables: Tables, as_of: Sequence[date], horizon_days: int, *, margin_rate: float
) -> pd.DataFrame:
    """Orders and margin of each customer in the horizon after each day, and in as many days before it.

    Parameters
    ----------
    tables : Tables
        Loaded tables.
    as_of : sequence of date
        Days of decision.
    horizon_days : int
        Days h, 1 or more; outcomes fall into [as_of, as_of + h).
    margin_rate : float
        In (0, 1]: share of a line's amount kept where its cost is not known.

    Returns
    -------
    DataFrame
        ``as_of, customer_id``; ``orders`` and ``margin`` (money) in the horizon; ``churn``: 1 without an order,
        else 0; ``margin_{d}d``: margin up to day d for the ends of `slices`; ``orders_before, margin_before``:
        in the 365 days before ``as_of``. Customers without an order in either are absent.

    Raises
    ------
    ConfigError
        The horizon is shorter than a day.

    Notes
    -----
    Margin of a line: amount − cost where the cost is known (a return gives it back), else amount · margin_rate.
    An order is what `features.days` counts as one.
    """
    if horizon_days < 1:
        raise ConfigError(f"a horizon of {horizon_days} days; give 1 day or more")
    cuts = as_of_table(as_of)
    lines = _with_margin(tables.orders, margin_rate)
    ends = slices(horizon_days)
    money = future(lines, cuts, horizon_days)
    sums = {f"margin_{end}d": money.margin_u.sum(where=money.ahead < end) for end in ends}
    earned = _fetched(money.group_by(["as_of", "customer_id"]).aggregate(**sums))
    days = future(tables.facts, cuts, horizon_days)
    came = _fetched(days.group_by(["as_of", "customer_id"]).aggregate(orders=days.orders.sum()))
    spent = past(lines, cuts)
    spent = spent.filter(spent.age <= BEFORE_DAYS)
    before = _fetched(spent.group_by(["as_of", "customer_id"]).aggregate(margin_before=spent.margin_u.sum()))
    ordered = past(tables.facts, cuts)
    ordered = ordered.filter(ordered.age <= BEFORE_DAYS)
    count = {"orders_before": ordered.orders.sum()}
    earlier = _fetched(ordered.group_by(["as_of", "customer_id"]).aggregate(**count))
    found = pd.concat([earned, came, before, earlier], axis=1).fillna(0.0).astype(np.float64)
    for name in (*sums, "margin_before"):
        found[name] = found[name] / MONEY
    found["margin"] = found[f"margin_{horizon_days}d"]
    found["churn"] = (found["orders"] <= 0).astype(np.float64)
    return found.reset_index()


def _with_margin(orders: ir.Table, margin_rate: float) -> ir.Table:
    share = orders.amount * margin_rate
    if "cost" not in orders.columns:
        return orders.mutate(margin_u=to_units(share))
    cost = ibis.ifelse(orders.amount >= 0, orders.cost, -orders.cost.abs())
    margin = ibis.ifelse(orders.cost.notnull(), orders.amount - cost, share)
    return orders.mutate(margin_u=to_units(margin))


def _fetched(table: ir.Table) -> pd.DataFrame:
    frame = table.to_pyarrow().to_pandas()
    keys: Mapping[str, Any] = {"as_of": pd.to_datetime(frame["as_of"]).dt.date}
    return frame.assign(**keys).set_index(["as_of", "customer_id"])
