"""A streaming run that is killed leaves the old list or the new one, and the next run makes the list it was asked for."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
HELPER = Path(__file__).with_name("killed_streamer.py")
KILLS = 15

Found = dict[str, list[dict[str, Any]]]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Found:
    folder = tmp_path_factory.mktemp("killed")
    command = [sys.executable, str(HELPER), str(folder), str(KILLS), "20261123"]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    read: Found = json.loads(done.stdout.splitlines()[-1])
    return read


def test_every_kill_leaves_a_whole_list_that_fits_its_record(found: Found) -> None:
    assert len(found["left"]) == KILLS
    assert {one["content"] for one in found["left"]} <= {"all", "less"}
    assert sum(one["unfinished"] for one in found["left"]) >= KILLS // 3


def test_the_next_run_makes_the_list_it_was_asked_for_and_leaves_nothing_else(found: Found) -> None:
    assert len(found["lived"]) == KILLS // 3
    for one in found["lived"]:
        assert (one["code"], one["content"], one["names"]) == (0, one["asked"], ["list"])
