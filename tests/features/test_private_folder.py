"""Private folders go with their owner, and what a killed process left goes with the next one."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from features.private_folder import private_folder

HOLD = """
import sys, time
from features.private_folder import private_folder
class Owner: pass
owner = Owner()
folder = private_folder(owner)
(folder / "days.parquet").write_text("rows")
print(folder, flush=True)
sys.stdin.read()
"""


class Owner:
    """Something to hold a folder."""


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def holder(place: Path) -> tuple[subprocess.Popen[str], Path]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "TMPDIR": str(place)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())


def test_a_folder_is_private_and_goes_with_its_owner(place):
    owner = Owner()
    folder = private_folder(owner)
    (folder / "days.parquet").write_text("rows")
    assert folder.parent == place
    assert folder.stat().st_mode & 0o777 == 0o700
    del owner
    gc.collect()
    assert not folder.exists()


def test_what_a_killed_process_left_is_removed_by_the_next(place):
    process, folder = holder(place)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert (folder / "days.parquet").exists()
    owner = Owner()
    assert private_folder(owner) != folder
    assert not folder.exists()


def test_a_folder_in_use_stays(place):
    process, folder = holder(place)
    owner = Owner()
    mine = private_folder(owner)
    assert (folder / "days.parquet").exists()
    assert mine.exists()
    process.communicate("")
    assert process.returncode == 0
    assert not folder.exists()


def test_links_and_files_of_that_name_are_left_alone(place):
    elsewhere = place / "elsewhere"
    elsewhere.mkdir()
    (place / "retain-private-link").symlink_to(elsewhere)
    (place / "retain-private-file").write_text("kept")
    owner = Owner()
    assert private_folder(owner).exists()
    assert elsewhere.exists()
    assert (place / "retain-private-file").read_text() == "kept"
