"""The fast lane: one customer by id or by ready features, answered in the event loop without any framework.

By id the stored row's text goes into the answer as it is. What takes longer (raw rows, reasons, customers about whom
something was told since the list was made) is left to `serving.live`, which runs in a thread.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from datetime import date
from typing import Any, Protocol

from features.errors import RetainError
from serving.asked import Asked
from serving.live_scores import Models, feature_matrix, score_features
from serving.lookup import Stored, without_reasons
from serving.ready_features import Ready, check_histories
from serving.refusal import Refusal, fitted
from serving.row_text import found_text, unknown_text
from serving.schemas import ScoreRequest
from serving.wanted import Wanted

__all__ = ["NOT_LISTED", "NO_CONTACT", "FastLane", "Lookups", "no_list", "no_purchase", "stored_row"]

NOT_LISTED = "not in the latest list"
NO_CONTACT = "wants no contact"
_WITH, _WITHOUT = Wanted(reasons=True), Wanted()


class Lookups(Protocol):
    """Gives stored rows: `serving.lookup.Lookup`."""

    def get(self, customer_id: str) -> Stored | None:
        """What is stored of a customer; None when nothing was scored yet."""

    def get_many(self, customer_ids: Iterable[str]) -> dict[str, Stored] | None:
        """The same of each of some customers, of one instant."""


class FastLane:
    """Answers what can be answered within a millisecond.

    Parameters
    ----------
    lookups : Lookups
        Stored rows.
    models : Models
        The model that answers.
    longest_id : int
        Most characters of an id.
    inline : bool
        Look up in the event loop: right for a file on this machine, wrong for a database behind a network.
    """

    def __init__(self, lookups: Lookups, models: Models, *, longest_id: int, inline: bool = True) -> None:
        self._lookups, self._models = lookups, models
        self._longest, self._inline = longest_id, inline

    async def score(self, document: object, asked: Asked) -> str | None:
        """Score one customer, or leave it: None stands for a valid request that takes longer.

        Parameters
        ----------
        document : object
            Body of ``POST /v1/score``, from `serving.strict_json.strict_json`.
        asked : Asked
            Told which model answered.

        Raises
        ------
        Refusal
            The request does not fit, there is no list, or the database cannot be read.
        """
        asked.customers = 1
        customer_id, reasons = _plain(document)
        if customer_id is not None:
            return await self._by_id(customer_id, None, asked, wanted=_WITH if reasons else _WITHOUT)
        request = fitted(ScoreRequest, document)
        if request.customer is not None:
            self._check_id(request.customer.customer_id, "customer.customer_id")
        elif request.features is None:
            return await self._by_id(str(request.customer_id), request.as_of, asked, wanted=request.wanted)
        elif not request.reasons:
            features = feature_matrix([request.features.__dict__])
            return await self.ready(
                Ready([str(request.customer_id)], features, request.as_of, request.wanted), asked
            )
        return None

    async def ready(self, given: Ready, asked: Asked) -> str:
        """Score one customer from ready features.

        Raises
        ------
        Refusal
            The features are nobody's, or as `score`.
        """
        asked.customers = 1
        (customer_id,), as_of = given.customer_ids, given.as_of
        self._check_id(customer_id, "customer_id")
        check_histories(given.features, lambda _: "features")
        if as_of is None:
            stored = await self._get(customer_id)
            if stored is None:
                raise no_day()
            as_of = date.fromisoformat(stored.as_of)
        found = score_features(
            given.features,
            given.customer_ids,
            as_of,
            served=self._models.served,
            asked=asked,
            wanted=given.wanted,
        )
        row = found.get(customer_id)
        text = unknown_text(customer_id, no_purchase(as_of)) if row is None else found_text(row)
        return given.wanted.narrowed(text)

    async def customer(self, customer_id: str, asked: Asked) -> str:
        """The stored row of a customer with reasons.

        Raises
        ------
        Refusal
            404: there is no such row, it is none of the caller's business, or the customer wants no contact.
        """
        asked.customers = 1
        stored = await self._get(customer_id)
        if stored is None:
            raise no_list()
        row = stored_row(stored, asked)
        if row is None or stored.opted_out:
            raise Refusal(404, "unknown", NOT_LISTED if row is None else NO_CONTACT, field="customer_id")
        asked.model_version = stored.model_version
        return row

    async def _by_id(
        self, customer_id: str, as_of: date | None, asked: Asked, *, wanted: Wanted
    ) -> str | None:
        self._check_id(customer_id, "customer_id")
        stored = await self._get(customer_id)
        if stored is None:
            raise no_list()
        if not stored.opted_out and (stored.events or (as_of and as_of.isoformat() != stored.as_of)):
            return None
        row = stored_row(stored, asked)
        if row is None or stored.opted_out:
            return unknown_text(customer_id, NOT_LISTED if row is None else NO_CONTACT)
        asked.model_version = stored.model_version
        return wanted.narrowed(found_text(row if wanted.reasons else without_reasons(row)))

    async def _get(self, customer_id: str) -> Stored | None:
        try:
            if self._inline:
                return self._lookups.get(customer_id)
            return await asyncio.to_thread(self._lookups.get, customer_id)
        except RetainError as error:
            raise Refusal(503, "store", str(error)) from error

    def _check_id(self, customer_id: str, field: str) -> None:
        if len(customer_id) > self._longest:
            text = f"{field}: longer than {self._longest} characters"
            raise Refusal(400, "long_id", text, field=field)


def stored_row(stored: Stored, asked: Asked) -> str | None:
    """The text of a stored row; None when there is none, or none that the caller may see."""
    if stored.row is None or (asked.scoped and not asked.covers(json.loads(stored.row))):
        return None
    return stored.row


def no_list() -> Refusal:
    """There is nothing to look up in."""
    text = "no list has been scored yet; run `retain score`, or send the customer's rows"
    return Refusal(409, "no_list", text)


def no_day() -> Refusal:
    """There is no list whose day could be taken."""
    text = "as_of: is required, as no list has been scored yet whose day could be taken"
    return Refusal(400, "no_day", text, field="as_of")


def no_purchase(as_of: date) -> str:
    """What is answered for a customer who had bought nothing by a day."""
    return f"no order before {as_of.isoformat()}"


def _plain(document: Any) -> tuple[str | None, bool]:
    """Id and whether to give reasons of the request that comes most often; no id for any other."""
    if type(document) is not dict or not document or len(document) > 2:
        return None, False
    customer_id, reasons = document.get("customer_id"), document.get("reasons", False)
    known = 1 + ("reasons" in document)
    fits = type(customer_id) is str and 0 < len(customer_id) <= 256 and type(reasons) is bool
    return (customer_id, reasons) if fits and known == len(document) else (None, False)
