"""A scoring run that is killed leaves the old list whole, and the next run makes a new one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
HELPER = Path(__file__).with_name("killed_scorer.py")
KILLS = 25
DAYS = {"2025-06-01", "2025-07-01"}


Found = dict[str, list[dict[str, Any]]]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Found:
    folder = tmp_path_factory.mktemp("killed")
    command = [sys.executable, str(HELPER), str(folder), str(KILLS), "20261122"]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    read: Found = json.loads(done.stdout.splitlines()[-1])
    return read


def test_every_kill_leaves_a_whole_list_that_fits_its_manifest(found: Found) -> None:
    assert len(found["left"]) == KILLS
    assert {one["content"] for one in found["left"]} == DAYS
    assert all(one["verified"] for one in found["left"])


def test_every_kill_leaves_the_rows_of_one_run_in_the_store(found: Found) -> None:
    assert {one["stored"] for one in found["left"]} == DAYS


def test_the_next_run_succeeds_and_leaves_nothing_of_the_dead_one(found: Found) -> None:
    assert len(found["lived"]) == KILLS // 3 + 1
    for one in found["lived"]:
        assert (one["exit_code"], one["content"], one["stored"]) == (0, one["asked"], one["asked"])
        assert one["names"] == ["list.xlsx", "list.xlsx.manifest.json"]


def test_the_kills_came_at_any_moment_and_often_while_the_list_was_written(found: Found) -> None:
    assert sum(one["how"] == "any moment" for one in found["left"]) >= 5
    assert sum(one["parts"] > 0 for one in found["left"]) >= 8
