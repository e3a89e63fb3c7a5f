"""Write a shop as files, published whole, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count, islice
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv

from features.errors import ConfigError, PublishError
from features.parquet import write_parquet
from features.publish import publish_file
from retain.shop.hidden import BLOCK, Hidden, blocks
from retain.shop.orders import draw_purchases, orders_table
from retain.shop.settings import ShopSettings
from retain.shop.shop import Shop, gather

__all__ = ["PART_BLOCKS", "write_orders", "write_shop"]

PART_BLOCKS = 16

Format = Literal["csv", "parquet"]


def write_shop(shop: Shop | ShopSettings, folder: Path, *, format: Format = "csv") -> list[Path]:  # noqa: A002
    """Write all tables, and the truth into the sub-folder ``truth``.

    Parameters
    ----------
    shop : Shop or ShopSettings
        A shop in memory, or settings: then the shop is drawn and written part by part, each of up to 65,536
        customers, so that memory stays bounded.
    folder : Path
        Where to; made when it is not there.
    format : {"csv", "parquet"}
        Format of the files.

    Returns
    -------
    list of Path
        One file per table, ``orders.csv`` …; with more than one part, ``orders/part-00000.csv`` ….

    Raises
    ------
    ConfigError
        The format is unknown.
    PublishError
        The folder holds parts of another shop, or cannot be written.
    """
    if format not in ("csv", "parquet"):
        raise ConfigError(f"format {format!r} is unknown; choose 'csv' or 'parquet'")
    settings = shop if isinstance(shop, ShopSettings) else shop.settings
    single = isinstance(shop, Shop) or settings.customers <= PART_BLOCKS * BLOCK
    written: list[Path] = []
    for number, part in enumerate(_parts(shop)):
        found = part.tables | {f"truth/{name}": table for name, table in part.truth.items()}
        if number == 0:
            _refuse_leftovers(folder, list(found))
        for name, table in found.items():
            file = folder / (f"{name}.{format}" if single else f"{name}/part-{number:05d}.{format}")
            file.parent.mkdir(parents=True, exist_ok=True)
            _publish(table, file)
            written.append(file)
    return written


def write_orders(settings: ShopSettings, folder: Path, *, lines: int) -> Path:
    """Write exactly `lines` order lines, and nothing else, as one Parquet file; for measurements.

    As many customers are drawn as the lines need (``settings.customers`` has no say); all of them but the
    last are complete. Memory stays that of a few blocks of 4,096 customers.

    Returns
    -------
    Path
        ``orders.parquet`` in `folder`.

    Raises
    ------
    ConfigError
        `lines` is not positive.
    """
    if lines < 1:
        raise ConfigError(f"lines is {lines}; ask for at least one order line")
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "orders.parquet"
    first = next(_order_blocks(settings))

    def write(path: Path) -> None:
        tables = _exactly(lines, _order_blocks(settings))
        batches = (batch for table in tables for batch in table.combine_chunks().to_batches())
        write_parquet(pa.RecordBatchReader.from_batches(first.schema, batches), path)

    publish_file(file, write, rows=lines, kind="orders")
    return file


def _parts(shop: Shop | ShopSettings) -> Iterator[Shop]:
    if isinstance(shop, Shop):
        yield shop
        return
    drawn = blocks(shop)
    while hidden := list(islice(drawn, PART_BLOCKS)):
        yield gather(shop, hidden)


def _publish(table: pa.Table, file: Path) -> None:
    def write(path: Path) -> None:
        if file.suffix == ".csv":
            # No text of the shop needs quotes; without them the files look as from any till.
            pacsv.write_csv(table, path, pacsv.WriteOptions(quoting_style="none", quoting_header="none"))
        else:
            write_parquet(table, path)

    publish_file(file, write, rows=table.num_rows, kind=file.stem if file.parent.name != "truth" else "truth")


def _refuse_leftovers(folder: Path, names: list[str]) -> None:
    left = [name for name in names if any((folder / name).glob("part-*"))]
    if left:
        raise PublishError(
            f"the folder {folder.name!r} already holds parts of another shop ({', '.join(left)}); "
            "choose an empty folder, or remove them first"
        )


def _order_blocks(settings: ShopSettings) -> Iterator[pa.Table]:
    for first in count(0, BLOCK):
        hidden = Hidden.draw(settings, first, BLOCK)
        yield orders_table(hidden, draw_purchases(hidden))


def _exactly(lines: int, tables: Iterator[pa.Table]) -> Iterator[pa.Table]:
    for table in tables:
        if table.num_rows >= lines:
            yield _first_customers(table, lines)
            return
        lines -= table.num_rows
        yield table


def _first_customers(table: pa.Table, lines: int) -> pa.Table:
    """So many lines of the first customers, in the order they had."""
    customer = table["customer_id"].combine_chunks().dictionary_encode()
    rank = np.argsort(np.argsort(customer.dictionary.to_numpy(zero_copy_only=False)))
    by_customer = np.argsort(rank[customer.indices.to_numpy()], kind="stable")
    return table.take(pa.array(np.sort(by_customer[:lines])))
