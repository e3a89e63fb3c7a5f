"""Features of a folder within this process, though a process takes in its own only once."""

from __future__ import annotations

from pathlib import Path

import pytest

from features import conformance, pipeline
from features.own_features import OwnFile, own_families, read_files

__all__ = ["FOR_ENGINES", "take_in"]

FOR_ENGINES = Path(__file__).with_name("own_for_engines")
"""Files whose features are made of what people are likely to write."""


def take_in(folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[OwnFile, ...]:
    """All of the features, those of the folder last, as `features.pipeline` would have them of a fresh process."""
    files = read_files([folder])
    own = own_families(pipeline.FEATURES, files)
    families = (*pipeline.FAMILIES, *own)
    monkeypatch.setattr(pipeline, "OWN_FAMILIES", own)
    monkeypatch.setattr(pipeline, "FAMILIES", families)
    monkeypatch.setattr(pipeline, "FEATURES", tuple(name for family in families for name in family.names))
    monkeypatch.setattr(conformance, "FAMILIES", families)
    monkeypatch.setattr(conformance, "own_files", lambda: files)
    return files
