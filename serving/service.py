"""The one door to BentoML: the service class that ``retain serve`` and ``bentoml serve`` run.

``bentoml serve serving.service:RetainService`` needs one variable in its environment::

    RETAIN_SERVICE=retain-out/service.json bentoml serve serving.service:RetainService

the file that ``retain serve`` writes at every start (`serving.live.LiveSettings`). The guard stands inside
the service too, so that keys and limits hold under both; ``retain serve`` has it outermost as well.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from starlette.responses import Response

from features.errors import ConfigError, LockedError, PublishError, RetainError
from serving.asked import ASKED, Asked
from serving.desk import Batches, Desk
from serving.endpoint import Endpoint
from serving.events import EventsRequest, EventsResponse
from serving.guard import PASSED, Guard, State
from serving.live import LiveSettings
from serving.opening import read_settings
from serving.refusal import Refusal, incident
from serving.schemas import (
    BatchAnswer,
    BatchRequest,
    CustomerResult,
    DecideRequest,
    Decision,
    ScoreRequest,
)
from serving.wire import App, Receive, Scope, Send, refused, respond

with warnings.catch_warnings():
    # Libraries of BentoML's announce changes of their own, about which nothing can be done here.
    warnings.simplefilter("ignore", DeprecationWarning)
    import bentoml

    _service = bentoml.service

__all__ = ["SETTINGS_VARIABLE", "RetainService", "application", "guarded", "service_settings"]

SETTINGS_VARIABLE = "RETAIN_SERVICE"
# The guard ends what takes long, and lets fewer in than there are threads.
_SECONDS = 20
_THREADS = 64
# The endpoint of this process, by the guard that opened it; the service class is made without arguments.
_opened: list[Endpoint] = []


def _api(path: str, answer: type[BaseModel]) -> Callable[[Callable[..., Any]], Any]:
    """The decorator of a route, without the announcements of BentoML's libraries."""

    def decorate(method: Callable[..., Any]) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            return bentoml.api(route=path, output_spec=answer)(method)

    return decorate


@_service(
    name="retain",
    workers=1,
    threads=_THREADS,
    http={"host": "127.0.0.1", "port": 3000},
    traffic={"timeout": _SECONDS},
    metrics={"enabled": False},
    logging={"access": {"enabled": False}},
    monitoring={"enabled": False},
    tracing={"excluded_urls": ".*"},
)
class RetainService:
    """Churn, value and decisions per customer: from the latest list, from raw rows, and from what was told since."""

    @_api("/v1/score", CustomerResult)
    def score(self, request: ScoreRequest, /) -> CustomerResult | Response:
        """Score one customer."""
        return _answered(lambda asked: _endpoint().live.one(request, asked))

    @_api("/v1/score/batch", BatchAnswer)
    def score_batch(self, request: BatchRequest, /) -> BatchAnswer | Response:
        """Score many customers."""
        return _answered(lambda asked: _endpoint().live.many(request, asked))

    @_api("/v1/decide", Decision)
    def decide(self, request: DecideRequest, /) -> Decision | Response:
        """Decide about one customer."""
        return _answered(lambda asked: _endpoint().deciding.answer(request.customer_id, asked))

    @_api("/v1/events", EventsResponse)
    def events(self, request: EventsRequest, /) -> EventsResponse | Response:
        """Keep events."""

        def kept(asked: Asked) -> str:
            asked.customers = len(request.events)
            told = _endpoint().events.add(request.events, datetime.now(UTC))
            named = zip(request.events, told, strict=True)
            results = [{"event_id": event.event_id, "status": status} for event, status in named]
            return EventsResponse.model_validate({"results": results}).model_dump_json()

        return _answered(kept)


def _answered(make: Callable[[Asked], str]) -> Response:
    """The answer as it is, or the one error document."""
    try:
        return Response(make(ASKED.get()).encode(), media_type="application/json")
    except Refusal as refusal:
        return _refused(refusal)
    except (LockedError, PublishError) as error:
        return _refused(Refusal(503, "store", str(error)))
    except Exception as error:  # noqa: BLE001 - BentoML would log the text, which may quote a customer
        return _refused(incident(error))


def _refused(refusal: Refusal) -> Response:
    return Response(refusal.body(), status_code=refusal.status, media_type="application/json")


def _endpoint() -> Endpoint:
    return _opened[-1]


def service_settings() -> LiveSettings:
    """The settings that ``RETAIN_SERVICE`` names.

    Raises
    ------
    ConfigError
        The variable is not set, or its file does not fit.
    """
    name = os.environ.get(SETTINGS_VARIABLE)
    if not name:
        raise ConfigError(f"{SETTINGS_VARIABLE} must name the service.json that `retain serve` writes")
    return read_settings(Path(name))


def guarded(
    app: App,
    settings: LiveSettings,
    *,
    state: State | None = None,
    batches: Callable[[], Batches] | None = None,
) -> Guard:
    """`app` behind the guard; model, state and keys are opened when its lifespan begins.

    Parameters
    ----------
    app : ASGI application
        From `application`.
    settings : LiveSettings
        What to serve, and within which limits.
    state : State, optional
        Shared with a server that turns readiness off when it stops.
    batches : callable, optional
        Opens what answers batches beside this process; without it they are answered in a thread of it.

    Returns
    -------
    Guard
    """
    state = state or State()

    def opening() -> Desk:
        endpoint = Endpoint(settings)
        _opened.append(endpoint)
        return endpoint.desk(state, None if batches is None else batches())

    return Guard(app, settings.serving, opening, state=state)


class _InnerGuard:
    """The guard for ``bentoml serve``; made at the first event, when the environment is known."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.guard: Guard | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        outer = scope.get(PASSED) if scope["type"] == "http" else bool(_opened)
        if outer and self.guard is None:
            # Behind a guard that has asked already.
            await self.app(scope, receive, send)
            return
        try:
            self.guard = self.guard or guarded(self.app, service_settings())
        except RetainError as error:
            if scope["type"] != "http":
                raise
            await respond(send, refused(Refusal(503, "not_ready", str(error))))
            return
        await self.guard(scope, receive, send)


_built: Any = RetainService
_built.add_asgi_middleware(_InnerGuard)


def application() -> App:
    """The service as an ASGI application; BentoML makes it once in a process."""
    app: App = _built.to_asgi()
    return app
