"""Files of well-known data sets, recognised by their columns, and what each is good for.

A layout maps straight onto one table; files that need more than a mapping are in `retain.imports`. A snapshot
is recognised too, to say plainly that it holds no history.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from retain.synonyms import plain

__all__ = ["LAYOUTS", "SNAPSHOTS", "Layout", "Snapshot", "recognise", "snapshot_of"]


@dataclass(frozen=True)
class Layout:
    """The columns of a known file and what they mean.

    Parameters
    ----------
    name : str
        What people call the data set.
    table : str
        Table of the contract that it holds.
    columns : dict
        Contract name to source name.
    also : tuple of str
        Further source columns that must be there.
    currency, timezone : str
        As its publisher describes it.
    about : str
        One sentence on what to know about it.
    """

    name: str
    table: str
    columns: dict[str, str]
    also: tuple[str, ...] = ()
    currency: str = ""
    timezone: str = "UTC"
    about: str = ""

    def mapping(self, found: Iterable[str]) -> dict[str, str] | None:
        """The mapping with the names as `found` writes them, or None when a column is not there."""
        names = {plain(name): name for name in found}
        wanted = [*self.columns.values(), *self.also]
        if not all(plain(name) in names for name in wanted):
            return None
        return {column: names[plain(source)] for column, source in self.columns.items()}


@dataclass(frozen=True)
class Snapshot:
    """A file with one row per customer and a label: no history, so nothing to learn time from."""

    name: str
    columns: tuple[str, ...]


_UCI = (
    "every line of a UK gift wholesaler; amounts are Quantity x price, invoices starting with C are returns"
)
_CDNOW = "first purchases of early 1997 and all that followed; text without header, columns by position"
LAYOUTS: tuple[Layout, ...] = (
    Layout(
        "CDNOW, 1/10 sample",
        "orders",
        {"customer_id": "2", "time": "3", "amount": "5", "quantity": "4"},
        also=("1",),
        currency="USD",
        about=_CDNOW,
    ),
    Layout(
        "CDNOW",
        "orders",
        {"customer_id": "1", "time": "2", "amount": "4", "quantity": "3"},
        currency="USD",
        about=_CDNOW,
    ),
    Layout(
        "UCI Online Retail",
        "orders",
        {
            "customer_id": "CustomerID",
            "time": "InvoiceDate",
            "order_id": "InvoiceNo",
            "product": "StockCode",
            "quantity": "Quantity",
            "unit_price": "UnitPrice",
        },
        currency="GBP",
        timezone="Europe/London",
        about=_UCI,
    ),
    Layout(
        "UCI Online Retail II",
        "orders",
        {
            "customer_id": "Customer ID",
            "time": "InvoiceDate",
            "order_id": "Invoice",
            "product": "StockCode",
            "quantity": "Quantity",
            "unit_price": "Price",
        },
        currency="GBP",
        timezone="Europe/London",
        about=_UCI,
    ),
    Layout(
        "Online Retail II, order lines with amounts",
        "orders",
        {
            "customer_id": "customer_id",
            "time": "timestamp",
            "amount": "amount",
            "order_id": "order_id",
            "product": "product",
            "quantity": "quantity",
            "unit_price": "unit_price",
        },
        also=("description", "country"),
        currency="GBP",
        timezone="Europe/London",
        about="every line of a UK gift wholesaler; returns are negative",
    ),
    Layout(
        "Online Retail II, one row per order",
        "orders",
        {
            "customer_id": "customer_id",
            "time": "timestamp",
            "amount": "amount",
            "order_id": "order_id",
            "quantity": "quantity",
            "returned": "is_return",
        },
        also=("n_lines", "country"),
        currency="GBP",
        timezone="Europe/London",
        about="the orders of a UK gift wholesaler; returns are negative",
    ),
)
SNAPSHOTS: tuple[Snapshot, ...] = (
    Snapshot("IBM Telco customer churn", ("customerID", "tenure", "Contract", "MonthlyCharges", "Churn")),
    Snapshot(
        "IBM Telco customer churn (joined)",
        ("Customer ID", "Tenure in Months", "Contract", "Monthly Charge", "Churn Value"),
    ),
)


def recognise(columns: Iterable[str]) -> tuple[Layout, dict[str, str]] | None:
    """The first layout whose columns are all there, with its mapping.

    Examples
    --------
    >>> names = ["Invoice", "StockCode", "Quantity", "InvoiceDate", "Price", "Customer ID", "Country"]
    >>> layout, mapping = recognise(names)
    >>> layout.name, mapping["customer_id"]
    ('UCI Online Retail II', 'Customer ID')
    """
    found = tuple(columns)
    for layout in LAYOUTS:
        mapping = layout.mapping(found)
        if mapping is not None:
            return layout, mapping
    return None


def snapshot_of(columns: Iterable[str]) -> Snapshot | None:
    """The known snapshot these columns are, if any."""
    names = {plain(name) for name in columns}
    for snapshot in SNAPSHOTS:
        if {plain(name) for name in snapshot.columns} <= names:
            return snapshot
    return None
