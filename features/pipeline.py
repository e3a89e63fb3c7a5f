"""The one feature function: what is known about every customer on every ``as_of`` day.

Training panels, the nightly list and the endpoint all call `customer_features`. It returns a lazy expression;
the engine that holds the tables runs it.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Sequence
from datetime import date

import ibis
import ibis.expr.types as ir

from features.breadth import BREADTH
from features.campaigns import CAMPAIGNS, REFERRALS
from features.contract import TABLES, Kind, TableContract
from features.contracts import CONTRACTS
from features.days import day_facts, merge_days, with_ends, with_gaps
from features.family import Family
from features.first_basket import FIRST_BASKET
from features.interactions import INTERACTIONS
from features.loyalty import LOYALTY
from features.public_holidays import HOLIDAYS, at_as_of, at_purchases
from features.returns import RETURNS
from features.rfm import RFM
from features.rhythm import RHYTHM
from features.season import SEASON
from features.snapshot import as_of_table, past
from features.surveys import SURVEYS
from features.tables import Tables
from features.trend import TREND

__all__ = ["FAMILIES", "FEATURES", "customer_features", "features_at"]

_ORDER_FAMILIES = (RFM, RHYTHM, TREND, BREADTH, RETURNS, SEASON, FIRST_BASKET)
_EVENT_FAMILIES = (INTERACTIONS, SURVEYS, CAMPAIGNS, REFERRALS, CONTRACTS)
FAMILIES: tuple[Family, ...] = (*_ORDER_FAMILIES, HOLIDAYS, *_EVENT_FAMILIES, LOYALTY)
FEATURES: tuple[str, ...] = tuple(name for family in FAMILIES for name in family.names)
_KEYS = ["as_of", "customer_id"]
_TYPES: dict[Kind, str] = {
    "id": "string",
    "text": "string",
    "time": "timestamp",
    "money": "float64",
    "number": "float64",
    "flag": "boolean",
}


def customer_features(tables: Tables, as_of: Sequence[date]) -> ir.Table:
    """Everything known about each customer at the start of each ``as_of`` day.

    Parameters
    ----------
    tables : Tables
        Loaded tables.
    as_of : sequence of date
        Cut-off days in the business zone; one pass serves them all.

    Returns
    -------
    ir.Table
        One row per ``as_of`` and customer with an order line known before it: the two keys, then `FEATURES`
        (int64 for counts and days on orders that every customer has, float64 for the rest; missing where a
        quantity does not exist). Columns and types are the same whatever tables are present.

    Examples
    --------
    >>> from datetime import date
    >>> import pandas as pd
    >>> from features.load import tables_from_frames
    >>> orders = pd.DataFrame({
    ...     "customer_id": ["a", "a"],
    ...     "time": pd.to_datetime(["2026-01-01", "2026-01-11"]),
    ...     "amount": [10.0, 30.0],
    ... })
    >>> tables = tables_from_frames({"orders": orders})
    >>> row = tables.con.to_pyarrow(customer_features(tables, [date(2026, 1, 16)])).to_pylist()[0]
    >>> [row[name] for name in ("frequency", "recency", "T", "monetary_value", "overdue_ratio")]
    [1, 10, 15, 30.0, 0.5]
    """
    return features_at(tables, as_of_table(as_of), day_facts(tables.orders))


def features_at(tables: Tables, cuts: ir.Table, facts: ir.Table) -> ir.Table:
    """`customer_features` at the days of a table with the column ``as_of``, from the `day_facts` of the orders."""
    customers = _from_orders(tables, cuts, facts)
    for family in _EVENT_FAMILIES:
        customers = _join_events(customers, tables, family, cuts)
    customers = customers.mutate(**LOYALTY.derived(customers))
    return customers.select(*_KEYS, *FEATURES)


def _from_orders(tables: Tables, cuts: ir.Table, facts: ir.Table) -> ir.Table:
    if "known_at" in tables.orders.columns:
        days = with_gaps(merge_days(past(facts, cuts)), _KEYS)
    else:
        days = past(with_gaps(facts, ["customer_id"]), cuts)
    days = with_ends(days)
    families: tuple[Family, ...] = _ORDER_FAMILIES
    if tables.calendar is not None:
        days, families = at_purchases(days, tables.calendar), (*families, HOLIDAYS)
    measures = [family.measures(days) for family in families]
    table = days.group_by(_KEYS).aggregate(**dict(ChainMap(*measures)))
    for family in families:
        table = table.mutate(**family.derived(table))
    if tables.calendar is None:
        return table.mutate(**{name: ibis.null("float64") for name in HOLIDAYS.names})
    return at_as_of(table, tables.calendar)


def _join_events(customers: ir.Table, tables: Tables, family: Family, cuts: ir.Table) -> ir.Table:
    events = getattr(tables, family.source)
    if events is None:
        return customers.mutate(**{name: ibis.null("float64") for name in family.names})
    known = past(_complete(events, TABLES[family.source]), cuts)
    latest = known.age.min().over(ibis.window(group_by=_KEYS))
    known = known.mutate(latest_age=latest)
    found = known.group_by(_KEYS).aggregate(**family.measures(known))
    joined = customers.left_join(found, _KEYS).drop("as_of_right", "customer_id_right")
    columns = {name: joined[name].cast("float64") for name in family.names}
    return joined.mutate(**columns | {name: columns[name].fill_null(0.0) for name in family.fill})


def _complete(events: ir.Table, contract: TableContract) -> ir.Table:
    """The table with every column of its contract; what the source lacks is missing in each row."""
    absent = [c for c in contract.columns if c.name not in events.columns]
    return events.mutate(**{c.name: ibis.null(_TYPES[c.kind]) for c in absent}) if absent else events
