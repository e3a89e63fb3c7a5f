"""The data report: what was found, repaired and set aside while loading, with numbers and examples."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = ["DataReport", "Finding", "State"]

State = Literal["error", "warning", "repaired", "quarantined"]


@dataclass(frozen=True)
class Finding:
    """One thing the loader saw.

    Parameters
    ----------
    table, column : str
        Contract names; ``column`` is ``""`` when the whole row or file is meant.
    state : {"error", "warning", "repaired", "quarantined"}
        ``error`` stops the run, ``quarantined`` sets rows aside, ``repaired`` changed how rows were read.
    rule : str
        Stable code, e.g. ``not_finite``, ``ragged_row``, ``future_date``.
    rows : int
        Rows affected.
    example : str
        One example: shape only (never an id), e.g. ``'1,23'``.
    lines : tuple of int
        First line numbers in the source, at most 20.
    source : str
        File name (without folder) or database table.
    en, zh : str
        What it means and what to do, both languages.
    """

    table: str
    column: str
    state: State
    rule: str
    rows: int
    en: str
    zh: str
    example: str = ""
    lines: tuple[int, ...] = ()
    source: str = ""


@dataclass
class DataReport:
    """Findings and facts of one load, ready to be printed or written as JSON."""

    findings: list[Finding] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)

    def of(self, state: State) -> list[Finding]:
        """The findings in one state."""
        return [f for f in self.findings if f.state == state]

    @property
    def errors(self) -> list[Finding]:
        """The findings that stop a run."""
        return self.of("error")
