"""Unusual spellings of a column, each read once: a map from text to meaning that the engine joins.

The usual spelling (a plain number, an ISO time) is read by the engine itself, on whole columns.
"""

# ruff: noqa: S608  (identifiers in the statements are names of the contract, never texts of the user)
from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from features.contract import Column
from features.parse_money import MISSING, NumberStyle, ParsedNumber, parse_number
from features.parse_time import decide_order, parse_time
from features.settings import DataSettings
from features.stage import Stage

__all__ = ["TRUE_WORDS", "Spelling", "map_spellings", "usual_value"]

TRUE_WORDS = frozenset({"true", "t", "yes", "y", "1", "是", "有", "真", "对"})
FALSE_WORDS = frozenset({"false", "f", "no", "n", "0", "否", "无", "假", "错"})

_CLOCK = r"([ T]([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d{1,6})?)?)?"
_ISO = r"\d{4}-\d{2}-\d{2}" + _CLOCK
_YEAR_LAST = r"\d{1,2}[-/.]\d{1,2}[-/.]\d{4}" + _CLOCK
_REORDER = {"dmy": r"\3-\2-\1\4", "mdy": r"\3-\1-\2\4"}


@dataclass(frozen=True)
class Spelling:
    """How one text column is read: the format used, and the map of its unusual texts (empty: none)."""

    date_format: str = "ymd"
    mapped: str = ""
    repaired: bool = False


def map_spellings(
    stage: Stage, column: Column, settings: DataSettings, date_format: str = "auto"
) -> Spelling | None:
    """Reads the unusual texts of `column`; None when the column came typed.

    Raises
    ------
    InputError
        The order of day and month cannot be decided.
    """
    parts = [p.name for p in stage.parts.values() if _is_text(column, p.types.get(column.name))]
    if not parts or column.kind in ("id", "text"):
        return None
    auto = column.kind == "time" and date_format == "auto"
    texts = _unusual(stage.con, parts, column, "ymd" if auto else date_format, settings)
    if auto:
        date_format = decide_order(texts, f"{stage.table}.{column.name}")
    if auto and date_format != "ymd":
        texts = _unusual(stage.con, parts, column, date_format, settings)
    meanings = _meanings(texts, column, settings, date_format)
    name = f"spelled_{stage.table}_{column.name}"
    if meanings.num_rows:
        stage.con.register("meanings", meanings)
        stage.con.execute(f'CREATE OR REPLACE TEMP TABLE "{name}" AS SELECT * FROM meanings')
        stage.con.unregister("meanings")
    repaired = any(meanings.column("repairs").to_pylist())
    return Spelling(date_format, name if meanings.num_rows else "", repaired)


def usual_value(column: Column, date_format: str, settings: DataSettings) -> str:
    """SQL for the value of a text column in its usual spelling; missing for every other text."""
    text = f'CAST("{column.name}" AS VARCHAR)'
    if column.kind == "flag":
        return "CAST(NULL AS BOOLEAN)"
    if column.kind == "time":
        return _usual_time(text, date_format)
    mark = "\\." if settings.decimal == "." else ","
    plain = text if settings.decimal == "." else f"replace({text}, ',', '.')"
    shape = rf"-?\d{{1,15}}({mark}\d+)?"
    return f"CASE WHEN regexp_full_match({text}, '{shape}') THEN TRY_CAST({plain} AS DOUBLE) END"


def _usual_time(text: str, date_format: str) -> str:
    iso = f"CASE WHEN regexp_full_match({text}, '{_ISO}') THEN TRY_CAST({text} AS TIMESTAMP) END"
    if date_format == "ymd":
        return iso
    if date_format not in _REORDER:
        return "CAST(NULL AS TIMESTAMP)"
    shape = r"^(\d{1,2})[-/.](\d{1,2})[-/.](\d{4})(.*)$"
    turned = f"regexp_replace({text}, '{shape}', '{_REORDER[date_format]}')"
    other = f"CASE WHEN regexp_full_match({text}, '{_YEAR_LAST}') THEN TRY_CAST({turned} AS TIMESTAMP) END"
    return f"coalesce({iso}, {other})"


def _is_text(column: Column, kind: str | None) -> bool:
    return kind == "text" or (kind in ("whole", "number") and column.kind in ("time", "flag"))


def _unusual(
    con: Any, parts: list[str], column: Column, date_format: str, settings: DataSettings
) -> list[str]:
    usual = usual_value(column, date_format, settings)
    text = f'CAST("{column.name}" AS VARCHAR)'
    each = [f"SELECT {text} AS text FROM \"{part}\" WHERE {text} <> '' AND {usual} IS NULL" for part in parts]
    rows = con.execute(f"SELECT DISTINCT text FROM ({' UNION ALL '.join(each)}) ORDER BY text").fetchall()
    return [row[0] for row in rows]


def _meanings(texts: Iterable[str], column: Column, settings: DataSettings, date_format: str) -> pa.Table:
    texts = list(texts)
    if column.kind == "time":
        rows = [_time_meaning(text, settings.timezone, date_format) for text in texts]
        kind: pa.DataType = pa.timestamp("us")
    elif column.kind == "flag":
        rows = [_flag_meaning(text) for text in texts]
        kind = pa.bool_()
    else:
        rows = _number_meanings(texts, column.kind == "money", settings)
        kind = pa.float64()
    values, faults, repairs = zip(*rows, strict=True) if rows else ((), (), ())
    return pa.table(
        {
            "text": pa.array(texts, pa.string()),
            "value": pa.array(values, kind),
            "fault": pa.array(faults, pa.string()),
            "repairs": pa.array(repairs, pa.list_(pa.string())),
        }
    )


Meaning = tuple[Any, str, tuple[str, ...]]


def _time_meaning(text: str, zone: str, date_format: str) -> Meaning:
    whole = text if date_format == "excel" else text.removesuffix(".0")
    parsed = parse_time(whole, zone, date_format)
    return parsed.value, parsed.fault, ("zoned",) if parsed.zoned else ()


def _flag_meaning(text: str) -> Meaning:
    word = text.strip().lower().removesuffix(".0")
    if word in TRUE_WORDS or word in FALSE_WORDS:
        return word in TRUE_WORDS, "", ()
    return None, "missing" if word in MISSING else "not_a_flag", ()


def _number_meanings(texts: list[str], money: bool, settings: DataSettings) -> list[Meaning]:
    style = NumberStyle(settings.decimal, settings.thousands, settings.currency)
    parsed = [parse_number(text, style, money=money) for text in texts]
    if len({number.sign.upper() for number in parsed if number.sign}) > 1 and not settings.currency:
        parsed = [_undecided(number) for number in parsed]
    return [(number.value, number.fault, number.repairs) for number in parsed]


def _undecided(number: ParsedNumber) -> ParsedNumber:
    """Several signs and no configured currency: none of them can be trusted."""
    return replace(number, value=None, fault="other_currency", repairs=()) if number.sign else number
