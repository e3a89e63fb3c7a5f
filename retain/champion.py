"""The model that answers: the champion on this disk, fetched from MLflow when there is none yet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from retain.config import Project
    from serving.live import LiveSettings
    from serving.scorer import Scorer
    from training.models.bundle import Bundle

__all__ = ["champion", "champion_scorer", "live_settings"]


def champion(project: Project) -> Bundle:
    """The champion of a project.

    Raises
    ------
    ModelError
        There is none yet, or it is damaged.
    """
    from features.errors import ModelError
    from training.models.bundle import POINTER, Bundle, champion_path
    from training.models.text_files import point_at
    from training.registry import champion_bundle

    if not (project.models_dir / POINTER).is_file():
        project.models_dir.mkdir(parents=True, exist_ok=True)
        found = champion_bundle(project.config.tracking, project.models_dir, uri=project.tracking_uri)
        if found is None:
            raise ModelError("no model yet: run `retain train` first")
        point_at(project.models_dir, POINTER, found.version)
    return Bundle.load(champion_path(project.models_dir))


def champion_scorer(project: Project) -> Scorer:
    """What scores customers with the champion and the settings of a project.

    Raises
    ------
    ConfigError
        Churn is the end of a contract, for which there is another kind of model.
    ModelError
        There is no champion yet, or it is damaged.
    """
    from features.errors import ConfigError
    from serving.scorer import Scorer

    config = project.config
    if config.churn.kind == "contract":
        raise ConfigError(
            f'{project.path}: [churn] kind is "contract": segments and decisions rest on orders. `retain score` gives '
            'the list of contracts; for these take a configuration with [churn] kind = "orders"'
        )
    return Scorer(
        champion(project), project.strategies, currency=config.data.currency, frameworks=config.frameworks
    )


def live_settings(project: Project, **serving: Any) -> LiveSettings:
    """What a serving process needs to know of a project; `serving` takes the place of values of ``[serving]``."""
    from serving.live import LiveSettings

    config = project.config
    return LiveSettings(
        models=project.models_dir.absolute(),
        store_url=project.store_url,
        timezone=config.data.timezone,
        currency=config.data.currency,
        country=config.data.country,
        tables=tuple(config.data.sources),
        serving=config.serving.model_copy(update=serving),
        strategies=project.strategies,
        frameworks=config.frameworks,
        own_features=project.own_features,
    )
