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
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from features.errors import InputError, NotEnoughData
from features.progress import Progress, part_of, silent
from features.publish import output_lock, publish_dir
from serving.list_batches import list_batch, read_features
from serving.list_folder import RECORD, check_list_folder, part_name, write_part, write_record
from serving.list_runs import ORDER, ROWS, TOP, Place, Run, RunFolder, digest, in_order, up_to
from serving.scorer import Scorer

__all__ = ["StreamSettings", "Streamed", "stream_list"]

_T = TypeVar("_T")
_COUNTED = ("status", "value_class", "strategy", "evidence")
_TOTALLED = re.compile(r"expected_(value|margin)_[0-9]+d|clv")
_REASONS = ("reasons", "reasons_zh")
_CHECK_BYTES = 128 * 2**20


@dataclass(frozen=True)
class StreamSettings:
    """How a list is streamed; nothing of it but `reasons` changes a row.

    Parameters
    ----------
    reasons : int or None, default 10_000
        For how many customers to give the reasons: those with most at stake, the first of the list. None for
        everybody, which takes several times as long as everything else together; 0 leaves the columns out.
    threads : int, default 2
        Batches scored at the same time, ≥ 1.
    batch_rows : int, default 50_000
        Customers in a batch, and about as many in each file of the list, ≥ 1.
    """

    reasons: int | None = 10_000
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
    reasons : int
        Customers with reasons, the first of the list.
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
    reasons: int
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
        stream = _Stream(folder, scorer, as_of, settings, left_out)
        runs, kept = stream.score(features, part_of(progress, 0.0, 0.85))
        rows = sum(run.rows for run in runs)
        if not rows:
            raise NotEnoughData(
                f"features: no customer with an order before {as_of.isoformat()} is on the list"
            )
        _refuse_doubles(folder, runs)
        told: list[str] = []
        tell = part_of(progress, 0.85, 1.0)
        publish_dir(out, lambda to: told.append(stream.write(runs, to, tell)), replace=True)
        folder.drop()
    record = json.loads((out / RECORD).read_text(encoding="utf-8"))
    files, reasons = len(record["files"]), record["reasons"]
    return Streamed(rows, files, reasons, kept, _counted(runs), _totalled(runs), told[0])


def _key(scorer: Scorer, as_of: date, settings: StreamSettings, left_out: Collection[str]) -> dict[str, Any]:
    """What a run depends on besides its features."""
    return {
        "program": version("retain"),
        "model": scorer.bundle.version,
        "as_of": as_of.isoformat(),
        "settings": scorer.settings_hash,
        "reasons": settings.reasons,
        "batch_rows": settings.batch_rows,
        "left_out": hashlib.sha256("\n".join(sorted(left_out)).encode()).hexdigest(),
    }


@dataclass(frozen=True)
class _Stream:
    """The two passes of a list: batches become runs, runs become files."""

    folder: RunFolder
    scorer: Scorer
    as_of: date
    settings: StreamSettings
    left_out: Collection[str]

    def score(self, features: Path | Iterable[pa.RecordBatch], progress: Progress) -> tuple[list[Run], int]:
        """A run for every batch, and how many were there already."""
        batches, total = read_features(features, self.settings.batch_rows)
        tasks = (partial(self._run, number, batch) for number, batch in enumerate(batches))
        runs: list[Run] = []
        kept = done = 0
        for run, was_there, customers in _in_turn(tasks, self.settings.threads):
            runs.append(run)
            kept, done = kept + was_there, done + customers
            progress("scoring", done / total if total else 0.5)
        return runs, kept

    def write(self, runs: Sequence[Run], to: Path, progress: Progress) -> str:
        """Merge the runs into the files of the list; returns the SHA-256 of their record."""
        indexes = [self.folder.index(run, ROWS) for run in runs]
        rows = sum(run.rows for run in runs)
        cuts = _cuts(indexes, max(1, round(rows / self.settings.batch_rows)))
        ends = list(zip([None, *cuts], [*cuts, None], strict=True))
        tag, told = _tag(self.folder, runs), None
        if self.settings.reasons:
            tops = [self.folder.index(run, TOP) for run in runs]
            told = _Told(tops, self.folder.place(runs, self.settings.reasons))

        def write(number: int, low: Place | None, high: Place | None) -> dict[str, Any]:
            found = self._merged(ROWS, runs, indexes, low, high)
            if told is not None:
                found = self._with_reasons(found, runs, told, low, high)
            return write_part(found, to / part_name(number, tag))

        files = []
        tasks = (partial(write, number, *between) for number, between in enumerate(ends))
        for file in _in_turn(tasks, self.settings.threads):
            files.append(file)
            progress("writing the list", len(files) / len(ends))
        most = rows if self.settings.reasons is None else min(rows, self.settings.reasons)
        head = {"as_of": self.as_of.isoformat(), "model_version": self.scorer.bundle.version, "reasons": most}
        return write_record(to, head, files)

    def _run(self, number: int, batch: pa.RecordBatch) -> tuple[Run, bool, int]:
        source = digest(batch)
        found = self.folder.kept(number, source)
        if found is not None:
            return found, True, batch.num_rows
        rows = pa.Table.from_batches([self._scored(batch, explain=self.settings.reasons is None)])
        counts = {name: _count(rows.column(name)) for name in _COUNTED}
        named = [name for name in rows.column_names if _TOTALLED.fullmatch(name)]
        totals = {name: pc.sum(rows.column(name)).as_py() or 0.0 for name in named}
        rows = in_order(rows)
        top = _top(rows, batch, self.settings.reasons) if self.settings.reasons else None
        made = self.folder.put(Run(number, source, "", "", rows.num_rows, counts, totals), rows, top)
        return made, False, batch.num_rows

    def _scored(self, features: pa.RecordBatch, *, explain: bool) -> pa.RecordBatch:
        return list_batch(self.scorer, features, self.as_of, explain=explain, left_out=self.left_out)

    def _merged(
        self,
        kind: str,
        runs: Sequence[Run],
        indexes: Sequence[Sequence[Place]],
        low: Place | None,
        high: Place | None,
    ) -> pa.Table:
        """The rows of all runs between two places, in order."""
        pieces = [self.folder.between(kind, run, i, low, high) for run, i in zip(runs, indexes, strict=True)]
        return in_order(pa.concat_tables(pieces).unify_dictionaries())

    def _with_reasons(
        self, rows: pa.Table, runs: Sequence[Run], told: _Told, low: Place | None, high: Place | None
    ) -> pa.Table:
        """The rows of a file with the reasons of those with most at stake; missing for the others."""
        first = up_to(rows, told.last)
        columns: dict[str, list[pa.Array]] = {name: [] for name in _REASONS}
        if first:
            features = self._merged(TOP, runs, told.indexes, low, high).slice(0, first).combine_chunks()
            known = self._scored(features.to_batches()[0], explain=True)
            columns = {name: [known.column(name)] for name in _REASONS}
        for name, texts in columns.items():
            rest = pa.nulls(rows.num_rows - first, pa.string())
            rows = rows.append_column(name, pa.chunked_array([*texts, rest]))
        return rows


@dataclass(frozen=True)
class _Told:
    """Whose reasons are given: the indexes of their features by run, and the place of the last one."""

    indexes: Sequence[Sequence[Place]]
    last: Place


def _tag(folder: RunFolder, runs: Sequence[Run]) -> str:
    """What tells a list from one of other features, another model or other settings: 8 hex digits."""
    said = [folder.key, *(run.source for run in runs)]
    return hashlib.sha256("\n".join(said).encode()).hexdigest()[:8]


def _top(rows: pa.Table, features: pa.RecordBatch, count: int) -> pa.Table:
    """The features of the first of some rows in order, with what they are ordered by."""
    first = rows.select([name for name, _ in ORDER]).slice(0, count).combine_chunks()
    ids = features.column("customer_id").cast(pa.string())
    places = pc.index_in(first.column("customer_id"), value_set=ids)
    found = pa.Table.from_batches([features]).take(places)
    return found.append_column("value_at_stake", first.column("value_at_stake")).combine_chunks()


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
        engine.execute("SET threads = 2")
        engine.execute("SET temp_directory = '{}'".format(spill.replace("'", "''")))
        engine.register("ids", ids)
        twice = "SELECT customer_id FROM ids GROUP BY customer_id HAVING count(*) > 1"
        found = engine.execute(f"SELECT count(*) FROM ({twice})").fetchone()  # noqa: S608 - a statement of ours
    if found and found[0]:
        raise InputError(f"features: {found[0]:,} customers come more than once; give one row per customer")


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
