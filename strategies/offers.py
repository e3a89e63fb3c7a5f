"""The offer catalogue: what can be done for a customer, through which channel, at what cost, and for whom."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.errors import InputError
from strategies.columns import Numbers, as_numbers, require
from strategies.edited_file import hashed, is_csv, read_edited, refuse
from strategies.offer_rows import (
    LEAVE_ALONE,
    check_channels,
    checked,
    rows_of_csv,
    rows_of_sections,
    sections_of_toml,
)
from strategies.protected import PROTECTED
from strategies.settings import ChannelSettings, OfferSettings
from strategies.strategy_table import StrategyTable

__all__ = [
    "HANDS_OFF",
    "LEAVE_ALONE",
    "Offer",
    "OfferCatalogue",
    "default_offers_text",
]

HANDS_OFF: Final = ("release", "do_not_regain", "observe")
"""Strategies that an offer reaches only when it names them."""
_NEEDED: Final = (
    "strategy",
    "value_class",
    "status",
    "value_at_stake",
    "last_campaign_days",
    "opted_out",
)
_NO_FLAG: Final = "offers: opted_out must be true or false for each customer, found e.g. {example!r}."


class Offer(OfferSettings):
    """One offer of a checked catalogue: as it is written, with its code and what its channel costs."""

    code: str
    channel_cost: float = 0.0

    @property
    def total_cost(self) -> float:
        """Money per customer, the contact included."""
        return self.cost + self.channel_cost


@dataclass(frozen=True)
class OfferCatalogue:
    """A checked catalogue.

    *Leave alone* (code ``leave_alone``, cost 0, effect 0, no limit) always competes and is not among `offers`.

    Parameters
    ----------
    offers : tuple of Offer
        In the order of the file.
    channels : dict of str to ChannelSettings
        Limits and costs of channels, where they were given.

    Examples
    --------
    >>> catalogue = OfferCatalogue.default()
    >>> catalogue.offer("voucher_10").touches_price
    True
    >>> catalogue.offer("leave_alone").total_cost
    0.0
    """

    offers: tuple[Offer, ...]
    channels: dict[str, ChannelSettings] = field(default_factory=dict)

    @classmethod
    def default(cls) -> OfferCatalogue:
        """The catalogue that comes with Retain; all its effects are assumed."""
        return cls.parse(default_offers_text(), StrategyTable.default(), source="default_offers.toml")

    @classmethod
    def load(
        cls, path: Path, table: StrategyTable, *, protected: Collection[str] = PROTECTED
    ) -> OfferCatalogue:
        """Read a catalogue from a file; CSV when its name ends so, else TOML.

        Raises
        ------
        ConfigError
            When the file cannot be read, or for all its faults at once.
        """
        text = read_edited(path, named_by="[strategies] offers")
        return cls.parse(text, table, source=path.name, protected=protected)

    @classmethod
    def parse(
        cls,
        text: str,
        table: StrategyTable,
        *,
        source: str = "offers.toml",
        protected: Collection[str] = PROTECTED,
    ) -> OfferCatalogue:
        """Check the text of a catalogue.

        Parameters
        ----------
        text : str
            TOML with ``[offers.NAME]`` and ``[channels.NAME]``, as in ``default_offers.toml``; or CSV with a column
            ``code`` and the keys of an offer, several labels separated by ``|``.
        table : StrategyTable
            Whose strategies may be named.
        source : str
            Name of the file, for messages; ``.csv`` at its end means CSV.
        protected : collection of str
            Attributes that must not decide who gets an offer.

        Raises
        ------
        ConfigError
            All faults at once, each with its line.

        Examples
        --------
        >>> text = "code,channel,cost,strategies,text_en\\ncall,phone,4,rescue|keep,a call\\n"
        >>> OfferCatalogue.parse(text, StrategyTable.default(), source="mine.csv").offers[0].strategies
        ('rescue', 'keep')
        """
        faults: list[str] = []
        given: dict[str, Any] = {}
        if is_csv(source):
            rows = rows_of_csv(text, source, protected)
        else:
            sections, given = sections_of_toml(text, source, faults)
            rows = rows_of_sections(sections, text, faults)
        offers = checked(rows, faults, strategies=table.names, protected=protected)
        used = {str(row.values.get("channel")) for row in rows}
        channels = check_channels(given, used, "" if is_csv(source) else text, faults)
        refuse(source, faults)
        return cls.of(offers).with_channels(channels)

    @classmethod
    def of(cls, offers: Mapping[str, OfferSettings]) -> OfferCatalogue:
        """A catalogue of offers that were checked (`strategies.offer_rows.checked`)."""
        return cls(tuple(Offer(code=code, **offer.model_dump()) for code, offer in offers.items()))

    def with_channels(self, channels: Mapping[str, ChannelSettings]) -> OfferCatalogue:
        """The same offers, with what is given of a channel in the place of what was known of it."""
        merged = dict(self.channels)
        for name, given in channels.items():
            known = merged.get(name, ChannelSettings())
            merged[name] = known.model_copy(update=given.model_dump(exclude_unset=True))
        costs = {name: channel.cost for name, channel in merged.items()}
        offers = [o.model_copy(update={"channel_cost": costs.get(o.channel, 0.0)}) for o in self.offers]
        return replace(self, offers=tuple(offers), channels=merged)

    @property
    def codes(self) -> tuple[str, ...]:
        """The code of each offer."""
        return tuple(offer.code for offer in self.offers)

    @property
    def costs(self) -> Numbers:
        """Money per customer of each offer, the contact included."""
        return np.array([offer.total_cost for offer in self.offers], dtype=np.float64)

    @property
    def offer_capacities(self) -> dict[str, int]:
        """The most customers of one run by offer, where there is a limit."""
        return {offer.code: offer.capacity for offer in self.offers if offer.capacity is not None}

    @property
    def channel_capacities(self) -> dict[str, int]:
        """The most contacts of one run by channel, where there is a limit."""
        return {name: c.capacity for name, c in self.channels.items() if c.capacity is not None}

    def offer(self, code: str) -> Offer:
        """One offer, or *leave alone*; KeyError when there is none of this code."""
        return {LEAVE_ALONE: _LEFT_ALONE, **{offer.code: offer for offer in self.offers}}[code]

    def eligible(self, people: pd.DataFrame) -> NDArray[np.bool_]:
        """Who may be made which offer.

        Parameters
        ----------
        people : DataFrame
            One row per customer with ``strategy``, ``value_class``, ``status``, ``value_at_stake`` (money),
            ``last_campaign_days`` (days; missing: never contacted) and ``opted_out`` (flag; missing: no objection
            is known). Protected attributes are not looked at.

        Returns
        -------
        array of bool, shape (customers, offers)
            In the order of `offers`. Whoever opted out may be made none; *leave alone* is open to all.

        Raises
        ------
        InputError
            When a column is missing, or ``opted_out`` is no flag.

        Notes
        -----
        A customer who is not known to be worth the minimum is not eligible where there is one. An offer that names
        no strategy is for every strategy except release, do_not_regain and observe.

        Examples
        --------
        >>> people = pd.DataFrame({
        ...     "strategy": ["rescue", "rescue", "release"], "value_class": "gold", "status": "active",
        ...     "value_at_stake": 500.0, "last_campaign_days": [None, 3.0, None], "opted_out": False})
        >>> catalogue = OfferCatalogue.default()
        >>> may = catalogue.eligible(people)
        >>> may[:, catalogue.codes.index("personal_call")].tolist()
        [True, False, False]
        """
        require(people, _NEEDED, step="offers")
        strategy, value_class, status = (_membership(people[name]) for name in _NEEDED[:3])
        stake, since = (as_numbers(people[name]) for name in ("value_at_stake", "last_campaign_days"))
        reachable = ~_opted_out(people["opted_out"])
        may = np.zeros((len(people), len(self.offers)), dtype=bool)
        for column, offer in enumerate(self.offers):
            fits = reachable & strategy(offer.strategies, HANDS_OFF) & ~(since < offer.cool_down_days)
            fits &= value_class(offer.value_classes, ()) & status(offer.statuses, ())
            if offer.minimum_value_at_stake > 0:
                fits &= stake >= offer.minimum_value_at_stake
            may[:, column] = fits
        return may

    @property
    def version(self) -> str:
        """First 12 hex digits of the SHA-256 of the content; comments and the order of offers do not count.

        Examples
        --------
        >>> OfferCatalogue.default().version == OfferCatalogue.default().version
        True
        """
        offers = {offer.code: offer.model_dump(mode="json") for offer in self.offers}
        channels = {name: channel.model_dump(mode="json") for name, channel in self.channels.items()}
        return hashed({"offers": offers, "channels": channels})


def default_offers_text() -> str:
    """The text of the default catalogue, to start one's own from."""
    return files("strategies").joinpath("default_offers.toml").read_text(encoding="utf-8")


_LEFT_ALONE: Final = Offer(
    code=LEAVE_ALONE, channel="none", cost=0.0, cool_down_days=0, text_en="Leave alone", text_zh="不打扰"
)


def _membership(column: pd.Series) -> Callable[[Collection[str], Collection[str]], NDArray[np.bool_]]:
    """``f(wanted, never)``: who has a wanted label; where none is named, who has no label of `never`."""
    codes, found = pd.factorize(column)
    # A missing label has the code −1 and so reads the last place.
    known = [*found, None]

    def belongs(wanted: Collection[str], never: Collection[str]) -> NDArray[np.bool_]:
        fits = [label in wanted if wanted else label not in never for label in known]
        return np.array(fits, dtype=bool)[codes]

    return belongs


def _opted_out(column: pd.Series) -> NDArray[np.bool_]:
    try:
        flags = as_numbers(column)
    except (TypeError, ValueError):
        raise InputError(_NO_FLAG.format(example=column.dropna().iloc[0])) from None
    wrong = ~np.isnan(flags) & (flags != 0) & (flags != 1)
    if wrong.any():
        raise InputError(_NO_FLAG.format(example=f"{flags[wrong][0]:g}"))
    return flags == 1
