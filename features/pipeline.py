"""The one feature function: what is known about every customer on every ``as_of`` day.

Training panels, the nightly list and the endpoint all call `customer_features`. It returns a lazy expression;
the engine that holds the tables runs it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date

import ibis
import ibis.expr.types as ir

from features.breadth import BREADTH
from features.campaigns import CAMPAIGNS, REFERRALS
from features.contracts import CONTRACTS
from features.days import day_facts, merge_days, narrow, with_ends, with_gaps
from features.dialect import portable
from features.events import known_events
from features.family import Family
from features.first_basket import FIRST_BASKET
from features.interactions import INTERACTIONS
from features.loyalty import LOYALTY
from features.own_expressions import merged, with_own_events
from features.own_features import own_families
from features.public_holidays import AT_AS_OF, HOLIDAYS, at_as_of, at_purchases
from features.returns import RETURNS
from features.rfm import RFM
from features.rhythm import RHYTHM
from features.season import SEASON
from features.snapshot import as_of_table, past, unsettled
from features.surveys import SURVEYS
from features.tables import Tables
from features.trend import TREND

__all__ = [
    "EVENT_TABLES",
    "FAMILIES",
    "FEATURES",
    "OWN_FAMILIES",
    "customer_features",
    "features_at",
    "with_calendar",
]

_ORDER_FAMILIES: tuple[Family, ...] = (RFM, RHYTHM, TREND, BREADTH, RETURNS, SEASON, FIRST_BASKET)
_EVENT_FAMILIES = (INTERACTIONS, SURVEYS, CAMPAIGNS, REFERRALS, CONTRACTS)
_BUILT_IN = (*_ORDER_FAMILIES, HOLIDAYS, *_EVENT_FAMILIES, LOYALTY)
OWN_FAMILIES: tuple[Family, ...] = own_families([name for family in _BUILT_IN for name in family.names])
"""Families of the user's own (`features.own_features`)."""
FAMILIES: tuple[Family, ...] = (*_BUILT_IN, *OWN_FAMILIES)
FEATURES: tuple[str, ...] = tuple(name for family in FAMILIES for name in family.names)
EVENT_TABLES: tuple[str, ...] = tuple(family.source for family in _EVENT_FAMILIES)
"""Tables of events that features are made of."""

_KEYS = ["as_of", "customer_id"]


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
    return features_at(tables, with_calendar(as_of_table(as_of), tables), day_facts(tables.orders))


def with_calendar(cuts: ir.Table, tables: Tables) -> ir.Table:
    """Cut-off days with what is known of them beforehand: where they stand in the calendar, if there is one."""
    return cuts if tables.calendar is None else at_as_of(cuts, tables.calendar)


def features_at(
    tables: Tables,
    cuts: ir.Table,
    facts: ir.Table,
    *,
    settled: ir.Table | None = None,
    without_rows: Collection[str] = (),
) -> ir.Table:
    """`customer_features` at the days of a table.

    Parameters
    ----------
    tables : Tables
        Loaded tables.
    cuts : ir.Table
        Cut-off days from `with_calendar`.
    facts : ir.Table
        `day_facts` of the orders, where they are kept. `line_facts` give the same features where the orders have
        arrival times, and spare the engine one summing up.
    settled : ir.Table, optional
        `features.days.settled_days` of the facts, where they are kept: nearly all that many cut-off days need.
    without_rows : collection of str
        Tables of events that are there and empty: their features are told without reading them.
    """
    customers = _from_orders(tables, cuts, facts, settled)
    of_events = [family for family in _EVENT_FAMILIES if _is_known(family, tables)]
    told = [family for family in of_events if family.source not in without_rows]
    silent = [family for family in of_events if family.source in without_rows]
    customers = _with_events(customers, told, tables, cuts).mutate(**_of_no_rows(silent))
    customers = _with_own_events(customers, tables, cuts, without_rows)
    known = {name for family in FAMILIES if _is_known(family, tables) for name in family.names}
    customers = customers.mutate(**{n: ibis.null("float64") for n in FEATURES if n not in known})
    for family in (LOYALTY, *_own_of("all")):
        customers = customers.mutate(**family.derived(customers))
    return portable(customers.select(*_KEYS, *FEATURES), tables.con)


def _own_of(source: str) -> list[Family]:
    return [family for family in OWN_FAMILIES if family.source == source]


def _is_known(family: Family, tables: Tables) -> bool:
    if family is HOLIDAYS:
        return tables.calendar is not None
    return family.source == "all" or getattr(tables, family.source) is not None


def _from_orders(tables: Tables, cuts: ir.Table, facts: ir.Table, settled: ir.Table | None) -> ir.Table:
    families, of_as_of = (*_ORDER_FAMILIES, *_own_of("orders")), tuple[str, ...]()
    if tables.calendar is not None:
        families, of_as_of = (*families, HOLIDAYS), AT_AS_OF
    days = with_ends(_past_days(tables, cuts, facts, settled, of_as_of))
    if tables.calendar is not None:
        days = at_purchases(days, tables.calendar)
    measures = [family.measures(days) for family in families]
    table = days.group_by(_KEYS).aggregate(**merged(measures))
    derived = [family.derived(table) for family in families]
    return table.mutate(**merged(derived))


def _past_days(
    tables: Tables, cuts: ir.Table, facts: ir.Table, settled: ir.Table | None, of_as_of: tuple[str, ...]
) -> ir.Table:
    """Days of each customer known before each cut-off day, with the gaps between them as they were known then."""
    if "known_at" not in tables.orders.columns:
        days = with_gaps(facts, ["customer_id"]) if settled is None else settled.mutate(known_day=settled.day)
        return past(days, cuts)
    if settled is None:
        return with_gaps(merge_days(past(facts, cuts), of_as_of), _KEYS)
    moving = unsettled(facts, cuts)
    then = with_gaps(narrow(merge_days(past(facts, moving), of_as_of)), _KEYS)
    still = past(settled.mutate(known_day=settled.day), cuts).anti_join(moving, _KEYS)
    return still.select(*then.columns).union(then)


def _with_events(customers: ir.Table, families: Sequence[Family], tables: Tables, cuts: ir.Table) -> ir.Table:
    if not families:
        return customers
    events = known_events(tables, families, cuts)
    measures = [family.measures(events) for family in families]
    found = events.group_by(_KEYS).aggregate(**merged(measures))
    joined = customers.left_join(found, _KEYS).drop("as_of_right", "customer_id_right")
    columns = {name: joined[name].cast("float64") for family in families for name in family.names}
    filled = {name: columns[name].fill_null(0.0) for family in families for name in family.fill}
    return joined.mutate(**columns | filled)


def _with_own_events(
    customers: ir.Table, tables: Tables, cuts: ir.Table, without_rows: Collection[str]
) -> ir.Table:
    own = [family for family in OWN_FAMILIES if family.source in EVENT_TABLES and _is_known(family, tables)]
    if not own:
        return customers
    told = [family for family in own if family.source not in without_rows]
    silent = [family for family in own if family.source in without_rows]
    return with_own_events(customers, told, tables, cuts).mutate(**_of_no_rows(silent))


def _of_no_rows(families: Sequence[Family]) -> dict[str, ir.Scalar]:
    """What `_with_events` gives where no customer has a row."""
    return {
        name: ibis.literal(0.0) if name in family.fill else ibis.null("float64")
        for family in families
        for name in family.names
    }
