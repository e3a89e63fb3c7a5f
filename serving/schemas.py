"""What the endpoint takes and gives, as strict models: nothing is guessed, cut or converted."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Self, TypeAlias

from pydantic import ConfigDict, Field, FiniteFloat, create_model, model_validator

from features.pipeline import FEATURES
from serving.table_rows import CustomerTables, Day, Id, OrderLine, Strict
from serving.wanted import Wanted

__all__ = [
    "LARGEST_FEATURE",
    "MOST_COLUMNS",
    "MOST_CUSTOMERS",
    "BatchAnswer",
    "BatchRequest",
    "CustomerResult",
    "CustomerTables",
    "DecideRequest",
    "Decision",
    "FeatureRow",
    "Features",
    "ModelInfo",
    "OrderLine",
    "RefusedModel",
    "ScoreRequest",
    "Status",
    "StoredRow",
]

# Ceiling of the shape itself; [serving] sets the lower limits of an installation.
MOST_CUSTOMERS = 100_000
MOST_COLUMNS = 200
LARGEST_FEATURE = 1e18
"""No history comes near it, and products of a few such numbers are finite."""
_DAY_TEXT = (
    "Everything before the start of this day is past. Default: the day of the list; for customers with "
)
_AFTER_TEXT = "rows or counted events of a later day, the day after the newest of them, at most tomorrow"
_REASONS_TEXT = "Give the reasons of the score, in English and Chinese; takes longer than the score alone"
_COLUMNS_TEXT = (
    "Columns of the list to give beside customer, day and model; all without it. churn_probability and "
    "churn_percentile alone take a fraction of the time"
)

Value: TypeAlias = str | bool | int | FiniteFloat | list[str] | None
Feature: TypeAlias = Annotated[FiniteFloat, Field(ge=-LARGEST_FEATURE, le=LARGEST_FEATURE)]
Features: Any = create_model(
    "Features",
    __base__=Strict,
    __doc__="All features of one customer on one day, as `features.pipeline.FEATURES` has them; null is missing.",
    **{name: (Feature | None, Field(...)) for name in FEATURES},  # type: ignore[call-overload]
)


class ScoreRequest(Strict):
    """One customer to score: by id, from the rows of their tables, or from ready features.

    Examples
    --------
    >>> ScoreRequest.model_validate_json('{"customer_id": "007"}').customer_id
    '007'
    """

    customer_id: Id | None = Field(
        default=None, description="Customer of the scored list; with features, whose features they are"
    )
    customer: CustomerTables | None = Field(default=None, description="A customer and all rows known of them")
    features: Features | None = Field(default=None, description="Ready features; null is missing")
    as_of: Day | None = Field(default=None, description=_DAY_TEXT + _AFTER_TEXT)
    reasons: bool = Field(default=False, description=_REASONS_TEXT)
    columns: list[Id] | None = Field(
        default=None, min_length=1, max_length=MOST_COLUMNS, description=_COLUMNS_TEXT
    )

    @property
    def wanted(self) -> Wanted:
        """What is wanted of a row."""
        return Wanted(self.reasons, None if self.columns is None else tuple(self.columns))

    @model_validator(mode="after")
    def _one_of_three(self) -> Self:
        if (self.customer_id is None) == (self.customer is None):
            raise ValueError("give either customer_id or customer, and only one of them")
        if self.customer is not None and self.features is not None:
            raise ValueError("features go with customer_id, not with customer")
        return self


class FeatureRow(Strict):
    """Ready features of one customer."""

    customer_id: Id = Field(description="Customer, taken as it is")
    features: Features = Field(description="All features; null is missing")


class BatchRequest(Strict):
    """Customers to score: by id, from the rows of their tables, or from ready features. Exactly one of the three.

    Examples
    --------
    >>> BatchRequest.model_validate_json('{"customer_ids": ["007"]}').customer_ids
    ['007']
    """

    customer_ids: list[Id] | None = Field(
        default=None, max_length=MOST_CUSTOMERS, description="Customers of the scored list"
    )
    customers: list[CustomerTables] | None = Field(
        default=None,
        max_length=MOST_CUSTOMERS,
        description="Customers and all rows known of them, each once",
    )
    feature_rows: list[FeatureRow] | None = Field(
        default=None, max_length=MOST_CUSTOMERS, description="Customers with ready features, each once"
    )
    as_of: Day | None = Field(default=None, description=_DAY_TEXT + _AFTER_TEXT)
    reasons: bool = Field(default=False, description=_REASONS_TEXT)
    columns: list[Id] | None = Field(
        default=None, min_length=1, max_length=MOST_COLUMNS, description=_COLUMNS_TEXT
    )

    @property
    def wanted(self) -> Wanted:
        """What is wanted of a row."""
        return Wanted(self.reasons, None if self.columns is None else tuple(self.columns))

    @model_validator(mode="after")
    def _one_of_three(self) -> Self:
        given = [self.customer_ids, self.customers, self.feature_rows]
        if sum(value is not None for value in given) != 1:
            raise ValueError("give one of customer_ids, customers and feature_rows, and only one of them")
        return self


class CustomerResult(Strict):
    """One customer's row: the columns of the list, under the same names and with the same numbers."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Value]

    found: bool = Field(description="False when nothing is known of this customer; see error")
    customer_id: str
    as_of: Day | None = Field(default=None, description="Everything before the start of this day was past")
    model_version: str | None = Field(default=None, description="Version of the model that gave the numbers")
    error: str | None = Field(default=None, description="Why there is no score")


class StoredRow(Strict):
    """A customer's row of the latest list, with all its columns."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Value]

    customer_id: str
    as_of: Day = Field(description="Everything before the start of this day was past")
    model_version: str = Field(description="Version of the model that gave the numbers")


class BatchAnswer(Strict):
    """One result per customer asked for, in the order of the request."""

    results: list[CustomerResult]


class DecideRequest(Strict):
    """The customer to decide about."""

    customer_id: Id = Field(description="Customer of the scored list")


class Decision(Strict):
    """What to do for one customer now; in the log before it is answered."""

    decision_id: str = Field(description="Name the outcome by it")
    customer_id: str
    as_of: Day = Field(description="Everything before the start of this day was past")
    model_version: str = Field(description="Version of the model behind the decision")
    policy_version: str = Field(description="Version of strategies, offers and limits")
    made: str = Field(description="run: by the last decision run; now: since, for this customer")
    strategy: str = Field(description="Strategy of the customer's cell of the strategy table")
    offer: str = Field(description="Offer to make; leave_alone for none")
    channel: str | None = Field(default=None, description="Channel of the offer")
    cost: float = Field(description="What the contact costs")
    arm: str = Field(description="treat, hold_out or explore")
    propensity: float = Field(description="Chance that this customer had of this offer")
    expected_gain: float | None = Field(default=None, description="Expected gain, cost taken off")
    effect_source: str | None = Field(default=None, description="Where the effect is known from")
    due_date: Day | None = Field(default=None, description="Day by which to act")
    owner: str | None = Field(default=None, description="Who acts")
    touches_price: bool = Field(default=False, description="The offer speaks of a price")
    text_en: str | None = Field(default=None, description="The offer in words")
    text_zh: str | None = Field(default=None, description="措施说明")
    script_en: str | None = Field(default=None, description="What to say")
    script_zh: str | None = Field(default=None, description="话术")


class RefusedModel(Strict):
    """A model that was to be served and is not."""

    version: str | None = Field(description="Null when the pointer names none")
    reason: str
    at: datetime


class ModelInfo(Strict):
    """What is being served."""

    model_version: str = Field(description="Version of the model that scores")
    since: datetime | None = Field(default=None, description="When this process began to serve it")
    refused: RefusedModel | None = Field(
        default=None, description="A newer version that was refused, and why"
    )
    list_version: str | None = Field(default=None, description="Version of the model behind the stored list")
    list_as_of: Day | None = Field(default=None, description="Day of the stored list")
    card: dict[str, Any] = Field(default={}, description="Quality card of the model that scores")


class Status(Strict):
    """The state of the process that answers, for those who run it."""

    retain_version: str
    process: int = Field(description="Process that answered")
    started_at: datetime
    state: str = Field(description="ready, starting or stopping")
    in_flight: int = Field(description="Requests being answered by this process")
    model: ModelInfo
    keys: int = Field(description="Keys that are valid now; 0: only this machine is answered")
    keys_problem: str = Field(description="Why the keys may be old; empty when they are not")
    trail_lost: int = Field(description="Entries of the audit trail that could not be written")
    trail_problem: str = Field(description="Why entries of the trail wait; empty when they do not")
