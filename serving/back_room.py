"""A process beside the one that serves, where long questions are answered without holding up short ones.

A thousand customers keep the interpreter busy for a second. Answered in a child process of lower priority,
they take nothing from the single rows that are asked meanwhile. Questions and answers are bytes behind their
length, so that nothing is unpickled; the child ends as soon as its parent does, and is started again when it
dies.
"""

from __future__ import annotations

import contextlib
import importlib
import logging
import os
import queue
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias, cast

from serving.refusal import Refusal, incident

__all__ = ["Answers", "BackRoom", "run"]

Answers: TypeAlias = Callable[[bytes], tuple[int, bytes]]

_log = logging.getLogger("retain.serving")
_RUN = "import sys; from serving.back_room import run; run(sys.argv[1], sys.argv[2], int(sys.argv[3]))"
_LENGTH = struct.Struct(">Q")
_STATUS = struct.Struct(">H")
_READY = b"ready"
_NICER = 10
_OPEN_SECONDS = 15.0
_ANSWER_SECONDS = 30.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 30.0


@dataclass(frozen=True)
class _Room:
    """A started child and the socket to it."""

    process: subprocess.Popen[bytes]
    link: socket.socket


class BackRoom:
    """Answers one question at a time in a child process.

    Parameters
    ----------
    entry : str
        ``"module:function"``; in the child the function is called once with `argument` and gives what
        answers: bytes of the question to HTTP status and bytes of the answer.
    argument : str
        Such as the path of a settings file.
    waiting : int
        Questions that wait while one is answered, 0 or more; those beyond are refused at once.

    Notes
    -----
    `answer` may be called from any number of threads. The child is started at once and opened in the
    background: questions that come before it is ready wait for it.
    """

    def __init__(self, entry: str, argument: str, *, waiting: int = 3) -> None:
        self._command = (entry, argument)
        self._places = threading.BoundedSemaphore(1 + waiting)
        self._turn = threading.Lock()
        self._change = threading.Condition()
        self._room: _Room | None = None
        self._started: _Room | None = None
        self._closing = False
        self._keeper = threading.Thread(target=self._keep, name="back-room", daemon=True)
        self._keeper.start()

    def answer(self, body: bytes) -> tuple[int, bytes]:
        """Answer one question.

        Parameters
        ----------
        body : bytes
            The question, as the child's function takes it.

        Returns
        -------
        tuple of int and bytes
            HTTP status and answer.

        Raises
        ------
        Refusal
            429 when as many as may are waiting already; 503 when the child died over this question or could
            not be started; 504 when the answer took longer than half a minute.
        """
        if not self._places.acquire(blocking=False):
            raise Refusal(429, "busy", "too many batches are waiting already; ask again in a second")
        try:
            with self._turn:
                return self._ask(self._ready_room(), body)
        finally:
            self._places.release()

    def wait_ready(self, seconds: float = _OPEN_SECONDS) -> bool:
        """Whether the child is ready to answer within `seconds`."""
        with self._change:
            return self._change.wait_for(lambda: self._room is not None, seconds)

    @property
    def process_id(self) -> int | None:
        """The child that answers now; None while none is ready."""
        room = self._room
        return None if room is None else room.process.pid

    def close(self) -> None:
        """End the child; questions in it are refused."""
        with self._change:
            self._closing = True
            self._change.notify_all()
            if self._started is not None:
                self._started.process.kill()
        self._keeper.join()

    def _ready_room(self) -> _Room:
        with self._change:
            self._change.wait_for(lambda: self._room is not None or self._closing, _OPEN_SECONDS)
            if self._room is None:
                raise _gone()
            return self._room

    def _ask(self, room: _Room, body: bytes) -> tuple[int, bytes]:
        try:
            room.link.settimeout(_ANSWER_SECONDS)
            _send(room.link, body)
            answer = _receive(room.link)
        except TimeoutError:
            room.process.kill()
            self._forget(room)
            text = "the answer took too long; send fewer customers at a time"
            raise Refusal(504, "too_slow", text) from None
        except OSError:
            answer = None
        if answer is None:
            self._forget(room)
            raise _gone()
        (status,) = _STATUS.unpack_from(answer)
        return status, answer[_STATUS.size :]

    def _forget(self, room: _Room) -> None:
        with self._change:
            if self._room is room:
                self._room = None

    def _keep(self) -> None:
        """Start the child, wait for its end, start the next; longer and longer pauses after early ends."""
        pause = _FIRST_PAUSE
        while not self._closing:
            began = time.monotonic()
            with self._child() as room:
                if _opened(room):
                    pause = _FIRST_PAUSE
                    self._announce(room)
                code = room.process.wait()
                self._forget(room)
            with self._change:
                if self._closing:
                    return
                _log.error("the process for batches ended (%s); starting another", _cause(code))
                self._change.wait_for(lambda: self._closing, max(0.0, pause - time.monotonic() + began))
            pause = min(2 * pause, _LONGEST_PAUSE)

    @contextlib.contextmanager
    def _child(self) -> Iterator[_Room]:
        ours, theirs = socket.socketpair()
        with ours:
            with theirs:
                command = [sys.executable, "-c", _RUN, *self._command, str(theirs.fileno())]
                process = subprocess.Popen(  # noqa: S603 - the command is this module
                    command, stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()]
                )
            room = _Room(process, ours)
            with self._change:
                self._started = room
                if self._closing:
                    process.kill()
            try:
                yield room
            finally:
                process.kill()
                process.wait()

    def _announce(self, room: _Room) -> None:
        with self._change:
            self._room = room
            self._change.notify_all()


def run(entry: str, argument: str, descriptor: int) -> None:
    """What the child does: open, say that it is ready, answer until the parent is gone.

    Parameters
    ----------
    entry, argument : str
        As of `BackRoom`.
    descriptor : int
        The file descriptor of the socket to the parent.
    """
    os.nice(_NICER)
    # The parent decides when it ends: a signal to the whole group must not cut off what is being answered.
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, signal.SIG_IGN)
    link = socket.socket(fileno=descriptor)
    questions: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(link, questions), name="questions", daemon=True).start()
    module, _, name = entry.partition(":")
    answers = cast("Answers", getattr(importlib.import_module(module), name)(argument))
    _send(link, _READY)
    while True:
        status, body = _answered(answers, questions.get())
        _send(link, _STATUS.pack(status) + body)


def _read(link: socket.socket, questions: queue.SimpleQueue[bytes]) -> None:
    """Pass questions on; end the process at once when the parent is gone, whatever is being answered."""
    try:
        while (question := _receive(link)) is not None:
            questions.put(question)
    finally:
        os._exit(0)


def _answered(answers: Answers, question: bytes) -> tuple[int, bytes]:
    try:
        return answers(question)
    except Refusal as refusal:
        return refusal.status, refusal.body()
    except Exception as error:  # noqa: BLE001 - one question that cannot be answered must not end the others
        found = incident(error)
        return found.status, found.body()


def _opened(room: _Room) -> bool:
    with contextlib.suppress(OSError):
        return _receive(room.link) == _READY
    return False


def _gone() -> Refusal:
    return Refusal(503, "not_ready", "the process for batches is being started anew; ask again in a second")


def _cause(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"


def _send(link: socket.socket, payload: bytes) -> None:
    link.sendall(_LENGTH.pack(len(payload)) + payload)


def _receive(link: socket.socket) -> bytes | None:
    """The next payload; None when the other side is gone."""
    head = _exactly(link, _LENGTH.size)
    return None if head is None else _exactly(link, _LENGTH.unpack(head)[0])


def _exactly(link: socket.socket, size: int) -> bytes | None:
    found = bytearray()
    while len(found) < size:
        chunk = link.recv(min(size - len(found), 1 << 20))
        if not chunk:
            return None
        found += chunk
    return bytes(found)
