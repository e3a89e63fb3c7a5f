"""Rows of the offer catalogue: reading them from TOML, CSV or ``retain.toml``, and saying what is wrong with them."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from strategies.edited_file import did_you_mean, line_of, lines_of, read_csv, read_toml, refuse
from strategies.protected import unknown_key
from strategies.settings import ChannelSettings, OfferSettings
from strategies.status import STATUSES
from strategies.value_class import VALUE_CLASSES

__all__ = [
    "LEAVE_ALONE",
    "Row",
    "check_channels",
    "checked",
    "rows_of_csv",
    "rows_of_sections",
    "sections_of_toml",
]

LEAVE_ALONE: Final = "leave_alone"
_CODE: Final = re.compile(r"\w[\w-]{0,63}")
_FIELDS: Final = tuple(OfferSettings.model_fields)
# An offer that speaks of one of these has to say whether it touches a price.
_PRICE: Final = re.compile(
    r"\d+\s*[%％]|\b(off|discount|voucher|coupon|rebate|cheaper|price|free)\b|折|优惠|立减|满减|代金券|降价|返现|免费|特价",
    re.IGNORECASE,
)
_EXPECTED: Final = (
    ("missing", "is missing"),
    ("int_", "expected a whole number"),
    ("float_", "expected a number"),
    ("finite_number", "expected a number"),
    ("bool_", "expected true or false"),
    ("string_type", "expected a text"),
    ("tuple_", "expected a list"),
)


@dataclass(frozen=True)
class Row:
    """One offer as it is written: its code, what it says, and where each key stands."""

    code: str
    values: Mapping[str, Any]
    where: Callable[[str], str]


def sections_of_toml(text: str, source: str, faults: list[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """``[offers.NAME]`` and ``[channels.NAME]`` of a TOML text, as parsed."""
    data = read_toml(text, source)
    known = ("offers", "channels")
    places = lines_of(text)
    for name, value in data.items():
        if name not in known:
            faults.append(
                f"{line_of(places, name)}{name} is unknown; expected [offers.NAME] and [channels.NAME]"
            )
        elif not isinstance(value, dict):
            faults.append(f"{line_of(places, name)}{name} must be sections [{name}.NAME], found {value!r}")
    offers, channels = (found if isinstance(found := data.get(name), dict) else {} for name in known)
    return offers, channels


def rows_of_sections(offers: Mapping[str, Any], text: str, faults: list[str]) -> list[Row]:
    """``[offers.NAME]`` sections as rows; `text` is where they stand, for line numbers."""
    places = lines_of(text)
    rows = []
    for code, given in offers.items():
        values = given.model_dump(exclude_unset=True) if isinstance(given, BaseModel) else given
        if isinstance(values, dict):
            rows.append(Row(code, values, _where(places, code)))
        else:
            faults.append(
                f"{line_of(places, 'offers', code)}[offers] {code} must be a section [offers.{code}]"
            )
    return rows


def _where(places: dict[str, int], code: str) -> Callable[[str], str]:
    return lambda key: f"{line_of(places, 'offers', code, key)}[offers.{code}] "


def rows_of_csv(text: str, source: str, protected: Collection[str]) -> list[Row]:
    """The rows of a CSV text with a column ``code``; an empty cell is left out."""
    head, lines = read_csv(text, source)
    known = ("code", *_FIELDS)
    faults = [f"line 1: {unknown_key(name, known, protected)}" for name in head if name not in known]
    faults += [] if "code" in head else ["line 1: column code is missing"]
    refuse(source, faults)
    rows, lines_seen = [], dict[str, int]()
    for line, cells in lines:
        code = cells["code"]
        if code in lines_seen:
            faults.append(f"line {line}: offer {code!r} is in line {lines_seen[code]} already")
        lines_seen.setdefault(code, line)
        values = {key: cell for key, cell in cells.items() if key != "code" and cell}
        rows.append(Row(code, values, lambda key, line=line, code=code: f"line {line}: {code}: "))  # type: ignore[misc]
    refuse(source, faults)
    return rows


def checked(
    rows: Sequence[Row], faults: list[str], *, strategies: Collection[str], protected: Collection[str]
) -> dict[str, OfferSettings]:
    """The offers that read well by code; what is wrong with the others goes to `faults`.

    Parameters
    ----------
    rows : sequence of Row
        As written.
    faults : list of str
        Receives one message per fault, with line and key.
    strategies : collection of str
        Codes of the strategy table.
    protected : collection of str
        Attributes that must not decide.
    """
    found = {}
    for row in rows:
        before = len(faults)
        faults.extend(f"{row.where('')}{fault}" for fault in _code_faults(row.code))
        unknown = [name for name in row.values if name not in _FIELDS]
        faults.extend(f"{row.where(name)}{unknown_key(name, _FIELDS, protected)}" for name in unknown)
        try:
            offer = OfferSettings.model_validate({k: v for k, v in row.values.items() if k in _FIELDS})
        except ValidationError as error:
            faults.extend(f"{row.where(key)}{told}" for key, told in _field_faults(error))
            continue
        faults.extend(f"{row.where(key)}{told}" for key, told in _label_faults(offer, strategies))
        faults.extend(f"{row.where(key)}{told}" for key, told in _price_faults(offer))
        if len(faults) == before:
            found[row.code] = offer
    if not rows:
        faults.append("there is no offer; leave_alone alone needs no catalogue")
    return found


def _code_faults(code: str) -> list[str]:
    if code == LEAVE_ALONE:
        return ["leave_alone is always there, with cost 0 and effect 0; take it out"]
    return [] if _CODE.fullmatch(code) else [f"code {code!r} must be 1 to 64 letters, digits, _ or -"]


def _field_faults(error: ValidationError) -> list[tuple[str, str]]:
    found = []
    for detail in error.errors(include_url=False):
        key, kind = str(detail["loc"][0]), detail["type"]
        plain = detail["msg"].removeprefix("Input should be ").removeprefix("Input should ")
        wanted = next((told for prefix, told in _EXPECTED if kind.startswith(prefix)), f"expected {plain}")
        found.append(
            (key, f"{key} {wanted}" if kind == "missing" else f"{key} is {detail['input']!r}, {wanted}")
        )
    return found


def _label_faults(offer: OfferSettings, strategies: Collection[str]) -> list[tuple[str, str]]:
    known = {"strategies": strategies, "value_classes": VALUE_CLASSES, "statuses": STATUSES}
    return [
        (key, f"{key} {label!r} is unknown{did_you_mean(label, labels)}")
        for key, labels in known.items()
        for label in getattr(offer, key)
        if label not in labels
    ]


def _price_faults(offer: OfferSettings) -> list[tuple[str, str]]:
    """An offer may touch a price only openly."""
    if "touches_price" in offer.model_fields_set:
        return []
    for key in ("text_en", "text_zh"):
        if word := _PRICE.search(getattr(offer, key)):
            return [(key, f"{key} speaks of a price ({word[0]!r}); say touches_price = true, or false")]
    return []


def check_channels(
    given: Mapping[str, Any], used: Collection[str], text: str, faults: list[str]
) -> dict[str, ChannelSettings]:
    """``[channels.NAME]``: numbers that read well, of channels that an offer uses."""
    places = lines_of(text)
    found = {}
    for name, values in given.items():
        where = f"{line_of(places, 'channels', name)}[channels.{name}] "
        if name not in used:
            faults.append(f"{where}no offer uses this channel{did_you_mean(name, used)}")
        try:
            found[name] = ChannelSettings.model_validate(values)
        except ValidationError as error:
            faults.extend(f"{where}{told}" for _, told in _field_faults(error))
    return found
