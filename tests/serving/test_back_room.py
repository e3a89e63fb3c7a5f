"""Questions answered in another process: in turn, bounded, and again after either side died."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import serving.back_room
from serving.back_room import BackRoom
from serving.refusal import Refusal
from tests.serving.small_servers import ROOT, until

Process = subprocess.Popen[bytes]


class Rooms:
    """A door, and the processes behind it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ours, self.theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.started: list[Process] = []
        self.fronts: list[BackRoom] = []

    def front(self, waiting: int = 3) -> BackRoom:
        """The side that asks."""
        self.fronts.append(BackRoom(self.ours, waiting=waiting))
        return self.fronts[-1]

    def start(self) -> Process:
        number = self.theirs.fileno()
        command = [sys.executable, "-m", "tests.serving.back_room_answers", str(self.folder), str(number)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        self.started.append(subprocess.Popen(command, pass_fds=[number], env=environment))
        return self.started[-1]

    def close(self) -> None:
        for front in self.fronts:
            front.close()
        for process in self.started:
            process.kill()
            process.wait()
        self.ours.close()
        self.theirs.close()


@pytest.fixture
def rooms(tmp_path: Path) -> Iterator[Rooms]:
    rooms = Rooms(tmp_path)
    rooms.start()
    yield rooms
    rooms.close()


def test_answers_come_back_byte_for_byte_from_a_process_of_lower_priority(rooms: Rooms) -> None:
    room, big = rooms.front(), os.urandom(3_000_000)
    assert room.answer(b"") == (200, b"")
    assert room.answer(b"echo " + big) == (200, b"echo " + big)
    assert room.answer(b"who") == (200, f"{rooms.started[0].pid} {os.nice(0) + 10}".encode())


def test_a_refusal_and_a_failure_are_answers_and_the_process_lives_on(rooms: Rooms) -> None:
    room = rooms.front()
    status, body = room.answer(b"refuse")
    assert (status, json.loads(body)["error"]["message"]) == (400, "as_of: is required")
    status, body = room.answer(b"fail secret@example.com")
    assert status == 500
    assert b"secret" not in body
    assert room.answer(b"x") == (200, b"x")
    assert rooms.started[0].poll() is None


def test_one_is_answered_one_waits_and_the_third_is_told_so_at_once(rooms: Rooms) -> None:
    room = rooms.front(waiting=1)
    with ThreadPoolExecutor(3) as threads:
        first = threads.submit(room.answer, b"wait 1")
        until(lambda: list(rooms.folder.glob("began-*")))
        second = threads.submit(room.answer, b"second")
        until(lambda: room._places._value == 0)
        began = time.monotonic()
        with pytest.raises(Refusal, match="ask again in a second") as refused:
            room.answer(b"third")
        assert time.monotonic() - began < 0.05
        assert refused.value.status == 429
        assert not second.done()
        (rooms.folder / "go").touch()
        assert first.result(20) == (200, b"wait 1")
        assert second.result(20) == (200, b"second")


def test_the_question_it_dies_over_is_refused_once_and_the_next_waits_for_the_next_process(
    rooms: Rooms,
) -> None:
    room = rooms.front()
    with pytest.raises(Refusal) as refused:
        room.answer(b"die")
    assert refused.value.status == 503
    with ThreadPoolExecutor(1) as threads:
        next_one = threads.submit(room.answer, b"x")
        rooms.start()
        assert next_one.result(20) == (200, b"x")


def test_a_process_that_was_replaced_while_idle_costs_no_question(rooms: Rooms) -> None:
    room = rooms.front()
    assert room.answer(b"x") == (200, b"x")
    rooms.started[0].kill()
    rooms.started[0].wait()
    rooms.start()
    assert room.answer(b"y") == (200, b"y")


def test_a_new_worker_finds_the_room_of_the_old_one(rooms: Rooms) -> None:
    old = rooms.front()
    assert old.answer(b"x") == (200, b"x")
    old.close()
    with pytest.raises(Refusal):
        old.answer(b"x")
    assert rooms.front().answer(b"y") == (200, b"y")
    assert rooms.started[0].poll() is None


def test_signals_to_the_whole_group_do_not_cut_off_an_answer(rooms: Rooms) -> None:
    room = rooms.front()
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(room.answer, b"wait")
        until(lambda: list(rooms.folder.glob("began-*")))
        for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            rooms.started[0].send_signal(signum)
        (rooms.folder / "go").touch()
        assert first.result(20) == (200, b"wait")


def test_an_answer_that_takes_too_long_is_given_up_with_its_process(
    rooms: Rooms, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = rooms.front()
    assert room.answer(b"x") == (200, b"x")
    monkeypatch.setattr(serving.back_room, "_ANSWER_SECONDS", 0.1)
    with pytest.raises(Refusal) as refused:
        room.answer(b"wait")
    assert refused.value.status == 504
    assert rooms.started[0].wait(5) == -signal.SIGKILL


def test_without_anybody_behind_the_door_batches_are_refused_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving.back_room, "_OPEN_SECONDS", 0.05)
    rooms = Rooms(tmp_path)
    room = rooms.front()
    for _ in range(30):
        with pytest.raises(Refusal) as refused:
            room.answer(b"x")
        assert refused.value.status == 503
    rooms.start()
    monkeypatch.setattr(serving.back_room, "_OPEN_SECONDS", 20.0)
    assert room.answer(b"x") == (200, b"x")
    rooms.close()
