"""The strategy table: value class, status and risk to one strategy with a reason, from one editable file."""

from __future__ import annotations

import hashlib
import json
import tomllib
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from features.errors import ConfigError, InputError
from strategies.columns import require
from strategies.strategy_rules import CELLS, KEYS, Cell, Rule, coverage_faults, read_names, read_rules

__all__ = ["StrategyTable", "assign"]

# Column of the list and the part of the rule it shows.
_COLUMNS: Final = {
    "strategy": "strategy",
    "strategy_reason": "reason",
    "strategy_reason_en": "en",
    "strategy_reason_zh": "zh",
}


@dataclass(frozen=True)
class StrategyTable:
    """A checked table: every combination of labels is covered by exactly one rule.

    Parameters
    ----------
    rules : tuple of Rule
        In the order of the file, which has no meaning.
    names : dict
        Strategy code to its English and Chinese name.

    Examples
    --------
    >>> table = StrategyTable.default()
    >>> table.rule("gold", "active", "high").strategy
    'rescue'
    >>> table.names["rescue"]["zh"]
    '紧急挽留:立即专人联系'
    """

    rules: tuple[Rule, ...]
    names: dict[str, dict[str, str]]

    @classmethod
    def default(cls) -> StrategyTable:
        """The textbook policy that comes with Retain."""
        text = files("strategies").joinpath("default_strategies.toml").read_text(encoding="utf-8")
        return cls.parse(text, source="default_strategies.toml")

    @classmethod
    def load(cls, path: Path) -> StrategyTable:
        """Read a table from a file.

        Raises
        ------
        ConfigError
            When the file cannot be read, or for all its faults at once.
        """
        try:
            text = path.read_bytes().decode("utf-8-sig")
        except OSError as error:
            raise ConfigError(f"{path}: cannot be read ({error.strerror}); see [strategies] table") from None
        except UnicodeDecodeError:
            raise ConfigError(f"{path}: not UTF-8 text; save it as UTF-8") from None
        return cls.parse(text, source=path.name)

    @classmethod
    def parse(cls, text: str, *, source: str = "strategy table") -> StrategyTable:
        """Check the text of a table.

        Parameters
        ----------
        text : str
            TOML with ``[strategies]`` and ``[[rule]]``, as in ``default_strategies.toml``.
        source : str
            Name of the file, for messages.

        Raises
        ------
        ConfigError
            All faults at once, each with row and line: syntax, unknown or missing keys and labels, cells
            covered twice or not at all.
        """
        try:
            data = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(f"{source} is not valid TOML: {error}") from None
        faults = [
            f"{key} is unknown; expected [strategies] and [[rule]]"
            for key in data
            if key not in ("strategies", "rule")
        ]
        names = read_names(data.get("strategies"), faults)
        rules = read_rules(data.get("rule"), names, text, faults)
        # Gaps are only worth naming once every row reads well.
        faults = faults or coverage_faults(rules)
        if faults:
            raise ConfigError("\n  ".join([f"{source} has {len(faults)} fault(s):", *faults]))
        return cls(rules, names)

    @cached_property
    def cells(self) -> dict[Cell, Rule]:
        """Every combination (value class, status, risk) and its one rule."""
        return {cell: rule for rule in self.rules for cell in rule.cells}

    def rule(self, value_class: str, status: str, risk: str) -> Rule:
        """The one rule of a combination; KeyError for a label that does not exist."""
        return self.cells[value_class, status, risk]

    @cached_property
    def version(self) -> str:
        """First 12 hex digits of the SHA-256 of the content; comments and the order of rows do not count.

        Examples
        --------
        >>> StrategyTable.default().version == StrategyTable.default().version
        True
        """
        cells = {"|".join(c): [r.strategy, r.reason, r.en, r.zh] for c, r in self.cells.items()}
        content = json.dumps({"cells": cells, "names": self.names}, sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(content.encode()).hexdigest()[:12]


def assign(frame: pd.DataFrame, table: StrategyTable) -> pd.DataFrame:
    """Give each customer the one strategy of their combination.

    Parameters
    ----------
    frame : DataFrame
        One row per customer with ``value_class``, ``status`` and ``risk``.
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
    >>> assign(people, StrategyTable.default()).loc[0, ["strategy", "strategy_reason"]].tolist()
    ['win_back', 'gold_lost']
    """
    require(frame, tuple(KEYS), step="strategies")
    # One number per combination, so that a customer costs a look-up in an array and not a search.
    number = np.zeros(len(frame), dtype=np.int64)
    for key, known in KEYS.items():
        code = pd.Index(known).get_indexer(pd.Index(frame[key]))
        if (code < 0).any():
            raise InputError(
                f"strategies: {key} holds {int((code < 0).sum())} value(s) that are no label, e.g. "
                f"{frame[key][code < 0].iloc[0]!r}; expected {', '.join(known)}."
            )
        number = number * len(known) + code
    rules = [table.cells[cell] for cell in CELLS]
    columns = {
        column: np.array([getattr(rule, part) for rule in rules], dtype=object)[number]
        for column, part in _COLUMNS.items()
    }
    return pd.DataFrame(columns, index=frame.index, dtype="str")
