"""A list of any length in bounded memory: batches of features in, a folder of Parquet files out.

Every row depends on its customer alone, so batches are scored one by one, on several cores, each into a run that is
sorted by itself (`serving.list_runs`). The order of the list, by value at stake, is that of all runs together: they are
merged into the files of the list, of which the first holds the customers with most at stake. The folder appears whole,
in one step, or not at all; who is killed before goes on where they stopped.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import tempfile
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import date
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from features.errors import InputError, NotEnoughData
from features.progress import Progress, part_of, silent
from features.publish import output_lock, publish_dir
from serving.list_batches import equal_batches, list_batch
from serving.list_folder import RECORD, check_list_folder, write_part, write_record
from serving.list_runs import Place, Run, RunFolder, digest, in_order
from serving.scorer import Scorer

__all__ = ["StreamSettings", "Streamed", "stream_list"]

_T = TypeVar("_T")
_COUNTED = ("status", "value_class", "strategy", "evidence")
_TOTALLED = re.compile(r"expected_(value|margin)_[0-9]+d|clv")
_CHECK_BYTES = 256 * 2**20


@dataclass(frozen=True)
class StreamSettings:
    """How a list is streamed; nothing of it but `explain` changes a row.

    Parameters
    ----------
    explain : bool, default True
        Give the reasons, which take longer than everything else together.
    threads : int, default 2
        Batches scored at the same time, ≥ 1.
    batch_rows : int, default 50_000
        Customers in a batch, and about as many in each file of the list, ≥ 1.
    """

    explain: bool = True
    threads: int = 2
    batch_rows: int = 50_000


@dataclass(frozen=True)
class Streamed:
    """What was written.

    Parameters
    ----------
    rows : int
        Customers on the list.
    files : int
        Files they stand in.
    kept : int
        Batches that an earlier run had scored before it was killed.
    counts : dict
        Customers by label, for the columns status, value class, strategy and evidence.
    totals : dict
        Sums of expected value, expected margin and lifetime value.
    sha256 : str
        SHA-256 of the list's record, which holds those of all files.
    """

    rows: int
    files: int
    kept: int
    counts: dict[str, dict[str, int]]
    totals: dict[str, float]
    sha256: str


def stream_list(
    scorer: Scorer,
    features: Path | Iterable[pa.RecordBatch],
    as_of: date,
    out: Path,
    *,
    settings: StreamSettings = StreamSettings(),
    left_out: Collection[str] = frozenset(),
    progress: Progress = silent,
) -> Streamed:
    """Score customers batch by batch and publish their list as a folder of Parquet files.

    Parameters
    ----------
    scorer : Scorer
        The model and the strategy table.
    features : Path, or iterable of pyarrow.RecordBatch
        ``customer_id`` and all features of a day, each customer once; a Parquet file (or a folder of some), or batches
        of any size.
    as_of : date
        The day the features describe.
    out : Path
        The folder to be. A list that stands there is replaced in one step; a folder with anything else is refused.
    settings : StreamSettings
        Threads, sizes, reasons.
    left_out : collection of str
        Customers who want no contact.
    progress : callable
        Told the stage and the share done.

    Returns
    -------
    Streamed
        Figures of the list. Its rows are those of `Scorer.score`, in the same order; files are named by place.

    Raises
    ------
    InputError
        A column is missing, a customer comes twice, or a file is no Parquet.
    NotEnoughData
        Nobody is on the list.
    PublishError, LockedError
        The folder cannot be written; what stood there stands.
    """
    check_list_folder(out)
    with output_lock(out):
        folder = RunFolder(out, _key(scorer, as_of, settings, left_out))
        score = partial(list_batch, scorer, as_of=as_of, explain=settings.explain, left_out=left_out)
        runs, kept = _scored(folder, features, score, settings, part_of(progress, 0.0, 0.85))
        rows = sum(run.rows for run in runs)
        if not rows:
            raise NotEnoughData(
                f"features: no customer with an order before {as_of.isoformat()} is on the list"
            )
        _refuse_doubles(folder, runs)
        tell = part_of(progress, 0.85, 1.0)
        head = {
            "as_of": as_of.isoformat(),
            "model_version": scorer.bundle.version,
            "reasons": settings.explain,
        }
        told: list[str] = []
        publish_dir(
            out, lambda to: told.append(_ordered(folder, runs, to, head, settings, tell)), replace=True
        )
        folder.drop()
    files = json.loads((out / RECORD).read_text(encoding="utf-8"))["files"]
    return Streamed(rows, len(files), kept, _counted(runs), _totalled(runs), told[0])


def _key(scorer: Scorer, as_of: date, settings: StreamSettings, left_out: Collection[str]) -> dict[str, Any]:
    """What a run depends on besides its features."""
    return {
        "program": version("retain"),
        "model": scorer.bundle.version,
        "as_of": as_of.isoformat(),
        "settings": scorer.settings_hash,
        "explain": settings.explain,
        "batch_rows": settings.batch_rows,
        "left_out": hashlib.sha256("\n".join(sorted(left_out)).encode()).hexdigest(),
    }


def _scored(
    folder: RunFolder,
    features: Path | Iterable[pa.RecordBatch],
    score: Callable[[pa.RecordBatch], pa.RecordBatch],
    settings: StreamSettings,
    progress: Progress,
) -> tuple[list[Run], int]:
    """A run for every batch, and how many were there already."""
    batches, total = _read(features, settings.batch_rows)
    tasks = (partial(_run, folder, number, batch, score) for number, batch in enumerate(batches))
    runs: list[Run] = []
    kept = done = 0
    for run, was_there, customers in _in_turn(tasks, settings.threads):
        runs.append(run)
        kept, done = kept + was_there, done + customers
        progress("scoring", done / total if total else 0.5)
    return runs, kept


def _run(
    folder: RunFolder, number: int, batch: pa.RecordBatch, score: Callable[[pa.RecordBatch], pa.RecordBatch]
) -> tuple[Run, bool, int]:
    source = digest(batch)
    found = folder.kept(number, source)
    if found is not None:
        return found, True, batch.num_rows
    rows = pa.Table.from_batches([score(batch)])
    counts = {name: _count(rows.column(name)) for name in _COUNTED}
    totals = {
        name: pc.sum(rows.column(name)).as_py() or 0.0
        for name in rows.column_names
        if _TOTALLED.fullmatch(name)
    }
    made = folder.put(in_order(rows), Run(number, source, "", rows.num_rows, counts, totals))
    return made, False, batch.num_rows


def _read(features: Path | Iterable[pa.RecordBatch], rows: int) -> tuple[Iterator[pa.RecordBatch], int]:
    """Batches of equal size, and the number of all rows where it is known."""
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
    with _refusing(file), pq.ParquetFile(file, page_checksum_verification=True) as opened:
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


def _in_turn(tasks: Iterable[Callable[[], _T]], threads: int) -> Iterator[_T]:
    """What the tasks give, in their order, some at the same time; no more are begun than are waited for."""
    waiting: deque[Future[_T]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for task in tasks:
                waiting.append(pool.submit(task))
                if len(waiting) > threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for left in waiting:
                left.cancel()


def _refuse_doubles(folder: RunFolder, runs: Sequence[Run]) -> None:
    """Each customer may come once; told out of core."""
    ids = pa.RecordBatchReader.from_batches(pa.schema([("customer_id", pa.string())]), folder.customers(runs))
    with tempfile.TemporaryDirectory(dir=folder.path) as spill, closing(duckdb.connect()) as engine:
        engine.execute(f"SET memory_limit = '{_CHECK_BYTES}B'")
        engine.execute("SET temp_directory = '{}'".format(spill.replace("'", "''")))
        engine.register("ids", ids)
        twice = "SELECT customer_id FROM ids GROUP BY customer_id HAVING count(*) > 1"
        found = engine.execute(f"SELECT count(*) FROM ({twice})").fetchone()  # noqa: S608 - a statement of ours
    if found and found[0]:
        raise InputError(f"features: {found[0]:,} customers come more than once; give one row per customer")


def _ordered(
    folder: RunFolder,
    runs: Sequence[Run],
    to: Path,
    head: dict[str, Any],
    settings: StreamSettings,
    progress: Progress,
) -> str:
    """Merge the runs into the files of the list; returns the SHA-256 of their record."""
    indexes = [folder.index(run) for run in runs]
    cuts = _cuts(indexes, max(1, round(sum(run.rows for run in runs) / settings.batch_rows)))
    ends = list(zip([None, *cuts], [*cuts, None], strict=True))

    def write(number: int, low: Place | None, high: Place | None) -> dict[str, Any]:
        pieces = [folder.between(run, index, low, high) for run, index in zip(runs, indexes, strict=True)]
        rows = pa.concat_tables(pieces).unify_dictionaries()
        return write_part(in_order(rows), to, number)

    files = []
    tasks = (partial(write, number, *between) for number, between in enumerate(ends))
    for file in _in_turn(tasks, settings.threads):
        files.append(file)
        progress("writing the list", len(files) / len(ends))
    return write_record(to, head, files)


def _cuts(indexes: Sequence[Sequence[Place]], parts: int) -> list[Place]:
    """Places that part the list into about equal files."""
    known = sorted(place for index in indexes for place in index)
    return [known[len(known) * n // parts] for n in range(1, min(parts, len(known)))]


def _counted(runs: Sequence[Run]) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {name: {} for name in _COUNTED}
    for run in runs:
        for name, counts in run.counts.items():
            for label, count in counts.items():
                found[name][label] = found[name].get(label, 0) + count
    return {name: dict(sorted(counts.items(), key=lambda c: (-c[1], c[0]))) for name, counts in found.items()}


def _totalled(runs: Sequence[Run]) -> dict[str, float]:
    return {name: math.fsum(run.totals[name] for run in runs) for name in runs[0].totals}


def _count(column: pa.ChunkedArray) -> dict[str, int]:
    return {
        str(found["values"]): found["counts"]
        for found in pc.value_counts(column.cast(pa.string())).to_pylist()
    }
