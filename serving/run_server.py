"""Running the endpoint: checks first, then one process, one listening socket, and a clean end.

On SIGTERM or Ctrl-C readiness turns 503 at once, requests go on being answered for a second so that load
balancers notice, then the socket closes, what is in flight is finished (25 s at most) and the process ends
with 0. A second signal ends it without waiting.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import uvicorn

from features.errors import ConfigError, ModelError, UnsafeError
from features.publish import publish_file
from serving.guard import State
from serving.live import LiveSettings
from serving.opening import start_check, wait_check

if TYPE_CHECKING:
    from serving.wire import App

__all__ = ["serve"]

_DRAIN_SECONDS = 1.0
_FINISH_SECONDS = 25
_IDLE_SECONDS = 5
_BACKLOG = 1024
_SPARE_FILES = 64


def serve(settings: LiveSettings, file: Path, *, announce: Callable[[str], None]) -> None:
    """Serve until a signal comes.

    Parameters
    ----------
    settings : LiveSettings
        What to serve, where, and within which limits.
    file : Path
        Where the settings are written for the child process and for ``bentoml serve``.
    announce : callable
        Called once with the address, when requests are answered.

    Raises
    ------
    UnsafeError
        The address is reachable from other machines and no keys are configured.
    ConfigError
        The address cannot be listened on.
    ModelError
        The bundle or the store cannot be opened.
    """
    _refuse_open_door(settings)
    listener = _bind(settings.serving.host, settings.serving.port)
    with contextlib.closing(listener), _private_folder():
        publish_file(file, lambda part: _write(part, settings))
        os.environ["RETAIN_SERVICE"] = str(file.absolute())
        child = start_check(file)
        try:
            app, state = _application(settings)
        except BaseException:
            child.kill()
            raise
        wait_check(child)
        _Server(_config(app, settings), state, lambda: announce(_address(listener))).run([listener])


def _write(part: Path, settings: LiveSettings) -> None:
    part.write_text(settings.model_dump_json(indent=2), encoding="utf-8")


def _refuse_open_door(settings: LiveSettings) -> None:
    host = settings.serving.host
    if settings.serving.keys_file is None and not _is_loopback(host):
        raise UnsafeError(
            f"[serving] host {host} can be reached from other machines and no keys are configured; "
            "listen on 127.0.0.1, or name a file of hashed keys in [serving] keys_file"
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _bind(host: str, port: int) -> socket.socket:
    """A bound socket that does not listen yet: until the model is proved, callers are refused."""
    with contextlib.ExitStack() as on_failure:
        try:
            family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
            listener = on_failure.enter_context(socket.socket(family, kind, protocol))
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
        except OSError as error:
            text = f"[serving] {host} port {port} cannot be listened on: {error.strerror}"
            raise ConfigError(text) from None
        on_failure.pop_all()
    return listener


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


@contextlib.contextmanager
def _private_folder() -> Iterator[None]:
    """A folder of this process alone for what BentoML keeps, named before BentoML is imported."""
    with tempfile.TemporaryDirectory(prefix="retain-serve-") as folder:
        metrics = Path(folder) / "metrics"
        metrics.mkdir()
        os.environ |= {
            "BENTOML_HOME": folder,
            "BENTOML_DO_NOT_TRACK": "True",
            "DO_NOT_TRACK": "true",
            "PROMETHEUS_MULTIPROC_DIR": str(metrics),
        }
        yield


def _application(settings: LiveSettings) -> tuple[App, State]:
    from serving.service import application, guarded

    state = State()
    return guarded(application(), settings, state=state), state


def _config(app: Any, settings: LiveSettings) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        loop="auto",
        http="httptools",
        ws="none",
        lifespan="on",
        log_level="error",
        access_log=False,
        server_header=False,
        # The caller's address decides who is local, so no header may change it.
        proxy_headers=False,
        backlog=_BACKLOG,
        limit_concurrency=_most_connections(settings.serving.max_concurrency),
        timeout_keep_alive=_IDLE_SECONDS,
        timeout_graceful_shutdown=_FINISH_SECONDS,
    )


def _most_connections(concurrency: int) -> int:
    """Connections at a time: many idle ones for each that asks, but fewer than the process may open."""
    import resource

    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(min(16 * concurrency, files - _SPARE_FILES), concurrency)


class _Server(uvicorn.Server):
    """uvicorn with an announcement, readiness that ends before the socket closes, and exit code 0."""

    def __init__(self, config: uvicorn.Config, state: State, announce: Callable[[], None]) -> None:
        super().__init__(config)
        self.state, self.announce = state, announce
        self.stopped_at = 0.0

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await super().startup(sockets)
        except SystemExit:
            raise ModelError("the service did not start; its reason stands above") from None
        self.announce()

    async def on_tick(self, counter: int) -> bool:
        if self.state.stopping and time.monotonic() - self.stopped_at >= _DRAIN_SECONDS:
            self.should_exit = True
        return await super().on_tick(counter)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self.state.stopping:
            self.should_exit = self.force_exit = True
        self.state.stopping, self.stopped_at = True, time.monotonic()
