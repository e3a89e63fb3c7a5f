"""Reading the configured tables for a run: what would spoil its figures is told in passing, not only by check."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from features.load import Progress
    from features.report import DataReport
    from features.tables import Tables
    from retain.config import Project
    from retain.console import Screen

__all__ = ["read_tables", "weighty_findings"]

_WEIGHTY = (
    "maybe_cents",
    "outlier_amount",
    "returns_exceed",
    "off_scale",
    "ends_first",
    "future_date",
    "lost_customers",
)


def read_tables(screen: Screen, project: Project, progress: Progress | None) -> Tables:
    """The tables of a project; findings that bear on every figure of the run go to standard error.

    Raises
    ------
    InputError
        The data cannot be read without guessing.
    """
    from features.load import load

    loaded = load(project.config.data, base=project.base, progress=progress, describe=False)
    for text in weighty_findings(loaded.report):
        screen.note(text)
    data = project.config.data
    if data.keep_facts and data.orders is not None:
        from features.kept_facts import FOLDER, with_kept_facts

        folder = project.out_dir / FOLDER
        loaded = with_kept_facts(loaded, data, folder, base=project.base, note=screen.note, progress=progress)
    return loaded.tables


def weighty_findings(report: DataReport) -> Iterator[str]:
    """One sentence for each finding without which the figures of a run would mislead, and the rows set aside.

    Examples
    --------
    >>> from features.report import DataReport, Finding
    >>> aside = Finding("orders", "amount", "quarantined", "not_a_number", 3, "Not a number", "…")
    >>> list(weighty_findings(DataReport([aside])))
    ['3 rows were set aside and are not used; `retain check` tells which and why']
    """
    for finding in report.findings:
        if finding.rule in _WEIGHTY:
            place = ".".join(part for part in (finding.table, finding.column) if part)
            example = f", e.g. {finding.example}" if finding.example else ""
            yield f"data: {place}, {finding.rows:,} rows{example}: {finding.en}"
    aside = sum(finding.rows for finding in report.of("quarantined"))
    if aside:
        one = "1 row was set aside and is" if aside == 1 else f"{aside:,} rows were set aside and are"
        yield f"{one} not used; `retain check` tells which and why"
