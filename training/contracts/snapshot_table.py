"""A flat table with a label: typed columns, who left, and what was set aside and why."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.errors import ConfigError, InputError, NotEnoughData
from features.parse_time import parse_time
from training.models.flat_column import FlatColumn, numbers_of, texts_of

__all__ = ["SnapshotTable", "snapshot_table"]

_YES = frozenset(
    {"1", "yes", "y", "true", "t", "churned", "churn", "left", "lost", "gone", "是", "流失", "已流失"}
)
_NO = frozenset(
    {"0", "no", "n", "false", "f", "stayed", "stay", "active", "kept", "retained", "否", "未流失"}
)
_ID_NAME = re.compile(r"(^|[\s_-])(id|no|nr|number|key|code)$|[a-z](ID|Id)$|编号$|号$")
_LEADING_ZERO = re.compile(r"0\d")
_SAMPLE = 200
_OWN_SHARE = 0.5
_MOST_LEVELS = 20
_MOST_COLUMNS = 1_000


@dataclass(frozen=True)
class SnapshotTable:
    """A flat table, ready to learn from.

    Parameters
    ----------
    features : pandas.DataFrame
        Numbers as float64, texts as object with None where missing.
    left : array of float64
        1 for customers who left, else 0.
    ids : pandas.Series of str
        Id of each row.
    id_column, label, positive : str
        Name of the id column (empty: rows are numbered), of the label, and its value that means left.
    columns : tuple of FlatColumn
        How the columns are read, still without knots and levels.
    notes : tuple of str
        What was left out, and why.
    """

    features: pd.DataFrame
    left: npt.NDArray[np.float64]
    ids: pd.Series
    id_column: str
    label: str
    positive: str
    columns: tuple[FlatColumn, ...]
    notes: tuple[str, ...]


def snapshot_table(
    table: pd.DataFrame,
    label: str,
    *,
    id_column: str | None = None,
    positive: str | None = None,
    drop: Sequence[str] = (),
) -> SnapshotTable:
    """Types the columns of a table and reads its label.

    Parameters
    ----------
    table : pandas.DataFrame
        As read from a file: texts, numbers or both.
    label : str
        Column that says who left: two values.
    id_column : str, optional
        Column that names the customer; without it the first column that does.
    positive : str, optional
        Value of the label that means left; needed when the values do not speak for themselves.
    drop : sequence of str
        Columns to leave out.

    Raises
    ------
    ConfigError
        A named column or value is not there.
    InputError
        The label has more than two values or two that mean nothing to us, a number is infinite, no column is
        left to learn from, or there are more columns than 1,000 and than rows.
    NotEnoughData
        No row has a label, or all have the same.

    Examples
    --------
    >>> found = snapshot_table(pd.DataFrame({"plan": ["a", "b"] * 9, "churn": ["Yes", "No"] * 9}), "churn")
    >>> found.left[:4].tolist(), found.columns[0].kind, found.notes
    ([1.0, 0.0, 1.0, 0.0], 'category', ('no column names the customers: rows are numbered',))
    """
    _refuse_unknown(table, [label, *([id_column] if id_column else []), *drop])
    _refuse_wide(len(table), len({str(n) for n in table.columns} - {label, id_column, *drop}))
    left, positive, notes = _left(table[label], label, positive)
    table, left = table[~np.isnan(left)].reset_index(drop=True), left[~np.isnan(left)]
    kept: list[FlatColumn] = []
    typed: dict[str, pd.Series] = {}
    for name in (str(n) for n in table.columns if str(n) not in {label, id_column, *drop}):
        column, values, note = _column(table[name], name)
        if note.startswith(_OWN) and id_column is None:
            id_column = name
        elif note:
            notes.append(f"column {name!r} is left out: {note}")
        elif column is not None:
            kept.append(column)
            typed[name] = values
            notes += _mixed(table[name], column)
    if not kept:
        raise InputError(f"no column is left to learn {label!r} from: {'; '.join(notes) or 'there is none'}")
    ids, told = _ids(table, id_column)
    features = pd.DataFrame(typed)
    return SnapshotTable(features, left, ids, id_column or "", label, positive, tuple(kept), (*notes, *told))


def _refuse_unknown(table: pd.DataFrame, named: Sequence[str]) -> None:
    there = [str(name) for name in table.columns]
    absent = [name for name in named if name not in there]
    if absent:
        raise ConfigError(
            f"the table has no column {absent[0]!r}; its columns are {', '.join(repr(n) for n in there[:30])}"
        )


def _refuse_wide(rows: int, columns: int) -> None:
    if columns > max(_MOST_COLUMNS, rows):
        raise InputError(
            f"the table has {columns:,} columns beside {rows:,} rows: with so many, some fit by chance alone, and "
            f"comparing them would take hours. Keep those that may matter, at most {_MOST_COLUMNS:,} or as many as "
            "there are rows: export fewer, or leave others out with --drop COLUMN"
        )


def _left(
    cells: pd.Series, label: str, positive: str | None
) -> tuple[npt.NDArray[np.float64], str, list[str]]:
    """1, 0 or NaN per row, the value that means left, and notes."""
    texts = texts_of(cells)
    counts = texts.value_counts()
    notes = []
    if counts.empty:
        raise NotEnoughData(f"label {label!r}: none of {len(cells)} rows has a value; name another column")
    if missing := int(texts.isna().sum()):
        notes.append(f"{missing} of {len(texts)} rows have no {label!r} and are left out")
    told = ", ".join(f"{str(v)[:40]!r} ({n} rows)" for v, n in counts.head(6).items())
    if positive is not None and positive not in counts.index:
        raise ConfigError(f"label {label!r} has no value {positive!r}; it has {told}")
    if len(counts) == 1:
        raise NotEnoughData(
            f"label {label!r}: all rows have the one value {told}; rows of both outcomes are needed"
        )
    if len(counts) > 2 and positive is None:
        raise InputError(
            f"label {label!r} has {len(counts)} values where two are expected: {told}. Name the one that means "
            "left with --positive VALUE (all others then mean stayed), or another column"
        )
    if len(counts) > 2:
        notes.append(f"label {label!r}: {positive!r} means left, the {len(counts) - 1} other values stayed")
    gone = positive if positive is not None else _meaning(sorted(map(str, counts.index)), label)
    return np.where(texts.isna(), np.nan, (texts == gone).astype(np.float64)), gone, notes


def _meaning(values: list[str], label: str) -> str:
    """Which of two values means left."""
    words = [value.lower().removesuffix(".0") for value in values]
    for at, other in ((0, 1), (1, 0)):
        told = words[at] in _YES, words[other] in _NO
        # 1 and 2, or 0 and 2, may mean anything; a word beside a number seldom does.
        if all(told) or (any(told) and not any(w.isdigit() for w in words) and words[other] not in _YES):
            return values[at]
    raise InputError(
        f"label {label!r} has the values {values[0]!r} and {values[1]!r}; say which one means left: "
        f"--positive {values[0]!r} or --positive {values[1]!r}"
    )


_OWN = "nearly every row has a value of its own"


def _column(cells: pd.Series, name: str) -> tuple[FlatColumn | None, pd.Series, str]:
    """How a column is read and its values, or why it is left out."""
    kind, comma = _kind(cells)
    if kind == "date":
        return None, cells, "dates tell nothing without a day to count from; give a number of days instead"
    if kind == "number":
        values, wrong = numbers_of(cells, comma=comma)
        if wrong.any():
            raise InputError(
                f"column {name!r}: {int(wrong.sum())} of {len(cells)} cells are infinite; repair them or --drop it"
            )
    else:
        values = texts_of(cells)
    return FlatColumn(name, kind, comma=comma), values, _useless(values, name, kind)


def _kind(cells: pd.Series) -> tuple[Literal["number", "category", "date"], bool]:
    if pd.api.types.is_datetime64_any_dtype(cells):
        return "date", False
    if pd.api.types.is_bool_dtype(cells):
        return "category", False
    if pd.api.types.is_numeric_dtype(cells):
        return "number", False
    texts = texts_of(cells).dropna()
    if texts.empty:
        return "category", False
    if not texts.map(lambda text: bool(_LEADING_ZERO.match(text))).any():
        for comma in (False, True):
            numbers, wrong = numbers_of(cells, comma=comma)
            if not wrong.any() and numbers.notna().any():
                return "number", comma
    sample = texts.iloc[:: max(1, len(texts) // _SAMPLE)]
    for order in ("auto", "dmy", "mdy"):
        if all(parse_time(text, "UTC", order).value is not None for text in sample):
            return "date", False
    return "category", False


def _mixed(cells: pd.Series, column: FlatColumn) -> list[str]:
    """A note on a column read as text, most of whose cells are numbers."""
    if column.kind != "category" or pd.api.types.is_bool_dtype(cells):
        return []
    numbers, wrong = numbers_of(cells, comma=column.comma)
    if (
        numbers.notna().sum() <= wrong.sum()
        or texts_of(cells).dropna().map(lambda t: bool(_LEADING_ZERO.match(t))).any()
    ):
        return []
    example = str(cells[wrong].iloc[0])[:40]
    return [
        f"column {column.name!r} is read as text: {int(wrong.sum())} of {len(cells)} cells are no finite numbers, "
        f"e.g. {example!r}; empty them to have it read as a number"
    ]


def _useless(values: pd.Series, name: str, kind: str) -> str:
    """Why nothing can be learned from a column; empty when something can."""
    known = values.dropna()
    distinct = known.nunique()
    if distinct == 0:
        return "it is empty"
    if distinct == 1 and len(known) == len(values):
        return "it has the same value in every row"
    if kind == "category":
        many = distinct > max(_MOST_LEVELS, _OWN_SHARE * len(known))
        return _OWN if many or (distinct == len(values) and _ID_NAME.search(name)) else ""
    whole = bool((known == known.round()).all()) and distinct == len(values)
    if whole and len(values) > 1 and (_ID_NAME.search(name) or known.max() - known.min() < 1.5 * distinct):
        return _OWN if _ID_NAME.search(name) or len(values) > _MOST_LEVELS else ""
    return ""


def _ids(table: pd.DataFrame, id_column: str | None) -> tuple[pd.Series, list[str]]:
    if id_column is None:
        numbers = pd.Series(np.arange(1, len(table) + 1)).astype(str)
        return numbers, ["no column names the customers: rows are numbered"]
    ids = texts_of(table[id_column])
    notes = []
    if missing := int(ids.isna().sum()):
        notes.append(f"{missing} of {len(ids)} rows have no {id_column!r}")
    if doubled := int(ids.dropna().duplicated().sum()):
        notes.append(f"{doubled} of {len(ids)} rows repeat a {id_column!r}: each row counts as one customer")
    return ids.fillna(""), notes
