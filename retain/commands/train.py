"""``retain train``: fit on past snapshots, judge out of time, register, promote when it beats the champion."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from retain.commands import ConfigOption, JsonOption, QuietOption
from retain.console import Screen
from retain.reading import read_tables

if TYPE_CHECKING:
    from retain.config import Project
    from training.challenge import Verdict
    from training.models.bundle import Bundle
    from training.train import Trained

__all__ = ["train"]


def train(
    path: ConfigOption = Path("retain.toml"),
    as_of: Annotated[
        str | None, typer.Option("--as-of", metavar="DATE", help="Nothing at or after this day is used.")
    ] = None,
    snapshot: Annotated[
        Path | None,
        typer.Option("--snapshot", metavar="FILE", help="Learn from one flat table with a label."),
    ] = None,
    label: Annotated[
        str | None, typer.Option("--label", metavar="COLUMN", help="With --snapshot: who left.")
    ] = None,
    positive: Annotated[
        str | None,
        typer.Option("--positive", metavar="VALUE", help="With --snapshot: the label's value for left."),
    ] = None,
    id_column: Annotated[
        str | None, typer.Option("--id", metavar="COLUMN", help="With --snapshot: names the customer.")
    ] = None,
    drop: Annotated[
        list[str] | None,
        typer.Option("--drop", metavar="COLUMN", help="With --snapshot: leave out; repeatable."),
    ] = None,
    allow: Annotated[
        list[str] | None,
        typer.Option("--allow", metavar="COLUMN", help="With --snapshot: was known before; repeatable."),
    ] = None,
    repeats: Annotated[
        int | None,
        typer.Option("--repeats", min=1, max=20, help="With --snapshot: repeats of the cross-validation."),
    ] = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Train, judge out of time, log to MLflow, and promote when the champion is beaten."""
    from retain.config import load_config

    screen = Screen(json=json, quiet=quiet)
    if snapshot is not None:
        from retain.flat_runs import FlatOptions, flat_project, train_flat

        named = (tuple(drop or ()), tuple(allow or ()))
        options = FlatOptions(snapshot, label, id_column, positive, *named, repeats)
        document, told = train_flat(screen, flat_project(path), options)
        screen.result(document, *told)
        return
    if any((label, positive, id_column, drop, allow, repeats)):
        from features.errors import ConfigError

        raise ConfigError("--label, --positive, --id, --drop, --allow and --repeats need --snapshot FILE")
    project = load_config(path)
    if project.config.churn.kind == "contract":
        from retain.contract_runs import train_contract_tables

        document, told = train_contract_tables(screen, project, as_of)
        screen.result(document, *told)
        return
    trained, bundle, verdict, run_id = _run(screen, project, as_of)
    screen.result(_document(project, trained, bundle, verdict, run_id), *_tell(trained, bundle, verdict))


def _run(screen: Screen, project: Project, as_of: str | None) -> tuple[Trained, Bundle, Verdict, str]:
    from features.publish import sweep_parts
    from retain.as_of import as_of_day
    from retain.second_lives import learn_second_lives
    from training.challenge import challenge
    from training.models.bundle import POINTER
    from training.models.text_files import point_at
    from training.registry import champion_bundle
    from training.tracking import register
    from training.train import train as run

    config, models = project.config, project.models_dir
    models.mkdir(parents=True, exist_ok=True)
    for name in sweep_parts(models):
        screen.note(f"removed a leftover of a run that was cut off: {name}")
    with screen.progress() as progress:
        tables = read_tables(screen, project, progress)
        day = as_of_day(tables, config.run, as_of)
        trained = run(tables, day, config.training, config.strategies, progress=progress)
        bundle = trained.bundle.save(models)
        screen.note(learn_second_lives(project, tables, day))
        champion = champion_bundle(config.tracking, models, uri=project.tracking_uri)
        verdict = challenge(trained, champion, config.training)
        folder = models / bundle.version
        known = register(trained, bundle, folder, verdict, config.tracking, uri=project.tracking_uri)
    if verdict.promote:
        point_at(models, POINTER, bundle.version)
    return trained, bundle, verdict, known.run_id


def _document(
    project: Project, trained: Trained, bundle: Bundle, verdict: Verdict, run_id: str
) -> dict[str, Any]:
    return {
        "model_version": bundle.version,
        "bundle": str(project.models_dir / bundle.version),
        "as_of": bundle.trained_as_of.isoformat(),
        "evidence": bundle.rung("churn"),
        "evidence_value": bundle.rung("value", bundle.curve.horizons_days[-1]),
        "promoted": verdict.promote,
        "verdict": {"en": verdict.en, "zh": verdict.zh},
        "mlflow_run": run_id,
        "notes": list(trained.notes),
        "judged": bundle.card["judged"],
        "grade": (bundle.card["quality"] or {}).get("grade"),
    }


def _tell(trained: Trained, bundle: Bundle, verdict: Verdict) -> list[Any]:
    from retain.metric_table import metric_table

    rungs = f"churn {bundle.rung('churn')}, value {bundle.rung('value', bundle.curve.horizons_days[-1])}"
    told: list[Any] = [f"Model {bundle.version}, as of {bundle.trained_as_of}, evidence: {rungs}"]
    told += [f"Note: {note}" for note in trained.notes]
    if trained.judged is not None:
        told.append(metric_table(trained.judged))
    if quality := bundle.card["quality"]:
        told.append(f"Quality {quality['grade']}: {quality['headline']['en']} `retain card` tells why.")
    told.append(f"{'Champion now' if verdict.promote else 'Not promoted'}: {verdict.en}")
    return told
