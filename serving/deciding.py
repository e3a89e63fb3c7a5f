"""Deciding about one customer who is asked for: who may be decided about, and how the decision is told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from features.errors import InputError, LockedError, NotEnoughData, PublishError
from serving.asked import Asked
from serving.fast_lane import NO_CONTACT, NOT_LISTED, Lookups, no_list, stored_row
from serving.live import Live
from serving.live_decision import LiveDecision
from serving.lookup import Stored
from serving.refusal import Refusal
from serving.schemas import Decision

__all__ = ["Decider", "Deciding"]


class Decider(Protocol):
    """Decides one customer: `serving.live_decision.LiveDecider`."""

    def decide(
        self, customer_id: str, current: Callable[[], Mapping[str, Any]], *, news: bool
    ) -> LiveDecision:
        """The decision that stands, or a new one, logged."""


class Deciding:
    """Answers ``POST /v1/decide``.

    Parameters
    ----------
    live : Live
        Scores a customer now, when a new decision needs it.
    lookups : Lookups
        Rows of the latest list.
    decider : Decider
        Decides and logs.
    """

    def __init__(self, live: Live, lookups: Lookups, decider: Decider) -> None:
        self._live, self._lookups, self._decider = live, lookups, decider

    def answer(self, customer_id: str, asked: Asked) -> str:
        """The decision as JSON text; it is in the log when this returns.

        Raises
        ------
        Refusal
            404: the customer is unknown, none of the caller's business, or wants no contact. 409: nothing was
            scored or decided yet. 503: the database cannot be read or written.
        """
        asked.customers = 1
        try:
            return self._answer(customer_id, asked)
        except NotEnoughData as error:
            raise Refusal(409, "no_decisions", str(error)) from None
        except (InputError, LockedError, PublishError) as error:
            raise Refusal(503, "store", str(error)) from error

    def _answer(self, customer_id: str, asked: Asked) -> str:
        stored = self._lookups.get(customer_id)
        if stored is None:
            raise no_list()
        row = self._row(stored, customer_id, asked)
        if row is None or stored.opted_out:
            raise _unknown(NOT_LISTED if row is None else NO_CONTACT)

        def current() -> Mapping[str, Any]:
            found = self._live.current(customer_id, asked)
            if found is None:
                raise _unknown(NOT_LISTED)
            return found

        made = self._decider.decide(customer_id, current, news=bool(stored.events))
        return told(made, asked.model_version or stored.model_version).model_dump_json()

    def _row(self, stored: Stored, customer_id: str, asked: Asked) -> object:
        """Something that is not None when the caller may know of the customer."""
        if stored.events and not stored.opted_out:
            return self._live.current(customer_id, asked)
        return stored_row(stored, asked)


def told(made: LiveDecision, model_version: str) -> Decision:
    """A decision as it is answered."""
    row: dict[str, Any] = {name: made.row[name] for name in Decision.model_fields if name in made.row}
    row |= {"model_version": model_version, "made": made.made, "touches_price": made.touches_price}
    return Decision.model_validate({**row, **made.texts})


def _unknown(text: str) -> Refusal:
    return Refusal(404, "unknown", text, field="customer_id")
