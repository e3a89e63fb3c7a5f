"""Delimited text: strict field counts, strict quotes, line numbers for every row.

Every field comes as text; what it means is decided later, by contract.
"""

from __future__ import annotations

import csv
import gc
import gzip
import io
import re
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
from typing_extensions import Buffer

from features.columns import match_columns
from features.contract import TableContract
from features.encoding import Encoding, detect_encoding, text_lines
from features.errors import InputError
from features.findings import Ledger
from features.settings import TableSource

__all__ = ["read_csv"]

CHUNK_ROWS = 20_000
_DELIMITERS = (",", ";", "\t", "|")
_SAMPLE_LINES = 50
_SEP_LINE = re.compile(r'"?sep=(.)"?\s*', re.I)
_BREAK = re.compile(r"\r\n|\r|\n")
_MAX_RATIO = 200
_FREE_BYTES = 64 * 1024 * 1024

Row = list[str]


def read_csv(path: Path, contract: TableContract, source: TableSource, ledger: Ledger) -> Iterator[pa.Table]:
    """Chunks of text columns named by the contract, with ``_line``, the line where the row begins.

    Parameters
    ----------
    path : Path
        CSV, TSV or other delimited text, plain or gzip.
    contract : TableContract
    source : TableSource
        Its ``encoding``, ``delimiter`` and ``columns`` are used. Delimiter ``"whitespace"`` means no header:
        columns are called ``"1"``, ``"2"`` … by position.
    ledger : Ledger
        Takes what was set aside: rows with another number of fields, rows that cannot be decoded, a last line
        that may be cut off.

    Raises
    ------
    InputError
        Empty file, unclosed quote, duplicate or missing columns, undecidable encoding, damaged gzip.
    """
    try:
        with _open(path) as stream:
            encoding = detect_encoding(stream, path.name, source.encoding)
        _note_encoding(encoding, path.name, ledger)
        with _open(path) as stream:
            yield from _tables(text_lines(stream, encoding), path.name, contract, source, ledger)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InputError(f"{path.name}: the gzip file is damaged or cut off ({error})") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path.name}: not valid {error.encoding}: {error.reason}") from error


def _tables(
    lines: Iterator[str], name: str, contract: TableContract, source: TableSource, ledger: Ledger
) -> Iterator[pa.Table]:
    text = _Text(lines, name)
    records = text.records(source.delimiter, ledger)
    found = match_columns(contract, source.columns, text.header, name)
    columns = {column: text.header.index(label) for column, label in found.items()}
    ragged: list[int] = []
    garbled: list[int] = []
    for rows, numbers in records:
        good, numbers = _regular(rows, numbers, len(text.header), ragged)
        yield _table(good, numbers, columns, garbled)
    ledger.set_aside("ragged_row", name, ragged, detail=str(len(text.header)))
    ledger.set_aside("undecodable", name, garbled)
    ledger.set_aside("torn_last_line", name, text.torn)


@dataclass
class _Text:
    """The records of one text, read in chunks while lines are counted."""

    lines: Iterator[str]
    name: str
    header: list[str] = field(default_factory=list)
    torn: list[int] = field(default_factory=list)
    last: str = "\n"
    taken: int = 0
    line: int = 1

    def records(self, delimiter: str, ledger: Ledger) -> Iterator[tuple[list[Row], list[int]]]:
        """Chunks of records with the lines they begin on; the header is read before the first chunk."""
        sample = list(islice(self.lines, _SAMPLE_LINES))
        while sample and not sample[0].strip():
            self._skip(sample)
        if not sample:
            raise InputError(f"{self.name}: the file is empty; there is not even a header")
        mark = _SEP_LINE.fullmatch(sample[0])
        if mark:
            ledger.note(
                "sep_line", "repaired", 1, source=self.name, lines=[self.line], example=mark[0].strip()
            )
            self._skip(sample)
        if delimiter == "auto":
            delimiter = mark[1] if mark else _sniff(sample)
        lines = self._watched(chain(sample, self.lines))
        if delimiter == "whitespace":
            self.header = [str(i + 1) for i in range(len(sample[0].split()))]
            return self._chunks(line.split() for line in lines)
        return self._delimited(lines, delimiter)

    def _skip(self, sample: list[str]) -> None:
        sample.pop(0)
        self.line += 1
        self.taken += 1

    def _watched(self, lines: Iterable[str]) -> Iterator[str]:
        for self.last in lines:
            self.taken += 1
            yield self.last

    def _delimited(self, lines: Iterator[str], delimiter: str) -> Iterator[tuple[list[Row], list[int]]]:
        if len(delimiter) != 1:
            raise InputError(
                f'{self.name}: delimiter {delimiter!r} must be one character, "auto" or "whitespace"'
            )
        reader = csv.reader(lines, delimiter=delimiter, strict=True)
        try:
            first = next(reader, [])
        except csv.Error as error:
            raise self._broken(error) from error
        self.header = [label.strip() for label in first]
        self._numbered([first])
        return self._chunks(reader)

    def _chunks(self, reader: Iterator[Row]) -> Iterator[tuple[list[Row], list[int]]]:
        """One row is always held back, so that the last chunk has the last row."""
        rows: list[Row] = []
        numbers: list[int] = []
        ended = False
        while not ended:
            fresh: list[Row] = []
            try:
                with _no_cycle_search():
                    fresh.extend(islice(reader, CHUNK_ROWS))
            except csv.Error as error:
                self._numbered(fresh)
                raise self._broken(error) from error
            ended = len(fresh) < CHUNK_ROWS
            numbers += self._numbered(fresh)
            rows += fresh
            if ended:
                self._check_end(rows, numbers)
                yield rows, numbers
            else:
                yield rows[:-1], numbers[:-1]
                rows, numbers = rows[-1:], numbers[-1:]

    def _numbered(self, rows: list[Row]) -> Sequence[int]:
        """The line each record begins on; counted one by one only where records span lines."""
        first = self.line
        if first - 1 + len(rows) == self.taken:
            self.line += len(rows)
            return range(first, self.line)
        numbers = []
        for row in rows:
            numbers.append(self.line)
            self.line += 1 + sum(len(_BREAK.findall(value)) for value in row)
        return numbers

    def _check_end(self, rows: list[Row], numbers: list[int]) -> None:
        """Without a newline at the end the last record may be cut off, unless a closing quote ends it."""
        if rows and not self.last.endswith(("\n", "\r", '"')):
            rows.pop()
            self.torn.append(numbers.pop())

    def _broken(self, error: csv.Error) -> InputError:
        return InputError(
            f"{self.name}: the record that begins on line {self.line} is not well-formed ({error}); "
            'a quote is probably not closed: quote the field and write quotes inside it twice ("")'
        )


@contextmanager
def _no_cycle_search() -> Iterator[None]:
    """Rows of text hold no cycles; looking for them would take as long as reading."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _sniff(sample: list[str]) -> str:
    """The delimiter under which most rows of the sample have as many fields as the header."""

    def score(delimiter: str) -> tuple[float, int]:
        try:
            widths = [len(row) for row in csv.reader(sample, delimiter=delimiter) if row]
        except csv.Error:
            return (-1.0, 0)  # told with its line when the file is read
        alike = widths.count(widths[0]) / len(widths)
        return (alike if widths[0] > 1 else -1.0, widths[0])

    return max(_DELIMITERS, key=score)


def _regular(
    rows: list[Row], numbers: list[int], width: int, ragged: list[int]
) -> tuple[list[Row], list[int]]:
    """Rows with as many fields as the header; blank lines are no rows."""
    if set(map(len, rows)) <= {width}:
        return rows, numbers
    kept = [(row, n) for row, n in zip(rows, numbers, strict=True) if len(row) == width]
    ragged += [n for row, n in zip(rows, numbers, strict=True) if len(row) != width and "".join(row).strip()]
    return [row for row, _ in kept], [n for _, n in kept]


def _table(rows: list[Row], numbers: list[int], columns: dict[str, int], garbled: list[int]) -> pa.Table:
    values = list(zip(*rows, strict=True)) or [()] * (max(columns.values()) + 1)
    try:
        arrays = {name: pa.array(values[at], pa.string()) for name, at in columns.items()}
    except UnicodeEncodeError:
        clean = [_clean(row, columns) for row in rows]
        garbled += [n for n, fine in zip(numbers, clean, strict=True) if not fine]
        kept = [(row, n) for row, n, fine in zip(rows, numbers, clean, strict=True) if fine]
        return _table([row for row, _ in kept], [n for _, n in kept], columns, garbled)
    return pa.table({**arrays, "_line": pa.array(numbers, pa.int64())})


def _clean(row: Row, columns: dict[str, int]) -> bool:
    """Whether the columns that are used hold no bytes that could not be decoded (lone surrogates)."""
    return not any("\ud800" <= c <= "\udfff" for at in columns.values() for c in row[at])


def _note_encoding(encoding: Encoding, name: str, ledger: Ledger) -> None:
    label = "GB18030" if encoding.codec == "gb18030" else "UTF-8"
    if encoding.mixed:
        ledger.note("mixed_encoding", "warning", 0, source=name, detail=label)
    elif encoding.guessed:
        ledger.note("encoding_guessed", "repaired", 0, source=name)


def _open(path: Path) -> BinaryIO:
    if path.suffix.lower() != ".gz":
        return path.open("rb")
    return io.BufferedReader(_Unpacked(path), 1024 * 1024)


class _Unpacked(io.RawIOBase):
    """A gzip file that refuses to swell beyond reason."""

    def __init__(self, path: Path) -> None:
        self._name = path.name
        self._inner = gzip.GzipFile(path, "rb")
        self._left = path.stat().st_size * _MAX_RATIO + _FREE_BYTES

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer) -> int:
        got = self._inner.readinto(buffer)
        self._left -= got
        if self._left < 0:
            raise InputError(
                f"{self._name}: unpacks to more than {_MAX_RATIO} times its size; "
                "unpack it yourself if that is right"
            )
        return got

    def close(self) -> None:
        self._inner.close()
        super().close()
