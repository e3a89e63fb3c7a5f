"""What a demo shop is asked to be."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Literal, Self
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, model_validator

__all__ = ["ShopSettings"]


class ShopSettings(BaseModel):
    """Size, span and temper of a demo shop. The same settings always give the same shop.

    Parameters
    ----------
    customers : int
        Customers acquired over the whole span; each places at least one order.
    start : date
        First day of trade.
    days : int
        Days of trade; the data end before ``start + days``.
    seed : int
        Seed of everything that is drawn.
    timing : {"irregular", "regular"}
        ``irregular``: orders come as a Poisson process; ``regular``: each customer has an own rhythm
        (Erlang gaps of shape 2 to 8).
    seasonality : float
        0 (none) to 1.5. Strength of the peak before the year's end, of the dip in summer and of the weekend.
    growth : float
        Growth of customer acquisition per year, 0.2 = 20 %.
    orders_per_year : float
        Mean yearly orders of a customer who is still one, on the first day of trade.
    order_growth : float
        Change per year of everybody's order rate, 0.2 = 20 % more, -0.2 = 20 % fewer.
    rate_shape : float
        Evenness of the customers' order rates (shape of their gamma distribution): at 0.3 most buy once and a
        few very often, at 10 all buy at nearly the same rate.
    lifetime_days : float
        Mean time, in days, after which a customer of ordinary satisfaction leaves for good.
    lines_per_order, return_share, late_share : float
        Mean lines of an order; share of lines sent back; share of orders that reach the data days late.
    price_level : float
        Factor on all prices.
    campaign_every_weeks, effect_weeks : int
        Weeks between campaigns and weeks that the effect of one lasts (at most until the next one).
    treated_share : float
        Share of the eligible customers who are contacted; the others are the hold-out.
    campaign_effect : float
        Strength of all campaign effects: 0 = contacts change nothing, 1 = as designed.
    membership_share : float
        Share of the customers who take out a membership at some time.
    currency, timezone : str
        Written into the orders; zone of the (naive) times.

    Examples
    --------
    >>> ShopSettings(customers=100, days=365).end
    datetime.date(2024, 1, 1)
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    customers: int = Field(default=2_000, ge=1, le=20_000_000)
    start: date = date(2023, 1, 1)
    days: int = Field(default=1_095, ge=1, le=7_300)
    seed: int = Field(default=20_230_101, ge=0, lt=2**63)
    timing: Literal["irregular", "regular"] = "irregular"
    seasonality: float = Field(default=0.8, ge=0, le=1.5)
    growth: float = Field(default=0.2, ge=-0.9, le=10)
    orders_per_year: float = Field(default=4.5, gt=0, le=365)
    order_growth: float = Field(default=0.0, ge=-0.9, le=10)
    rate_shape: float = Field(default=2.0, ge=0.1, le=100)
    lifetime_days: float = Field(default=900.0, ge=1, le=100_000)
    lines_per_order: float = Field(default=3.0, ge=1, le=100)
    return_share: float = Field(default=0.04, ge=0, le=0.5)
    late_share: float = Field(default=0.01, ge=0, le=0.5)
    price_level: float = Field(default=1.0, gt=0, le=1_000)
    campaign_every_weeks: int = Field(default=13, ge=1, le=520)
    effect_weeks: int = Field(default=13, ge=1, le=520)
    treated_share: float = Field(default=0.5, gt=0, lt=1)
    campaign_effect: float = Field(default=1.0, ge=0, le=3)
    membership_share: float = Field(default=0.25, ge=0, le=1)
    currency: str = Field(default="EUR", pattern=r"^[A-Z]{3}$")
    timezone: str = "Europe/Berlin"

    @property
    def end(self) -> date:
        """First day after the data."""
        return self.start + timedelta(days=self.days)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.effect_weeks > self.campaign_every_weeks:
            raise ValueError(
                f"effect_weeks ({self.effect_weeks}) is longer than campaign_every_weeks "
                f"({self.campaign_every_weeks}); effects of two campaigns must not overlap"
            )
        if not 1970 <= self.start.year <= 2200:
            raise ValueError(f"start is in the year {self.start.year}; choose one between 1970 and 2200")
        try:
            ZoneInfo(self.timezone)
        except (KeyError, ValueError, OSError) as error:
            raise ValueError(
                f"timezone {self.timezone!r} is unknown; use a name such as 'Europe/Berlin'"
            ) from error
        return self
