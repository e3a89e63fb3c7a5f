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
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from features.files import explained, new_file, rename, settle
from features.publish import sha256_file

__all__ = ["ORDER", "ROWS", "TOP", "Place", "Run", "RunFolder", "digest", "in_order", "up_to"]

ORDER = (("value_at_stake", "descending"), ("customer_id", "ascending"))
"""The order of every list."""

ROWS, TOP = "run", "top"
"""What is kept of a run: its rows, and the features of those with most at stake."""

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
    top_sha256 : str
        SHA-256 of the file with the features of those with most at stake; empty where there is none.
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
    top_sha256: str
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
        self.path = self.beside(out)
        self.key = json.dumps(key, sort_keys=True)
        with explained(out):
            if not self.path.is_dir() or _read(self.path / _KEY) != self.key:
                self.drop()
                self.path.mkdir(mode=0o700)
                self._keep(_KEY, self.key)
            for left in self.path.glob(".*.part"):
                left.unlink()

    @staticmethod
    def beside(out: Path) -> Path:
        """Where the runs of a list stand."""
        return out.with_name(f".{out.name}.work")

    def kept(self, number: int, source: str) -> Run | None:
        """The run of a batch, when it is there, whole, and of the same features."""
        text = _read(self._record(number))
        try:
            run = Run(**json.loads(text or "{}"))
        except (ValueError, TypeError):
            return None
        same = run.number == number and run.source == source
        whole = same and self._has(ROWS, number, run.sha256)
        return run if whole and (not run.top_sha256 or self._has(TOP, number, run.top_sha256)) else None

    def put(self, run: Run, rows: pa.Table, top: pa.Table | None = None) -> Run:
        """Keep a run, its rows and the features of the first of them, both in order; returns it with their SHA-256."""
        with explained(self._out):
            sha = self._write(ROWS, run.number, rows)
            top_sha = "" if top is None else self._write(TOP, run.number, top)
            whole = replace(run, sha256=sha, top_sha256=top_sha)
            self._keep(self._record(run.number).name, json.dumps(asdict(whole)))
        return whole

    def index(self, run: Run, kind: str) -> list[Place]:
        """The places of the first row of every block."""
        with self._opened(kind, run, _ORDER_NAMES) as blocks:
            return [_place(blocks.get_batch(n), 0) for n in range(blocks.num_record_batches)]

    def place(self, runs: Sequence[Run], number: int) -> Place:
        """The place of the row of this number, from 1, or of the last, of those whose features are kept."""
        keys = _KEYS.empty_table()
        for run in runs:
            keys = in_order(pa.concat_tables([keys, self._keys(run)])).slice(0, number)
        return _place(keys, keys.num_rows - 1)

    def _keys(self, run: Run) -> pa.Table:
        with self._opened(TOP, run, _ORDER_NAMES) as blocks:
            found = [blocks.get_batch(n) for n in range(blocks.num_record_batches)]
        return pa.Table.from_batches([block.select(_ORDER_NAMES).cast(_KEYS) for block in found], _KEYS)

    def customers(self, runs: Sequence[Run]) -> Iterator[pa.RecordBatch]:
        """The ids of all runs."""
        for run in runs:
            with self._opened(ROWS, run, ["customer_id"]) as blocks:
                for n in range(blocks.num_record_batches):
                    yield blocks.get_batch(n)

    def between(
        self, kind: str, run: Run, index: Sequence[Place], low: Place | None, high: Place | None
    ) -> pa.Table:
        """The rows of a run from the place `low` up to and without `high`; None for the end of the list."""
        first = max(bisect_left(index, low) - 1, 0) if low else 0
        last = bisect_left(index, high) if high else len(index)
        with self._opened(kind, run) as blocks:
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

    def _opened(self, kind: str, run: Run, columns: Sequence[str] | None = None) -> _Blocks:
        return _Blocks(self._file(kind, run.number), columns)

    def _has(self, kind: str, number: int, sha256: str) -> bool:
        file = self._file(kind, number)
        return file.is_file() and sha256_file(file) == sha256

    def _write(self, kind: str, number: int, rows: pa.Table) -> str:
        file = self._file(kind, number)
        part = self._part(file)
        sink: Any = pa.OSFile(str(new_file(part)), "wb")
        with sink, pa.ipc.new_file(sink, rows.schema, options=_LZ4) as writer:
            writer.write_table(rows, max_chunksize=_INDEXED_ROWS)
        settle(part)
        sha = sha256_file(part)
        rename(part, file)
        return sha

    def _keep(self, name: str, text: str) -> None:
        part = self._part(self.path / name)
        new_file(part).write_text(text, encoding="utf-8")
        settle(part)
        rename(part, self.path / name)

    def _part(self, path: Path) -> Path:
        part = path.with_name(f".{path.name}.{os.getpid()}.part")
        part.unlink(missing_ok=True)
        return part

    def _file(self, kind: str, number: int) -> Path:
        return self.path / f"{kind}-{number:05d}.arrow"

    def _record(self, number: int) -> Path:
        return self.path / f"{ROWS}-{number:05d}.json"


_ORDER_NAMES = [name for name, _ in ORDER]
_KEYS = pa.schema([("value_at_stake", pa.float64()), ("customer_id", pa.string())])


class _Blocks:
    """The blocks of a run's file, read one by one; only some columns where they are named."""

    def __init__(self, file: Path, columns: Sequence[str] | None) -> None:
        self._source = pa.OSFile(str(file), "rb")
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


def _place(rows: pa.RecordBatch | pa.Table, row: int) -> Place:
    value = rows.column("value_at_stake")[row].as_py()
    return math.inf if value is None else -value, rows.column("customer_id")[row].as_py()


def _before(rows: pa.RecordBatch | pa.Table, place: Place) -> int:
    """How many of some rows in order stand before a place."""
    low, high = 0, rows.num_rows
    while low < high:
        middle = (low + high) // 2
        low, high = (middle + 1, high) if _place(rows, middle) < place else (low, middle)
    return low


def up_to(rows: pa.RecordBatch | pa.Table, place: Place) -> int:
    """How many of some rows in order stand at a place or before it."""
    count = _before(rows, place)
    return count + (count < rows.num_rows and _place(rows, count) == place)


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
