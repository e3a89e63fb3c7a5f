"""What was read, as it was read: pieces piled up by the types of their columns, where the engine can see them.

The engine reads the pieces where they lie; writing them into a table of its own first took longer than any
check that follows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from features.engine import SLICE_ROWS
from features.errors import InputError
from features.local_time import to_local

__all__ = ["Part", "Stage"]


@dataclass(frozen=True)
class Part:
    """Rows of one shape: a view in the engine, and its contract columns with their types as read.

    ``types`` holds ``"text"``, ``"whole"``, ``"number"``, ``"time"`` or ``"flag"`` by column.
    """

    name: str
    types: dict[str, str]
    pieces: list[pa.Table] = field(default_factory=list, repr=False)


@dataclass
class Stage:
    """The pieces of one table of the contract."""

    con: Any
    table: str
    timezone: str
    parts: dict[pa.Schema, Part] = field(default_factory=dict)
    sources: list[str] = field(default_factory=list)
    rows: int = 0
    zoned: dict[str, int] = field(default_factory=dict)

    def add(self, piece: pa.Table, source: str) -> None:
        """Piles one piece up; zoned times become business-local on the way."""
        if source not in self.sources:
            self.sources.append(source)
        number = pa.repeat(pa.scalar(self.sources.index(source), pa.int32()), piece.num_rows)
        plain = {name: self._plain(name, piece.column(name)) for name in piece.column_names}
        ready = pa.table({**plain, "_file": number})
        part = self.parts.get(ready.schema)
        if part is None:
            types = {name: _kind(array.type) for name, array in plain.items() if name != "_line"}
            part = self.parts[ready.schema] = Part(f"staged_{self.table}_{len(self.parts)}", types)
        part.pieces.append(ready)
        self.rows += piece.num_rows

    def show(self) -> None:
        """Lets the engine see all pieces, each part under its name."""
        for part in self.parts.values():
            self.con.register(part.name, pa.concat_tables(part.pieces))

    def slices(self, part: Part) -> Iterator[int]:
        """Lets the engine see the pieces of a part some at a time, and frees them after; gives the rows of each."""
        while part.pieces:
            some = [part.pieces.pop(0)]
            while part.pieces and sum(piece.num_rows for piece in some) < SLICE_ROWS:
                some.append(part.pieces.pop(0))
            seen = pa.concat_tables(some)
            self.con.register(part.name, seen)
            yield seen.num_rows
            del some, seen
            self._forget(part)

    def drop(self) -> None:
        """Frees the pieces."""
        for part in self.parts.values():
            part.pieces.clear()
            self._forget(part)

    def _forget(self, part: Part) -> None:
        self.con.unregister(part.name)
        # Arrow keeps freed memory for itself, and the engine, which needs it next, has a pool of its own.
        pa.default_memory_pool().release_unused()

    def _plain(self, name: str, array: pa.ChunkedArray) -> pa.ChunkedArray | pa.Array:
        kind = array.type
        if pa.types.is_dictionary(kind):
            if _repeats(array):
                return array.cast(pa.dictionary(pa.int32(), pa.string()))
            kind = kind.value_type
        if pa.types.is_timestamp(kind) and kind.tz is not None:
            self.zoned[name] = self.zoned.get(name, 0) + len(array) - array.null_count
            return to_local(array, self.timezone)
        try:
            return array.cast(options=_options(_basic(kind)))
        except pa.ArrowException as error:
            raise InputError(
                f"{self.table}.{name}: values of type {kind} cannot be read ({error})"
            ) from error


def _repeats(array: pa.ChunkedArray) -> bool:
    """Whether texts repeat so much that codes are worth keeping: each chunk carries all of its own texts."""
    texts = sum(len(chunk.dictionary) for chunk in array.chunks)
    kind = array.type.value_type
    return (pa.types.is_string(kind) or pa.types.is_large_string(kind)) and 4 * texts <= len(array)


def _options(kind: pa.DataType) -> pc.CastOptions:
    """Nanoseconds and long decimals may be shortened; nothing may overflow."""
    return pc.CastOptions(
        kind, allow_time_truncate=True, allow_decimal_truncate=True, allow_float_truncate=True
    )


def _basic(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return pa.timestamp("us")
    if pa.types.is_uint64(kind) or (pa.types.is_decimal(kind) and kind.scale == 0):
        return pa.decimal128(38, 0)
    if pa.types.is_integer(kind):
        return pa.int64()
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return pa.float64()
    return pa.bool_() if pa.types.is_boolean(kind) else pa.string()


def _kind(kind: pa.DataType) -> str:
    if pa.types.is_timestamp(kind):
        return "time"
    if pa.types.is_integer(kind) or pa.types.is_decimal(kind):
        return "whole"
    if pa.types.is_floating(kind):
        return "number"
    return "flag" if pa.types.is_boolean(kind) else "text"
