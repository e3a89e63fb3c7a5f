"""The files with features of the user's own that a model was trained with: here, and unchanged."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from features.own_features import own_record

__all__ = ["own_fault"]


def own_fault(trained_with: Mapping[str, Mapping[str, Any]]) -> str:
    """What is wrong with the own features of this process for a model; empty when nothing is.

    Files that the model was not trained with do it no harm: it never reads their columns.

    Parameters
    ----------
    trained_with : mapping
        What `features.own_features.own_record` gave at training.

    Examples
    --------
    >>> own_fault({})
    ''
    >>> own_fault({"mine.py": {"columns": ["mine"], "sha256": "0"}}).partition(";")[0]
    'was trained with the own feature mine of mine.py, which is missing here'
    """
    here = own_record()
    for name, file in trained_with.items():
        told = f"was trained with the own feature {', '.join(file['columns'])} of {name}, which is"
        if name not in here:
            return (
                f"{told} missing here; put the file into features/own or into the folder that [features] folder of "
                "retain.toml names, or run `retain train`"
            )
        if here[name]["sha256"] != file["sha256"]:
            return (
                f"{told} another one here; bring back the file it was trained with, or run `retain train` and start "
                "anew what serves"
            )
    return ""
