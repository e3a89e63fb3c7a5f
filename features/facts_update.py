"""Stored day facts brought up to date by what is new; the bits are those of summing up everything.

Two ways tell what is new. **By lines**: the lines of each customer are counted and hashed, which costs a fifth of
summing them up, and held against what the store had; whatever the source is and however it changed, the facts follow.
**By files**: files whose mark is the one stored are not read at all; a file that changed or vanished has everything
summed up anew.

Customers whose new lines come after all of their old ones go on from the counts of those (`features.line_counts`).
All others that changed are summed up anew from all of their lines, and only they.
"""

# ruff: noqa: S608  (identifiers in the statements are names of our own)
from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import ibis
import ibis.expr.types as ir
from ibis.util import gen_name

from features.errors import InputError, PublishError
from features.facts_definition import REASONS, definition, facts_schema
from features.facts_rows import DAYS, OPEN, FactsRows
from features.facts_store import GONE, Contents, FactsStore, rows_of
from features.line_counts import CUSTOMERS, SEEN_DAYS, LineCounts
from features.partitions import name_of_part
from features.progress import Progress, silent
from features.sorted_numbers import too_large
from features.source_files import SourceFiles, file_mark
from features.tables import Tables

__all__ = ["OPEN_DAYS", "FactsUpdate", "up_to_date"]

MANY_PARTS = 16
"""Versions after which all parts are written as one."""
LARGE_TAIL = 0.5
"""Rows of later parts, as a share of the first, from which all parts are written as one."""

_KEY = ("customer_id", "day", "known_day")
_NEVER = "1970-01-01"
OPEN_DAYS = 2
"""Last arrival days of which more lines are awaited: summed up in each run, and stored when they are older."""


@dataclass(frozen=True)
class FactsUpdate:
    """Tables whose day facts are up to date, and what it took.

    ``added_lines`` were summed up on top of what is stored, those of the last days in each run, and the customers of
    ``recomputed_customers`` wholly. ``rebuilt`` says in one line why everything was summed up anew; empty when it was
    not. ``parts`` hold the day facts now.
    """

    tables: Tables
    added_lines: int = 0
    recomputed_customers: int = 0
    rebuilt: str = ""
    parts: int = 1


def up_to_date(
    tables: Tables, folder: Path, *, files: SourceFiles | None = None, progress: Progress = silent
) -> FactsUpdate:
    """The day facts of `tables`, from a store that is brought up to date on the way.

    Parameters
    ----------
    tables : Tables
        Loaded tables, in DuckDB.
    folder : Path
        The store; made when it is not there.
    files : SourceFiles, optional
        Where the files that the order lines come from are known, so that those already inside are not read. By
        default all lines are compared with what the store holds.
    progress : callable
        Told the stage and the share done.

    Returns
    -------
    FactsUpdate

    Raises
    ------
    LockedError
        Another process brings the same store up to date.
    PublishError
        The store cannot be written; it is as it was.
    InputError
        The tables are in another engine, or a file changed while it was read.
    """
    if tables.con.name != "duckdb":
        raise InputError(f"day facts are kept for tables in DuckDB, not in {tables.con.name}")
    store = FactsStore(folder)
    progress("order facts", 0.0)
    with store.held(), _Update(tables, store, files).cleared() as update:
        contents, reason = update.usable()
        if contents is None:
            return update.rebuild(reason)
        try:
            found = update.advance(contents)
        except _NotAlone as error:
            return update.rebuild(f"of the new files: {error}")
        progress("order facts", 1.0)
        return found


class _NotAlone(Exception):  # noqa: N818 - it ends no run
    """New files cannot be read without the others."""


@dataclass(frozen=True)
class _New:
    """Tables of the new lines and of the customers to sum up wholly, and of the marks of all that are not new."""

    new: str
    changed: str
    marks: str = ""


class _Update:
    """One way of a store from what it holds to what it must hold."""

    def __init__(self, tables: Tables, store: FactsStore, files: SourceFiles | None) -> None:
        self.tables, self.store, self.files = tables, store, files
        self.con, self.engine = tables.con, tables.con.con
        self.counts = LineCounts(tables.orders.columns)
        self.whole = f"({self.con.compile(tables.orders)})"
        self.marks = files.marks() if files else {}
        self.made: list[str] = []

    @contextmanager
    def cleared(self) -> Iterator[_Update]:
        """Working tables are gone after the block."""
        try:
            yield self
        finally:
            for name in self.made:
                with suppress(duckdb.Error):
                    self.engine.execute(f"DROP TABLE IF EXISTS {name}")

    def usable(self) -> tuple[Contents | None, str]:
        """What the store holds, or why that is of no use."""
        try:
            contents = self.store.read()
        except PublishError as error:
            return None, f"the stored ones are damaged: {error}"
        if contents is None:
            return None, "there were none yet"
        wanted = definition(self.tables, self.files)
        for name, text in REASONS.items():
            if contents.definition.get(name) != wanted[name]:
                return None, text
        for path, mark in contents.sources.items():
            if path not in self.marks:
                return None, f"{name_of_part(path)} is not there any more"
            if self.marks[path] != mark:
                return None, f"{name_of_part(path)} is not the file it was"
        return contents, ""

    def rebuild(self, reason: str) -> FactsUpdate:
        """Everything summed up anew, and the store filled with it."""
        count, last = self._one(f"SELECT count(*), max(known_day) FROM {self.whole}")
        closed = self._closed(last)
        begun = Contents(
            definition(self.tables, self.files), last=closed, floor=_iso(_floor(last)), sources=self.marks
        )
        with self._summed(self.tables.orders, begun) as (open_days, found):
            pieces: dict[str, str | Path] = dict(found)
            if not self.files:
                pieces[CUSTOMERS] = self.counts.marks(f"{self.whole} WHERE {_until(closed)}")
            contents = self.store.add(self.engine, begun, pieces, alone=True, before=self._same_files)
        kept = self._with_facts(contents, open_days)
        return FactsUpdate(kept, added_lines=count, rebuilt=reason, parts=len(contents.of(DAYS)))

    def advance(self, contents: Contents) -> FactsUpdate:
        """What is new, summed up and added; what may still get more lines is summed up and not added."""
        found = self._by_files(contents, self.files) if self.files else self._by_lines(contents)
        (last,) = self._one(f"SELECT max(known_day) FROM {found.new}")
        closed = max(contents.last, self._closed(last))
        (fresh,) = self._one(
            f"SELECT count(*) FROM {found.new} ANTI JOIN {found.changed} USING (customer_id)"
        )
        (gone,) = self._one(f"SELECT count(*) FROM {found.changed}")
        ahead = replace(contents, last=closed, sources=self.marks)
        with self._summed(self._to_sum_up(contents, found, gone), ahead) as (open_days, summed):
            (adding,) = self._one(f"SELECT count(*) FROM {rows_of(summed[DAYS])}")
            if adding or gone:
                pieces = self._pieces(contents, summed, found.changed) | self._marks(found, closed)
                contents = self.store.add(self.engine, ahead, pieces, before=self._same_files)
        contents = self._merged(contents)
        kept = self._with_facts(contents, open_days)
        return FactsUpdate(kept, fresh, gone, parts=len(contents.of(DAYS)))

    @contextmanager
    def _summed(self, lines: ir.Table, contents: Contents) -> Iterator[tuple[str, dict[str, Path]]]:
        """The table of open days of some lines, and files of all others and of their counts."""
        rows = FactsRows(self.tables.orders.schema(), contents.last, contents.floor)
        with closing(rows.of(self.con, lines)) as parts, self.store.filled(rows.schemas, parts) as found:
            name = gen_name(OPEN)
            self.engine.execute(f"CREATE TEMP TABLE {name} AS FROM {rows_of(found.pop(OPEN))}")
            yield name, found

    def _with_facts(self, contents: Contents, open_days: str) -> Tables:
        """The tables with what is stored, read where it stands, and the facts of open days."""
        self.store.read_by(self.con)
        rows = f"{self.store.rows(contents, DAYS)} UNION ALL SELECT * FROM {open_days}"
        return self.tables.with_facts(rows, facts_schema(self.tables.orders.schema()))

    def _closed(self, last: date | None) -> str:
        """The last arrival day whose facts are stored: more lines of the last days may come tomorrow."""
        if last is None:
            return ""
        return _iso(last if self.files else last - timedelta(days=OPEN_DAYS))

    def _by_lines(self, contents: Contents) -> _New:
        """The lines known after all that are stored, and the customers of whom others changed."""
        old = _until(contents.last)
        now = self._table(self.counts.marks(f"{self.whole} WHERE {old}"))
        kept = self.counts.kept_marks(self.store.rows(contents, CUSTOMERS))
        changed = self._table(
            f"SELECT customer_id FROM {now} AS now FULL JOIN ({kept}) AS kept USING (customer_id) "
            "WHERE now.lines IS DISTINCT FROM kept.lines OR now.mark IS DISTINCT FROM kept.mark"
        )
        new = self._table(f"SELECT {self.counts.fields} FROM {self.whole} WHERE NOT ({old})")
        self._add_late_days(contents, new, changed)
        return _New(new, changed, now)

    def _marks(self, found: _New, closed: str) -> dict[str, str]:
        """Marks to store: of the new lines, and of all others of the customers that changed."""
        if not found.marks:
            return {}
        again = f"FROM {found.marks} SEMI JOIN {found.changed} USING (customer_id)"
        new = self.counts.marks(f"{found.new} WHERE {_until(closed)}")
        return {CUSTOMERS: f"{new} UNION ALL {again}"}

    def _by_files(self, contents: Contents, files: SourceFiles) -> _New:
        """The lines of files that are not inside yet, and the customers whose old lines do not all come before them."""
        paths = [path for path in files.paths if str(path) not in contents.sources]
        new = f"(SELECT {self.counts.fields} FROM {self._read(files, paths)})"
        changed = self._table("SELECT CAST(NULL AS VARCHAR) AS customer_id LIMIT 0")
        (first,) = self._one(f"SELECT min(known_day) FROM {new}")
        if first is not None and _iso(first) <= contents.last:
            stored, order = self.store.rows(contents, DAYS), "[known_day, day]"
            before = "<=" if files.drop_alike else "<"
            self.engine.execute(
                f"INSERT INTO {changed} SELECT customer_id FROM "
                f"(SELECT customer_id, min({order}) AS first FROM {new} GROUP BY customer_id) AS n JOIN "
                f"(SELECT customer_id, max({order}) AS last FROM ({stored}) AS s "
                f"SEMI JOIN {new} AS n USING (customer_id) GROUP BY customer_id) AS s "
                f"USING (customer_id) WHERE first {before} last"
            )
        self._add_late_days(contents, new, changed)
        return _New(new, changed)

    def _read(self, files: SourceFiles, paths: list[Path]) -> str:
        if not paths:
            return f"{self.whole} LIMIT 0"
        try:
            return f"({self.con.compile(files.read(paths))})"
        except InputError as error:
            raise _NotAlone(str(error)) from error

    def _add_late_days(self, contents: Contents, new: str, changed: str) -> None:
        """New lines of a day whose lines are not kept by name any more change what its order is."""
        self.engine.execute(
            f"INSERT INTO {changed} SELECT DISTINCT s.customer_id FROM ({self.store.rows(contents, DAYS)}) AS s "
            f"SEMI JOIN (SELECT customer_id, day FROM {new} WHERE day < DATE '{contents.floor or _NEVER}') AS n "
            f"ON s.customer_id = n.customer_id AND s.day = n.day ANTI JOIN {changed} AS c "
            "ON s.customer_id = c.customer_id"
        )

    def _to_sum_up(self, contents: Contents, found: _New, changed: int) -> ir.Table:
        """The new lines, which go on from what is stored, and all lines of the customers that changed."""
        lines, before = found.new, {kind: self.store.rows(contents, kind) for kind in self.counts.keys}
        if changed:
            of_them = f"JOIN {found.changed} AS changed USING (customer_id)"
            whole = f"(SELECT {self.counts.fields} FROM {self.whole}) AS w"
            lines = self._table(f"FROM {lines} ANTI {of_them} UNION ALL FROM {whole} SEMI {of_them}")
            before = {kind: f"FROM ({rows}) AS kept ANTI {of_them}" for kind, rows in before.items()}
        placed = self._table(self.counts.placed(lines, before))
        told = self.tables.orders.schema()
        kinds = {name: told[name] for name in self.counts.columns}
        schema = ibis.schema(kinds | dict.fromkeys(self.counts.places, "int64"))
        found_lines: ir.Table = self.con.sql(f"SELECT * FROM {placed}", schema=schema)
        return found_lines

    def _pieces(self, contents: Contents, summed: dict[str, Path], changed: str) -> dict[str, str | Path]:
        """What the next version adds, by kind."""
        stored = self.store.rows(contents, DAYS)
        # Two parts may hold some of one day's lines: these customers' rows are written anew, added up.
        key = " AND ".join(f"n.{name} = s.{name}" for name in _KEY)
        split = self._table(
            f"SELECT DISTINCT n.customer_id FROM {rows_of(summed[DAYS])} AS n ANTI JOIN {changed} AS c "
            f"USING (customer_id) SEMI JOIN ({stored}) AS s ON {key}"
        )
        pieces: dict[str, str | Path] = dict(summed)
        if self._one(f"SELECT count(*) FROM {split}") != (0,):
            pieces[DAYS] = f"FROM {self._added_up(self._with(summed[DAYS], stored, split), contents)}"
            for kind in self.counts.keys:
                rows = self._with(summed[kind], self.store.rows(contents, kind), split)
                pieces[kind] = self.counts.together(kind, rows)
        return pieces | {GONE: f"FROM {changed} UNION ALL FROM {split}"}

    def _with(self, new: Path, stored: str, customers: str) -> str:
        return (
            f"SELECT * FROM {rows_of(new)} UNION ALL "
            f"SELECT * FROM ({stored}) SEMI JOIN {customers} USING (customer_id)"
        )

    def _added_up(self, rows: str, contents: Contents) -> str:
        """Table of day facts of which several belong to one day."""
        keys = ", ".join(_KEY)
        names = [name for name in contents.columns[DAYS] if name not in _KEY]
        sums = ", ".join(f'CAST(sum("{name}") AS BIGINT) AS "{name}"' for name in names)
        try:
            return self._table(f"SELECT {keys}, {sums} FROM ({rows}) GROUP BY {keys}")
        except duckdb.ConversionException as error:
            raise too_large("something") from error

    def _merged(self, contents: Contents) -> Contents:
        """The store with all parts of a kind as one, where there are many."""
        parts = contents.of(DAYS)
        if not parts:
            return contents
        tail = sum(part.rows for part in [*parts[1:], *contents.of(GONE)])
        if len(parts) <= MANY_PARTS and tail <= LARGE_TAIL * parts[0].rows:
            return contents
        floor = _floor(date.fromisoformat(contents.last or _NEVER))
        pieces: dict[str, str | Path] = {}
        for kind in [kind for kind in contents.columns if kind != GONE]:
            rows = self.store.rows(contents, kind)
            if kind == CUSTOMERS:
                rows = self.counts.kept_marks(rows)
            elif kind != DAYS:
                recent = f" WHERE day >= DATE '{floor}'" if "day" in self.counts.keys[kind] else ""
                rows = self.counts.together(kind, f"SELECT * FROM ({rows}){recent}")
            # Rows of a customer side by side take a third of the room and of the time to find some of them.
            pieces[kind] = f"FROM ({rows}) ORDER BY customer_id"
        later_floor = max(contents.floor, _iso(floor))
        return self.store.add(self.engine, replace(contents, floor=later_floor), pieces, alone=True)

    def _same_files(self) -> None:
        """Refuses files that changed since their marks were taken."""
        self.tables.still()
        for path, mark in self.marks.items():
            if file_mark(Path(path)) != mark:
                raise InputError(
                    f"{name_of_part(path)}: the file changed while it was read; run again when it is complete"
                )

    def _table(self, statement: str) -> str:
        name = gen_name("new_facts")
        self.made.append(name)
        self.engine.execute(f"CREATE TEMP TABLE {name} AS {statement}")
        return name

    def _one(self, statement: str) -> tuple[Any, ...]:
        found: tuple[Any, ...] = self.engine.execute(statement).fetchone()
        return found


def _until(closed: str) -> str:
    return f"known_day <= DATE '{closed}'" if closed else "false"


def _iso(day: date | None) -> str:
    return "" if day is None else day.isoformat()


def _floor(last: date | None) -> date | None:
    return None if last is None else last - timedelta(days=SEEN_DAYS)
