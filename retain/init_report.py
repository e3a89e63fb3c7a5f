"""What ``retain init`` did: which columns it took for what, how surely, and what it noticed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from retain.proposal import Proposal
from retain.toml_text import Wishes

if TYPE_CHECKING:
    from rich.console import RenderableType

    from features.report import DataReport

__all__ = ["LIKELY", "SURE", "InitReport", "how_sure"]

SURE, LIKELY = 0.8, 0.5


def how_sure(confidence: float) -> str:
    """A confidence in words.

    Examples
    --------
    >>> how_sure(0.6)
    'likely (60%)'
    """
    word = "sure" if confidence >= SURE else "likely" if confidence >= LIKELY else "a guess"
    return f"{word} ({confidence:.0%})"


@dataclass(frozen=True)
class InitReport:
    """What was written, what was guessed, and what trying it showed."""

    path: Path
    proposal: Proposal
    wishes: Wishes
    notes: tuple[str, ...]
    report: DataReport | None

    def document(self) -> dict[str, Any]:
        """Plain values for ``--json``."""
        tables = {
            guess.table: {
                "paths": [str(path) for path in guess.head.paths],
                "columns": {
                    m.column: {"source": m.source, "confidence": m.confidence, "why": m.why}
                    for m in guess.matches
                },
            }
            for guess in self.proposal.guesses
        }
        return {
            "config": str(self.path),
            "layout": self.proposal.business.layout,
            "tables": tables,
            "unused": [str(path) for path in self.proposal.unused],
            "window_days": self.wishes.window_days,
            "window_reason": self.wishes.window_reason,
            "errors": [finding.en for finding in self.report.errors] if self.report else [],
            "notes": list(self.notes),
        }

    def human(self) -> list[RenderableType]:
        """Texts and tables for people."""
        from rich import box
        from rich.table import Table

        items: list[RenderableType] = []
        for guess in self.proposal.guesses:
            files = ", ".join(path.name for path in guess.head.paths)
            table = Table(box=box.SIMPLE_HEAD, title=f"{guess.table}: {files}", title_justify="left")
            for heading in ("our name", "your column", "how sure", "because of"):
                table.add_column(heading, overflow="fold")
            for match in guess.matches:
                table.add_row(match.column, match.source, how_sure(match.confidence), match.why)
            items.append(table)
        errors = [finding.en for finding in self.report.errors] if self.report else []
        items += [f"! {note}" for note in self.notes]
        items += [f"! to put right before training: {text}" for text in errors]
        items.append(f"churn window: {self.wishes.window_days} days ({self.wishes.window_reason})")
        items.append(f"wrote {self.path}; next: retain check, retain train, retain score --out list.csv")
        return items
