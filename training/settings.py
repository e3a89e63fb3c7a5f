"""The ``[churn]``, ``[value]``, ``[trees]``, ``[card]`` and ``[tracking]`` sections of ``retain.toml``."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

__all__ = [
    "CardSettings",
    "ChurnSettings",
    "TrackingSettings",
    "TrainingSettings",
    "TreeSettings",
    "ValueSettings",
]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ChurnSettings(_Section):
    """``window_days``: a customer has churned when no order falls into [as_of, as_of + window_days).

    With ``kind = "contract"`` a customer has churned when the contract ends within the window.
    ``allow_columns`` are features that the leak guard lets pass: you know that they were known beforehand.
    """

    window_days: int = Field(default=90, ge=1, le=3650)
    kind: Literal["orders", "contract"] = "orders"
    allow_columns: tuple[str, ...] = ()


class ValueSettings(_Section):
    """Horizons of the value curve, and what turns revenue into discounted margin.

    ``margin_rate`` is used where orders carry no cost; ``discount_rate`` is per year.
    """

    horizons_days: tuple[int, ...] = (30, 90, 180, 365)
    margin_rate: float = Field(default=0.3, gt=0, le=1)
    discount_rate: float = Field(default=0.1, ge=0, lt=1)
    lifetime_days: int = Field(default=1825, ge=30, le=7300)

    @field_validator("horizons_days")
    @classmethod
    def _rising(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if not value or any(h < 1 or h > 3650 for h in value):
            raise ValueError("horizons_days needs at least one whole number of days between 1 and 3650")
        return tuple(sorted(set(value)))


class TreeSettings(_Section):
    """How trees grow: few, small and regularised, so that the defaults serve shops of any kind.

    ``retain tune`` searches these by back-test; nothing else needs to be set by hand.
    """

    learning_rate: float = Field(default=0.1, gt=0, le=0.5)
    num_leaves: int = Field(default=8, ge=2, le=255)
    min_data_in_leaf: int = Field(default=20, ge=5, le=10_000)
    feature_fraction: float = Field(default=0.3, gt=0, le=1)
    bagging_fraction: float = Field(default=0.7, gt=0, le=1)
    lambda_l2: float = Field(default=10.0, ge=0, le=1000)
    max_rounds: int = Field(default=500, ge=10, le=5000)


class CardSettings(_Section):
    """The campaign that the quality card takes for granted; assumed, not measured.

    ``budget_share`` of the customers are contacted, ``assumed_effect`` of the leavers among them are kept, and a
    contact costs ``contact_cost``. Effect and cost set the money shown; the grade depends on neither.
    """

    budget_share: float = Field(default=0.1, gt=0, lt=1)
    assumed_effect: float = Field(default=0.1, gt=0, le=1)
    contact_cost: float = Field(default=1.0, ge=0)


class TrackingSettings(_Section):
    """Where MLflow keeps runs. ``MLFLOW_TRACKING_URI`` in the environment wins over ``uri``."""

    uri: str | None = None
    experiment: str = "retain"
    model_name: str = Field(default="retain", pattern=r"^[A-Za-z0-9._-]{1,64}$")


class TrainingSettings(_Section):
    """All that a training run needs to know besides the data.

    ``num_threads`` heads are fitted at the same time, each on one thread: two threads on one small set of trees
    wait for each other more than they work, and the trees are the same whatever the number.
    """

    churn: ChurnSettings = ChurnSettings()
    value: ValueSettings = ValueSettings()
    trees: TreeSettings = TreeSettings()
    card: CardSettings = CardSettings()
    seed: int = 20260101
    num_threads: int = Field(default=2, ge=1, le=256)
