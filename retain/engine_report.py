"""``retain doctor --backend``: what of the features and labels works on an engine of the user's own."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from features.address import connect_backend, engine_name, local_file, resolve_url, show_url, without_secrets
from features.conformance import TOLERANCE, Conformance, Finding, State, check_engine
from features.progress import Progress

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["EngineReport", "Part", "examine_engine"]

_STYLES = {"equal": "green", "differs": "bold red", "failed": "bold magenta"}
_STEPS = {
    "tables": "made-up tables",
    "days": "times of",
    "facts": "facts of a day",
    "features": "features",
    "labels": "labels",
}


@dataclass(frozen=True)
class Part:
    """One table or one family of features over all shops: its worst state, and what was found.

    ``compared`` counts columns, in each shop anew.
    """

    step: str
    name: str
    state: State
    compared: int
    worst: float
    found: str

    @property
    def title(self) -> str:
        """What it is called for people."""
        return _STEPS[self.step] + ("" if self.name == self.step else f" {self.name}")


@dataclass(frozen=True)
class EngineReport:
    """The conformance of the engine at `address`, which may be shown."""

    address: str
    conformance: Conformance

    @property
    def parts(self) -> list[Part]:
        """What was compared, in the order of the work."""
        places: dict[tuple[str, str], list[Finding]] = {}
        for found in self.conformance.findings:
            places.setdefault((found.part, found.family), []).append(found)
        order = sorted(places, key=lambda place: list(_STEPS).index(place[0]))
        return [_part(step, name, places[step, name]) for step, name in order]

    @property
    def summary(self) -> str:
        """One line for people."""
        report = self.conformance
        what = f"{report.engine} {report.version} at {self.address}"
        if report.ok:
            return (
                f"{what}: all {len(report.findings)} columns of the made-up shops are what DuckDB gives "
                f"(largest difference {report.worst:.1g}, {TOLERANCE:.0e} is allowed)"
            )
        wrong = [part.title for part in self.parts if part.state != "equal"]
        return (
            f"{what}: {len(wrong)} of {len(self.parts)} parts do not work ({', '.join(wrong[:5])}"
            f"{' …' if len(wrong) > 5 else ''}). Do not read tables in place there: export them as Parquet, or "
            "set in_place = false under [data], and they are read into memory"
        )

    @property
    def document(self) -> dict[str, Any]:
        """The report as ``--json`` prints it; an infinite difference is null."""
        report = self.conformance
        return {
            "ok": report.ok,
            "engine": report.engine,
            "version": report.version,
            "address": self.address,
            "tolerance": TOLERANCE,
            "compared": len(report.findings),
            "worst": report.worst,
            "parts": [_finite(vars(part)) for part in self.parts],
            "faults": [_finite(vars(fault)) for fault in report.faults],
        }

    def table(self, *, quiet: bool = False) -> Table:
        """The parts as a table; `quiet` leaves out those that are equal."""
        from rich import box
        from rich.table import Table
        from rich.text import Text

        found = Table(box=box.SIMPLE_HEAD)
        for heading in ("part", "state", "columns", "found"):
            found.add_column(heading, overflow="fold")
        for part in self.parts:
            if not (quiet and part.state == "equal"):
                state = Text(part.state, _STYLES[part.state])
                found.add_row(Text(part.title), state, Text(str(part.compared)), Text(part.found))
        return found


def examine_engine(url: str, *, progress: Progress | None = None) -> EngineReport:
    """Compare the engine behind an address with embedded DuckDB; see `features.conformance.check_engine`.

    Parameters
    ----------
    url : str
        ``postgresql://…``, ``spark://local``, ``sc://…``, ``duckdb:///FILE`` or any other address that ibis knows;
        ``env:NAME`` reads it from the environment.
    progress : callable, optional
        Told the shop at work.

    Raises
    ------
    ConfigError
        The address is none, or its driver is not installed.
    InputError
        Nobody answers there. No message holds a password.
    """
    address = resolve_url(url)
    con = _connected(address)
    try:
        report = check_engine(con, progress=progress)
    finally:
        con.disconnect()
    safe = tuple(_without_secrets(found, address) for found in report.findings)
    return EngineReport(show_url(address), Conformance(report.engine, report.version, safe))


def _connected(address: str) -> Any:
    """A database of one file is opened, never made: the check writes temporary tables only."""
    import ibis

    if engine_name(address) not in ("duckdb", "sqlite") or not address.partition("://")[2].strip("/"):
        return connect_backend(address)
    path = local_file(address, Path())
    if engine_name(address) == "sqlite":
        return ibis.sqlite.connect(path)
    return ibis.duckdb.connect(path, read_only=True)


def _without_secrets(found: Finding, address: str) -> Finding:
    return Finding(**vars(found) | {"message": without_secrets(found.message, address)})


def _part(step: str, name: str, findings: list[Finding]) -> Part:
    faults = [found for found in findings if found.state != "equal"]
    worst = max(findings, key=lambda found: (found.state == "failed", found.state == "differs", found.worst))
    text = ""
    if faults:
        columns = ", ".join(dict.fromkeys(found.column for found in faults if found.column != "*"))
        shops = ", ".join(dict.fromkeys(found.shop for found in faults))
        text = f"{columns + ': ' if columns else ''}{worst.message} (shop {shops})"
    return Part(step, name, worst.state, len(findings), worst.worst, text)


def _finite(values: dict[str, Any]) -> dict[str, Any]:
    return {name: None if value == math.inf else value for name, value in values.items()}
