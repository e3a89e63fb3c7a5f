"""From the user's sources to typed tables, with a report of all that was repaired or set aside."""

from __future__ import annotations

from features.frames import tables_from_frames

__all__ = ["tables_from_frames"]
