"""Files that people edit by hand: TOML or CSV, with the line of every key, and all faults told at once."""

from __future__ import annotations

import csv
import difflib
import hashlib
import io
import json
import re
import tomllib
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from features.errors import ConfigError

__all__ = [
    "did_you_mean",
    "hashed",
    "is_csv",
    "labels",
    "line_of",
    "lines_of",
    "read_csv",
    "read_edited",
    "read_toml",
    "refuse",
]

_HEAD: Final = re.compile(r"^\s*(\[\[?)\s*([^\[\]]+?)\s*\]\]?\s*(#.*)?$")
_KEY: Final = re.compile(r'^\s*"?([^"=\s#\[]+)"?\s*=')
_SEPARATORS: Final = ",;\t"


def read_edited(path: Path, *, named_by: str) -> str:
    """The text of a file.

    Parameters
    ----------
    path : Path
        The file; UTF-8, with or without a byte order mark.
    named_by : str
        The key of ``retain.toml`` that names it, for the message.

    Raises
    ------
    ConfigError
        When it cannot be read, or is not UTF-8.
    """
    try:
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); see {named_by}") from None
    except UnicodeDecodeError:
        raise ConfigError(
            f'{path}: not UTF-8 text; save it as UTF-8 (in a spreadsheet: "CSV UTF-8")'
        ) from None


def is_csv(source: str) -> bool:
    """Whether a file of this name is read as CSV; every other one is TOML.

    Examples
    --------
    >>> is_csv("Offers.CSV"), is_csv("offers.toml")
    (True, False)
    """
    return Path(source).suffix.lower() == ".csv"


def read_toml(text: str, source: str) -> dict[str, Any]:
    """The values of a TOML text; ConfigError with line and column where it is none."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{source} is not valid TOML: {error}") from None


def lines_of(text: str) -> dict[str, int]:
    """Where the sections and keys of a TOML text stand; the rows of ``[[rule]]`` are ``rule.1``, ``rule.2`` …

    Examples
    --------
    >>> lines_of('[offers.call]\\ncost = 3\\n\\n[[rule]]\\nrisk = "low"\\n')
    {'offers.call': 1, 'offers.call.cost': 2, 'rule.1': 4, 'rule.1.risk': 5}
    """
    places: dict[str, int] = {}
    rows: dict[str, int] = {}
    section = ""
    for number, line in enumerate(text.splitlines(), 1):
        if head := _HEAD.match(line):
            section = head[2].replace('"', "").replace("'", "")
            if head[1] == "[[":
                rows[section] = rows.get(section, 0) + 1
                section = f"{section}.{rows[section]}"
            places.setdefault(section, number)
        elif key := _KEY.match(line):
            places.setdefault(f"{section}.{key[1]}".lstrip("."), number)
    return places


def line_of(places: dict[str, int], *words: str) -> str:
    """``line N: `` of the nearest place that is known, or nothing.

    Examples
    --------
    >>> line_of({"offers.call": 7}, "offers", "call", "cost")
    'line 7: '
    """
    prefixes = (".".join(words[:depth]) for depth in range(len(words), 0, -1))
    return next((f"line {places[prefix]}: " for prefix in prefixes if prefix in places), "")


def read_csv(text: str, source: str) -> tuple[list[str], list[tuple[int, dict[str, str]]]]:
    """Header and rows of a CSV text, each row with the line it starts on; empty rows are passed over.

    Commas, semicolons or tabs separate, whichever the header holds most of.

    Raises
    ------
    ConfigError
        When there is no header, a column comes twice, or a row has more or fewer cells than the header.

    Examples
    --------
    >>> read_csv("risk;strategy\\n\\nhigh;rescue\\n", "mine.csv")
    (['risk', 'strategy'], [(3, {'risk': 'high', 'strategy': 'rescue'})])
    """
    first = next((line for line in text.splitlines() if line.strip()), "")
    separator = max(_SEPARATORS, key=first.count)
    reader = csv.reader(io.StringIO(text), delimiter=separator)
    head: list[str] = []
    rows, faults, line = [], [], 1
    for cells in reader:
        cells = [cell.strip() for cell in cells]
        if any(cells) and not head:
            head = cells
        elif any(cells) and len(cells) != len(head):
            faults.append(f"line {line}: {len(cells)} cells, but the header has {len(head)} columns")
        elif any(cells):
            rows.append((line, dict(zip(head, cells, strict=True))))
        line = reader.line_num + 1
    doubled = sorted({name for name in head if head.count(name) > 1})
    faults += [f"line 1: column {name!r} comes twice" for name in doubled]
    if not head:
        faults.append("it is empty; expected a header and rows")
    refuse(source, faults)
    return head, rows


def labels(given: object) -> tuple[object, ...]:
    """What one cell names: nothing for any (left out, empty or ``*``), else one or several labels.

    Examples
    --------
    >>> labels("gold | platinum"), labels(["low"]), labels("*"), labels(None)
    (('gold', 'platinum'), ('low',), (), ())
    """
    if given is None or (isinstance(given, str) and given.strip() in ("", "*")):
        return ()
    if isinstance(given, str):
        return tuple(part.strip() for part in given.split("|"))
    return tuple(given) if isinstance(given, list | tuple) else (given,)


def did_you_mean(word: object, known: Collection[str]) -> str:
    """The end of a message about a word that is not known.

    Examples
    --------
    >>> did_you_mean("golden", ["iron", "gold"]), did_you_mean("x", ["iron", "gold"])
    ('; did you mean gold?', '; expected iron, gold')
    """
    close = difflib.get_close_matches(str(word).lower(), known, n=1, cutoff=0.6)
    return f"; did you mean {close[0]}?" if close else f"; expected {', '.join(known)}"


def refuse(source: str, faults: Sequence[str] | Iterable[str]) -> None:
    """Raise ConfigError with all faults of a file at once; nothing when there are none."""
    found = list(faults)
    if found:
        raise ConfigError("\n  ".join([f"{source} has {len(found)} fault(s):", *found]))


def hashed(content: object) -> str:
    """First 12 hex digits of the SHA-256 of a JSON value; the order of its keys does not count.

    Examples
    --------
    >>> hashed({"a": 1, "b": 2}) == hashed({"b": 2, "a": 1})
    True
    """
    text = json.dumps(content, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:12]
