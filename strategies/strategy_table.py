"""The strategy table: value, stage, satisfaction and loyalty, risk and status to one strategy with a reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.errors import InputError
from strategies.columns import Labels, Places, require
from strategies.edited_file import hashed, is_csv, read_csv, read_edited, read_toml, refuse
from strategies.protected import unknown_key
from strategies.strategy_rules import (
    CELLS,
    COLUMNS,
    KEYS,
    Rule,
    first_match,
    read_names,
    read_rules,
    rows_of_toml,
)

__all__ = ["StrategyTable", "assign", "default_text"]

# Column of the list and the part of the rule it shows.
_SHOWN: Final = {
    "strategy": "strategy",
    "strategy_reason": "reason",
    "strategy_reason_en": "en",
    "strategy_reason_zh": "zh",
}


@dataclass(frozen=True)
class StrategyTable:
    """A checked table: the first rule that covers a combination of labels decides, and every one is covered.

    Parameters
    ----------
    rules : tuple of Rule
        In the order of the file.
    names : dict
        Strategy code to its English and Chinese name.

    Examples
    --------
    A gold customer about to leave; the same one, dissatisfied and not loyal either.

    >>> table = StrategyTable.default()
    >>> known = {"value_class": "gold", "lifecycle_stage": "commitment", "risk": "high", "status": "active"}
    >>> table.rule(satisfaction_loyalty="unknown", **known).strategy
    'rescue'
    >>> table.names[table.rule(satisfaction_loyalty="saboteur", **known).strategy]["zh"]
    '绿色通道:12小时内上报最高层,24小时内答复'
    """

    rules: tuple[Rule, ...]
    names: dict[str, dict[str, str]]

    @classmethod
    def default(cls) -> StrategyTable:
        """The textbook policy that comes with Retain."""
        return cls.parse(default_text(), source="default_strategies.toml")

    @classmethod
    def load(cls, path: Path) -> StrategyTable:
        """Read a table from a file; CSV when its name ends so, else TOML.

        Raises
        ------
        ConfigError
            When the file cannot be read, or for all its faults at once.
        """
        return cls.parse(read_edited(path, named_by="[strategies] table"), source=path.name)

    @classmethod
    def parse(cls, text: str, *, source: str = "strategy table") -> StrategyTable:
        """Check the text of a table.

        Parameters
        ----------
        text : str
            TOML with ``[strategies]`` and ``[[rule]]``, as in ``default_strategies.toml``; or CSV with the columns
            value_class, lifecycle_stage, satisfaction_loyalty, risk, status, strategy, reason, en and zh, whose
            strategies are those of the default table. A key that is left out, empty or ``*`` means any label;
            several are separated by ``|``.
        source : str
            Name of the file, for messages; ``.csv`` at its end means CSV.

        Raises
        ------
        ConfigError
            All faults at once, each with row and line: syntax, unknown or missing keys and labels, rules
            that can never be reached, combinations that no rule covers.

        Examples
        --------
        >>> table = StrategyTable.parse(
        ...     "value_class,risk,strategy,reason,en,zh\\n"
        ...     "gold|platinum,high,rescue,best_at_risk,call now,立即致电\\n"
        ...     ",,observe,others,wait,观察\\n", source="mine.csv")
        >>> [rule.strategy for rule in table.rules]
        ['rescue', 'observe']
        """
        faults: list[str] = []
        if is_csv(source):
            names = cls.default().names
            head, lines = read_csv(text, source)
            refuse(source, [f"line 1: {unknown_key(n, COLUMNS)}" for n in head if n not in COLUMNS])
            rows = [(f"rule {i} (line {line})", row) for i, (line, row) in enumerate(lines, 1)]
            if not rows:
                faults.append("there is no row; expected rows that cover every combination")
        else:
            data = read_toml(text, source)
            faults += [
                f"{key} is unknown; expected [strategies] and [[rule]]"
                for key in data
                if key not in ("strategies", "rule")
            ]
            names = read_names(data.get("strategies"), faults)
            rows = rows_of_toml(data.get("rule"), text, faults)
        rules = read_rules(rows, names, faults)
        # What covers what is only worth telling once every row reads well.
        if not faults:
            first_match(rules, faults)
        refuse(source, faults)
        return cls(rules, names)

    @cached_property
    def numbers(self) -> NDArray[np.int16]:
        """For every combination, by the order of `KEYS`, the number of the rule that decides."""
        return first_match(self.rules, [])

    @cached_property
    def told(self) -> dict[str, tuple[str, ...]]:
        """What the list shows of each rule, in their order, by column."""
        return {column: tuple(getattr(rule, part) for rule in self.rules) for column, part in _SHOWN.items()}

    def assigned(self, given: Mapping[str, Labels]) -> dict[str, Labels]:
        """The columns of `assign`, for labels as the places of `KEYS`.

        Raises
        ------
        InputError
            When a label does not exist.

        Examples
        --------
        >>> cell = dict.fromkeys(KEYS, "unknown") | {"value_class": "gold", "status": "lost", "risk": "high"}
        >>> given = {key: Labels((word,), np.array([0])) for key, word in cell.items()}
        >>> StrategyTable.default().assigned(given)["strategy_reason"].texts()
        ['gold_lost']
        """
        # One number per combination, so that a customer costs a look-up in an array and not a search.
        number = self.numbers[tuple(_checked(key, given[key]) for key in KEYS)].astype(np.intp)
        return {column: Labels(words, number) for column, words in self.told.items()}

    def rule(
        self, *, value_class: str, lifecycle_stage: str, satisfaction_loyalty: str, risk: str, status: str
    ) -> Rule:
        """The rule that decides for a combination; ValueError for a label that does not exist."""
        given = (value_class, lifecycle_stage, satisfaction_loyalty, risk, status)
        place = tuple(known.index(label) for known, label in zip(KEYS.values(), given, strict=True))
        return self.rules[self.numbers[place]]

    @cached_property
    def version(self) -> str:
        """First 12 hex digits of the SHA-256 of what it says of every combination, and of the names.

        Comments and spelling do not count, and the order of rules only where it changes a decision.

        Examples
        --------
        >>> StrategyTable.default().version == StrategyTable.default().version
        True
        """
        said = [[rule.strategy, rule.reason, rule.en, rule.zh] for rule in self.rules]
        cells = [said[i] for i in self.numbers.ravel()]
        return hashed({"cells": cells, "names": self.names})

    def diff(self, other: StrategyTable) -> pd.DataFrame:
        """The combinations that another table treats otherwise.

        Returns
        -------
        DataFrame
            The five labels, ``strategy`` here and ``other_strategy`` there; one row per combination whose strategy
            differs.

        Examples
        --------
        >>> table = StrategyTable.default()
        >>> len(table.diff(table))
        0
        """
        here, there = (
            np.array([rule.strategy for rule in table.rules], dtype=object)[table.numbers.ravel()]
            for table in (self, other)
        )
        cells = pd.DataFrame(list(CELLS), columns=list(KEYS), dtype="str")
        cells = cells.assign(
            strategy=pd.array(here, dtype="str"), other_strategy=pd.array(there, dtype="str")
        )
        return cells[here != there].reset_index(drop=True)


def default_text() -> str:
    """The text of the default table, to start one's own from."""
    return files("strategies").joinpath("default_strategies.toml").read_text(encoding="utf-8")


def assign(frame: pd.DataFrame, table: StrategyTable) -> pd.DataFrame:
    """Give each customer the one strategy of their combination.

    Parameters
    ----------
    frame : DataFrame
        One row per customer with ``value_class``, ``lifecycle_stage``, ``satisfaction_loyalty``, ``risk`` and
        ``status``; what is not known is ``unknown``.
    table : StrategyTable
        The checked table.

    Returns
    -------
    DataFrame
        ``strategy`` (code), ``strategy_reason`` (code), ``strategy_reason_en``, ``strategy_reason_zh``; index
        as given.

    Raises
    ------
    InputError
        When a column is missing or holds a label that does not exist.

    Examples
    --------
    >>> people = pd.DataFrame({"value_class": ["gold"], "status": ["lost"], "risk": ["high"]})
    >>> people = people.assign(lifecycle_stage="unknown", satisfaction_loyalty="unknown")
    >>> assign(people, StrategyTable.default()).loc[0, ["strategy", "strategy_reason"]].tolist()
    ['win_back', 'gold_lost']
    """
    require(frame, tuple(KEYS), step="strategies")
    found = table.assigned({key: _labels(frame[key]) for key in KEYS})
    return pd.DataFrame({name: labels.column(frame.index) for name, labels in found.items()})


def _labels(column: pd.Series) -> Labels:
    given, words = pd.factorize(column)
    # A missing label has the number −1 and so reads the last place.
    told: tuple[Any, ...] = (*words.tolist(), np.nan)
    return Labels(told, given)


def _checked(key: str, given: Labels) -> Places:
    known = KEYS[key]
    places = given.read_as(known)
    wrong = places < 0
    if wrong.any():
        raise InputError(
            f"strategies: {key} holds {int(wrong.sum())} value(s) that are no label, e.g. "
            f"{given.words[given.places[wrong][0]]!r}; expected {', '.join(known)}."
        )
    return places
