"""From columns as they were read to the types of the contract, each cell with a value or a named fault.

A fault in a column without which a row means nothing (customer, time, amount, arrival, return mark) sets the
row aside; in any other column the cell is emptied and the row stays.
"""

# ruff: noqa: S608  (identifiers in the statements are names of the contract, never texts of the user)
from __future__ import annotations

from datetime import date, timedelta
from typing import Any, Literal

from features.columns import AMOUNT_PARTS
from features.contract import TABLES, Column, TableContract
from features.engine import COMPACT_ROWS, compact
from features.findings import Ledger
from features.frames import ALWAYS_KNOWN
from features.parse_money import MAX_NUMBER
from features.parse_time import ORDERS
from features.settings import DataSettings, TableSource
from features.spellings import Spelling, map_spellings, usual_value
from features.stage import Part, Stage

__all__ = ["cast_table", "critical_columns"]

Blanks = Literal["none", "trimmed", "kept"]
MAX_ID_LENGTH = 256
_FIRST_DAY = "1970-01-02"
_AFTER_LAST_DAY = "2101-01-01"
_TYPES = {
    "id": "VARCHAR",
    "text": "VARCHAR",
    "time": "TIMESTAMP",
    "money": "DOUBLE",
    "number": "DOUBLE",
    "flag": "BOOLEAN",
}
_MAY_BE_AHEAD = {("contracts", "start"), ("contracts", "end")}
_BLANKS = " \t\u00a0\u3000"


def cast_table(stage: Stage, source: TableSource, settings: DataSettings, ledger: Ledger, today: date) -> str:
    """Casts everything staged into one typed table and returns its name; what is cast is freed.

    Parameters
    ----------
    stage : Stage
    source : TableSource
        Its ``date_format`` is used.
    settings : DataSettings
        Number style, currency and zone.
    ledger : Ledger
        Takes repairs; faults stay in the table (columns ``_fault``, ``_cells``) for `features.quality`.
    today : date
        Times after the day after `today` are faults.

    Returns
    -------
    str
        Table with the contract's columns that were there, ``_file``, ``_line``; ``_fault`` (``column:rule``,
        or missing for a good row) with its text ``_value``; ``_cells``, emptied cells with their texts; the
        day of the event (``day``, where there is a time) and the later one of event and arrival, ``known_day``.

    Raises
    ------
    InputError
        A date format that cannot be decided.
    """
    contract = TABLES[stage.table]
    names = [c.name for c in contract.columns if any(c.name in p.types for p in stage.parts.values())]
    columns = [contract.column(name) for name in names]
    readings = {c.name: map_spellings(stage, c, settings, source.date_format) for c in columns}
    blanks = {c.name: _blanks(stage, c, ledger) for c in columns if c.kind == "id"}
    casting = _Casting(contract, columns, readings, blanks, settings, today)
    for column in columns:
        _note_repairs(stage, column, readings[column.name], settings, ledger)
    name = f"typed_{stage.table}"
    rows = {part.name: casting.rows(casting.part(part)) for part in stage.parts.values()}
    stage.con.execute(f'CREATE OR REPLACE TABLE "{name}" AS {next(iter(rows.values()))} LIMIT 0')
    for part in stage.parts.values():
        for _ in stage.slices(part):
            stage.con.execute(f'INSERT INTO "{name}" {rows[part.name]}')
            if stage.rows > COMPACT_ROWS:
                compact(stage.con)
    return name


def critical_columns(contract: TableContract, present: list[str]) -> list[str]:
    """Columns a fault in which sets the whole row aside, the customer first."""
    needed = {*contract.required, "known_at", "returned"}
    if contract.name == "orders" and "amount" not in present:
        needed |= set(AMOUNT_PARTS)
    return [name for name in contract.names if name in needed and name in present]


class _Casting:
    """SQL of one cast: a layer per part that judges its cells, then one that judges the rows."""

    def __init__(
        self,
        contract: TableContract,
        columns: list[Column],
        readings: dict[str, Spelling | None],
        blanks: dict[str, Blanks],
        settings: DataSettings,
        today: date,
    ) -> None:
        self.contract, self.columns, self.readings = contract, columns, readings
        self.blanks, self.settings = blanks, settings
        self.too_late = today + timedelta(days=2)

    def part(self, part: Part) -> str:
        """Values, judged faults (``name?``) and, where there is one, the text (``name!``) of one part."""
        critical = critical_columns(self.contract, [c.name for c in self.columns])
        fields, joins, shown = ["_file", "_line"], [], []
        for column in self.columns:
            kind, reading = part.types.get(column.name, ""), self.readings[column.name]
            if kind and reading and reading.mapped and _reads_text(column, kind):
                joins.append(
                    f'LEFT JOIN "{reading.mapped}" AS "m_{column.name}" '
                    f'ON CAST("{column.name}" AS VARCHAR) = "m_{column.name}".text'
                )
            value, fault = self._cell(column, kind, reading) if kind else _absent(column)
            fields += [f'{value} AS "{column.name}="', f'{fault} AS "{column.name}?"']
            if kind and column.kind != "id":
                fields.append(f'"{column.name}"')
                shown.append(column.name)
        checked = [f'{self._checked(c, c.name in critical)} AS "{c.name}?"' for c in self.columns]
        read = f'SELECT {", ".join(fields)} FROM "{part.name}" {" ".join(joins)}'
        kept = [f'"{c.name}=", "{c.name}?", {_text(c, c.name in shown)}' for c in self.columns]
        judged = f"SELECT * REPLACE ({', '.join(checked)}) FROM ({read})"
        return f"SELECT _file, _line, {', '.join(kept)} FROM ({judged})"

    def _cell(self, column: Column, kind: str, reading: Spelling | None) -> tuple[str, str]:
        if column.kind == "id":
            return _id_cell(column, kind, self.blanks[column.name])
        raw = f'"{column.name}"'
        if column.kind == "text":
            text = f"nullif(trim(CAST({raw} AS VARCHAR), '{_BLANKS}'), '')"
            return text, "NULL"
        if _reads_text(column, kind):
            return self._text_cell(column, reading or Spelling())
        wanted = "time" if column.kind == "time" else "flag" if column.kind == "flag" else "number"
        if (kind == "whole" and wanted == "number") or kind == wanted:
            return _native_cell(raw, column)
        return (
            f"CAST(NULL AS {_TYPES[column.kind]})",
            f"CASE WHEN {raw} IS NOT NULL THEN '{_mistaken(column)}' END",
        )

    def _text_cell(self, column: Column, reading: Spelling) -> tuple[str, str]:
        usual = usual_value(column, reading.date_format, self.settings)
        if not reading.mapped:
            return usual, "CAST(NULL AS VARCHAR)"
        spelled = f'"m_{column.name}"'
        return f"coalesce({usual}, {spelled}.value)", f"nullif({spelled}.fault, '')"

    def rows(self, part: str) -> str:
        """One row of values each; the first fault that sets it aside, or its bad cells emptied."""
        present = [c.name for c in self.columns]
        critical = critical_columns(self.contract, present)
        values = [f'CASE WHEN "{c.name}?" IS NULL THEN "{c.name}=" END AS "{c.name}"' for c in self.columns]
        first = [f"'{name}:' || \"{name}?\"" for name in critical]
        texts = " ".join(f'WHEN "{name}?" IS NOT NULL THEN "{name}!"' for name in critical)
        others = [n for n in present if n not in critical]
        cells = [
            f"CASE WHEN \"{n}?\" IS NOT NULL THEN {{'cell': '{n}:' || \"{n}?\", 'text': \"{n}!\"}} END"
            for n in others
        ]
        emptied = 'CAST(NULL AS STRUCT(cell VARCHAR, "text" VARCHAR)[])'
        if others:
            # The list is only made where there is something to put into it: that is in hardly any row.
            bad = " OR ".join(f'"{n}?" IS NOT NULL' for n in others)
            emptied = f"CASE WHEN {bad} THEN list_filter([{', '.join(cells)}], lambda c: c IS NOT NULL) END"
        return (
            f"SELECT *, {self._days(present)} FROM (SELECT _file, _line, {', '.join(values)}, "
            f"coalesce({', '.join(first)}) AS _fault, CASE {texts} END AS _value, {emptied} AS _cells FROM ({part}))"
        )

    def _days(self, present: list[str]) -> str:
        """The day of the event, and the day from which the row was known."""
        days = [f'CAST("{name}" AS DATE)' for name in (self.contract.time, "known_at") if name in present]
        if self.contract.name == "customers":
            days.append(f"DATE '{ALWAYS_KNOWN}'")
        known = f"greatest({', '.join(days)}) AS known_day"
        return f"{days[0]} AS day, {known}" if self.contract.time in present else known

    def _checked(self, column: Column, critical: bool) -> str:
        value, fault = f'"{column.name}="', f'"{column.name}?"'
        tests = [f"WHEN {fault} <> 'missing' THEN {fault}"]
        if column.kind in ("money", "number"):
            tests.append(f"WHEN abs({value}) > {MAX_NUMBER:.0f} THEN 'too_large'")
        if column.kind == "time":
            out = f"{value} < TIMESTAMP '{_FIRST_DAY}' OR {value} >= TIMESTAMP '{_AFTER_LAST_DAY}'"
            tests.append(f"WHEN {out} THEN 'out_of_range'")
            if (self.contract.name, column.name) not in _MAY_BE_AHEAD:
                tests.append(f"WHEN {value} >= TIMESTAMP '{self.too_late}' THEN 'future_date'")
        if critical and column.name not in ("known_at", "returned"):
            rule = "no_customer" if column.name == "customer_id" else "missing"
            tests.append(f"WHEN {value} IS NULL THEN '{rule}'")
        return f"CASE {' '.join(tests)} END"


def _absent(column: Column) -> tuple[str, str]:
    return f"CAST(NULL AS {_TYPES[column.kind]})", "CAST(NULL AS VARCHAR)"


def _text(column: Column, shown: bool) -> str:
    """The text of a cell with a fault; never written out for the many without, never told of ids."""
    text = f'CAST("{column.name}" AS VARCHAR)' if shown else "CAST(NULL AS VARCHAR)"
    return f'CASE WHEN "{column.name}?" IS NOT NULL THEN {text} END AS "{column.name}!"'


def _reads_text(column: Column, kind: str) -> bool:
    return column.kind not in ("id", "text") and (
        kind == "text" or (kind in ("whole", "number") and column.kind in ("time", "flag"))
    )


def _mistaken(column: Column) -> str:
    return {"time": "not_a_date", "flag": "not_a_flag"}.get(column.kind, "not_a_number")


def _native_cell(raw: str, column: Column) -> tuple[str, str]:
    if column.kind in ("time", "flag"):
        return raw, "CAST(NULL AS VARCHAR)"
    number = f"CAST({raw} AS DOUBLE)"
    value = f"CASE WHEN isfinite({number}) THEN {number} END"
    return value, f"CASE WHEN isinf({number}) THEN 'not_finite' END"


def _id_cell(column: Column, kind: str, blanks: Blanks) -> tuple[str, str]:
    raw = f'"{column.name}"'
    if kind == "number":
        whole = f"{raw} = trunc({raw}) AND abs({raw}) < 9007199254740992"
        value = f"CASE WHEN {whole} THEN CAST(CAST({raw} AS BIGINT) AS VARCHAR) END"
        return value, f"CASE WHEN NOT isnan({raw}) AND NOT ({whole}) THEN 'id_digits_lost' END"
    text = f"CAST({raw} AS VARCHAR)"
    if kind != "text":
        return text, "CAST(NULL AS VARCHAR)"
    values = {
        "none": f"nullif({text}, '')",
        "trimmed": f"nullif(trim({text}, '{_BLANKS}'), '')",
        "kept": f"CASE WHEN NOT regexp_full_match({text}, '[{_BLANKS}]*') THEN {text} END",
    }
    broken = f"contains({text}, chr(0)) OR contains({text}, chr(10)) OR contains({text}, chr(13))"
    return values[blanks], f"CASE WHEN {broken} OR length({text}) > {MAX_ID_LENGTH} THEN 'bad_id' END"


def _ends_blank(text: str) -> str:
    """Whether a text begins or ends with a blank; to trim it and compare takes four times as long."""
    first = ", ".join(str(ord(blank)) for blank in _BLANKS)
    last = " OR ".join(f"ends_with({text}, '{blank}')" for blank in _BLANKS)
    return f"(ord({text}) IN ({first}) OR {last})"


def _blanks(stage: Stage, column: Column, ledger: Ledger) -> Blanks:
    """What happens to blanks around ids: they go only when that makes no two ids one."""
    name = column.name
    parts = [p.name for p in stage.parts.values() if p.types.get(name) == "text"]
    if not parts:
        return "none"
    union = " UNION ALL ".join(
        f'SELECT "{name}" AS id FROM "{part}" WHERE "{name}" IS NOT NULL' for part in parts
    )
    stage.con.execute(
        f"CREATE OR REPLACE TEMP TABLE blank AS SELECT id, trim(id, '{_BLANKS}') AS bare, count(*) AS rows "
        f"FROM ({union}) WHERE {_ends_blank('id')} GROUP BY id"
    )
    seen, rows, apart = stage.con.execute(
        "SELECT count(*), coalesce(sum(rows) FILTER (bare <> ''), 0), "
        "count(*) FILTER (bare <> '') - count(DISTINCT bare) FILTER (bare <> '') FROM blank"
    ).fetchone()
    if rows and not apart:
        apart = stage.con.execute(
            f"SELECT count(*) FROM ({union}) WHERE id IN (SELECT bare FROM blank WHERE bare <> '')"
        ).fetchone()[0]
    stage.con.execute("DROP TABLE blank")
    if not rows:
        return "kept" if seen else "none"
    ledger.note(
        "id_blanks_kept" if apart else "id_blanks", "warning" if apart else "repaired", rows, column=name
    )
    return "kept" if apart else "trimmed"


def _note_repairs(
    stage: Stage, column: Column, reading: Spelling | None, settings: DataSettings, ledger: Ledger
) -> None:
    for part in stage.parts.values():
        if column.kind == "id" and part.types.get(column.name) == "number":
            _note_whole_ids(stage.con, part, column, ledger)
    if reading and reading.date_format in ORDERS:
        ledger.note(
            "date_order", "repaired", stage.rows, column=column.name, detail=ORDERS[reading.date_format]
        )
    zoned = stage.zoned.get(column.name, 0)
    if zoned:
        ledger.note("zoned", "repaired", zoned, column=column.name, detail=settings.timezone)
    if reading and reading.repaired:
        for rule, rows, example, lines in _repairs(stage, column, reading):
            ledger.note(
                rule,
                "repaired",
                rows,
                column=column.name,
                lines=lines,
                example=repr(example),
                detail=settings.timezone,
            )
            zoned += rows if rule == "zoned" else 0
    if 0 < zoned < stage.rows:
        ledger.note(
            "mixed_zones", "warning", stage.rows - zoned, column=column.name, detail=settings.timezone
        )


def _repairs(stage: Stage, column: Column, reading: Spelling) -> list[tuple[str, int, str, list[int]]]:
    parts = [p.name for p in stage.parts.values() if _reads_text(column, p.types.get(column.name, "id"))]
    each = [f'SELECT CAST("{column.name}" AS VARCHAR) AS raw, _line FROM "{part}"' for part in parts]
    rows: list[Any] = stage.con.execute(
        "SELECT rule, count(*), min(raw), min(_line, 20) FROM (SELECT unnest(repairs) AS rule, raw, _line "
        f'FROM ({" UNION ALL ".join(each)}) JOIN "{reading.mapped}" ON raw = text) '
        "GROUP BY rule ORDER BY rule"
    ).fetchall()
    return rows


def _note_whole_ids(con: Any, part: Part, column: Column, ledger: Ledger) -> None:
    name = column.name
    whole = f'"{name}" = trunc("{name}") AND abs("{name}") < 9007199254740992'
    rows = con.execute(f'SELECT count(*) FROM "{part.name}" WHERE {whole}').fetchone()[0]
    if rows:
        ledger.note("whole_number_id", "repaired", rows, column=name)
