"""Training on, and scoring of, contracts with time: what ``[churn] kind = "contract"`` does."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from features.errors import ConfigError, NotEnoughData
from retain.console import Screen
from retain.reading import read_tables

if TYPE_CHECKING:
    from features.tables import Tables
    from retain.config import Project
    from training.contracts.contract_fit import ContractJudged

__all__ = ["refuse_contracts", "score_contract_tables", "train_contract_tables"]


def refuse_contracts(project: Project, command: str, instead: str) -> None:
    """Stops a command that is for orders alone.

    Raises
    ------
    ConfigError
        The configuration says ``kind = "contract"``.
    """
    if project.config.churn.kind == "contract":
        raise ConfigError(f'`{command}` is for [churn] kind = "orders", this is "contract": {instead}')


def train_contract_tables(
    screen: Screen, project: Project, as_of: str | None
) -> tuple[dict[str, Any], list[Any]]:
    """Trains, saves, logs and promotes the model of the configured contracts; its document and its texts."""
    from retain.promotion import keep
    from training.contracts.contract_challenge import challenge_contracts
    from training.contracts.contract_fit import train_contracts
    from training.models.contract_bundle import POINTER

    with screen.progress() as progress:
        tables = read_tables(screen, project, progress)
        day = _day(tables, project, as_of)
        trained = train_contracts(tables, day, project.config.training, progress=progress)
    bundle, document, place = keep(
        project, trained.bundle, POINTER, lambda champion: challenge_contracts(trained, champion)
    )
    head = f"Model {bundle.version}, as of {day}, {bundle.card['running']:,} running contracts, "
    told: list[Any] = [head + f"evidence {bundle.evidence}", *(f"Note: {note}" for note in trained.notes)]
    told += [] if trained.judged is None else [_figures(trained.judged)]
    return {**document, "as_of": day.isoformat(), "notes": list(trained.notes)}, [*told, place]


def score_contract_tables(
    screen: Screen, project: Project, as_of: str | None, out: Path | None, raw: bool
) -> tuple[dict[str, Any], str]:
    """Writes the list of the configured contracts; its document and its text."""
    from serving.contract_list import score_contracts
    from serving.lists import check_list, write_list
    from training.contracts.contract_panel import contract_panel
    from training.models.contract_bundle import POINTER, ContractBundle
    from training.models.text_files import pointed

    if out is not None:
        check_list(out)
    bundle = ContractBundle.load(pointed(project.models_dir, POINTER, train="retain train"))
    with screen.progress() as progress:
        tables = read_tables(screen, project, progress)
        day = _day(tables, project, as_of)
        running = contract_panel(tables, day, past=False).running(day)
    if running.empty:
        raise NotEnoughData(f"contracts: none runs on {day.isoformat()}; choose another --as-of")
    if out is None:
        project.lists_dir.mkdir(parents=True, exist_ok=True)
        out = project.lists_dir / f"contracts-{day.isoformat()}.csv"
    found = score_contracts(bundle, running)
    manifest = write_list(found, out, raw=raw)
    due = int((found["renewal_date"] < str(day + timedelta(days=bundle.window_days))).sum())
    expected = float(found["churn_probability"].sum())
    document = {
        "file": str(out),
        "as_of": day.isoformat(),
        "model_version": bundle.version,
        "rows": len(found),
        "sha256": manifest.sha256,
        "evidence": bundle.evidence,
        "expected_to_end": expected,
        "due_within_window": due,
    }
    told = f"{out}: {len(found):,} running contracts as of {day.isoformat()}, {expected:,.0f} expected to end within "
    return document, told + f"{bundle.window_days} days, {due:,} due for renewal"


def _day(tables: Tables, project: Project, given: str | None) -> date:
    """The day of a run: the option, else ``[run] as_of``, else the day after the last thing that was known."""
    from retain.as_of import parse_day

    if given is not None and given != "auto":
        return parse_day(given)
    if given is None and project.config.run.as_of != "auto":
        return project.config.run.as_of
    last = [table.day.max() for table in (tables.orders, tables.contracts) if table is not None]
    if tables.contracts is not None and "cancelled_at" in tables.contracts.columns:
        last.append(tables.contracts.cancelled_at.date().max())
    found = [
        day for day in (tables.con.to_pyarrow(expression).as_py() for expression in last) if day is not None
    ]
    if not found:
        raise NotEnoughData("there are no contracts to take the day from; give --as-of DATE")
    return max(found) + timedelta(days=1)


def _figures(judged: ContractJudged) -> Any:
    from rich import box
    from rich.table import Table

    from retain.flat_table import FIGURES

    table = Table(box=box.SIMPLE_HEAD, title=f"{len(judged.running):,} contracts on {judged.day.isoformat()}")
    table.add_column("model")
    for name in FIGURES.values():
        table.add_column(name, justify="right")
    for model, figures in judged.models.items():
        table.add_row(model, *(f"{figures[key]:.4f}" for key in FIGURES))
    return table
