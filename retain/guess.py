"""Guess which table a file is and what its columns mean, from names (English, Chinese) and values.

A name that is a known synonym counts most, a name that contains one less; values that do not look the part
(a time column whose values are no dates) take the confidence away. Where names say nothing, values alone
decide only if exactly one column can be meant.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Literal

from features.contract import TABLES, Column
from retain.heads import Head, Look
from retain.synonyms import COLUMN_NAMES, FILE_NAMES, plain

__all__ = ["Guess", "Match", "guess_columns", "guess_table"]

# A name that merely contains a synonym is weaker evidence than one that is a synonym.
_CONTAINS = 0.6
_LEAST = 0.35
_BY_VALUES = 0.3
# A customer has a number of rows; a category or a region has many more.
_MOST_REPEATS = 50
# Words that look like an amount, or a customer's number, and are not.
_NEVER: dict[str, tuple[str, ...]] = {
    "amount": ("tax", "ship", "freight", "discount", "coupon", "cost", "运费", "税", "优惠", "折扣", "成本"),
    "customer_id": ("name", "city", "state", "zip", "country", "phone", "姓名", "名称", "电话", "手机"),
    "order_id": ("date", "time", "status", "amount", "value", "total", "日期", "时间", "状态", "金额"),
    "product": ("price", "cost", "qty", "quantity", "length", "weight", "价", "数量"),
}


Why = Literal["name", "part of the name", "values", "known layout", "your word"]


@dataclass(frozen=True)
class Match:
    """One column of the contract found in a file; ``confidence`` lies in (0, 1]."""

    column: str
    source: str
    confidence: float
    why: Why


@dataclass(frozen=True)
class Guess:
    """What one file seems to be.

    ``missing`` are the required columns that no column of the file can be.
    """

    head: Head
    table: str
    matches: tuple[Match, ...]
    missing: tuple[str, ...]
    score: float

    @property
    def columns(self) -> dict[str, str]:
        """The mapping as ``retain.toml`` holds it: contract name to source name."""
        return {match.column: match.source for match in self.matches}


def guess_table(head: Head) -> Guess:
    """The table a file most likely is, with its columns mapped.

    A table whose required columns are all there beats one that lacks some; the file's name and the share of
    its columns that fit decide among those.
    """
    guesses = [guess_columns(head, table) for table in TABLES]
    return max(guesses, key=lambda guess: (not guess.missing, guess.score))


def guess_columns(head: Head, table: str) -> Guess:
    """Map the columns of a file onto one table of the contract.

    Returns
    -------
    Guess
        Each source column is used once, the surest pairs first.
    """
    contract = TABLES[table]
    pairs = sorted(_pairs(head, table), key=lambda match: -match.confidence)
    taken: dict[str, Match] = {}
    for match in pairs:
        if match.column not in taken and match.source not in {m.source for m in taken.values()}:
            taken[match.column] = match
    if table == "orders":
        _price_is_amount(taken)
        _from_values(head, taken)
    matches = tuple(taken[name] for name in contract.names if name in taken)
    missing = tuple(name for name in contract.required if name not in taken and not _computed(name, taken))
    return Guess(head, table, matches, missing, _score(head, table, matches))


def _pairs(head: Head, table: str) -> Iterator[Match]:
    for column in TABLES[table].columns:
        synonyms = _synonyms(table, column.name)
        for source in head.columns:
            named, exact = _by_name(plain(source), synonyms, column.name)
            confidence = named * _fits(column, head.looks[source])
            if confidence >= _LEAST:
                why: Why = "name" if exact else "part of the name"
                yield Match(column.name, source, round(confidence, 2), why)


@cache
def _synonyms(table: str, column: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(plain(name) for name in (column, *COLUMN_NAMES[table][column].split())))


def _by_name(name: str, synonyms: tuple[str, ...], column: str) -> tuple[float, bool]:
    if name in synonyms:
        return 1.0 - 0.2 * synonyms.index(name) / len(synonyms), True
    if any(word in name for word in _NEVER.get(column, ())):
        return 0.0, False
    # Short Latin words stand inside unrelated ones ("day" in "birthday"); two Chinese characters are telling.
    telling = (s for s in synonyms if len(s) >= (2 if not s.isascii() else 6))
    return (_CONTAINS if any(s in name for s in telling) else 0.0), False


def _fits(column: Column, look: Look) -> float:
    if not look.filled:
        return 0.9
    if column.kind == "time":
        return max(look.dates, 0.8 if look.format else 0.0)
    if column.kind in ("money", "number"):
        return look.numbers if look.numbers >= 0.5 else 0.0
    if column.kind == "id" and look.dates > 0.9 and look.whole < 0.9:
        return 0.2
    return 1.0


def _price_is_amount(taken: dict[str, Match]) -> None:
    """A price without a quantity is what the customer paid for the line."""
    if "amount" not in taken and "unit_price" in taken and "quantity" not in taken:
        price = taken.pop("unit_price")
        taken["amount"] = Match("amount", price.source, round(price.confidence * 0.7, 2), price.why)


def _computed(column: str, taken: dict[str, Match]) -> bool:
    return column == "amount" and {"quantity", "unit_price"} <= set(taken)


def _from_values(head: Head, taken: dict[str, Match]) -> None:
    tests = {
        "time": lambda look: look.dates >= 0.95,
        "amount": lambda look: look.numbers >= 0.95 and look.whole < 0.95 and look.distinct > 1,
        "customer_id": lambda look: 1.1 <= look.repeats <= _MOST_REPEATS and look.distinct > 1,
    }
    for name, test in tests.items():
        used = {match.source for match in taken.values()}
        free = [s for s in head.columns if s not in used and test(head.looks[s])]
        if name == "customer_id":
            free = [s for s in free if head.looks[s].dates < 0.5 and _looks_like_ids(head.looks[s])]
        if name not in taken and not _computed(name, taken) and len(free) == 1:
            taken[name] = Match(name, free[0], _BY_VALUES, "values")


def _looks_like_ids(look: Look) -> bool:
    return look.whole >= 0.95 or look.numbers < 0.5


def _score(head: Head, table: str, matches: tuple[Match, ...]) -> float:
    named = any(word in head.paths[0].name.lower() for word in FILE_NAMES[table].split())
    telling = [m.confidence for m in matches if m.column not in ("customer_id", "time")]
    return sum(telling) / max(len(head.columns), 1) + (0.5 if named else 0.0)
