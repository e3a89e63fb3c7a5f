"""Questions answered in a child process: in turn, bounded, and again after the child died."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from serving.back_room import BackRoom
from serving.refusal import Refusal

ROOT = Path(__file__).resolve().parents[2]
ENTRY = "tests.serving.back_room_answers:opened"


def until(true: Callable[[], object], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "not in time"
        time.sleep(0.005)


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


@pytest.fixture
def room(tmp_path: Path) -> Iterator[BackRoom]:
    room = BackRoom(ENTRY, str(tmp_path), waiting=1)
    assert room.wait_ready()
    yield room
    room.close()


def test_answers_come_back_byte_for_byte_from_a_process_of_lower_priority(room: BackRoom) -> None:
    big = os.urandom(3_000_000)
    assert room.answer(b"") == (200, b"")
    assert room.answer(b"echo " + big) == (200, b"echo " + big)
    assert room.answer(b"nice") == (200, str(os.nice(0) + 10).encode())
    assert room.process_id not in (None, os.getpid())


def test_a_refusal_and_a_failure_are_answers_and_the_child_lives_on(room: BackRoom) -> None:
    child = room.process_id
    status, body = room.answer(b"refuse")
    assert (status, json.loads(body)["error"]["message"]) == (400, "as_of: is required")
    status, body = room.answer(b"fail secret@example.com")
    assert status == 500
    assert b"secret" not in body
    assert room.answer(b"x") == (200, b"x")
    assert room.process_id == child


def test_one_is_answered_one_waits_and_the_third_is_told_so_at_once(room: BackRoom, tmp_path: Path) -> None:
    with ThreadPoolExecutor(3) as threads:
        first = threads.submit(room.answer, b"wait 1")
        until(lambda: list(tmp_path.glob("began-*")))
        second = threads.submit(room.answer, b"second")
        until(lambda: room._places._value == 0)
        began = time.monotonic()
        with pytest.raises(Refusal, match="ask again in a second") as refused:
            room.answer(b"third")
        assert time.monotonic() - began < 0.05
        assert refused.value.status == 429
        assert not second.done()
        (tmp_path / "go").touch()
        assert first.result(20) == (200, b"wait 1")
        assert second.result(20) == (200, b"second")


def test_the_question_a_child_dies_over_is_refused_once_and_the_next_answered(room: BackRoom) -> None:
    child = room.process_id
    with pytest.raises(Refusal) as refused:
        room.answer(b"die")
    assert refused.value.status == 503
    assert room.answer(b"x") == (200, b"x")
    assert room.process_id != child


def test_a_child_killed_while_idle_is_started_again_by_itself(room: BackRoom) -> None:
    child = room.process_id
    assert child is not None
    os.kill(child, signal.SIGKILL)
    until(lambda: room.process_id not in (child, None))
    assert room.answer(b"x") == (200, b"x")


def test_signals_to_the_whole_group_do_not_cut_off_an_answer(room: BackRoom, tmp_path: Path) -> None:
    child = room.process_id
    assert child is not None
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(room.answer, b"wait")
        until(lambda: list(tmp_path.glob("began-*")))
        os.kill(child, signal.SIGTERM)
        os.kill(child, signal.SIGINT)
        (tmp_path / "go").touch()
        assert first.result(20) == (200, b"wait")


def test_closing_ends_the_child_and_refuses_what_comes_later(tmp_path: Path) -> None:
    room = BackRoom(ENTRY, str(tmp_path))
    assert room.wait_ready()
    child = room.process_id
    assert child is not None
    room.close()
    assert not psutil.pid_exists(child)
    with pytest.raises(Refusal):
        room.answer(b"x")


def test_a_child_that_cannot_be_opened_is_tried_again_with_pauses(tmp_path: Path) -> None:
    room = BackRoom("tests.serving.back_room_answers:broken", str(tmp_path))
    tries = tmp_path / "tries"
    until(lambda: tries.exists() and len(tries.read_text()) >= 2)
    assert not room.wait_ready(0)
    room.close()


def test_the_child_ends_with_its_parent_even_in_the_middle_of_an_answer(tmp_path: Path) -> None:
    program = f"""
import threading
from serving.back_room import BackRoom
room = BackRoom({ENTRY!r}, {str(tmp_path)!r})
room.wait_ready()
threading.Thread(target=room.answer, args=(b"wait",), daemon=True).start()
print(room.process_id, flush=True)
threading.Event().wait()
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        until(lambda: list(tmp_path.glob("began-*")))
        parent.kill()
        child.wait(2)
