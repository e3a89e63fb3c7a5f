"""The one configuration file, ``retain.toml``: read, checked whole, frozen.

Each room owns its section and its defaults; this module puts them together, resolves paths against the
folder of the file, and turns every fault of a file into one message.
"""

from __future__ import annotations

import os
import tomllib
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from features.errors import ConfigError
from features.own_features import FeatureSettings, register_folder
from features.settings import DataSettings
from retain.faults import describe_faults
from serving.settings import ServingSettings
from strategies.decision_settings import DecisionSettings
from strategies.frameworks import FrameworkSettings
from strategies.settings import ChannelSettings, OfferSettings, StrategySettings
from training.settings import (
    CardSettings,
    ChurnSettings,
    TrackingSettings,
    TrainingSettings,
    TreeSettings,
    ValueSettings,
)

if TYPE_CHECKING:
    from strategies.offers import OfferCatalogue
    from strategies.strategy_table import StrategyTable

__all__ = ["PathSettings", "Project", "RetainConfig", "RunSettings", "load_config", "parse_config"]

_SQLITE = "sqlite:///"


class PathSettings(BaseModel):
    """``[paths]``: where Retain keeps models, runs, lists and its store."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    out_dir: Path = Path("retain-out")


class RunSettings(BaseModel):
    """``[run]``: the day that separates past from future, and what a run may use.

    ``as_of`` is a date, or ``auto``: the day after the last order.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    as_of: date | Literal["auto"] = "auto"
    seed: int = Field(default=TrainingSettings().seed, ge=0)
    num_threads: int = Field(default=2, ge=1, le=256)


class RetainConfig(BaseModel):
    """All sections of ``retain.toml``; every one may be left out."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = Field(default=1, alias="schema")
    data: DataSettings = DataSettings()
    features: FeatureSettings = FeatureSettings()
    churn: ChurnSettings = ChurnSettings()
    value: ValueSettings = ValueSettings()
    trees: TreeSettings = TreeSettings()
    card: CardSettings = CardSettings()
    run: RunSettings = RunSettings()
    paths: PathSettings = PathSettings()
    tracking: TrackingSettings = TrackingSettings()
    serving: ServingSettings = ServingSettings()
    strategies: StrategySettings = StrategySettings()
    frameworks: FrameworkSettings = FrameworkSettings()
    decisions: DecisionSettings = DecisionSettings()
    offers: dict[str, OfferSettings] = Field(default_factory=dict)
    channels: dict[str, ChannelSettings] = Field(default_factory=dict)

    @property
    def training(self) -> TrainingSettings:
        """What a training run needs to know besides the data."""
        return TrainingSettings(
            churn=self.churn,
            value=self.value,
            trees=self.trees,
            card=self.card,
            seed=self.run.seed,
            num_threads=self.run.num_threads,
        )


class Project:
    """A configuration and the place it lives in.

    Parameters
    ----------
    config : RetainConfig
        The checked configuration.
    path : Path
        The file it came from; relative paths in it start at this file's folder.

    Examples
    --------
    >>> project = Project(RetainConfig(), Path("/srv/shop/retain.toml"))
    >>> project.out_dir.as_posix(), project.models_dir.as_posix()
    ('/srv/shop/retain-out', '/srv/shop/retain-out/models')
    """

    def __init__(self, config: RetainConfig, path: Path) -> None:
        self.config = config
        self.path = path

    @property
    def base(self) -> Path:
        """The folder that relative paths start at."""
        return self.path.parent

    @property
    def out_dir(self) -> Path:
        """Where everything that Retain writes by itself goes."""
        return self.base / self.config.paths.out_dir

    @property
    def own_features(self) -> Path | None:
        """The folder with features of the user's own, besides the package's; None without one."""
        folder = self.config.features.folder
        return None if folder is None else (self.base / folder).absolute()

    @property
    def models_dir(self) -> Path:
        """Model bundles, one folder per version."""
        return self.out_dir / "models"

    @property
    def lists_dir(self) -> Path:
        """Scored lists that were given no name of their own."""
        return self.out_dir / "lists"

    @property
    def store_url(self) -> str:
        """SQLAlchemy address of the store; ``RETAIN_STORE_URL`` in the environment wins."""
        return os.environ.get("RETAIN_STORE_URL") or f"{_SQLITE}{(self.out_dir / 'retain.db').absolute()}"

    @property
    def tracking_uri(self) -> str:
        """Address of MLflow; ``MLFLOW_TRACKING_URI`` in the environment wins over ``[tracking] uri``."""
        chosen = os.environ.get("MLFLOW_TRACKING_URI") or self.config.tracking.uri
        if not chosen:
            return f"{_SQLITE}{(self.out_dir / 'mlflow.db').absolute()}"
        if chosen.startswith(_SQLITE) and not chosen.startswith(f"{_SQLITE}/"):
            return f"{_SQLITE}{(self.base / chosen.removeprefix(_SQLITE)).absolute()}"
        return chosen

    @property
    def strategies(self) -> StrategySettings:
        """``[strategies]``, with its files resolved against the folder of the configuration."""
        given = self.config.strategies
        named = {"table": given.table, "offers": given.offers}
        files = {name: path and (self.base / path).absolute() for name, path in named.items()}
        return given.model_copy(update=files)

    def policy(self) -> tuple[StrategyTable, OfferCatalogue]:
        """The strategy table and the offer catalogue in force; ConfigError for their faults."""
        # Only some commands need them, and pandas takes its time to load.
        from strategies.policy import catalogue_in_force, table_in_force

        config, settings = self.config, self.strategies
        table = table_in_force(settings)
        text = self.path.read_text(encoding="utf-8-sig") if config.offers or config.channels else ""
        return table, catalogue_in_force(
            settings, table, offers=config.offers, channels=config.channels, text=text
        )


def load_config(path: Path) -> Project:
    """Read and check ``retain.toml``, and register its folder of own features in this process.

    Parameters
    ----------
    path : Path
        The file; without one the message says how to make it.

    Returns
    -------
    Project
        The frozen configuration together with its place.

    Raises
    ------
    ConfigError
        All faults of the file at once, each with its line, what was found and what was expected; or the process
        has taken its own features from another folder.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise ConfigError(
            f"{path}: there is no such configuration file; `retain init YOUR_ORDERS_FILE` writes one, "
            "`-c FILE` names another"
        ) from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: not UTF-8 text; save it as UTF-8") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from None
    project = Project(parse_config(text, name=str(path)), path)
    register_folder(project.own_features)
    return project


def parse_config(text: str, *, name: str = "retain.toml") -> RetainConfig:
    """Check the text of a configuration file.

    Raises
    ------
    ConfigError
        TOML faults with line and column, or all faults of the values at once.

    Examples
    --------
    >>> parse_config("[churn]\\nwindow_days = 60").churn.window_days
    60
    >>> parse_config("[churn]\\nwindow_day = 60")
    Traceback (most recent call last):
    ...
    features.errors.ConfigError: retain.toml has 1 fault:
      line 2: [churn] window_day is unknown; did you mean window_days?
    """
    try:
        values: dict[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{name} is not valid TOML: {error}") from None
    try:
        return RetainConfig.model_validate(values)
    except ValidationError as error:
        faults = describe_faults(error, RetainConfig, text)
        head = f"{name} has {len(faults)} fault{'s' if len(faults) > 1 else ''}:"
        raise ConfigError("\n  ".join([head, *faults])) from None
