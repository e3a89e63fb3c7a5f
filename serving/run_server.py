"""Running the endpoint: one listening socket, as many processes behind it as wanted, and a clean end.

On SIGTERM or Ctrl-C readiness turns 503 at once in all workers, requests go on being answered for a second so that
load balancers notice, then the socket closes, what is in flight is finished (25 s at most) and the process ends
with 0. A second signal ends it without waiting.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import ipaddress
import logging
import os
import socket
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from features.errors import ConfigError, UnsafeError
from features.publish import publish_file
from serving.child import Job, Link
from serving.keys import KeyStore
from serving.live import LiveSettings
from serving.supervisor import Events, Supervisor

if TYPE_CHECKING:
    from serving.wire import App

__all__ = ["Prepared", "prepare", "serve"]

_log = logging.getLogger("retain.serving")
# A second of draining, 25 to finish, and a little to end.
_STOP_SECONDS = 28.0
# What a worker would import at its first request otherwise. DuckDB is not among them: it starts threads.
_HEAVY = ("lightgbm", "serving.scorer", "serving.store", "uvloop")


def serve(
    settings: LiveSettings,
    file: Path,
    *,
    announce: Callable[[str], None],
    agent: Callable[[], None] | None = None,
) -> None:
    """Serve until a signal comes.

    Parameters
    ----------
    settings : LiveSettings
        What to serve, where, with how many workers, and within which limits.
    file : Path
        Where the settings are written for the processes that answer and for ``bentoml serve``.
    announce : callable
        Called once with the address, when all workers answer.
    agent : callable, optional
        Run in a process beside the workers, which need not be there: it fetches new models.

    Raises
    ------
    UnsafeError
        The address is reachable from other machines and no keys are configured.
    ConfigError
        The address cannot be listened on, or what the configuration names cannot be used.
    ModelError
        No model could be opened.
    """
    _refuse_open_door(settings)
    listener = _bind(settings.serving.host, settings.serving.port)
    publish_file(file, lambda part: _write(part, settings))
    os.environ["RETAIN_SERVICE"] = str(file.absolute())
    with contextlib.closing(listener), prepare(settings) as prepared:
        address = _address(listener)
        events = Events(
            ready=lambda: announce(address),
            stopping=listener.close,
            ended=partial(_forget_gauges, prepared.metrics),
            log=_log.error,
        )
        jobs = _jobs(settings, listener, prepared.app)
        if agent is not None:
            jobs.append(Job("agent", partial(_fetch, agent, listener), vital=False))
        stuck = settings.serving.stuck_seconds
        Supervisor(jobs, events, stop_seconds=_STOP_SECONDS, stuck_seconds=stuck).run()


@dataclass(frozen=True)
class Prepared:
    """What all workers share: the application, whose model each opens itself, and the folder of their metrics."""

    app: App
    metrics: Path


@contextlib.contextmanager
def prepare(settings: LiveSettings) -> Iterator[Prepared]:
    """Import everything that a worker needs and compile its statement, once; open nothing.

    Parameters
    ----------
    settings : LiveSettings
        The tables of the shop and its country decide on the statement.

    Yields
    ------
    Prepared
        For as long as the folder of the metrics shall be there.
    """
    with _private_folder() as metrics:
        from features.plan import live_plan
        from serving.service import application
        from serving.worker import raise_file_limit

        for name in _HEAVY:
            importlib.import_module(name)
        live_plan(settings.country, settings.feature_tables)
        raise_file_limit()
        yield Prepared(application(), metrics)


def _jobs(settings: LiveSettings, listener: socket.socket, app: App) -> list[Job]:
    jobs = []
    for number in range(1, settings.serving.workers + 1):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        work = partial(_answer, settings, listener, app=app, door=ours)
        batches = partial(_answer_batches, settings, listener, door=theirs)
        jobs += [Job(f"worker {number}", work), Job(f"back room {number}", batches, vital=False)]
    return jobs


def _answer(
    settings: LiveSettings, listener: socket.socket, link: Link, *, app: App, door: socket.socket
) -> None:
    """What a worker does."""
    from serving.back_room import BackRoom
    from serving.guard import State
    from serving.service import guarded
    from serving.worker import Worker

    state = State()
    batches = partial(BackRoom, door, waiting=settings.serving.batch_waiting)
    guard = guarded(app, settings, state=state, batches=batches)
    worker = Worker(
        guard, settings.serving, state=state, ready=lambda: link.ready(worker.stop), beat=link.beat
    )
    worker.answer(listener)


def _answer_batches(
    settings: LiveSettings, listener: socket.socket, link: Link, *, door: socket.socket
) -> None:
    """What the process beside a worker does; it must not hold the port."""
    from serving.back_room import answer_questions, lower_priority
    from serving.batch_room import open_batches

    listener.close()
    lower_priority()
    answers = open_batches(settings)
    # What was opened stays: the collector need not look at it while a batch is read.
    gc.collect()
    gc.freeze()
    link.ready(lambda: os._exit(0))
    answer_questions(door, answers)


def _fetch(agent: Callable[[], None], listener: socket.socket, link: Link) -> None:
    """What the process that fetches models does; nor must it hold the port."""
    listener.close()
    link.ready(lambda: os._exit(0))
    agent()


def _write(part: Path, settings: LiveSettings) -> None:
    part.write_text(settings.model_dump_json(indent=2), encoding="utf-8")


def _refuse_open_door(settings: LiveSettings) -> None:
    host = settings.serving.host
    if _is_loopback(host):
        return
    with contextlib.closing(KeyStore(settings.store_url)) as store:
        if not store.snapshot():
            raise UnsafeError(
                f"[serving] host {host} can be reached from other machines and there are no keys; "
                "listen on 127.0.0.1, or make a key: retain keys add --role score"
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
def _private_folder() -> Iterator[Path]:
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
        yield metrics


def _forget_gauges(folder: Path, process_id: int) -> None:
    """Take the gauges of a process that is no more out of the metrics; its counts stay."""
    from prometheus_client.multiprocess import mark_process_dead

    mark_process_dead(process_id, str(folder))
