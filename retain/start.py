"""The work of ``retain init``: read heads, propose, try the proposal on the data, write ``retain.toml``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from features.contract import TABLES
from features.errors import ConfigError, InputError
from features.files import explained, new_file, rename, settle
from features.progress import Progress
from retain.as_of import parse_day
from retain.config import Project, parse_config
from retain.country import country_of
from retain.guess import Guess
from retain.heads import Head
from retain.imports import import_olist, import_workbooks
from retain.init_report import LIKELY, SURE, InitReport, how_sure
from retain.proposal import Proposal, propose
from retain.sources import find_files, read_heads
from retain.toml_text import TableText, Wishes, configuration_text

if TYPE_CHECKING:
    from features.report import DataReport

__all__ = ["Asked", "set_up"]

_TRIED_BYTES = 500 * 2**20
_MOST_UP = 2


@dataclass(frozen=True)
class Asked:
    """The options of ``retain init``; empty texts and None mean: find it out."""

    files: tuple[Path, ...]
    path: Path
    window_days: int | None = None
    horizons: str = "30,90,180,365"
    as_of: str = "auto"
    out_dir: Path | None = None
    timezone: str = ""
    currency: str = ""
    margin_rate: float = 0.3
    date_format: str = "auto"
    encoding: str = "auto"
    mapping: tuple[str, ...] = ()
    force: bool = False


def set_up(asked: Asked, progress: Progress | None = None) -> InitReport:
    """Look at the files and write the configuration.

    Raises
    ------
    ConfigError
        The configuration exists already, an option is wrong, or no file can be the orders.
    InputError
        A file cannot be read without guessing.
    PublishError
        The configuration could not be written.
    """
    if asked.path.exists() and not asked.force:
        raise ConfigError(
            f"{asked.path} exists and is left as it is; --force overwrites it, -c FILE names another"
        )
    wishes = _wishes(asked)
    parse_config(configuration_text(wishes, ()), name="the options")
    mapping = _mapping(asked.mapping)
    say = progress or (lambda stage, share: None)
    say("files", 0.0)
    home = asked.path.absolute().parent
    imported = home / wishes.out_dir / "imported"
    heads, notes = import_workbooks(_heads(asked, home / wishes.out_dir), imported)
    heads, joined = import_olist(heads, imported)
    proposal = propose(heads, mapping)
    wishes = _informed(wishes, asked, proposal)
    notes = [*notes, *joined, *_notes(proposal, wishes, asked)]
    tables = [_table_text(guess, home, asked) for guess in proposal.guesses]
    report = None
    if asked.window_days is None:
        report = _tried(configuration_text(wishes, tables), asked.path, proposal, progress)
        wishes = _with_window(wishes, report)
    text = configuration_text(wishes, tables)
    parse_config(text, name="the proposed configuration")
    _publish(text, asked.path)
    return InitReport(asked.path, proposal, wishes, tuple(notes), report)


def _wishes(asked: Asked) -> Wishes:
    if asked.as_of != "auto":
        parse_day(asked.as_of)
    try:
        horizons = tuple(sorted({int(days) for days in asked.horizons.split(",")}))
    except ValueError:
        raise ConfigError(
            f"--horizons {asked.horizons!r}: whole numbers of days, e.g. 30,90,180,365"
        ) from None
    out_dir = "retain-out"
    if asked.out_dir is not None:
        out_dir = _from(asked.path.absolute().parent, asked.out_dir)
    return Wishes(
        window_days=Wishes.window_days if asked.window_days is None else asked.window_days,
        window_reason=Wishes.window_reason if asked.window_days is None else "as --churn-window said",
        horizons_days=horizons,
        as_of=asked.as_of,
        out_dir=out_dir,
        timezone=asked.timezone or Wishes.timezone,
        currency=asked.currency,
        margin_rate=asked.margin_rate,
    )


def _mapping(words: Sequence[str]) -> dict[str, dict[str, str]]:
    """``["amount=TOTAL", "surveys.score=NPS"]`` by table; a name without table belongs to the orders."""
    said: dict[str, dict[str, str]] = {}
    for word in words:
        name, equals, source = word.partition("=")
        table, _, column = name.rpartition(".")
        table = table or "orders"
        if not equals or table not in TABLES or column not in TABLES[table].names:
            known = ", ".join(TABLES[table].names) if table in TABLES else ", ".join(TABLES)
            raise ConfigError(f"--map {word!r}: write [TABLE.]NAME=COLUMN; known names: {known}")
        said.setdefault(table, {})[column] = source
    return said


def _heads(asked: Asked, skip: Path) -> list[Head]:
    try:
        return read_heads(asked.files, encoding=asked.encoding, date_format=asked.date_format, skip=skip)
    except InputError as error:
        if "set encoding" in str(error):
            raise InputError(f"{error}; here: --encoding NAME") from None
        raise


def _informed(wishes: Wishes, asked: Asked, proposal: Proposal) -> Wishes:
    """The wishes with what the files tell, where the user said nothing."""
    business = proposal.business
    timezone = asked.timezone or business.timezone or wishes.timezone
    return replace(
        wishes,
        currency=asked.currency or business.currency,
        timezone=timezone,
        country=country_of(timezone),
        decimal_comma=proposal.decimal_comma,
    )


def _notes(proposal: Proposal, wishes: Wishes, asked: Asked) -> list[str]:
    business = proposal.business
    notes = [f"recognised: {business.layout} ({business.about})"] if business.layout else []
    if not asked.timezone:
        notes.append(f"business zone taken to be {wishes.timezone}; --timezone says otherwise")
    if wishes.country:
        notes.append(
            f"public holidays taken to be those of {wishes.country}, the country of the zone; see [data]"
        )
    if not wishes.currency:
        notes.append("no currency found; --currency sets it")
    elif not asked.currency:
        notes.append(f"currency taken to be {wishes.currency}; --currency says otherwise")
    if proposal.decimal_comma:
        notes.append("numbers have a decimal comma")
    notes += [
        f"{path} is not used: it fits no table, or less well than another file" for path in proposal.unused
    ]
    for guess in proposal.guesses:
        unsure = [f"{m.source} as {m.column}" for m in guess.matches if m.confidence < LIKELY]
        if guess.head.sheet:
            notes.append(f"{guess.head.paths[0].name} has several sheets; only {guess.head.sheet!r} is read")
        notes += [f"{guess.table}: please look at {', '.join(unsure)}"] if unsure else []
    return notes


def _table_text(guess: Guess, home: Path, asked: Asked) -> TableText:
    delimiter = "auto" if guess.head.delimiter in ("", ",") else guess.head.delimiter
    reading = {
        "sheet": guess.head.sheet or "auto",
        "encoding": asked.encoding,
        "delimiter": delimiter,
        "date_format": asked.date_format,
    }
    times = [guess.head.looks[m.source].format for m in guess.matches if _is_time(guess.table, m.column)]
    numbered = next((name for name in times if name), "")
    if numbered and asked.date_format == "auto":
        reading["date_format"] = numbered
    return TableText(
        table=guess.table,
        paths=tuple(_from(home, path) for path in guess.head.paths),
        columns=guess.columns,
        comments={m.column: how_sure(m.confidence) for m in guess.matches if m.confidence < SURE},
        unused=tuple(name for name in guess.head.columns if name not in guess.columns.values()),
        reading={key: value for key, value in reading.items() if value != "auto"},
    )


def _is_time(table: str, column: str) -> bool:
    return TABLES[table].column(column).kind == "time"


def _from(home: Path, path: Path) -> str:
    """`path` as seen from `home`, absolute when it lies too far away to move along."""
    absolute = path.absolute()
    relative = Path(os.path.relpath(absolute, home))
    far = relative.parts[: _MOST_UP + 1].count("..") > _MOST_UP
    return str(absolute if far else relative)


def _tried(text: str, path: Path, proposal: Proposal, progress: Progress | None) -> DataReport | None:
    """The data report of the proposed configuration; None for data too large to read twice."""
    from features.load import load

    size = sum(file.stat().st_size for guess in proposal.guesses for file in find_files(guess.head.paths))
    if size > _TRIED_BYTES:
        return None
    project = Project(parse_config(text, name="the proposed configuration"), path.absolute())
    return load(project.config.data, base=project.base, progress=progress, strict=False).report


def _with_window(wishes: Wishes, report: DataReport | None) -> Wishes:
    days = report.facts.get("suggested_window_days") if report is not None else None
    if report is None or not days:
        return wishes
    return replace(wishes, window_days=int(days), window_reason=str(report.facts.get("window_reason_en", "")))


def _publish(text: str, path: Path) -> None:
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    with explained(path, part):
        new_file(part).write_text(text, encoding="utf-8")
        settle(part)
        rename(part, path)
