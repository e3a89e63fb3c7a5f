"""The checksums that Parquet pages may carry, verified without unpacking a page: embedded engines skip them.

A flipped bit in an uncompressed page is a wrong number that nobody sees. Writers that are asked to put a CRC-32 into
each page's header; it is compared with the bytes of the page as they are on disk.
"""

from __future__ import annotations

import zlib
from collections.abc import Collection, Iterator, Sequence
from mmap import ACCESS_READ, mmap
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from features.errors import InputError
from features.partitions import name_of_part

__all__ = ["check_pages"]

_COMPRESSED_SIZE, _CRC = 3, 4
_TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY, _STRUCT = 1, 2, 3, 7, 8, 12
_INTEGERS = (4, 5, 6)
_LISTS = (9, 10)


def check_pages(paths: Sequence[Path], columns: Collection[str]) -> None:
    """Verifies the checksums of all pages of some columns; a file that carries none is passed by.

    Parameters
    ----------
    paths : sequence of Path
        Parquet files whose footers can be read.
    columns : collection of str
        Names of the columns whose pages count.

    Raises
    ------
    InputError
        A page that is not what was written: the file, the column, how many pages, and how many files are whole.
    """
    faults = []
    for path in paths:
        try:
            damaged = _damaged_columns(path, columns)
        except (pa.ArrowException, OSError, IndexError, ValueError) as error:
            first = next(iter(str(error).splitlines()), "")
            raise InputError(
                f"{name_of_part(path)}: the Parquet file is damaged or cut off ({first})"
            ) from error
        faults += [f"{name_of_part(path)}: {pages} of column {name!r}" for name, pages in damaged.items()]
    if faults:
        raise InputError(
            f"pages of {len(faults)} column chunks fail their checksum: {'; '.join(faults[:5])}"
            f"{' …' if len(faults) > 5 else ''}. Bits have changed since the file was written: fetch or write it again"
        )


def _damaged_columns(path: Path, columns: Collection[str]) -> dict[str, str]:
    """Columns with pages that fail their checksum, with the number of these pages in words."""
    found: dict[str, int] = {}
    with path.open("rb") as stream:
        chunks = list(_chunks(path, columns))
        if not chunks:
            return {}
        with mmap(stream.fileno(), 0, access=ACCESS_READ) as data:
            for name, start, end in chunks:
                failed = _failed_pages(data, start, end)
                if failed is None:
                    return {}
                found[name] = found.get(name, 0) + failed
    return {n: "1 page" if pages == 1 else f"{pages} pages" for n, pages in found.items() if pages}


def _chunks(path: Path, columns: Collection[str]) -> Iterator[tuple[str, int, int]]:
    """Name, first and last byte of each column chunk that counts."""
    footer = pq.read_metadata(path)
    for group in range(footer.num_row_groups):
        for place in range(footer.num_columns):
            chunk = footer.row_group(group).column(place)
            if chunk.path_in_schema in columns and chunk.num_values and chunk.total_compressed_size:
                offsets = [chunk.data_page_offset]
                offsets += [chunk.dictionary_page_offset] if chunk.dictionary_page_offset else []
                yield chunk.path_in_schema, min(offsets), min(offsets) + chunk.total_compressed_size


def _failed_pages(data: mmap, start: int, end: int) -> int | None:
    """Pages between two bytes that fail their checksum; None when the first carries none."""
    failed, at = 0, start
    while at < end:
        fields, body = _page_header(data, at)
        size, crc = fields[_COMPRESSED_SIZE], fields.get(_CRC)
        if crc is None:
            if at == start:
                return None
        elif zlib.crc32(data[body : body + size]) != crc & 0xFFFFFFFF:
            failed += 1
        if size < 0 or body + size > len(data):
            raise ValueError("a page header says more bytes than there are")
        at = body + size
    return failed


def _page_header(data: mmap, at: int) -> tuple[dict[int, int], int]:
    """Whole numbers by field of a page header in Thrift's compact form, and where the page begins."""
    fields: dict[int, int] = {}
    number = 0
    while data[at]:
        kind, step = data[at] & 0x0F, data[at] >> 4
        at += 1
        if step:
            number += step
        else:
            number, at = _zigzag(data, at)
        if kind in _INTEGERS:
            fields[number], at = _zigzag(data, at)
        else:
            at = _skip(data, at, kind)
    return fields, at + 1


def _skip(data: mmap, at: int, kind: int) -> int:
    """Where the value of a kind that begins at a byte ends."""
    if kind in (_TRUE, _FALSE):
        return at
    if kind == _BYTE:
        return at + 1
    if kind in _INTEGERS:
        return _varint(data, at)[1]
    if kind == _DOUBLE:
        return at + 8
    if kind == _BINARY:
        size, at = _varint(data, at)
        return at + size
    if kind == _STRUCT:
        return _page_header(data, at)[1]
    if kind in _LISTS:
        size, of = data[at] >> 4, data[at] & 0x0F
        at += 1
        if size == 15:
            size, at = _varint(data, at)
        for _ in range(size):
            at = at + 1 if of in (_TRUE, _FALSE) else _skip(data, at, of)
        return at
    raise ValueError("a page header is not readable")


def _zigzag(data: mmap, at: int) -> tuple[int, int]:
    value, at = _varint(data, at)
    return (value >> 1) ^ -(value & 1), at


def _varint(data: mmap, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if not byte & 0x80:
            return value, at
