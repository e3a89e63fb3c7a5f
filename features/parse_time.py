"""One date or time as people write it, and which order of day and month a column uses.

Year first is never ambiguous. ``01/02/2026`` is: a whole column decides it, or the user does.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from zoneinfo import ZoneInfo

from features.errors import InputError
from features.parse_money import MISSING

__all__ = ["ORDERS", "ParsedTime", "decide_order", "parse_time"]

ORDERS = {"dmy": "day/month/year", "mdy": "month/day/year"}
"""The two readings of 01/02/2026."""

_MONTH_NAMES = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTHS = {name: number for number, name in enumerate(_MONTH_NAMES, 1)}
_CLOCK = (
    r"(?:[T ]*(?P<noon>[AP]M|上午|下午)? *(?P<h>\d{1,2})"
    r"(?::(?P<mi>\d{2})(?::(?P<s>\d{2})(?:[.,](?P<f>\d{1,9}))?)?"
    r"|时(?:(?P<mi2>\d{1,2})分(?:(?P<s2>\d{1,2})秒)?)?)? *(?P<noon2>[AP]M)?)?"
    r" *(?P<zone>Z|UTC|GMT|[+-]\d{2}:?(?:\d{2})?)?"
)
_YEAR_FIRST = (
    re.compile(r"(?P<y>\d{4})(?P<p>[-/.])(?P<m>\d{1,2})(?P=p)(?P<d>\d{1,2})(?!\d)" + _CLOCK, re.I | re.A),
    re.compile(r"(?P<y>\d{4})年(?P<m>\d{1,2})月(?P<d>\d{1,2})[日号]" + _CLOCK, re.I | re.A),
    re.compile(
        r"(?P<y>\d{4})(?P<m>\d{2})(?P<d>\d{2})(?:T?(?P<h>\d{2})(?P<mi>\d{2})(?P<s>\d{2})?)?(?P<zone>Z)?", re.A
    ),
)
_NAMED = (
    re.compile(r"(?P<d>\d{1,2})[- ](?P<mon>[A-Z]{3})[A-Z]*\.?,?[- ](?P<y>\d{4})(?!\d)" + _CLOCK, re.I | re.A),
    re.compile(
        r"(?P<mon>[A-Z]{3})[A-Z]*\.? (?P<d>\d{1,2})(?:st|nd|rd|th)?,? (?P<y>\d{4})(?!\d)" + _CLOCK,
        re.I | re.A,
    ),
)
_YEAR_LAST = re.compile(
    r"(?P<a>\d{1,2})(?P<p>[-/.])(?P<b>\d{1,2})(?P=p)(?P<y>\d{4})(?!\d)" + _CLOCK, re.I | re.A
)
_SERIAL = re.compile(r"\d{1,5}(?:\.\d+)?", re.A)
_EPOCH = re.compile(r"-?\d{1,19}", re.A)


@dataclass(frozen=True)
class ParsedTime:
    """What one text means: a naive business-local time, or a fault (``"missing"``, ``"not_a_date"``).

    ``zoned`` is true where the text named its zone and was converted.
    """

    value: datetime | None = None
    fault: str = ""
    zoned: bool = False


_MISS = ParsedTime(fault="missing")
_WRONG = ParsedTime(fault="not_a_date")


def parse_time(text: str, zone: str, date_format: str = "auto") -> ParsedTime:
    """The time that `text` stands for.

    Parameters
    ----------
    text : str
        One cell.
    zone : str
        Business zone; texts with a zone of their own are converted to it.
    date_format : str
        ``"auto"`` or ``"ymd"`` (year first and month names), ``"dmy"``, ``"mdy"``, ``"excel"`` (serial day
        numbers of the 1900 system), ``"epoch"`` (seconds), ``"epoch_ms"``, or a format of `strptime`.

    Examples
    --------
    >>> parse_time("2026年1月5日 14:30", "Asia/Shanghai").value
    datetime.datetime(2026, 1, 5, 14, 30)
    >>> parse_time("01/02/2026", "UTC", "dmy").value
    datetime.datetime(2026, 2, 1, 0, 0)
    >>> parse_time("01/02/2026", "UTC").fault
    'not_a_date'
    """
    plain = (text if text.isascii() else unicodedata.normalize("NFKC", text)).strip()
    if plain.lower() in MISSING:
        return _MISS
    return _parser(date_format)(plain, zone)


def decide_order(texts: Iterable[str], where: str) -> str:
    """``"dmy"`` or ``"mdy"`` for the day-month-year texts of one column, ``"ymd"`` when there are none.

    Raises
    ------
    InputError
        When every text can be read both ways, or when no one way reads them all.

    Examples
    --------
    >>> decide_order(["01/02/2026", "13/02/2026"], "orders.time")
    'dmy'
    """
    only: dict[str, str] = {}
    either = ""
    for text in texts:
        match = _YEAR_LAST.fullmatch(unicodedata.normalize("NFKC", text).strip())
        if match is None:
            continue
        first, second = int(match["a"]), int(match["b"])
        if 12 < first <= 31 and 1 <= second <= 12:
            only.setdefault("dmy", text)
        elif 12 < second <= 31 and 1 <= first <= 12:
            only.setdefault("mdy", text)
        elif first != second and 1 <= first <= 12 and 1 <= second <= 12:
            either = either or text
        elif first == second:
            only.setdefault("same", text)
    return _one_order(only, either, where)


def _one_order(only: dict[str, str], either: str, where: str) -> str:
    if "dmy" in only and "mdy" in only:
        raise InputError(
            f"{where}: dates come in two orders, e.g. {only['dmy']!r} (day first) and {only['mdy']!r} "
            "(month first); write them year first, such as 2026-01-31"
        )
    if "dmy" in only or "mdy" in only:
        return "dmy" if "dmy" in only else "mdy"
    if either:
        raise InputError(
            f"{where}: ambiguous date format, e.g. {either!r} may be day or month first and no value "
            'decides; set date_format = "dmy" or "mdy"'
        )
    return "dmy" if "same" in only else "ymd"


@lru_cache(maxsize=32)
def _parser(date_format: str) -> Callable[[str, str], ParsedTime]:
    known: dict[str, Callable[[str, str], ParsedTime]] = {
        "auto": _year_first,
        "ymd": _year_first,
        "dmy": lambda text, zone: _any_order(text, zone, "a"),
        "mdy": lambda text, zone: _any_order(text, zone, "b"),
        "excel": _excel,
        "epoch": lambda text, zone: _epoch(text, zone, 1),
        "epoch_ms": lambda text, zone: _epoch(text, zone, 1000),
    }
    if date_format in known:
        return known[date_format]
    if "%" in date_format:
        return lambda text, zone: _explicit(text, zone, date_format)
    raise InputError(
        f'date_format {date_format!r} is unknown; use "auto", "ymd", "dmy", "mdy", "excel", "epoch", '
        '"epoch_ms" or a format such as "%d/%m/%Y %H:%M"'
    )


def _year_first(text: str, zone: str) -> ParsedTime:
    for pattern in (*_YEAR_FIRST, *_NAMED):
        match = pattern.fullmatch(text)
        if match is not None:
            parts = match.groupdict()
            month = _MONTHS.get(parts["mon"].title(), 0) if "mon" in parts else int(parts["m"])
            return _moment(parts, month, int(parts["d"]), zone)
    return _WRONG


def _any_order(text: str, zone: str, day: str) -> ParsedTime:
    match = _YEAR_LAST.fullmatch(text)
    if match is None:
        return _year_first(text, zone)
    month = "b" if day == "a" else "a"
    return _moment(match.groupdict(), int(match[month]), int(match[day]), zone)


def _moment(parts: dict[str, str | None], month: int, day: int, zone: str) -> ParsedTime:
    noon = (parts.get("noon") or parts.get("noon2") or "").upper()
    hour = int(parts.get("h") or 0)
    clockless = not parts.get("h") and (noon or parts.get("zone"))
    if clockless or (noon and not 1 <= hour <= 12):
        return _WRONG
    if noon:
        hour = hour % 12 + (12 if noon in ("PM", "下午") else 0)
    minute, second = (int(parts.get(n) or parts.get(n + "2") or 0) for n in ("mi", "s"))
    micro = int((parts.get("f") or "0").ljust(6, "0")[:6])
    try:
        value = datetime(int(parts["y"] or 0), month, day, hour, minute, second, micro)
        return _local(value, parts.get("zone"), zone)
    except (ValueError, OverflowError):
        return _WRONG


def _local(value: datetime, offset: str | None, zone: str) -> ParsedTime:
    if not offset:
        return ParsedTime(value)
    if offset.upper() in ("Z", "UTC", "GMT"):
        own = UTC
    else:
        digits = offset[1:].replace(":", "").ljust(4, "0")
        shift = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
        own = timezone(-shift if offset[0] == "-" else shift)
    local = value.replace(tzinfo=own).astimezone(ZoneInfo(zone))
    return ParsedTime(local.replace(tzinfo=None), zoned=True)


def _excel(text: str, zone: str) -> ParsedTime:
    if not _SERIAL.fullmatch(text) or float(text) < 61:
        return _year_first(text, zone)
    seconds = round(float(text) * 86_400)
    return ParsedTime(datetime(1899, 12, 30) + timedelta(seconds=seconds))


def _epoch(text: str, zone: str, per_second: int) -> ParsedTime:
    if not _EPOCH.fullmatch(text):
        return _WRONG
    try:
        instant = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(
            microseconds=int(text) * 1_000_000 // per_second
        )
        return ParsedTime(instant.astimezone(ZoneInfo(zone)).replace(tzinfo=None), zoned=True)
    except OverflowError:
        return _WRONG


def _explicit(text: str, zone: str, date_format: str) -> ParsedTime:
    try:
        value = datetime.strptime(text, date_format)
    except ValueError:
        return _WRONG
    if value.tzinfo is None:
        return ParsedTime(value)
    return ParsedTime(value.astimezone(ZoneInfo(zone)).replace(tzinfo=None), zoned=True)
