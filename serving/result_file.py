"""The result file that comes back from those who worked the list: read, checked, matched to decisions.

It is CSV, Excel or Parquet with a decision in each row, by ``decision_id`` or by ``customer_id`` and ``run_id``.
What cannot be matched or read is rejected with its line; the other rows count.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from features.contract import Column, TableContract
from features.errors import InputError
from features.findings import Ledger
from features.parse_money import MAX_NUMBER, MISSING, NumberStyle, parse_number
from features.parse_time import decide_order, parse_time
from features.read_files import read_file
from features.settings import DataSettings, TableSource
from features.spellings import FALSE_WORDS, TRUE_WORDS
from serving.lists import write_list
from serving.log_frames import RESULT, latest

__all__ = ["RESULT_FILE", "ResultFile", "read_results", "write_rejected"]

RESULT_FILE = TableContract(
    "results",
    "Results that come back",
    "回执",
    (
        Column("decision_id", "id", "Decision", "决策编号"),
        Column("customer_id", "id", "Customer", "客户编号"),
        Column("run_id", "id", "Run", "批次"),
        Column("reached", "flag", "The customer was reached", "是否触达"),
        Column("accepted", "flag", "The customer accepted", "是否接受"),
        Column("refusal_reason", "text", "Why not", "拒绝原因"),
        Column("cost", "money", "What the contact cost", "实际成本"),
        Column("time", "time", "Time of the contact", "时间"),
    ),
    time="time",
)
RULES: Final = {
    "unknown_decision": "belongs to no logged decision; take the ids from the list that went out",
    "no_decision": "names no decision: neither decision_id, nor customer_id and run_id",
    "other_customer": "the decision was about another customer",
    "negative": "a cost below 0",
    "too_large": "a cost beyond 100,000,000,000; check the unit",
    "not_a_number": "not a number",
    "not_finite": "not a finite number",
    "other_currency": "in another currency than the configured one",
    "not_a_date": "not a date",
    "not_a_flag": "neither yes nor no; write yes/no, true/false, 1/0 or 是/否",
    "bad_id": "an id stored as a decimal number has lost digits; store ids as text",
    "ragged_row": "more or fewer fields than the header",
    "undecodable": "cannot be decoded; export the file again in UTF-8",
    "torn_last_line": "the last line does not end with a newline and may be cut off",
}


@dataclass(frozen=True)
class ResultFile:
    """What one file holds.

    Parameters
    ----------
    rows : DataFrame
        One report per decision: ``decision_id, reached, accepted, refusal_reason, cost, time``.
    rejected : DataFrame
        ``line, column, rule, value``; the value is the offending text, never an id.
    repeated : int
        Rows that say again what another row of the file says.
    corrected : int
        Rows whose place a later row of the same decision took.
    """

    rows: pd.DataFrame
    rejected: pd.DataFrame
    repeated: int = 0
    corrected: int = 0

    def told(self, name: str) -> str | None:
        """One sentence on what was rejected, with a count and one line; None when nothing was."""
        if self.rejected.empty:
            return None
        first = self.rejected.iloc[0]
        count = self.rejected["line"].nunique()
        rows = "1 row was" if count == 1 else f"{count:,} rows were"
        return (
            f"{name}: {rows} rejected, e.g. line {first['line']:,}: {first['column']}, {RULES[first['rule']]}"
        )


def read_results(path: Path, settings: DataSettings, decisions: pd.DataFrame) -> ResultFile:
    """Read one result file and match it to the decisions it answers.

    Parameters
    ----------
    path : Path
        ``.csv``, ``.tsv``, ``.txt`` (also with ``.gz``), ``.xlsx`` or ``.parquet``.
    settings : DataSettings
        Number style, currency and zone.
    decisions : DataFrame
        Logged decisions: ``decision_id, customer_id, run_id``.

    Returns
    -------
    ResultFile

    Raises
    ------
    InputError
        The file cannot be read without guessing, or no column says which decision a row is about.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> log = pd.DataFrame({"decision_id": ["a1"], "customer_id": ["007"], "run_id": ["r1"]})
    >>> with TemporaryDirectory() as folder:
    ...     file = Path(folder, "back.csv")
    ...     _ = file.write_text("decision_id,reached,cost\\na1,yes,2.50\\nb7,no,0\\n")
    ...     found = read_results(file, DataSettings(), log)
    >>> found.rows[["reached", "cost"]].values.tolist(), found.rejected[["line", "rule"]].values.tolist()
    ([[True, 2.5]], [[3, 'unknown_decision']])
    """
    ledger = Ledger("results")
    pieces = [piece.to_pandas() for piece in read_file(path, RESULT_FILE, TableSource(), ledger)]
    raw = pd.concat([piece.astype(object) for piece in pieces], ignore_index=True).sort_values(
        "_line", ignore_index=True
    )
    if "decision_id" not in raw and not {"customer_id", "run_id"} <= set(raw):
        raise InputError(
            f"{path.name}: there is neither a column decision_id nor the columns customer_id and run_id; send "
            "the list back with the columns it went out with"
        )
    faults: list[pd.DataFrame] = [
        pd.DataFrame([(row.line, "row", row.rule, "") for row in ledger.aside], columns=_REJECTED)
    ]
    cast = _cast(raw, settings, faults)
    cast["decision_id"] = _matched(cast, decisions, faults)
    rejected = pd.concat(faults, ignore_index=True).astype({"line": "int64"})
    good = cast[~cast["line"].isin(rejected["line"])]
    said = good.drop_duplicates([*RESULT], keep="last")
    final = latest(said.rename(columns={"line": "version"}))[[*RESULT]]
    rejected = rejected.sort_values(["line", "column"], ignore_index=True)
    return ResultFile(final, rejected, len(good) - len(said), len(said) - len(final))


# lists go out with an apostrophe before texts that a spreadsheet would run as a formula
_GUARDED: Final = re.compile("'[-=+@＝＋－＠]")
_REJECTED: Final = ["line", "column", "rule", "value"]
Meaning = tuple[Any, str]


def _cast(raw: pd.DataFrame, settings: DataSettings, faults: list[pd.DataFrame]) -> pd.DataFrame:
    """Columns of the contract with their values; what cannot be read goes to `faults`."""
    found: dict[str, Any] = {"line": raw["_line"].astype("int64")}
    for column in RESULT_FILE.columns:
        given = raw[column.name] if column.name in raw else pd.Series(None, index=raw.index, dtype=object)
        given = given.where(given.notna(), None)
        read = _reader(column, given, settings)
        meanings = {value: read(value) for value in dict.fromkeys(map(_key, given))}
        values, wrong = (
            zip(*(meanings[_key(value)] for value in given), strict=True) if len(raw) else ((), ())
        )
        if column.name in ("customer_id", "run_id"):
            wrong = ("",) * len(raw)  # a row with a decision_id needs neither
        bad = np.array([bool(fault) for fault in wrong], dtype=bool)
        found[column.name] = pd.Series(values, index=raw.index, dtype=object)
        shown = ["" if column.kind == "id" else str(value) for value in given[bad]]
        lines = found["line"][bad]
        rules = [fault for fault in wrong if fault]
        faults.append(
            pd.DataFrame(
                {"line": lines, "column": column.name, "rule": rules, "value": shown}, index=lines.index
            )
        )
    table = pd.DataFrame(found)
    table["time"] = [None if v is None else v.isoformat() for v in table["time"].tolist()]
    return table


def _key(value: Any) -> Any:
    """A cell as it can be looked up; 1, 1.0 and True are not the same text."""
    return (type(value).__name__, value)


def _reader(column: Column, given: pd.Series, settings: DataSettings) -> Callable[[Any], Meaning]:
    """How the cells of one column are read; it takes what `_key` gives."""
    if column.kind == "flag":
        return lambda cell: _flag(cell[1])
    if column.kind == "money":
        style = NumberStyle(settings.decimal, settings.thousands, settings.currency)
        return lambda cell: _money(cell[1], style)
    if column.kind == "time":
        order = decide_order(_texts(given), "results.time")
        return lambda cell: _time(cell[1], settings.timezone, order)
    return lambda cell: _id(cell[1])


def _texts(given: pd.Series) -> Iterable[str]:
    return [value for value in given.tolist() if isinstance(value, str)]


def _id(value: Any) -> Meaning:
    if isinstance(value, float):
        return (str(int(value)), "") if value == int(value) and abs(value) < 2**53 else (None, "bad_id")
    text = "" if value is None else str(value).strip()
    if _GUARDED.match(text):
        text = text[1:]
    return (text or None), ""


def _flag(value: Any) -> Meaning:
    if value is None or isinstance(value, bool | np.bool_):
        return (None if value is None else bool(value)), ""
    word = str(value).strip().lower().removesuffix(".0")
    if word in TRUE_WORDS or word in FALSE_WORDS:
        return word in TRUE_WORDS, ""
    return None, "" if word in MISSING else "not_a_flag"


def _money(value: Any, style: NumberStyle) -> Meaning:
    if value is None:
        return None, ""
    if isinstance(value, int | float | np.number) and not isinstance(value, bool):
        number, fault = float(value), "" if np.isfinite(float(value)) else "not_finite"
    else:
        parsed = parse_number(str(value), style)
        if parsed.value is None:
            return None, "" if parsed.fault == "missing" else parsed.fault
        number, fault = parsed.value, ""
    fault = fault or ("negative" if number < 0 else "too_large" if number > MAX_NUMBER else "")
    return (None if fault else number), fault


def _time(value: Any, zone: str, order: str) -> Meaning:
    if value is None:
        return None, ""
    if isinstance(value, datetime):
        local = value if value.tzinfo is None else pd.Timestamp(value).tz_convert(zone).tz_localize(None)
        return pd.Timestamp(local).to_pydatetime(), ""
    parsed = parse_time(str(value), zone, order)
    return parsed.value, "" if parsed.fault == "missing" else parsed.fault


def _matched(cast: pd.DataFrame, decisions: pd.DataFrame, faults: list[pd.DataFrame]) -> pd.Series:
    """The decision of each row: by its id, else by customer and run."""
    pairs = pd.MultiIndex.from_frame(decisions[["run_id", "customer_id"]].astype(object))
    wanted = pd.MultiIndex.from_frame(cast[["run_id", "customer_id"]].astype(object))
    ids = decisions["decision_id"].to_numpy(object)
    by_pair = pd.Series([ids[n] if n >= 0 else None for n in pairs.get_indexer(wanted)], cast.index, object)
    given = cast["decision_id"]
    chosen = given.where(given.notna(), by_pair)
    owner = pd.Series(decisions["customer_id"].to_numpy(object), index=pd.Index(ids))
    unknown = chosen.notna() & ~chosen.isin(set(ids))
    # a spreadsheet may have turned 007 into 7: only an id that is somebody else's tells of shifted rows
    shifted = (chosen.map(owner) != cast["customer_id"]) & cast["customer_id"].isin(set(owner))
    named = given.notna() | cast[["run_id", "customer_id"]].notna().all(axis=1)
    other = chosen.notna() & ~unknown & shifted
    for rule, marks in (
        ("no_decision", ~named),
        ("unknown_decision", unknown | (named & chosen.isna())),
        ("other_customer", other),
    ):
        lines = cast.loc[marks.astype(bool), "line"]
        faults.append(pd.DataFrame({"line": lines, "column": "decision_id", "rule": rule, "value": ""}))
    return chosen


def write_rejected(found: ResultFile, path: Path) -> Path | None:
    """List all rejected rows beside the file; nothing where none was and no earlier list is there.

    Returns
    -------
    Path or None
        ``NAME.rejected.csv``: ``line, column, rule, value, what``.
    """
    target = path.with_name(f"{path.name}.rejected.csv")
    if found.rejected.empty and not target.exists():
        return None
    write_list(found.rejected.assign(what=found.rejected["rule"].map(RULES).astype(object)), target)
    return target
