"""The ``[strategies]`` and ``[offers.NAME]`` sections of ``retain.toml``."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, model_validator

__all__ = ["OfferSettings", "StrategySettings"]


class StrategySettings(BaseModel):
    """Cuts of the textbook frameworks; every one can be changed without touching code.

    ``high_value_share`` is the share of customers called *high* in current value and in growth potential.
    ``lapsed_after`` and ``lost_after`` are multiples of the churn window since the last order. ``table`` is
    a strategy table of your own; without it the textbook default is used.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    high_value_share: float = Field(default=0.2, gt=0, lt=1)
    lapsed_after: float = Field(default=1.0, gt=0)
    lost_after: float = Field(default=2.0, gt=0)
    high_risk: float = Field(default=0.7, gt=0, lt=1)
    table: Path | None = None

    @model_validator(mode="after")
    def _lost_is_later(self) -> StrategySettings:
        if self.lost_after < self.lapsed_after:
            raise ValueError(
                f"lost_after ({self.lost_after:g}) is below lapsed_after ({self.lapsed_after:g}); "
                "a customer lapses first"
            )
        return self


class OfferSettings(BaseModel):
    """One thing that can be done for a customer: what it costs and what it is assumed to change."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    channel: str
    cost: float = Field(ge=0)
    capacity: int | None = Field(default=None, ge=0)
    assumed_effect: float = Field(default=0.0, ge=-1, le=1)
    strength: float = Field(default=100.0, gt=0)
    touches_price: bool = False
    text_en: str = ""
    text_zh: str = ""
