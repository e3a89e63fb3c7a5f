"""The two clients: one that waits for the answer, one that is awaited."""

from __future__ import annotations

import asyncio
import os
import time
import uuid
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx

from retain.client import calls
from retain.client.calls import Call, Row
from retain.client.errors import Busy, EndpointError, Refused, Unreachable
from retain.client.results import Decision, EventResult, Score, Scores
from retain.client.retry import Retry

__all__ = ["AsyncClient", "Client"]

Answer = TypeVar("Answer")
_BUSY = (429, 503)


class Client:
    """Asks an endpoint and waits for the answer. Threads may share one.

    Parameters
    ----------
    url : str
        Address of the endpoint.
    key : str, optional
        Without it the environment variable ``RETAIN_KEY``; on the endpoint's own machine none may be needed.
    timeout : float
        Seconds for one try, > 0.
    retry : Retry
        When to ask again.
    transport : httpx.BaseTransport, optional
        Of httpx, e.g. with certificates of your own.

    Raises
    ------
    Refused, Busy, Unreachable
        By every call; see `retain.client.errors`.
    """

    def __init__(
        self,
        url: str = "http://127.0.0.1:3000",
        *,
        key: str | None = None,
        timeout: float = 5.0,
        retry: Retry | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._retry = retry or Retry()
        self._http = httpx.Client(base_url=url, headers=_headers(key), timeout=timeout, transport=transport)

    def score(self, who: str | Row, **more: Any) -> Score:
        """One customer, by id, by a mapping with ``customer_id`` and tables, or by id and ready features.

        Parameters
        ----------
        who : str or mapping
            Id, or a customer with the rows of the tables.
        **more
            ``features`` (mapping), ``as_of`` (date), ``reasons`` (bool), ``columns`` (names; the risk alone is
            answered sooner); see `retain.client.calls.score`.
        """
        return self._ask(calls.score(who, **more))

    def score_batch(self, ids: Sequence[str] | None = None, **more: Any) -> Scores:
        """Many customers at once; see `retain.client.calls.batch` for the other ways."""
        return self._ask(calls.batch(ids, **more))

    def customer(self, customer_id: str) -> Score:
        """The stored row of the latest list with its reasons; Refused (404) when it has none."""
        return self._ask(calls.customer(customer_id))

    def decide(self, customer_id: str) -> Decision:
        """Strategy and offer for one customer."""
        return self._ask(calls.decide(customer_id))

    def events(self, given: Sequence[Row]) -> tuple[EventResult, ...]:
        """Tell of orders, contacts and outcomes; kept for good once this returns."""
        return self._ask(calls.events(given))

    def model(self) -> dict[str, Any]:
        """What is being served."""
        return self._ask(calls.model())

    def ready(self) -> bool:
        """Whether the endpoint answers questions now; no retries."""
        try:
            return self._http.get("/readyz").status_code == 200
        except httpx.TransportError:
            return False

    def close(self) -> None:
        """Let go of the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _ask(self, call: Call[Answer]) -> Answer:
        name, tried = _request_id(), 0
        while True:
            answer, fault = None, None
            try:
                answer = self._http.request(call.method, call.path, json=call.body, headers=name)
            except httpx.TransportError as error:
                fault = error
            if answer is not None and answer.is_success:
                return call.read(answer.json())
            if not self._retry.again(tried, status=_status(answer)):
                raise _error(answer, fault) from fault
            time.sleep(self._retry.wait(tried, _asked(answer)))
            tried += 1


class AsyncClient:
    """The same for ``async`` code; every call is awaited. Parameters and errors as for `Client`."""

    def __init__(
        self,
        url: str = "http://127.0.0.1:3000",
        *,
        key: str | None = None,
        timeout: float = 5.0,
        retry: Retry | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._retry = retry or Retry()
        self._http = httpx.AsyncClient(
            base_url=url, headers=_headers(key), timeout=timeout, transport=transport
        )

    async def score(self, who: str | Row, **more: Any) -> Score:
        """As `Client.score`."""
        return await self._ask(calls.score(who, **more))

    async def score_batch(self, ids: Sequence[str] | None = None, **more: Any) -> Scores:
        """As `Client.score_batch`."""
        return await self._ask(calls.batch(ids, **more))

    async def customer(self, customer_id: str) -> Score:
        """As `Client.customer`."""
        return await self._ask(calls.customer(customer_id))

    async def decide(self, customer_id: str) -> Decision:
        """As `Client.decide`."""
        return await self._ask(calls.decide(customer_id))

    async def events(self, given: Sequence[Row]) -> tuple[EventResult, ...]:
        """As `Client.events`."""
        return await self._ask(calls.events(given))

    async def model(self) -> dict[str, Any]:
        """As `Client.model`."""
        return await self._ask(calls.model())

    async def ready(self) -> bool:
        """As `Client.ready`."""
        try:
            return (await self._http.get("/readyz")).status_code == 200
        except httpx.TransportError:
            return False

    async def close(self) -> None:
        """Let go of the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _ask(self, call: Call[Answer]) -> Answer:
        name, tried = _request_id(), 0
        while True:
            answer, fault = None, None
            try:
                answer = await self._http.request(call.method, call.path, json=call.body, headers=name)
            except httpx.TransportError as error:
                fault = error
            if answer is not None and answer.is_success:
                return call.read(answer.json())
            if not self._retry.again(tried, status=_status(answer)):
                raise _error(answer, fault) from fault
            await asyncio.sleep(self._retry.wait(tried, _asked(answer)))
            tried += 1


def _headers(key: str | None) -> dict[str, str]:
    given = key if key is not None else os.environ.get("RETAIN_KEY", "")
    return {"authorization": f"Bearer {given}"} if given else {}


def _request_id() -> Mapping[str, str]:
    """One name for a question and its retries; it comes back with the answer, and stands in logs of proxies."""
    return {"x-request-id": uuid.uuid4().hex}


def _status(answer: httpx.Response | None) -> int:
    return 0 if answer is None else answer.status_code


def _asked(answer: httpx.Response | None) -> str | None:
    return None if answer is None else answer.headers.get("retry-after")


def _error(answer: httpx.Response | None, fault: Exception | None) -> EndpointError:
    if answer is None:
        kind = "in time" if isinstance(fault, httpx.TimeoutException) else f"({type(fault).__name__})"
        return Unreachable(f"the endpoint did not answer {kind}; is it running, and is the address right?")
    try:
        told = answer.json()["error"]
    except (ValueError, KeyError, TypeError):
        told = {"message": f"the endpoint answered {answer.status_code} without a reason; is it Retain's?"}
    about = {"status": answer.status_code, "code": told.get("code", ""), "field": told.get("field")}
    if answer.status_code in _BUSY:
        return Busy(told["message"], **about)
    kind_of = Refused if 400 <= answer.status_code < 500 else EndpointError
    return kind_of(told["message"], **about)
