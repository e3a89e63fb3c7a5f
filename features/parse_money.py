"""One number as people write it: thousands marks, currency signs, parentheses, 万, full-width digits.

Only spellings with one possible meaning under the contract are read; the rest is a fault with a name.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

__all__ = ["MAX_NUMBER", "MISSING", "NumberStyle", "ParsedNumber", "parse_number"]

MAX_NUMBER = 1e11
"""Largest size of one cell: sums over whole units stay exact below it."""
"""Largest amount of one line: exact whole-number sums of 1/10,000 must stay below 2**63."""

MISSING = frozenset({"", "na", "n/a", "#n/a", "null", "none", "nan", "-", "--", "—", "\\n"})
"""Spellings of a missing number or time, lower case. They are never applied to ids."""

_INFINITE = frozenset({"inf", "infinity", "∞", "#div/0!", "#value!", "#ref!", "#num!", "#name?"})
_SIGNS = {
    "¥": "CNY JPY",
    "元": "CNY",
    "圆": "CNY",
    "RMB": "CNY",
    "人民币": "CNY",
    "円": "JPY",
    "$": "USD AUD CAD NZD HKD SGD MXN TWD",
    "US$": "USD",
    "HK$": "HKD",
    "NT$": "TWD",
    "A$": "AUD",
    "C$": "CAD",
    "S$": "SGD",
    "R$": "BRL",
    "€": "EUR",
    "£": "GBP",
    "₩": "KRW",
    "₹": "INR",
    "₽": "RUB",
    "₫": "VND",
    "฿": "THB",
    "₺": "TRY",
    "ZŁ": "PLN",
    "KR": "SEK NOK DKK",
}
_UNITS = {"千": 1_000, "万": 10_000, "萬": 10_000, "亿": 100_000_000, "億": 100_000_000}
_MAX_EXPONENT = 330
_PARTS = re.compile(r"(?P<before>[^\d.,' ]*) *(?P<body>[\d.,' ]*\d(?:[eE][+-]?\d+)?)(?P<after>.*)")


@dataclass(frozen=True)
class NumberStyle:
    """The marks of the contract, and its currency (``""`` when none is configured)."""

    decimal: str = "."
    thousands: str = ","
    currency: str = ""


@dataclass(frozen=True)
class ParsedNumber:
    """What one text means: a value, or a fault (``"missing"``, ``"not_finite"`` …), and what was repaired.

    ``sign`` is the currency sign or code that stood beside the number, as written.
    """

    value: float | None = None
    fault: str = ""
    repairs: tuple[str, ...] = ()
    sign: str = ""


def parse_number(text: str, style: NumberStyle, *, money: bool = True) -> ParsedNumber:
    """The number that `text` stands for.

    Parameters
    ----------
    text : str
        One cell.
    style : NumberStyle
        Decimal and thousands marks, currency.
    money : bool
        Whether currency signs may stand beside the number and `MAX_NUMBER` holds.

    Examples
    --------
    >>> parse_number("¥1,234.50", NumberStyle(currency="CNY"))
    ParsedNumber(value=1234.5, fault='', repairs=('currency_sign', 'thousands'), sign='¥')
    >>> parse_number("(12.00)", NumberStyle()).value
    -12.0
    >>> parse_number("1,23", NumberStyle()).fault
    'not_a_number'
    """
    repairs: list[str] = []
    plain = _plain(text, repairs)
    bare = plain.lstrip("+-").lower()
    if plain.lower() in MISSING:
        return ParsedNumber(fault="missing")
    if bare in _INFINITE:
        return ParsedNumber(fault="not_finite")
    negative, plain = _without_parentheses(plain, repairs)
    match = _PARTS.fullmatch(plain)
    if match is None:
        return ParsedNumber(fault="not_a_number")
    before, body, after = match["before"].strip(), match["body"].strip(), match["after"].strip()
    minus, before, after = _signs(before, after, repairs)
    if minus is None or (negative and minus):
        return ParsedNumber(fault="not_a_number")
    factor, after = _unit(after, repairs)
    fault, sign = _currency(before, after, style, repairs) if money else _no_words(before, after)
    value = _body(body, style, repairs)
    if fault or value is None:
        return ParsedNumber(fault=fault or "not_a_number")
    if value.adjusted() > _MAX_EXPONENT:
        return ParsedNumber(fault="not_finite")
    return _finished(value * factor, negative or minus, money, tuple(sorted(repairs)), sign)


def _plain(text: str, repairs: list[str]) -> str:
    if text.isascii():
        return text.strip()
    if any("\uff00" <= c <= "\uffef" for c in text):
        repairs.append("full_width")
    plain = unicodedata.normalize("NFKC", text).strip()
    return plain.replace("−", "-").replace("’", "'")


def _without_parentheses(text: str, repairs: list[str]) -> tuple[bool, str]:
    if text.startswith("(") and text.endswith(")"):
        repairs.append("parentheses")
        return True, text[1:-1].strip()
    return False, text


def _signs(before: str, after: str, repairs: list[str]) -> tuple[bool | None, str, str]:
    """(negative, before, after) with at most one plus or minus taken off; None when there are several."""
    found = [c for c in before + after if c in "+-"]
    if len(found) > 1:
        return None, before, after
    if found and found[0] in after:
        if not after.endswith("-"):
            return None, before, after
        repairs.append("trailing_minus")
    outer = before.startswith(("+", "-")) or before.endswith(("+", "-")) or not any(c in "+-" for c in before)
    if not outer:
        return None, before, after
    return found == ["-"], before.strip("+-").strip(), after.rstrip("-").strip()


def _unit(after: str, repairs: list[str]) -> tuple[int, str]:
    factor = _UNITS.get(after[:1], 1)
    if factor == 1:
        return 1, after
    repairs.append("unit")
    return factor, after[1:].strip()


def _no_words(before: str, after: str) -> tuple[str, str]:
    return ("not_a_number", "") if before or after else ("", "")


def _currency(before: str, after: str, style: NumberStyle, repairs: list[str]) -> tuple[str, str]:
    """(fault, sign) of the words around a number."""
    signs = [word for word in (before, after) if word]
    if not signs:
        return "", ""
    meanings = [_meanings(word) for word in signs]
    if not all(meanings):
        return "not_a_number", ""
    shared = set.intersection(*meanings)
    if not shared or (style.currency and style.currency.upper() not in shared):
        return "other_currency", ""
    repairs.append("currency_sign")
    return "", signs[0]


def _meanings(word: str) -> set[str]:
    word = word.upper()
    if word in _SIGNS:
        return set(_SIGNS[word].split())
    return {word} if re.fullmatch(r"[A-Z]{3}", word) else set()


def _body(body: str, style: NumberStyle, repairs: list[str]) -> Decimal | None:
    whole, grouped = _shapes(style.decimal, style.thousands)
    if whole.fullmatch(body):
        if "e" in body.lower():
            repairs.append("exponent")
        return Decimal(body.replace(style.decimal, "."))
    if grouped is None or not grouped.fullmatch(body):
        return None
    repairs.append("thousands")
    return Decimal(body.replace(style.thousands, "").replace(style.decimal, "."))


@lru_cache(maxsize=16)
def _shapes(decimal: str, thousands: str) -> tuple[re.Pattern[str], re.Pattern[str] | None]:
    mark, group = re.escape(decimal), re.escape(thousands)
    whole = re.compile(rf"(?:\d+(?:{mark}\d+)?|{mark}\d+)(?:[eE][+-]?\d+)?", re.ASCII)
    if not thousands or thousands == decimal:
        return whole, None
    return whole, re.compile(rf"\d{{1,3}}(?:{group}\d{{3}})+(?:{mark}\d+)?", re.ASCII)


def _finished(
    size: Decimal, negative: bool, money: bool, repairs: tuple[str, ...], sign: str
) -> ParsedNumber:
    value = -float(size) if negative and size else float(size)
    if value in (float("inf"), float("-inf")):
        return ParsedNumber(fault="not_finite")
    if money and abs(value) > MAX_NUMBER:
        return ParsedNumber(fault="too_large")
    return ParsedNumber(value, "", repairs, sign)
