"""The object that scores live: it holds the model, the state and the limits, and knows nothing of HTTP.

A customer is answered in one of three ways. By id: the row of the latest stored list, unless something was told of
the customer since; then everything that was known and the new events are scored together. By the rows of their
tables: the one feature function runs over them, and the scorer of the nightly list scores them. By ready features:
the scorer alone. The same customer on the same day gets the same numbers, bit for bit, whichever way.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict

from features.errors import InputError, LockedError
from features.pipeline import FEATURES
from serving.asked import Asked
from serving.customer_tables import customer_tables, sent_rows, with_events
from serving.events import business_time
from serving.fast_lane import NO_CONTACT, NOT_LISTED, Lookups, no_day, no_list, no_purchase, stored_row
from serving.feature_engines import FeatureEngines
from serving.histories import History, Known
from serving.live_scores import PURCHASES, Features, Models, Served, feature_matrix, score_features
from serving.lookup import Stored, without_reasons
from serving.ready_features import Ready, check_histories
from serving.refusal import Refusal
from serving.row_text import batch_text, found_text, unknown_text
from serving.schemas import BatchRequest, FeatureRow, ScoreRequest
from serving.settings import ServingSettings
from serving.table_rows import ROWS, CustomerTables, OrderLine
from serving.wanted import Wanted
from strategies.frameworks import FrameworkSettings
from strategies.settings import StrategySettings

__all__ = ["Live", "LiveSettings", "Past"]

# When a row became news; the agreed end of a contract lies ahead and is none.
NOT_KEPT = "the rows behind the list were not kept, so that nothing can be added; run `retain score` again"
_LAST_CAMPAIGN = FEATURES.index("last_campaign_days")
_NEWS = ("time", "start", "cancelled_at", "resolved_at", "known_at")


class LiveSettings(BaseModel):
    """What a serving process needs to know; ``retain serve`` writes it as a JSON file.

    ``models`` is the folder of the model versions and of the pointer file ``champion``; ``store_url`` the
    SQLAlchemy address of the state database; ``tables`` are the contract's tables that the shop has, as it is
    configured: one that a request leaves out counts as empty, one the shop has not is unknown, as in the list;
    ``own_features`` the folder with features of the shop's own, besides the package's.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    models: Path
    store_url: str
    timezone: str = "UTC"
    currency: str = ""
    country: str = ""
    tables: tuple[str, ...] = ("orders",)
    serving: ServingSettings = ServingSettings()
    strategies: StrategySettings = StrategySettings()
    frameworks: FrameworkSettings = FrameworkSettings()
    own_features: Path | None = None

    @property
    def feature_tables(self) -> tuple[str, ...]:
        """Tables of the shop that features are made of; attributes of customers are not."""
        return tuple(name for name in ROWS if name in self.tables)


class Past(Protocol):
    """Gives what is known of customers: `serving.histories.Histories`."""

    def known(self, customer_ids: Sequence[str]) -> Known:
        """What was known when the list was made and what was told since, of one instant."""


class Live:
    """Scores customers now.

    Parameters
    ----------
    settings : LiveSettings
        Zone, tables and limits.
    models : Models
        The model that answers; taken once for each request.
    lookups : Lookups
        Rows of the latest list.
    past : Past
        What was known of customers when the list was made, and what was told since.
    """

    def __init__(self, settings: LiveSettings, models: Models, lookups: Lookups, *, past: Past) -> None:
        self._settings, self._models, self._lookups = settings, models, lookups
        self._past = past
        self._zone = ZoneInfo(settings.timezone)
        self._engines = FeatureEngines(settings.timezone, settings.country, settings.feature_tables)

    def one(self, request: ScoreRequest, asked: Asked) -> str:
        """The answer to ``POST /v1/score`` as JSON text.

        Raises
        ------
        Refusal
            There is no list or no day to score for, or the database cannot be read.
        """
        if request.features is not None:
            row = FeatureRow(customer_id=str(request.customer_id), features=request.features)
            return self._ready(_ready([row], request), asked, where=lambda _: "features")[0]
        given = {"as_of", "reasons", "columns"}
        many: dict[str, object] = {name: getattr(request, name) for name in given}
        if request.customer is not None:
            many["customers"] = [request.customer]
        else:
            many["customer_ids"] = [request.customer_id]
        return self._results(BatchRequest.model_validate(many), asked)[0]

    def many(self, request: BatchRequest, asked: Asked) -> str:
        """The answer to ``POST /v1/score/batch`` as JSON text; one result per customer, in their order.

        Raises
        ------
        Refusal
            More customers or longer ids than may be, a customer twice, or as `one`.
        """
        if request.feature_rows is not None:
            return self.ready(_ready(request.feature_rows, request), asked)
        if request.customer_ids is not None:
            check_limits("customer_ids", request.customer_ids, self._settings.serving)
        else:
            ids = [row.customer_id for row in request.customers or []]
            check_limits("customers", ids, self._settings.serving)
        return batch_text(self._results(request, asked))

    def ready(self, given: Ready, asked: Asked) -> str:
        """`many` for customers with ready features that were read already.

        Raises
        ------
        Refusal
            Some features are nobody's, or as `many`.
        """
        check_limits("feature_rows", given.customer_ids, self._settings.serving)
        return batch_text(self._ready(given, asked, where="feature_rows[{}].features".format))

    def current(self, customer_id: str, asked: Asked) -> dict[str, Any] | None:
        """A customer's row as of now, with ``last_campaign_days``; None when nobody may be told of.

        Parameters
        ----------
        customer_id : str
            Customer of the list, or one of whom something was told since.
        asked : Asked
            Told which model answered.
        """
        days, lost = self._recent(self._looked_up([customer_id]), None)
        if lost:
            raise Refusal(409, "not_kept", NOT_KEPT, field="customer_id")
        ((day, histories),) = days.items()
        ids, features = self._features(histories, day)
        if not ids or not features[0, PURCHASES] > 0:
            return None
        served = self._models.served
        (row,) = served.scorer.answer_rows(features, ids, day)
        asked.model_version = served.version
        last = float(features[0, _LAST_CAMPAIGN])
        known = None if math.isnan(last) else last
        return {**row, "last_campaign_days": known} if asked.covers(row) else None

    def warm(self) -> None:
        """Score one made-up customer, so that the first who is asked for need not wait."""
        order = OrderLine.model_validate({"time": "2026-01-05", "amount": 10.0})
        warm = {"warm": {"orders": [dict(order)]}}
        self._scored(
            warm, date(2026, 4, 1), served=self._models.served, asked=Asked(), wanted=Wanted(reasons=True)
        )

    def score_ids(
        self, customer_ids: Sequence[str], as_of: date | None, *, asked: Asked, wanted: Wanted
    ) -> dict[str, str]:
        """Answers by id: from the list, or scored anew where something was told since or another day is wanted.

        Parameters
        ----------
        customer_ids : sequence of str
            Customers, exactly as in the list.
        as_of : date, optional
            The day to score for; without it the list's day, or the day after the newest event.
        asked : Asked
            Who may see whom.
        wanted : Wanted
            Reasons or none.
        """
        found: dict[str, str] = {}
        anew: dict[str, Stored] = {}
        for customer_id, stored in self._looked_up(customer_ids).items():
            listed, row = date.fromisoformat(stored.as_of), stored_row(stored, asked)
            if not stored.opted_out and (stored.events or (as_of or listed) != listed):
                anew[customer_id] = stored
            elif row is None or stored.opted_out:
                found[customer_id] = unknown_text(customer_id, NOT_LISTED if row is None else NO_CONTACT)
            else:
                asked.model_version = stored.model_version
                found[customer_id] = found_text(row if wanted.reasons else without_reasons(row))
        return found | (self._scored_anew(anew, as_of, asked=asked, wanted=wanted) if anew else {})

    def score_customers(
        self, customers: Sequence[CustomerTables], as_of: date | None, *, asked: Asked, wanted: Wanted
    ) -> dict[str, str]:
        """Answers from the rows of customers, each given once; without a day as `score_ids` takes it."""
        listed = None if as_of else self._listed_day()
        days: dict[date, dict[str, History]] = {}
        for customer in customers:
            rows = sent_rows(customer)
            days.setdefault(as_of or self._day(rows, listed), {})[customer.customer_id] = rows
        served, found = self._models.served, dict[str, str]()
        for day, histories in days.items():
            scored = self._scored(histories, day, served=served, asked=asked, wanted=wanted)
            found |= {i: _answer(i, scored.get(i), no_purchase(day)) for i in histories}
        return found

    def _ready(self, given: Ready, asked: Asked, *, where: Callable[[int], str]) -> list[str]:
        """Answers from ready features, each customer given once; without a day they are those of the list's day."""
        ids, wanted = given.customer_ids, given.wanted
        check_histories(given.features, where)
        day = given.as_of or self._listed_day()
        if day is None:
            raise no_day()
        served = self._models.served
        found = score_features(given.features, ids, day, served=served, asked=asked, wanted=wanted)
        asked.customers = len(ids)
        return [wanted.narrowed(_answer(i, found.get(i), no_purchase(day))) for i in ids]

    def _looked_up(self, customer_ids: Sequence[str]) -> dict[str, Stored]:
        """What is stored of each, once, in their order."""
        with _state_faults():
            stored = self._lookups.get_many(customer_ids)
        if stored is None:
            raise no_list()
        return {customer_id: stored[customer_id] for customer_id in dict.fromkeys(customer_ids)}

    def _results(self, request: BatchRequest, asked: Asked) -> list[str]:
        as_of, wanted = request.as_of, request.wanted
        if request.customer_ids is not None:
            ids = request.customer_ids
            found = self.score_ids(ids, as_of, asked=asked, wanted=wanted)
        else:
            customers = request.customers or []
            ids = [customer.customer_id for customer in customers]
            found = self.score_customers(customers, as_of, asked=asked, wanted=wanted)
        asked.customers = len(ids)
        return [wanted.narrowed(found[customer_id]) for customer_id in ids]

    def _scored_anew(
        self, known: Mapping[str, Stored], as_of: date | None, *, asked: Asked, wanted: Wanted
    ) -> dict[str, str]:
        served, found = self._models.served, dict[str, str]()
        days, lost = self._recent(known, as_of)
        for day, histories in days.items():
            found |= self._scored(histories, day, served=served, asked=asked, wanted=wanted)
        return {i: _answer(i, found.get(i), NOT_KEPT if i in lost else NOT_LISTED) for i in known}

    def _recent(
        self, stored: Mapping[str, Stored], as_of: date | None
    ) -> tuple[dict[date, dict[str, History]], set[str]]:
        """All that is known of customers by now, by the day to score them for; and whose past was not kept."""
        ids = list(stored)
        with _state_faults():
            known = self._past.known(ids)
        days: dict[date, dict[str, History]] = {}
        # Scored on the news alone, an old customer would pass for a new one.
        lost = {i for i, one in stored.items() if one.row is not None and i not in known.histories}
        for customer_id in (i for i in ids if i not in lost):
            # the list of that instant, which may be a later one than was looked up
            day = date.fromisoformat(known.as_of or stored[customer_id].as_of)
            news = known.told.get(customer_id)
            if news is not None:
                day = max(day, news.day + timedelta(days=1))
            rows = with_events(known.histories.get(customer_id, {}), () if news is None else news.events)
            days.setdefault(as_of or day, {})[customer_id] = rows
        return days, lost

    def _scored(
        self, histories: Mapping[str, History], as_of: date, *, served: Served, asked: Asked, wanted: Wanted
    ) -> dict[str, str]:
        ids, features = self._features(histories, as_of)
        return score_features(features, ids, as_of, served=served, asked=asked, wanted=wanted)

    def _features(self, histories: Mapping[str, History], as_of: date) -> tuple[list[str], Features]:
        told = {name for rows in histories.values() for name, known in rows.items() if known}
        names = [name for name in self._settings.feature_tables if name == "orders" or name in told]
        return self._engines.fetch(customer_tables(histories, names, self._settings.timezone), as_of)

    def _listed_day(self) -> date | None:
        # Any id will do: the day of the list comes with each.
        with _state_faults():
            stored = self._lookups.get("")
        return None if stored is None else date.fromisoformat(stored.as_of)

    def _day(self, rows: History, listed: date | None) -> date:
        """The list's day, or the day after the newest row if that is later; never beyond tomorrow for rows' sake."""
        given = (row.get(name) for table in rows.values() for row in table for name in _NEWS)
        days = [business_time(time, self._zone).date() for time in given if time is not None]
        today = datetime.now(self._zone).date()
        newest = min(max(days), today) if days else listed or today
        return max(newest + timedelta(days=1) if days else newest, listed or date.min)


def check_limits(name: str, ids: Sequence[str], limits: ServingSettings) -> None:
    """Refuse a batch beyond the limits of the installation, or with the rows of one customer in two places."""
    field = "" if name == "customer_ids" else ".customer_id"
    if len(ids) > limits.max_rows:
        text = f"{name}: {len(ids)} customers; at most {limits.max_rows} at a time"
        raise Refusal(413, "too_many", text, field=name)
    places: dict[str, int] = {}
    for place, customer_id in enumerate(ids):
        where = f"{name}[{place}]{field}"
        if len(customer_id) > limits.max_id_length:
            text = f"{where}: longer than {limits.max_id_length} characters"
            raise Refusal(400, "long_id", text, field=where)
        first = places.setdefault(customer_id, place)
        if first != place and field:
            text = f"{where}: is the customer of {name}[{first}] again; give each customer once"
            raise Refusal(400, "twice", text, field=where)


def _ready(rows: Sequence[FeatureRow], request: ScoreRequest | BatchRequest) -> Ready:
    features = feature_matrix(row.features.__dict__ for row in rows)
    return Ready([row.customer_id for row in rows], features, request.as_of, request.wanted)


def _answer(customer_id: str, row: str | None, otherwise: str) -> str:
    return unknown_text(customer_id, otherwise) if row is None else found_text(row)


@contextmanager
def _state_faults() -> Iterator[None]:
    """A database that cannot be read is no fault of the caller; all else that goes wrong is not the database's."""
    try:
        yield
    except (InputError, LockedError) as error:
        raise Refusal(503, "store", str(error)) from error
