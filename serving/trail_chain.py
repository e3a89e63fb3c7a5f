"""The chain of the audit trail: what an entry and a block are, and whether a block follows the one before it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from features.errors import InputError

__all__ = ["ORIGIN", "Entry", "Verified", "extend", "follow", "moment", "read_block"]

# What stands before the first block.
ORIGIN: Final = "0" * 64


class Entry(NamedTuple):
    """One request.

    Parameters
    ----------
    time : datetime
        When it was answered, with zone; kept in UTC.
    key_id : str
        Whose key; empty for a caller on this machine while there are no keys.
    route : str
        Template such as ``/v1/customers/{id}``, never the address itself.
    model_version : str
        What answered; empty where no model did.
    input_sha256 : str
        SHA-256 of the request, in hexadecimal: who has the request can prove that it was this one.
    customers : int
        How many customers it was about, >= 0.
    status : int
        HTTP status of the answer.
    """

    time: datetime
    key_id: str
    route: str
    model_version: str
    input_sha256: str
    customers: int
    status: int


@dataclass(frozen=True)
class Verified:
    """A trail that is whole: its blocks and entries, and the hash of its last block."""

    blocks: int
    entries: int
    head: str


def extend(number: int, before: str, entries: Sequence[Entry]) -> dict[str, Any]:
    """The block that follows block `number`, whose hash is `before`."""
    text = "\n".join(map(_line, entries))
    block = {"number": number + 1, "time": moment(datetime.now(UTC)), "entries": text, "before": before}
    return {**block, "hash": _hash(block)}


def follow(found: Verified, block: Mapping[str, Any]) -> Verified:
    """What is verified after one more block.

    Raises
    ------
    InputError
        The block does not follow what was found so far.
    """
    number, wanted, written = block["number"], found.blocks + 1, block["time"]
    if number != wanted:
        fault = f"block {wanted:,} is missing" if number > wanted else f"block {number:,} was put in"
    elif block["hash"] != _hash(block):
        fault = f"block {number:,} (written {written}) was changed"
    elif block["before"] != found.head:
        fault = f"block {number:,} (written {written}) does not follow the one before it: one of them was replaced"
    else:
        return Verified(number, found.entries + block["entries"].count("\n") + 1, block["hash"])
    raise InputError(
        f"audit trail: {fault}. {found.blocks:,} blocks before it, with {found.entries:,} entries, are whole. "
        f"Compare with a copy of the database."
    )


def read_block(block: Mapping[str, Any]) -> Iterator[Entry]:
    """The entries of a block."""
    try:
        for line in block["entries"].split("\n"):
            time, *others = json.loads(line)
            yield Entry(datetime.fromisoformat(time), *others)
    except (ValueError, TypeError):
        raise InputError(
            f"audit trail: block {block['number']:,} cannot be read. Run `retain trail verify`."
        ) from None


def moment(time: datetime) -> str:
    """A moment as the trail writes it; texts stand in the order of time."""
    return time.astimezone(UTC).isoformat(timespec="microseconds")


def _line(entry: Entry) -> str:
    """One line of a block; JSON writes a line break inside a text as two characters."""
    return json.dumps([moment(entry.time), *entry[1:]], ensure_ascii=False, separators=(",", ":"))


def _hash(block: Mapping[str, Any]) -> str:
    # No part but the last holds a line break, so that no two blocks give the same text.
    parts = (block["before"], block["number"], block["time"], block["entries"])
    return hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()
