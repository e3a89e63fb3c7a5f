"""Keys and the audit trail as tables and documents."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table

    from serving.keys import Key, KeyRecord
    from serving.trail import Entry

__all__ = ["entry_document", "entry_table", "key_document", "key_table", "record_document"]

_ENTRY = {
    "time": "time",
    "key_id": "key",
    "route": "route",
    "model_version": "model",
    "customers": "customers",
    "status": "status",
    "input_sha256": "SHA-256 of the request",
}
_SHORT = 12


def key_document(key: Key) -> dict[str, Any]:
    """What a key allows, for ``--json``."""
    return {
        "key_id": key.key_id,
        "label": key.label,
        "roles": sorted(key.roles),
        "scope": {name: list(values) for name, values in key.scope.items()},
        "expires_at": None if key.expires_at is None else key.expires_at.isoformat(timespec="seconds"),
    }


def record_document(record: KeyRecord, now: datetime) -> dict[str, Any]:
    """A key on record, with its state at `now`: valid, ended or revoked."""
    return {
        **key_document(record.key),
        "created_at": record.created_at.isoformat(timespec="seconds"),
        "state": record.state(now),
        "replaced_by": record.replaced_by,
    }


def key_table(records: Sequence[KeyRecord], now: datetime, zone: tzinfo) -> Table:
    """Keys on record, one per row, times of `zone`."""
    table = _table("key", "label", "roles", "scope", "made", "ends", "state")
    for record in records:
        key, ends = record.key, record.key.expires_at
        scope = "; ".join(f"{name}={','.join(values)}" for name, values in key.scope.items())
        table.add_row(
            *(key.key_id, key.label, " ".join(sorted(key.roles)), scope or "all"),
            *(
                _second(record.created_at, zone),
                "" if ends is None else _second(ends, zone),
                record.state(now),
            ),
        )
    return table


def entry_document(entry: Entry) -> dict[str, Any]:
    """An entry of the trail, for ``--json``."""
    return {**entry._asdict(), "time": entry.time.isoformat()}


def entry_table(entries: Sequence[Entry], zone: tzinfo) -> Table:
    """Entries of the trail, one per row, times of `zone`."""
    table = _table(*_ENTRY.values())
    for entry in entries:
        cells = {**entry._asdict(), "time": _second(entry.time, zone)}
        cells["input_sha256"] = entry.input_sha256[:_SHORT]
        table.add_row(*(str(cells[name]) for name in _ENTRY))
    return table


def _table(*names: str) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD)
    for name in names:
        table.add_column(name, overflow="fold")
    return table


def _second(moment: datetime, zone: tzinfo) -> str:
    return f"{moment.astimezone(zone):%Y-%m-%d %H:%M:%S}"
