"""Features of a shop of any size: a share of the customers at a time, in batches.

All features of a customer come from that customer's own rows, so shares are made one after the other, each in bounded
memory. What a share is made of has a fingerprint, by which a run that was stopped finds what it had made before.
"""

# ruff: noqa: S608  (identifiers in the statements are names of our own)
from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date

import ibis.expr.types as ir
import pyarrow as pa

from features.engine import keep_compact, told_limits
from features.frames import connect
from features.pipeline import features_at, with_calendar
from features.plan import prepared, shape_of, views_of
from features.public_holidays import CALENDAR
from features.snapshot import as_of_table
from features.tables import Share, Tables

__all__ = ["FeatureShare", "feature_shares", "stream_features"]

_ORDER = "ORDER BY customer_id, as_of"
_SORT_BYTES = 512 * 2**20
_DOING = "features were made"


@dataclass(frozen=True)
class FeatureShare:
    """Features of a share of the customers, made when they are asked for.

    Parameters
    ----------
    tables : Tables
        Loaded tables.
    as_of : tuple of date
        Cut-off days in the business zone.
    share : tuple
        The customers (`features.tables.Share`).
    """

    tables: Tables
    as_of: tuple[date, ...]
    share: Share = (None, None)

    def source(self) -> str:
        """SHA-256 of the statement and of all rows it reads; empty where another engine than DuckDB holds them.

        Two shares of the same source have the same features. The days are no part of it.
        """
        shape = shape_of(self.tables)
        if shape is None:
            return ""
        plan, engine = prepared(self.tables, shape, self.as_of, self.share), self.tables.con.con
        names = [*views_of(self.tables), *([] if self.tables.calendar is None else [CALENDAR])]
        rows = "hash(*COLUMNS(*))"
        told = f"count(*), sum({rows}), bit_xor({rows})"
        found = [engine.execute(f"SELECT {told} FROM {name}").fetchone() for name in names]
        said = [plan.statement, plan.cuts, names, [[str(value) for value in one] for one in found]]
        return hashlib.sha256(json.dumps(said).encode()).hexdigest()

    def reader(self, rows: int, *, by_customer: bool = False) -> pa.RecordBatchReader:
        """The rows of `features.plan.fetch_features` of these customers, about so many at a time.

        The engine is busy until the last batch is taken. `by_customer` sorts by the bytes of the customer's id, then by
        day, on disk where memory does not suffice.
        """
        shape = shape_of(self.tables)
        if shape is None:
            return self._elsewhere(rows, by_customer=by_customer)
        plan = prepared(self.tables, shape, self.as_of, self.share)
        order = _ORDER if by_customer else ""
        with told_limits(self.tables.con, _DOING):
            found = self.tables.con.con.execute(f"FROM ({plan.statement}) {order}").to_arrow_reader(rows)

        def made() -> Iterator[pa.RecordBatch]:
            with told_limits(self.tables.con, _DOING):
                for batch in found:
                    yield batch.cast(plan.schema)

        return pa.RecordBatchReader.from_batches(plan.schema, made())

    def _elsewhere(self, rows: int, *, by_customer: bool) -> pa.RecordBatchReader:
        cuts = with_calendar(as_of_table(self.as_of), self.tables)
        found: ir.Table = features_at(self.tables, cuts, self.tables.facts, settled=self.tables.settled)
        batches = self.tables.con.to_pyarrow_batches(found, chunk_size=rows)
        # Engines sort texts each by rules of their own, so another one of ours does it.
        return _sorted(batches, rows) if by_customer else batches


def feature_shares(tables: Tables, as_of: Sequence[date]) -> Iterator[FeatureShare]:
    """All customers in shares by rising id, each small enough for the engine's limit of memory.

    Files that are read in place and changed meanwhile are refused after the last share.

    Raises
    ------
    InputError
        A file changed.
    """
    days = tuple(as_of)
    shares: Iterable[Share] = [(None, None)]
    if shape_of(tables) is not None:
        shares = tables.shares_of(len(set(days)))
    for share in shares:
        yield FeatureShare(tables, days, share)
    tables.still()


def stream_features(
    tables: Tables, as_of: Sequence[date], *, by_customer: bool = False, rows: int = 50_000
) -> Iterator[pa.RecordBatch]:
    """The rows of `features.plan.fetch_features`, some at a time: no more than a batch of them is held here.

    The engine is busy until the last batch is taken.

    Parameters
    ----------
    tables : Tables
        Loaded tables.
    as_of : sequence of date
        Cut-off days in the business zone.
    by_customer : bool, default False
        Sort by customer and day, so that the same tables give the same batches every time. An engine of ours does it
        on disk where its memory does not suffice.
    rows : int, default 50_000
        About how many rows a batch has, ≥ 1.

    Examples
    --------
    >>> from datetime import date, datetime
    >>> from features.frames import tables_from_frames
    >>> orders = pa.table({"customer_id": ["b", "a"], "time": [datetime(2026, 1, 5)] * 2, "amount": [9.5, 3.0]})
    >>> batches = stream_features(tables_from_frames({"orders": orders}), [date(2026, 1, 15)], by_customer=True)
    >>> [batch.column("customer_id").to_pylist() for batch in batches]
    [['a', 'b']]
    """
    for share in feature_shares(tables, as_of):
        yield from share.reader(rows, by_customer=by_customer)


def _sorted(batches: pa.RecordBatchReader, rows: int) -> pa.RecordBatchReader:
    """The rows by customer and day; what does not fit into memory lies in a private folder meanwhile."""
    con, schema = connect(), batches.schema
    keep_compact(con, _SORT_BYTES)
    con.con.register("found", batches)

    def ordered() -> Iterator[pa.RecordBatch]:
        for batch in con.con.execute(f"FROM found {_ORDER}").to_arrow_reader(rows):
            yield batch.cast(schema)
        con.disconnect()

    return pa.RecordBatchReader.from_batches(schema, ordered())
