"""Stored day facts under kills, a full disk, damaged parts and two runs at once: old or new, never mixed."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from features.errors import LockedError
from features.facts_update import up_to_date
from tests.features.killed_facts import digest, expected, kept, shop, stored, update

ROOT = Path(__file__).resolve().parents[2]
HELPER = Path(__file__).with_name("killed_facts.py")
ENV = {**os.environ, "PYTHONPATH": str(ROOT)}


def helper(*words: object) -> str:
    command = [sys.executable, str(HELPER), *map(str, words)]
    return subprocess.run(command, env=ENV, capture_output=True, text=True, check=True, timeout=300).stdout


@pytest.mark.parametrize(("night", "kills"), [("random", 10), ("first", 5)])
def test_killed_at_random_moments(tmp_path, night, kills):
    seen = json.loads(helper(night, tmp_path, kills, 20261123))
    assert {s["found"] for s in seen} <= {"old", "new"}
    assert {s["after"] for s in seen} == {"all"}
    assert all(
        s["names"] == 3 for s in seen
    )  # the list, its manifest, who reads: nothing is left lying about


def test_a_full_disk_leaves_the_old_facts(tmp_path):
    update(tmp_path, 1)
    said = helper("limit", tmp_path, 2_000)
    assert "cannot be written" in said
    assert "File too large" in said
    assert "are as they were" in said
    assert {path.suffix for path in tmp_path.iterdir()} == {".json", ".parquet", ""}
    assert stored(tmp_path) == kept(1)
    assert update(tmp_path, 2) == expected(2)


@pytest.mark.parametrize("harm", ["flipped", "torn", "missing", "list"])
def test_a_damaged_part_is_never_trusted(tmp_path, harm):
    update(tmp_path, 1)
    part = next(tmp_path.glob("days-*.parquet")) if harm != "list" else tmp_path / "facts.json"
    data = bytearray(part.read_bytes())
    data[len(data) // 2] ^= 4
    part.write_bytes(data[:-9] if harm == "torn" else data)
    if harm == "missing":
        part.unlink()
    tables = shop(1)
    found = up_to_date(tables, tmp_path)
    assert "the stored ones are damaged" in found.rebuilt
    assert part.name in found.rebuilt
    assert stored(tmp_path) == kept(1)


def test_two_runs_at_once_are_told_of_each_other(tmp_path):
    update(tmp_path, 1)
    command = [sys.executable, str(HELPER), "hold", str(tmp_path)]
    with subprocess.Popen(
        command, env=ENV, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as first:
        pid = first.stdout.readline().strip()
        with pytest.raises(LockedError, match=f"locked by pid {pid}"):
            update(tmp_path, 2)
        first.kill()
        first.wait()
    assert stored(tmp_path) == kept(1)
    assert update(tmp_path, 2) == expected(2)


def test_parts_that_somebody_reads_stay_until_a_later_run(tmp_path):
    update(tmp_path, 1)
    reading = up_to_date(shop(1), tmp_path).tables
    seen = digest(reading, reading.con.compile(reading.facts))
    before = set(tmp_path.glob("*.parquet"))
    next(tmp_path.glob("orders-*.parquet")).write_bytes(b"torn")
    assert up_to_date(shop(2), tmp_path).rebuilt
    assert before <= set(tmp_path.glob("*.parquet"))
    assert digest(reading, reading.con.compile(reading.facts)) == seen
    del reading
    gc.collect()
    update(tmp_path, 2)
    assert not before & set(tmp_path.glob("*.parquet"))
