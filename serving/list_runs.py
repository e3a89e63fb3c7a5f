"""Runs of a list in the making: scored batches, each in the order of the list, kept until the list is whole.

They stand in a hidden folder beside the list. A run is there once its record is, and counts only for the batch of
features and the model, day and settings that it was made of; so whoever is killed goes on where they stopped, and what
was made otherwise is made again.
"""

from __future__ import annotations

import hashlib
import json
import math
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from features.publish import sha256_file
from serving.work_folder import WorkFolder

__all__ = ["ORDER", "ROWS", "TOP", "Place", "Run", "RunFolder", "digest", "in_order", "up_to"]

ORDER = (("value_at_stake", "descending"), ("customer_id", "ascending"))
"""The order of every list."""

ROWS, TOP = "run", "top"
"""What is kept of a run: its rows, and the features of those with most at stake."""

Place: TypeAlias = tuple[float, str]
"""Where a row stands in the list: less the value at stake, and the customer; the smaller comes first."""

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


class RunFolder(WorkFolder):
    """The runs of one list (`serving.work_folder`)."""

    def kept(self, number: int, source: str) -> Run | None:
        """The run of a batch, when it is there, whole, and of the same features."""
        text = self.text(_record(number))
        try:
            run = Run(**json.loads(text or "{}"))
        except (ValueError, TypeError):
            return None
        same = run.number == number and run.source == source
        whole = same and self._has(ROWS, number, run.sha256)
        return run if whole and (not run.top_sha256 or self._has(TOP, number, run.top_sha256)) else None

    def put(self, run: Run, rows: pa.Table, top: pa.Table | None = None) -> Run:
        """Keep a run, its rows and the features of the first of them, both in order; returns it with their SHA-256."""
        sha = self._written(ROWS, run.number, rows)
        top_sha = "" if top is None else self._written(TOP, run.number, top)
        whole = replace(run, sha256=sha, top_sha256=top_sha)
        self.keep(_record(run.number), json.dumps(asdict(whole)))
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
            found[0] = _some(found[0], _before(found[0], low), found[0].num_rows)
        if high:
            # a single block is cut at both ends
            found[-1] = _some(found[-1], 0, _before(found[-1], high))
        return pa.Table.from_batches(found)

    def _opened(self, kind: str, run: Run, columns: Sequence[str] | None = None) -> _Blocks:
        return _Blocks(self.path / _file(kind, run.number), columns)

    def _has(self, kind: str, number: int, sha256: str) -> bool:
        return self.has(_file(kind, number), sha256)

    def _written(self, kind: str, number: int, rows: pa.Table) -> str:
        def fill(part: Path) -> None:
            sink: Any = pa.OSFile(str(part), "wb")
            with sink, pa.ipc.new_file(sink, rows.schema, options=_LZ4) as writer:
                writer.write_table(rows, max_chunksize=_INDEXED_ROWS)

        return sha256_file(self.write(_file(kind, number), fill))


def _file(kind: str, number: int) -> str:
    return f"{kind}-{number:05d}.arrow"


def _record(number: int) -> str:
    return f"{ROWS}-{number:05d}.json"


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


def _some(block: pa.RecordBatch, first: int, last: int) -> pa.RecordBatch:
    """Rows of a block, copied: a slice would keep all of it, and there are as many blocks at hand as there are runs."""
    return block.take(pa.array(range(first, last), pa.int64()))


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
