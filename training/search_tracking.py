"""A search in MLflow: one run for the search, one nested run for each of its trials."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from training.search import Found, Tried
from training.settings import TrackingSettings
from training.tracking import open_run

__all__ = ["SearchRun", "tracked_search"]

_PARENT = "mlflow.parentRunId"


class SearchRun:
    """The open run of a search.

    Parameters
    ----------
    client : mlflow.MlflowClient
        An open client.
    run : mlflow.entities.Run
        The run of the search.
    """

    def __init__(self, client: Any, run: Any) -> None:
        self._client = client
        self._run = run

    @property
    def run_id(self) -> str:
        """MLflow's id of the search."""
        return str(self._run.info.run_id)

    def add(self, tried: Tried) -> None:
        """Logs a trial as a nested run: settings, loss, days, and whether it was stopped early."""
        from mlflow.entities import Metric, Param

        child = self._client.create_run(
            self._run.info.experiment_id, run_name=f"trial {tried.number}", tags={_PARENT: self.run_id}
        ).info.run_id
        now = time.time_ns() // 1_000_000
        self._client.log_batch(
            child,
            metrics=[Metric("loss", tried.loss, now, 0), Metric("days", float(tried.days), now, 0)],
            params=[Param(k, str(v)) for k, v in tried.trees.model_dump().items()],
        )
        self._client.set_tag(child, "pruned", str(tried.pruned).lower())
        self._client.set_terminated(child, "FINISHED")

    def conclude(self, found: Found) -> None:
        """Logs what the search found and the verdict on held-out days."""
        from mlflow.entities import Metric, Param, RunTag

        now = time.time_ns() // 1_000_000
        verdict = found.verdict
        self._client.log_batch(
            self.run_id,
            metrics=[
                Metric("loss", found.loss, now, 0),
                Metric("trials", float(found.trials), now, 0),
                Metric("held_out_difference", verdict.difference, now, 0),
            ],
            params=[Param(k, str(v)) for k, v in found.best.model_dump().items()],
            tags=[RunTag("study", found.study), RunTag("better", str(verdict.better).lower())],
        )
        self._client.log_dict(self.run_id, found.to_json(), "search.json")


@contextmanager
def tracked_search(models_dir: Path, settings: TrackingSettings, *, uri: str) -> Iterator[SearchRun]:
    """Opens the run of a search; whatever stops the search closes it as KILLED.

    Parameters
    ----------
    models_dir : Path
        Models folder of the project: artefacts of a new local experiment go beside it.
    settings : TrackingSettings
        Experiment.
    uri : str
        Tracking address.

    Raises
    ------
    RetainError
        When MLflow cannot be reached or written.
    """
    with open_run("search", models_dir, settings, uri=uri) as (client, run):
        yield SearchRun(client, run)
