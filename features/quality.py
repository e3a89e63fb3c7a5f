"""Checks across rows, and the findings about rows that were set aside."""

# ruff: noqa: S608  (identifiers in the statements are names of the contract, never texts of the user)
from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import date
from typing import Any

from features.findings import MAX_LINES, Ledger
from features.parse_money import MAX_NUMBER
from features.partitions import empty_months
from features.report import State
from features.settings import DataSettings
from features.stage import Stage
from features.unit_shift import unit_shift

__all__ = [
    "check_amounts",
    "check_sense",
    "note_duplicates",
    "note_empty_months",
    "note_faults",
    "note_lost_customers",
    "note_months",
    "refuse_too_many",
    "set_foreign_currency_aside",
    "settle_amounts",
]

_EXAMPLE_LENGTH = 40
_OUTLIER_RATIO = 1e6
_NAMED_MONTHS = 6
# Rule, column it is told of, the column read, and when a value makes no sense.
_SENSELESS = (
    ("off_scale", "score", "score", "NOT score BETWEEN 0 AND 10"),
    ("off_scale", "expected", "expected", "NOT expected BETWEEN 0 AND 10"),
    ("off_scale", "recommend", "recommend", "NOT recommend BETWEEN 0 AND 10"),
    ("ends_first", "end", "start", '"end" < start'),
    ("ends_first", "cancelled_at", "start", "cancelled_at < start"),
)


def settle_amounts(stage: Stage, typed: str, present: set[str], ledger: Ledger) -> None:
    """Computes amounts that no column carries, and gives returned lines their sign."""
    con = stage.con
    if "amount" not in present:
        con.execute(f'ALTER TABLE "{typed}" ADD COLUMN amount DOUBLE')
        con.execute(f'UPDATE "{typed}" SET amount = quantity * unit_price')
        too_large = f"_fault IS NULL AND abs(amount) > {MAX_NUMBER:.0f}"
        con.execute(f"UPDATE \"{typed}\" SET _fault = 'amount:too_large' WHERE {too_large}")
        ledger.note("amount_computed", "repaired", stage.rows, column="amount")
    if "returned" in present:
        turned = con.execute(
            f'UPDATE "{typed}" SET amount = -amount WHERE returned AND amount > 0'
        ).fetchone()[0]
        if turned:
            ledger.note("negated_return", "repaired", turned, column="amount")


def set_foreign_currency_aside(stage: Stage, typed: str, settings: DataSettings, ledger: Ledger) -> None:
    """Leaves one currency: rows in others get a fault; several without a configured one are an error."""
    con, code = stage.con, "upper(currency)"
    found = con.execute(
        f'SELECT {code}, count(*) FROM "{typed}" WHERE _fault IS NULL AND currency IS NOT NULL '
        "GROUP BY 1 ORDER BY 2 DESC, 1"
    ).fetchall()
    wanted = settings.currency.upper()
    if not wanted and len(found) > 1:
        names = ", ".join(str(name) for name, _ in found[:10])
        ledger.note("several_currencies", "error", sum(n for _, n in found), column="currency", detail=names)
    elif wanted:
        con.execute(
            f"UPDATE \"{typed}\" SET _fault = 'currency:foreign_currency', _value = currency "
            f"WHERE _fault IS NULL AND {code} <> ?",
            [wanted],
        )


def note_faults(stage: Stage, typed: str, settings: DataSettings, date_format: str, ledger: Ledger) -> None:
    """One finding per source, column and rule: rows set aside, and cells emptied."""
    aside = stage.con.execute(
        f'SELECT _file, _fault, count(*), min(_line, {MAX_LINES}), min(_value) FROM "{typed}" '
        "WHERE _fault IS NOT NULL GROUP BY 1, 2 ORDER BY 1, 2"
    ).fetchall()
    emptied = f'SELECT _file, _line, unnest(_cells) AS c FROM "{typed}" WHERE _fault IS NULL'
    cells = stage.con.execute(
        f"SELECT _file, c.cell, count(*), min(_line, {MAX_LINES}), min(c.text) FROM ({emptied}) "
        "GROUP BY 1, 2 ORDER BY 1, 2"
    ).fetchall()
    for state, found in (("quarantined", aside), ("warning", cells)):
        for file, fault, rows, lines, text in found:
            column, _, rule = fault.partition(":")
            kept: State = "warning" if rule == "no_customer" or state == "warning" else "quarantined"
            ledger.note(
                rule,
                kept,
                rows,
                column=column,
                source=stage.sources[file],
                lines=lines,
                example="" if text is None else repr(text[:_EXAMPLE_LENGTH]),
                detail=_detail(rule, settings, date_format),
            )


def _detail(rule: str, settings: DataSettings, date_format: str) -> str:
    if rule == "not_a_number":
        return repr(settings.decimal)
    return date_format if rule == "not_a_date" else settings.currency


def note_duplicates(
    stage: Stage, typed: str, names: list[str], settings: DataSettings, ledger: Ledger
) -> None:
    """Counts rows that equal an earlier one in every column, and drops them when the settings say so.

    Rows are compared in full only where their hashes agree: that takes a fraction of the memory.
    """
    columns = ", ".join(f'"{name}"' for name in names)
    alike = f'SELECT hash({columns}) FROM "{typed}" WHERE _fault IS NULL GROUP BY 1 HAVING count(*) > 1'
    nth = f"row_number() OVER (PARTITION BY {columns} ORDER BY _file, _line)"
    stage.con.execute(
        f'CREATE OR REPLACE TEMP TABLE repeated AS SELECT _file, _line FROM "{typed}" '
        f"WHERE _fault IS NULL AND hash({columns}) IN ({alike}) QUALIFY {nth} > 1"
    )
    rows = stage.con.execute("SELECT count(*) FROM repeated").fetchone()[0]
    if rows and settings.exact_duplicates == "drop":
        same = "r._file = t._file AND r._line = t._line"
        stage.con.execute(f'DELETE FROM "{typed}" AS t USING repeated AS r WHERE {same}')
        ledger.note("duplicates_dropped", "repaired", rows)
    elif rows:
        ledger.note("exact_duplicates", "warning", rows)
    stage.con.execute("DROP TABLE repeated")


def note_lost_customers(stage: Stage, typed: str, ledger: Ledger) -> None:
    """Warns of customers all of whose rows were set aside."""
    lost = stage.con.execute(
        f'SELECT count(*) FROM (SELECT customer_id FROM "{typed}" WHERE customer_id IS NOT NULL '
        "GROUP BY 1 HAVING count(*) = count(_fault))"
    ).fetchone()[0]
    if lost:
        ledger.note("lost_customers", "warning", lost, column="customer_id")


def refuse_too_many(ledger: Ledger, rows: int, allowed: float) -> None:
    """An error when more than the allowed share of the rows was set aside; one row alone is never too many.

    Rows without a customer do not count: they are no faults of writing.
    """
    nobody = sum(f.rows for f in ledger.findings if f.rule == "no_customer")
    found = ledger.of("quarantined")
    aside, whole = sum(f.rows for f in found), rows + len(ledger.aside) - nobody
    if aside > 1 and aside > allowed * whole:
        most = max(found, key=lambda f: f.rows)
        ledger.note("too_many_set_aside", "error", aside, detail=f"{aside / whole:.1%}", cause=most)


def check_amounts(stage: Stage, table: str, columns: list[str], ledger: Ledger) -> None:
    """Warns of amounts in another unit in a part of the data, of single giants, and where purchases are lacking."""
    shift = unit_shift(stage.con, table, columns=columns, sources=stage.sources)
    if shift is not None:
        ledger.note(
            "maybe_cents", "warning", shift.rows, column="amount", detail=shift.where, example=shift.example
        )
    good = f'FROM "{table}" WHERE _fault IS NULL'
    typical, rows, bought, returned, total = stage.con.execute(
        f"SELECT median(abs(amount)) FILTER (amount <> 0), count(*), count(*) FILTER (amount > 0), "
        f"count(*) FILTER (amount < 0), coalesce(sum(amount), 0) {good}"
    ).fetchone()
    if rows and not bought:
        ledger.note("no_purchases", "warning", rows, column="amount", example=_first_amount(stage.con, good))
    elif total < 0:
        ledger.note("returns_exceed", "warning", returned, column="amount", example=f"{total:,.6g}")
    if bought:
        never = stage.con.execute(
            f"SELECT count(*) FROM (SELECT customer_id {good} GROUP BY 1 HAVING max(amount) <= 0)"
        ).fetchone()[0]
        if never:
            ledger.note("never_bought", "warning", never, column="customer_id")
    giants, lines, largest = stage.con.execute(
        f"SELECT count(*), min(_line, {MAX_LINES}), max(abs(amount)) {good} AND abs(amount) > ?",
        [(typical or math.inf) * _OUTLIER_RATIO],
    ).fetchone()
    if giants:
        ledger.note(
            "outlier_amount", "warning", giants, column="amount", lines=lines, example=f"{largest:,.6g}"
        )


def note_months(con: Any, table: str, ledger: Ledger) -> None:
    """Warns of months without any good line."""
    rows = con.execute(
        f"SELECT CAST(date_trunc('month', day) AS DATE), count(*) FROM \"{table}\" WHERE _fault IS NULL GROUP BY 1"
    ).fetchall()
    note_empty_months(dict(rows), ledger)


def note_empty_months(rows: Mapping[date, int], ledger: Ledger) -> None:
    """Warns of months without any line, from the lines by month."""
    empty = empty_months(rows)
    if empty:
        more = f" … ({len(empty)} in all)" if len(empty) > _NAMED_MONTHS else ""
        named = ", ".join(empty[:_NAMED_MONTHS]) + more
        ledger.note("empty_months", "warning", 0, column="time", detail=named)


def check_sense(con: Any, table: str, columns: list[str], ledger: Ledger) -> None:
    """Warns of survey scores off their scale and of contracts that end before they start."""
    for rule, column, other, fault in _SENSELESS:
        if not {column, other} <= set(columns):
            continue
        rows, lines, example = con.execute(
            f'SELECT count(*), min(_line, {MAX_LINES}), min(CAST("{column}" AS VARCHAR)) FROM "{table}" '
            f"WHERE _fault IS NULL AND {fault}"
        ).fetchone()
        if rows:
            ledger.note(rule, "warning", rows, column=column, lines=lines, example=example)


def _first_amount(con: Any, good: str) -> str:
    return f"{con.execute(f'SELECT amount {good} ORDER BY _file, _line LIMIT 1').fetchone()[0]:,.6g}"
