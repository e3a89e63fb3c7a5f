"""Parquet with its safety catches on: checksummed pages, and a look at the size before unpacking.

Parquet readers accept a flipped bit in silence unless both sides ask for page checksums, and a file of a few
kilobytes may unpack to gigabytes. Whatever we write carries checksums; whatever we read has them verified (a
file written elsewhere may have none) and is refused when it would not fit in memory.

Page checksums do not cover the footer: one bit changed there may rename a column in silence or end the
process. So a file with a manifest beside it is held against that first, and a file that matters is published
with one.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from features.errors import InputError, PublishError
from features.publish import manifest_path, verify

__all__ = ["read_parquet", "write_parquet"]

LIMIT_BYTES = 8 * 2**30
ROWS_PER_GROUP = 2**18
# bytes of one value in memory; texts: an offset, their characters are counted once they are read
_WIDTH = {"BOOLEAN": 1, "INT32": 4, "INT64": 8, "INT96": 8, "FLOAT": 4, "DOUBLE": 8, "BYTE_ARRAY": 4}


def write_parquet(table: pa.Table | pa.RecordBatchReader, path: Path) -> None:
    """Write a table, zstd-compressed, each page with a checksum.

    The bytes depend on schema and rows alone, not on how the rows come in chunks. Index information of pandas
    is left out, so that every column comes back as a column. Not atomic: call it inside `publish_file`.

    Parameters
    ----------
    table : pyarrow.Table or pyarrow.RecordBatchReader
        What to write; a reader is streamed, about 262,144 rows in memory at a time.
    path : Path
        The file to fill.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     file = Path(folder) / "t.parquet"
    ...     write_parquet(pa.table({"customer_id": ["007"], "clv": [0.1]}), file)
    ...     read_parquet(file).to_pylist()
    [{'customer_id': '007', 'clv': 0.1}]
    """
    kept = {k: v for k, v in (table.schema.metadata or {}).items() if k != b"pandas"}
    schema = table.schema.with_metadata(kept or None)
    batches = table.to_batches() if isinstance(table, pa.Table) else table
    with pq.ParquetWriter(path, schema, compression="zstd", write_page_checksum=True) as writer:
        for group in _groups(iter(batches), schema):
            writer.write_table(group, row_group_size=ROWS_PER_GROUP)


def read_parquet(path: Path, *, limit_bytes: int = LIMIT_BYTES) -> pa.Table:
    """Read a whole file with its checksums verified, its manifest first where it has one.

    Parameters
    ----------
    path : Path
        The file.
    limit_bytes : int, default 8 GiB
        Largest size in memory, > 0.

    Returns
    -------
    pyarrow.Table
        Columns as written.

    Raises
    ------
    InputError
        The file is missing, torn or damaged, is no Parquet file, or would need more than `limit_bytes`.
    """
    _hold_against_manifest(path)
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            schema = file.schema_arrow
            _refuse_over(limit_bytes, path, _footer_bytes(file.metadata), file.metadata.num_rows)
        # repeated texts stay codes until we know how long they are written out: that is where bombs hide
        texts = [f.name for f in schema if _is_text(f.type)]
        with pq.ParquetFile(path, page_checksum_verification=True, read_dictionary=texts) as file:
            table = file.read()
        _refuse_over(limit_bytes, path, _expanded_bytes(table), table.num_rows)
        return table.cast(schema)
    except FileNotFoundError:
        raise InputError(f"{path.name}: there is no such file in {path.parent}.") from None
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        cause = str(error).strip().split("\n")[0]
        raise InputError(
            f"{path.name}: is torn, damaged or no Parquet file ({cause}). Copy it again from its source."
        ) from error


def _hold_against_manifest(path: Path) -> None:
    if path.is_file() and manifest_path(path).is_file():
        try:
            verify(path)
        except PublishError as error:
            raise InputError(str(error)) from error


def _groups(batches: Iterator[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.Table]:
    """Row groups of equal size, whatever the chunks were; one empty group for no rows at all."""
    waiting, rows = [], 0
    for batch in batches:
        waiting.append(batch)
        rows += batch.num_rows
        while rows >= ROWS_PER_GROUP:
            table = _together(waiting, schema)
            yield table.slice(0, ROWS_PER_GROUP).combine_chunks()
            waiting = table.slice(ROWS_PER_GROUP).to_batches()
            rows -= ROWS_PER_GROUP
    if rows:
        yield _together(waiting, schema).combine_chunks()


def _together(batches: list[pa.RecordBatch], schema: pa.Schema) -> pa.Table:
    return pa.Table.from_batches(batches).replace_schema_metadata(schema.metadata)


def _footer_bytes(footer: pq.FileMetaData) -> int:
    """What the footer promises the file takes in memory, without the characters of texts."""
    groups = [footer.row_group(g) for g in range(footer.num_row_groups)]
    columns = [group.column(c) for group in groups for c in range(group.num_columns)]
    schema = footer.schema
    fixed = {
        schema.column(c).path: schema.column(c).length
        for c in range(len(schema))
        if schema.column(c).physical_type == "FIXED_LEN_BYTE_ARRAY"
    }
    return sum(c.num_values * fixed.get(c.path_in_schema, _WIDTH.get(c.physical_type, 8)) for c in columns)


def _expanded_bytes(table: pa.Table) -> int:
    """Size in memory once every coded text is written out."""
    total = table.nbytes
    for column in table.columns:
        if not pa.types.is_dictionary(column.type) or not _is_text(column.type.value_type):
            continue
        for chunk in column.chunks:
            lengths = pc.cast(pc.binary_length(chunk.dictionary), pa.int64())
            total += pc.sum(lengths.take(chunk.indices)).as_py() or 0
    return total


def _is_text(kind: pa.DataType) -> bool:
    return any(
        test(kind)
        for test in (
            pa.types.is_string,
            pa.types.is_large_string,
            pa.types.is_binary,
            pa.types.is_large_binary,
        )
    )


def _refuse_over(limit_bytes: int, path: Path, size: int, rows: int) -> None:
    if size > limit_bytes:
        raise InputError(
            f"{path.name}: {rows:,} rows need about {size / 2**30:.1f} GiB of memory, more than the limit of "
            f"{limit_bytes / 2**30:.1f} GiB. Give fewer columns or rows, or several smaller files."
        )
