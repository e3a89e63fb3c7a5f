"""What the endpoint takes and gives, as strict models: nothing is guessed, cut or converted."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, datetime
from typing import Annotated, Self, TypeAlias, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    FiniteFloat,
    PlainSerializer,
    PlainValidator,
    WithJsonSchema,
    model_validator,
)

__all__ = ["CustomerOrders", "CustomerResult", "ModelInfo", "OrderLine", "ScoreRequest", "ScoreResponse"]

_TIME = re.compile(
    r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?(?:Z|[+-]\d\d:\d\d)?)?", flags=re.ASCII
)
_DAY = re.compile(r"\d{4}-\d\d-\d\d", flags=re.ASCII)
_FIRST_YEAR, _LAST_YEAR = 1900, 2199
# Ceilings of the shape itself; [serving] sets the lower limits of an installation.
_MOST_CUSTOMERS = 100_000
_MOST_LINES = 100_000
# Features sum money as whole ten-thousandths in 64 bits; 10^10 leaves room for 90,000 lines at the limit.
_LARGEST_AMOUNT = 1e10

_Day = TypeVar("_Day", date, datetime)


def _time(value: object) -> datetime:
    # pydantic alone would read "20110612" as seconds since 1970.
    if isinstance(value, datetime):
        return value
    if isinstance(value, str) and _TIME.fullmatch(value):
        return _calendar(datetime.fromisoformat, value)
    raise ValueError("must be a time such as '2011-06-12T10:30:00' (business zone) or '2011-06-12T10:30:00Z'")


def _day(value: object) -> date:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    if isinstance(value, str) and _DAY.fullmatch(value):
        return _calendar(date.fromisoformat, value)
    raise ValueError("must be a day such as '2011-06-12'")


def _calendar(read: Callable[[str], _Day], text: str) -> _Day:
    try:
        value = read(text)
    except ValueError:
        raise ValueError("is not a day and time of the calendar") from None
    if not _FIRST_YEAR <= value.year <= _LAST_YEAR:
        raise ValueError(f"must lie in the years {_FIRST_YEAR} to {_LAST_YEAR}")
    return value


Id: TypeAlias = Annotated[str, Field(min_length=1, max_length=256)]
Text: TypeAlias = Annotated[str, Field(max_length=256)]
Amount: TypeAlias = Annotated[FiniteFloat, Field(ge=-_LARGEST_AMOUNT, le=_LARGEST_AMOUNT)]
Time: TypeAlias = Annotated[
    datetime,
    PlainValidator(_time),
    WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2011-06-12T10:30:00"]}),
]
Day: TypeAlias = Annotated[
    date,
    PlainValidator(_day),
    PlainSerializer(date.isoformat),
    WithJsonSchema({"type": "string", "format": "date", "examples": ["2011-06-12"]}),
]
Value: TypeAlias = str | bool | int | FiniteFloat | list[str] | None


class _Strict(BaseModel):
    # Errors must not carry the input: frameworks write them to logs.
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, hide_input_in_errors=True)


class OrderLine(_Strict):
    """One order line; names and meanings as in the data contract, money in the business's currency."""

    time: Time = Field(description="Time of the order; without zone it is in the business zone")
    amount: Amount = Field(description="Amount of the line, negative for returns")
    order_id: Id | None = Field(default=None, description="Order")
    product: Id | None = Field(default=None, description="Product")
    category: Text | None = Field(default=None, description="Category")
    quantity: Amount | None = Field(default=None, description="Quantity")
    unit_price: Amount | None = Field(default=None, description="Price per unit")
    discount: Amount | None = Field(default=None, description="Discount given, in money")
    cost: Amount | None = Field(default=None, description="Cost of goods of the line")
    channel: Text | None = Field(default=None, description="Channel")
    returned: bool | None = Field(default=None, description="The line is a return")
    known_at: Time | None = Field(default=None, description="Time the line arrived in the data, if later")


class CustomerOrders(_Strict):
    """One customer and all order lines known of them."""

    customer_id: Id = Field(description="Customer, taken as it is")
    orders: list[OrderLine] = Field(max_length=_MOST_LINES, description="Order lines in any order")


class ScoreRequest(_Strict):
    """Customers to score: ids of the stored list, or raw order lines. Exactly one of the two.

    Examples
    --------
    >>> ScoreRequest.model_validate_json('{"customer_ids": ["007"]}').customer_ids
    ['007']
    """

    customer_ids: list[Id] | None = Field(
        default=None, max_length=_MOST_CUSTOMERS, description="Ids to look up in the latest scored list"
    )
    customers: list[CustomerOrders] | None = Field(
        default=None,
        max_length=_MOST_CUSTOMERS,
        description="Customers with their order lines, to score now on orders alone",
    )
    as_of: Day | None = Field(
        default=None,
        description="Everything before the start of this day is past; default: the list's day",
    )
    reasons: bool = Field(default=True, description="Give the reasons of each score")

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if (self.customer_ids is None) == (self.customers is None):
            raise ValueError("give either customer_ids or customers, and only one of them")
        return self


class CustomerResult(_Strict):
    """One customer's row: the columns of the list, under the same names and with the same numbers."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Value]

    customer_id: str
    found: bool = Field(description="False when nothing is known of this customer; see error")
    error: str | None = Field(default=None, description="Why there is no score")


class ScoreResponse(_Strict):
    """One result per customer asked for, in the order of the request."""

    model_version: str | None = Field(description="Version of the model that gave the numbers")
    as_of: Day | None = Field(description="Everything before the start of this day was past")
    results: list[CustomerResult]


class ModelInfo(_Strict):
    """What is being served."""

    model_version: str = Field(description="Version of the model that scores order lines")
    list_version: str | None = Field(description="Version of the model behind the stored list")
    list_as_of: Day | None = Field(description="Day of the stored list")
