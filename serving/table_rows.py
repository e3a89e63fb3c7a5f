"""Rows of the shop's tables as programs send them: the columns of the contract, strictly typed."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, datetime
from typing import Annotated, TypeAlias, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    FiniteFloat,
    PlainSerializer,
    PlainValidator,
    WithJsonSchema,
)

__all__ = [
    "LONGEST_ID",
    "ROWS",
    "Amount",
    "Campaign",
    "Contract",
    "CustomerTables",
    "Day",
    "Id",
    "Interaction",
    "OrderLine",
    "Referral",
    "Strict",
    "Survey",
    "Text",
    "Time",
    "read_day",
]

_TIME = re.compile(
    r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?(?:Z|[+-]\d\d:\d\d)?)?", flags=re.ASCII
)
_DAY = re.compile(r"\d{4}-\d\d-\d\d", flags=re.ASCII)
_FIRST_YEAR, _LAST_YEAR = 1900, 2199
# Ceiling of the shape itself; [serving] sets the lower limits of an installation.
_MOST_ROWS = 100_000
# Features sum money as whole ten-thousandths in 64 bits; 10^10 leaves room for 90,000 lines at the limit.
_LARGEST_AMOUNT = 1e10
LONGEST_ID = 256
"""Characters of an id; the limit of an installation is lower."""

_Day = TypeVar("_Day", date, datetime)


def _time(value: object) -> datetime:
    # pydantic alone would read "20110612" as seconds since 1970.
    if isinstance(value, datetime):
        return value
    if isinstance(value, str) and _TIME.fullmatch(value):
        return _calendar(datetime.fromisoformat, value)
    raise ValueError("must be a time such as '2011-06-12T10:30:00' (business zone) or '2011-06-12T10:30:00Z'")


def read_day(value: object) -> date:
    """A day as programs send it; ValueError for everything else."""
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


Id: TypeAlias = Annotated[str, Field(min_length=1, max_length=LONGEST_ID, examples=["007"])]
Text: TypeAlias = Annotated[str, Field(max_length=256)]
Amount: TypeAlias = Annotated[FiniteFloat, Field(ge=-_LARGEST_AMOUNT, le=_LARGEST_AMOUNT)]
Time: TypeAlias = Annotated[
    datetime,
    PlainValidator(_time),
    WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2011-06-12T10:30:00"]}),
]
Day: TypeAlias = Annotated[
    date,
    PlainValidator(read_day),
    PlainSerializer(date.isoformat),
    WithJsonSchema({"type": "string", "format": "date", "examples": ["2011-06-12"]}),
]


class Strict(BaseModel):
    """Nothing is guessed, cut or converted; what does not fit is named without its value.

    Examples
    --------
    >>> Survey.model_validate({"time": "2011-06-12", "score": 8}).score
    8.0
    """

    # Errors must not carry the input: frameworks write them to logs.
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, hide_input_in_errors=True)


class OrderLine(Strict):
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


class Contract(Strict):
    """One contract or subscription."""

    start: Time = Field(description="Start of the contract")
    end: Time | None = Field(default=None, description="Agreed end of the contract")
    cancelled_at: Time | None = Field(default=None, description="Time it was cancelled")
    contract_id: Id | None = Field(default=None, description="Contract")
    plan: Text | None = Field(default=None, description="Plan")
    monthly_charge: Amount | None = Field(default=None, description="Charge per month")
    known_at: Time | None = Field(default=None, description="Time the row arrived in the data, if later")


class Interaction(Strict):
    """One contact or complaint."""

    time: Time = Field(description="Time of the contact")
    kind: Text | None = Field(default=None, description="Kind: contact, complaint, service, return, visit")
    channel: Text | None = Field(default=None, description="Channel")
    direction: Text | None = Field(default=None, description="Inbound or outbound")
    resolved_at: Time | None = Field(default=None, description="Time it was resolved")
    known_at: Time | None = Field(default=None, description="Time the row arrived in the data, if later")


class Survey(Strict):
    """One answer to a survey."""

    time: Time = Field(description="Time of the answer")
    score: Amount = Field(description="Perceived satisfaction, 0 to 10")
    expected: Amount | None = Field(default=None, description="Expected satisfaction, 0 to 10")
    recommend: Amount | None = Field(default=None, description="Would recommend, 0 to 10")
    known_at: Time | None = Field(default=None, description="Time the row arrived in the data, if later")


class Campaign(Strict):
    """One contact of a campaign."""

    time: Time = Field(description="Time of the contact")
    campaign_id: Id | None = Field(default=None, description="Campaign")
    offer: Text | None = Field(default=None, description="Offer made")
    arm: Text | None = Field(default=None, description="Arm: treat, hold-out, explore")
    cost: Amount | None = Field(default=None, description="Cost of the contact")
    channel: Text | None = Field(default=None, description="Channel")
    known_at: Time | None = Field(default=None, description="Time the row arrived in the data, if later")


class Referral(Strict):
    """One referral."""

    time: Time = Field(description="Time of the referral")
    referred_id: Id | None = Field(default=None, description="Customer who was referred")
    known_at: Time | None = Field(default=None, description="Time the row arrived in the data, if later")


class CustomerTables(Strict):
    """One customer and all that is known of them; a table that is left out counts as empty."""

    customer_id: Id = Field(description="Customer, taken as it is")
    orders: list[OrderLine] = Field(max_length=_MOST_ROWS, description="Order lines in any order")
    contracts: list[Contract] = Field(default=[], max_length=_MOST_ROWS, description="Contracts")
    interactions: list[Interaction] = Field(default=[], max_length=_MOST_ROWS, description="Contacts")
    surveys: list[Survey] = Field(default=[], max_length=_MOST_ROWS, description="Answers to surveys")
    campaigns: list[Campaign] = Field(default=[], max_length=_MOST_ROWS, description="Campaign contacts")
    referrals: list[Referral] = Field(default=[], max_length=_MOST_ROWS, description="Referrals")


ROWS: dict[str, type[Strict]] = {
    "orders": OrderLine,
    "contracts": Contract,
    "interactions": Interaction,
    "surveys": Survey,
    "campaigns": Campaign,
    "referrals": Referral,
}
"""The tables a request may bring, and the shape of their rows."""
