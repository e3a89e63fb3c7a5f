"""Runs of a list in the making: scored batches, each in the order of the list, kept until the list is whole.

They stand in a hidden folder beside the list. A run is there once its record is, and counts only for the batch of
features and the model, day and settings that it was made of; so whoever is killed goes on where they stopped, and what
was made otherwise is made again.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from features.files import explained, new_file, rename, settle
from features.publish import sha256_file

__all__ = ["ORDER", "Place", "Run", "RunFolder", "digest", "in_order"]

ORDER = (("value_at_stake", "descending"), ("customer_id", "ascending"))
"""The order of every list."""

Place: TypeAlias = tuple[float, str]
"""Where a row stands in the list: less the value at stake, and the customer; the smaller comes first."""

_KEY = "key.json"
_INDEXED_ROWS = 512
_LZ4 = pa.ipc.IpcWriteOptions(compression="lz4")


@dataclass(frozen=True)
class Run:
    """What is known of one scored batch.

    Parameters
    ----------
    number : int
        Place of the batch, from 0.
    source : str
        SHA-256 of the batch of features.
    sha256 : str
        SHA-256 of the file.
    rows : int
        Customers on the list.
    counts : dict
        Customers by label, by column.
    totals : dict
        Sums by column.
    """

    number: int
    source: str
    sha256: str
    rows: int
    counts: dict[str, dict[str, int]] = field(default_factory=dict)
    totals: dict[str, float] = field(default_factory=dict)


class RunFolder:
    """The runs of one list.

    Parameters
    ----------
    out : Path
        The list to be; the folder stands beside it, private. The caller holds the list's lock.
    key : mapping
        What all runs depend on besides their features. Runs of another key are thrown away.
    """

    def __init__(self, out: Path, key: Mapping[str, Any]) -> None:
        self._out = out
        self.path = self.place(out)
        text = json.dumps(key, sort_keys=True)
        with explained(out):
            if not self.path.is_dir() or _read(self.path / _KEY) != text:
                self.drop()
                self.path.mkdir(mode=0o700)
                self._keep(_KEY, text)
            for left in self.path.glob(".*.part"):
                left.unlink()

    @staticmethod
    def place(out: Path) -> Path:
        """Where the runs of a list stand."""
        return out.with_name(f".{out.name}.work")

    def kept(self, number: int, source: str) -> Run | None:
        """The run of a batch, when it is there, whole, and of the same features."""
        text = _read(self._record(number))
        try:
            run = Run(**json.loads(text or "{}"))
        except (ValueError, TypeError):
            return None
        file = self._file(number)
        same = run.number == number and run.source == source and file.is_file()
        return run if same and sha256_file(file) == run.sha256 else None

    def put(self, rows: pa.Table, run: Run) -> Run:
        """Keep a run whose rows are in order; returns it with the SHA-256 of its file."""
        part = self._part(self._file(run.number))
        with explained(self._out):
            sink: Any = pa.OSFile(str(new_file(part)), "wb")
            with sink, pa.ipc.new_file(sink, rows.schema, options=_LZ4) as writer:
                writer.write_table(rows, max_chunksize=_INDEXED_ROWS)
            settle(part)
            whole = Run(**{**asdict(run), "sha256": sha256_file(part)})
            rename(part, self._file(run.number))
            self._keep(self._record(run.number).name, json.dumps(asdict(whole)))
        return whole

    def index(self, run: Run) -> list[Place]:
        """The places of the first row of every block."""
        with self._opened(run, _ORDER_NAMES) as blocks:
            return [_place(blocks.get_batch(n), 0) for n in range(blocks.num_record_batches)]

    def customers(self, runs: Sequence[Run]) -> Iterator[pa.RecordBatch]:
        """The ids of all runs."""
        for run in runs:
            with self._opened(run, ["customer_id"]) as blocks:
                for n in range(blocks.num_record_batches):
                    yield blocks.get_batch(n)

    def between(self, run: Run, index: Sequence[Place], low: Place | None, high: Place | None) -> pa.Table:
        """The rows of a run from the place `low` up to and without `high`; None for the end of the list."""
        first = max(bisect_left(index, low) - 1, 0) if low else 0
        last = bisect_left(index, high) if high else len(index)
        with self._opened(run) as blocks:
            found = [blocks.get_batch(n) for n in range(first, last)]
            if not found:
                return blocks.schema.empty_table()
        if low:
            found[0] = found[0].slice(_before(found[0], low))
        if high:
            # a single block is cut at both ends
            found[-1] = found[-1].slice(0, _before(found[-1], high))
        return pa.Table.from_batches(found)

    def drop(self) -> None:
        """Throw all runs away."""
        if self.path.is_symlink() or self.path.is_file():
            self.path.unlink()
        elif self.path.exists():
            shutil.rmtree(self.path)

    def _opened(self, run: Run, columns: Sequence[str] | None = None) -> _Blocks:
        return _Blocks(self._file(run.number), columns)

    def _keep(self, name: str, text: str) -> None:
        part = self._part(self.path / name)
        new_file(part).write_text(text, encoding="utf-8")
        settle(part)
        rename(part, self.path / name)

    def _part(self, path: Path) -> Path:
        part = path.with_name(f".{path.name}.{os.getpid()}.part")
        part.unlink(missing_ok=True)
        return part

    def _file(self, number: int) -> Path:
        return self.path / f"run-{number:05d}.arrow"

    def _record(self, number: int) -> Path:
        return self.path / f"run-{number:05d}.json"


_ORDER_NAMES = [name for name, _ in ORDER]


class _Blocks:
    """The blocks of a run's file, read one by one; only some columns where they are named."""

    def __init__(self, file: Path, columns: Sequence[str] | None) -> None:
        self._source = pa.OSFile(str(file), "rb")
        self._names = columns
        self._reader: Any = pa.ipc.open_file(self._source)
        self.schema: pa.Schema = self._reader.schema
        if columns is not None:
            places = [self.schema.get_field_index(name) for name in columns]
            options = pa.ipc.IpcReadOptions(included_fields=places)
            self._reader = pa.ipc.open_file(self._source, options=options)

    @property
    def num_record_batches(self) -> int:
        count: int = self._reader.num_record_batches
        return count

    def get_batch(self, number: int) -> pa.RecordBatch:
        return self._reader.get_batch(number)

    def __enter__(self) -> _Blocks:
        return self

    def __exit__(self, *_: object) -> None:
        self._source.close()


def in_order(rows: pa.Table) -> pa.Table:
    """The rows in the order of the list."""
    keys = rows.select(_ORDER_NAMES)
    return rows.take(pc.sort_indices(keys, sort_keys=list(ORDER)))


def digest(batch: pa.RecordBatch) -> str:
    """SHA-256 of a batch: of its columns' names and types, and of every bit of its rows."""
    found = hashlib.sha256(batch.schema.remove_metadata().serialize())
    found.update(batch.serialize())
    return found.hexdigest()


def _place(rows: pa.RecordBatch, row: int) -> Place:
    value = rows.column("value_at_stake")[row].as_py()
    return math.inf if value is None else -value, rows.column("customer_id")[row].as_py()


def _before(rows: pa.RecordBatch, place: Place) -> int:
    """How many rows of a block in order stand before a place."""
    low, high = 0, rows.num_rows
    while low < high:
        middle = (low + high) // 2
        low, high = (middle + 1, high) if _place(rows, middle) < place else (low, middle)
    return low


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
