"""``retain decide``: who gets which offer, within budget and limits, as an experiment that can be read later."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from retain.commands import AsOfOption, ConfigOption, JsonOption, LangOption, QuietOption
from retain.console import Screen
from retain.reading import read_tables

if TYPE_CHECKING:
    from features.tables import Tables
    from retain.config import Project
    from serving.decide import Decided, Policy
    from serving.decision_log import DecisionLog
    from serving.segments import Segments

__all__ = ["decide"]


def decide(
    path: ConfigOption = Path("retain.toml"),
    as_of: AsOfOption = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="The work queue; by default in out_dir, as CSV."),
    ] = None,
    budget: Annotated[
        float | None, typer.Option("--budget", metavar="MONEY", min=0, help="Instead of [decisions] budget.")
    ] = None,
    order: Annotated[
        Literal["gain", "risk"],
        typer.Option(
            "--order", help="Of the queue: expected gain, or risk (which does not say who can be kept)."
        ),
    ] = "gain",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be decided; write and log nothing.")
    ] = False,
    lang: LangOption = "en",
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Decide who gets which offer, log it, and write the work queue."""
    from retain.as_of import as_of_day
    from retain.champion import champion_scorer
    from retain.config import load_config
    from retain.decision_report import document, told
    from retain.second_lives import priced, second_lives
    from retain.unwilling import told_unwilling
    from serving.decide import work_queue
    from serving.decision_log import DecisionLog
    from serving.lists import check_list, write_list
    from serving.segments import keep, segments_of
    from strategies.protected import fairness, protected_names

    screen = Screen(json=json, quiet=quiet)
    if out is not None:
        check_list(out)
    project = load_config(path)
    policy = _policy(project, budget)
    scorer = champion_scorer(project)
    folder = project.out_dir / "segments"
    project.out_dir.mkdir(parents=True, exist_ok=True)
    with screen.progress() as progress, closing(DecisionLog(project.store_url)) as log:
        tables = read_tables(screen, project, progress)
        day = as_of_day(tables, project.config.run, as_of)
        segments = segments_of(
            scorer,
            tables,
            day,
            priced(project),
            folder=folder,
            lang=lang,
            win_back=second_lives(project),
            unwilling=told_unwilling(project),
        )
        run_id = f"{day.isoformat()}-{scorer.bundle.version[:12]}-{policy.version}"
        found = _decided(screen, project, policy, segments, log, tables, run_id)
        queue = work_queue(found, policy.catalogue, by_risk=order == "risk")
        if not dry_run:
            out = out or _default_place(project, day.isoformat())
            log.save(found.rows)
            _leave_terms(project, found, policy, run_id, day)
            keep(segments, folder)
            write_list(queue, out)
    written = None if dry_run else out
    people = segments.found.people.reset_index(drop=True)
    fair = fairness(people, found.rows["offer"], protected_names(project.strategies))
    currency = project.config.data.currency
    screen.result(
        document(found, segments, run_id, written, fair),
        *told(found, segments, policy, written, fair, lang=lang, currency=currency),
    )


def _leave_terms(project: Project, found: Decided, policy: Policy, run_id: str, day: date) -> None:
    """What single customers are decided by until the next run."""
    from serving.decision_terms import TermsStore, terms_of

    with closing(TermsStore(project.store_url)) as terms:
        terms.save(terms_of(found, policy, run_id=run_id, as_of=day, seed=project.config.run.seed))


def _policy(project: Project, budget: float | None) -> Policy:
    from serving.decide import Policy
    from strategies.decision_settings import DecidingSettings
    from strategies.policy import policy_version

    table, catalogue = project.policy()
    decisions = project.config.decisions
    if budget is not None:
        decisions = decisions.model_copy(update={"budget": budget})
    # The content of the files is in the version already; their names do not count.
    nameless = project.config.strategies.model_copy(update={"table": None, "offers": None})
    deciding = DecidingSettings(
        strategies=nameless, frameworks=project.config.frameworks, decisions=decisions
    )
    return Policy(table, catalogue, decisions, policy_version(table, catalogue, deciding))


def _decided(
    screen: Screen,
    project: Project,
    policy: Policy,
    segments: Segments,
    log: DecisionLog,
    tables: Tables,
    run_id: str,
) -> Decided:
    from serving.decide import decide
    from serving.effect_learning import STAKE, known_outcomes, measured_effects
    from strategies.protected import protected_names
    from training.effects.learn import learn_effects

    config, codes = project.config, policy.catalogue.codes
    days = config.churn.window_days
    known = known_outcomes(log, tables, segments.as_of, days, margin_rate=config.value.margin_rate)
    results, learnt = None, {}
    if known is not None:
        results = measured_effects(known)
        there = results["offer"].isin(codes)
        if not there.all():
            screen.note(
                f"results of {results.loc[~there, 'offer'].nunique()} offer(s) no longer in the catalogue are left out"
            )
        results = results[there]
        costs = dict(zip(codes, policy.catalogue.costs.tolist(), strict=True))
        protected = protected_names(config.strategies)
        found = learn_effects(known, costs, stake=STAKE, protected=protected, seed=config.run.seed)
        learnt = found.models
        for one in found.tried.to_dict("records"):
            screen.note(_learnt_of(one))
    return decide(
        segments,
        policy,
        run_id=run_id,
        seed=config.run.seed,
        results=results,
        learnt=learnt,
        window_days=days,
    )


def _learnt_of(tried: Mapping[Hashable, Any]) -> str:
    """What the log told of one offer, in a sentence."""
    about = f"effect of {tried['offer']} on {tried['rows']:,} decisions"
    if tried["used"]:
        return f"{about}: it differs by customer; at least {tried['slope_low']:.0%} of the difference found is used"
    return f"{about}: no sure difference between customers; the average is used"


def _default_place(project: Project, day: str) -> Path:
    project.lists_dir.mkdir(parents=True, exist_ok=True)
    return project.lists_dir / f"queue-{day}.csv"
