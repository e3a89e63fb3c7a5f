"""Parquet and Excel files and database tables, read in pieces of bounded size."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from features.address import engine_name, local_file, resolve_url, show_url, without_secrets
from features.columns import match_columns
from features.contract import TableContract
from features.errors import ConfigError, InputError
from features.find_files import file_kind, unchanged
from features.findings import Ledger
from features.partitions import partition_keys
from features.read_csv import read_csv
from features.read_rows import tables_from_rows
from features.settings import TableSource

__all__ = ["memory_budget", "read_excel", "read_file", "read_parquet_file"]

_BATCH_ROWS = 64 * 1024
_MAX_UNPACKED_SHARE = 0.5
_TEXT_WIDTH = 16


def read_file(path: Path, contract: TableContract, source: TableSource, ledger: Ledger) -> Iterator[pa.Table]:
    """Pieces of one file: columns named by the contract, and ``_line``.

    Raises
    ------
    InputError
        The file cannot be read without guessing, is damaged, or changed while it was read.
    """
    if path.stat().st_size == 0:
        raise InputError(f"{path.name}: the file is empty; there is not even a header")
    readers = {"text": read_csv, "excel": read_excel, "parquet": read_parquet_file}
    placed = _placed_columns(path, contract, source)
    inside = replace(contract, columns=tuple(c for c in contract.columns if c.name not in placed))
    named = {column: label for column, label in source.columns.items() if column not in placed}
    asked = source.model_copy(update={"columns": named})
    try:
        with unchanged(path):
            for piece in readers[file_kind(path) or "text"](path, inside, asked, ledger):
                yield _with_placed(piece, placed)
    except OSError as error:
        raise InputError(f"{path.name}: cannot be read ({error.strerror or error})") from error


def _placed_columns(path: Path, contract: TableContract, source: TableSource) -> dict[str, str | None]:
    """Values by contract column that stand in the path, as folders named ``key=value``."""
    keys = partition_keys(os.fspath(path))
    taken = set(source.columns.values())
    found = {}
    for name in contract.names:
        label = source.columns.get(name, name)
        if label in keys and (name in source.columns or label not in taken):
            found[name] = keys[label]
    return found


def _with_placed(piece: pa.Table, placed: Mapping[str, str | None]) -> pa.Table:
    for name, value in placed.items():
        piece = piece.append_column(name, pa.repeat(pa.scalar(value, pa.string()), piece.num_rows))
    return piece


def read_parquet_file(
    path: Path, contract: TableContract, source: TableSource, ledger: Ledger
) -> Iterator[pa.Table]:
    """Pieces of a Parquet file, checksums of its pages verified; ``_line`` is the row number.

    Raises
    ------
    InputError
        Damaged or cut off, nested columns, or so much larger than its size that memory would not hold it.
    """
    try:
        # What is read ahead would stay in memory until the whole file is read.
        options = {"page_checksum_verification": True, "pre_buffer": False}
        with pq.ParquetFile(path, read_dictionary=_texts(path), **options) as file:
            found = match_columns(contract, source.columns, file.schema_arrow.names, path.name)
            _refuse_bomb(file, list(found.values()), path.name)
            yield from _parquet_pieces(file, found, path.name)
    except (pa.ArrowException, OSError) as error:
        first = str(error).splitlines()[0]
        raise InputError(f"{path.name}: the Parquet file is damaged or cut off ({first})") from error


def _texts(path: Path) -> list[str]:
    """Text columns stay in dictionaries, so that one long text repeated is held once."""
    schema = pq.read_schema(path)
    return [f.name for f in schema if pa.types.is_string(f.type) or pa.types.is_large_string(f.type)]


def _parquet_pieces(file: pq.ParquetFile, found: dict[str, str], name: str) -> Iterator[pa.Table]:
    labels = list(found.values())
    line, held, budget = 1, 0, memory_budget()
    if not file.metadata.num_rows:
        yield next(tables_from_rows([], list(found)))
    for batch in file.iter_batches(_BATCH_ROWS, columns=labels):
        batch.validate(full=True)
        arrays = {column: _as_text(batch.column(label)) for column, label in found.items()}
        held += sum(_weight(array) for array in arrays.values())
        if held > budget:
            raise InputError(f"{name}: needs more than {budget // 2**20} MiB of memory; split the file")
        numbers = pa.array(np.arange(line, line + batch.num_rows))
        line += batch.num_rows
        yield pa.table({**arrays, "_line": numbers})


def _as_text(array: pa.Array) -> pa.Array:
    """Bytes are text without a label, as some writers leave it; they must be UTF-8."""
    bare = pa.types.is_binary(array.type) or pa.types.is_large_binary(array.type)
    return array.cast(pa.string()) if bare else array


def _weight(array: pa.Array) -> int:
    """Bytes of the array once dictionaries are written out."""
    if not pa.types.is_dictionary(array.type):
        return int(array.nbytes)
    lengths = pc.binary_length(array.dictionary).take(array.indices)
    return int(pc.sum(lengths).as_py() or 0) + 4 * len(array)


def _refuse_bomb(file: pq.ParquetFile, labels: Sequence[str], name: str) -> None:
    """Rows times the width of a row, from the footer alone, must fit into memory."""
    width = 0
    for label in labels:
        kind = file.schema_arrow.field(label).type
        if pa.types.is_nested(kind):
            raise InputError(
                f"{name}: column {label!r} holds lists or records ({kind}); one value per cell is expected"
            )
        width += kind.bit_width // 8 if pa.types.is_primitive(kind) else _TEXT_WIDTH
    needed, budget = file.metadata.num_rows * width, memory_budget()
    if needed > budget:
        raise InputError(
            f"{name}: {file.metadata.num_rows:,} rows need about {needed // 2**20:,} MiB, more than the "
            f"{budget // 2**20:,} MiB that may be used; split the file"
        )


def memory_budget() -> int:
    """Bytes that one table may take: half of the machine's or container's memory."""
    limit = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        control = Path("/sys/fs/cgroup", name)
        if control.is_file():
            text = control.read_text().strip()
            limit = min(limit, int(text)) if text.isdigit() else limit
    return int(limit * _MAX_UNPACKED_SHARE)


def read_excel(
    path: Path, contract: TableContract, source: TableSource, ledger: Ledger
) -> Iterator[pa.Table]:
    """Pieces of one sheet; ``_line`` is the row of the sheet. Formulas count with their saved values.

    Raises
    ------
    InputError
        No workbook, no such sheet, an empty sheet, or a workbook that unpacks beyond memory.
    """
    import openpyxl
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        _refuse_swollen(path)
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    except (zipfile.BadZipFile, InvalidFileException, KeyError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path.name}: not a whole Excel workbook ({error})") from error
    try:
        yield from _sheet_pieces(_sheet(book, source.sheet, path.name), contract, source, path.name)
    finally:
        book.close()


def _refuse_swollen(path: Path) -> None:
    with zipfile.ZipFile(path) as parts:
        unpacked = sum(part.file_size for part in parts.infolist())
    if unpacked > memory_budget():
        raise InputError(f"{path.name}: unpacks to {unpacked // 2**20:,} MiB; save it as CSV or Parquet")


def _sheet(book: Any, name: str | None, source: str) -> Any:
    if name is None:
        if len(book.sheetnames) > 1:
            names = ", ".join(repr(n) for n in book.sheetnames)
            raise InputError(f"{source}: has several sheets ({names}); name one with sheet")
        return book.worksheets[0]
    if name not in book.sheetnames:
        names = ", ".join(repr(n) for n in book.sheetnames)
        raise InputError(f"{source}: has no sheet {name!r}; its sheets are {names}")
    return book[name]


def _sheet_pieces(sheet: Any, contract: TableContract, source: TableSource, name: str) -> Iterator[pa.Table]:
    sheet.reset_dimensions()
    rows = enumerate(sheet.iter_rows(values_only=True), 1)
    header = next((row for _, row in rows if any(value is not None for value in row)), None)
    if header is None:
        raise InputError(f"{name}: the sheet is empty; there is not even a header")
    labels = ["" if value is None else str(value).strip() for value in header]
    found = match_columns(contract, source.columns, labels, name)
    places = [labels.index(label) for label in found.values()]

    def cells() -> Iterator[tuple[int, list[Any]]]:
        for line, row in rows:
            values = [row[at] if at < len(row) else None for at in places]
            if any(value is not None for value in row):
                yield line, values

    yield from tables_from_rows(cells(), list(found))


def read_database(
    contract: TableContract, source: TableSource, ledger: Ledger, base: Path = Path()
) -> Iterator[pa.Table]:
    """Pieces of one database table; ``_line`` is the number of the row as it came.

    Raises
    ------
    ConfigError
        Address or table name missing or not understood.
    InputError
        The database cannot be reached or read. No message holds a password.
    """
    url = resolve_url(source.url or "")
    shown = show_url(url)
    engine = engine_name(url)
    if not source.table:
        raise ConfigError(f"{contract.name}: url is set without table; name the table to read")
    if engine == "duckdb":
        yield from _duckdb_pieces(local_file(url, base) or Path(), contract, source)
        return
    if engine == "pyspark":
        raise ConfigError(f"{contract.name}: {shown} is read where it is; set in_place = true under [data]")
    yield from _sql_pieces(url, contract, source, base)


def _sql_pieces(text: str, contract: TableContract, source: TableSource, base: Path) -> Iterator[pa.Table]:
    import sqlalchemy as sa

    try:
        url = sa.make_url(text)
    except sa.exc.ArgumentError:
        raise ConfigError("url is not a database address such as postgresql://user@host/name") from None
    shown = url.render_as_string(hide_password=True)
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").is_file():
        beside = base / (url.database or "")
        if not beside.is_file():
            raise InputError(f"{contract.name}: no SQLite file at {url.database!r}")
        url = url.set(database=os.fspath(beside))
    try:
        engine = sa.create_engine(url)
    except (sa.exc.SQLAlchemyError, ImportError) as error:
        raise ConfigError(
            f"{contract.name}: no driver for {shown} ({error}); install it, e.g. retain[postgres]"
        ) from None
    try:
        yield from _database_pieces(engine, contract, source)
    except sa.exc.NoSuchTableError:
        raise InputError(f"{contract.name}: there is no table {source.table!r} at {shown}") from None
    except sa.exc.SQLAlchemyError as error:
        cause = without_secrets(str(getattr(error, "orig", None) or type(error).__name__), text)
        raise InputError(f"{contract.name}: cannot read {source.table!r} at {shown}: {cause}") from None
    finally:
        engine.dispose()


def _duckdb_pieces(path: Path, contract: TableContract, source: TableSource) -> Iterator[pa.Table]:
    """Pieces of a table or view of a DuckDB file, which is opened for reading only."""
    import duckdb

    table = ".".join('"{}"'.format(part.replace('"', '""')) for part in str(source.table).split("."))
    try:
        with duckdb.connect(os.fspath(path), read_only=True) as con:
            con.execute("SET TimeZone = 'UTC'")
            there = con.sql(f"FROM {table}").columns
            found = match_columns(contract, source.columns, there, str(source.table))
            columns = ", ".join('"{}"'.format(label.replace('"', '""')) for label in found.values())
            batches = con.execute(f"SELECT {columns} FROM {table}").to_arrow_reader(_BATCH_ROWS)  # noqa: S608
            line = 1
            for batch in batches:
                numbers = pa.array(np.arange(line, line + batch.num_rows))
                line += batch.num_rows
                yield pa.table([*batch.columns, numbers], names=[*found, "_line"])
            if line == 1:
                yield next(tables_from_rows([], list(found)))
    except duckdb.CatalogException:
        raise InputError(f"{contract.name}: there is no table {source.table!r} in {path.name}") from None
    except duckdb.Error as error:
        first = str(error).splitlines()[0]
        raise InputError(f"{contract.name}: cannot read {source.table!r} in {path.name}: {first}") from None


def _database_pieces(engine: Any, contract: TableContract, source: TableSource) -> Iterator[pa.Table]:
    import sqlalchemy as sa

    schema, _, table_name = str(source.table).rpartition(".")
    table = sa.Table(table_name, sa.MetaData(), schema=schema or None, autoload_with=engine)
    found = match_columns(contract, source.columns, [c.name for c in table.columns], str(source.table))
    # values as the driver gives them: declared types of SQLite columns promise what cells do not hold
    raw = (sa.type_coerce(table.c[label], sa.types.NullType()).label(name) for name, label in found.items())
    query = sa.select(*raw)
    with engine.connect() as connection:
        result = connection.execution_options(stream_results=True, yield_per=20_000).execute(query)
        yield from tables_from_rows(enumerate(result, 1), list(found))
