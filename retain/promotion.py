"""Keeping a trained model of contracts or of a flat table: saved, challenged, logged, and used when it wins."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from features.errors import ModelError

if TYPE_CHECKING:
    from pathlib import Path

    from retain.config import Project
    from training.challenge import Verdict
    from training.models.contract_bundle import ContractBundle
    from training.models.snapshot_bundle import SnapshotBundle

__all__ = ["keep"]

_Model = TypeVar("_Model", "ContractBundle", "SnapshotBundle")


def keep(
    project: Project, trained: _Model, pointer: str, challenge: Callable[[_Model | None], Verdict]
) -> tuple[_Model, dict[str, Any], str]:
    """Saves and logs a model, and points at it when it takes the champion's place.

    Parameters
    ----------
    project : Project
    trained : ContractBundle or SnapshotBundle
        Unsaved.
    pointer : str
        File in the models folder that names the champion of this kind.
    challenge : callable
        Told the champion, or None when there is none that this code can use.

    Returns
    -------
    tuple
        The saved bundle, its document for ``--json`` and the sentence on its place.
    """
    from training.models.text_files import point_at
    from training.tracking import log_folder

    models, config = project.models_dir, project.config
    models.mkdir(parents=True, exist_ok=True)
    verdict = challenge(_champion(models, type(trained), pointer))
    bundle = trained.save(models)
    folder = models / bundle.version
    run_id = log_folder(folder, bundle.card, verdict, config.tracking, uri=project.tracking_uri)
    if verdict.promote:
        point_at(models, pointer, bundle.version)
    document = {
        "model_version": bundle.version,
        "bundle": str(folder),
        "evidence": bundle.evidence,
        "promoted": verdict.promote,
        "verdict": {"en": verdict.en, "zh": verdict.zh},
        "mlflow_run": run_id,
        "judged": bundle.card["judged"],
    }
    return bundle, document, f"{'Champion now' if verdict.promote else 'Not promoted'}: {verdict.en}"


def _champion(models: Path, kind: type[_Model], pointer: str) -> _Model | None:
    from training.models.text_files import pointed

    try:
        return kind.load(pointed(models, pointer, train="retain train"))
    except ModelError:
        return None
