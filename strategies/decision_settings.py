"""The ``[decisions]`` section of ``retain.toml``: what a run may spend, and how much of it is an experiment."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from strategies.arms import ArmSettings
from strategies.frameworks import FrameworkSettings
from strategies.settings import StrategySettings

__all__ = ["DecidingSettings", "DecisionSettings"]


class DecisionSettings(BaseModel):
    """What a run may spend, how many it may contact, and how much of it is an experiment.

    ``budget`` is money for all offers together, ``contacts`` the most customers contacted; left out, only the
    capacities of offers and channels limit. ``[decisions.experiment]`` has the shares held out and exploring.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    budget: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    contacts: int | None = Field(default=None, ge=0)
    experiment: ArmSettings = ArmSettings()


class DecidingSettings(BaseModel):
    """Every setting that a decision depends on; the version of a policy is taken over it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    strategies: StrategySettings
    frameworks: FrameworkSettings
    decisions: DecisionSettings
