"""The object that answers: it holds the model, the store and the limits, and knows nothing of HTTP.

A customer is answered in one of two ways. By id: the row of the latest stored list. By order lines: the lines
become tables of the contract, the one feature function runs over them, and the scorer of the nightly list
scores them. The same customer on the same day gets the same numbers, bit for bit, either way, as far as orders
are all that is known: what a list also knows from contacts, surveys, campaigns, referrals or contracts is
missing for a customer who comes with order lines only.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import Any, Protocol
from zoneinfo import ZoneInfo

import pandas as pd
import pyarrow as pa
from pydantic import BaseModel, ConfigDict

from features.contract import TABLES
from features.errors import RetainError
from features.plan import FeatureEngine
from features.rfm import buyers
from serving.order_schemas import (
    CustomerOrders,
    CustomerResult,
    ModelInfo,
    OrderLine,
    ScoreRequest,
    ScoreResponse,
)
from serving.refusal import Refusal
from serving.settings import ServingSettings
from serving.store import RunInfo
from strategies.decision_settings import DecisionSettings
from strategies.frameworks import FrameworkSettings
from strategies.settings import StrategySettings

__all__ = ["Live", "LiveSettings", "Scores", "Stores"]

_ARROW = {
    "id": pa.string(),
    "text": pa.string(),
    "time": pa.timestamp("us"),
    "money": pa.float64(),
    "number": pa.float64(),
    "flag": pa.bool_(),
}
_LINE_FIELDS = {name: TABLES["orders"].column(name).kind for name in OrderLine.model_fields}
_WARM_DAYS = ("2026-01-05", "2026-02-09", "2026-03-02")


class LiveSettings(BaseModel):
    """What a serving process needs to know; ``retain serve`` writes it as a JSON file.

    ``models`` is the folder of the model versions and of the pointer file ``champion``; ``store_url`` the
    SQLAlchemy address of the state database; ``tables`` are the contract's tables that the shop has, as it is
    configured: one that a request leaves out counts as empty, one the shop has not is unknown, as in the list.
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
    decisions: DecisionSettings = DecisionSettings()


class Scores(Protocol):
    """What scores customers: `serving.scorer.Scorer`."""

    def rows(self, known: pd.DataFrame, as_of: date, *, explain: bool = True) -> pd.DataFrame:
        """One row of the list per row of features; without reasons when not asked to explain."""


class Stores(Protocol):
    """What keeps scored lists: `serving.store.Store`."""

    def get(self, ids: Sequence[str]) -> Mapping[str, Mapping[str, Any]]:
        """Rows of the latest list by customer; unknown ids are left out."""

    def latest_run(self) -> RunInfo | None:
        """The run behind the latest list; None when nothing was scored yet."""


class Live:
    """Answers score requests.

    Parameters
    ----------
    scorer : Scores
        Turns tables into rows of the list.
    store : Stores
        Latest scored list.
    settings : LiveSettings
        Zone, currency and limits.
    version : str
        Version of the scorer's model.
    """

    def __init__(self, scorer: Scores, store: Stores, settings: LiveSettings, *, version: str) -> None:
        self.scorer, self.store, self.settings, self.version = scorer, store, settings, version
        self._own = threading.local()

    def answer(self, request: ScoreRequest) -> ScoreResponse:
        """Answer one request.

        Raises
        ------
        Refusal
            More customers or longer ids than the limits, no day to score for, or no list to look up in.
        """
        self._within_limits(request)
        if request.customer_ids is not None:
            run, results = self._looked_up(request.customer_ids, request.as_of)
            version, as_of = run.model_version, run.as_of
        else:
            version, as_of = self.version, request.as_of or self._latest_day()
            results = self.score_orders(request.customers or [], as_of, explain=request.reasons)
        if not request.reasons:
            results = [_without_reasons(result) for result in results]
        return ScoreResponse(model_version=version, as_of=as_of, results=results)

    def score_ids(self, ids: Sequence[str]) -> list[CustomerResult]:
        """The stored rows of `ids`, in that order; an id asked twice is answered twice.

        Parameters
        ----------
        ids : sequence of str
            Customers, exactly as in the list.

        Returns
        -------
        list of CustomerResult
            ``found`` is false for ids the list does not have.
        """
        with _store_faults():
            rows = self.store.get(list(dict.fromkeys(ids)))
        unknown = "not in the latest list"
        return [_result(i, rows[i]) if i in rows else _unknown(i, unknown) for i in ids]

    def score_orders(
        self, customers: Sequence[CustomerOrders], as_of: date, *, explain: bool = True
    ) -> list[CustomerResult]:
        """Score customers from their order lines.

        Parameters
        ----------
        customers : sequence of CustomerOrders
            Each customer once.
        as_of : date
            Lines on or after the start of this day (business zone) are future and play no part.
        explain : bool
            Give the reasons, which take longer than the score itself.

        Returns
        -------
        list of CustomerResult
            In the order of `customers`; ``found`` is false without an order before `as_of`.
        """
        _each_once(customers)
        features = self._engine.fetch(_lines(customers, ZoneInfo(self.settings.timezone)), as_of)
        # For a few rows, waking threads would take longer than the work.
        known = buyers(features.to_pandas(use_threads=False))
        found = self.scorer.rows(known, as_of, explain=explain) if len(known) else pd.DataFrame()
        rows = {str(row["customer_id"]): row for row in _records(found)}
        unknown = f"no order before {as_of.isoformat()}"
        ids = [customer.customer_id for customer in customers]
        return [_result(i, rows[i]) if i in rows else _unknown(i, unknown) for i in ids]

    def info(self) -> ModelInfo:
        """What is being served."""
        run = self._latest()
        return ModelInfo(
            model_version=self.version,
            list_version=None if run is None else run.model_version,
            list_as_of=None if run is None else run.as_of,
        )

    def warm(self) -> None:
        """Score one made-up customer, so that a model that cannot score is found before anyone asks."""
        lines = [OrderLine.model_validate({"time": day, "amount": 10.0}) for day in _WARM_DAYS]
        self.score_orders([CustomerOrders(customer_id="warm", orders=lines)], date(2026, 4, 1))

    @property
    def _engine(self) -> FeatureEngine:
        # Each thread has its own: an engine answers one question at a time.
        if not hasattr(self._own, "engine"):
            self._own.engine = FeatureEngine(self.settings.timezone, self.settings.country)
        found: FeatureEngine = self._own.engine
        return found

    def _latest(self) -> RunInfo | None:
        with _store_faults():
            return self.store.latest_run()

    def _looked_up(self, ids: Sequence[str], as_of: date | None) -> tuple[RunInfo, list[CustomerResult]]:
        """The results and the run they are of, though a new list may come in between."""
        run = self._run(as_of)
        while True:
            results = self.score_ids(ids)
            now = self._run(as_of)
            if now.run_id == run.run_id:
                return run, results
            run = now

    def _run(self, as_of: date | None) -> RunInfo:
        run = self._latest()
        if run is None:
            text = "no list has been scored yet; run `retain score`, or send order lines"
            raise Refusal(409, "no_list", text, field="customer_ids")
        if as_of is not None and as_of != run.as_of:
            text = f"the latest list is of {run.as_of.isoformat()}; leave as_of out, or send order lines"
            raise Refusal(409, "other_day", text, field="as_of")
        return run

    def _latest_day(self) -> date:
        run = self._latest()
        if run is None:
            text = "as_of: is required, as no list has been scored yet whose day could be taken"
            raise Refusal(400, "no_day", text, field="as_of")
        return run.as_of

    def _within_limits(self, request: ScoreRequest) -> None:
        limits = self.settings.serving
        if request.customer_ids is not None:
            name, ids = "customer_ids", request.customer_ids
        else:
            name, ids = "customers", [c.customer_id for c in request.customers or []]
        if len(ids) > limits.max_rows:
            text = f"{name}: {len(ids)} customers; at most {limits.max_rows} at a time"
            raise Refusal(413, "too_many", text, field=name)
        for place, customer_id in enumerate(ids):
            if len(customer_id) > limits.max_id_length:
                field = f"{name}[{place}]" if name == "customer_ids" else f"{name}[{place}].customer_id"
                text = f"{field}: longer than {limits.max_id_length} characters"
                raise Refusal(400, "long_id", text, field=field)


@contextmanager
def _store_faults() -> Iterator[None]:
    """A store that cannot be read is no fault of the caller."""
    try:
        yield
    except RetainError as error:
        raise Refusal(503, "store", str(error)) from error


def _each_once(customers: Sequence[CustomerOrders]) -> None:
    places: dict[str, int] = {}
    for place, customer in enumerate(customers):
        first = places.setdefault(customer.customer_id, place)
        if first != place:
            field = f"customers[{place}].customer_id"
            text = f"{field}: is the customer of customers[{first}] again; put all order lines together"
            raise Refusal(400, "twice", text, field=field)


def _lines(customers: Sequence[CustomerOrders], zone: ZoneInfo) -> pa.Table:
    """Order lines as a table of the contract; zoned times become times of the business zone."""
    lines = [(customer.customer_id, line) for customer in customers for line in customer.orders]
    columns: dict[str, pa.Array] = {"customer_id": pa.array([i for i, _ in lines], pa.string())}
    for name, kind in _LINE_FIELDS.items():
        values = [getattr(line, name) for _, line in lines]
        if kind == "time":
            values = [time if time is None else _local(time, zone) for time in values]
        columns[name] = pa.array(values, _ARROW[kind])
    return pa.table(columns)


def _local(time: datetime, zone: ZoneInfo) -> datetime:
    return time if time.tzinfo is None else time.astimezone(zone).replace(tzinfo=None)


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]


def _result(customer_id: str, row: Mapping[str, Any]) -> CustomerResult:
    values = {name: _plain(value) for name, value in row.items() if name != "customer_id"}
    return CustomerResult.model_validate({**values, "customer_id": customer_id, "found": True})


def _unknown(customer_id: str, reason: str) -> CustomerResult:
    return CustomerResult.model_validate({"customer_id": customer_id, "found": False, "error": reason})


def _without_reasons(result: CustomerResult) -> CustomerResult:
    kept = {name: value for name, value in result if not name.startswith("reasons")}
    return CustomerResult.model_validate(kept)


def _plain(value: Any) -> Any:
    """`value` as JSON knows it: missing becomes None, days become text, numbers keep all their bits."""
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    if pd.isna(value):
        return None
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, (date, datetime)):
        return value.date().isoformat() if isinstance(value, datetime) else value.isoformat()
    return value
