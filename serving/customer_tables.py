"""All that is known of some customers as tables of the contract: whether they were sent, or kept and told since.

There is one way from rows to tables, so that a customer's features do not depend on how the rows came.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa

from features.contract import TABLES
from features.frames import empty_table
from serving.events import TABLE_OF, RowEvent, business_time
from serving.histories import History
from serving.table_rows import ROWS, CustomerTables

__all__ = ["customer_tables", "sent_rows", "with_events"]


def customer_tables(
    customers: Mapping[str, History], tables: Iterable[str], timezone: str
) -> dict[str, pa.Table]:
    """Rows of customers as one table per name.

    Parameters
    ----------
    customers : mapping of customer id to rows by table
        Rows in the contract's columns without ``customer_id``; what is left out is missing. Tables that are not
        asked for are not used.
    tables : iterable of str
        Names of the tables the shop has.
    timezone : str
        IANA name of the business zone, which zoned times are turned into.

    Returns
    -------
    dict of str to pyarrow.Table
        Each with all columns of the contract, empty where nothing is known.

    Examples
    --------
    >>> from datetime import datetime
    >>> rows = {"surveys": [{"time": datetime(2026, 1, 5, 10), "score": 8.0}]}
    >>> tables = customer_tables({"007": rows}, ["orders", "surveys"], "Europe/Berlin")
    >>> tables["orders"].num_rows, tables["surveys"].select(["customer_id", "score"]).to_pylist()
    (0, [{'customer_id': '007', 'score': 8.0}])
    """
    zone = ZoneInfo(timezone)
    return {name: _table(name, customers, zone) for name in tables}


def sent_rows(customer: CustomerTables) -> dict[str, list[dict[str, Any]]]:
    """The rows of a customer as a program sent them, by table."""
    return {name: [vars(row) for row in getattr(customer, name)] for name in ROWS}


def with_events(history: History, events: Sequence[RowEvent]) -> dict[str, list[Mapping[str, Any]]]:
    """A history and what was told since, by table.

    Parameters
    ----------
    history : mapping
        Rows of one customer by table.
    events : sequence of RowEvent
        In the order they arrived.

    Returns
    -------
    dict
        A contract told takes the place of the one with the same ``contract_id``; everything else is one row more.
    """
    rows = {name: list(kept) for name, kept in history.items()}
    for event in events:
        known, row = rows.setdefault(TABLE_OF[event.kind], []), dict(event.data)
        contract = row.get("contract_id")
        if contract is not None:
            known[:] = [other for other in known if other.get("contract_id") != contract]
        known.append(row)
    return rows


def _table(name: str, customers: Mapping[str, History], zone: ZoneInfo) -> pa.Table:
    rows = [(customer_id, row) for customer_id, known in customers.items() for row in known.get(name, ())]
    arrays = [pa.array([customer_id for customer_id, _ in rows], pa.string())]
    for column in _schema(name):
        values = [row.get(column.name) for _, row in rows]
        if pa.types.is_timestamp(column.type):
            values = [value if value is None else business_time(value, zone) for value in values]
        arrays.append(pa.array(values, column.type))
    return pa.table(arrays, ["customer_id", *_schema(name).names])


@lru_cache(maxsize=len(TABLES))
def _schema(name: str) -> pa.Schema:
    """Columns of a table as the feature engine takes them, but for the customer."""
    whole = empty_table(TABLES[name], whole=True).schema
    return pa.schema([whole.field(column) for column in TABLES[name].names if column != "customer_id"])
