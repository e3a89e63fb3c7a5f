"""One process that answers: uvicorn on the shared socket, told by its supervisor when to stop.

On SIGTERM, or at the supervisor's word, readiness turns 503 at once and each answer is the last one on its
connection. Requests go on being answered for a second, so that load balancers notice; then no new connection is
taken, what is in flight is finished (25 s at most) and the process ends.
"""

from __future__ import annotations

import asyncio
import functools
import gc
import logging
import resource
import socket
import time
from collections.abc import Callable
from types import FrameType
from typing import Any, cast

import uvicorn

from features.errors import ModelError, RetainError
from serving.guard import State
from serving.protocol import BoundedProtocol, Connections, Limits
from serving.refusal import incident
from serving.settings import ServingSettings
from serving.wire import App, Message, Receive, Scope, Send

__all__ = ["BACKLOG", "DRAIN_SECONDS", "FINISH_SECONDS", "Worker", "raise_file_limit"]

DRAIN_SECONDS = 1.0
FINISH_SECONDS = 25
BACKLOG = 2048
_SPARE_FILES = 256
_SWEEP_SECONDS = 0.1
_BEAT_SECONDS = 1.0


class Worker(uvicorn.Server):
    """uvicorn with bounded connections, readiness that ends first, and a reason when it cannot start.

    Parameters
    ----------
    app : ASGI application
        What answers; its lifespan opens the model.
    settings : ServingSettings
        ``header_seconds`` and ``max_connections`` hold here.
    state : State
        ``stopping`` is set when the end begins.
    ready : callable
        Called once when requests are answered.
    beat : callable, optional
        Called each second from then on, as long as the event loop goes round.
    """

    def __init__(
        self,
        app: App,
        settings: ServingSettings,
        *,
        state: State,
        ready: Callable[[], None],
        beat: Callable[[], None] = lambda: None,
    ) -> None:
        self.opened = _Opened(app)
        self.crowd = Connections(_limits(settings))
        super().__init__(_config(self.opened, self.crowd))
        self.state, self.ready, self.beat = state, ready, beat
        self.stopped_at = 0.0
        self.loop: asyncio.AbstractEventLoop | None = None
        self._background: set[asyncio.Task[None]] = set()

    def answer(self, listener: socket.socket) -> None:
        """Answer on `listener` until `stop`.

        Raises
        ------
        RetainError
            What the application could not open.
        """
        # asyncio warns of each write to a caller who went away, which is no fault of the endpoint.
        logging.getLogger("asyncio").setLevel(logging.ERROR)
        # Why the application cannot be opened goes to the supervisor, not as a traceback to the log.
        logging.getLogger("bentoml").setLevel(logging.CRITICAL)
        self.run([listener])

    def stop(self) -> None:
        """Begin to end; may be called from any thread, and again."""
        self.state.stopping = True
        if self.loop is not None:
            self.loop.call_soon_threadsafe(self._end)

    def _end(self) -> None:
        if not self.crowd.stopping:
            self.stopped_at = time.monotonic()
            self.crowd.stop()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Open the application, then take connections."""
        try:
            await super().startup(sockets)
        except SystemExit:
            raise self.opened.reason or ModelError(
                "the service did not start; the log has the reason"
            ) from None
        self.loop = asyncio.get_running_loop()
        sweeping = asyncio.create_task(self._sweep())
        self._background.add(sweeping)
        # What was opened stays: the collector need not look at it again and again.
        gc.collect()
        gc.freeze()
        self.ready()

    async def _sweep(self) -> None:
        beaten = 0.0
        while True:
            self.crowd.sweep()
            if (now := time.monotonic()) - beaten >= _BEAT_SECONDS:
                beaten = now
                self.beat()
            await asyncio.sleep(_SWEEP_SECONDS)

    async def on_tick(self, counter: int) -> bool:
        """Called ten times a second by uvicorn; True ends the main loop."""
        if self.crowd.stopping and time.monotonic() - self.stopped_at >= DRAIN_SECONDS:
            self.should_exit = True
        return await super().on_tick(counter)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A signal that this process got itself."""
        self.stop()


class _Opened:
    """The application, and why its lifespan could not begin."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.reason: RetainError | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            await self.app(scope, receive, send)
            return

        started = failed = ended = False

        async def watch(message: Message) -> None:
            nonlocal started, failed, ended
            if message["type"] == "lifespan.startup.failed":
                # Its text is a traceback; the reason goes to whoever started the process.
                failed = True
                return
            if message["type"] == "lifespan.shutdown.complete":
                # Passed on once everything is closed: what still runs then would be cut off.
                ended = True
                return
            started = started or message["type"] == "lifespan.startup.complete"
            await send(message)

        try:
            await self.app(scope, receive, watch)
        except RetainError as error:
            self.reason = error
        except Exception as error:  # noqa: BLE001 - told by kind and place, as its text may quote anything
            self.reason = ModelError(incident(error).message)
        if not started and (failed or self.reason is not None):
            await send({"type": "lifespan.startup.failed", "message": ""})
        elif ended:
            await send({"type": "lifespan.shutdown.complete"})


def raise_file_limit() -> None:
    """Allow this process and its children as many open files as the system lets them have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _limits(settings: ServingSettings) -> Limits:
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    fit = settings.max_connections if files == resource.RLIM_INFINITY else files - _SPARE_FILES
    return Limits(
        header_seconds=settings.header_seconds, connections=max(1, min(settings.max_connections, fit))
    )


def _config(app: App, crowd: Connections) -> uvicorn.Config:
    protocol = functools.partial(BoundedProtocol, crowd=crowd)
    return uvicorn.Config(
        cast("Any", app),
        loop="uvloop",
        http=cast("Any", protocol),
        ws="none",
        lifespan="on",
        log_level="error",
        access_log=False,
        server_header=False,
        # The caller's address decides who is local, so no header may change it.
        proxy_headers=False,
        backlog=BACKLOG,
        timeout_graceful_shutdown=FINISH_SECONDS,
    )
