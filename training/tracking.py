"""The one door to MLflow: a run per training, the bundle as its artefact, and the alias ``champion``.

`training.registry` reads what is kept here.

Nothing that MLflow could execute is logged: text files only, hashed by the bundle's own manifest, and no row of
any customer. Metrics go in one batch, because one by one they cost tens of milliseconds each. A run whose
training died is closed as KILLED by the next one.
"""

from __future__ import annotations

import json
import logging
import math
import os
import platform
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from features.errors import RetainError
from training.settings import TrackingSettings

# Whoever only asks who is champion need not wait for what trains.
if TYPE_CHECKING:
    from training.backtest import CutOff
    from training.challenge import Verdict
    from training.models.bundle import Bundle
    from training.train import Trained

__all__ = [
    "BUNDLE_FOLDER",
    "BUNDLE_TAG",
    "Registered",
    "champion_version",
    "load_mlflow",
    "log_folder",
    "mlflow_client",
    "open_run",
    "register",
]

BUNDLE_TAG = "bundle_version"
"""Tag of runs and registered versions with the version of their bundle."""
BUNDLE_FOLDER = "bundle"
"""Folder of the bundle among the artefacts of its run."""

_CHAMPION = "champion"
_HOST, _PID = "retain.host", "retain.pid"
_LONGEST_MS = 6 * 3600 * 1000
_DATABASES = ("sqlite", "postgresql", "mysql", "mssql")
_KEPT = " The trained bundle is kept in the models folder."
# MLflow knows no other way to be told; what the user has set stays.
_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ALLOW_MODEL_CODE_EXECUTION": "false",
    "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "5",
}


@dataclass(frozen=True)
class Registered:
    """What MLflow keeps of a training.

    Parameters
    ----------
    run_id : str
        MLflow run.
    model_version : str
        Version number in MLflow's registry.
    promoted : bool
        The alias ``champion`` now points to it.
    """

    run_id: str
    model_version: str
    promoted: bool


def register(
    trained: Trained, bundle: Bundle, folder: Path, verdict: Verdict, settings: TrackingSettings, *, uri: str
) -> Registered:
    """Logs one training run, registers its bundle and moves the alias when the verdict says so.

    Parameters
    ----------
    trained : Trained
        The run.
    bundle : Bundle
        The saved bundle.
    folder : Path
        Folder of the saved bundle.
    verdict : Verdict
        From `training.challenge.challenge`.
    settings : TrackingSettings
        Experiment and model name.
    uri : str
        Tracking address.

    Raises
    ------
    RetainError
        When MLflow cannot be reached or written; the bundle on disk stays.
    """
    with mlflow_client(uri, advice=_KEPT) as client:
        with _run(client, bundle.version, folder.parent, settings) as run:
            _log(client, run.info.run_id, trained, bundle, folder)
        run_id = run.info.run_id
        version = _version(client, settings, run_id, bundle)
        client.set_model_version_tag(settings.model_name, version, "verdict", verdict.en)
        if verdict.promote:
            client.set_registered_model_alias(settings.model_name, _CHAMPION, version)
    return Registered(run_id, version, verdict.promote)


def log_folder(
    folder: Path, card: dict[str, Any], verdict: Verdict, settings: TrackingSettings, *, uri: str
) -> str:
    """Logs one training whose model is a folder of texts, and gives its MLflow run.

    Parameters
    ----------
    folder : Path
        Folder of the saved model, named by its version.
    card : dict
        How it was trained; ``judged`` holds figures by model, plain values become parameters.
    verdict : Verdict
        Whether it takes the champion's place.
    settings : TrackingSettings
        Experiment.
    uri : str
        Tracking address.

    Raises
    ------
    RetainError
        When MLflow cannot be reached or written; the model on disk stays.
    """
    with open_run(folder.name, folder.parent, settings, uri=uri) as (client, run):
        figures = _flat((card.get("judged") or {}).get("models", {}), "/")
        plain = {k: v for k, v in card.items() if isinstance(v, str | int | float)}
        tags = {BUNDLE_TAG: folder.name, "evidence": card["evidence"], "verdict": verdict.en}
        _log_model(client, run.info.run_id, folder, figures=figures, params=plain, tags=tags)
    return str(run.info.run_id)


@contextmanager
def open_run(
    name: str, models_dir: Path, settings: TrackingSettings, *, uri: str
) -> Iterator[tuple[Any, Any]]:
    """MLflow's client and a run of one's own, FINISHED at the end, or KILLED by whatever stopped it."""
    with mlflow_client(uri, advice=_KEPT) as client, _run(client, name, models_dir, settings) as run:
        yield client, run


@contextmanager
def _run(client: Any, name: str, models_dir: Path, settings: TrackingSettings) -> Iterator[Any]:
    experiment = _experiment(client, settings, models_dir)
    _close_dead_runs(client, experiment)
    origin = {_HOST: platform.node(), _PID: str(os.getpid())}
    run = client.create_run(experiment, run_name=name, tags=origin)
    try:
        yield run
    except BaseException:
        # Whatever stopped the run is the error to tell; one left open is closed by the next training.
        with suppress(Exception):
            client.set_terminated(run.info.run_id, "KILLED")
        raise
    client.set_terminated(run.info.run_id, "FINISHED")


def load_mlflow() -> None:
    """Set what MLflow reads from the environment, and load it, which takes seconds."""
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    import mlflow  # noqa: F401 - loaded for those who use it next

    for name in ("mlflow.store.db.utils", "mlflow.store", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)


@contextmanager
def mlflow_client(uri: str, *, advice: str = "") -> Iterator[Any]:
    """MLflow's client; what goes wrong with it becomes one error in a sentence, which ends with `advice`.

    Raises
    ------
    RetainError
        MLflow cannot be reached, or refuses. The text holds no address, which may hold a password.
    """
    load_mlflow()
    import mlflow
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    _check_database(uri, advice)
    try:
        yield mlflow.MlflowClient(tracking_uri=uri, registry_uri=uri)
    except MlflowException as error:
        raise _refused(uri, error.error_code, advice) from error
    except SQLAlchemyError as error:
        raise _refused(uri, type(error).__name__, advice) from error


def champion_version(client: Any, settings: TrackingSettings) -> Any | None:
    """The registered version that the alias ``champion`` names; None when there is none."""
    from mlflow.exceptions import MlflowException

    try:
        return client.get_model_version_by_alias(settings.model_name, _CHAMPION)
    except MlflowException as error:
        if error.error_code in {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}:
            return None
        raise


def _check_database(uri: str, advice: str) -> None:
    """A database that cannot be opened is told at once; MLflow alone tries again for two minutes."""
    from sqlalchemy import create_engine, inspect
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import SQLAlchemyError

    if not uri.startswith(_DATABASES):
        return
    try:
        url = make_url(uri)
        if url.get_backend_name() == "sqlite" and url.database:
            Path(url.database).parent.mkdir(parents=True, exist_ok=True)
        engine = create_engine(url)
        try:
            inspect(engine).get_table_names()
        finally:
            engine.dispose()
    except (SQLAlchemyError, OSError, ImportError) as error:
        raise _refused(uri, type(error).__name__, advice) from error


def _refused(uri: str, why: str, advice: str) -> RetainError:
    return RetainError(
        f"MLflow ({uri.partition('://')[0]}) refused: {why}; check [tracking] uri or MLFLOW_TRACKING_URI.{advice}"
    )


def _close_dead_runs(client: Any, experiment: str) -> None:
    """Marks runs as KILLED whose training is gone; logging takes seconds, so hours mean death elsewhere too."""
    for run in client.search_runs([experiment], "attributes.status = 'RUNNING'"):
        old = time.time() * 1000 - run.info.start_time > _LONGEST_MS
        if old or (run.data.tags.get(_HOST) == platform.node() and not _alive(run.data.tags.get(_PID, ""))):
            client.set_terminated(run.info.run_id, "KILLED")


def _alive(pid: str) -> bool:
    try:
        os.kill(int(pid), 0)
    except PermissionError:
        return True
    except (ValueError, OverflowError, OSError):
        return False
    return True


def _experiment(client: Any, settings: TrackingSettings, models_dir: Path) -> str:
    known = client.get_experiment_by_name(settings.experiment)
    if known is not None:
        return str(known.experiment_id)
    local = models_dir.parent / "mlartifacts"
    tracking = str(client.tracking_uri)
    place = local.absolute().as_uri() if tracking.startswith("sqlite") else None
    return str(client.create_experiment(settings.experiment, artifact_location=place))


def _log(client: Any, run_id: str, trained: Trained, bundle: Bundle, folder: Path) -> None:
    card, judged = bundle.card, trained.judged
    known = {k: card[k] for k in ("as_of", "first_day", "snapshots", "rows", "sampled")}
    tags = {"data_hash": card["data_hash"], BUNDLE_TAG: bundle.version, "evidence": bundle.evidence}
    if card.get("quality"):
        tags["quality_grade"] = card["quality"]["grade"]
    figures = {**_metrics(judged), **_qualities(card)}
    params = {**_flat(card["settings"]), **known}
    _log_model(client, run_id, folder, figures=figures, params=params, tags=tags)
    if judged is not None and len(judged.value):
        from training.plots import save_all

        with tempfile.TemporaryDirectory() as temporary:
            save_all(Path(temporary), judged.churned, judged.probability, judged.value, judged.expected_value)
            client.log_artifacts(run_id, temporary, "plots")
    if card.get("quality"):
        _log_quality(client, run_id, card["quality"], bundle.version)


def _log_model(
    client: Any,
    run_id: str,
    folder: Path,
    *,
    figures: dict[str, float],
    params: dict[str, Any],
    tags: dict[str, str],
) -> None:
    """All figures at once, and the folder of the model."""
    from mlflow.entities import Metric, Param, RunTag

    client.log_batch(
        run_id,
        metrics=[Metric(k, float(v), 0, 0) for k, v in figures.items()],
        params=[Param(k, str(v)) for k, v in params.items()],
        tags=[RunTag(k, v) for k, v in tags.items()],
    )
    client.log_artifacts(run_id, str(folder), BUNDLE_FOLDER)


def _log_quality(client: Any, run_id: str, quality: dict[str, Any], version: str) -> None:
    """The quality card as JSON, as a page, and its pictures."""
    from training.card_page import card_page
    from training.card_plots import picture_files

    text = json.dumps(quality, ensure_ascii=False, indent=2, allow_nan=False) + "\n"
    files = {"card.json": text, "card.html": card_page(quality, version=version), **picture_files(quality)}
    for name, content in files.items():
        client.log_text(run_id, content, f"quality/{name}")


def _qualities(card: dict[str, Any]) -> dict[str, float]:
    """``quality/part`` and its pessimistic bound; a part that could not be judged is left out."""
    from training.meeting import OURS

    found = {}
    for part in (card.get("quality") or {}).get("parts", []):
        for key, value in part["models"][OURS].items():
            if key in ("figure", "low") and value is not None:
                found[f"quality/{part['name']}" + ("" if key == "figure" else "/low")] = float(value)
    return found


def _metrics(judged: CutOff | None) -> dict[str, float]:
    """``model/quantity/metric`` at the judged cut-off; what cannot be computed is left out."""
    if judged is None:
        return {}
    flat = {f"{model}/{k}": v for model, found in judged.models.items() for k, v in _flat(found, "/").items()}
    return {k: float(v) for k, v in flat.items() if isinstance(v, float) and math.isfinite(v)}


def _flat(values: dict[Any, Any], mark: str = ".") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, dict):
            found |= {f"{key}{mark}{k}": v for k, v in _flat(value, mark).items()}
        else:
            found[str(key)] = value
    return found


def _version(client: Any, settings: TrackingSettings, run_id: str, bundle: Bundle) -> str:
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(settings.model_name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    source = f"{client.get_run(run_id).info.artifact_uri}/{BUNDLE_FOLDER}"
    tags = {BUNDLE_TAG: bundle.version}
    return str(client.create_model_version(settings.model_name, source, run_id, tags=tags).version)
