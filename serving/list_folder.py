"""A list, or the features of everybody, as a folder of Parquet files, with a record of what they are.

``part-00000-….parquet`` holds the first rows, in order (of a list, the customers with most at stake), the next file those
after them. Another list has other names, so that who reads file after file while a list is replaced misses one rather
than mixes two. The record, ``_manifest.json``, names every file with its rows and SHA-256; readers of folders of Parquet
skip its name. A folder is replaced only when it is of the same kind: whatever else stands there is never touched.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq

from features.errors import PublishError
from features.publish import sha256_file

__all__ = [
    "RECORD",
    "Kind",
    "check_list_folder",
    "part_name",
    "verify_list_folder",
    "write_part",
    "write_record",
]

RECORD: Final = "_manifest.json"

Kind: TypeAlias = Literal["list", "features"]
"""What the rows of a folder are."""

_CALLED: Final[dict[Kind, str]] = {"list": "a list", "features": "a table of features"}
_AGAIN: Final[dict[Kind, str]] = {"list": "Score again", "features": "Make the features again"}


def check_list_folder(out: Path, kind: Kind = "list") -> None:
    """Refuse a folder that could not be published, or that holds anything but a list, before any work is done.

    Parameters
    ----------
    out : Path
        The folder to be.
    kind : {"list", "features"}
        What it is to hold; a folder of the other kind is refused.

    Raises
    ------
    PublishError
        The place is taken by something else, or cannot be written.
    """
    if out.is_symlink() or (out.exists() and not out.is_dir()):
        raise PublishError(
            f"{out}: is no folder; {_CALLED[kind]} of Parquet files needs the name of a folder of its own"
        )
    if not out.parent.is_dir():
        raise PublishError(
            f"{out}: the folder {out.parent} does not exist. Create it first: mkdir -p {out.parent}"
        )
    if not out.is_dir():
        return
    there = {entry.name for entry in out.iterdir()}
    strangers = sorted(there - {RECORD, *(file["file"] for file in _record(out, kind).get("files", ()))})
    if strangers:
        raise PublishError(
            f"{out}: holds {len(strangers):,} files that are no part of {_CALLED[kind]}, e.g. {strangers[0]!r}; nothing "
            f"was touched. Give a new or empty folder, or that of {_CALLED[kind]} made earlier."
        )


def part_name(number: int, tag: str) -> str:
    """The name of the file at a place, from 0; `tag` tells this folder's content from any other."""
    return f"part-{number:05d}-{tag}.parquet"


def write_part(rows: pa.Table, file: Path) -> dict[str, Any]:
    """Write one file of a folder; what the record says of it.

    Parameters
    ----------
    rows : pyarrow.Table
        In order.
    file : Path
        Where to write.

    Returns
    -------
    dict
        ``file``, ``rows``, ``sha256`` and ``bytes``.
    """
    # Coded words are plain texts to whoever reads the file: how they were held in memory is not told.
    pq.write_table(rows, file, compression="zstd", write_page_checksum=True, store_schema=False)
    return {
        "file": file.name,
        "rows": rows.num_rows,
        "sha256": sha256_file(file),
        "bytes": file.stat().st_size,
    }


def write_record(
    folder: Path, head: Mapping[str, Any], files: Sequence[Mapping[str, Any]], kind: Kind = "list"
) -> str:
    """Write the record of a folder; returns its SHA-256."""
    rows = sum(file["rows"] for file in files)
    text = json.dumps({"kind": kind, "rows": rows, **head, "files": list(files)}, indent=2) + "\n"
    (folder / RECORD).write_text(text, encoding="utf-8")
    return hashlib.sha256(text.encode()).hexdigest()


def verify_list_folder(folder: Path, kind: Kind = "list") -> dict[str, Any]:
    """Hold the files of a folder against its record.

    Returns
    -------
    dict
        The record: ``kind``, ``rows``, ``as_of`` and ``files``; of a list also ``model_version`` and ``reasons``.

    Raises
    ------
    PublishError
        The record or a file is missing, torn or changed, or there is a file too many.
    """
    record = _record(folder, kind)
    if not record:
        raise PublishError(
            f"{folder}: {RECORD} is missing or unreadable, so it is no whole {_CALLED[kind].removeprefix('a ')}. "
            f"{_AGAIN[kind]}."
        )
    listed = {file["file"]: file["sha256"] for file in record["files"]}
    there = {entry.name for entry in folder.iterdir()} - {RECORD}
    wrong = sorted(there ^ listed.keys()) or [
        n for n, sha in listed.items() if sha256_file(folder / n) != sha
    ]
    if wrong:
        raise PublishError(
            f"{folder}: {len(wrong)} of {len(listed)} files do not fit {RECORD}, e.g. {wrong[0]}. They were changed or "
            f"damaged after they were published. {_AGAIN[kind]}."
        )
    return record


def _record(folder: Path, kind: Kind) -> dict[str, Any]:
    """The record of a folder of this kind; empty where there is none."""
    try:
        found = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        whole = found["kind"] == kind and all(
            Path(file["file"]).name == file["file"] for file in found["files"]
        )
    except (OSError, ValueError, LookupError, TypeError):
        return {}
    return dict(found) if whole else {}
