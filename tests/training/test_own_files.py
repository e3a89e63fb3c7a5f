"""A model and the files with features of the user's own that it was trained with."""

from __future__ import annotations

from typing import Any

import pytest

from training.models import own_files
from training.models.own_files import own_fault

Record = dict[str, dict[str, Any]]
MINE: Record = {"mine.py": {"columns": ["mine", "ours"], "sha256": "aa"}}


def fault(monkeypatch: pytest.MonkeyPatch, trained_with: Record, here: Record) -> str:
    monkeypatch.setattr(own_files, "own_record", lambda: here)
    return own_fault(trained_with)


def test_the_same_files_and_files_that_came_later_are_well(monkeypatch):
    later: Record = {**MINE, "later.py": {"columns": ["later"], "sha256": "bb"}}
    assert fault(monkeypatch, MINE, MINE) == ""
    assert fault(monkeypatch, MINE, later) == ""
    assert fault(monkeypatch, {}, later) == ""


def test_a_file_that_is_missing_is_told_with_its_columns(monkeypatch):
    found = fault(monkeypatch, MINE, {})
    assert found.startswith(
        "was trained with the own feature mine, ours of mine.py, which is missing here; put"
    )


def test_a_file_that_is_another_one_is_told_with_what_to_do(monkeypatch):
    found = fault(monkeypatch, MINE, {"mine.py": {"columns": ["mine", "ours"], "sha256": "bb"}})
    assert (
        "which is another one here; bring back the file it was trained with, or run `retain train`" in found
    )
