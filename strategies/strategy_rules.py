"""Rows of the strategy table: reading them from TOML or CSV, and saying what is wrong with them."""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from strategies.edited_file import did_you_mean, labels, lines_of
from strategies.protected import unknown_key
from strategies.status import RISKS, STATUSES
from strategies.value_class import VALUE_CLASSES

__all__ = [
    "CELLS",
    "COLUMNS",
    "KEYS",
    "LIFECYCLE_STAGES",
    "SATISFACTION_LOYALTIES",
    "Cell",
    "Rule",
    "first_match",
    "read_names",
    "read_rules",
    "rows_of_toml",
]

Cell = tuple[str, ...]
LIFECYCLE_STAGES: Final = (
    "awareness",
    "exploration",
    "expansion",
    "commitment",
    "dissolution",
    "unknown",
)
SATISFACTION_LOYALTIES: Final = ("saboteur", "mercenary", "hostage", "apostle", "unknown")
KEYS: Final[dict[str, tuple[str, ...]]] = {
    "value_class": VALUE_CLASSES,
    "lifecycle_stage": LIFECYCLE_STAGES,
    "satisfaction_loyalty": SATISFACTION_LOYALTIES,
    "risk": RISKS,
    "status": STATUSES,
}
CELLS: Final[tuple[Cell, ...]] = tuple(itertools.product(*KEYS.values()))
_TEXTS: Final = ("strategy", "reason", "en", "zh")
COLUMNS: Final = (*KEYS, *_TEXTS)
"""Columns of a table written as CSV."""
_CODE: Final = re.compile(r"\w[\w-]{0,63}")
_NOBODY: Final = -1
_TOLD: Final = 5
"""Gaps and earlier rules told in one message; the rest is counted."""

Row = tuple[str, Any]
"""Where a row stands in its file, and what it says."""


@dataclass(frozen=True)
class Rule:
    """One row of the table: for whom it is, the strategy, and the reason as code and in both languages.

    Parameters
    ----------
    labels : tuple of tuple of str
        For each of `KEYS` the labels it covers.
    strategy, reason, en, zh : str
        Codes and texts.
    place : str
        Where it stands in the file, for messages.
    """

    labels: tuple[tuple[str, ...], ...]
    strategy: str
    reason: str
    en: str
    zh: str
    place: str

    @property
    def box(self) -> tuple[NDArray[np.intp], ...]:
        """Its cells as an index of an array over all cells."""
        numbers = [
            [known.index(label) for label in chosen]
            for chosen, known in zip(self.labels, KEYS.values(), strict=True)
        ]
        return np.ix_(*numbers)


def read_names(given: Any, faults: list[str]) -> dict[str, dict[str, str]]:
    """The strategies by code, each with a name in both languages."""
    if not isinstance(given, dict) or not given:
        faults.append('[strategies] is missing; expected NAME = { en = "…", zh = "…" } for each strategy')
        return {}
    for code, texts in given.items():
        if not _CODE.fullmatch(code):
            faults.append(f"[strategies] {code!r} must be 1 to 64 letters, digits, _ or -")
        if (
            not isinstance(texts, dict)
            or set(texts) != {"en", "zh"}
            or not all(map(_is_text, texts.values()))
        ):
            faults.append(f'[strategies] {code}: expected {{ en = "…", zh = "…" }}, found {texts!r}')
    if "win_back" in given and "do_not_regain" not in given:
        faults.append(
            "[strategies] do_not_regain is missing; win_back becomes do_not_regain where it does not pay"
        )
    return given


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def rows_of_toml(given: Any, text: str, faults: list[str]) -> list[Row]:
    """The rows of ``[[rule]]`` as parsed, each with its number, and its line where it is written so."""
    if not isinstance(given, list) or not given:
        faults.append("[[rule]] is missing; expected rows that cover every combination")
        return []
    places = lines_of(text)
    if f"rule.{len(given)}" not in places or f"rule.{len(given) + 1}" in places:
        return [(f"rule {i}", row) for i, row in enumerate(given, 1)]
    return [(f"rule {i} (line {places[f'rule.{i}']})", row) for i, row in enumerate(given, 1)]


def read_rules(rows: Sequence[Row], names: Collection[str], faults: list[str]) -> tuple[Rule, ...]:
    """The rows that read well; what is wrong with the others goes to `faults`.

    Parameters
    ----------
    rows : sequence of (place, row)
        What each row says, and where it stands.
    names : collection of str
        Codes of the strategies.
    faults : list of str
        Receives one message per fault, with row and line.
    """
    found = []
    for place, row in rows:
        wrong = _row_faults(row, names)
        faults.extend(f"{place}: {fault}" for fault in wrong)
        if not wrong:
            chosen = tuple(_chosen(row.get(key), known) for key, known in KEYS.items())
            strategy, reason, en, zh = (row[name].strip() for name in _TEXTS)
            found.append(Rule(chosen, strategy, reason, en, zh, place))
    return tuple(found)


def _chosen(given: Any, known: tuple[str, ...]) -> tuple[Any, ...]:
    """The labels a key names; all of them when it is left out."""
    return known if given != [] and not labels(given) else labels(given)


def _row_faults(row: Any, names: Collection[str]) -> list[str]:
    if not isinstance(row, dict):
        return [f"expected a table with {', '.join(COLUMNS)}, found {row!r}"]
    faults = [f"{name} is missing" for name in _TEXTS if name not in row]
    faults += [unknown_key(name, COLUMNS) for name in row if name not in COLUMNS]
    for key, known in KEYS.items():
        found = _chosen(row.get(key), known)
        faults += [
            f"{key} {label!r} is unknown{did_you_mean(label, known)}" for label in found if label not in known
        ]
        if not found or len(set(map(str, found))) < len(found):
            faults.append(f"{key} names no label, or one twice")
    faults += [f"{name} must be a text" for name in _TEXTS if name in row and not _is_text(row[name])]
    strategy = row.get("strategy")
    if isinstance(strategy, str) and strategy.strip() and strategy.strip() not in names:
        faults.append(f"strategy {strategy!r} is not among [strategies]{did_you_mean(strategy, names)}")
    return faults


def first_match(rules: Sequence[Rule], faults: list[str]) -> NDArray[np.int16]:
    """For every cell the number of the first rule that covers it.

    Parameters
    ----------
    rules : sequence of Rule
        In the order of the file.
    faults : list of str
        Receives the rules that can never be reached, and the cells that no rule covers.

    Returns
    -------
    array of int16, shape (value classes, stages, satisfaction × loyalty, risks, statuses)
        −1 where no rule covers the cell.
    """
    number = np.full([len(known) for known in KEYS.values()], _NOBODY, dtype=np.int16)
    for i, rule in enumerate(rules):
        before = number[rule.box]
        if (before != _NOBODY).all():
            takers = [rules[j].place for j in np.unique(before)]
            faults.append(
                f"{rule.place} can never be reached: {_listed(takers)} above it take(s) all its combinations; "
                "move it up, or take it out"
            )
        number[rule.box] = np.where(before == _NOBODY, i, before)
    gaps = list(_gaps(number == _NOBODY))
    faults.extend(
        f"no rule covers {cells} combination(s): {told}; add a rule, or a last one that leaves all keys out"
        for told, cells in gaps[:_TOLD]
    )
    if len(gaps) > _TOLD:
        faults.append(f"no rule covers {sum(cells for _, cells in gaps[_TOLD:])} more combination(s)")
    return number


def _listed(words: Sequence[str]) -> str:
    more = f" and {len(words) - _TOLD} more" if len(words) > _TOLD else ""
    return ", ".join(words[:_TOLD]) + more


def _gaps(empty: NDArray[np.bool_]) -> Iterator[tuple[str, int]]:
    """The empty cells as few blocks of labels, each in words and with its number of cells."""
    left = empty.copy()
    while left.any():
        block = [[int(i)] for i in np.argwhere(left)[0]]
        for axis, known in enumerate(KEYS.values()):
            for label in range(len(known)):
                if label not in block[axis]:
                    wider = [*block[:axis], [label], *block[axis + 1 :]]
                    block[axis] += [label] if left[np.ix_(*wider)].all() else []
        left[np.ix_(*block)] = False
        yield _spell(block), int(np.prod([len(part) for part in block]))


def _spell(block: Sequence[Sequence[int]]) -> str:
    parts = [
        f"{key} = {' | '.join(known[i] for i in sorted(part))}"
        for (key, known), part in zip(KEYS.items(), block, strict=True)
        if len(part) < len(known)
    ]
    return ", ".join(parts) or "every one"
