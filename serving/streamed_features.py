"""The features of everybody on a day, in bounded memory: as one Parquet file, or as a folder of them.

Customers come share by share (`features.streams`), sorted by their id. A folder appears whole, in one step, or not at all;
who is killed before goes on where they stopped: a share that was finished of the same rows is taken as it is.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow as pa

from features.parquet import write_parquet
from features.progress import Progress, silent
from features.publish import output_lock, publish_dir, publish_file
from features.streams import FeatureShare, feature_shares
from features.tables import Tables
from serving.list_folder import check_list_folder, part_name, write_part, write_record
from serving.work_folder import WorkFolder

__all__ = ["WrittenFeatures", "write_feature_file", "write_feature_folder"]

_BATCH_ROWS = 50_000
_RECORD = "share-{:05d}.json"
_PART = "share-{:05d}-{:05d}.parquet"


@dataclass(frozen=True)
class WrittenFeatures:
    """What was written.

    Parameters
    ----------
    rows : int
        Customers.
    files : int
        Files they stand in.
    kept : int
        Files that an earlier run had written before it was stopped.
    sha256 : str
        SHA-256 of the file, or of the folder's record, which holds those of all files.
    """

    rows: int
    files: int
    kept: int
    sha256: str


def write_feature_file(
    tables: Tables, as_of: date, out: Path, *, progress: Progress = silent, batch_rows: int = _BATCH_ROWS
) -> WrittenFeatures:
    """Publish the features of everybody as one Parquet file.

    Parameters
    ----------
    tables : Tables
        Loaded tables.
    as_of : date
        Cut-off day in the business zone.
    out : Path
        The file; an earlier one there is replaced in one step.
    progress : callable
        Told the stage and the share done.
    batch_rows : int, default 50_000
        Customers in memory at a time, about, ≥ 1.

    Returns
    -------
    WrittenFeatures
        The file holds ``as_of``, ``customer_id`` and all features, by customer.

    Raises
    ------
    PublishError, LockedError
        The file cannot be written; what stood there stands.
    """
    told = _Told(tables, progress)
    rows = _rows(feature_shares(tables, [as_of]), batch_rows, told)
    # the types of the other lists of this format
    long_texts = [f.with_type(pa.large_string()) if pa.types.is_string(f.type) else f for f in rows.schema]
    found = rows.cast(pa.schema(long_texts))
    made = publish_file(out, lambda part: write_parquet(found, part), rows=lambda: told.done, kind="list")
    return WrittenFeatures(told.done, 1, 0, made.sha256)


def write_feature_folder(
    tables: Tables, as_of: date, out: Path, *, progress: Progress = silent, batch_rows: int = _BATCH_ROWS
) -> WrittenFeatures:
    """Publish the features of everybody as a folder of Parquet files; go on where a run was stopped.

    Parameters
    ----------
    tables, as_of, progress
        See `write_feature_file`.
    out : Path
        The folder to be. One with features that stands there is replaced in one step; any other is refused.
    batch_rows : int, default 50_000
        Customers in a file, at most, ≥ 1.

    Returns
    -------
    WrittenFeatures
        Figures of the folder.

    Raises
    ------
    PublishError, LockedError
        The folder cannot be written; what stood there stands.
    """
    check_list_folder(out, "features")
    with output_lock(out):
        key = {"program": version("retain"), "as_of": as_of.isoformat(), "batch_rows": batch_rows}
        folder, told = _ShareFolder(out, key), _Told(tables, progress)
        files: list[dict[str, Any]] = []
        kept = 0
        for number, share in enumerate(feature_shares(tables, [as_of])):
            source = share.source()
            found = folder.kept(number, source)
            if found is None:
                found = folder.put(number, source, _rows(iter([share]), batch_rows, told))
            else:
                kept += len(found)
                told.more(sum(file["rows"] for file in found))
            files += found
        files = [file for file in files if file["rows"]] or files[:1]
        made: list[str] = []
        publish_dir(out, lambda to: made.append(folder.publish(files, to, as_of)), replace=True)
        folder.drop()
    return WrittenFeatures(told.done, len(files), kept, made[0])


class _Told:
    """How many customers are done, told as they go by."""

    def __init__(self, tables: Tables, progress: Progress) -> None:
        progress("summing up days", 0.0)
        self._all: int = tables.con.to_pyarrow(tables.facts.customer_id.nunique()).as_py()
        self._progress = progress
        self.done = 0

    def more(self, customers: int) -> None:
        """So many more are done."""
        self.done += customers
        self._progress("making features", self.done / max(self._all, 1))


def _rows(shares: Iterator[FeatureShare], size: int, told: _Told) -> pa.RecordBatchReader:
    """All rows of one or more shares, by customer."""
    first = next(shares).reader(size, by_customer=True)

    def batches() -> Iterator[pa.RecordBatch]:
        for reader in chain([first], (share.reader(size, by_customer=True) for share in shares)):
            for batch in reader:
                yield batch
                told.more(batch.num_rows)

    return pa.RecordBatchReader.from_batches(first.schema, batches())


class _ShareFolder(WorkFolder):
    """The files of the shares that are finished."""

    def kept(self, number: int, source: str) -> list[dict[str, Any]] | None:
        """The files of a share, when they are there, whole, and of the same source; None where that cannot be told."""
        try:
            record = json.loads(self.text(_RECORD.format(number)) or "")
            found: list[dict[str, Any]] = record["files"]
            same = source != "" and record["source"] == source
            return found if same and all(self.has(file["file"], file["sha256"]) for file in found) else None
        except (ValueError, TypeError, LookupError):
            return None

    def put(self, number: int, source: str, rows: pa.RecordBatchReader) -> list[dict[str, Any]]:
        """Keep the rows of a share, a file for each batch and at least one."""
        parts: Iterator[pa.Table] = (pa.Table.from_batches([batch]) for batch in rows)
        parts = chain([next(parts, rows.schema.empty_table())], parts)
        files = [self._file(_PART.format(number, place), part) for place, part in enumerate(parts)]
        self.keep(_RECORD.format(number), json.dumps({"source": source, "files": files}))
        return files

    def publish(self, files: Sequence[Mapping[str, Any]], to: Path, as_of: date) -> str:
        """Put files into the folder to be, under their names there; returns the SHA-256 of its record."""
        tag = hashlib.sha256("\n".join(file["sha256"] for file in files).encode()).hexdigest()[:8]
        named = [{**file, "file": part_name(number, tag)} for number, file in enumerate(files)]
        for file, name in zip(files, named, strict=True):
            _second_name(self.path / file["file"], to / name["file"])
        return write_record(to, {"as_of": as_of.isoformat()}, named, "features")

    def _file(self, name: str, rows: pa.Table) -> dict[str, Any]:
        made: list[dict[str, Any]] = []
        self.write(name, lambda part: made.append(write_part(rows, part)))
        return {**made[0], "file": name}


def _second_name(file: Path, name: Path) -> None:
    """Another name for a file; the only one where the file system knows no second names."""
    try:
        name.hardlink_to(file)
    except OSError:
        file.replace(name)
