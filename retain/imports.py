"""Known files that need more than a mapping: read once, written as an orders table that `load` understands.

Olist spreads an order over three files and gives a customer a new id with every order; a workbook may spread
its orders over several sheets. ``retain init`` writes the result below the output folder and says so.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

from features.errors import InputError
from retain.heads import Head
from retain.sources import alike_sheets, read_head, sheet_rows
from retain.synonyms import plain

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["import_olist", "import_workbooks", "olist_part", "read_olist"]

_OLIST_COLUMNS: dict[str, tuple[str, ...]] = {
    "olist_orders_dataset": ("order_id", "customer_id", "order_status", "order_purchase_timestamp"),
    "olist_customers_dataset": ("customer_id", "customer_unique_id"),
    "olist_order_items_dataset": ("order_id", "order_item_id", "product_id", "price", "freight_value"),
    "olist_order_payments_dataset": ("order_id", "payment_sequential", "payment_value"),
}
_ITEMS = "olist_order_items_dataset"
_OLIST_SQL = """
    SELECT c.customer_unique_id AS customer_id,
           CAST(o.order_purchase_timestamp AS TIMESTAMP) AS time,
           CAST({amount} AS DOUBLE) AS amount,
           o.order_id AS order_id{product}
    FROM orders o JOIN customers c USING (customer_id) JOIN {lines} l USING (order_id)
    WHERE o.order_status NOT IN ('canceled', 'unavailable')
    ORDER BY time, order_id, amount
"""


def import_olist(heads: Sequence[Head], folder: Path) -> tuple[list[Head], list[str]]:
    """Join Olist's files, when they are among `heads`, into one orders file in `folder`."""
    parts = {olist_part(head.columns): head.paths[0] for head in heads}
    parts.pop("", None)
    if "olist_orders_dataset" not in parts:
        return list(heads), []
    target = folder / "olist_orders.parquet"
    rows = _publish(read_olist(parts), target)
    note = f"Olist's files are joined: {rows:,} lines of delivered or open orders written to {target}"
    others = [head for head in heads if not olist_part(head.columns)]
    return [read_head(target), *others], [note]


def import_workbooks(heads: Sequence[Head], folder: Path) -> tuple[list[Head], list[str]]:
    """Put the sheets of a workbook that have the same columns into one CSV file in `folder`.

    Rows of a later sheet that stand in an earlier one are copies and left out: exports by period overlap.
    """
    kept: list[Head] = []
    notes: list[str] = []
    for head in heads:
        path = head.paths[0]
        sheets = alike_sheets(path, head.columns) if head.sheet else []
        if len(sheets) < 2:
            kept.append(head)
            continue
        target = folder / f"{path.stem}.csv"
        rows, copies = _write_sheets(path, sheets, target)
        kept.append(read_head(target, date_format=head.date_format))
        notes.append(
            f"{path.name}: {rows:,} rows of {len(sheets)} sheets ({', '.join(sheets)}) written to {target}; "
            f"{copies:,} rows that stand in an earlier sheet too left out"
        )
    return kept, notes


def _write_sheets(path: Path, sheets: Sequence[str], target: Path) -> tuple[int, int]:
    from features.publish import publish_file

    counts = [0, 0]

    def write(part: Path) -> None:
        seen: set[bytes] = set()
        with part.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            for number, sheet in enumerate(sheets):
                header, *_ = rows = sheet_rows(path, sheet)
                if not number:
                    writer.writerow(header)
                marks = [blake2b("\0".join(row).encode(), digest_size=16).digest() for row in rows[1:]]
                fresh = [row for row, mark in zip(rows[1:], marks, strict=True) if mark not in seen]
                writer.writerows(fresh)
                seen.update(marks)
                counts[0] += len(fresh)
                counts[1] += len(marks) - len(fresh)

    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    publish_file(target, write, kind="orders")
    return counts[0], counts[1]


def olist_part(columns: tuple[str, ...]) -> str:
    """Which of Olist's files has these columns; ``""`` when none."""
    names = {plain(name) for name in columns}
    for part, wanted in _OLIST_COLUMNS.items():
        if {plain(name) for name in wanted} <= names:
            return part
    return ""


def read_olist(files: Mapping[str, Path]) -> pa.Table:
    """Olist's orders joined to the customer behind them.

    With the items file there is a row per item (amount: price and freight), with the payments file a row per
    payment. Cancelled and unavailable orders are left out.

    Parameters
    ----------
    files : mapping of part to Path
        Parts as `olist_part` calls them.

    Raises
    ------
    InputError
        A file that is needed is not there, or a value does not read as date or number.
    """
    import duckdb

    items = "olist_order_payments_dataset" not in files or _ITEMS in files
    lines = _ITEMS if items else "olist_order_payments_dataset"
    needed = ("olist_orders_dataset", "olist_customers_dataset", lines)
    absent = [part for part in needed if part not in files]
    if absent:
        raise InputError(
            f"Olist's files: {', '.join(f'{part}.csv' for part in absent)} still needed. Every order has a "
            "customer_id of its own; only the customers file knows the person (customer_unique_id), and the "
            "items or payments file the amount. Name them all: `retain init olist_orders_dataset.csv "
            "olist_customers_dataset.csv olist_order_items_dataset.csv`"
        )
    amount = "CAST(l.price AS DECIMAL(18, 2)) + CAST(l.freight_value AS DECIMAL(18, 2))"
    payment = "CAST(l.payment_value AS DECIMAL(18, 2))"
    query = _OLIST_SQL.format(
        amount=amount if items else payment,
        product=", l.product_id AS product" if items else "",
        lines="lines",
    )
    with duckdb.connect() as con:
        for view, part in (("orders", needed[0]), ("customers", needed[1]), ("lines", lines)):
            con.read_csv(str(files[part]), all_varchar=True, header=True).create_view(view)
        try:
            return con.sql(query).to_arrow_table()
        except duckdb.ConversionException as error:
            raise InputError(f"Olist's files: a date or amount does not read: {error}") from None


def _publish(table: pa.Table, target: Path) -> int:
    from features.parquet import write_parquet
    from features.publish import publish_file

    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    publish_file(target, lambda part: write_parquet(table, part), rows=table.num_rows, kind="orders")
    return int(table.num_rows)
