"""Lists people open: CSV and Excel that are safe and open right, Parquet for programs.

Excel opens CSV as UTF-8 only with a byte-order mark, so there is one; lines end in CR LF as RFC 4180 has it,
which Excel writes itself and every reader takes. A text that a spreadsheet would run as a formula gets a
leading apostrophe in CSV (OWASP, *CSV Injection*). In a workbook texts are texts by their cell type and keep
every character; the risky ones carry Excel's own quote mark besides, so that editing them stays harmless.
Numbers keep all their digits in all three formats: a reader gets the same bits back.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime
from html import escape
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import xlsxwriter
from xlsxwriter.exceptions import FileCreateError

from features.errors import ConfigError, InputError, PublishError
from features.parquet import write_parquet
from features.publish import Manifest, check_writable, publish_file, scratch_folder

__all__ = ["check_list", "write_list"]

Cell = str | int | float | bool | date | None

XLSX_ROWS = 2**20 - 1  # one row of the sheet is the header
XLSX_COLUMNS = 2**14
EXACT_INTEGERS = 10**15  # from here on a spreadsheet drops digits
BLOCK_ROWS = 50_000
# what may stand before a formula character and be skipped: white space, controls, zero-width marks
_SKIPPED = "[\\s\\x00-\\x1f\\x7f\u200b-\u200f\u2060\ufeff]*"
# full-width forms too: East Asian editions of Excel take them for the plain ones
_RISKY = re.compile(f"{_SKIPPED}[-=+@＝＋－＠]|\\s*[\\t\\r\\n\\0]")
# a workbook carries its date of making; a fixed one lets the same list have the same SHA-256
_MADE = datetime(1980, 1, 1)


def check_list(path: Path, *, rows: int = 0) -> None:
    """Refuse a list that could not be written, before any work is done for it.

    Parameters
    ----------
    path : Path
        The list to be: ``.csv``, ``.xlsx`` or ``.parquet``.
    rows : int, optional
        Rows expected, if known.

    Raises
    ------
    ConfigError
        The ending is none of the three.
    PublishError
        The place is not writable, or a workbook cannot hold so many rows.
    """
    if path.suffix.lower() not in _WRITERS:
        raise ConfigError(f"{path}: the ending {path.suffix!r} is unknown. Use .csv, .xlsx or .parquet.")
    if path.suffix.lower() == ".xlsx" and rows > XLSX_ROWS:
        raise PublishError(
            f"{path}: {rows:,} rows do not fit in a workbook, which holds {XLSX_ROWS:,}. "
            f"Use {path.stem}.csv or {path.stem}.parquet."
        )
    check_writable(path)


def write_list(frame: pd.DataFrame, path: Path, *, raw: bool = False) -> Manifest:
    """Publish a list as CSV, Excel or Parquet, by the ending of its name.

    Parameters
    ----------
    frame : pandas.DataFrame
        One row per customer; columns of text, numbers, flags, dates or times. The index is not written.
        Missing values become empty cells. No rows is a valid list.
    path : Path
        ``.csv``, ``.xlsx`` or ``.parquet``; an earlier list there is replaced in one step.
    raw : bool, default False
        For programs: CSV without byte-order mark and without apostrophes. Never open such a file in a
        spreadsheet.

    Returns
    -------
    Manifest
        Name, rows, size and SHA-256, as stored beside the list.

    Raises
    ------
    InputError
        A column has a doubled name, infinite values or values that are no cells.
    ConfigError, PublishError, LockedError
        See `check_list` and `publish_file`. The earlier list still stands.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> frame = pd.DataFrame({"customer_id": ["007", "=1+1"], "clv": [0.1, 3.0]})
    >>> with TemporaryDirectory() as folder:
    ...     made = write_list(frame, Path(folder) / "list.csv")
    ...     (Path(folder) / "list.csv").read_text(encoding="utf-8-sig").splitlines()
    ['customer_id,clv', '007,0.1', "'=1+1,3.0"]
    """
    check_list(path, rows=len(frame))
    _check_frame(frame)
    write = _WRITERS[path.suffix.lower()]
    try:
        return publish_file(path, lambda part: write(frame, part, raw), rows=len(frame), kind="list")
    except UnicodeEncodeError:
        raise InputError(
            "list: a text holds half a character (a lone surrogate), which no file can carry. Decode the "
            "input with its right encoding."
        ) from None


def _check_frame(frame: pd.DataFrame) -> None:
    doubled = frame.columns[frame.columns.duplicated()]
    if len(doubled) or not len(frame.columns):
        what = f"column {doubled[0]!r} is there twice" if len(doubled) else "there are no columns"
        raise InputError(f"list: {what}. Give each column one name of its own.")
    for name in (n for n in frame.columns if pd.api.types.is_float_dtype(frame[n])):
        values = frame[name].to_numpy(dtype=np.float64, na_value=np.nan)
        if bad := int(np.isinf(values).sum()):
            raise InputError(
                f"list, column {name}: {bad:,} of {len(frame):,} values are infinite. Repair them."
            )


def _write_csv(frame: pd.DataFrame, path: Path, raw: bool) -> None:
    encoding = "utf-8" if raw else "utf-8-sig"
    with path.open("w", encoding=encoding, newline="") as file:
        writer = csv.writer(file, lineterminator="\r\n")
        writer.writerow(_csv_cell(str(name), raw) for name in frame.columns)
        for block in _blocks(frame):
            writer.writerows(zip(*([_csv_cell(v, raw) for v in column] for column in block), strict=True))


def _csv_cell(value: Cell, raw: bool) -> str:
    if isinstance(value, str):
        return value if raw or not _RISKY.match(value) else "'" + value
    if value is None:
        return ""
    return value.isoformat() if isinstance(value, date) else repr(value)


def _write_xlsx(frame: pd.DataFrame, path: Path, raw: bool) -> None:
    if len(frame.columns) > XLSX_COLUMNS:
        raise PublishError(f"{path.name}: a workbook holds {XLSX_COLUMNS:,} columns. Use CSV or Parquet.")
    with scratch_folder(path) as scratch:
        options = {
            "constant_memory": True,
            "strings_to_formulas": False,
            "strings_to_numbers": False,
            "strings_to_urls": False,
            "tmpdir": str(scratch),
        }
        book = xlsxwriter.Workbook(str(path), options)
        book.use_zip64()
        book.set_properties({"created": _MADE})
        try:
            _fill_sheet(_Sheet(book, frame), frame)
        finally:
            _close(book)


def _fill_sheet(sheet: _Sheet, frame: pd.DataFrame) -> None:
    for place, name in enumerate(frame.columns):
        sheet.put(0, place, str(name))
    row = 1
    for block in _blocks(frame):
        for cells in zip(*block, strict=True):
            for place, value in enumerate(cells):
                sheet.put(row, place, value)
            row += 1


def _close(book: Any) -> None:
    try:
        book.close()
    except FileCreateError as error:
        raise error.args[0] from None  # the system's own error, which names the cause


class _Sheet:
    """One sheet: frozen header, filter, widths, and cells by their kind."""

    def __init__(self, book: Any, frame: pd.DataFrame) -> None:
        self._names = [str(name) for name in frame.columns]
        self._sheet = book.add_worksheet("list")
        self._header = book.add_format({"bold": True})
        self._quoted = book.add_format({"quote_prefix": True})
        self._day = book.add_format({"num_format": "yyyy-mm-dd"})
        self._time = book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})
        self._sheet.freeze_panes(1, 0)
        self._sheet.autofilter(0, 0, len(frame), len(self._names) - 1)
        self._sheet.ignore_errors({"number_stored_as_text": "A1:XFD1048576"})
        for place, cells in enumerate(next(_blocks(frame.head(200)), [[]] * len(self._names))):
            texts = [self._names[place], *(_csv_cell(v, True) for v in cells)]
            self._sheet.set_column(place, place, min(50, 2 + max(map(_width, texts))))

    def put(self, row: int, place: int, value: Cell) -> None:
        """Write one cell; nothing is ever taken for a formula, a link or another kind."""
        if isinstance(value, str):
            self._put_text(row, place, value)
        elif isinstance(value, bool):
            self._sheet.write_boolean(row, place, value)
        elif isinstance(value, int) and abs(value) >= EXACT_INTEGERS:
            self._sheet.write_string(row, place, repr(value))
        elif isinstance(value, int | float):
            self._sheet.write_number(row, place, _Exact(value) if isinstance(value, float) else value)
        elif isinstance(value, date):
            self._put_day(row, place, value)

    def _put_text(self, row: int, place: int, value: str) -> None:
        style = self._header if row == 0 else self._quoted if _RISKY.match(value) else None
        if value.startswith("<r>") and value.endswith("</r>"):
            # XlsxWriter takes such a text for ready-made XML: hand it the XML that shows the text itself
            value = f'<r><t xml:space="preserve">{escape(value, quote=False)}</t></r>'
        if self._sheet.write_string(row, place, value, style) == -2:
            raise PublishError(
                f"list, column {self._names[place]}, row {row:,}: the text has {len(value):,} characters, a "
                f"cell of a workbook holds 32,767. Use CSV or Parquet."
            )

    def _put_day(self, row: int, place: int, value: date) -> None:
        if value.year < 1900 or getattr(value, "tzinfo", None) is not None:
            self._sheet.write_string(row, place, value.isoformat())  # a workbook's dates know neither
        else:
            style = self._time if isinstance(value, datetime) else self._day
            self._sheet.write_datetime(row, place, value, style)


class _Exact(float):
    """A number that is written with all its digits; XlsxWriter would stop at 16."""

    def __format__(self, spec: str) -> str:
        return float.__repr__(self)


def _width(text: str) -> int:
    """Columns a text takes; East Asian characters take two."""
    return sum(2 if "\u2e80" <= character <= "\uffdc" else 1 for character in text[:60])


def _write_parquet(frame: pd.DataFrame, path: Path, raw: bool) -> None:
    try:
        table = pa.Table.from_pandas(frame, preserve_index=False)
    except pa.ArrowException:
        # not the engine's own words: they quote a customer's value
        suspects = ", ".join(str(n) for n in frame.columns if frame[n].dtype.kind in "Omc")
        raise InputError(
            f"list: values of several kinds in one of the columns {suspects}. Cast each column to one kind."
        ) from None
    write_parquet(table, path)


def _blocks(frame: pd.DataFrame) -> Iterator[list[list[Cell]]]:
    """The cells column by column, some rows at a time so that memory stays small."""
    days = [_whole_days(frame.iloc[:, place]) for place in range(len(frame.columns))]
    for start in range(0, len(frame), BLOCK_ROWS):
        block = frame.iloc[start : start + BLOCK_ROWS]
        yield [_cells(block.iloc[:, place], day) for place, day in enumerate(days)]


def _whole_days(column: pd.Series) -> bool:
    """Whether a column of times without zone holds midnights only, so that it reads as dates."""
    if not pd.api.types.is_datetime64_dtype(column):
        return False
    return bool((column.dropna() == column.dropna().dt.normalize()).all())


def _cells(column: pd.Series, days: bool) -> list[Cell]:
    values: Sequence[Any] = (column.dt.date if days else column).astype(object).tolist()
    missing = column.isna().tolist()
    cells = [None if gone else _plain(v) for v, gone in zip(values, missing, strict=True)]
    strange = [v for v in cells if not _is_cell(v)] if column.dtype.kind in "Omc" else []
    if strange:
        raise InputError(
            f"list, column {column.name}: {len(strange):,} values are no cells, the first of type "
            f"{type(strange[0]).__name__}. Give text, finite numbers, flags, dates or times."
        )
    return cells


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _is_cell(value: Any) -> bool:
    return isinstance(value, str | int | date | None) or (isinstance(value, float) and isfinite(value))


_WRITERS: dict[str, Callable[[pd.DataFrame, Path, bool], None]] = {
    ".csv": _write_csv,
    ".xlsx": _write_xlsx,
    ".parquet": _write_parquet,
}
