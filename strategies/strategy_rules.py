"""Rows of the strategy table: reading them, and saying what is wrong with them."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from strategies.status import RISKS, STATUSES
from strategies.value_class import VALUE_CLASSES

__all__ = ["CELLS", "KEYS", "Cell", "Rule", "coverage_faults", "read_names", "read_rules"]

Cell = tuple[str, str, str]
KEYS: Final[dict[str, tuple[str, ...]]] = {"value_class": VALUE_CLASSES, "status": STATUSES, "risk": RISKS}
CELLS: Final[tuple[Cell, ...]] = tuple(itertools.product(VALUE_CLASSES, STATUSES, RISKS))
_TEXTS: Final = ("strategy", "reason", "en", "zh")
_HEADER: Final = re.compile(r"^\s*\[\[\s*rule\s*\]\]")


@dataclass(frozen=True)
class Rule:
    """One row of the table: the cells it covers, the strategy, and the reason as code and in both languages.

    ``place`` says where it stands in the file, for messages.
    """

    cells: tuple[Cell, ...]
    strategy: str
    reason: str
    en: str
    zh: str
    place: str


def read_names(given: Any, faults: list[str]) -> dict[str, dict[str, str]]:
    """The strategies by code, each with a name in both languages."""
    if not isinstance(given, dict) or not given:
        faults.append('[strategies] is missing; expected NAME = { en = "…", zh = "…" } for each strategy')
        return {}
    for code, texts in given.items():
        if (
            not isinstance(texts, dict)
            or set(texts) != {"en", "zh"}
            or not all(map(_is_text, texts.values()))
        ):
            faults.append(f'[strategies] {code}: expected {{ en = "…", zh = "…" }}, found {texts!r}')
    return given


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def read_rules(rows: Any, names: dict[str, dict[str, str]], text: str, faults: list[str]) -> tuple[Rule, ...]:
    """The rows that read well; what is wrong with the others goes to `faults`.

    Parameters
    ----------
    rows : object
        ``[[rule]]`` as parsed.
    names : dict
        The strategies by code.
    text : str
        The file, for line numbers.
    faults : list of str
        Receives one message per fault, with row and line.
    """
    if not isinstance(rows, list) or not rows:
        faults.append("[[rule]] is missing; expected rows that cover every combination")
        return ()
    found = []
    for row, place in zip(rows, _places(text, len(rows)), strict=True):
        wrong = _row_faults(row, names)
        faults.extend(f"{place}: {fault}" for fault in wrong)
        if not wrong:
            value_class, status, risk = (_labels(row[key], known) for key, known in KEYS.items())
            cells = tuple(itertools.product(value_class, status, risk))
            found.append(Rule(cells, row["strategy"], row["reason"], row["en"], row["zh"], place))
    return tuple(found)


def _places(text: str, count: int) -> list[str]:
    """Where each row stands: its number, and its line where the rows are written as [[rule]]."""
    lines = [n for n, line in enumerate(text.splitlines(), 1) if _HEADER.match(line)]
    if len(lines) != count:
        return [f"rule {i + 1}" for i in range(count)]
    return [f"rule {i + 1} (line {line})" for i, line in enumerate(lines)]


def _labels(given: Any, known: tuple[str, ...]) -> tuple[Any, ...]:
    """The labels a key names: one, several, or all by ``*``."""
    if given == "*":
        return known
    return tuple(given) if isinstance(given, list) else (given,)


def _row_faults(row: Any, names: dict[str, dict[str, str]]) -> list[str]:
    if not isinstance(row, dict):
        return [f"expected a table with {', '.join((*KEYS, *_TEXTS))}, found {row!r}"]
    faults = [f"{name} is missing" for name in (*KEYS, *_TEXTS) if name not in row]
    faults += [f"{name} is unknown" for name in row if name not in (*KEYS, *_TEXTS)]
    for key, known in KEYS.items():
        labels = _labels(row.get(key, "*"), known)
        faults += [
            f"{key} {label!r} is unknown; expected {', '.join(known)} or *"
            for label in labels
            if label not in known
        ]
        if not labels or len(set(map(str, labels))) < len(labels):
            faults.append(f"{key} names no label, or one twice")
    faults += [f"{name} must be a text" for name in _TEXTS if name in row and not _is_text(row[name])]
    if _is_text(row.get("strategy")) and row["strategy"] not in names:
        faults.append(f"strategy {row['strategy']!r} is not among [strategies]: {', '.join(names)}")
    return faults


def coverage_faults(rules: Sequence[Rule]) -> list[str]:
    """Cells that two rules cover, and cells that none does."""
    owner: dict[Cell, Rule] = {}
    faults = []
    for rule in rules:
        for cell in rule.cells:
            if cell in owner:
                faults.append(f"{_spell(cell)}: covered by {owner[cell].place} and by {rule.place}; keep one")
            owner.setdefault(cell, rule)
    return faults + [f"{_spell(cell)}: no rule covers it; add one" for cell in CELLS if cell not in owner]


def _spell(cell: Sequence[str]) -> str:
    return ", ".join(f"{key} = {label}" for key, label in zip(KEYS, cell, strict=True))
