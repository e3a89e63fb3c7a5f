"""The parent of the processes that answer: starts them, starts them anew when they die, and ends them together.

The children are forked from a parent that has imported everything and opened nothing, so that a killed worker
answers again as soon as its model is loaded. This is safe as long as the parent runs one thread and has used none
of the libraries that keep threads or locks of their own (DuckDB's and OpenMP's pools, connections to databases);
a test holds it to that.
"""

from __future__ import annotations

import contextlib
import gc
import math
import os
import select
import signal
import socket
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import FrameType

from features.errors import RetainError
from serving.child import STOPPING, Child, Job

__all__ = ["Events", "Supervisor"]

_LOST_SECONDS = 60.0
_MOST_LOST = 5
_RETRY_SECONDS = 1.0
_LONGEST_PAUSE = 60.0
# `timeout` and some terminals send the same signal to a process and to its group.
_SAME_SIGNAL_SECONDS = 0.25
_OVERSLEPT_SECONDS = 5.0


@dataclass(frozen=True)
class Events:
    """What a supervisor tells.

    Parameters
    ----------
    ready : callable
        Called once, when all vital children are ready for the first time.
    stopping : callable
        Called once, when the end begins.
    ended : callable
        Called with the process id of each child that is no more.
    log : callable
        Called with one sentence about each child that ended by itself.
    """

    ready: Callable[[], object]
    stopping: Callable[[], object]
    ended: Callable[[int], object]
    log: Callable[[str], object]


class Supervisor:
    """Runs jobs as child processes until a signal comes.

    Parameters
    ----------
    jobs : sequence of Job
        Vital ones are started first, the others once those are ready; they are stopped in the same order.
    events : Events
        Who is told what.
    stop_seconds : float
        Seconds that children have to end before they are killed.
    stuck_seconds : float
        Seconds after which a child that said that it goes on, and says so no more, is killed; 0 for never.

    Notes
    -----
    A vital child that was ready is started anew at once, one that was not after a second, others after pauses
    that grow to a minute. After five ends of vital children within a minute (more, when there are more than two of
    them: twice their number and one) nothing is started any more.
    """

    def __init__(
        self, jobs: Sequence[Job], events: Events, *, stop_seconds: float, stuck_seconds: float = 0.0
    ) -> None:
        self._children = [Child(job) for job in jobs]
        self._due = dict.fromkeys(self._children, 0.0)
        self._began = dict.fromkeys(self._children, 0.0)
        self._pauses = dict.fromkeys(self._children, _RETRY_SECONDS)
        self._events, self._stop_seconds, self._stuck_seconds = events, stop_seconds, stuck_seconds
        self._wakes_at = math.inf
        self._vital = [child for child in self._children if child.job.vital]
        self._most_lost = max(_MOST_LOST, 2 * len(self._vital) + 1)
        self._lost: deque[float] = deque(maxlen=self._most_lost)
        self._signals: list[int] = []
        self._announced = False
        self._stopped_at: float | None = None
        self._failure: RetainError | None = None

    def run(self) -> None:
        """Run until a signal, or until it makes no sense to go on.

        Raises
        ------
        RetainError
            What kept a vital child from becoming ready at the start, or the last cause when such children ended
            again and again.
        SystemExit
            A second signal came, and the children were killed.
        """
        gc.collect()
        gc.freeze()
        with self._caught_signals() as wake:
            try:
                while self._stopped_at is None or any(child.process_id for child in self._children):
                    self._start_due()
                    self._wait(wake)
                    self._heed_signals()
                    self._reap()
                    self._kill_stuck()
                    self._stop_others()
                    self._kill_late()
            finally:
                self._kill_all()
        if self._failure is not None:
            raise self._failure

    @contextlib.contextmanager
    def _caught_signals(self) -> Iterator[socket.socket]:
        """Note signals instead of dying of them; the socket becomes readable when one comes."""
        read, write = socket.socketpair()
        with read, write:
            read.setblocking(False)
            write.setblocking(False)
            # Ignored on purpose, as by nohup, a signal stays ignored.
            caught = [signum for signum in STOPPING if signal.getsignal(signum) is not signal.SIG_IGN]
            before = {signum: signal.signal(signum, self._note_signal) for signum in caught}
            before[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, lambda *_: None)
            woken = signal.set_wakeup_fd(write.fileno(), warn_on_full_buffer=False)
            try:
                yield read
            finally:
                signal.set_wakeup_fd(woken)
                for signum, handler in before.items():
                    signal.signal(signum, handler)

    def _note_signal(self, signum: int, _frame: FrameType | None) -> None:
        self._signals.append(signum)

    def _startable(self) -> list[Child]:
        if self._stopped_at is not None:
            return []
        children = self._children if self._announced else self._vital
        return [child for child in children if not child.process_id]

    def _start_due(self) -> None:
        now = time.monotonic()
        for child in self._startable():
            if self._due[child] <= now:
                self._began[child] = now
                child.start([other for other in self._children if other is not child])

    def _wait(self, wake: socket.socket) -> None:
        """Wait for a word of a child, the end of one, a signal, or the next thing to do."""
        next_times = [self._due[child] for child in self._startable()]
        if self._stopped_at is not None:
            next_times.append(self._stopped_at + self._stop_seconds)
        next_times += [beat_at + self._stuck_seconds for _, beat_at in self._watched()]
        self._wakes_at = min(next_times, default=math.inf)
        timeout = max(0.0, min(next_times) - time.monotonic()) if next_times else None
        ends = {child.end: child for child in self._children if child.end is not None}
        readable, _, _ = select.select([wake, *ends], [], [], timeout)
        for end in readable:
            if end is wake:
                wake.recv(4096)
            else:
                ends[end].hear()
        if not self._announced and all(child.ready for child in self._vital):
            self._announced = True
            self._events.ready()

    def _heed_signals(self) -> None:
        noted, self._signals = self._signals, []
        if not noted:
            return
        if self._stopped_at is None:
            self._stop()
        elif time.monotonic() - self._stopped_at > _SAME_SIGNAL_SECONDS:
            raise SystemExit(128 + noted[-1])

    def _stop(self) -> None:
        self._stopped_at = time.monotonic()
        for child in self._vital:
            child.stop()
        self._events.stopping()

    def _stop_others(self) -> None:
        """Once the vital children have ended: until then they may need the others."""
        if self._stopped_at is None or any(child.process_id for child in self._vital):
            return
        for child in self._children:
            child.stop()

    def _reap(self) -> None:
        """Wait for all that ended; as the first process of a container, for those of dead workers too."""
        with contextlib.suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                for child in self._children:
                    if child.process_id == ended[0]:
                        self._ended(child, os.waitstatus_to_exitcode(ended[1]))

    def _ended(self, child: Child, code: int) -> None:
        process_id = child.process_id
        child.ended()
        self._events.ended(process_id)
        if self._stopped_at is not None:
            return
        cause = str(child.reason or _cause(code))
        self._events.log(f"{child.job.name} ended: {cause}")
        if child.job.vital and child.reason is not None and not self._announced:
            self._give_up(child.reason)
        elif child.job.vital and self._too_many():
            text = (
                f"the workers ended {self._most_lost} times within a minute, the last time because: {cause}"
            )
            self._give_up(type(child.reason or RetainError())(text))
        else:
            self._plan(child)

    def _too_many(self) -> bool:
        now = time.monotonic()
        self._lost.append(now)
        return len(self._lost) == self._most_lost and now - self._lost[0] < _LOST_SECONDS

    def _give_up(self, failure: RetainError) -> None:
        self._failure = failure
        self._stop()

    def _plan(self, child: Child) -> None:
        now = time.monotonic()
        if child.job.vital:
            self._due[child] = now if child.ready else now + _RETRY_SECONDS
            return
        if now - self._began[child] > _LONGEST_PAUSE:
            self._pauses[child] = _RETRY_SECONDS
        self._due[child] = now + self._pauses[child]
        self._pauses[child] = min(2 * self._pauses[child], _LONGEST_PAUSE)

    def _watched(self) -> list[tuple[Child, float]]:
        """Children that must say again and again that they go on, and when each did so last."""
        if not self._stuck_seconds or self._stopped_at is not None:
            return []
        alive = [child for child in self._children if child.process_id]
        return [(child, child.beat_at) for child in alive if child.beat_at is not None]

    def _kill_stuck(self) -> None:
        """End children of which nothing was heard for too long; they are started anew once they are no more."""
        now = time.monotonic()
        overslept = now - self._wakes_at > min(_OVERSLEPT_SECONDS, self._stuck_seconds / 2)
        for child, beat_at in self._watched():
            if overslept:
                # This process was stopped, and they perhaps together with it.
                child.beat_at = now
            elif now - beat_at >= self._stuck_seconds:
                self._events.log(
                    f"{child.job.name} did nothing for {self._stuck_seconds:g} seconds and was killed"
                )
                child.beat_at = None
                child.kill()

    def _kill_late(self) -> None:
        if self._stopped_at is None or time.monotonic() - self._stopped_at < self._stop_seconds:
            return
        alive = [child for child in self._children if child.process_id]
        # While a vital one lives, the others have not been told to end.
        for child in [child for child in alive if child in self._vital] or alive:
            self._events.log(f"{child.job.name} did not end in time and was killed")
        self._kill_all()

    def _kill_all(self) -> None:
        for child in self._children:
            child.kill()
        for child in self._children:
            if child.process_id:
                process_id = child.process_id
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(process_id, 0)
                child.ended()
                self._events.ended(process_id)


def _cause(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    return f"killed by {signal.Signals(-code).name} (out of memory, perhaps: the system's log tells)"
