"""What was read, as it was read: pieces piled up in the engine by the types of their columns."""

# ruff: noqa: S608  (identifiers in the statements are names of the contract, never texts of the user)
from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from features.errors import InputError
from features.local_time import to_local

__all__ = ["Part", "Stage"]


@dataclass(frozen=True)
class Part:
    """Rows of one shape: a table in the engine, and its contract columns with their types as read.

    ``types`` holds ``"text"``, ``"whole"``, ``"number"``, ``"time"`` or ``"flag"`` by column.
    """

    name: str
    types: dict[str, str]


@dataclass
class Stage:
    """The pieces of one table of the contract."""

    con: Any
    table: str
    timezone: str
    parts: dict[tuple[tuple[str, str], ...], Part] = field(default_factory=dict)
    sources: list[str] = field(default_factory=list)
    rows: int = 0
    zoned: dict[str, int] = field(default_factory=dict)

    def add(self, piece: pa.Table, source: str) -> None:
        """Piles one piece up; zoned times become business-local on the way."""
        if source not in self.sources:
            self.sources.append(source)
        number = pa.array([self.sources.index(source)] * piece.num_rows, pa.int32())
        plain = {name: self._plain(name, piece.column(name)) for name in piece.column_names}
        types = {name: _kind(array.type) for name, array in plain.items() if name != "_line"}
        part = self.parts.get(tuple(types.items()))
        ready = pa.table({**plain, "_file": number})
        self.con.register("piece", ready)
        if part is None:
            part = Part(f"staged_{self.table}_{len(self.parts)}", types)
            self.parts[tuple(types.items())] = part
            self.con.execute(f'CREATE TEMP TABLE "{part.name}" AS SELECT * FROM piece')
        else:
            self.con.execute(f'INSERT INTO "{part.name}" BY NAME SELECT * FROM piece')
        self.con.unregister("piece")
        self.rows += piece.num_rows

    def drop(self) -> None:
        """Frees the pieces."""
        for part in self.parts.values():
            self.con.execute(f'DROP TABLE IF EXISTS "{part.name}"')

    def _plain(self, name: str, array: pa.ChunkedArray) -> pa.ChunkedArray | pa.Array:
        kind = array.type
        if pa.types.is_dictionary(kind):
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
