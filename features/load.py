"""From the user's sources to typed tables, with a report of all that was repaired or set aside."""

# ruff: noqa: S608  (identifiers in the statements are names of the contract, never texts of the user)
from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa

from features.cast import cast_table
from features.columns import AMOUNT_PARTS
from features.contract import TABLES, TableContract
from features.engine import COMPACT_ROWS, compact, keep_compact
from features.errors import InputError
from features.find_files import find_files
from features.findings import Ledger, SetAside
from features.frames import connect, empty_table, holiday_calendar, tables_from_frames
from features.ledger import UNUSED, unused_lines, unused_money, used_money
from features.limits import EngineLimits
from features.parse_time import parse_time
from features.quality import (
    check_amounts,
    check_sense,
    note_duplicates,
    note_faults,
    note_lost_customers,
    note_months,
    refuse_too_many,
    set_foreign_currency_aside,
    settle_amounts,
)
from features.read_files import memory_budget, read_database, read_file
from features.report import DataReport
from features.rhythm_report import order_facts
from features.settings import DataSettings, TableSource
from features.stage import Stage
from features.tables import Tables

__all__ = ["ASIDE", "Loaded", "Progress", "Quarantine", "load", "tables_from_frames"]

Progress = Callable[[str, float], None]

ASIDE = pa.schema([(n, pa.int64() if n == "line" else pa.string()) for n in SetAside.__annotations__])
"""Columns of the quarantine."""

_WORKING = ("_file", "_line", "_fault", "_value", "_cells")


@dataclass(frozen=True)
class Quarantine:
    """Rows that were set aside: ``table, source, line, column, rule, value``."""

    rows: pa.Table

    def __len__(self) -> int:
        return int(self.rows.num_rows)

    def __iter__(self) -> Iterator[SetAside]:
        for batch in self.rows.to_batches(max_chunksize=10_000):
            for row in batch.to_pylist():
                yield SetAside(**row)


@dataclass(frozen=True)
class Loaded:
    """What `load` hands on: typed tables, the report, the rows that were set aside, and the money of the order
    lines that are not used (`features.ledger.UNUSED`).
    """

    tables: Tables
    report: DataReport
    quarantine: Quarantine
    unused: pa.Table = field(default_factory=UNUSED.empty_table)


def load(
    settings: DataSettings,
    *,
    base: Path = Path(),
    progress: Progress | None = None,
    strict: bool = True,
    today: date | None = None,
    describe: bool = True,
) -> Loaded:
    """Reads, casts and checks all configured tables; with ``in_place`` they stay where they are.

    Parameters
    ----------
    settings : DataSettings
    base : Path
        Folder that relative paths start from: the one of the configuration file.
    progress : callable, optional
        Called with the name of the table and the share done, 0 to 1.
    strict : bool
        Whether errors raise. Otherwise they stand in the report, and tables that failed are absent or empty.
    today : date, optional
        Day against which times are *in the future*; the current day of the business zone by default.
    describe : bool
        Whether the report says what the orders are like (``facts``): a run that only uses the tables need not wait.

    Returns
    -------
    Loaded

    Raises
    ------
    InputError
        All errors of all tables in one message (with ``strict``), and in any case when neither orders nor
        contracts are configured.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     file = Path(folder, "orders.csv")
    ...     _ = file.write_text("customer_id,time,amount\\n007,2026-01-05,12.5\\n7,2026-01-06,inf\\n")
    ...     source = TableSource(path=(str(file),))
    ...     loaded = load(DataSettings(orders=source, max_quarantined_share=0.6), today=date(2026, 2, 1))
    >>> [(row.line, row.column, row.rule) for row in loaded.quarantine]
    [(3, 'amount', 'not_finite')]
    """
    if settings.orders is None and settings.contracts is None:
        raise InputError("no orders and no contracts are configured; set path or url under [data.orders]")
    day = today or datetime.now(ZoneInfo(settings.timezone)).date()
    if settings.in_place:
        # It builds on what is here.
        from features.in_place import load_in_place

        told = progress or (lambda name, share: None)
        return load_in_place(settings, base=base, progress=told, strict=strict, today=day, describe=describe)
    con = connect()
    limits = EngineLimits.of(settings)
    keep_compact(con, limits.memory_bytes)
    con.raw_sql(f"SET threads = {limits.threads}")
    jobs = [_Job(con, TABLES[name], source, settings, day) for name, source in settings.sources.items()]
    for job in jobs:
        job.run(base, progress or (lambda name, share: None))
    report = DataReport([finding for job in jobs for finding in job.ledger.findings])
    if strict and report.errors:
        raise InputError("\n".join(f"{f.table}: {f.en}" for f in report.errors))
    lazy: dict[str, Any] = {job.contract.name: con.table(job.contract.name) for job in jobs if job.done}
    if "orders" not in lazy:
        con.con.register("orders", empty_table(TABLES["orders"]))
        lazy["orders"] = con.table("orders")
    lazy["calendar"] = holiday_calendar(con, settings.country)
    tables = Tables(con=con, timezone=settings.timezone, currency=settings.currency, **lazy)
    facts = {"timezone": settings.timezone, "currency": settings.currency, "country": settings.country}
    report.facts = facts | (order_facts(tables) if describe else {})
    aside = Quarantine(pa.concat_tables(job.set_aside() for job in jobs))
    return Loaded(tables, report, aside, pa.concat_tables(job.unused for job in jobs))


@dataclass
class _Job:
    """The way of one table, from its sources to its place in the engine."""

    con: Any
    contract: TableContract
    source: TableSource
    settings: DataSettings
    today: date

    def __post_init__(self) -> None:
        self.ledger = Ledger(self.contract.name)
        self.stage = Stage(self.con.con, self.contract.name, self.settings.timezone)
        self.typed = ""
        self.by_cast = ASIDE.empty_table()
        self.done = False
        self.unused = UNUSED.empty_table()

    def run(self, base: Path, progress: Progress) -> None:
        """Reads, casts, checks and keeps; errors go to the ledger."""
        progress(self.contract.name, 0.0)
        try:
            parse_time("", self.settings.timezone, self.source.date_format)
            self._read(base, progress)
            self.typed = cast_table(self.stage, self.source, self.settings, self.ledger, self.today)
            self.stage.drop()
            self._check()
            self.done = True
        except InputError as error:
            self.ledger.note("unreadable", "error", 0, detail=str(error))
        self.stage.drop()
        if self.contract.name == "orders":
            self.unused = self._unused()
        if self.typed:
            self._settle()
        progress(self.contract.name, 1.0)

    def _read(self, base: Path, progress: Progress) -> None:
        faults = []
        if self.source.url is not None:
            self._pile(read_database(self.contract, self.source, self.ledger, base), str(self.source.table))
        labels = {*self.contract.names, *self.source.columns.values()}
        files = find_files(self.source.path, base, self.ledger, columns=labels)
        for done, path in enumerate(files, 1):
            try:
                self._pile(read_file(path, self.contract, self.source, self.ledger), path.name)
            except InputError as error:
                faults.append(str(error))
            progress(self.contract.name, 0.7 * done / len(files))
        if not faults and not self.stage.parts:
            faults.append(f"{self.contract.name}: set path or url; neither is there")
        if faults:
            raise InputError("\n".join(faults))
        self.stage.show()
        if not self.stage.rows and not self.ledger.aside:
            self.ledger.note("no_rows", "warning", 0)

    def _pile(self, pieces: Iterator[pa.Table], source: str) -> None:
        budget = memory_budget()
        held = 0
        for piece in pieces:
            held += piece.nbytes
            if held > budget:
                raise InputError(
                    f"{source}: needs more than {budget // 2**20:,} MiB of memory; split the file"
                )
            self.stage.add(piece, source)

    def _check(self) -> None:
        present = set(self._names())
        if "amount" in present or set(AMOUNT_PARTS) <= present:
            settle_amounts(self.stage, self.typed, present, self.ledger)
        if "currency" in present:
            set_foreign_currency_aside(self.stage, self.typed, self.settings, self.ledger)
        note_faults(self.stage, self.typed, self.settings, self.source.date_format, self.ledger)
        note_lost_customers(self.stage, self.typed, self.ledger)
        refuse_too_many(self.ledger, self.stage.rows, self.settings.max_quarantined_share)
        self._drop_copies()
        check_sense(self.stage.con, self.typed, self._names(), self.ledger)
        if "amount" in self._names():
            check_amounts(self.stage, self.typed, self._names(), self.ledger)
            note_months(self.stage.con, self.typed, self.ledger)

    def _drop_copies(self) -> None:
        counted = self.contract.name == "orders" and self.settings.exact_duplicates == "drop"
        before = used_money(self.stage.con, self.typed) if counted else None
        note_duplicates(self.stage, self.typed, self._names(), self.settings, self.ledger)
        if before is not None:
            rows, units = (b - a for b, a in zip(before, used_money(self.stage.con, self.typed), strict=True))
            self.unused = unused_lines("duplicates_dropped", rows, rows, units)

    def _settle(self) -> None:
        """Only the good rows stay, and what the contract tells of them, under the name of the table."""
        self.by_cast = self._faulty()
        execute = self.con.con.execute
        if not self.done:
            execute(f'DROP TABLE "{self.typed}"')
            return
        execute(f'DELETE FROM "{self.typed}" WHERE _fault IS NOT NULL')
        for column in _WORKING:
            execute(f'ALTER TABLE "{self.typed}" DROP COLUMN {column}')
        execute(f'ALTER TABLE "{self.typed}" RENAME TO "{self.contract.name}"')
        if self.stage.rows > COMPACT_ROWS:
            compact(self.con.con)

    def _unused(self) -> pa.Table:
        """The money of lines that are not used; of lines the readers could not take only the number is known."""
        read = [unused_lines(rule, n, 0, 0) for rule, n in Counter(a.rule for a in self.ledger.aside).items()]
        cast = [unused_money(self.con.con, self.typed, self.settings.currency)] if self.typed else []
        return pa.concat_tables([self.unused, *read, *cast])

    def _names(self) -> list[str]:
        there = {row[0] for row in self.con.con.execute(f'DESCRIBE "{self.typed}"').fetchall()}
        return [name for name in self.contract.names if name in there]

    def set_aside(self) -> pa.Table:
        """Rows of this table that were set aside, by the readers and by the cast."""
        by_readers = pa.Table.from_pylist([vars(row) for row in self.ledger.aside], ASIDE)
        return pa.concat_tables([by_readers, self.by_cast])

    def _faulty(self) -> pa.Table:
        """Rows with a fault, as the quarantine tells of them."""
        files = pa.table({"file": range(len(self.stage.sources)), "source": self.stage.sources})
        self.con.con.register("files", files)
        found = self.con.con.execute(
            f"SELECT ? AS \"table\", source, _line AS line, split_part(_fault, ':', 1) AS column, "
            f"split_part(_fault, ':', 2) AS rule, coalesce(_value, '') AS value "
            f'FROM "{self.typed}" JOIN files ON _file = file WHERE _fault IS NOT NULL ORDER BY source, line',
            [self.contract.name],
        ).to_arrow_table()
        self.con.con.unregister("files")
        return found.select(ASIDE.names).cast(ASIDE)
