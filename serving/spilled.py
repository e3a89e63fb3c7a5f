"""Batches on disk instead of in memory, between who makes them and who reads them, once or again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from features.files import new_file

__all__ = ["spill", "spilled"]

_LZ4 = pa.ipc.IpcWriteOptions(compression="lz4")


def spill(batches: Iterable[pa.RecordBatch], file: Path) -> int:
    """Write batches of one schema into a new private file; how many rows there were.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     file = Path(folder) / "batches"
    ...     rows = spill(pa.table({"a": [1, 2, 3]}).to_batches(max_chunksize=2), file)
    ...     rows, [batch["a"].to_pylist() for batch in spilled(file)]
    (3, [[1, 2], [3]])
    """
    rows = 0
    sink: Any = pa.OSFile(str(new_file(file)), "wb")
    with sink:
        writer = None
        for batch in batches:
            writer = writer or pa.ipc.new_stream(sink, batch.schema, options=_LZ4)
            writer.write_batch(batch)
            rows += batch.num_rows
        if writer is not None:
            writer.close()
    return rows


def spilled(file: Path) -> Iterator[pa.RecordBatch]:
    """The batches again, one at a time; none where none were written."""
    if file.stat().st_size == 0:
        return
    source: Any = pa.OSFile(str(file), "rb")
    with source, pa.ipc.open_stream(source) as batches:
        yield from batches
