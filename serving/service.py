"""The one door to BentoML: the service class that ``retain serve`` and ``bentoml serve`` run.

``bentoml serve serving.service:RetainService`` needs one variable in its environment::

    RETAIN_SERVICE=retain-out/service.json bentoml serve serving.service:RetainService

the file that ``retain serve`` writes at every start (`serving.live.LiveSettings`). The guard stands inside
the service too, so that keys and limits hold under both; ``retain serve`` has it outermost as well.
"""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from starlette.responses import Response

from features.errors import ConfigError, InputError, RetainError
from serving.docs_page import openapi, page
from serving.guard import Guard, Page, State
from serving.keys import Keys, load_keys
from serving.live import Live, LiveSettings
from serving.opening import open_live, read_settings
from serving.order_schemas import ModelInfo, ScoreRequest, ScoreResponse
from serving.refusal import Refusal, incident
from serving.wire import App, Receive, Scope, Send, refuse

with warnings.catch_warnings():
    # Libraries of BentoML's announce changes of their own, about which nothing can be done here.
    warnings.simplefilter("ignore", DeprecationWarning)
    import bentoml

    _service = bentoml.service

__all__ = ["SETTINGS_VARIABLE", "RetainService", "application", "current_info", "guarded", "service_settings"]

SETTINGS_VARIABLE = "RETAIN_SERVICE"
_SECONDS = 5
_THREADS = 2


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
    """Churn and value per customer, from the latest list or from order lines."""

    def __init__(self) -> None:
        self.live: Live = open_live(service_settings())
        self.live.warm()

    @_api("/v1/score", ScoreResponse)
    def score(self, request: ScoreRequest, /) -> ScoreResponse | Response:
        """Score customers."""
        try:
            return self.live.answer(request)
        except Refusal as refusal:
            return _refused(refusal)
        except InputError as error:
            return _refused(Refusal(400, "data", str(error)))
        except Exception as error:  # noqa: BLE001 - BentoML would log the text, which may quote a customer
            return _refused(incident(error))


def _refused(refusal: Refusal) -> Response:
    return Response(refusal.body(), status_code=refusal.status, media_type="application/json")


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


def current_info() -> ModelInfo:
    """What the running service serves."""
    live: Live = bentoml.get_current_service().live
    return live.info()


def guarded(
    app: App,
    settings: LiveSettings,
    *,
    state: State | None = None,
    info: Callable[[], ModelInfo] = current_info,
) -> Guard:
    """`app` behind the guard, with the routes of this service.

    Parameters
    ----------
    app : ASGI application
        Answers ``POST /v1/score``.
    settings : LiveSettings
        Limits and keys file.
    state : State, optional
        Shared with a server that turns readiness off when it stops.
    info : callable
        What is being served.

    Returns
    -------
    Guard
    """
    path = settings.serving.keys_file
    keys = Keys() if path is None else load_keys(path)
    document = openapi(settings.serving, keyed=bool(keys))
    html, as_json = page(document).encode(), json.dumps(document, ensure_ascii=False).encode()
    pages = {
        "/": Page("text/html; charset=utf-8", lambda: html),
        "/docs": Page("text/html; charset=utf-8", lambda: html),
        "/docs.json": Page("application/json", lambda: as_json),
        "/v1/model": Page("application/json", lambda: info().model_dump_json().encode()),
    }
    return Guard(
        app, settings.serving, keys=keys, models={"/v1/score": ScoreRequest}, pages=pages, state=state
    )


class _InnerGuard:
    """The guard for ``bentoml serve``; made at the first event, when the environment is known."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.guard: Guard | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            self.guard = self.guard or guarded(self.app, service_settings())
        except RetainError as error:
            if scope["type"] != "http":
                raise
            await refuse(send, Refusal(503, "not_ready", str(error)))
            return
        await self.guard(scope, receive, send)


_built: Any = RetainService
_built.add_asgi_middleware(_InnerGuard)


def application() -> App:
    """The service as an ASGI application; BentoML makes it once in a process."""
    app: App = _built.to_asgi()
    return app
