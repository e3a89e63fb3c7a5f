"""The champion in MLflow's registry: which one it is, and its bundle brought to this disk.

What is fetched is checked against its own hashes and against the version under which it was registered before it
appears in the models folder, whole or not at all. A process that is killed leaves a hidden part behind, which the
next one removes.
"""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from features.errors import ModelError
from features.publish import publish_dir
from training.models.text_files import read_texts
from training.settings import TrackingSettings
from training.tracking import BUNDLE_FOLDER, BUNDLE_TAG, champion_version, mlflow_client

if TYPE_CHECKING:
    from training.models.bundle import Bundle

__all__ = ["Champion", "champion_bundle", "fetch", "named_champion"]

_VERSION = re.compile(r"[0-9a-f]{12}")


@dataclass(frozen=True)
class Champion:
    """What the alias ``champion`` names.

    Parameters
    ----------
    version : str
        Version of the bundle, which is the hash of its manifest.
    number : str
        MLflow's number of the registered version.
    run_id : str
        MLflow run that holds the bundle.
    """

    version: str
    number: str
    run_id: str


def named_champion(settings: TrackingSettings, *, uri: str) -> Champion | None:
    """Which model is champion; None when the registry has none.

    Parameters
    ----------
    settings : TrackingSettings
        Model name.
    uri : str
        Tracking address.

    Raises
    ------
    ModelError
        What is champion there is no bundle of Retain's.
    RetainError
        MLflow cannot be reached.
    """
    with mlflow_client(uri) as client:
        return _named(client, settings)


def fetch(champion: Champion, models_dir: Path, *, uri: str) -> None:
    """Brings the champion's bundle into `models_dir`, whole or not at all, in the place of one that is damaged.

    Raises
    ------
    ModelError
        It is damaged or incomplete there, or another one than it was registered as.
    RetainError
        MLflow or its artefacts cannot be reached.
    """
    with mlflow_client(uri) as client:
        _fetch(client, champion, models_dir)


def champion_bundle(settings: TrackingSettings, models_dir: Path, *, uri: str) -> Bundle | None:
    """The champion's bundle, fetched into `models_dir` when it is not there.

    None when there is no champion, or none that this code can use: damaged, or of other feature columns.
    """
    from training.models.bundle import Bundle

    with mlflow_client(uri) as client:
        try:
            champion = _named(client, settings)
            if champion is None:
                return None
            if not (models_dir / champion.version).is_dir():
                _fetch(client, champion, models_dir)
            return Bundle.load(models_dir / champion.version)
        except ModelError:
            return None


def _named(client: Any, settings: TrackingSettings) -> Champion | None:
    found = champion_version(client, settings)
    if found is None:
        return None
    version = found.tags.get(BUNDLE_TAG, "")
    if not _VERSION.fullmatch(version):
        raise ModelError(
            f"MLflow's version {found.version} of {found.name} is no bundle of Retain's; train again"
        )
    return Champion(version, str(found.version), str(found.run_id))


def _fetch(client: Any, champion: Champion, models_dir: Path) -> None:
    def write(target: Path) -> None:
        # Within the part, so that a killed process leaves nothing elsewhere.
        pulled = target / "pulled"
        pulled.mkdir(mode=0o700)
        found = Path(client.download_artifacts(champion.run_id, BUNDLE_FOLDER, str(pulled)))
        held = read_texts(found).version
        if held != champion.version:
            raise ModelError(
                f"bundle {champion.version}: MLflow holds {held} under its name, so it was changed; train it again"
            )
        for file in sorted(found.iterdir()):
            file.rename(target / file.name)
        shutil.rmtree(pulled)
        if folder.is_dir():
            folder.rename(damaged)

    models_dir.mkdir(parents=True, exist_ok=True)
    folder = models_dir / champion.version
    # The name of a leftover, so that it is swept when this process dies.
    damaged = models_dir / f".{champion.version}.{os.getpid()}.damaged.part"
    try:
        publish_dir(folder, write)
    finally:
        shutil.rmtree(damaged, ignore_errors=True)
