"""``retain offline-test``: what another strategy table would have brought, told from the log."""

from __future__ import annotations

from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from retain.commands import ConfigOption, JsonOption, QuietOption
from retain.console import Screen
from retain.reading import read_tables

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import RenderableType

    from retain.config import Project
    from strategies.offline_test import OfflineTest, OfflineValue

__all__ = ["offline_test"]

_NAMES = {
    "ips": "inverse propensity",
    "snips": "self-normalised",
    "dr": "doubly robust",
}


def offline_test(
    table: Annotated[Path, typer.Argument(metavar="TABLE", help="A strategy table: .toml or .csv.")],
    path: ConfigOption = Path("retain.toml"),
    offers: Annotated[
        Path | None,
        typer.Option("--offers", metavar="FILE", help="An offer catalogue; else the one in force."),
    ] = None,
    as_of: Annotated[
        str | None, typer.Option("--as-of", metavar="DATE", help="Day of the test; by default as in [run].")
    ] = None,
    horizon: Annotated[
        int | None,
        typer.Option(
            "--horizon", metavar="DAYS", help="Days after a decision that count; else the churn window."
        ),
    ] = None,
    most_weight: Annotated[
        float,
        typer.Option(
            "--most-weight", metavar="W", help="Weights are cut to this; how many is told.", min=1.0
        ),
    ] = 50.0,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Test another strategy table on the log of decisions, before anybody is contacted by it."""
    from retain.config import load_config
    from retain.results_report import records
    from strategies.offline_test import offline_value, overlap

    screen = Screen(json=json, quiet=quiet)
    project = load_config(path)
    test = _test(screen, project, table, offers, as_of=as_of, horizon=horizon)
    values = offline_value(test, most_weight=most_weight)
    report = overlap(test, most=most_weight)
    document = {
        "decisions": len(test.log),
        "ran": float(test.outcome.mean()),
        "most_weight": most_weight,
        "values": [asdict(value) for value in values],
        "overlap": records(report),
    }
    screen.result(document, *_told(test, values, report, most_weight))


def _test(
    screen: Screen,
    project: Project,
    table: Path,
    offers: Path | None,
    *,
    as_of: str | None,
    horizon: int | None,
) -> OfflineTest:
    """The log with its outcomes, and what the other table would have chosen."""
    from features.errors import NotEnoughData
    from retain.as_of import as_of_day
    from serving.campaign_results import outcomes_of, ripe
    from serving.decision_log import DecisionLog
    from strategies.offline_test import OfflineTest
    from strategies.results import COVARIATES
    from strategies.strategy_table import StrategyTable
    from strategies.table_policy import chances, chosen_offers

    config, days = project.config, horizon or project.config.churn.window_days
    other = StrategyTable.load(table)
    catalogue = _catalogue(project, other, offers)
    with closing(DecisionLog(project.store_url)) as log:
        decisions, results = log.decisions(), log.results()
    with screen.progress() as progress:
        tables = read_tables(screen, project, progress)
    day = as_of_day(tables, config.run, as_of)
    over, waiting = ripe(decisions, day, days)
    if over.empty:
        when = f"; the first counts from {min(waiting.values()).isoformat()} on" if waiting else ""
        raise NotEnoughData(
            f"offline test: no run was decided {days} days or more before {day.isoformat()}{when}. "
            "Decide with `retain decide`, and test once the horizon is over (--horizon shortens it)."
        )
    known = outcomes_of(over, results, tables, days, margin_rate=config.value.margin_rate)
    known["offer"] = known["offer"].where(known["arm"] != "hold_out", "leave_alone")
    covariates = known[[name for name in COVARIATES if name in known]].astype(float)
    target = chances(chosen_offers(known, other, catalogue))
    return OfflineTest(known, known["net_margin"].to_numpy(float), target, covariates)


def _catalogue(project: Project, table: Any, offers: Path | None) -> Any:
    from strategies.offers import OfferCatalogue
    from strategies.policy import catalogue_in_force

    if offers is not None:
        return OfferCatalogue.load(offers, table)
    config = project.config
    channels = getattr(config, "channels", {})
    return catalogue_in_force(project.strategies, table, offers=config.offers, channels=channels)


def _told(
    test: OfflineTest, values: list[OfflineValue], report: pd.DataFrame, most_weight: float
) -> list[RenderableType]:
    from rich import box
    from rich.table import Table

    figures = Table("margin less cost per customer", "other table", "more than what ran", box=box.SIMPLE_HEAD)
    for value in values:
        own = f"{value.value:,.2f} ({value.low:,.2f} … {value.high:,.2f})"
        more = f"{value.gain:+,.2f} ({value.gain_low:+,.2f} … {value.gain_high:+,.2f})"
        figures.add_row(_NAMES[value.estimator], own, more)
    told = Table(
        "offer", "wanted", "in the log", "matching", "effective", "largest weight", box=box.SIMPLE_HEAD
    )
    for row in report.to_dict("records"):
        counts = [f"{row[name]:,.0f}" for name in ("logged", "matching", "effective")]
        told.add_row(str(row["offer"]), f"{row['wanted']:.0%}", *counts, f"{row['largest']:,.1f}")
    clipped = int(report.loc[report["offer"] == "all", "clipped"].iloc[0])
    head = (
        f"{len(test.log):,} logged decisions; what ran brought {test.outcome.mean():,.2f} per customer. "
        "95 % intervals; budgets and capacities are not looked at"
    )
    cut = f"{clipped:,} weights above {most_weight:g} were cut to it"
    return [head, figures, told, cut]
