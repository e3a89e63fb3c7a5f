"""A forked child process and the socket between it and its parent.

Through the socket the child says that it is ready or why it could not be, and the parent says when to stop. Its
end tells either side that the other is gone, so that no child outlives its parent and keeps the port. A child that
could be stuck says again and again that it is not.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NoReturn

from features import errors
from features.errors import RetainError
from serving.refusal import incident

__all__ = ["STOPPING", "Child", "Job", "Link"]

STOPPING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_STOP = b"s"
_BEAT = b"\n"


class Link:
    """The child's end of the socket."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self._stop: Callable[[], object] | None = None

    def ready(self, stop: Callable[[], object]) -> None:
        """Say that this process does its work; from now on `stop` is called when it shall end."""
        self._stop = stop
        self._say({"ready": True})

    def beat(self) -> None:
        """Say that this process goes on; never waits. Who has begun to say so must go on saying so."""
        with contextlib.suppress(OSError):
            self._end.send(_BEAT, socket.MSG_DONTWAIT)

    def failed(self, error: RetainError) -> None:
        """Say why this process cannot do its work."""
        self._say({"kind": type(error).__name__, "reason": str(error)})

    def follow(self) -> None:
        """Heed the parent in a thread: end at once when it is gone, or says stop before this process is ready."""
        threading.Thread(target=self._listen, name="parent", daemon=True).start()

    def _say(self, what: dict[str, object]) -> None:
        with contextlib.suppress(OSError):
            self._end.sendall(json.dumps(what).encode() + b"\n")

    def _listen(self) -> None:
        with contextlib.suppress(OSError):
            while self._end.recv(1) == _STOP:
                if self._stop is None:
                    os._exit(0)
                self._stop()
        os._exit(1)


@dataclass(frozen=True)
class Job:
    """What one child does.

    Parameters
    ----------
    name : str
        As messages call it.
    run : callable
        Called in the child with its link; the child ends when it returns or raises.
    vital : bool
        Nothing works without it: it is waited for at the start, and its repeated end ends everything.
    """

    name: str
    run: Callable[[Link], object]
    vital: bool = True


class Child:
    """A job, and the process that does it now.

    Parameters
    ----------
    job : Job
        What to do.
    """

    def __init__(self, job: Job) -> None:
        self.job = job
        self.process_id = 0
        self.end: socket.socket | None = None
        self.ready = False
        self.reason: RetainError | None = None
        self.beat_at: float | None = None
        self._said = b""

    def start(self, others: Iterable[Child]) -> None:
        """Fork; the child lets go of what the parent shares with `others`."""
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        # What is left in buffers would be written twice.
        sys.stdout.flush()
        sys.stderr.flush()
        signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)
        with warnings.catch_warnings():
            # Newer Pythons warn of any second thread; the one of Arrow's allocator is made anew by a fork.
            warnings.simplefilter("ignore", DeprecationWarning)
            process_id = os.fork()
        if process_id == 0:
            _live(self.job, theirs, [ours, *(other.end for other in others if other.end is not None)])
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)
        theirs.close()
        self.process_id, self.end, self.ready, self.reason, self._said = process_id, ours, False, None, b""
        self.beat_at = None

    def hear(self) -> None:
        """Take in what the child said; never waits."""
        while self.end is not None:
            try:
                heard = self.end.recv(65536)
            except BlockingIOError:
                return
            except OSError:
                heard = b""
            if not heard:
                self.end.close()
                self.end = None
            *lines, self._said = (self._said + heard).split(b"\n")
            for line in lines:
                if line:
                    self._take(json.loads(line))
                else:
                    self.beat_at = time.monotonic()

    def stop(self) -> None:
        """Tell the child to end."""
        if self.end is not None:
            with contextlib.suppress(OSError):
                self.end.send(_STOP)

    def kill(self) -> None:
        """End the child without asking; it is still to be waited for."""
        if self.process_id:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.process_id, signal.SIGKILL)

    def ended(self) -> None:
        """The process was waited for and is no more."""
        self.hear()
        if self.end is not None:
            self.end.close()
        self.process_id, self.end = 0, None

    def _take(self, said: dict[str, object]) -> None:
        if said.get("ready"):
            self.ready = True
            return
        kind = getattr(errors, str(said["kind"]), RetainError)
        self.reason = kind(said["reason"])


def _live(job: Job, end: socket.socket, unused: Iterable[socket.socket]) -> NoReturn:
    """What the child does from the fork to its end; nothing of the parent's is unwound."""
    code = 1
    try:
        for other in unused:
            other.close()
        signal.set_wakeup_fd(-1)
        for signum in (signal.SIGCHLD, signal.SIGTERM):
            signal.signal(signum, signal.SIG_DFL)
        # A terminal sends these to parent and children; the parent tells when to end.
        for signum in (signal.SIGINT, signal.SIGHUP):
            signal.signal(signum, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)
        link = Link(end)
        link.follow()
        code = _done(job, link)
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


def _done(job: Job, link: Link) -> int:
    try:
        job.run(link)
    except RetainError as error:
        link.failed(error)
        return error.exit_code
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else int(error.code is not None)
    except Exception as error:  # noqa: BLE001 - its text may quote a customer: told by kind and place
        incident(error)
        link.failed(RetainError(f"unexpected {type(error).__name__}; the log says where"))
        return 1
    return 0
