"""The ``[strategies]``, ``[offers.NAME]`` and ``[channels.NAME]`` sections of ``retain.toml``."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from strategies.edited_file import labels

__all__ = ["ChannelSettings", "OfferSettings", "StrategySettings"]


class StrategySettings(BaseModel):
    """Cuts of the textbook frameworks; every one can be changed without touching code.

    ``high_value_share`` is the share of customers called *high* in current value and in growth potential.
    ``lapsed_after`` and ``lost_after`` are multiples of the churn window since the last order. ``table`` is
    a strategy table of your own and ``offers`` an offer catalogue of your own, TOML or CSV; without them the
    textbook defaults are used. ``protected`` names attributes that must not decide who gets which offer,
    besides ``region`` and ``segment``; they are used in the fairness table only.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    high_value_share: float = Field(default=0.2, gt=0, lt=1)
    lapsed_after: float = Field(default=1.0, gt=0)
    lost_after: float = Field(default=2.0, gt=0)
    high_risk: float = Field(default=0.7, gt=0, lt=1)
    table: Path | None = None
    offers: Path | None = None
    protected: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _lost_is_later(self) -> StrategySettings:
        if self.lost_after < self.lapsed_after:
            raise ValueError(
                f"lost_after ({self.lost_after:g}) is below lapsed_after ({self.lapsed_after:g}); "
                "a customer lapses first"
            )
        return self


class OfferSettings(BaseModel):
    """One thing that can be done for a customer: what it costs, for whom it is, what it is assumed to change.

    ``cost`` is money per customer it is made to, besides the cost of the channel. ``capacity`` is the most
    customers of one run. ``strategies``, ``value_classes`` and ``statuses`` say for whom it is; left out, for
    all, but never for release, do_not_regain or observe unless these are named. ``minimum_value_at_stake`` is
    money; ``cool_down_days`` must have passed since the last campaign contact. ``assumed_effect`` is the share of
    the value at stake that it saves where nothing was measured yet (below 0: it wakes sleeping dogs), and
    ``strength`` the number of customers that this assumption counts for. ``touches_price`` must be said of an
    offer that speaks of a price. ``due_days`` is within how many days ``owner`` makes it; the texts say what it
    is, the scripts what to say.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    channel: str = Field(min_length=1)
    cost: float = Field(ge=0, allow_inf_nan=False)
    capacity: int | None = Field(default=None, ge=0)
    strategies: tuple[str, ...] = ()
    value_classes: tuple[str, ...] = ()
    statuses: tuple[str, ...] = ()
    minimum_value_at_stake: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    cool_down_days: int = Field(default=30, ge=0)
    assumed_effect: float = Field(default=0.0, ge=-1, le=1)
    strength: float = Field(default=100.0, gt=0, allow_inf_nan=False)
    touches_price: bool = False
    owner: str = ""
    due_days: int = Field(default=7, ge=0)
    text_en: str = ""
    text_zh: str = ""
    script_en: str = ""
    script_zh: str = ""

    @field_validator("strategies", "value_classes", "statuses", mode="before")
    @classmethod
    def _one_or_many(cls, value: object) -> object:
        return labels(value)


class ChannelSettings(BaseModel):
    """What all offers of one channel share: the most contacts of one run, and the cost of a contact in money."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    capacity: int | None = Field(default=None, ge=0)
    cost: float = Field(default=0.0, ge=0, allow_inf_nan=False)
