"""A process beside the one that serves, where long questions are answered without holding up short ones.

A thousand customers keep the interpreter busy for a second. Answered in another process, of lower priority, they
take nothing from the single rows that are asked meanwhile. Worker and back room are both children of the
supervisor; what joins them is a door through which a worker hands the back room one end of a new socket, so that
either may die and come back without the other: a line that breaks is replaced by the next one. Questions and answers
are bytes behind their length, and nothing is unpickled.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import struct
import threading
import time
from collections.abc import Callable
from typing import NoReturn, TypeAlias

from serving.refusal import Refusal, incident

__all__ = ["Answers", "BackRoom", "answer_questions", "lower_priority"]

Answers: TypeAlias = Callable[[bytes], tuple[int, bytes]]

_LENGTH = struct.Struct(">Q")
_STATUS = struct.Struct(">H")
_NICER = 10
# Counted from when the question came: a process that begins on a busy machine takes its time, and is no fault.
_OPEN_SECONDS = 30.0
_ANSWER_SECONDS = 30.0
# For those who waited in vain behind another: somebody may be there by now.
_LAST_LOOK_SECONDS = 0.05


class BackRoom:
    """The worker's side: answers one question at a time.

    Parameters
    ----------
    door : socket.socket
        One end of a pair of datagram sockets; `answer_questions` has the other.
    waiting : int
        Questions that wait while one is answered, 0 or more; those beyond are refused at once.

    Notes
    -----
    `answer` may be called from any number of threads.
    """

    def __init__(self, door: socket.socket, *, waiting: int = 3) -> None:
        self._door = door
        self._places = threading.BoundedSemaphore(1 + waiting)
        self._turn = threading.Lock()
        self._line: socket.socket | None = None
        self._process_id = 0
        self._closed = False

    def answer(self, body: bytes) -> tuple[int, bytes]:
        """Answer one question.

        Parameters
        ----------
        body : bytes
            The question.

        Returns
        -------
        tuple of int and bytes
            HTTP status and answer.

        Raises
        ------
        Refusal
            429 when as many as may are waiting already; 503 when the back room died over this question or did
            not come within half a minute; 504 when the answer took longer than that.
        """
        if not self._places.acquire(blocking=False):
            raise Refusal(429, "busy", "too many batches are waiting already; ask again in a second")
        until = time.monotonic() + _OPEN_SECONDS
        try:
            with self._turn:
                return self._ask(body, until)
        except OSError:
            self._hang_up()
            raise _gone() from None
        finally:
            self._places.release()

    def close(self) -> None:
        """Ask no more; a question that is being answered is refused."""
        self._closed = True
        line = self._line
        if line is not None:
            with contextlib.suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)
        with self._turn:
            self._hang_up()

    def _ask(self, body: bytes, until: float) -> tuple[int, bytes]:
        line = self._opened(until)
        line.settimeout(_ANSWER_SECONDS)
        try:
            _send(line, body)
            answer = _receive(line)
        except TimeoutError:
            # Whatever it is busy with, nobody waits for it any more; the supervisor starts another.
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._process_id, signal.SIGKILL)
            self._hang_up()
            raise Refusal(
                504, "too_slow", "the answer took too long; send fewer customers at a time"
            ) from None
        (status,) = _STATUS.unpack_from(answer)
        return status, answer[_STATUS.size :]

    def _opened(self, until: float) -> socket.socket:
        """A line at whose other end somebody listens, who may come until then."""
        if self._closed:
            raise _gone()
        if self._line is not None and _broken(self._line):
            self._hang_up()
        if self._line is None:
            self._line, theirs = socket.socketpair()
            with theirs:
                socket.send_fds(self._door, [b"line"], [theirs.fileno()], socket.MSG_DONTWAIT)
        if not self._process_id:
            self._line.settimeout(max(until - time.monotonic(), _LAST_LOOK_SECONDS))
            try:
                self._process_id = int(_receive(self._line))
            except TimeoutError:
                # The line stays: who comes through the door next will find it.
                raise _gone() from None
        return self._line

    def _hang_up(self) -> None:
        if self._line is not None:
            self._line.close()
        self._line, self._process_id = None, 0


def lower_priority() -> None:
    """Let other processes go first, and leave it to the parent to say when this one ends.

    A signal to the whole group must not cut off what is being answered.
    """
    os.nice(_NICER)
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, signal.SIG_IGN)


def answer_questions(door: socket.socket, answers: Answers) -> NoReturn:
    """What the process of the back room does: answer whoever hands a line through the door, one after the other.

    Parameters
    ----------
    door : socket.socket
        The other end of the door of `BackRoom`.
    answers : callable
        Bytes of a question to HTTP status and bytes of the answer.
    """
    while True:
        _, lines, _, _ = socket.recv_fds(door, 16, 1)
        for number in lines:
            with socket.socket(fileno=number) as line, contextlib.suppress(OSError):
                _send(line, str(os.getpid()).encode())
                while True:
                    status, body = _answered(answers, _receive(line))
                    _send(line, _STATUS.pack(status) + body)


def _answered(answers: Answers, question: bytes) -> tuple[int, bytes]:
    try:
        return answers(question)
    except Refusal as refusal:
        return refusal.status, refusal.body()
    except Exception as error:  # noqa: BLE001 - one question that cannot be answered must not end the others
        found = incident(error)
        return found.status, found.body()


def _gone() -> Refusal:
    return Refusal(503, "not_ready", "batches cannot be answered at the moment; ask again in a second")


def _broken(line: socket.socket) -> bool:
    """Whether the other side is gone; between two questions there is nothing to read on a line that is not."""
    line.setblocking(False)
    try:
        return not line.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return False
    except OSError:
        return True


def _send(line: socket.socket, payload: bytes) -> None:
    # One after the other: together they would be a copy of megabytes.
    line.sendall(_LENGTH.pack(len(payload)))
    line.sendall(payload)


def _receive(line: socket.socket) -> bytes:
    """The next payload; raises ConnectionError when the other side is gone."""
    (size,) = _LENGTH.unpack(_exactly(line, _LENGTH.size))
    return _exactly(line, size)


def _exactly(line: socket.socket, size: int) -> bytes:
    found = bytearray()
    while len(found) < size:
        chunk = line.recv(min(size - len(found), 1 << 20))
        if not chunk:
            raise ConnectionError
        found += chunk
    return bytes(found)
