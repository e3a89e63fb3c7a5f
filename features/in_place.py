"""Tables where they stand: typed and checked by the engine that holds them, nothing copied.

Parquet is read by embedded DuckDB, tables of one database by that database. The expressions of features and
labels are the same as on tables that were read into memory; on the same clean rows DuckDB gives the same bits.
"""

# ruff: noqa: S608  (what stands in the statements is quoted)
from __future__ import annotations

import os
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import ibis
import ibis.common.exceptions as com
import ibis.expr.datatypes as dt
import ibis.expr.operations as ops
import ibis.expr.types as ir
import pyarrow as pa

from features.address import connect_backend, engine_name, local_file, resolve_url, show_url, without_secrets
from features.columns import match_columns
from features.contract import TABLES, TableContract
from features.engine import keep_compact
from features.errors import ConfigError, InputError, RetainError
from features.findings import Ledger
from features.frames import connect, empty_table, holiday_calendar
from features.ledger import UNUSED
from features.limits import EngineLimits
from features.load import ASIDE, Loaded, Progress, Quarantine
from features.parquet_scan import ParquetScan, scan_parquet
from features.public_holidays import CALENDAR, calendar_rows
from features.pushed_amounts import check_amounts, check_sense, month_sums, note_never_bought
from features.pushed_checks import Counted, PushedChecks
from features.quality import note_empty_months, refuse_too_many
from features.report import DataReport
from features.rhythm_report import order_facts
from features.settings import DataSettings, TableSource
from features.source_types import refuse_types
from features.tables import Tables
from features.typed_view import TypedView

__all__ = ["load_in_place"]

_SOURCE = "source"
_ATTACHED = "attached"


def load_in_place(
    settings: DataSettings, *, base: Path, progress: Progress, strict: bool, today: date, describe: bool
) -> Loaded:
    """`features.load.load` of tables that stay where they are.

    Raises
    ------
    ConfigError
        Tables in several places; an engine whose driver is not installed.
    InputError
        All errors of all tables in one message (with ``strict``); a server that cannot be reached.
    """
    place = _place(settings, base)
    try:
        return _loaded(
            place, settings, base, progress=progress, strict=strict, today=today, describe=describe
        )
    except BaseException:
        place.con.disconnect()
        raise


def _loaded(
    place: _Place,
    settings: DataSettings,
    base: Path,
    *,
    progress: Progress,
    strict: bool,
    today: date,
    describe: bool,
) -> Loaded:
    jobs = [_Job(place, TABLES[name], source, settings, today) for name, source in settings.sources.items()]
    for job in jobs:
        progress(job.contract.name, 0.0)
        job.run(base, describe)
        progress(job.contract.name, 1.0)
    report = DataReport([finding for job in jobs for finding in job.ledger.findings])
    if strict and report.errors:
        raise InputError("\n".join(f"{f.table}: {f.en}" for f in report.errors))
    tables = _tables(place, settings, jobs)
    report.facts = {"timezone": settings.timezone, "currency": settings.currency, "country": settings.country}
    if describe:
        report.facts |= order_facts(tables)
    aside = Quarantine(pa.concat_tables(job.aside for job in jobs))
    return Loaded(tables, report, aside, pa.concat_tables(job.unused for job in jobs))


def _tables(place: _Place, settings: DataSettings, jobs: list[_Job]) -> Tables:
    lazy: dict[str, Any] = {job.contract.name: job.table for job in jobs if job.table is not None}
    if "orders" not in lazy:
        lazy["orders"] = place.small("orders", empty_table(TABLES["orders"]))
    calendar = place.calendar(settings.country)
    scans = [job.scan for job in jobs if job.scan is not None]

    def refuse_change() -> None:
        for scan in scans:
            scan.refuse_change()

    return Tables(
        con=place.con,
        timezone=settings.timezone,
        currency=settings.currency,
        calendar=calendar,
        still=refuse_change,
        **lazy,
    )


@dataclass(frozen=True)
class _Place:
    """Where all tables stand: the engine, and its url; no url for Parquet.

    ``fixed`` says that nobody can change the rows between two questions without being told.
    """

    con: Any
    url: str = ""
    fixed: bool = True

    @property
    def embedded(self) -> bool:
        """Whether the engine is Retain's own DuckDB."""
        return bool(self.con.name == "duckdb")

    def fetch(self, expression: Any) -> pa.Table:
        """Rows of an expression.

        Raises
        ------
        InputError
            What the engine says, without passwords.
        """
        try:
            found: pa.Table = self.con.to_pyarrow(expression)
        except (com.OperationNotDefinedError, com.UnsupportedOperationError) as error:
            raise ConfigError(
                f"{show_url(self.url)}: this engine cannot run the checks ({error}); set in_place = false"
            ) from None
        except RetainError:
            raise
        except Exception as error:  # noqa: BLE001  (each driver has errors of its own)
            raise InputError(self.told(error)) from None
        return found

    def told(self, error: Exception) -> str:
        """What an engine says, for the user."""
        cause = without_secrets(str(error), self.url) or type(error).__name__
        where = show_url(self.url) if self.url else "the files"
        if isinstance(error, duckdb.OutOfMemoryException):
            return f"{cause}: raise memory_limit under [data], or free disk space for what does not fit"
        return f"cannot read {where}: {cause}"

    def keep(self, name: str, rows: ir.Table) -> ir.Table:
        """The expression under a name of its own, where that is a view of the embedded engine."""
        if not self.embedded:
            return rows
        self.con.raw_sql(f'CREATE OR REPLACE VIEW "{name}" AS {self.con.compile(rows)}')
        table: ir.Table = self.con.table(name)
        return table

    def small(self, name: str, rows: pa.Table) -> ir.Table:
        """A small table of Retain's own beside the user's: temporary, on every engine."""
        if not self.embedded:
            return ibis.memtable(rows)
        self.con.con.register(name, rows)
        table: ir.Table = self.con.table(name)
        return table

    def calendar(self, country: str) -> ir.Table | None:
        """The calendar of a country."""
        if not country:
            return None
        if self.embedded:
            return holiday_calendar(self.con, country)
        return self.small(CALENDAR, calendar_rows(country))


def _place(settings: DataSettings, base: Path) -> _Place:
    """The one engine for all tables.

    Raises
    ------
    ConfigError
        Tables in several places.
    """
    sources = settings.sources
    urls = {source.url for source in sources.values() if source.url is not None}
    if len(urls) > 1 or (urls and any(source.url is None for source in sources.values())):
        raise ConfigError(
            "in place all tables stand in one: give every table the same url, or every table a path of Parquet "
            "files; with in_place = false they may be anywhere"
        )
    url = resolve_url(next(iter(urls), ""))
    engine = engine_name(url) if url else ""
    if engine == "sqlite":
        raise ConfigError(
            f"{show_url(url)}: SQLite has neither times nor quantiles, and cannot run the features; set in_place = "
            "false, and its tables are read"
        )
    if url and engine != "duckdb":
        return _Place(connect_backend(url, threads=settings.threads or None), url, fixed=False)
    con = connect()
    limits = EngineLimits.of(settings)
    keep_compact(con, limits.memory_bytes)
    con.raw_sql(f"SET threads = {limits.threads}")
    if url:
        _attach(con, url, base)
    return _Place(con, url)


def _attach(con: Any, url: str, base: Path) -> None:
    path = local_file(url, base) or base
    try:
        con.con.execute(f"ATTACH {_quoted(os.fspath(path))} AS {_ATTACHED} (READ_ONLY)")
    except duckdb.IOException as error:
        first = str(error).splitlines()[0]
        raise InputError(
            f"{show_url(url)}: cannot be opened for reading; is another program writing to it? ({first})"
        ) from None
    except duckdb.Error as error:
        raise InputError(f"{show_url(url)}: no DuckDB database ({str(error).splitlines()[0]})") from None


def _quoted(text: str) -> str:
    return "'{}'".format(text.replace("'", "''"))


@dataclass
class _Job:
    """The way of one table: found, typed, counted, shown under its name."""

    place: _Place
    contract: TableContract
    source: TableSource
    settings: DataSettings
    today: date
    ledger: Ledger = field(init=False)
    table: ir.Table | None = None
    scan: ParquetScan | None = None
    aside: pa.Table = field(default_factory=ASIDE.empty_table)
    unused: pa.Table = field(default_factory=UNUSED.empty_table)

    def __post_init__(self) -> None:
        self.ledger = Ledger(self.contract.name)

    def run(self, base: Path, describe: bool) -> None:
        """Finds, types and checks; errors go to the ledger."""
        try:
            found, source, name = self._find(base)
            schema = source.schema()
            refuse_types(self.contract, found, schema, name)
            view = self._view(source, found)
            lines = None if self.scan is None else lambda: self._view(self._lines(found), found)
            checks = PushedChecks(view, self.ledger, self.place.fetch, name, lines)
            self._check(view, checks, describe)
            if self.scan is not None:
                self.scan.refuse_change()
        except InputError as error:
            self.table = None
            self.ledger.note("unreadable", "error", 0, detail=str(error))

    def _check(self, view: TypedView, checks: PushedChecks, describe: bool) -> None:
        counted = checks.count()
        checks.note_currencies()
        if counted.occurring:
            checks.note_lost_customers()
            self.aside = self._listed(checks)
            if self.contract.name == "orders":
                self.unused = checks.unused_money()
        refuse_too_many(self.ledger, counted.rows, self.settings.max_quarantined_share)
        good = self.place.keep(self.contract.name, self._good(view, checks, counted))
        if self.settings.exact_duplicates == "drop":
            dropped = checks.note_duplicates(good)
            if self.contract.name == "orders":
                self.unused = pa.concat_tables([self.unused, dropped])
            rows = self._good(view, checks, counted).distinct()
            good = self.place.keep(self.contract.name, rows)
        check_sense(good, self.place.fetch, self.ledger)
        if "amount" in good.columns:
            self._check_amounts(good, describe)
        self.table = good

    def _good(self, view: TypedView, checks: PushedChecks, counted: Counted) -> ir.Table:
        blanks = checks.blanks(counted)
        if not self.place.fixed:
            return view.rows(blanks=blanks)
        touched = [name for name, rows in counted.touched.items() if rows]
        return view.rows(counted.occurring, blanks=blanks, touched=touched, turned=counted.turned > 0)

    def _check_amounts(self, good: ir.Table, describe: bool) -> None:
        sums = month_sums(good, self.place.fetch)
        check_amounts(sums, good, self.place.fetch, self.ledger)
        if not sums.empty:
            by_month = sums.groupby("month")["rows"].sum()
            note_empty_months(dict(zip(by_month.index, by_month.tolist(), strict=True)), self.ledger)
        if describe:
            note_never_bought(good, self.place.fetch, self.ledger)

    def _view(self, source: ir.Table, found: dict[str, str]) -> TypedView:
        return TypedView(source, found, self.contract, self.settings, self.today, self.place.con.name)

    def _find(self, base: Path) -> tuple[dict[str, str], ir.Table, str]:
        """Columns by their names in the contract, the lazy table with them, and what it is called in findings."""
        if not self.place.url:
            con = self.place.con
            self.scan = scan_parquet(con.con, self.contract, self.source, base, self.ledger)
            view = f"{_SOURCE}_{self.contract.name}"
            columns = ", ".join(_identifier(label) for label in self.scan.found.values())
            con.raw_sql(f'CREATE OR REPLACE VIEW "{view}" AS SELECT {columns} FROM {self.scan.statement}')
            return self.scan.found, con.table(view), self.scan.source
        table = self._table()
        name = str(self.source.table)
        return match_columns(self.contract, self.source.columns, table.columns, name), table, name

    def _table(self) -> ir.Table:
        """The lazy table of the database."""
        if not self.source.table:
            raise ConfigError(f"{self.contract.name}: url is set without table; name the table to read")
        *schema, name = self.source.table.split(".")
        if self.place.embedded:
            schema = [_ATTACHED, *(schema or ["main"])]
        within: Any = tuple(schema) if len(schema) > 1 else (schema[0] if schema else None)
        try:
            found: ir.Table = self.place.con.table(name, database=within)
        except com.TableNotFound:
            shown = show_url(self.place.url)
            raise InputError(
                f"{self.contract.name}: there is no table {self.source.table!r} at {shown}"
            ) from None
        except Exception as error:  # noqa: BLE001  (each driver has errors of its own)
            raise InputError(self.place.told(error)) from None
        return _with_instants(self.place.con, found) if self.place.con.name == "pyspark" else found

    def _lines(self, found: dict[str, str]) -> ir.Table:
        """The rows with the file each comes from (``_source``) and their place in it (``_line``)."""
        scan, con = self.scan, self.place.con
        if scan is None:
            raise ValueError("only files have lines")
        names, view = f"files_{self.contract.name}", f"lines_{self.contract.name}"
        con.con.register(names, pa.table({"file": list(scan.names()), "source": list(scan.names().values())}))
        columns = ", ".join(_identifier(label) for label in found.values())
        con.raw_sql(
            f'CREATE OR REPLACE VIEW "{view}" AS SELECT {columns}, source AS _source, file_row_number + 1 AS _line '
            f'FROM {scan.lines_statement} JOIN "{names}" ON _file = file'
        )
        table: ir.Table = con.table(view)
        return table

    def _listed(self, checks: PushedChecks) -> pa.Table:
        """Rows set aside, as the quarantine tells of them."""
        rows = checks.listed
        return rows.add_column(0, "table", pa.repeat(pa.scalar(self.contract.name), len(rows))).select(
            ASIDE.names
        )


def _with_instants(con: Any, table: ir.Table) -> ir.Table:
    """Times that are instants by Spark's own types: ibis takes them for clocks on the wall, as it does the others."""
    fields = con.raw_sql(con.compile(table.limit(0))).schema
    instants = [field.name for field in fields if field.dataType.typeName() == "timestamp"]
    zoned = {name: ops.Cast(table[name], dt.Timestamp("UTC")).to_expr() for name in instants}
    return table.mutate(**zoned) if zoned else table


def _identifier(name: str) -> str:
    return '"{}"'.format(name.replace('"', '""'))
