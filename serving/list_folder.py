"""A list as a folder of Parquet files, with a record of what they are.

``part-00000-….parquet`` holds the customers with most at stake, in order, the next file those after them. Another list has
other names, so that who reads file after file while a list is replaced misses one rather than mixes two. The record,
``_manifest.json``, names every file with its rows and SHA-256; readers of folders of Parquet skip its name. A folder is
replaced only when it is a list: whatever else stands there is never touched.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from features.errors import PublishError
from features.publish import sha256_file

__all__ = ["RECORD", "check_list_folder", "verify_list_folder", "write_part", "write_record"]

RECORD: Final = "_manifest.json"
_KIND: Final = "list"


def check_list_folder(out: Path) -> None:
    """Refuse a folder that could not be published, or that holds anything but a list, before any work is done.

    Raises
    ------
    PublishError
        The place is taken by something that is no list, or cannot be written.
    """
    if out.is_symlink() or (out.exists() and not out.is_dir()):
        raise PublishError(
            f"{out}: is no folder; a list of Parquet files needs the name of a folder of its own"
        )
    if not out.parent.is_dir():
        raise PublishError(
            f"{out}: the folder {out.parent} does not exist. Create it first: mkdir -p {out.parent}"
        )
    if not out.is_dir():
        return
    there = {entry.name for entry in out.iterdir()}
    strangers = sorted(there - {RECORD, *(file["file"] for file in _record(out).get("files", ()))})
    if strangers:
        raise PublishError(
            f"{out}: holds {len(strangers):,} files that are no part of a list, e.g. {strangers[0]!r}; nothing was "
            "touched. Give a new or empty folder, or that of an earlier list."
        )


def write_part(rows: pa.Table, folder: Path, number: int, tag: str) -> dict[str, Any]:
    """Write one file of the list; what the record says of it.

    Parameters
    ----------
    rows : pyarrow.Table
        In order.
    folder : Path
        Where to write.
    number : int
        Place of the file in the list, from 0.
    tag : str
        What tells this list from others.

    Returns
    -------
    dict
        ``file``, ``rows``, ``sha256`` and ``bytes``.
    """
    file = folder / f"part-{number:05d}-{tag}.parquet"
    # Coded words are plain texts to whoever reads the file: how they were held in memory is not told.
    pq.write_table(rows, file, compression="zstd", write_page_checksum=True, store_schema=False)
    return {
        "file": file.name,
        "rows": rows.num_rows,
        "sha256": sha256_file(file),
        "bytes": file.stat().st_size,
    }


def write_record(folder: Path, head: Mapping[str, Any], files: Sequence[Mapping[str, Any]]) -> str:
    """Write the record of a list; returns its SHA-256."""
    rows = sum(file["rows"] for file in files)
    text = json.dumps({"kind": _KIND, "rows": rows, **head, "files": list(files)}, indent=2) + "\n"
    (folder / RECORD).write_text(text, encoding="utf-8")
    return hashlib.sha256(text.encode()).hexdigest()


def verify_list_folder(folder: Path) -> dict[str, Any]:
    """Hold the files of a list against its record.

    Returns
    -------
    dict
        The record: ``kind``, ``rows``, ``as_of``, ``model_version``, ``reasons`` and ``files``.

    Raises
    ------
    PublishError
        The record or a file is missing, torn or changed, or there is a file too many.
    """
    record = _record(folder)
    if not record:
        raise PublishError(
            f"{folder}: {RECORD} is missing or unreadable, so it is no whole list. Score again."
        )
    listed = {file["file"]: file["sha256"] for file in record["files"]}
    there = {entry.name for entry in folder.iterdir()} - {RECORD}
    wrong = sorted(there ^ listed.keys()) or [
        n for n, sha in listed.items() if sha256_file(folder / n) != sha
    ]
    if wrong:
        raise PublishError(
            f"{folder}: {len(wrong)} of {len(listed)} files do not fit {RECORD}, e.g. {wrong[0]}. They were changed or "
            "damaged after they were published: score again."
        )
    return record


def _record(folder: Path) -> dict[str, Any]:
    """The record of a list; empty where there is none."""
    try:
        found = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        whole = found["kind"] == _KIND and all(
            Path(file["file"]).name == file["file"] for file in found["files"]
        )
    except (OSError, ValueError, LookupError, TypeError):
        return {}
    return dict(found) if whole else {}
