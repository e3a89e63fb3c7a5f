"""The files a user names: found, refused when they are none, their heads read, alike ones put together."""

from __future__ import annotations

import csv
import gzip
import re
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import groupby, islice
from pathlib import Path
from typing import Any, BinaryIO, cast

from features.encoding import detect_encoding, text_lines
from features.errors import InputError
from features.find_files import file_kind
from features.find_files import find_files as tables_at
from features.findings import Ledger
from retain.heads import Head

__all__ = ["alike_sheets", "find_files", "read_head", "read_heads", "sheet_rows"]

_ROWS = 2000
_SAMPLE_LINES = 50
_SEP_LINE = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)
# master id, the sample's id (not in the full file), day, number of CDs, dollars
_CDNOW = re.compile(r"\s*\d{1,6}\s+(\d{1,6}\s+)?\d{8}\s+\d{1,4}\s+\d+\.\d*\s*")


def find_files(paths: Sequence[Path]) -> list[Path]:
    """The files behind what the user named: files as they are, folders and globs as the tables inside.

    Raises
    ------
    InputError
        A name leads nowhere, is no ordinary file or of an unknown kind, or a folder holds no table.
    """
    found: list[Path] = []
    for path in paths:
        inside = tables_at((str(path.absolute()),), Path(), Ledger("files"))
        found += [path] if path.is_file() else inside
    return found


def read_heads(
    paths: Sequence[Path], *, encoding: str = "auto", date_format: str = "auto", skip: Path | None = None
) -> list[Head]:
    """The heads of all files but those below `skip`; files with the same columns are one source.

    A folder whose files all have the same columns stays a folder, so that new files in it are read too.
    """
    files = [path for path in find_files(paths) if skip is None or skip.resolve() not in path.parents]
    heads = [read_head(path, encoding=encoding, date_format=date_format) for path in files]
    heads.sort(key=lambda head: head.columns)
    together: list[Head] = []
    for _, group in groupby(heads, key=lambda head: head.columns):
        alike = list(group)
        first = next((head for head in alike if head.rows), alike[0])
        together.append(replace(first, paths=tuple(sorted(path for head in alike for path in head.paths))))
    return [_as_folder(head, paths) for head in together]


def _as_folder(head: Head, named: Sequence[Path]) -> Head:
    for folder in named:
        if folder.is_dir() and len(head.paths) > 1 and set(find_files([folder])) == set(head.paths):
            return replace(head, paths=(folder,))
    return head


def read_head(path: Path, *, encoding: str = "auto", date_format: str = "auto") -> Head:
    """The columns and the first 2,000 rows of one file.

    Raises
    ------
    InputError
        The file is empty, damaged, or cannot be read without guessing.
    """
    kind = file_kind(path)
    delimiter = sheet = ""
    if kind == "parquet":
        lines = _parquet(path)
    elif kind == "excel":
        sheet, lines = _excel(path)
    else:
        delimiter, lines = _delimited(path, encoding)
    columns, rows = tuple(lines[0]), lines[1:]
    fitting = tuple(tuple(row) for row in rows if len(row) == len(columns))
    return Head((path,), columns, fitting, date_format, delimiter, sheet)


def _parquet(path: Path) -> list[list[str]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            first = next(file.iter_batches(batch_size=_ROWS), None)
            names = file.schema_arrow.names
    except (pa.ArrowException, OSError) as error:
        cause = str(error).splitlines()[0]
        raise InputError(f"{path.name}: torn, damaged or no Parquet file ({cause})") from None
    columns = [] if first is None else [map(_text, column.to_pylist()) for column in first.columns]
    return [names, *(list(row) for row in zip(*columns, strict=True))]


def _delimited(path: Path, declared: str) -> tuple[str, list[list[str]]]:
    """The delimiter and the rows; ``"whitespace"`` and columns by position for CDNOW's text."""
    try:
        with _opened(path) as stream:
            encoding = detect_encoding(stream, path.name, declared)
        with _opened(path) as stream:
            text = text_lines(stream, encoding)  # named, so that it is not collected while still open
            lines = list(islice(text, _ROWS + 2))
    except (gzip.BadGzipFile, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise InputError(f"{path.name}: damaged or cut off ({type(error).__name__})") from None
    lines = [line for line in lines if line.strip()]
    mark = _SEP_LINE.fullmatch(lines[0]) if lines else None
    lines = lines[1:] if mark else lines
    if not lines:
        raise InputError(f"{path.name}: the file is empty; export it again from its source")
    if all(_CDNOW.fullmatch(line) for line in lines):
        rows = [line.split() for line in lines]
        return "whitespace", [[str(at + 1) for at in range(len(rows[0]))], *rows]
    delimiter = mark[1] if mark else _sniff(lines[:_SAMPLE_LINES])
    rows = [row for row in csv.reader(lines, delimiter=delimiter) if row]
    return delimiter, [[label.strip() for label in rows[0]], *rows[1:]]


def _opened(path: Path) -> BinaryIO:
    return cast("BinaryIO", gzip.open(path)) if path.suffix.lower() == ".gz" else path.open("rb")


def _sniff(sample: Sequence[str]) -> str:
    """The delimiter under which most lines have as many fields as the header."""

    def score(delimiter: str) -> tuple[float, int]:
        widths = [len(row) for row in csv.reader(sample, delimiter=delimiter) if row]
        return (widths.count(widths[0]) / len(widths) if widths[0] > 1 else -1.0, widths[0])

    return max((",", ";", "\t", "|"), key=score)


def _excel(path: Path) -> tuple[str, list[list[str]]]:
    """The first sheet with content: its name, when the workbook has others, and its rows."""
    with _workbook(path) as book:
        for sheet in book.worksheets:
            rows = _without_trailing(islice(sheet.iter_rows(values_only=True), _ROWS + 1))
            if rows:
                return sheet.title if len(book.worksheets) > 1 else "", rows
    raise InputError(f"{path.name}: every sheet is empty")


def alike_sheets(path: Path, columns: Sequence[str]) -> list[str]:
    """Names of the sheets of a workbook that have exactly these columns."""
    with _workbook(path) as book:
        heads = {
            sheet.title: _without_trailing(islice(sheet.iter_rows(values_only=True), 1))
            for sheet in book.worksheets
        }
    return [name for name, rows in heads.items() if rows and rows[0] == list(columns)]


def sheet_rows(path: Path, sheet: str) -> list[list[str]]:
    """All rows of one sheet as text, the header first."""
    with _workbook(path) as book:
        return _without_trailing(book[sheet].iter_rows(values_only=True))


@contextmanager
def _workbook(path: Path) -> Iterator[Any]:
    import zipfile

    import openpyxl

    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    except (zipfile.BadZipFile, KeyError, OSError, ValueError) as error:
        raise InputError(f"{path.name}: torn, damaged or no Excel file ({type(error).__name__})") from None
    try:
        yield book
    finally:
        book.close()


def _without_trailing(rows: Iterable[tuple[Any, ...]]) -> list[list[str]]:
    """Rows as text, cut to the width of the header (Excel often claims empty columns to the right)."""
    texts = [[_text(value) for value in row] for row in rows]
    texts = [row for row in texts if any(row)]
    if not texts:
        return []
    width = max(at for at, name in enumerate(texts[0], start=1) if name)
    return [row[:width] for row in texts]


def _text(value: Any) -> str:
    if value is None or value != value:  # NaN is the one value that differs from itself
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return value.isoformat(sep=" ") if hasattr(value, "hour") else str(value)
