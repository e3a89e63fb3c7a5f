"""Rows of the list from batches of features: each batch alone, and every row as the plain list has it.

All columns of a row depend on that customer and on what was frozen at training, so a batch may hold any customers in
any order. The same function fills the parts of a streamed list on one machine and the partitions of a list on Spark.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from features.errors import InputError
from features.pipeline import FEATURES
from serving.row_columns import as_batch
from serving.scorer import Scorer
from training.models.rows import Rows

__all__ = ["equal_batches", "list_batch", "list_schema", "read_features"]

_ROWS_AT_ONCE = 8_192
"""Customers scored at a time: their features fit in the cache of a core."""


def list_batch(
    scorer: Scorer,
    features: pa.RecordBatch,
    as_of: date,
    *,
    explain: bool = True,
    left_out: Collection[str] = frozenset(),
) -> pa.RecordBatch:
    """The list's rows of the customers in one batch of features, in its order.

    Parameters
    ----------
    scorer : Scorer
        The model and the strategy table.
    features : pyarrow.RecordBatch
        ``customer_id`` and all features (`features.pipeline.FEATURES`), one row per customer. Who never bought
        anything is no customer yet and gets no row.
    as_of : date
        The day the features describe.
    explain : bool, default True
        Give ``reasons`` and ``reasons_zh``.
    left_out : collection of str
        Customers who get no row.

    Returns
    -------
    pyarrow.RecordBatch
        Columns as the list has them, bit for bit.

    Raises
    ------
    InputError
        A column is missing, or an id.
    """
    _check(features)
    known = _customers(features, left_out)
    parts = [known.slice(start, _ROWS_AT_ONCE) for start in range(0, max(known.num_rows, 1), _ROWS_AT_ONCE)]
    rows = [_rows(scorer, part, as_of, explain) for part in parts]
    return pa.concat_batches(rows) if len(rows) > 1 else rows[0]


def list_schema(scorer: Scorer, as_of: date, *, explain: bool = True) -> pa.Schema:
    """The columns of `list_batch` without scoring anybody."""
    names = ["customer_id", *FEATURES]
    nobody = [pa.array([], pa.string()), *(pa.array([], pa.float64()) for _ in FEATURES)]
    return list_batch(scorer, pa.RecordBatch.from_arrays(nobody, names=names), as_of, explain=explain).schema


def equal_batches(batches: Iterable[pa.RecordBatch], rows: int) -> Iterator[pa.RecordBatch]:
    """The same rows in batches of equal size, the last one smaller, however they come.

    Examples
    --------
    >>> pieces = pa.table({"customer_id": list("abcde")}).to_batches(max_chunksize=2)
    >>> [batch.num_rows for batch in equal_batches(pieces, 3)]
    [3, 2]
    """
    waiting: list[pa.RecordBatch] = []
    there = 0
    for batch in batches:
        while batch.num_rows:
            some = batch.slice(0, rows - there)
            batch = batch.slice(some.num_rows)
            waiting.append(some)
            there += some.num_rows
            if there == rows:
                yield _together(waiting)
                waiting, there = [], 0
    if waiting:
        yield _together(waiting)


def _together(batches: list[pa.RecordBatch]) -> pa.RecordBatch:
    return batches[0] if len(batches) == 1 else pa.concat_batches(batches)


def _check(features: pa.RecordBatch) -> None:
    there = set(features.schema.names)
    missing = [name for name in ("customer_id", *FEATURES) if name not in there]
    if missing:
        raise InputError(
            f"features: {len(missing)} of {len(FEATURES) + 1} columns are missing, e.g. {missing[0]!r}; make them with "
            "`retain features` of this version"
        )
    if gone := features.column("customer_id").null_count:
        raise InputError(
            f"features: customer_id is missing in {gone:,} of {features.num_rows:,} rows of a batch"
        )


def _customers(features: pa.RecordBatch, left_out: Collection[str]) -> pa.RecordBatch:
    """Those who bought something and want to be contacted."""
    kept = pc.fill_null(pc.greater(features.column("purchase_days"), 0), False)
    if left_out:
        ids = features.column("customer_id")
        refused = pc.is_in(ids, value_set=pa.array(sorted(left_out), pa.string()).cast(ids.type))
        kept = pc.and_not(kept, refused)
    return features if pc.all(kept).as_py() else features.filter(kept)


def _rows(scorer: Scorer, known: pa.RecordBatch, as_of: date, explain: bool) -> pa.RecordBatch:
    matrix = np.empty((known.num_rows, len(FEATURES)))
    for place, name in enumerate(FEATURES):
        column = known.column(name)
        matrix[:, place] = column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    ids = known.column("customer_id")
    return as_batch(ids, scorer.columns(Rows(FEATURES, matrix), as_of, explain=explain))


def read_features(
    features: Path | Iterable[pa.RecordBatch], rows: int
) -> tuple[Iterator[pa.RecordBatch], int]:
    """Batches of equal size of a file, a folder of files, or other batches; and the number of all rows where it is known.

    Raises
    ------
    InputError
        A file is missing, torn or no Parquet; some of it only while it is read.
    """
    if not isinstance(features, Path):
        return equal_batches(features, rows), 0
    files = sorted(features.glob("*.parquet")) if features.is_dir() else [features]
    if not files:
        raise InputError(f"{features}: holds no Parquet file; give a file or a folder of them")
    total = sum(_footer(file).num_rows for file in files)
    return equal_batches((b for file in files for b in _batches(file, rows)), rows), total


def _footer(file: Path) -> pq.FileMetaData:
    with _refusing(file):
        return pq.read_metadata(file)


def _batches(file: Path, rows: int) -> Iterator[pa.RecordBatch]:
    # What is read ahead stays in memory until the last batch of the file is taken.
    options = {"page_checksum_verification": True, "pre_buffer": False}
    with _refusing(file), pq.ParquetFile(file, **options) as opened:
        yield from opened.iter_batches(rows)


@contextmanager
def _refusing(file: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise InputError(f"{file.name}: there is no such file in {file.parent}.") from None
    except (pa.ArrowException, OSError) as error:
        cause = str(error).strip().split("\n")[0]
        raise InputError(
            f"{file.name}: is torn, damaged or no Parquet file ({cause}). Make the features again."
        ) from error
